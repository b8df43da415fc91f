/*
 * Accepts connections and keeps the list of those that are open.
 */
#ifndef STUB_SERVER_H
#define STUB_SERVER_H

struct ev_loop;
struct faults;
struct file_store;
struct listen_socket;
struct request_log;
struct server;

/* All of these stay the caller's and outlive the server. */
struct server_parts {
	struct ev_loop *loop;
	const struct listen_socket *listener;
	const struct file_store *store;
	const struct faults *faults;
	struct request_log *log;
};

/* Starts to accept. */
struct server *server_new(const struct server_parts *parts);

/* Stops, and ends every open connection where it is. */
void server_free(struct server *server);

#endif
