/*
 * The inside of a transaction, and what its files ask of each other. Only they may include this;
 * everybody else has transaction.h.
 *
 *   transaction.c          begin, body, pull, end
 *   transaction_download.c an artifact, and whether it is what its catalogue says
 *   transaction_upload.c   a snapshot, from its head to the receipt
 *   transaction_exchange.c what it asks of the store
 *   transaction_limits.c   one too many, and what it counts for
 *   transaction_count.c    what the metrics say of it
 *   transaction_crl.c      the revocation lists in force
 *   transaction_answer.c   an answer of our own
 *
 * Each calls only what stands below it here; transaction.c hears of the store by events.
 */
#ifndef GATEWAY_TRANSACTION_PRIVATE_H
#define GATEWAY_TRANSACTION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/buffer.h"
#include "content_digest.h"
#include "gateway/http/conditions.h"
#include "gateway/store/exchange.h"
#include "integrity.h"
#include "reply.h"
#include "snapshot.h"
#include "transaction.h"

#define TRANSACTION_NO_ARTIFACT "The store has no artifact of this path"

enum {
	TRANSACTION_STORED_PATH_MAX = 320, /* /snapshots/CUSTOMER/NAME/SHA256.json */
	TRANSACTION_STORE_RETRY_AFTER = 5, /* seconds */
};

enum transaction_phase { TX_READ_BODY, TX_AWAIT_STORE, TX_ANSWER, TX_CUT };

struct transaction {
	struct services *services;
	const struct transaction_peer *peer;
	struct policy_caller caller; /* as the request was decided, whatever a reload brings */
	enum transaction_phase phase;
	struct request request; /* without its spans once transaction_begin() is over */
	enum operation operation;
	struct refusal refusal;         /* to be answered when the body has passed by */
	enum transaction_cut cut_cause; /* in TX_CUT */
	bool closes, continue_due, paused;
	bool snapshot_counted, may_be_stored, transfer_counted;
	time_t snapshot_counted_at;
	unsigned retry_after;
	char *target; /* path as it came, for the log; NULL when there was none */
	char *method;
	char range[CONDITIONS_RANGE_TEXT];
	struct integrity integrity; /* of a download */
	struct buffer body;         /* of an upload */
	struct content_digest content_digest;
	unsigned long long body_left;
	struct snapshot snapshot;
	char stored_path[TRANSACTION_STORED_PATH_MAX];
	struct exchange *exchange; /* NULL: none, or over */
	const struct exchange_events *store_events;
	struct buffer out;    /* head of the answer, or all of it */
	struct crl_text *crl; /* what follows OUT; NULL: nothing */
	size_t crl_sent;
	/* For the log. */
	struct access_record record;
	char store_name[128];
	uint64_t counted_in, counted_out; /* bytes that the metrics have already */
	double started;    /* when the first byte of the request came, by base/clock.h */
	double first_byte; /* when the answer began to leave; 0: not yet */
};

/* transaction_answer.c */

time_t transaction_now(const struct transaction *self);
/* What the answer's head carries; from here on it is known whether the connection ends. */
struct reply_frame transaction_frame(struct transaction *self);
/* The answer is REPLY, which is used up. */
void transaction_send_reply(struct transaction *self, struct reply *reply);
void transaction_send_problem(struct transaction *self, enum problem problem, const char *detail);
/* Answers a refusal, at once or when the request's body has passed by. */
void transaction_refuse(struct transaction *self, struct refusal refusal);
void transaction_refuse_because(struct transaction *self, enum problem problem, const char *detail);

/* transaction_exchange.c */

/* Asks the store for PATH, or to keep self->snapshot there. */
void transaction_start_exchange(struct transaction *self, const char *path, size_t path_len);
/* Keeps what the log and the end of the exchange need, and lets go of the store. */
void transaction_end_exchange(struct transaction *self);

/* transaction_count.c */

/* Counts the bytes that passed since the last call, for a transfer that goes on, once they are
 * worth it. */
void transaction_count_bytes(struct transaction *self);
/* It is over, and its record complete: counts it. */
void transaction_count(struct transaction *self);

/* transaction_limits.c */

/* The customer, as limits know it. */
struct quota_key transaction_customer_key(const struct transaction *self);
/* One more exchange of this customer with the store; false when it is one too many. */
bool transaction_take_transfer(struct transaction *self);
/* It is over, if there was one. */
void transaction_return_transfer(struct transaction *self);
/* It came to nothing, and so does not count against the customer's limit for a day; unless the
 * store may have it all the same. After the exchange, if there was one, has ended. */
void transaction_return_snapshot(struct transaction *self);
/* The request is one too many for LIMIT; the client may come again after RETRY_AFTER seconds. */
void transaction_refuse_too_many(struct transaction *self, enum limit limit, unsigned retry_after);
/* The same when the request's body has come. */
void transaction_send_too_many(struct transaction *self, enum limit limit, unsigned retry_after);

/* transaction_crl.c */

/* Answers with the revocation lists in force. The request's spans are still there. */
void transaction_crl_begin(struct transaction *self);
/* Bytes of them that are still to be pulled; 0 when something else is answered. */
size_t transaction_crl_left(const struct transaction *self);
/* Gives up to N of them. */
size_t transaction_crl_pull(struct transaction *self, char *bytes, size_t n);

/* transaction_download.c */

/* The download is allowed: asks the store, or answers. The request's spans are still there. */
void transaction_download_begin(struct transaction *self);
/* The head of the store's answer is there. */
void transaction_download_answer(struct transaction *self, const struct response *response);
/* For exchange_events: false when the body that ends with this piece must not be complete. */
bool transaction_download_check(
    struct transaction *self, const char *bytes, size_t n, bool is_last);

/* transaction_upload.c */

/* The upload is allowed: checks what its head says before any of the body is read. */
void transaction_upload_begin(struct transaction *self);
/* The whole upload is here: checks it and gives it to the store. */
void transaction_upload_store(struct transaction *self);
/* The store has confirmed the snapshot, or not. */
void transaction_upload_answer(struct transaction *self, unsigned status);

#endif
