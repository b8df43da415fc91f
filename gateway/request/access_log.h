/*
 * The access log: one JSON object a line for each request and each refused handshake (design,
 * section 8). Every string that a client chose is escaped; nothing secret is written.
 *
 * Lines are collected and written together, after at most a tenth of a second. A reader of the
 * log that stalls or dies, or a full disk, never stops the gate: whole lines are dropped and
 * counted. A line that was begun is ended before anything else is written, by this worker or
 * another.
 */
#ifndef GATEWAY_ACCESS_LOG_H
#define GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/node/metrics.h"
#include "log_turn.h"

enum { ACCESS_REQUEST_ID_LEN = 32 };

struct access_log;
struct line_signer;
struct ev_loop;

/* One line. Texts may be NULL (written as null); they are read during access_log_write() only. */
struct access_record {
	char request_id[ACCESS_REQUEST_ID_LEN + 1];
	uint64_t generation;
	const char *client, *tls, *cipher, *group;
	bool resumed;
	const char *subject, *serial, *customer;
	const char
	    *operation; /* download, snapshot, licence, crl, healthz, status, handshake, ... */
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
	unsigned store_status; /* that became a 404; 0: no such key */
	uint64_t count;        /* of failed handshakes that the line stands for; 0: no such key */
	const char *close; /* why the connection ended with this request, NULL when it goes on */
};

/* Writes to FD, which stays the caller's until access_log_reopen() or access_log_free(), when it is
 * the TURN of WORKER. */
struct access_log *access_log_new(
    struct ev_loop *loop, int fd, struct log_turn *turn, struct metrics *metrics, unsigned worker);
/* Writes lines from now on, as in the beginning, or none; then nothing counts as lost. */
void access_log_enable(struct access_log *self, bool enabled);
/* Seals lines from now on (audit_chain.h), or no more, as in the beginning. SIGNER (NULL: nobody)
 * becomes SELF's. A chain ends, which it says in a line of its own, and another begins, unless it
 * was so before. */
void access_log_seal(struct access_log *self, bool sealed, struct line_signer *signer);
/* Writes what it can at once; what it cannot is counted as lost. */
void access_log_free(struct access_log *self);

/* A descriptor for standard output that never blocks when that is a pipe. */
int access_log_standard_output(void);

/* Makes a new request id: 128 random bits, so that nobody can tell another's from their own. */
void access_log_new_request_id(struct access_log *self, char id[ACCESS_REQUEST_ID_LEN + 1]);

void access_log_write(struct access_log *self, const struct access_record *record);
void access_log_flush(struct access_log *self);

/* Writes what is collected to the old descriptor, closes it and goes on with FD. What the old one
 * did not take goes to FD, but for the rest of a line that was begun: that line is lost. */
void access_log_reopen(struct access_log *self, int fd);

#endif
