/* Counters in shared memory. The one hard part: a slot fills whole cache lines, so that workers
 * do not slow each other down. */
#include "metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "last_refusals.h"

enum { CACHE_LINE = 64 };

/* Where a family's cells begin. */
struct cells {
#define CELLS(name, size) uint64_t name[size];
	METRICS_FAMILIES(CELLS)
#undef CELLS
};

enum { CELL_COUNT = sizeof(struct cells) / sizeof(uint64_t) };

struct slot {
	_Alignas(CACHE_LINE) _Atomic uint64_t values[METRIC_COUNT];
	_Atomic uint64_t store_ejections[METRICS_STORES_MAX];
	atomic_bool store_passed_over[METRICS_STORES_MAX];
	_Atomic uint64_t cells[CELL_COUNT];
};

struct metrics {
	unsigned slot_count;
	struct slot *slots;
	struct customer_rows *customers;
	struct last_refusals *refusals;
	const char *const *names[METRICS_FAMILY_COUNT]; /* this process's */
};

struct metrics *
metrics_new(unsigned workers)
{
	struct metrics *self = buffer_alloc(sizeof *self);

	assert(workers > 0);
	self->slot_count = workers + 1;
	self->slots = mmap(NULL, self->slot_count * sizeof *self->slots, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self->slots == MAP_FAILED)
		goto free_self;
	self->customers = customer_rows_new();
	if (self->customers == NULL)
		goto unmap_slots;
	self->refusals = last_refusals_new(workers);
	if (self->refusals == NULL)
		goto free_customers;
	return self;

free_customers:
	customer_rows_free(self->customers);
unmap_slots:
	munmap(self->slots, self->slot_count * sizeof *self->slots);
free_self:
	free(self);
	return NULL;
}

void
metrics_free(struct metrics *self)
{
	if (self == NULL)
		return;
	last_refusals_free(self->refusals);
	customer_rows_free(self->customers);
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

/* The place of CELL of FAMILY among a slot's cells. */
static size_t
place(enum metrics_family family, unsigned cell)
{
#define RANGE(name, size) {offsetof(struct cells, name) / sizeof(uint64_t), size},
	static const struct {
		size_t start, count;
	} ranges[] = {METRICS_FAMILIES(RANGE)};
#undef RANGE

	assert(family < METRICS_FAMILY_COUNT && cell < ranges[family].count);
	return ranges[family].start + cell;
}

static _Atomic uint64_t *
cell_at(const struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell)
{
	assert(worker < self->slot_count);
	return &self->slots[worker].cells[place(family, cell)];
}

/* One writer: nothing is lost between the two halves, and the bus is not locked. */
void
metrics_cell_add(
    struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell, uint64_t n)
{
	_Atomic uint64_t *at = cell_at(self, worker, family, cell);

	atomic_store_explicit(
	    at, atomic_load_explicit(at, memory_order_relaxed) + n, memory_order_relaxed);
}

void
metrics_cell_set(struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell,
    uint64_t value)
{
	atomic_store_explicit(cell_at(self, worker, family, cell), value, memory_order_relaxed);
}

uint64_t
metrics_cell_of(
    const struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell)
{
	return atomic_load_explicit(cell_at(self, worker, family, cell), memory_order_relaxed);
}

uint64_t
metrics_cell_total(const struct metrics *self, enum metrics_family family, unsigned cell)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < self->slot_count; i++)
		total += metrics_cell_of(self, i, family, cell);
	return total;
}

void
metrics_name_cells(struct metrics *self, enum metrics_family family, const char *const *labels)
{
	assert(family < METRICS_FAMILY_COUNT);
	self->names[family] = labels;
}

const char *const *
metrics_cell_names(const struct metrics *self, enum metrics_family family)
{
	assert(family < METRICS_FAMILY_COUNT);
	return self->names[family];
}

unsigned
metrics_workers(const struct metrics *self)
{
	return self->slot_count - 1;
}

struct customer_rows *
metrics_customers(const struct metrics *self)
{
	return self->customers;
}

struct last_refusals *
metrics_refusals(const struct metrics *self)
{
	return self->refusals;
}

void
metrics_count_customer(
    struct metrics *self, unsigned worker, unsigned row, enum customer_cell cell, uint64_t n)
{
	metrics_cell_add(self, worker, METRICS_FAMILY_CUSTOMERS, row * CUSTOMER_CELLS + cell, n);
}

uint64_t
metrics_customer_total(const struct metrics *self, unsigned row, enum customer_cell cell)
{
	return metrics_cell_total(self, METRICS_FAMILY_CUSTOMERS, row * CUSTOMER_CELLS + cell);
}

void
metrics_reset_gauges(struct metrics *self, unsigned worker)
{
	assert(worker < self->slot_count);
	atomic_store(&self->slots[worker].values[METRIC_CONNECTIONS_OPEN], 0);
	atomic_store(&self->slots[worker].values[METRIC_CONNECTIONS_NOT_ADMITTED], 0);
	for (unsigned i = 0; i < METRICS_STORES_MAX; i++)
		atomic_store(&self->slots[worker].store_passed_over[i], false);
	for (unsigned i = 0; i < METRICS_STATES; i++)
		metrics_cell_set(self, worker, METRICS_FAMILY_STATES, i, 0);
}

void
metrics_add_store_ejection(struct metrics *self, unsigned worker, unsigned server)
{
	assert(worker < self->slot_count && server < METRICS_STORES_MAX);
	atomic_fetch_add_explicit(
	    &self->slots[worker].store_ejections[server], 1, memory_order_relaxed);
}

uint64_t
metrics_store_ejections(const struct metrics *self, unsigned server)
{
	uint64_t total = 0;

	assert(server < METRICS_STORES_MAX);
	for (unsigned i = 0; i < self->slot_count; i++)
		total += atomic_load_explicit(
		    &self->slots[i].store_ejections[server], memory_order_relaxed);
	return total;
}

void
metrics_set_store_passed_over(
    struct metrics *self, unsigned worker, unsigned server, bool passed_over)
{
	assert(worker < self->slot_count && server < METRICS_STORES_MAX);
	atomic_store_explicit(
	    &self->slots[worker].store_passed_over[server], passed_over, memory_order_relaxed);
}

unsigned
metrics_store_passed_over(const struct metrics *self, unsigned server)
{
	unsigned total = 0;

	assert(server < METRICS_STORES_MAX);
	for (unsigned i = 0; i < self->slot_count; i++)
		total += atomic_load_explicit(
		    &self->slots[i].store_passed_over[server], memory_order_relaxed);
	return total;
}

void
metrics_forget_store(struct metrics *self, unsigned server)
{
	assert(server < METRICS_STORES_MAX);
	const unsigned first = server * METRICS_HISTOGRAM_CELLS;

	for (unsigned i = 0; i < self->slot_count; i++) {
		atomic_store(&self->slots[i].store_ejections[server], 0);
		metrics_cell_set(self, i, METRICS_FAMILY_STORE_FAILURES, server, 0);
		for (unsigned cell = 0; cell < METRICS_HISTOGRAM_CELLS; cell++)
			metrics_cell_set(self, i, METRICS_FAMILY_STORE_SECONDS, first + cell, 0);
	}
}

struct series {
	const char *type, *name, *help; /* the name with its labels, without the prefix */
};

static size_t
name_len(const struct series *series)
{
	return strcspn(series->name, "{");
}

static bool
is_new_name(const struct series *series, const struct series *before)
{
	size_t len = name_len(series);

	return before == NULL || name_len(before) != len ||
	       strncmp(series->name, before->name, len) != 0;
}

void
metrics_print(const struct metrics *self, struct buffer *out)
{
#define METRICS_SERIES(id, type, name, help) {type, name, help},
	static const struct series all[] = {METRICS_TABLE(METRICS_SERIES)};
#undef METRICS_SERIES

	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		const struct series *series = &all[i];
		int len = (int)name_len(series);
		if (is_new_name(series, i > 0 ? series - 1 : NULL))
			buffer_printf(out, "# HELP mirrorgate_%.*s %s\n# TYPE mirrorgate_%.*s %s\n",
			    len, series->name, series->help, len, series->name, series->type);
		buffer_printf(out, "mirrorgate_%s %llu\n", series->name,
		    (unsigned long long)metrics_total(self, i));
	}
}
