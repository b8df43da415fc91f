/*
 * One connection: requests in, answers out, one after the other.
 */
#ifndef STUB_SESSION_H
#define STUB_SESSION_H

#include <stdint.h>

struct ev_loop;
struct faults;
struct file_store;
struct request_log;
struct session;

/* What all connections share; it outlives them. */
struct session_context {
	struct ev_loop *loop;
	const struct file_store *store;
	const struct faults *faults;
	struct request_log *log;
	/* Called once, while the session ends by itself; it is freed right after. */
	void (*on_end)(struct session *session, void *data);
	void *data;
};

/* Takes over the accepted, non-blocking socket. `number` names the connection in the log. */
struct session *session_new(const struct session_context *context, int fd, uint64_t number);

/* Ends the connection without calling on_end. */
void session_free(struct session *s);

/* Links for the owner's list. */
struct session **session_next(struct session *s);
struct session **session_previous(struct session *s);

#endif
