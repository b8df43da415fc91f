/*
 * The access log: one JSON object a line for each request and each refused handshake (design,
 * section 8). Every string that a client chose is escaped; nothing secret is written.
 *
 * Lines are collected and written together, after at most a tenth of a second. A reader of the
 * log that stalls or dies never stops the gate: past a limit whole lines are dropped and counted.
 */
#ifndef GATEWAY_ACCESS_LOG_H
#define GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metrics.h"

enum { ACCESS_REQUEST_ID_LEN = 32 };

struct access_log;
struct ev_loop;

/* One line. Texts may be NULL (written as null); they are read during access_log_write() only. */
struct access_record {
	char request_id[ACCESS_REQUEST_ID_LEN + 1];
	uint64_t generation;
	const char *client, *tls, *cipher;
	bool resumed;
	const char *subject, *serial, *customer;
	const char *operation; /* download, snapshot, licence, healthz, status, handshake, ... */
	const char *method;
	size_t method_len;
	const char *path;
	size_t path_len;
	const char *range;
	unsigned status; /* 0: none was sent */
	const char *reason;
	uint64_t bytes_in, bytes_out; /* heads and bodies, before TLS */
	double started, duration_ms;
	const char *store;
	double store_ms;
	const char *close; /* why the connection ended with this request, NULL when it goes on */
};

/* Writes to FD, which stays the caller's until access_log_reopen() or access_log_free(). */
struct access_log *access_log_new(
    struct ev_loop *loop, int fd, struct metrics *metrics, unsigned worker);
void access_log_free(struct access_log *self);

/* A descriptor for standard output that never blocks when that is a pipe. */
int access_log_standard_output(void);

/* Makes a new, unguessable request id. */
void access_log_new_request_id(struct access_log *self, char id[ACCESS_REQUEST_ID_LEN + 1]);

void access_log_write(struct access_log *self, const struct access_record *record);
void access_log_flush(struct access_log *self);

/* Writes what is collected to the old descriptor, closes it and goes on with FD. */
void access_log_reopen(struct access_log *self, int fd);

#endif
