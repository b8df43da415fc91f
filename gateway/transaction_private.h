/*
 * The inside of a transaction, and what its files ask of each other. Only they may include this;
 * everybody else has transaction.h.
 *
 *   transaction.c          begin, refuse, answer, pull, end
 *   transaction_download.c an artifact, and whether it is what its catalogue says
 *   transaction_upload.c   a snapshot, from its head to the receipt
 */
#ifndef GATEWAY_TRANSACTION_PRIVATE_H
#define GATEWAY_TRANSACTION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "../policy/buffer.h"
#include "content_digest.h"
#include "exchange.h"
#include "integrity.h"
#include "reply.h"
#include "snapshot.h"
#include "transaction.h"

enum { TRANSACTION_STORED_PATH_MAX = 320 }; /* /snapshots/CUSTOMER/NAME/SHA256.json */

enum transaction_phase { TX_READ_BODY, TX_AWAIT_STORE, TX_ANSWER, TX_CUT };

struct transaction {
	struct services *services;
	const struct transaction_peer *peer;
	struct policy_caller caller; /* as the request was decided, whatever a reload brings */
	enum transaction_phase phase;
	struct request request; /* without its spans once transaction_begin() is over */
	enum operation operation;
	struct refusal refusal; /* to be answered when the body has passed by */
	bool closes, continue_due, paused;
	bool snapshot_counted;
	time_t snapshot_counted_at;
	unsigned retry_after;
	char *target; /* path as it came, for the log; NULL when there was none */
	char *method;
	char range[REQUEST_RANGE_TEXT];
	struct integrity integrity; /* of a download */
	struct buffer body;         /* of an upload */
	struct content_digest content_digest;
	unsigned long long body_left;
	struct snapshot snapshot;
	char stored_path[TRANSACTION_STORED_PATH_MAX];
	struct exchange *exchange; /* NULL: none, or over */
	struct buffer out;         /* head of the answer, or all of it */
	/* For the log. */
	struct access_record record;
	char store_name[128];
};

/* transaction.c */

time_t transaction_now(const struct transaction *self);
/* What the answer's head carries; from here on it is known whether the connection ends. */
struct reply_frame transaction_frame(struct transaction *self);
/* The answer is REPLY, which is used up. */
void transaction_send_reply(struct transaction *self, struct reply *reply);
void transaction_send_problem(struct transaction *self, enum problem problem, const char *detail);
/* Answers a refusal, at once or when the request's body has passed by. */
void transaction_refuse(struct transaction *self, struct refusal refusal);
void transaction_refuse_because(struct transaction *self, enum problem problem, const char *detail);
/* Asks the store for PATH, or to keep self->snapshot there. */
void transaction_start_exchange(struct transaction *self, const char *path, size_t path_len);
/* Keeps what the log and the end of the exchange need, and lets go of the store. */
void transaction_end_exchange(struct transaction *self);

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
/* It came to nothing, and so does not count against the customer's limit for a day. */
void transaction_upload_give_back(struct transaction *self);

#endif
