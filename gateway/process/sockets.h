/*
 * The listening sockets: one for each address and worker, bound by the supervisor and kept open
 * by it, so that a crashed worker's queue is not lost.
 */
#ifndef GATEWAY_SOCKETS_H
#define GATEWAY_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/client_side/listener.h"
#include "gateway/config/config.h"

struct sockets;

/* Binds and listens (SO_REUSEPORT), or takes the sockets that are passed in (LISTEN_FDS) for
 * addresses that match: by systemd, which keeps them, and all workers share them; or by the gate
 * that this one TAKES_OVER from: then each worker has its own again where there are enough, and
 * what is passed in and not listened on any more is closed. Logs each address. NULL after logging
 * what went wrong. */
struct sockets *sockets_open(const struct config *config, unsigned workers, bool takes_over);
void sockets_close(struct sockets *self);

struct sockets_share {
	struct listener_socket *all;
	size_t count;
};

/* The sockets of WORKER, at least one for each of config->listens. */
const struct sockets_share *sockets_of(const struct sockets *self, unsigned worker);

/* Each socket once; the descriptors stay SELF's, the array is the caller's. Returns how many. */
size_t sockets_list(const struct sockets *self, int **fds);

/* In WORKER's process: closes everybody else's. */
void sockets_keep_only(struct sockets *self, unsigned worker);

#endif
