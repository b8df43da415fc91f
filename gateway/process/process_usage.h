/*
 * What a process of the gate takes of processor and memory, for the metrics.
 *
 * A worker may open no file, so /proc/self/statm is opened before it is confined and read again
 * each time. Each process reports of itself into its own slot, the key holder into the
 * supervisor's.
 */
#ifndef GATEWAY_PROCESS_USAGE_H
#define GATEWAY_PROCESS_USAGE_H

#include <stdint.h>

#include "gateway/node/metrics.h"
#include "gateway/node/process_cell.h"

struct process_usage {
	int statm;         /* -1: it is not open, and memory is not known */
	uint64_t reported; /* microseconds */
};

/* Opens what process_usage_report() reads. SELF is zero, or was ended. */
void process_usage_begin(struct process_usage *self);
void process_usage_end(struct process_usage *self);

/* Adds the processor's time since the last report, and sets the memory, in FAMILY of SLOT. */
void process_usage_report(
    struct process_usage *self, struct metrics *metrics, enum metrics_family family, unsigned slot);

/* The most memory that this process has had, in KiB. */
uint32_t process_usage_peak_kib(void);

/* Microseconds that all children which have ended took. */
uint64_t process_usage_of_children(void);

#endif
