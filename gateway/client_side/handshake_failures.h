/*
 * Handshakes that failed, as few lines: anybody can make any number of them, so that a line for
 * each would let strangers fill the disk.
 *
 * The first failure of an address for a reason is logged at once, with all that is known of the
 * client; those that follow, with the same version of TLS and the same certificate, are counted,
 * and every HANDSHAKE_FAILURES_PERIOD seconds one line says how many there were. An address is an
 * IPv4 address or an IPv6 /64 network, as in the quota. The table has HANDSHAKE_FAILURES_APART
 * places, of which an address takes HANDSHAKE_FAILURES_OF_ADDRESS at most: anybody can make
 * certificates, and would fill it alone. What finds no place is counted as one, so that there is a
 * most to the lines.
 */
#ifndef GATEWAY_HANDSHAKE_FAILURES_H
#define GATEWAY_HANDSHAKE_FAILURES_H

#include "gateway/node/quota.h"
#include "gateway/request/access_log.h"

enum {
	HANDSHAKE_FAILURES_PERIOD = 10, /* seconds */
	HANDSHAKE_FAILURES_APART = 256,
	HANDSHAKE_FAILURES_OF_ADDRESS = 16,
};

struct handshake_failures;

/* Both LOOP and LOG outlive it. */
struct handshake_failures *handshake_failures_new(struct ev_loop *loop, struct access_log *log);
/* Says what was counted and not said yet. */
void handshake_failures_free(struct handshake_failures *self);

/* One more: RECORD is what the access log would hold, ADDRESS whose it is. */
void handshake_failures_add(
    struct handshake_failures *self, struct quota_key address, const struct access_record *record);

#endif
