/*
 * The socket of `admin_socket`: one JSON request line, one JSON answer line, and the connection
 * ends. Only root and the user that the supervisor runs as are answered.
 *
 * Nothing here waits: peers are few, a request is short and must come soon, and an answer that is
 * not taken is dropped. A request whose answer takes longer is answered later, by its number.
 */
#ifndef GATEWAY_ADMIN_SERVER_H
#define GATEWAY_ADMIN_SERVER_H

#include <ev.h>
#include <stdbool.h>

#include "base/buffer.h"

enum {
	ADMIN_PEERS = 8,          /* at a time; more wait in the socket's queue */
	ADMIN_REQUEST_MAX = 4096, /* bytes, the end of the line included */
	ADMIN_REQUEST_TIME = 5,   /* seconds for the request to come, and for the answer to leave */
	ADMIN_ANSWER_MAX = 1 << 20, /* bytes that a client has to be able to take */
};

struct admin_server_events {
	/* PEER, a number below ADMIN_PEERS, has asked LINE, which is without its end.
	 * admin_server_answer() must be called, now or later. */
	void (*on_request)(void *arg, unsigned peer, const char *line);
	/* PEER, who waits for an answer, has gone or is given up: it gets none. */
	void (*on_gone)(void *arg, unsigned peer);
	double patience; /* seconds until a request that waits is given up */
};

struct admin_server;

/* Listens at PATH, mode 0600. A socket that nobody listens on any more is replaced; NULL, after
 * logging why, when somebody does, or something else is there. */
struct admin_server *admin_server_new(
    struct ev_loop *loop, const char *path, const struct admin_server_events *events, void *arg);
/* Removes the socket, if it is still its own. */
void admin_server_free(struct admin_server *self);
/* Listens no more and removes the socket, for another process to listen there; who waits for an
 * answer may still be given it. */
void admin_server_close(struct admin_server *self);
/* In a process forked from the one that listens: closes the descriptors. The loop is not touched.
 */
void admin_server_forget(struct admin_server *self);

/* Sends ANSWER, a JSON object without the end of the line, to PEER, who has asked. */
void admin_server_answer(struct admin_server *self, unsigned peer, struct buffer *answer);
/* The same: {"error": TEXT}. */
void admin_server_refuse(struct admin_server *self, unsigned peer, const char *text);

#endif
