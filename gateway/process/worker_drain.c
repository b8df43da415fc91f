/*
 * A worker's end. The hard part is whom it may cost an answer: nobody but who is still at it when
 * the time is over.
 */
#include "worker_drain.h"

#include <assert.h>

#include "gateway/client_side/connection.h"
#include "gateway/node/log.h"

static const ev_tstamp retirement_end = 5; /* for answers that are under way after drain.timeout */

static void
on_drained(void *arg)
{
	struct worker_drain *self = arg;
	assert(self->services->draining || self->services->retiring);
	ev_break(self->services->loop, EVBREAK_ALL);
}

static void
drain_connection(struct connection *connection, void *arg)
{
	(void)arg;
	connection_drain(connection);
}

static void
close_connection(struct connection *connection, void *arg)
{
	(void)arg;
	connection_close(connection, CLOSE_DRAIN_TIMEOUT);
}

static void
on_drain_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker_drain *self = timer->data;

	(void)events;
	assert(self->services->draining);
	log_warning(
	    "drain timeout: %zu connections are closed", listener_connection_count(self->listener));
	listener_each(self->listener, close_connection, NULL);
	ev_break(loop, EVBREAK_ALL);
}

/* Announced long enough: take no more connections, and leave when the last has ended. */
static void
start_draining(struct worker_drain *self)
{
	struct services *services = self->services;

	assert(services->announcing && !services->draining);
	listener_close(self->listener);
	services->draining = true;
	listener_each(self->listener, drain_connection, NULL);
	if (listener_connection_count(self->listener) == 0) {
		ev_break(services->loop, EVBREAK_ALL);
		return;
	}
	listener_on_empty(self->listener, on_drained, self);
	ev_set_cb(&self->timer, on_drain_timeout);
	ev_timer_set(&self->timer, services->config->drain_timeout, 0.);
	ev_timer_start(services->loop, &self->timer);
}

static void
on_announced(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	start_draining(timer->data);
}

/* They had their time to ask once more: what rests is ended, the others after their answer. */
static void
end_retirement(struct worker_drain *self)
{
	struct services *services = self->services;

	services->draining = true;
	listener_each(self->listener, drain_connection, NULL);
	ev_set_cb(&self->timer, on_drain_timeout);
	ev_timer_set(&self->timer, retirement_end, 0.);
	ev_timer_start(services->loop, &self->timer);
}

static void
on_retirement_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	end_retirement(timer->data);
}

/* A client that rests may be about to ask: it has its answer, which says that the connection ends.
 */
void
worker_drain_retire(struct worker_drain *self)
{
	struct services *services = self->services;

	if (services->announcing)
		return;
	services->retiring = true;
	listener_close(self->listener);
	if (listener_connection_count(self->listener) == 0) {
		ev_break(services->loop, EVBREAK_ALL);
		return;
	}
	listener_on_empty(self->listener, on_drained, self);
	ev_timer_init(&self->timer, on_retirement_over, services->config->drain_timeout, 0.);
	self->timer.data = self;
	ev_timer_start(services->loop, &self->timer);
}

void
worker_drain_announce(struct worker_drain *self)
{
	struct services *services = self->services;

	if (services->retiring && !services->draining) {
		ev_timer_stop(services->loop, &self->timer);
		end_retirement(self);
		return;
	}
	if (services->announcing)
		return;
	assert(!services->draining);
	services->announcing = true;
	ev_timer_init(&self->timer, on_announced, services->config->drain_announce, 0.);
	self->timer.data = self;
	ev_timer_start(services->loop, &self->timer);
}

void
worker_drain_close(struct worker_drain *self)
{
	listener_each(self->listener, close_connection, NULL);
	assert(listener_connection_count(self->listener) == 0);
}

void
worker_drain_init(struct worker_drain *self, struct services *services, struct listener *listener)
{
	*self = (struct worker_drain){.services = services, .listener = listener};
}
