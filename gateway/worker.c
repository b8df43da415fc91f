/*
 * A worker. The hard part is a change of generation: the pointers are swapped, then every
 * connection is judged by the new ones. To verify one certificate takes 75 microseconds, 10,000
 * take the better part of a second, so this is done in pieces, a piece in each turn of the loop;
 * a connection on which something happens before its turn judges itself first.
 */
#include "worker.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "channel.h"
#include "listener.h"
#include "log.h"
#include "snapshot.h"
#include "upstream.h"

/* Descriptors kept for the files of the next generation, so that a worker whose clients have
 * taken all the others can still adopt it. */
enum { RESERVE = GENERATION_FILES + 1 };

/* Seconds that the judging of connections may hold up everything else in a turn of the loop. */
static const ev_tstamp review_piece = 0.02;

struct worker {
	const struct worker_options *options;
	int reserve[RESERVE];
	struct services services;
	struct listener *listener;
	ev_io channel;
	ev_timer drain_timer;
	ev_timer review; /* connections wait to be judged by a new generation */
	ev_timer dates;  /* certificates and licences end while connections go on */
	int status;
};

static bool
adopt(struct worker *self, const struct generation *generation, char error[TLS_ERROR_MAX])
{
	struct services *services = &self->services;
	struct generation_parts parts;

	if (!generation_open(generation, self->options->config, services->tls, &parts, error))
		return false;
	policy_unref(services->policy);
	tls_context_unref(services->tls);
	catalogue_image_free(services->catalogues);
	services->policy = parts.policy;
	services->tls = parts.tls;
	services->catalogues = parts.catalogues;
	services->generation = generation->number;
	return true;
}

static void
check_dates(struct connection *connection, void *arg)
{
	const time_t *now = arg;
	connection_check_dates(connection, *now);
}

static void
on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *self = timer->data;
	time_t now = (time_t)ev_now(loop);

	(void)events;
	listener_each(self->listener, check_dates, &now);
}

/* Tells the supervisor that the generation in force is adopted, or with ERROR that another is not.
 */
static void
answer(struct worker *self, uint64_t generation, const char *error)
{
	const struct review *review = &self->services.review;
	struct channel_message message = {.type = CHANNEL_ADOPTED,
	    .generation = generation,
	    .kept = review->kept,
	    .cut = review->cut};

	(void)snprintf(message.text, sizeof message.text, "%s", error);
	if (!channel_send(self->options->channel, &message))
		log_error("cannot answer the supervisor: %s", strerror(errno));
}

/* Once in each turn of the loop until every connection has been judged. */
static void
on_review(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *self = timer->data;
	ev_tstamp until = ev_time() + review_piece;
	struct connection *connection;

	(void)events;
	ev_timer_stop(loop, timer); /* a newer generation may have come in between */
	while ((connection = listener_walk_next(self->listener)) != NULL) {
		connection_reauthorise(connection);
		if (ev_time() < until)
			continue;
		ev_timer_start(loop, timer);
		return;
	}
	answer(self, self->services.generation, "");
}

static void
adopt_message(struct worker *self, const struct channel_message *message)
{
	struct generation generation = {.number = message->generation};
	char error[TLS_ERROR_MAX] = "";

	for (int i = 0; i < GENERATION_FILES; i++)
		generation.files[i] = message->fds[i];
	bool adopted = adopt(self, &generation, error);
	for (int i = 0; i < GENERATION_FILES; i++)
		if (generation.files[i] >= 0)
			close(generation.files[i]);
	if (!adopted) {
		answer(self, message->generation, error);
		return;
	}
	self->services.review = (struct review){0, 0};
	listener_walk(self->listener);
	on_review(self->services.loop, &self->review, 0);
}

static void
on_drained(void *arg)
{
	struct worker *self = arg;
	ev_break(self->services.loop, EVBREAK_ALL);
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
	struct worker *self = timer->data;

	(void)events;
	log_warning(
	    "drain timeout: %zu connections are closed", listener_connection_count(self->listener));
	listener_each(self->listener, close_connection, NULL);
	ev_break(loop, EVBREAK_ALL);
}

/* Announced long enough: take no more connections, and leave when the last has ended. */
static void
start_draining(struct worker *self)
{
	struct services *services = &self->services;

	listener_close(self->listener);
	services->draining = true;
	listener_each(self->listener, drain_connection, NULL);
	if (listener_connection_count(self->listener) == 0) {
		ev_break(services->loop, EVBREAK_ALL);
		return;
	}
	listener_on_empty(self->listener, on_drained, self);
	ev_set_cb(&self->drain_timer, on_drain_timeout);
	ev_timer_set(&self->drain_timer, services->config->drain_timeout, 0.);
	ev_timer_start(services->loop, &self->drain_timer);
}

static void
on_announced(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	start_draining(timer->data);
}

static void
announce_drain(struct worker *self)
{
	struct services *services = &self->services;

	if (services->announcing)
		return;
	services->announcing = true;
	ev_timer_init(&self->drain_timer, on_announced, services->config->drain_announce, 0.);
	self->drain_timer.data = self;
	ev_timer_start(services->loop, &self->drain_timer);
}

static void
hold_reserve(struct worker *self)
{
	for (int i = 0; i < RESERVE; i++)
		self->reserve[i] = fcntl(self->options->channel, F_DUPFD_CLOEXEC, 0);
}

static void
release_reserve(struct worker *self)
{
	for (int i = 0; i < RESERVE; i++)
		if (self->reserve[i] >= 0)
			close(self->reserve[i]);
}

static void on_message(struct worker *self, const struct channel_message *message);

static void
on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct worker *self = io->data;
	struct channel_message message;

	(void)events;
	release_reserve(self);
	switch (channel_receive(io->fd, &message)) {
	case CHANNEL_NOTHING:
		break;
	case CHANNEL_BROKEN: /* perhaps a generation that cannot be adopted: do not go on without */
		log_error("worker %u cannot take a message: it ends", self->options->index);
		self->status = EXIT_FAILURE;
		ev_break(loop, EVBREAK_ALL);
		break;
	case CHANNEL_ENDED:
		log_error("the supervisor is gone: worker %u ends", self->options->index);
		ev_break(loop, EVBREAK_ALL);
		break;
	case CHANNEL_RECEIVED:
		on_message(self, &message);
		break;
	}
	hold_reserve(self);
}

static void
on_message(struct worker *self, const struct channel_message *message)
{
	switch (message->type) {
	case CHANNEL_ADOPT:
		adopt_message(self, message);
		break;
	case CHANNEL_REOPEN:
		access_log_reopen(self->services.access_log, message->fds[0]);
		break;
	case CHANNEL_DRAIN:
		announce_drain(self);
		break;
	case CHANNEL_ADOPTED:
		break;
	}
}

static bool
set_up(struct worker *self)
{
	const struct worker_options *options = self->options;
	struct services *services = &self->services;
	char error[TLS_ERROR_MAX];

	services->loop = ev_loop_new(EVFLAG_NOENV);
	if (services->loop == NULL) {
		log_error("worker %u has no event loop", options->index);
		return false;
	}
	services->config = options->config;
	services->worker = options->index;
	services->metrics = options->metrics;
	services->quota = options->quota;
	services->marks = options->marks;
	services->io = tls_io_new();
	services->piece = buffer_alloc(TLS_PIECE_MAX + 1);
	services->access_log =
	    access_log_new(services->loop, options->access_log, options->metrics, options->index);
	services->upstream =
	    upstream_new(services->loop, options->config, options->metrics, options->index);
	if (!adopt(self, options->generation, error)) {
		log_error("worker %u: %s", options->index, error);
		return false;
	}
	snapshot_prepare();
	self->listener = listener_new(services, options->sockets);
	ev_io_init(&self->channel, on_channel, options->channel, EV_READ);
	self->channel.data = self;
	ev_io_start(services->loop, &self->channel);
	ev_timer_init(&self->review, on_review, 0., 0.);
	self->review.data = self;
	ev_timer_init(&self->dates, on_second, 1., 1.);
	self->dates.data = self;
	ev_timer_start(services->loop, &self->dates);
	return true;
}

static void
tear_down(struct worker *self)
{
	struct services *services = &self->services;

	listener_each(self->listener, close_connection, NULL);
	listener_free(self->listener);
	upstream_free(services->upstream);
	access_log_free(services->access_log);
	policy_unref(services->policy);
	tls_context_unref(services->tls);
	catalogue_image_free(services->catalogues);
	tls_io_free(services->io);
	free(services->piece);
	ev_loop_destroy(services->loop);
}

int
worker_run(const struct worker_options *options)
{
	struct worker self = {.options = options, .status = EXIT_SUCCESS};
	struct channel_message ready = {
	    .type = CHANNEL_ADOPTED, .generation = options->generation->number};

	if (!set_up(&self) || !sandbox_enter(options->user))
		return EXIT_FAILURE;
	generation_close(options->generation);
	hold_reserve(&self);
	listener_start(self.listener);
	if (!channel_send(options->channel, &ready))
		return EXIT_FAILURE;
	ev_run(self.services.loop, 0);
	tear_down(&self);
	return self.status;
}
