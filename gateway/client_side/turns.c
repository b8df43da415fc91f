/*
 * Turns in the event loop. The hard part is the end of a slice: the loop must look for new events,
 * of which one may be of somebody who goes before all that wait, and must not sleep.
 */
#include "turns.h"

#include <ev.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"

static const uint64_t slice = 1000000; /* nanoseconds */

struct turns {
	struct ev_loop *loop;
	ev_check check; /* after all other events of a turn of the loop */
	ev_idle idle;   /* on while anything waits: the loop does not sleep */
	struct fair_queue *queue;
	void (*run)(struct fair_entry *entry);
};

static void
on_events_done(struct ev_loop *loop, ev_check *check, int events)
{
	struct turns *self = check->data;
	struct fair_entry *entry;

	(void)events;
	if (fair_queue_is_empty(self->queue))
		return;
	uint64_t start = clock_ns(), before = start, now = start;
	while (now - start < slice && (entry = fair_queue_next(self->queue)) != NULL) {
		self->run(entry);
		now = clock_ns();
		fair_queue_charge(self->queue, now - before);
		before = now;
	}
	if (fair_queue_is_empty(self->queue))
		ev_idle_stop(loop, &self->idle);
}

static void
on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)loop, (void)idle, (void)events;
}

struct turns *
turns_new(struct ev_loop *loop, void (*run)(struct fair_entry *entry))
{
	struct turns *self = buffer_alloc(sizeof *self);

	self->loop = loop;
	self->run = run;
	self->queue = fair_queue_new();
	ev_check_init(&self->check, on_events_done);
	ev_set_priority(&self->check, EV_MINPRI);
	self->check.data = self;
	ev_check_start(loop, &self->check);
	ev_idle_init(&self->idle, on_idle);
	return self;
}

void
turns_free(struct turns *self)
{
	if (self == NULL)
		return;
	ev_idle_stop(self->loop, &self->idle);
	ev_check_stop(self->loop, &self->check);
	fair_queue_free(self->queue);
	free(self);
}

void
turns_join(struct turns *self, struct fair_entry *entry, uint64_t key)
{
	fair_queue_join(self->queue, entry, key);
}

void
turns_leave(struct turns *self, struct fair_entry *entry)
{
	fair_queue_leave(self->queue, entry);
}

void
turns_wait(struct turns *self, struct fair_entry *entry)
{
	fair_queue_wait(self->queue, entry);
	ev_idle_start(self->loop, &self->idle);
}
