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

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "customer_rows.h"

/* Series with one name and different labels stand together; the first one's help is that of all. */
/*       enum                    type     name and help of the Prometheus series */
#define METRICS_TABLE(X)                                                                           \
	X(CONNECTIONS_OPEN, "gauge", "connections_open", "Client connections open now")            \
	X(CONNECTIONS_NOT_ADMITTED, "gauge", "connections_not_admitted",                           \
	    "Of the client connections, those whose caller was not let in, or not yet")            \
	X(CONNECTIONS, "counter", "connections_total", "TCP connections accepted")                 \
	X(CONNECTIONS_PROBED, "counter", "connections_probed_total", "Closed without a byte")      \
	X(CONNECTIONS_HANDSHAKE_ONLY, "counter", "connections_handshake_only_total",               \
	    "Closed by the client after a good handshake, without a byte of a request")            \
	X(CONNECTIONS_REFUSED, "counter", "connections_refused_total",                             \
	    "Connections refused by a limit before TLS")                                           \
	X(CONNECTIONS_CROWDED_OUT, "counter", "connections_crowded_out_total",                     \
	    "Idle connections closed to make room for others")                                     \
	X(HANDSHAKES, "counter", "handshakes_total", "Full TLS handshakes completed")              \
	X(HANDSHAKES_RESUMED, "counter", "handshakes_resumed_total", "Resumed TLS handshakes")     \
	X(CONNECTIONS_FLOODING, "counter", "connections_flooding_total",                           \
	    "Connections cut for too many TLS records without application data")                   \
	X(HANDSHAKES_OVER_LIMIT, "counter", "handshakes_over_limit_total",                         \
	    "Full TLS handshakes refused by handshakes_per_second or its limit for an address")    \
	X(HANDSHAKES_REFUSED, "counter", "handshakes_refused_total", "TLS handshakes refused")     \
	X(REQUESTS, "counter", "requests_total", "Requests answered")                              \
	X(REQUESTS_REFUSED, "counter", "requests_refused_total", "Requests refused")               \
	X(TOO_MANY_CONNECTIONS, "counter", "too_many_total{limit=\"connections\"}",                \
	    "Requests answered 429, by limit")                                                     \
	X(TOO_MANY_ROOM, "counter", "too_many_total{limit=\"room\"}", "")                          \
	X(TOO_MANY_CONNECTION_REQUESTS, "counter",                                                 \
	    "too_many_total{limit=\"connection_requests\"}", "")                                   \
	X(TOO_MANY_CUSTOMER_REQUESTS, "counter", "too_many_total{limit=\"customer_requests\"}",    \
	    "")                                                                                    \
	X(TOO_MANY_REFUSALS, "counter", "too_many_total{limit=\"refusals\"}", "")                  \
	X(TOO_MANY_TRANSFERS, "counter", "too_many_total{limit=\"transfers\"}", "")                \
	X(TOO_MANY_SNAPSHOTS, "counter", "too_many_total{limit=\"snapshots\"}", "")                \
	X(TOO_MANY_FAILED_SNAPSHOTS, "counter", "too_many_total{limit=\"failed_snapshots\"}", "")  \
	X(BYTES_RECEIVED, "counter", "received_bytes_total", "Bytes of requests from clients")     \
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
	X(CONFIGURATIONS_REFUSED, "counter", "configurations_refused_total",                       \
	    "Reloads that left the configuration as it was, for the new one is refused")           \
	X(INTEGRITY_FAILURES, "counter", "integrity_failures_total",                               \
	    "Answers of a store that were not what a catalogue says")                              \
	X(CATALOGUES, "gauge", "catalogues", "Catalogues that downloads are held against")         \
	X(CATALOGUE_FILES, "gauge", "catalogue_files", "Files in these catalogues")                \
	X(CATALOGUES_EXPIRED, "gauge", "catalogues_expired", "Catalogues past their last day")     \
	X(CATALOGUES_REFUSED, "gauge", "catalogues_refused", "Catalogues that are not trusted")    \
	X(CATALOGUES_PENDING, "gauge", "catalogues_pending", "Catalogues not read yet")            \
	X(CATALOGUES_LOST, "gauge", "catalogues_lost", "Versions whose good catalogue is gone")    \
	X(CATALOGUES_UNTIL, "gauge", "catalogues_expiry_timestamp_seconds",                        \
	    "When the next catalogue, or the certificate of all, expires, Unix time")              \
	X(LOG_LINES_LOST, "counter", "log_lines_lost_total", "Access log lines not written")       \
	X(UPGRADES_DONE, "counter", "upgrades_total{result=\"done\"}",                             \
	    "Changes to another program (SIGUSR2): this one has taken over, or one failed to")     \
	X(UPGRADES_FAILED, "counter", "upgrades_total{result=\"failed\"}", "")                     \
	X(SIGNATURES_DONE, "counter", "signatures_total{result=\"done\"}",                         \
	    "What workers asked the key holder to sign, by what came of it")                       \
	X(SIGNATURES_REFUSED, "counter", "signatures_total{result=\"refused\"}", "")               \
	X(SIGNATURES_LIMIT, "counter", "signatures_total{result=\"limit\"}", "")                   \
	X(KEY_HOLDER_RESTARTS, "counter", "key_holder_restarts_total",                             \
	    "Starts of the key holder after one that ended")                                       \
	X(WORKER_STALLS, "counter", "worker_stalls_total",                                         \
	    "Workers whose loop did not turn for half of timeouts.worker")

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

/* Of the servers of the store, each known by its slot in the configuration. */
enum { METRICS_STORES_MAX = 128 };

void metrics_add_store_ejection(struct metrics *self, unsigned worker, unsigned server);
uint64_t metrics_store_ejections(const struct metrics *self, unsigned server);
/* Whether WORKER passes it over. */
void metrics_set_store_passed_over(
    struct metrics *self, unsigned worker, unsigned server, bool passed_over);
/* How many workers do. */
unsigned metrics_store_passed_over(const struct metrics *self, unsigned server);

/* What has labels: each family has a fixed number of cells, one for each combination of its labels.
 * Who counts knows what a cell stands for; the most there may be of each label stands here, so that
 * the memory is the same whatever the traffic is. */
enum {
	METRICS_OPERATIONS = 12,
	METRICS_STATUSES = 28,
	METRICS_REASONS = 32,
	METRICS_GROUPS = 8,
	METRICS_HANDSHAKES = 2 * 2 * METRICS_GROUPS, /* versions, full and resumed */
	METRICS_REFUSALS = 16,
	METRICS_CLOSES = 40,
	METRICS_STATES = 12,
	METRICS_HISTOGRAM_CELLS = 16, /* see metrics_histogram.h */
	METRICS_PROCESS_CELLS = 2,
	METRICS_WORKER_ENDS = 6, /* see worker_end.h */
	METRICS_NODE_CELLS = 8,
	METRICS_RELOAD_CELLS = 30, /* see reload_cell.h */
};

/*       enum          cells */
#define METRICS_FAMILIES(X)                                                 \
	X(RESPONSES, METRICS_OPERATIONS *METRICS_STATUSES *METRICS_REASONS) \
	X(HANDSHAKES, METRICS_HANDSHAKES)                                   \
	X(HANDSHAKE_REFUSALS, METRICS_REFUSALS)                             \
	X(CLOSES, METRICS_CLOSES)                                           \
	X(STATES, METRICS_STATES)                                           \
	X(REQUEST_SECONDS, METRICS_OPERATIONS *METRICS_HISTOGRAM_CELLS)     \
	X(FIRST_BYTE_SECONDS, METRICS_OPERATIONS *METRICS_HISTOGRAM_CELLS)  \
	X(STORE_SECONDS, METRICS_STORES_MAX *METRICS_HISTOGRAM_CELLS)       \
	X(STORE_FAILURES, METRICS_STORES_MAX)                               \
	X(CUSTOMERS, (CUSTOMER_ROWS_MAX + 1) * CUSTOMER_CELLS)              \
	X(PROCESS, METRICS_PROCESS_CELLS)                                   \
	X(LOADER, METRICS_PROCESS_CELLS)                                    \
	X(KEY_HOLDER, METRICS_PROCESS_CELLS)                                \
	X(WORKER_ENDS, METRICS_WORKER_ENDS)                                 \
	X(NODE, METRICS_NODE_CELLS)                                         \
	X(RELOADS, METRICS_RELOAD_CELLS)

#define METRICS_FAMILY(name, cells) METRICS_FAMILY_##name,
enum metrics_family { METRICS_FAMILIES(METRICS_FAMILY) METRICS_FAMILY_COUNT };
#undef METRICS_FAMILY

/* WORKER, which alone writes to its slot, counts N more in CELL of FAMILY. */
void metrics_cell_add(
    struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell, uint64_t n);
void metrics_cell_set(struct metrics *self, unsigned worker, enum metrics_family family,
    unsigned cell, uint64_t value);
/* What WORKER has counted, and all of them. */
uint64_t metrics_cell_of(
    const struct metrics *self, unsigned worker, enum metrics_family family, unsigned cell);
uint64_t metrics_cell_total(const struct metrics *self, enum metrics_family family, unsigned cell);

/* What the one label of each cell of FAMILY is, in the order of the cells: static texts, ended by
 * NULL, which each process that prints has to give. For those whose names this folder cannot know.
 */
void metrics_name_cells(
    struct metrics *self, enum metrics_family family, const char *const *labels);
/* As they were given; NULL when they were not. */
const char *const *metrics_cell_names(const struct metrics *self, enum metrics_family family);

/* How many workers there are; the slot after theirs is the supervisor's. */
unsigned metrics_workers(const struct metrics *self);

/* Which customers have series of their own; of all workers. */
struct customer_rows *metrics_customers(const struct metrics *self);

/* What was refused last; of all workers. */
struct last_refusals *metrics_refusals(const struct metrics *self);

/* Counts N more of CELL for the customer of ROW. */
void metrics_count_customer(
    struct metrics *self, unsigned worker, unsigned row, enum customer_cell cell, uint64_t n);
uint64_t metrics_customer_total(const struct metrics *self, unsigned row, enum customer_cell cell);

/* For the supervisor, when SERVER is another one from now on. */
void metrics_forget_store(struct metrics *self, unsigned server);

/* For the supervisor, when a worker died: its connections are gone. */
void metrics_reset_gauges(struct metrics *self, unsigned worker);

/* Appends every series in the Prometheus text format, version 0.0.4. */
void metrics_print(const struct metrics *self, struct buffer *out);

#endif
