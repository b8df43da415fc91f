/*
 * Whether a server of the store is well. The hard part is whom to believe: a client can choose a
 * path that a server is slow at, or fails at, so its failures alone say nothing. Each leads to a
 * check that no client has a say in; only that, or several customers who agree, speak against a
 * server.
 */
#include "store_server.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "gateway/config/config_address.h"
#include "gateway/node/log.h"
#include "gateway/node/metrics_histogram.h"
#include "gateway/tls/tls_client.h"
#include "store_server_private.h"

enum { LEVEL_MAX = 5 };    /* eject_time doubles so often at most */
enum { ADDRESS_MAX = 64 }; /* bytes of one in a log line */

static const ev_tstamp recheck_delay = 1.0; /* of a server that cannot be connected */
static const ev_tstamp probe_interval = 5.0;
static const ev_tstamp suspect_interval = 1.0; /* between two checks that failures lead to */
static const char default_probe[] = "/";       /* any answer will do */

static_assert(CONFIG_STORES_MAX <= 64, "a set of servers is the bits of a uint64_t");
static_assert((int)CONFIG_SLOTS <= (int)METRICS_STORES_MAX, "each slot has its counters");

static void
set_state(struct store_server *self, enum store_server_state state)
{
	const struct store_shared *all = self->all;

	self->state = state;
	if (!all->retired)
		metrics_set_store_passed_over(
		    all->metrics, all->worker, self->store->slot, state != SERVER_GOOD);
}

static void
count_failure(struct store_server *self)
{
	if (!self->all->retired)
		metrics_cell_add(self->all->metrics, self->all->worker,
		    METRICS_FAMILY_STORE_FAILURES, self->store->slot, 1);
}

static void
schedule_check(struct store_server *self, ev_tstamp delay)
{
	assert(delay >= 0);
	if (self->all->retired || ev_is_active(&self->timer) || self->check != NULL)
		return;
	ev_timer_set(&self->timer, delay, 0.);
	ev_timer_start(self->all->loop, &self->timer);
}

static void
mark_good(struct store_server *self)
{
	if (self->state != SERVER_GOOD)
		log_info("store %s is back", self->store->name);
	if (self->state == SERVER_EJECTED)
		self->back_at = clock_seconds();
	self->check_failed = false;
	set_state(self, SERVER_GOOD);
}

static void
tell_lost(const struct store_server *self)
{
	if (self->store->is_name && self->all->on_lost != NULL)
		self->all->on_lost(self->all->arg);
}

static void
mark_unreachable(struct store_server *self, const char *what)
{
	if (self->state != SERVER_UNREACHABLE)
		log_warning("%s while connecting to store %s", what, self->store->name);
	count_failure(self);
	if (self->state == SERVER_EJECTED)
		ev_timer_stop(self->all->loop, &self->timer);
	set_state(self, SERVER_UNREACHABLE);
	schedule_check(self, recheck_delay);
	tell_lost(self);
}

/* ---- its addresses ---- */

void
store_server_begin(const struct store_server *self, struct store_round *round)
{
	*round = (struct store_round){.next = self->preferred, .left = self->endpoints.count};
}

const struct config_endpoint *
store_server_next(const struct store_server *self, struct store_round *round)
{
	if (round->left == 0)
		return NULL;
	round->left--;
	/* There may be fewer of them than when the round began. */
	round->place = round->next % self->endpoints.count;
	round->next = round->place + 1;
	return &self->endpoints.all[round->place];
}

/* The address at PLACE failed, and another may work: so that the next connection need not find that
 * out again. */
static void
prefer_next(struct store_server *self, size_t place, const char *what)
{
	size_t count = self->endpoints.count;

	if (place != self->preferred || count == 1)
		return;
	self->preferred = (place + 1) % count;
	if (self->state != SERVER_GOOD)
		return;
	const struct config_endpoints one = {.count = 1, .all = {self->endpoints.all[place]}};
	char address[ADDRESS_MAX];
	config_address_print(&one, address, sizeof address);
	log_warning("%s while connecting to store %s at %s: its next address is tried", what,
	    self->store->name, address);
	tell_lost(self);
}

void
store_server_connected(struct store_server *self, const struct store_round *round)
{
	if (round->place < self->endpoints.count)
		self->preferred = round->place;
	if (self->state == SERVER_UNREACHABLE)
		mark_good(self);
}

void
store_server_refused(struct store_server *self, const struct store_round *round, const char *what)
{
	if (round->left > 0)
		prefer_next(self, round->place, what);
	else
		mark_unreachable(self, what);
}

/* ---- ejection ---- */

static ev_tstamp
ejection_time(const struct store_server *self)
{
	return ldexp(self->all->config->store_eject_time, (int)self->level);
}

/* What helped for as long as it lasted may begin anew; else it lasts longer. */
static void
raise_level(struct store_server *self)
{
	bool was_ejected = self->back_at != 0 || self->state == SERVER_EJECTED;
	bool helped =
	    self->state != SERVER_EJECTED && clock_seconds() - self->back_at > ejection_time(self);

	if (!was_ejected || helped)
		self->level = 0;
	else if (self->level < LEVEL_MAX)
		self->level++;
}

static void
eject(struct store_server *self, const char *why)
{
	const struct store_shared *all = self->all;

	raise_level(self);
	assert(self->level <= LEVEL_MAX);
	ev_tstamp seconds = ejection_time(self);
	log_warning("store %s is passed over for %g s: %s", self->store->name, seconds, why);
	if (self->state != SERVER_EJECTED)
		metrics_add_store_ejection(all->metrics, all->worker, self->store->slot);
	set_state(self, SERVER_EJECTED);
	self->failures = 0;
	self->believed = self->suspected = false;
	store_check_free(self->check);
	self->check = NULL;
	ev_timer_stop(all->loop, &self->timer);
	schedule_check(self, seconds);
	tell_lost(self);
}

/* ---- checks ---- */

static store_check_fn on_checked;

static void
on_check_failed(struct store_server *self)
{
	self->check_failed = true;
	if (self->suspected || self->state == SERVER_EJECTED)
		eject(self, "it does not answer a check");
	else
		mark_unreachable(self, "check failed");
}

/* Checks the next address of the round. False when it is over. */
static bool
check_next(struct store_server *self)
{
	const struct config *config = self->all->config;
	struct store_check_order order = {.store = self->store,
	    .endpoint = store_server_next(self, &self->round),
	    .probe = config->probe,
	    .credentials = self->all->access->credentials,
	    .peer = self->peer,
	    .timeout = config->timeouts.store_connect};

	assert(self->check == NULL);
	if (order.endpoint == NULL)
		return false;
	if (order.probe == NULL && (self->suspected || self->state == SERVER_EJECTED))
		order.probe = default_probe;
	self->check = store_check_start(self->all->loop, &order, on_checked, self);
	return true;
}

static void
on_checked(void *arg, bool up)
{
	struct store_server *self = arg;

	assert(self->check != NULL);
	store_check_free(self->check);
	self->check = NULL;
	self->checked_at = clock_seconds();
	if (!up) {
		prefer_next(self, self->round.place, "check failed");
		if (check_next(self))
			return;
		on_check_failed(self);
	} else {
		self->preferred = self->round.place % self->endpoints.count;
		mark_good(self);
	}
	self->suspected = false;
	if (self->all->config->probe != NULL && self->state == SERVER_GOOD)
		schedule_check(self, probe_interval);
}

static void
start_check(struct store_server *self)
{
	store_server_begin(self, &self->round);
	(void)check_next(self);
}

static void
on_check_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct store_server *self = timer->data;

	(void)loop, (void)events;
	if (self->check == NULL)
		start_check(self);
}

void
store_server_suspect(struct store_server *self)
{
	const struct store_shared *all = self->all;

	if (all->retired || all->config->store_eject_after == 0 || self->state != SERVER_GOOD ||
	    self->suspected || clock_seconds() - self->checked_at < suspect_interval)
		return;
	self->suspected = true;
	if (self->check != NULL)
		return; /* one of the probe's: its word is as good */
	ev_timer_stop(all->loop, &self->timer);
	start_check(self);
}

/* ---- what requests saw ---- */

void
store_server_took(struct store_server *self, double seconds)
{
	if (!self->all->retired)
		metrics_histogram_observe(self->all->metrics, self->all->worker,
		    METRICS_FAMILY_STORE_SECONDS, self->store->slot, seconds);
}

void
store_server_failed(struct store_server *self, const struct store_failure *failure)
{
	unsigned most = self->all->config->store_eject_after;

	count_failure(self);
	if (self->all->retired || most == 0 || self->state != SERVER_GOOD)
		return;
	if (self->failures == 0)
		self->customer = failure->customer;
	self->failures++;
	if (failure->is_ours || failure->customer != self->customer)
		self->believed = true;
	if (self->failures < most || !self->believed) {
		store_server_suspect(self);
		return;
	}
	char why[128];
	(void)snprintf(
	    why, sizeof why, "%u failures in a row, the last: %s", self->failures, failure->what);
	eject(self, why);
}

void
store_server_answered(struct store_server *self)
{
	self->failures = 0;
	self->believed = false;
	if (self->state != SERVER_EJECTED)
		return;
	ev_timer_stop(self->all->loop, &self->timer);
	mark_good(self);
	if (self->all->config->probe != NULL)
		schedule_check(self, probe_interval);
}

/* ---- what it is ---- */

size_t
store_server_index(const struct store_server *self)
{
	return self->index;
}

const struct config_store *
store_server_store(const struct store_server *self)
{
	return self->store;
}

struct tls_client_peer *
store_server_peer(const struct store_server *self)
{
	return self->peer;
}

uint64_t
store_server_bit(const struct store_server *self)
{
	assert(self->index < self->all->count);
	return (uint64_t)1 << self->index;
}

bool
store_server_is_good(const struct store_server *self)
{
	return self->state == SERVER_GOOD;
}

unsigned
store_server_badness(const struct store_server *self)
{
	switch (self->state) {
	case SERVER_GOOD:
		return self->suspected ? 1 : 0;
	case SERVER_EJECTED:
		return 2 + self->level;
	case SERVER_UNREACHABLE:
		break;
	}
	return 2 + LEVEL_MAX + 1;
}

/* ---- its beginning and its end ---- */

void
store_server_init(struct store_server *self, const struct store_shared *all, unsigned index)
{
	assert(index < all->count);
	*self =
	    (struct store_server){.all = all, .store = &all->config->stores[index], .index = index};
	self->endpoints = self->store->endpoints;
	assert(self->store->tls_name == NULL || all->access->tls != NULL);
	if (self->store->tls_name != NULL)
		self->peer = tls_client_peer_new(all->access->tls, self->store->tls_name);
	ev_timer_init(&self->timer, on_check_due, 0., 0.);
	self->timer.data = self;
	if (all->config->probe != NULL)
		schedule_check(self, 0.);
}

/* One that is not well is checked there at once. */
bool
store_server_move(struct store_server *self, const struct config_endpoints *endpoints)
{
	assert(endpoints->count > 0);
	if (config_address_same(endpoints, &self->endpoints))
		return false;
	self->endpoints = *endpoints;
	self->preferred = 0;
	if (self->state != SERVER_GOOD) {
		ev_timer_stop(self->all->loop, &self->timer);
		schedule_check(self, 0.);
	}
	return true;
}

void
store_server_stop(struct store_server *self)
{
	ev_timer_stop(self->all->loop, &self->timer);
	store_check_free(self->check);
	self->check = NULL;
	self->suspected = false;
}

void
store_server_fini(struct store_server *self)
{
	assert(self->check == NULL);
	tls_client_peer_free(self->peer);
	self->peer = NULL;
}
