/*
 * Requests over one libcurl multi handle.
 *
 * The hard part is that each of several transfers fails, waits and is tried again on its own, while
 * the others go on: a slot is one of them, and whatever waits has the time at which it is due.
 */
#include "https.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/common/report.h"
#include "exchange.h"
#include "rate.h"
#include "retry.h"

enum {
	TURN_MS = 200, /* the longest wait between two looks at everything */
	TOO_MANY_REQUESTS = 429,
	SMALLEST_READ = 1024, /* the smallest buffer that libcurl takes */
};

enum slot_state { SLOT_FREE, SLOT_RUNS, SLOT_WAITS };

struct slot {
	enum slot_state state;
	CURL *handle;
	struct exchange_order order;
	struct https_download download; /* what the order points into, if it has a sink */
	struct exchange exchange;       /* the try that goes on */
	unsigned tries;
	size_t server; /* in the configuration's list */
	int64_t due;   /* of the next try, while it waits */
};

struct https {
	const struct config *config;
	struct trust *trust;
	CURLM *multi;
	struct slot slots[CONFIG_MAX_CONNECTIONS];
	size_t server;   /* the one that did what was asked last: the first to be asked */
	size_t answered; /* the one that answered last, whatever that was */
	bool passed_over[CONFIG_MAX_SERVERS];
	unsigned connections; /* how many it takes from us: fewer than configured after a 429 */
	struct rate rate;     /* of all downloads together */
	size_t first;         /* slot to go on when the rate allows it */
};

/* What is to be done by one run. */
struct run {
	struct https *https;
	const struct https_source *source; /* NULL when ORDER is all */
	const struct exchange_order *order;
	bool more; /* the source may have some */
};

struct https *
https_new(const struct config *config, struct failure *failure)
{
	struct trust *trust = trust_new(config, failure);
	if (trust == NULL)
		return NULL;
	struct https *self = buffer_alloc(sizeof *self);
	*self = (struct https){.config = config,
	    .trust = trust,
	    .multi = curl_multi_init(),
	    .connections = config->connections,
	    .rate = {.limit = config->rate}};
	if (self->multi == NULL)
		abort();
	curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long)config->connections);
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++) {
		self->slots[i].handle = curl_easy_init();
		if (self->slots[i].handle == NULL)
			abort();
	}
	return self;
}

void
https_free(struct https *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++)
		curl_easy_cleanup(self->slots[i].handle);
	curl_multi_cleanup(self->multi);
	trust_free(self->trust);
	free(self);
}

/* ---- servers ------------------------------------------------------------------------------- */

/* The one to be asked after SERVER: none that is passed over, unless all are. */
static size_t
next_server(const struct https *self, size_t server)
{
	size_t count = self->config->server_count, next = (server + 1) % count;

	for (size_t i = 0; i < count && self->passed_over[next]; i++)
		next = (next + 1) % count;
	return next;
}

const char *
https_server(const struct https *self)
{
	return self->config->servers[self->answered];
}

void
https_pass_over(struct https *self)
{
	self->passed_over[self->answered] = true;
	self->server = next_server(self, self->answered);
}

void
https_forget_passed_over(struct https *self)
{
	memset(self->passed_over, 0, sizeof self->passed_over);
}

/* ---- slots --------------------------------------------------------------------------------- */

static size_t
count_slots(const struct https *self, enum slot_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++)
		count += self->slots[i].state == state;
	return count;
}

/* Bytes to read at once, a tenth of a second's, so that they come evenly. */
static long
read_size(const struct rate *rate)
{
	uint64_t size = rate->limit / 10;

	if (size > CURL_MAX_WRITE_SIZE)
		return CURL_MAX_WRITE_SIZE;
	return size > SMALLEST_READ ? (long)size : SMALLEST_READ;
}

static void
slot_start(struct https *self, struct slot *slot)
{
	slot->state = SLOT_RUNS;
	slot->tries++;
	exchange_begin(&slot->exchange, &slot->order, self->trust, slot->handle,
	    self->config->servers[slot->server]);
	curl_easy_setopt(slot->handle, CURLOPT_PRIVATE, slot);
	if (self->rate.limit > 0)
		curl_easy_setopt(slot->handle, CURLOPT_BUFFERSIZE, read_size(&self->rate));
	if (curl_multi_add_handle(self->multi, slot->handle) != CURLM_OK)
		abort();
}

static void
slot_free(struct https *self, struct slot *slot)
{
	const struct https_sink *sink = slot->order.sink;

	if (slot->state == SLOT_RUNS) {
		curl_multi_remove_handle(self->multi, slot->handle);
		exchange_abandon(&slot->exchange);
	}
	slot->state = SLOT_FREE;
	if (sink != NULL)
		sink->close(sink->arg);
}

/* The server takes no more connections of this customer (RFC 6585, 4) than those that go on: from
 * now on there are no more. That this one has to wait for one of them is no failure. */
static bool
be_content(struct https *self, struct slot *slot, const struct failure *failure)
{
	size_t running = count_slots(self, SLOT_RUNS);

	if (failure->status != TOO_MANY_REQUESTS || running == 0)
		return false;
	report_detail("no more than %zu connections at a time from now on", running);
	self->connections = (unsigned)running;
	slot->tries--;
	slot->due = clock_ms();
	return true;
}

/* The slot's try failed, and its transfer is over. False when it was the last one. */
static bool
slot_retry(struct https *self, struct slot *slot, struct failure *failure)
{
	if (!retry_is_due(failure, slot->tries, self->config->tries)) {
		slot_free(self, slot);
		return false;
	}
	long pause = retry_pause(failure, slot->tries);
	report_note("%s; trying again in %.1f s", failure->text, (double)pause / 1000);
	slot->due = clock_ms() + pause;
	slot->server = next_server(self, slot->server);
	return true;
}

/* The slot's transfer ended with CODE. False, with FAILURE filled, when it failed for good. */
static bool
slot_end(struct https *self, struct slot *slot, CURLcode code, struct failure *failure)
{
	bool done = exchange_end(&slot->exchange, code, failure);

	curl_multi_remove_handle(self->multi, slot->handle);
	slot->state = SLOT_WAITS;
	self->answered = slot->server;
	if (done) {
		self->server = slot->server;
		slot_free(self, slot);
		return true;
	}
	return be_content(self, slot, failure) || slot_retry(self, slot, failure);
}

/* Gives up those that are too slow; what they have loaded is kept. */
static bool
end_slow(struct https *self, struct failure *failure)
{
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++) {
		struct slot *slot = &self->slots[i];
		if (slot->state != SLOT_RUNS ||
		    !exchange_is_slow(&slot->exchange, self->config->low_rate,
		        self->config->low_time * 1000, failure))
			continue;
		curl_multi_remove_handle(self->multi, slot->handle);
		exchange_abandon(&slot->exchange);
		if (slot->order.body != NULL)
			buffer_fini(slot->order.body);
		slot->state = SLOT_WAITS;
		if (!slot_retry(self, slot, failure))
			return false;
	}
	return true;
}

/* ---- runs ---------------------------------------------------------------------------------- */

/* Puts the next order of RUN into SLOT. */
static enum https_next
take_order(struct run *run, struct slot *slot, struct failure *failure)
{
	if (run->source == NULL) {
		assert(run->order != NULL);
		slot->order = *run->order;
		run->more = false;
		return HTTPS_NEXT;
	}
	enum https_next next = run->source->next(run->source->arg, &slot->download, failure);
	if (next == HTTPS_NEXT)
		slot->order = (struct exchange_order){.path = slot->download.path,
		    .size = slot->download.size,
		    .sink = &slot->download.sink,
		    .rate = &run->https->rate};
	run->more = next != HTTPS_NONE;
	return next;
}

/* True when one more may begin. */
static bool
has_room(const struct https *self)
{
	return count_slots(self, SLOT_RUNS) < self->connections;
}

static void
start_due(struct https *self)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS && has_room(self); i++) {
		if (self->slots[i].state == SLOT_WAITS && self->slots[i].due <= now)
			slot_start(self, &self->slots[i]);
	}
}

/* Gives orders to free slots. */
static bool
fill(struct run *run, struct failure *failure)
{
	struct https *self = run->https;

	for (size_t i = 0; i < self->config->connections && run->more && has_room(self); i++) {
		struct slot *slot = &self->slots[i];
		if (slot->state != SLOT_FREE)
			continue;
		enum https_next next = take_order(run, slot, failure);
		if (next == HTTPS_FAILED)
			return false;
		if (next != HTTPS_NEXT)
			return true;
		slot->tries = 0;
		slot->server = self->server;
		slot_start(self, slot);
	}
	return true;
}

/* Ends what libcurl says has ended, COUNT of them. */
static bool
reap(struct https *self, size_t *count, struct failure *failure)
{
	struct CURLMsg *message;
	int rest;

	*count = 0;
	while ((message = curl_multi_info_read(self->multi, &rest)) != NULL) {
		struct slot *slot = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
		assert(message->msg == CURLMSG_DONE && slot != NULL);
		if (!slot_end(self, slot, code, failure))
			return false;
		++*count;
	}
	return true;
}

static bool
is_paused(const struct slot *slot)
{
	return slot->state == SLOT_RUNS && slot->exchange.paused;
}

/* Lets those go on that the rate had stopped, each in its turn. */
static void
go_on(struct https *self)
{
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++) {
		struct slot *slot = &self->slots[(self->first + i) % CONFIG_MAX_CONNECTIONS];
		if (!is_paused(slot))
			continue;
		if (rate_wait(&self->rate) > 0)
			return;
		self->first = (self->first + i + 1) % CONFIG_MAX_CONNECTIONS;
		exchange_go_on(&slot->exchange);
		return;
	}
}

/* Milliseconds until a slot that waits is due, or until all is to be looked at again. */
static int
wait_ms(struct https *self)
{
	int64_t now = clock_ms(), wait = TURN_MS;

	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS && has_room(self); i++) {
		const struct slot *slot = &self->slots[i];
		if (slot->state == SLOT_WAITS && slot->due - now < wait)
			wait = slot->due > now ? slot->due - now : 0;
	}
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++) {
		if (is_paused(&self->slots[i]) && rate_wait(&self->rate) < wait)
			wait = rate_wait(&self->rate);
	}
	return (int)wait;
}

enum turn { TURN_GO_ON, TURN_DONE, TURN_FAILED };

static enum turn
turn(struct run *run, struct failure *failure)
{
	struct https *self = run->https;
	int running;
	size_t ended;

	start_due(self); /* who has waited comes first */
	if (!fill(run, failure))
		return TURN_FAILED;
	if (count_slots(self, SLOT_FREE) == CONFIG_MAX_CONNECTIONS && !run->more)
		return TURN_DONE;
	go_on(self);
	if (curl_multi_perform(self->multi, &running) != CURLM_OK)
		abort();
	if (!reap(self, &ended, failure) || !end_slow(self, failure))
		return TURN_FAILED;
	if (run->source != NULL && run->source->tick != NULL)
		run->source->tick(run->source->arg);
	/* What has ended makes room for the next at once. */
	if (ended == 0 && curl_multi_poll(self->multi, NULL, 0, wait_ms(self), NULL) != CURLM_OK)
		abort();
	return TURN_GO_ON;
}

static bool
perform(struct run *run, struct failure *failure)
{
	enum turn now;

	trust_forget(run->https->trust);
	do
		now = turn(run, failure);
	while (now == TURN_GO_ON);
	for (size_t i = 0; i < CONFIG_MAX_CONNECTIONS; i++) {
		if (run->https->slots[i].state != SLOT_FREE)
			slot_free(run->https, &run->https->slots[i]);
	}
	return now == TURN_DONE;
}

static bool
perform_one(struct https *self, const struct exchange_order *order, struct failure *failure)
{
	return perform(&(struct run){.https = self, .order = order, .more = true}, failure);
}

bool
https_get(
    struct https *self, const char *path, size_t max, struct buffer *body, struct failure *failure)
{
	return perform_one(
	    self, &(struct exchange_order){.path = path, .size = max, .body = body}, failure);
}

bool
https_put(struct https *self, const char *path, const struct https_upload *upload, size_t max,
    struct buffer *body, struct failure *failure)
{
	return perform_one(self,
	    &(struct exchange_order){.path = path, .size = max, .body = body, .upload = upload},
	    failure);
}

bool
https_download_all(struct https *self, const struct https_source *source, struct failure *failure)
{
	return perform(&(struct run){.https = self, .source = source, .more = true}, failure);
}
