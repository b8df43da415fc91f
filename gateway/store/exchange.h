/*
 * One exchange with the store: a request written anew, an answer checked, a body handed on.
 *
 * Nothing a client sent is copied: the request text is built here from the decision. The answer
 * passes response_gate; its body is pulled by the owner piece by piece, as fast as the client takes
 * it. A store connection that is in any doubt, or still owed a body, is never used again.
 *
 * A GET or HEAD is sent once more, on a fresh connection, when a kept-alive one dies before the
 * first byte of an answer (RFC 9112, 9.3.1). A PUT always has a fresh connection and one try.
 */
#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "exchange_order.h"
#include "gateway/http/problem.h"
#include "gateway/http/response_gate.h"
#include "gateway/node/services.h"

struct exchange;

/* All but the last are called from the event loop, each as the last thing of an event, so that the
 * owner may free the exchange. Before exchange_start() returns none is called. */
struct exchange_events {
	void (*on_answer)(void *arg); /* exchange_response() is ready */
	void (*on_body)(void *arg);   /* more of the body can be read */
	/* No answer: what to tell the client, and for the log why. After on_answer: the body ends
	 * early. */
	void (*on_failed)(void *arg, enum problem problem, const char *why);
	/* From exchange_read(), with each piece of the body before that returns it. False: what
	 * ends with the last piece is not what it should be. */
	bool (*check_piece)(void *arg, const char *bytes, size_t n, bool is_last);
};

/* NULL when no store can be reached at all. The texts of ORDER are used during this call only. */
struct exchange *exchange_start(struct services *services, const struct exchange_order *order,
    const struct exchange_events *events, void *arg);

/* Gives the store connection back if the exchange is complete and clean, else closes it. */
void exchange_free(struct exchange *self);

/* Valid from on_answer on, until the first exchange_read(). */
const struct response *exchange_response(const struct exchange *self);

/* The answer is not what it should be: closes the store connection. Between
 * on_answer and the first exchange_read(); only exchange_free() may follow. */
void exchange_reject(struct exchange *self);

/* Bytes of the body that are still to be read. */
unsigned long long exchange_remaining(const struct exchange *self);

enum exchange_status { EXCHANGE_OK, EXCHANGE_WAIT, EXCHANGE_END, EXCHANGE_CUT };

/* Reads at most N bytes of the body, where BYTES has room for N + 1. OK: *GOT > 0. WAIT: nothing
 * now, on_body follows. END: the body was complete before. CUT: the store ended it early, or
 * the check refused it; *GOT bytes may go out all the same, and are never the last. */
enum exchange_status exchange_read(struct exchange *self, char *bytes, size_t n, size_t *got);

/* True when the next exchange_read() is likely to find something without waiting. */
bool exchange_has_more(const struct exchange *self);

/* The client is slow: stop watching the store until exchange_resume(). */
void exchange_pause(struct exchange *self);
void exchange_resume(struct exchange *self);

/* True when the store was sent the whole request and has not refused it with 4xx or 5xx: what it
 * asks for may have been done, whatever became of the answer. */
bool exchange_may_be_done(const struct exchange *self);

/* For the log. The name is "" until a store was connected. */
const char *exchange_store_name(const struct exchange *self);
unsigned exchange_store_status(const struct exchange *self); /* 0: none came */
double exchange_milliseconds(const struct exchange *self); /* from start to answer's head, or now */

#endif
