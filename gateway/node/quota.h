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
/* Another key of the same customer, under which its transfers are counted as connections are. */
struct quota_key quota_transfers_key(struct quota_key customer);

/* Counts one more connection for KEY if fewer than LIMIT (0: no limit) are open on the node.
 * Workers that ask at the same time never take more than LIMIT together; for the last place each of
 * them may see the others and be refused. */
bool quota_connection_open(
    struct quota *self, unsigned worker, struct quota_key key, uint32_t limit);
void quota_connection_close(struct quota *self, unsigned worker, struct quota_key key);
/* How many are open for KEY on the node. */
uint32_t quota_connection_count(const struct quota *self, struct quota_key key);

/* The fair share of a node's connections, without a list of who holds them. Each connection of a
 * customer that has n counts as 1/n HOLDERS; a worker tells how many connections of customers it
 * has and what they add up to. */
void quota_share_set(struct quota *self, unsigned worker, uint32_t connections, double holders);
/* Connections for each holder when OPEN are open, by what the workers told last; those that are no
 * customer's count as one more holder. 0: nobody has any. */
double quota_share_fair(const struct quota *self, uint64_t open);

/* For the supervisor, when a worker died: its connections are gone. */
void quota_forget_worker(struct quota *self, unsigned worker);

/* Takes one handshake from the node's and from KEY's allowance of a second; 0: no limit. False,
 * and nothing taken, when either is used up. The allowances refill evenly. */
bool quota_handshake_take(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each);

/* Takes up to WANTED bytes, at least one, from what KEY may send at RATE bytes a second, and
 * returns how many; they may be sent in *DELAY seconds, 0: now. They are the caller's from then on:
 * whoever asks later, in any worker, is given a later time, so that none who wait can pass another.
 * A tenth of a second may be sent ahead, and half of that is the most that is taken at once. */
size_t quota_bytes_take(
    struct quota *self, struct quota_key key, uint64_t rate, size_t wanted, double *delay);

/* What a customer, or another caller, has an allowance of. */
enum quota_rate { QUOTA_REQUESTS, QUOTA_REFUSALS, QUOTA_FAILED_SNAPSHOTS, QUOTA_RATE_COUNT };

/* N in SECONDS, refilled evenly; as many as AHEAD seconds bring may come at once, one at least. */
struct quota_allowance {
	uint32_t n; /* 0: no limit */
	uint32_t seconds, ahead;
};

/* Takes one. False, and nothing taken, when the allowance is used up. */
bool quota_rate_take(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance);
/* Gives back one that was taken from the same ALLOWANCE. */
void quota_rate_return(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance);
/* Counts one that has happened, allowance or not: a debt of at most another AHEAD seconds. */
void quota_rate_charge(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance);
/* Seconds until one can be taken; 0: now. */
double quota_rate_wait(const struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance);

/* Counts one snapshot of KEY on the UTC day of NOW; false when LIMIT (0: none) is reached. */
bool quota_snapshot_take(struct quota *self, struct quota_key key, uint32_t limit, time_t now);
/* Takes one back that was counted under the same LIMIT. */
void quota_snapshot_return(struct quota *self, struct quota_key key, uint32_t limit, time_t now);

#endif
