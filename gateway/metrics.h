/*
 * Counters and gauges, one slot of shared memory for each worker and one for the supervisor, added
 * up when read.
 *
 * The slots are mapped before the workers are forked, so a scrape at any worker shows the whole
 * node and a counter survives its worker. Each slot has one writer; readers may see values a
 * moment old.
 */
#ifndef GATEWAY_METRICS_H
#define GATEWAY_METRICS_H

#include <stdint.h>

#include "../policy/buffer.h"

/*       enum                    type     name and help of the Prometheus series */
#define METRICS_TABLE(X)                                                                           \
	X(CONNECTIONS_OPEN, "gauge", "connections_open", "Client connections open now")            \
	X(CONNECTIONS, "counter", "connections_total", "TCP connections accepted")                 \
	X(CONNECTIONS_PROBED, "counter", "connections_probed_total", "Closed without a byte")      \
	X(CONNECTIONS_REFUSED, "counter", "connections_refused_total",                             \
	    "Connections refused by a limit before TLS")                                           \
	X(HANDSHAKES, "counter", "handshakes_total", "Full TLS handshakes completed")              \
	X(HANDSHAKES_RESUMED, "counter", "handshakes_resumed_total", "Resumed TLS handshakes")     \
	X(HANDSHAKES_REFUSED, "counter", "handshakes_refused_total", "TLS handshakes refused")     \
	X(REQUESTS, "counter", "requests_total", "Requests answered")                              \
	X(REQUESTS_REFUSED, "counter", "requests_refused_total", "Requests refused")               \
	X(BYTES_SENT, "counter", "sent_bytes_total", "Bytes of answers sent to clients")           \
	X(SNAPSHOTS_STORED, "counter", "snapshots_stored_total", "Snapshots confirmed by a store") \
	X(STORE_CONNECTS, "counter", "store_connects_total", "Connections opened to stores")       \
	X(STORE_REUSES, "counter", "store_reuses_total", "Requests on a kept-alive connection")    \
	X(STORE_FAILURES, "counter", "store_failures_total", "Exchanges that a store failed")      \
	X(STORE_RETRIES, "counter", "store_retries_total", "Requests sent again")                  \
	X(TRANSFERS_CUT, "counter", "transfers_cut_total", "Bodies cut before their end")          \
	X(REAUTHORISED_CUT, "counter", "reauthorised_cut_total", "Connections cut by a reload")    \
	X(EXPIRED_CUT, "counter", "expired_cut_total", "Connections cut by an end date")           \
	X(RELOADS, "counter", "reloads_total", "Generations put in force by a reload")             \
	X(RELOADS_REFUSED, "counter", "reloads_refused_total", "Reloads that changed nothing")     \
	X(INTEGRITY_FAILURES, "counter", "integrity_failures_total",                               \
	    "Answers of a store that were not what a catalogue says")                              \
	X(CATALOGUES, "gauge", "catalogues", "Catalogues that downloads are held against")         \
	X(CATALOGUE_FILES, "gauge", "catalogue_files", "Files in these catalogues")                \
	X(CATALOGUES_EXPIRED, "gauge", "catalogues_expired", "Catalogues past their last day")     \
	X(CATALOGUES_REFUSED, "gauge", "catalogues_refused", "Catalogues that are not trusted")    \
	X(CATALOGUES_UNTIL, "gauge", "catalogues_expire_seconds",                                  \
	    "When the next catalogue, or the certificate of all, expires, Unix time")              \
	X(LOG_LINES_LOST, "counter", "log_lines_lost_total", "Access log lines not written")

#define METRICS_ENUM(name, type, series, help) METRIC_##name,
enum metric { METRICS_TABLE(METRICS_ENUM) METRIC_COUNT };
#undef METRICS_ENUM

struct metrics;

/* Maps WORKERS zeroed slots, and one more: the supervisor counts as worker number WORKERS. NULL
 * when there is no memory; errno says why. */
struct metrics *metrics_new(unsigned workers);
void metrics_free(struct metrics *self);

void metrics_add(struct metrics *self, unsigned worker, enum metric metric, uint64_t n);
void metrics_subtract(struct metrics *self, unsigned worker, enum metric metric, uint64_t n);

/* For a gauge that only WORKER's slot has. */
void metrics_set(struct metrics *self, unsigned worker, enum metric metric, uint64_t value);

/* The sum over all workers. */
uint64_t metrics_total(const struct metrics *self, enum metric metric);

/* For the supervisor, when a worker died: its connections are gone. */
void metrics_reset_gauges(struct metrics *self, unsigned worker);

/* Appends every series in the Prometheus text format, version 0.0.4. */
void metrics_print(const struct metrics *self, struct buffer *out);

#endif
