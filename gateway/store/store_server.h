/*
 * One server of the store, and whether one worker takes it for well.
 *
 * Connections and requests tell what they saw. A server that cannot be connected is passed over
 * until a check finds it again. One that is connected and then does not answer, or answers what is
 * no HTTP or 5xx, is asked by a check of our own; when that fails, too, or when `store.eject_after`
 * failures in a row were met by more than one customer or by requests that no customer has a say
 * in, it is ejected: passed over for `store.eject_time`, and twice as long each time that this did
 * not help. What one customer alone meets never ejects a server, for it may have asked for just
 * that.
 *
 * A server that a name stands for may have several addresses: the one that worked last is tried
 * first, then the others in their order, and only when none can be connected is the server
 * unreachable. Its name may lead elsewhere by then: whoever can look it up is asked to.
 */
#ifndef GATEWAY_STORE_SERVER_H
#define GATEWAY_STORE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"

struct tls_client_peer;
struct store_server; /* store_servers_pick() gives one, as long as its store_servers */

const struct config_store *store_server_store(const struct store_server *self);
/* Whom its connections are made to over TLS; NULL: none, they are plain. */
struct tls_client_peer *store_server_peer(const struct store_server *self);
size_t store_server_index(const struct store_server *self);
uint64_t store_server_bit(const struct store_server *self); /* in a set of those tried */

/* Neither unreachable nor ejected. */
bool store_server_is_good(const struct store_server *self);

/* A round through the addresses of a server, each once. */
struct store_round {
	size_t place; /* of the address that is tried */
	size_t next, left;
};

void store_server_begin(const struct store_server *self, struct store_round *round);
/* The address to try next; NULL when the round is over. */
const struct config_endpoint *store_server_next(
    const struct store_server *self, struct store_round *round);

/* It was connected at the address that ROUND is at, or could not be, for the reason WHAT. After the
 * last address of the round it is unreachable. */
void store_server_connected(struct store_server *self, const struct store_round *round);
void store_server_refused(
    struct store_server *self, const struct store_round *round, const char *what);

/* It takes long to answer, which may or may not be the request's fault: a check finds out. Until
 * then others are preferred. */
void store_server_suspect(struct store_server *self);

/* The head of an answer took so many SECONDS to come, connecting included. */
void store_server_took(struct store_server *self, double seconds);

struct store_failure {
	const char *what;
	uint64_t customer; /* any number that is the same for one customer */
	bool is_ours;      /* the customer had no say in what was asked */
};

/* It did not answer a request, or not in HTTP, or with a status that means that it cannot. */
void store_server_failed(struct store_server *self, const struct store_failure *failure);
/* It answered a request, to the last byte. */
void store_server_answered(struct store_server *self);

#endif
