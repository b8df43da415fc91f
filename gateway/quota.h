/*
 * Limits that hold for the whole node: counts and rates shared by all workers.
 *
 * Everything lies in shared memory of a fixed size, mapped before the workers are forked. Counts
 * for each address or customer are kept in a count-min sketch (Cormode and Muthukrishnan, 2005):
 * a collision can only count too much, never too little, and its four rows of 8,192 cells make one
 * unlikely. Hashes are keyed by a random number, so that nobody can aim at a neighbour's cells.
 * Each worker counts in tables of its own, which are cleared when it dies.
 *
 * Rates follow the generic cell rate algorithm (ITU-T I.371): one cell holds the time at which the
 * next unit is due.
 */
#ifndef GATEWAY_QUOTA_H
#define GATEWAY_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

struct quota;

/* A key made by quota_address_key() or quota_text_key(). */
struct quota_key {
	uint64_t hash;
};

/* NULL, with errno set, when there is no memory. */
struct quota *quota_new(unsigned workers);
void quota_free(struct quota *self);

/* An IPv4 address, or the /64 network of an IPv6 address. */
struct quota_key quota_address_key(const struct quota *self, const struct sockaddr *address);
struct quota_key quota_text_key(const struct quota *self, const char *text);

/* Counts one more connection for KEY if fewer than LIMIT (0: no limit) are open on the node. */
bool quota_connection_open(
    struct quota *self, unsigned worker, struct quota_key key, uint32_t limit);
void quota_connection_close(struct quota *self, unsigned worker, struct quota_key key);

/* For the supervisor, when a worker died: its connections are gone. */
void quota_forget_worker(struct quota *self, unsigned worker);

/* Takes one handshake from the node's and from KEY's allowance of a second; 0: no limit. False,
 * and nothing taken, when either is used up. The allowances refill evenly. */
bool quota_handshake_take(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each);
/* Gives it back: the handshake was a resumption or never began. */
void quota_handshake_return(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each);

/* How many of WANTED bytes KEY may send now at RATE bytes a second (a tenth of a second may be
 * sent ahead). When none, *DELAY says in how many seconds to ask again. */
size_t quota_bytes_allowed(
    struct quota *self, struct quota_key key, uint64_t rate, size_t wanted, double *delay);
/* Counts N bytes that were sent. */
void quota_bytes_charge(struct quota *self, struct quota_key key, uint64_t rate, size_t n);

/* Counts one snapshot of KEY on the UTC day of NOW; false when LIMIT (0: none) is reached. */
bool quota_snapshot_take(struct quota *self, struct quota_key key, uint32_t limit, time_t now);
/* Takes one back that was counted under the same LIMIT. */
void quota_snapshot_return(struct quota *self, struct quota_key key, uint32_t limit, time_t now);

#endif
