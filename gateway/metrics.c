/* Counters in shared memory. The one hard part: a slot fills whole cache lines, so that workers
 * do not slow each other down. */
#include "metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64 };

struct slot {
	_Alignas(CACHE_LINE) _Atomic uint64_t values[METRIC_COUNT];
};

struct metrics {
	unsigned slot_count;
	struct slot *slots;
};

struct metrics *
metrics_new(unsigned workers)
{
	struct metrics *self = buffer_alloc(sizeof *self);

	assert(workers > 0);
	self->slot_count = workers + 1;
	self->slots = mmap(NULL, self->slot_count * sizeof *self->slots, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self->slots == MAP_FAILED) {
		free(self);
		return NULL;
	}
	return self;
}

void
metrics_free(struct metrics *self)
{
	if (self == NULL)
		return;
	munmap(self->slots, self->slot_count * sizeof *self->slots);
	free(self);
}

void
metrics_add(struct metrics *self, unsigned worker, enum metric metric, uint64_t n)
{
	assert(worker < self->slot_count && metric < METRIC_COUNT);
	atomic_fetch_add_explicit(&self->slots[worker].values[metric], n, memory_order_relaxed);
}

void
metrics_subtract(struct metrics *self, unsigned worker, enum metric metric, uint64_t n)
{
	assert(worker < self->slot_count && metric < METRIC_COUNT);
	atomic_fetch_sub_explicit(&self->slots[worker].values[metric], n, memory_order_relaxed);
}

void
metrics_set(struct metrics *self, unsigned worker, enum metric metric, uint64_t value)
{
	assert(worker < self->slot_count && metric < METRIC_COUNT);
	atomic_store_explicit(&self->slots[worker].values[metric], value, memory_order_relaxed);
}

uint64_t
metrics_total(const struct metrics *self, enum metric metric)
{
	uint64_t total = 0;

	assert(metric < METRIC_COUNT);
	for (unsigned i = 0; i < self->slot_count; i++)
		total += atomic_load_explicit(&self->slots[i].values[metric], memory_order_relaxed);
	return total;
}

void
metrics_reset_gauges(struct metrics *self, unsigned worker)
{
	assert(worker < self->slot_count);
	atomic_store(&self->slots[worker].values[METRIC_CONNECTIONS_OPEN], 0);
}

void
metrics_print(const struct metrics *self, struct buffer *out)
{
#define METRICS_PRINT(id, type, series, help)                                           \
	buffer_printf(out,                                                              \
	    "# HELP mirrorgate_" series " " help "\n# TYPE mirrorgate_" series " " type \
	    "\nmirrorgate_" series " %llu\n",                                           \
	    (unsigned long long)metrics_total(self, METRIC_##id));
	METRICS_TABLE(METRICS_PRINT)
#undef METRICS_PRINT
}
