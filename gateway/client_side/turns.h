/*
 * Turns of a worker's connections: what happens to one waits in a fair queue, and is done holder by
 * holder, a slice of time in each turn of the loop.
 *
 * Without it the loop does all that is ready before it looks again, in any order: one customer's
 * fifty downloads and handshakes are then fifty pieces of work before another's small request. With
 * it that request waits for the piece that is under way, and the slice. Nothing ever waits while
 * the processor has nothing else to do.
 */
#ifndef GATEWAY_TURNS_H
#define GATEWAY_TURNS_H

#include <stdint.h>

#include "fair_queue.h"

struct ev_loop;
struct turns;

/* RUN is called with the entry whose turn it is; it may free it. */
struct turns *turns_new(struct ev_loop *loop, void (*run)(struct fair_entry *entry));
/* When no entry is left. */
void turns_free(struct turns *self);

/* As fair_queue_join() and fair_queue_leave(). */
void turns_join(struct turns *self, struct fair_entry *entry, uint64_t key);
void turns_leave(struct turns *self, struct fair_entry *entry);

/* ENTRY gets a turn in this turn of the loop or a later one; one, however often it is asked for
 * until then. */
void turns_wait(struct turns *self, struct fair_entry *entry);

#endif
