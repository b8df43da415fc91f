/*
 * What this node did in the last ten minutes, and its last generations: in shared memory, written
 * by the supervisor, read by whoever shows it.
 *
 * Its one writer never waits for a reader. A reader copies; what it copies may be from two moments
 * in a row, which nobody who looks at a chart can tell.
 */
#ifndef GATEWAY_HISTORY_H
#define GATEWAY_HISTORY_H

#include "customer_rows.h"
#include "metrics.h"

enum {
	HISTORY_INTERVAL = 5,     /* seconds between two samples */
	HISTORY_SAMPLES = 120,    /* that are kept: ten minutes */
	HISTORY_GENERATIONS = 16, /* that are kept */
};

/* What happened between the sample before and this one. */
struct history_sample {
	uint64_t time;         /* Unix time of its end */
	uint64_t milliseconds; /* how long it was */
	uint64_t connections;  /* open at its end */
	uint64_t sent_bytes, received_bytes, requests, refused, handshakes, handshakes_refused;
};

/* A generation that every worker has adopted. */
struct history_generation {
	uint64_t number, time; /* Unix time */
	uint64_t kept, cut;    /* connections */
};

struct history;

/* NULL, with errno set, when there is no memory. */
struct history *history_new(void);
void history_free(struct history *self);

/* Unix time at which it was made. */
uint64_t history_started(const struct history *self);

/* For the supervisor, every HISTORY_INTERVAL seconds at NOW, Unix time. */
void history_measure(struct history *self, const struct metrics *metrics, double now);
/* For the supervisor: a generation is live. */
void history_add_generation(struct history *self, const struct history_generation *generation);

/* Copies the last samples, the oldest first, and returns how many. */
unsigned history_samples(
    const struct history *self, struct history_sample samples[HISTORY_SAMPLES]);
/* The same of generations, the newest first. */
unsigned history_generations(
    const struct history *self, struct history_generation generations[HISTORY_GENERATIONS]);
/* Bytes a second that ROW, one of customer_rows.h, had in the last sample; CELL: sent or received.
 */
uint64_t history_customer_rate(const struct history *self, unsigned row, enum customer_cell cell);

/* N in MILLISECONDS, as a number a second. */
uint64_t history_per_second(uint64_t n, uint64_t milliseconds);

#endif
