/* Samples in rings of shared memory. The one hard part: the ring has more places than a reader
 * copies, so that the one which is being written is none of them. */
#include "history.h"

#include <assert.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

enum {
	SAMPLE_PLACES = HISTORY_SAMPLES + 8,
	GENERATION_PLACES = HISTORY_GENERATIONS + 8,
	ROWS = CUSTOMER_ROWS_MAX + 1,
	RATES = 2, /* sent, received */
};

struct history {
	uint64_t started;
	struct history_sample before; /* totals at the last sample */
	uint64_t bytes_before[ROWS][RATES];
	double measured; /* when that was; 0: never */
	_Atomic uint64_t sample_count, generation_count;
	struct history_sample samples[SAMPLE_PLACES];
	struct history_generation generations[GENERATION_PLACES];
	_Atomic uint64_t rates[ROWS][RATES];
};

struct history *
history_new(void)
{
	struct history *self =
	    mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		return NULL;
	self->started = (uint64_t)time(NULL);
	return self;
}

uint64_t
history_started(const struct history *self)
{
	return self->started;
}

void
history_free(struct history *self)
{
	if (self != NULL)
		munmap(self, sizeof *self);
}

uint64_t
history_per_second(uint64_t n, uint64_t milliseconds)
{
	return milliseconds > 0 ? (uint64_t)((double)n * 1000 / (double)milliseconds) : 0;
}

static struct history_sample
totals(const struct metrics *metrics)
{
	return (struct history_sample){
	    .sent_bytes = metrics_total(metrics, METRIC_BYTES_SENT),
	    .received_bytes = metrics_total(metrics, METRIC_BYTES_RECEIVED),
	    .requests = metrics_total(metrics, METRIC_REQUESTS),
	    .refused = metrics_total(metrics, METRIC_REQUESTS_REFUSED),
	    .handshakes = metrics_total(metrics, METRIC_HANDSHAKES) +
	                  metrics_total(metrics, METRIC_HANDSHAKES_RESUMED),
	    .handshakes_refused = metrics_total(metrics, METRIC_HANDSHAKES_REFUSED),
	};
}

static void
measure_customers(struct history *self, const struct metrics *metrics, uint64_t milliseconds)
{
	static const enum customer_cell cells[RATES] = {
	    CUSTOMER_BYTES_SENT, CUSTOMER_BYTES_RECEIVED};

	for (unsigned row = 0; row < ROWS; row++) {
		for (unsigned i = 0; i < RATES; i++) {
			uint64_t now = metrics_customer_total(metrics, row, cells[i]);
			uint64_t more = now - self->bytes_before[row][i];
			self->bytes_before[row][i] = now;
			atomic_store_explicit(&self->rates[row][i],
			    history_per_second(more, milliseconds), memory_order_relaxed);
		}
	}
}

void
history_measure(struct history *self, const struct metrics *metrics, double now)
{
	struct history_sample all = totals(metrics), *before = &self->before;
	double seconds = now - self->measured;
	bool is_first = self->measured == 0;

	/* The clock may have been set. */
	if (seconds <= 0 || seconds > 2 * HISTORY_SAMPLES * HISTORY_INTERVAL)
		seconds = HISTORY_INTERVAL;
	uint64_t milliseconds = (uint64_t)(seconds * 1000);
	self->measured = now;
	if (!is_first) {
		uint64_t count = atomic_load_explicit(&self->sample_count, memory_order_relaxed);
		self->samples[count % SAMPLE_PLACES] = (struct history_sample){
		    .time = (uint64_t)now,
		    .milliseconds = milliseconds,
		    .connections = metrics_total(metrics, METRIC_CONNECTIONS_OPEN),
		    .sent_bytes = all.sent_bytes - before->sent_bytes,
		    .received_bytes = all.received_bytes - before->received_bytes,
		    .requests = all.requests - before->requests,
		    .refused = all.refused - before->refused,
		    .handshakes = all.handshakes - before->handshakes,
		    .handshakes_refused = all.handshakes_refused - before->handshakes_refused,
		};
		atomic_store_explicit(&self->sample_count, count + 1, memory_order_release);
	}
	self->before = all;
	measure_customers(self, metrics, milliseconds);
}

void
history_add_generation(struct history *self, const struct history_generation *generation)
{
	uint64_t count = atomic_load_explicit(&self->generation_count, memory_order_relaxed);

	self->generations[count % GENERATION_PLACES] = *generation;
	atomic_store_explicit(&self->generation_count, count + 1, memory_order_release);
}

unsigned
history_samples(const struct history *self, struct history_sample samples[HISTORY_SAMPLES])
{
	uint64_t count = atomic_load_explicit(&self->sample_count, memory_order_acquire);
	unsigned n = count < HISTORY_SAMPLES ? (unsigned)count : HISTORY_SAMPLES;

	for (unsigned i = 0; i < n; i++)
		samples[i] = self->samples[(count - n + i) % SAMPLE_PLACES];
	return n;
}

unsigned
history_generations(
    const struct history *self, struct history_generation generations[HISTORY_GENERATIONS])
{
	uint64_t count = atomic_load_explicit(&self->generation_count, memory_order_acquire);
	unsigned n = count < HISTORY_GENERATIONS ? (unsigned)count : HISTORY_GENERATIONS;

	for (unsigned i = 0; i < n; i++)
		generations[i] = self->generations[(count - 1 - i) % GENERATION_PLACES];
	return n;
}

uint64_t
history_customer_rate(const struct history *self, unsigned row, enum customer_cell cell)
{
	assert(row < ROWS && (cell == CUSTOMER_BYTES_SENT || cell == CUSTOMER_BYTES_RECEIVED));
	return atomic_load_explicit(
	    &self->rates[row][cell == CUSTOMER_BYTES_RECEIVED], memory_order_relaxed);
}
