/*
 * A worker. The hard part is a change of generation: the pointers are swapped, then every
 * connection is judged by the new ones. To verify one certificate takes 75 microseconds, 10,000
 * take the better part of a second, so this is done in pieces, a piece in each turn of the loop;
 * a connection on which something happens before its turn judges itself first.
 */
#include "worker.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "channel.h"
#include "gateway/client_side/connection.h"
#include "gateway/client_side/handshake_failures.h"
#include "gateway/client_side/listener.h"
#include "gateway/client_side/room_places.h"
#include "gateway/client_side/turns.h"
#include "gateway/generation/generation_open.h"
#include "gateway/node/log.h"
#include "gateway/node/node_cell.h"
#include "gateway/request/access_log.h"
#include "gateway/request/snapshot.h"
#include "gateway/store/upstream.h"
#include "gateway/tls/tls_library.h"
#include "gateway/tls/tls_remote_key.h"
#include "process_usage.h"
#include "worker_drain.h"

/* Descriptors kept for the files of the next generation, so that a worker whose clients have
 * taken all the others can still adopt it. */
enum { RESERVE = GENERATION_FILES + 1 };

enum { MANY_CONNECTIONS = 256 }; /* whose memory is worth giving back */

/* Seconds that the judging of connections may hold up everything else in a turn of the loop. */
static const ev_tstamp review_piece = 0.02;

static const ev_tstamp lookup_pause = 1; /* between two questions for a look-up */

struct worker {
	const struct worker_options *options;
	struct config *config; /* in force; a reference */
	int reserve[RESERVE];
	struct services services;
	struct listener *listener;
	ev_io channel;
	struct tls_asker *asker;
	ev_io keys; /* answers of the key holder */
	struct worker_drain drain;
	ev_timer review;    /* connections wait to be judged by a new generation */
	ev_timer dates;     /* certificates and licences end while connections go on */
	ev_tstamp asked_at; /* for a look-up of the stores' names */
	struct process_usage usage;
	size_t most_connections; /* at once, since memory was given back */
	int status;
};

static void on_lost_store(void *arg);

/* Goes by the configuration of PARTS, which becomes the worker's, as who signs the log does. Waits
 * that have begun keep their times, and exchanges that have begun their store. */
static void
adopt_config(struct worker *self, struct generation_parts *parts)
{
	struct services *services = &self->services;
	const struct worker_options *options = self->options;
	struct config *next = parts->config;

	assert(self->config == NULL || next->listen_count == self->config->listen_count);
	const struct store_access access = {parts->store_credentials, parts->store_tls};
	if (services->upstream == NULL || !upstream_serves(services->upstream, next, &access)) {
		if (services->upstream != NULL)
			upstream_retire(services->upstream);
		upstream_unref(services->upstream);
		services->upstream =
		    upstream_new(services->loop, next, &access, options->metrics, options->index);
		upstream_on_lost(services->upstream, on_lost_store, self);
	}
	access_log_seal(services->access_log, next->audit, parts->log_signer);
	access_log_enable(services->access_log, next->access_log != NULL);
	log_set_level((enum log_level)next->log_level);
	services->config = next;
	config_free(self->config);
	self->config = next;
}

/* Tells those who show the state of the node. */
static void
describe_generation(const struct worker *self)
{
	const struct services *services = &self->services;
	const uint64_t values[NODE_CELL_COUNT] = {
	    [NODE_POLICY_SERIAL] = policy_serial(services->policy),
	    [NODE_CUSTOMERS] = policy_customer_count(services->policy),
	    [NODE_CERTIFICATE_ENDS] = (uint64_t)tls_context_certificate_expires(services->tls),
	    [NODE_CLIENT_CA_ENDS] = (uint64_t)tls_context_client_ca_expires(services->tls),
	    [NODE_CRL_ENDS] = (uint64_t)tls_context_crl_expires(services->tls),
	};

	for (unsigned i = 0; i < NODE_CELL_COUNT; i++)
		metrics_cell_set(
		    services->metrics, services->worker, METRICS_FAMILY_NODE, i, values[i]);
}

static bool
adopt(struct worker *self, const struct generation *generation, char error[TLS_ERROR_MAX])
{
	struct services *services = &self->services;
	struct generation_parts parts;

	assert(generation->number > services->generation);
	const struct generation_current current = {.tls = services->tls,
	    .store_tls =
	        services->upstream != NULL ? upstream_access(services->upstream)->tls : NULL};
	if (!generation_open(generation, &current, &parts, error))
		return false;
	assert(parts.policy != NULL && parts.tls != NULL);
	adopt_config(self, &parts);
	free(parts.store_credentials);
	tls_client_unref(parts.store_tls);
	policy_free(services->policy);
	if (services->tls != NULL && services->tls != parts.tls)
		tls_context_retire(services->tls);
	tls_context_unref(services->tls);
	catalogue_image_free(services->catalogues);
	services->policy = parts.policy;
	services->tls = parts.tls;
	services->catalogues = parts.catalogues;
	upstream_move(services->upstream, parts.stores);
	free(parts.stores);
	services->generation = generation->number;
	describe_generation(self);
	return true;
}

struct second {
	time_t now;
	struct connection_states states;
};

static void
on_second_of(struct connection *connection, void *arg)
{
	struct second *second = arg;

	connection_count_state(connection, &second->states);
	connection_check_dates(connection, second->now);
}

/* Has malloc() give back what many connections have left: it keeps all that lies below one piece
 * which is still in use, and that is nearly everything. */
static void
give_memory_back(struct worker *self)
{
	size_t count = listener_connection_count(self->listener);
	size_t most = listener_most_connections(self->listener);

	if (most > self->most_connections)
		self->most_connections = most;
	if (self->most_connections < MANY_CONNECTIONS || count > self->most_connections / 2)
		return;
	(void)malloc_trim(0);
	self->most_connections = count;
}

static void
on_second(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *self = timer->data;
	struct services *services = &self->services;
	struct second second = {.now = (time_t)ev_now(loop)};

	(void)events;
	assert(self->listener != NULL);
	listener_each(self->listener, on_second_of, &second);
	connection_count_states(services->metrics, services->worker, &second.states);
	process_usage_report(
	    &self->usage, services->metrics, METRICS_FAMILY_PROCESS, services->worker);
	pulse_beat(services->pulse);
	give_memory_back(self);
	listener_restore_reserve(self->listener);
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
	if (channel_send(self->options->channel, &message))
		return;
	/* It would wait for the answer without end, and tell of no other generation. */
	log_error("worker %u cannot answer the supervisor (%s): it ends", self->options->index,
	    strerror(errno));
	self->status = EXIT_FAILURE;
	ev_break(self->services.loop, EVBREAK_ALL);
}

/* Once in each turn of the loop until every connection has been judged. */
static void
on_review(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct worker *self = timer->data;
	ev_tstamp until = clock_seconds() + review_piece;
	struct connection *connection;

	(void)events;
	assert(self->services.generation > 0);
	ev_timer_stop(loop, timer); /* a newer generation may have come in between */
	while ((connection = listener_walk_next(self->listener)) != NULL) {
		connection_reauthorise(connection);
		if (clock_seconds() < until)
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

	assert(message->fd_count == GENERATION_FILES);
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

/* Asks the supervisor, who can look names up and decides how often. It does no harm when this is
 * not sent: a store that goes on failing asks again. */
static void
on_lost_store(void *arg)
{
	struct worker *self = arg;
	const struct channel_message message = {.type = CHANNEL_LOOK_UP};
	double now = clock_seconds();

	if (now - self->asked_at < lookup_pause)
		return;
	self->asked_at = now;
	(void)channel_send(self->options->channel, &message);
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

struct cut {
	const char *name;
	uint32_t count;
};

static void
cut_connection(struct connection *connection, void *arg)
{
	struct cut *cut = arg;

	cut->count += connection_cut(connection, cut->name);
}

/* Who loses them has done nothing that a generation forbids, and may come again. */
static void
cut_connections(struct worker *self, const struct channel_message *message)
{
	struct cut cut = {.name = message->text};
	struct channel_message answer = {
	    .type = CHANNEL_WAS_CUT, .generation = message->generation};

	listener_each(self->listener, cut_connection, &cut);
	answer.cut = cut.count;
	(void)channel_send(self->options->channel, &answer);
}

/* Signatures are asked for through FD, the worker's own, or not before there is another (-1). */
static void
ask_through(struct worker *self, int fd)
{
	ev_io_stop(self->services.loop, &self->keys);
	tls_asker_connect(self->asker, fd);
	if (fd < 0)
		return;
	ev_io_set(&self->keys, fd, EV_READ);
	ev_io_start(self->services.loop, &self->keys);
}

/* When the holder is gone the supervisor starts another, and sends the way to it. */
static void
on_signatures(struct ev_loop *loop, ev_io *io, int events)
{
	struct worker *self = io->data;

	(void)loop, (void)events;
	if (!tls_asker_receive(self->asker))
		ask_through(self, -1);
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
		assert(message->fd_count == 1 && message->fds[0] >= 0);
		access_log_reopen(self->services.access_log, message->fds[0]);
		break;
	case CHANNEL_DRAIN:
		worker_drain_announce(&self->drain);
		break;
	case CHANNEL_CUT:
		cut_connections(self, message);
		break;
	case CHANNEL_LISTEN:
		listener_start(self->listener);
		break;
	case CHANNEL_KEY_HOLDER:
		ask_through(self, message->fds[0]);
		break;
	case CHANNEL_RETIRE:
		worker_drain_retire(&self->drain);
		break;
	default:
		break;
	}
}

static bool
set_up(struct worker *self)
{
	const struct worker_options *options = self->options;
	struct services *services = &self->services;
	char error[TLS_ERROR_MAX];

	assert(options->channel >= 0 && options->generation != NULL);
	assert(options->metrics != NULL && options->quota != NULL && options->marks != NULL);
	(void)tls_library_trim();
	services->loop = ev_loop_new(EVFLAG_NOENV);
	if (services->loop == NULL) {
		log_error("worker %u has no event loop", options->index);
		return false;
	}
	self->asker = tls_asker_new();
	tls_remote_key_ask(self->asker);
	ev_init(&self->keys, on_signatures);
	self->keys.data = self;
	ask_through(self, options->keys);
	services->worker = options->index;
	services->metrics = options->metrics;
	services->history = options->history;
	services->quota = options->quota;
	services->marks = options->marks;
	services->pulse = options->pulse;
	services->wire = tls_wire_buffers_new();
	services->piece = buffer_alloc(TLS_PIECE_MAX + 1);
	services->access_log = access_log_new(services->loop, options->access_log,
	    options->log_turn, options->metrics, options->index);
	services->failures = handshake_failures_new(services->loop, services->access_log);
	if (!adopt(self, options->generation, error)) {
		log_error("worker %u: %s", options->index, error);
		return false;
	}
	services->places = room_places_new();
	services->turns = turns_new(services->loop, connection_turn);
	snapshot_prepare();
	self->listener = listener_new(services, options->sockets->all, options->sockets->count);
	worker_drain_init(&self->drain, services, self->listener);
	connection_count_name(services->metrics);
	process_usage_begin(&self->usage);
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

	worker_drain_close(&self->drain);
	listener_free(self->listener);
	ask_through(self, -1);
	tls_asker_free(self->asker);
	process_usage_end(&self->usage);
	room_places_free(services->places);
	turns_free(services->turns);
	upstream_unref(services->upstream);
	handshake_failures_free(services->failures);
	access_log_free(services->access_log);
	policy_free(services->policy);
	tls_context_unref(services->tls);
	catalogue_image_free(services->catalogues);
	config_free(self->config);
	tls_wire_buffers_free(services->wire);
	free(services->piece);
	ev_loop_destroy(services->loop);
}

int
worker_run(const struct worker_options *options)
{
	struct worker self = {.options = options, .status = EXIT_SUCCESS};
	struct channel_message ready = {
	    .type = CHANNEL_ADOPTED, .generation = options->generation->number};

	if (!set_up(&self) || !sandbox_enter(SANDBOX_WORKER, options->user))
		return EXIT_FAILURE;
	generation_close(options->generation);
	hold_reserve(&self);
	if (!options->holds)
		listener_start(self.listener);
	if (!channel_send(options->channel, &ready))
		return EXIT_FAILURE;
	ev_run(self.services.loop, 0);
	tear_down(&self);
	return self.status;
}
