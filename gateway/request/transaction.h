/*
 * One request, from its complete head to its line in the access log.
 *
 * The connection pushes the request in (head, then body) and pulls the answer out, as fast as its
 * client takes it; the transaction decides, talks to the store and knows nothing of TLS or sockets.
 *
 *   begin -> [body pushed] -> answer pulled until END -> end
 */
#ifndef GATEWAY_TRANSACTION_H
#define GATEWAY_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "access_log.h"
#include "gateway/node/limit.h"
#include "gateway/node/services.h"
#include "operation.h"

struct transaction;

/* Who asks. The texts outlive the transaction; CALLER is what the policy says now. */
struct transaction_peer {
	const char *address;
	const struct tls_stream *tls;
	const struct policy_caller *caller;
	unsigned customer_row;   /* in the metrics; of a customer */
	enum limit over;         /* for which the next request is one too many, and is 429 */
	void (*wake)(void *arg); /* from the event loop: the answer may be pulled */
	void *arg;
};

/* Begins with a HEAD that http_scan_head() accepted; its bytes are not kept, PEER is. STARTED is
 * when the head's first byte came, by base/clock.h. */
struct transaction *transaction_begin(struct services *services,
    const struct transaction_peer *peer, struct http_span head, double started);

/* A transaction for what never became a request: REFUSAL is answered, and the connection closed.
 * With PROBLEM_TOO_MANY, PEER says for which limit the connection is one too many. */
struct transaction *transaction_begin_refused(struct services *services,
    const struct transaction_peer *peer, const struct refusal *refusal, double started);

/* Has the worker's pulse say that this is what it works on. */
void transaction_mark(const struct transaction *self);

/* How many bytes of body are still to be pushed before there is an answer. */
size_t transaction_body_wanted(const struct transaction *self);
/* True once: "100 Continue" should be sent now (RFC 9110, 10.1.1). */
bool transaction_take_continue(struct transaction *self);
void transaction_push_body(struct transaction *self, const char *bytes, size_t n);

/* The body will not come. Answers with request-timeout and closes. */
void transaction_body_timed_out(struct transaction *self);

/* At most so many bytes of the answer may be pulled as far as is known now: 0 before it is there,
 * and at its end. */
unsigned long long transaction_left(const struct transaction *self);

enum transaction_status {
	TRANSACTION_OK,   /* *got > 0 */
	TRANSACTION_WAIT, /* nothing now; the wake function will be called */
	TRANSACTION_END,  /* the whole answer was pulled before */
	TRANSACTION_CUT,  /* the answer cannot be completed: close without close_notify */
};

/* Pulls at most N bytes of the answer into BYTES, which has room for N + 1. */
enum transaction_status transaction_pull(
    struct transaction *self, char *bytes, size_t n, size_t *got);

/* The client is slow, or fast again: the store's body is left alone meanwhile. */
void transaction_set_paused(struct transaction *self, bool paused);

/* Why an answer that is TRANSACTION_CUT cannot be completed. */
enum transaction_cut {
	TRANSACTION_CUT_SHORT,   /* the store ended it */
	TRANSACTION_CUT_STALLED, /* the store stopped sending */
	TRANSACTION_CUT_WRONG,   /* its content is not what the catalogue says */
};
enum transaction_cut transaction_cut_cause(const struct transaction *self);

/* True when the connection must not serve another request after this one. */
bool transaction_closes(const struct transaction *self);
/* True when it was refused, for the choice of a close reason. */
bool transaction_is_refused(const struct transaction *self);

/* True when its answer is 4xx: the client could have known better. */
bool transaction_is_clients_fault(const struct transaction *self);
/* True when its answer is 429. */
bool transaction_is_too_many(const struct transaction *self);

/* Decides a running download anew, by the services' policy. PROBLEM_NONE when it may go on. The
 * caller's role and customer must be what they were. */
enum problem transaction_redecide(
    const struct transaction *self, const struct policy_caller *caller);

/* Writes the log line and frees. CLOSE says why the connection ends with this request, NULL when it
 * goes on; REASON overrides the reason in the log when the transfer is cut, else NULL. */
void transaction_end(struct transaction *self, const char *close, const char *reason);

#endif
