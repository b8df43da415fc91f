/*
 * The key holder: the one process of the node that has the server's private keys in its memory. It
 * signs for the workers what a TLS server signs (gateway/tls/tls_signing.h), one at a time, for one
 * worker after the other.
 *
 * By its channel the supervisor gives it keys (CHANNEL_KEY), tells which of them to forget
 * (CHANNEL_KEY_FORGET), and gives it the sockets by which workers ask (CHANNEL_KEY_ASKER). It ends
 * with the channel.
 */
#ifndef GATEWAY_KEY_HOLDER_H
#define GATEWAY_KEY_HOLDER_H

#include "gateway/node/metrics.h"
#include "sandbox.h"

struct key_holder_options {
	int channel;      /* to the supervisor */
	unsigned workers; /* there may be as many sockets at a time */
	const struct sandbox_user *user;
	struct metrics *metrics; /* it counts in the supervisor's slot */
};

/* Signs until the channel ends; returns the exit status. Call it in a forked process. */
int key_holder_run(const struct key_holder_options *options);

#endif
