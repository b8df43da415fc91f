/*
 * The listening sockets: one for each address and worker, bound by the supervisor and kept open
 * by it, so that a crashed worker's queue is not lost.
 */
#ifndef GATEWAY_SOCKETS_H
#define GATEWAY_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"

struct sockets;

/* Binds and listens (SO_REUSEPORT), or takes the sockets that systemd passes in (LISTEN_FDS) for
 * addresses that match. Logs each address. NULL after logging what went wrong. */
struct sockets *sockets_open(const struct config *config, unsigned workers);
void sockets_close(struct sockets *self);

/* The sockets of WORKER, one for each of config->listens, in that order. */
const int *sockets_of(const struct sockets *self, unsigned worker);

/* In WORKER's process: closes everybody else's. */
void sockets_keep_only(struct sockets *self, unsigned worker);

#endif
