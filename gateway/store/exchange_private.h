/*
 * The inside of an exchange, and what its files ask of each other. Only they may include this;
 * everybody else has exchange.h.
 *
 *   exchange.c         the head of the answer comes in, and what the store does is heard
 *   exchange_body.c    the body, and the end
 *   exchange_unframed.c a body whose length only a catalogue knows
 *   exchange_receive.c bytes of a body, as they come
 *   exchange_failure.c no answer, or a bad one: whose fault that is, and whom to ask then
 *   exchange_said.c    what the store did, in words
 *   exchange_sending.c the request goes out, to one server at a time
 *
 * Each calls only what stands below it here.
 */
#ifndef GATEWAY_EXCHANGE_PRIVATE_H
#define GATEWAY_EXCHANGE_PRIVATE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "exchange.h"
#include "gateway/http/chunked.h"
#include "gateway/http/http_scan.h"

enum { EXCHANGE_SAID_MAX = 320 }; /* bytes of a text for the log */

enum phase {
	EXCHANGE_CONNECTING,
	EXCHANGE_SENDING,
	EXCHANGE_AWAITING,
	EXCHANGE_BODY,
	EXCHANGE_DONE
};

struct exchange {
	struct services *services;
	struct upstream *upstream;              /* the store in force when it began */
	struct upstream_connection *connection; /* NULL: given back or broken */
	const char *store_name;
	struct request request; /* without its spans */
	enum phase phase;
	bool retried, paused;
	bool drained;         /* the store's socket was empty when it was read last */
	bool was_paused;      /* ever: what the store then does may be its impatience */
	uint64_t tried;       /* servers; see store_servers_pick() */
	unsigned others;      /* servers that were asked after the first failed */
	uint64_t customer;    /* a hash */
	enum problem problem; /* of the last server, if another was asked then */
	struct buffer order;  /* the request's head without what depends on the server */
	struct buffer out;    /* the request; `sent` bytes of it have left */
	size_t sent;
	struct buffer body; /* of a PUT */
	struct buffer in;   /* head, then the start of the body */
	struct http_scan scan;
	unsigned interim;
	struct response response;
	unsigned long long remaining;
	struct chunked chunked;
	bool has_ended;       /* the framing of such a body: what is held back is the last of it */
	bool is_other_length; /* it has one, which is not the server's fault */
	bool has_held;
	char held; /* the last byte, or what there was no room for */
	char said[EXCHANGE_SAID_MAX];
	ev_timer timer; /* no progress from the store; before an answer it fires earlier, too */
	double waited;  /* seconds, for the head of this server's answer */
	double waited_before; /* for others' */
	double started, answered;
	double asked; /* when this server was turned to */
	const struct exchange_events *events;
	const struct upstream_events *store_events;
	void *arg;
};

/* ---- exchange_receive.c ---- */

/* Takes at most N bytes of those that came with the head, or else from the store: as recv(), where
 * nothing to be had now is -1 with EAGAIN. */
ssize_t exchange_receive(struct exchange *self, char *bytes, size_t n);

/* ---- exchange_unframed.c ---- */

/* The next bytes of a body that is chunked or ends with its connection, where BYTES has room for N
 * + 1: OK with *TAKEN from 1 to N of them, WAIT, or CUT with *WHY. The last byte of a body comes
 * only when its end has been seen and is where the catalogue says. */
enum exchange_status exchange_unframed_read(
    struct exchange *self, char *bytes, size_t n, size_t *taken, const char **why);

/* ---- exchange_sending.c ---- */

extern const char *const exchange_doing[]; /* of each phase, for the log */

/* Gives the phase its whole time. */
void exchange_restart_timer(struct exchange *self);
void exchange_drop_connection(struct exchange *self);

/* The server is connected: writes the request for it, and sends. */
void exchange_start_sending(struct exchange *self);
/* Sends what the socket takes. */
void exchange_send(struct exchange *self);

/* Connects, or takes a kept-alive connection (not when FRESH), and sends as soon as it can. False:
 * no server that was not tried can be connected. */
bool exchange_acquire(struct exchange *self, bool fresh);

/* ---- exchange_said.c ---- */

/* What the store answered, which has DEFECT: "302 to http://other/", "401", "200: chunked, ...". It
 * is SELF's until the next call. */
const char *exchange_said(struct exchange *self, const char *defect);
/* "GET /path", shortened; TEXT has room for EXCHANGE_SAID_MAX bytes. */
void exchange_said_request(const struct exchange *self, char *text);

/* ---- exchange_failure.c ---- */

void exchange_on_timeout(struct ev_loop *loop, ev_timer *timer, int events);

/* Each of these is the last thing of an event. */

/* There is no answer. */
void exchange_fail(struct exchange *self, enum problem problem, const char *why);
/* No server, or no other one, can be connected. */
void exchange_fail_unreachable(struct exchange *self);
/* The server did not answer as it must: counts that, and asks another if it can. */
void exchange_server_failed(struct exchange *self, enum problem problem, const char *why);

/* Counts WHY against the server; but one that was kept waiting may have lost its patience. */
void exchange_blame(struct exchange *self, const char *why);

#endif
