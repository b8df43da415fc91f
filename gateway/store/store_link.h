/*
 * One connection to a server of the store, plain or TLS: opened, read from, written to. For plain
 * HTTP each call is the system call that it is named after, and nothing more.
 */
#ifndef GATEWAY_STORE_LINK_H
#define GATEWAY_STORE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/config/config.h"
#include "gateway/tls/tls_client_stream.h"

struct store_link {
	int fd;                        /* -1: none */
	struct tls_client_peer *peer;  /* NULL: plain */
	struct tls_client_stream *tls; /* NULL: plain, or not connected yet */
};

/* What the opening of one waits for. */
enum store_link_state {
	STORE_LINK_READY,
	STORE_LINK_WANT_READ,
	STORE_LINK_WANT_WRITE, /* or to be connected */
	STORE_LINK_FAILED,
};

/* Begins to connect to ENDPOINT; over TLS, when PEER is not NULL. FAILED with errno set: there is
 * nothing to close. */
enum store_link_state store_link_open(
    struct store_link *self, const struct config_endpoint *endpoint, struct tls_client_peer *peer);
/* What was waited for has happened. FAILED with *WHY, which is static or SELF's. */
enum store_link_state store_link_go_on(struct store_link *self, const char **why);
/* Does nothing when it is closed. */
void store_link_close(struct store_link *self);

/* As recv() and send(). Over TLS an end that the server did not announce is ECONNRESET. */
ssize_t store_link_receive(struct store_link *self, char *bytes, size_t n);
ssize_t store_link_send(struct store_link *self, const char *bytes, size_t n);

/* The next receive() may have something to say though the socket is not readable. */
bool store_link_has_more(const struct store_link *self);

/* Nothing waits to be received: no byte, no end. */
bool store_link_is_quiet(const struct store_link *self);

/* Why a receive() gave RECEIVED, 0 or -1 with errno ERROR. Static or SELF's. */
const char *store_link_why(const struct store_link *self, ssize_t received, int error);

#endif
