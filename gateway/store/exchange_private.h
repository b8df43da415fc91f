/*
 * The inside of an exchange, and what its files ask of each other. Only they may include this;
 * everybody else has exchange.h.
 *
 *   exchange.c         the head of the answer comes in, and what the store does is heard
 *   exchange_body.c    the body, and the end
 *   exchange_failure.c no answer, or a bad one: whose fault that is, and whom to ask then
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

#include "base/buffer.h"
#include "exchange.h"
#include "gateway/http/http_scan.h"

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
	struct buffer out;    /* the request; `sent` bytes of it have left */
	size_t out_fields;    /* bytes of `out` before Host, which depends on the server */
	size_t sent;
	struct buffer body; /* of a PUT */
	struct buffer in;   /* head, then the start of the body */
	struct http_scan scan;
	unsigned interim;
	struct response response;
	unsigned long long remaining;
	ev_timer timer; /* no progress from the store; before an answer it fires earlier, too */
	double waited;  /* seconds, for the head of this server's answer */
	double waited_before; /* for others' */
	double started, answered;
	double asked; /* when this server was turned to */
	const struct exchange_events *events;
	const struct upstream_events *store_events;
	void *arg;
};

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
