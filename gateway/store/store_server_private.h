/*
 * A server of the store as store_server.c and store_servers.c see it; nobody else includes this.
 */
#ifndef GATEWAY_STORE_SERVER_PRIVATE_H
#define GATEWAY_STORE_SERVER_PRIVATE_H

#include <ev.h>

#include "gateway/node/metrics.h"
#include "store_access.h"
#include "store_check.h"
#include "store_server.h"

/* What the servers of one worker have in common. */
struct store_shared {
	struct ev_loop *loop;
	const struct config *config;
	const struct store_access *access;
	struct metrics *metrics;
	unsigned worker;
	bool retired;
	size_t count;               /* of the servers */
	void (*on_lost)(void *arg); /* NULL: nobody listens */
	void *arg;
};

enum store_server_state { SERVER_GOOD, SERVER_UNREACHABLE, SERVER_EJECTED };

struct store_server {
	const struct store_shared *all;
	const struct config_store *store;
	struct tls_client_peer *peer; /* NULL: plain */
	unsigned index;
	enum store_server_state state;
	bool suspected;    /* the check that runs will tell */
	bool check_failed; /* the last one of a server that is ejected */
	struct config_endpoints endpoints;
	size_t preferred;          /* of them: it worked last */
	struct store_check *check; /* NULL: none is running */
	struct store_round round;  /* the check's */
	ev_timer timer;            /* starts the next check */
	ev_tstamp checked_at;
	/* Failures in a row. */
	unsigned failures;
	uint64_t customer; /* who met the first */
	bool believed;     /* another one met one as well, or nobody had a say */
	/* Ejections in a row: each so soon after the last that it did not help. */
	unsigned level;
	ev_tstamp back_at;
};

/* Makes it server INDEX of the configuration, well until it shows otherwise. */
void store_server_init(struct store_server *self, const struct store_shared *all, unsigned index);

/* Ends the check that runs, and begins none. */
void store_server_stop(struct store_server *self);
/* Of one that was stopped; no connection to it may be left. */
void store_server_fini(struct store_server *self);

/* The lower, the rather it is taken. */
unsigned store_server_badness(const struct store_server *self);

/* As store_servers_move(). */
bool store_server_move(struct store_server *self, const struct config_endpoints *endpoints);

#endif
