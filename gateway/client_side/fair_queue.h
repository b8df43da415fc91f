/*
 * Who is next: start-time fair queueing (Goyal, Vin and Cheng, 1997) over holders, without a clock
 * or a loop of its own.
 *
 * A holder is a customer, or the address of somebody not known yet; its entries are its
 * connections. Each holder has a time of its own, which goes on by what its turns cost. The one
 * that is furthest behind is next, and of its entries the one that waits longest. So all that wait
 * get the same, whatever the number of their entries; who asks for little is served at once; and
 * who comes back after a pause has no claim to what others had meanwhile.
 */
#ifndef GATEWAY_FAIR_QUEUE_H
#define GATEWAY_FAIR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fair_holder;
struct fair_queue;

/* Embedded in what takes turns, zeroed at first. Nobody else looks inside. */
struct fair_entry {
	struct fair_holder *holder; /* NULL: none */
	struct fair_entry *next, *previous;
	bool waits;
};

struct fair_queue *fair_queue_new(void);
/* When no entry has a holder any more. */
void fair_queue_free(struct fair_queue *self);

/* ENTRY is of the holder KEY from now on. If it waits, it goes on at the end of that holder's. */
void fair_queue_join(struct fair_queue *self, struct fair_entry *entry, uint64_t key);
/* ENTRY waits no longer and has no holder; its memory may go. Does nothing when it has none. */
void fair_queue_leave(struct fair_queue *self, struct fair_entry *entry);

/* ENTRY, which has a holder, wants a turn. Does nothing when it waits already. */
void fair_queue_wait(struct fair_queue *self, struct fair_entry *entry);
bool fair_queue_is_empty(const struct fair_queue *self);

/* Takes out the entry whose turn it is; NULL when none waits. */
struct fair_entry *fair_queue_next(struct fair_queue *self);
/* What the turn that fair_queue_next() gave last has cost, in any unit that is always the same.
 * The entry may be gone, or another holder's, by then. Call it once after each turn. */
void fair_queue_charge(struct fair_queue *self, uint64_t cost);

#endif
