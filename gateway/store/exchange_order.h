/*
 * What to ask the store, and how that is written (design, section 4: regenerated requests).
 *
 * The path that was authorised is the path that is written, in its one spelling.
 */
#ifndef GATEWAY_EXCHANGE_ORDER_H
#define GATEWAY_EXCHANGE_ORDER_H

#include <stddef.h>

#include "base/buffer.h"
#include "gateway/config/config_types.h"
#include "gateway/http/request_gate.h"

/* What to ask. All texts are the caller's. */
struct exchange_order {
	const struct request *request; /* method, range and conditions */
	const char *path;              /* what to send: canonical, decoded */
	size_t path_len;
	const char *customer;
	const char *request_id;
	const char *body; /* PUT */
	size_t body_len;
};

/* Appends the request's head to OUT, all but what depends on the server and the empty line. The
 * method is not METHOD_OTHER; the body is not written. */
void exchange_order_print(const struct exchange_order *order, struct buffer *out);

/* Appends HEAD, as exchange_order_print() wrote it, for STORE: with its base before the path, and
 * at the end what exchange_order_address() writes. */
void exchange_order_complete(const struct buffer *head, const struct config_store *store,
    const char *credentials, struct buffer *out);

/* Appends the fields that STORE gets of every request: Host, and with CREDENTIALS (NULL: none)
 * Authorization. */
void exchange_order_address(
    const struct config_store *store, const char *credentials, struct buffer *out);

#endif
