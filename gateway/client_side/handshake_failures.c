/*
 * Failed handshakes, counted by address and reason. The hard part is to have bounds: the table has
 * a fixed size, an entry lives as long as its address goes on failing, and one entry takes whatever
 * finds no place.
 */
#include "handshake_failures.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/node/log.h"

enum {
	ENTRIES = HANDSHAKE_FAILURES_APART,
	REASON_MAX = 96, /* bytes that are told apart */
	CLIENT_MAX = 64,
	TLS_MAX = 16,
	SERIAL_MAX = 64,
};

struct entry {
	uint64_t address;
	char reason[REASON_MAX];               /* "": free */
	char tls[TLS_MAX], serial[SERIAL_MAX]; /* "": not known */
	char client[CLIENT_MAX];
	char close[REASON_MAX];
	uint64_t generation;
	uint64_t count; /* since the last line */
};

struct handshake_failures {
	struct ev_loop *loop;
	struct access_log *log;
	ev_timer timer; /* runs while there are entries */
	struct entry others;
	struct entry entries[ENTRIES];
};

static void
say(struct handshake_failures *self, struct access_record *record)
{
	access_log_new_request_id(self->log, record->request_id);
	access_log_write(self->log, record);
	char count[64] = "";

	if (record->count > 1)
		(void)snprintf(count, sizeof count, " (%llu in the last %d s)",
		    (unsigned long long)record->count, HANDSHAKE_FAILURES_PERIOD);
	bool known = strcmp(record->reason, record->close) != 0;
	log_info("%s before the handshake was complete, client %s%s%s%s", record->close,
	    record->client, known ? ": " : "", known ? record->reason : "", count);
}

static void
say_count(struct handshake_failures *self, struct entry *entry)
{
	struct access_record record = {
	    .generation = entry->generation,
	    .client = entry->client,
	    .tls = entry->tls[0] != '\0' ? entry->tls : NULL,
	    .serial = entry->serial[0] != '\0' ? entry->serial : NULL,
	    .operation = "handshake",
	    .reason = entry->reason,
	    .started = ev_now(self->loop),
	    .close = entry->close,
	    .count = entry->count,
	};

	say(self, &record);
	entry->count = 0;
}

/* Whoever failed again is told of and stays, so that the next line is a period away. True when any
 * entry is left. */
static bool
look_through(struct handshake_failures *self)
{
	bool any = self->others.count > 0;

	if (any)
		say_count(self, &self->others);
	for (size_t i = 0; i < ENTRIES; i++) {
		struct entry *entry = &self->entries[i];
		if (entry->count > 0)
			say_count(self, entry);
		else
			entry->reason[0] = '\0';
		any = any || entry->reason[0] != '\0';
	}
	return any;
}

static void
on_period_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	if (!look_through(timer->data))
		ev_timer_stop(loop, timer);
}

struct handshake_failures *
handshake_failures_new(struct ev_loop *loop, struct access_log *log)
{
	struct handshake_failures *self = buffer_alloc(sizeof *self);

	self->loop = loop;
	self->log = log;
	(void)snprintf(self->others.client, CLIENT_MAX, "others");
	(void)snprintf(self->others.reason, REASON_MAX, "more than are told apart");
	ev_timer_init(
	    &self->timer, on_period_over, HANDSHAKE_FAILURES_PERIOD, HANDSHAKE_FAILURES_PERIOD);
	self->timer.data = self;
	return self;
}

void
handshake_failures_free(struct handshake_failures *self)
{
	if (self == NULL)
		return;
	(void)look_through(self);
	ev_timer_stop(self->loop, &self->timer);
	free(self);
}

static bool
is_same(const char *kept, const char *text, size_t size)
{
	return strncmp(kept, text != NULL ? text : "", size - 1) == 0;
}

/* The entry that counts what RECORD says of ADDRESS, else a free one, else NULL, also when ADDRESS
 * has as many as it may. */
static struct entry *
find(struct handshake_failures *self, uint64_t address, const struct access_record *record)
{
	struct entry *room = NULL;
	unsigned own = 0;

	for (size_t i = 0; i < ENTRIES; i++) {
		struct entry *entry = &self->entries[i];
		if (entry->reason[0] == '\0')
			room = entry;
		else if (entry->address != address)
			continue;
		else if (is_same(entry->reason, record->reason, REASON_MAX) &&
		         is_same(entry->tls, record->tls, TLS_MAX) &&
		         is_same(entry->serial, record->serial, SERIAL_MAX))
			return entry;
		else
			own++;
	}
	return own < HANDSHAKE_FAILURES_OF_ADDRESS ? room : NULL;
}

static void
keep(char *kept, const char *text, size_t size)
{
	(void)snprintf(kept, size, "%s", text != NULL ? text : "");
}

void
handshake_failures_add(
    struct handshake_failures *self, struct quota_key address, const struct access_record *record)
{
	struct entry *entry = find(self, address.hash, record);

	if (!ev_is_active(&self->timer))
		ev_timer_again(self->loop, &self->timer);
	if (entry == NULL)
		entry = &self->others;
	if (entry->reason[0] != '\0') {
		entry->count++;
		return;
	}
	struct access_record first = *record;
	first.count = 1;
	say(self, &first);
	entry->address = address.hash;
	entry->generation = record->generation;
	keep(entry->reason, record->reason, REASON_MAX);
	keep(entry->tls, record->tls, TLS_MAX);
	keep(entry->serial, record->serial, SERIAL_MAX);
	keep(entry->client, record->client, CLIENT_MAX);
	keep(entry->close, record->close, REASON_MAX);
}
