/*
 * The administrator's commands. The hard part is those that take their time: who asked for a reload
 * is told of the load that began after the request, and only when every worker goes by it.
 */
#include "admin.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_server.h"
#include "base/json_writer.h"
#include "channel.h"
#include "gateway/node/log.h"
#include "gateway/request/node_report.h"
#include "supervisor_private.h"

enum { NAME_MAX_LEN = 128 }; /* bytes of a customer's id or a serial number */

/* What a peer waits for. */
enum wait_for { WAIT_NOTHING, WAIT_LOAD, WAIT_LIVE, WAIT_CUT, WAIT_UPGRADE };

struct wait {
	enum wait_for what;
	uint64_t number;               /* of the load, or of the generation */
	char reason[CHANNEL_TEXT_MAX]; /* why the configuration was refused; "": it was not */
};

struct cut {
	uint64_t ticket; /* the last one that was given out */
	bool *asked;     /* which workers have not answered yet */
	unsigned left;   /* how many of them */
	unsigned untold; /* workers that could not be asked */
	uint32_t cut;
	char name[NAME_MAX_LEN + 1];
};

struct admin {
	struct supervisor *supervisor;
	struct admin_server *server;
	struct wait waits[ADMIN_PEERS];
	struct cut cut;
};

/* ---- status ---- */

static struct node_report
report_of(const struct supervisor *supervisor)
{
	return (struct node_report){.metrics = supervisor->metrics,
	    .history = supervisor->history,
	    .quota = supervisor->quota,
	    .config = supervisor->config,
	    .generation = supervisor->generation->number,
	    .draining = supervisor->draining,
	    .now = (time_t)ev_now(supervisor->loop)};
}

static const char *
state_of(const struct supervisor *supervisor)
{
	if (supervisor->draining)
		return "draining";
	if (loader_is_busy(supervisor->loader))
		return "loading";
	return supervisor->announced < supervisor->generation->number ? "adopting" : "serving";
}

static void
print_workers(const struct supervisor *supervisor, struct buffer *out)
{
	json_writer_key(out, "workers");
	buffer_puts(out, "[");
	for (unsigned i = 0; i < supervisor->count; i++) {
		const struct child *child = &supervisor->children[i];
		buffer_puts(out, i > 0 ? ",{" : "{");
		json_writer_number(out, "pid", (unsigned long long)child->pid);
		json_writer_number(out, "generation", child->adopted);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
answer_status(struct admin *self, unsigned peer)
{
	const struct supervisor *supervisor = self->supervisor;
	struct node_report report = report_of(supervisor);
	struct buffer out = {0};

	buffer_puts(&out, "{");
	json_writer_member(&out, "state", state_of(supervisor));
	json_writer_number(&out, "pid", (unsigned long long)getpid());
	node_report_print(&report, &out);
	print_workers(supervisor, &out);
	node_report_print_samples(&report, &out);
	buffer_puts(&out, "}");
	assert(buffer_size(&out) < ADMIN_ANSWER_MAX);
	admin_server_answer(self->server, peer, &out);
	buffer_fini(&out);
}

static void
answer_customers(struct admin *self, unsigned peer)
{
	struct node_report report = report_of(self->supervisor);
	struct buffer out = {0};

	buffer_puts(&out, "{");
	node_report_print_customers(&report, CUSTOMER_ROWS_MAX, &out);
	buffer_puts(&out, "}");
	assert(buffer_size(&out) < ADMIN_ANSWER_MAX);
	admin_server_answer(self->server, peer, &out);
	buffer_fini(&out);
}

/* ---- reload ---- */

/* What has become of the reload that PEER waits for is known. */
static void
answer_reload(struct admin *self, unsigned peer, const char *result, const char *reason)
{
	const struct supervisor *supervisor = self->supervisor;
	struct buffer out = {0};

	buffer_puts(&out, "{");
	json_writer_member(&out, "reload", result);
	json_writer_number(&out, "generation", supervisor->generation->number);
	json_writer_member(&out, "reason", *reason != '\0' ? reason : NULL);
	json_writer_number(&out, "workers", supervisor->count);
	json_writer_number(&out, "kept", supervisor->announced_kept);
	json_writer_number(&out, "cut", supervisor->announced_cut);
	buffer_puts(&out, "}");
	self->waits[peer].what = WAIT_NOTHING;
	admin_server_answer(self->server, peer, &out);
	buffer_fini(&out);
}

static void
answer_if_live(struct admin *self, unsigned peer)
{
	const struct wait *wait = &self->waits[peer];
	bool is_refused = wait->reason[0] != '\0';

	if (wait->what == WAIT_LIVE && wait->number <= self->supervisor->announced)
		answer_reload(
		    self, peer, is_refused ? "configuration-refused" : "live", wait->reason);
}

void
admin_on_loaded(struct admin *self, bool built)
{
	if (self == NULL)
		return;
	const struct supervisor *supervisor = self->supervisor;
	const char *reason = loader_reason(supervisor->loader);
	for (unsigned i = 0; i < ADMIN_PEERS; i++) {
		struct wait *wait = &self->waits[i];
		if (wait->what != WAIT_LOAD || wait->number != supervisor->loads)
			continue;
		if (!built) {
			answer_reload(self, i, "refused", *reason != '\0' ? reason : "see the log");
			continue;
		}
		wait->what = WAIT_LIVE;
		wait->number = supervisor->generation->number;
		(void)snprintf(wait->reason, sizeof wait->reason, "%s", reason);
		answer_if_live(self, i);
	}
}

void
admin_on_live(struct admin *self)
{
	for (unsigned i = 0; self != NULL && i < ADMIN_PEERS; i++)
		answer_if_live(self, i);
}

void
admin_on_draining(struct admin *self)
{
	for (unsigned i = 0; self != NULL && i < ADMIN_PEERS; i++) {
		struct wait *wait = &self->waits[i];
		if (wait->what != WAIT_LOAD && wait->what != WAIT_LIVE)
			continue;
		wait->what = WAIT_NOTHING;
		admin_server_refuse(self->server, i, "the gate drains: nothing is loaded any more");
	}
}

static void
reload(struct admin *self, unsigned peer)
{
	struct supervisor *supervisor = self->supervisor;

	if (supervisor->draining) {
		admin_server_refuse(
		    self->server, peer, "the gate drains: nothing is loaded any more");
		return;
	}
	/* One under way may have read the files before they changed. */
	self->waits[peer] = (struct wait){.what = WAIT_LOAD, .number = supervisor->loads + 1};
	supervisor->on_reload(supervisor);
}

/* ---- upgrade ---- */

static void
upgrade(struct admin *self, unsigned peer)
{
	char why[UPGRADE_WHY_MAX];

	/* A program that cannot be started has not been waited for before this is heard of. */
	if (self->supervisor->on_upgrade(self->supervisor, why))
		self->waits[peer].what = WAIT_UPGRADE;
	else
		admin_server_refuse(self->server, peer, why);
}

void
admin_on_handing_over(struct admin *self)
{
	if (self != NULL)
		admin_server_close(self->server);
}

void
admin_on_upgrade_ended(struct admin *self, pid_t pid, const char *why)
{
	for (unsigned i = 0; self != NULL && i < ADMIN_PEERS; i++) {
		struct buffer out = {0};
		if (self->waits[i].what != WAIT_UPGRADE)
			continue;
		self->waits[i].what = WAIT_NOTHING;
		buffer_puts(&out, "{");
		json_writer_member(&out, "upgrade", why == NULL ? "done" : "failed");
		json_writer_number(&out, "pid", (unsigned long long)pid);
		json_writer_number(&out, "before", (unsigned long long)getpid());
		json_writer_member(&out, "reason", why);
		buffer_puts(&out, "}");
		admin_server_answer(self->server, i, &out);
		buffer_fini(&out);
	}
}

/* ---- drain ---- */

static void
drain(struct admin *self, unsigned peer)
{
	struct buffer out = {0};

	buffer_puts(&out, "{");
	json_writer_member(&out, "state", "draining");
	json_writer_number(
	    &out, "connections", metrics_total(self->supervisor->metrics, METRIC_CONNECTIONS_OPEN));
	buffer_puts(&out, "}");
	admin_server_answer(self->server, peer, &out);
	buffer_fini(&out);
	self->supervisor->on_drain(self->supervisor);
}

/* ---- cut ---- */

static void
answer_cut(struct admin *self)
{
	struct buffer out = {0};
	unsigned peer = 0;

	assert(self->cut.left == 0);
	log_info("%u connections of %s were cut, as somebody asked by admin_socket", self->cut.cut,
	    self->cut.name);
	while (peer < ADMIN_PEERS && self->waits[peer].what != WAIT_CUT)
		peer++;
	if (peer == ADMIN_PEERS)
		return; /* it is gone */
	self->waits[peer].what = WAIT_NOTHING;
	buffer_puts(&out, "{");
	json_writer_member(&out, "name", self->cut.name);
	json_writer_number(&out, "cut", self->cut.cut);
	json_writer_number(&out, "workers_not_told", self->cut.untold);
	buffer_puts(&out, "}");
	admin_server_answer(self->server, peer, &out);
	buffer_fini(&out);
}

void
admin_on_end_of_worker(struct admin *self, unsigned worker)
{
	if (self == NULL || !self->cut.asked[worker])
		return;
	self->cut.asked[worker] = false;
	if (--self->cut.left == 0)
		answer_cut(self);
}

void
admin_on_cut(struct admin *self, unsigned worker, uint64_t ticket, uint32_t cut)
{
	if (self == NULL || ticket != self->cut.ticket || !self->cut.asked[worker])
		return;
	self->cut.cut += cut;
	admin_on_end_of_worker(self, worker);
}

/* An id or a serial number; nothing that could make a line of the log look like another. */
static bool
is_name(const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	return len > 0 && len <= NAME_MAX_LEN &&
	       strspn(text, "0123456789-abcdefghijklmnopqrstuvwxyzABCDEF") == len;
}

static void
tell_workers(struct admin *self)
{
	const struct supervisor *supervisor = self->supervisor;
	struct channel_message message = {.type = CHANNEL_CUT, .generation = self->cut.ticket};

	(void)snprintf(message.text, sizeof message.text, "%s", self->cut.name);
	for (unsigned i = 0; i < supervisor->count; i++) {
		const struct child *child = &supervisor->children[i];
		if (child->channel < 0)
			continue;
		self->cut.asked[i] = channel_send(child->channel, &message);
		self->cut.left += self->cut.asked[i];
		self->cut.untold += !self->cut.asked[i];
	}
}

static void
cut(struct admin *self, unsigned peer, const char *name)
{
	if (!is_name(name)) {
		admin_server_refuse(self->server, peer,
		    "\"name\" must be a customer's id or a certificate's serial number, as the "
		    "access log has them");
		return;
	}
	if (self->cut.left > 0) {
		admin_server_refuse(self->server, peer, "another cut is under way: try again");
		return;
	}
	self->waits[peer].what = WAIT_CUT;
	self->cut.ticket++;
	self->cut.cut = 0;
	self->cut.untold = 0;
	(void)snprintf(self->cut.name, sizeof self->cut.name, "%s", name);
	tell_workers(self);
	if (self->cut.left == 0)
		answer_cut(self);
}

/* ---- requests ---- */

static void
obey(struct admin *self, unsigned peer, const char *command, const char *name)
{
	if (strcmp(command, "status") == 0)
		answer_status(self, peer);
	else if (strcmp(command, "customers") == 0)
		answer_customers(self, peer);
	else if (strcmp(command, "reload") == 0)
		reload(self, peer);
	else if (strcmp(command, "upgrade") == 0)
		upgrade(self, peer);
	else if (strcmp(command, "drain") == 0)
		drain(self, peer);
	else if (strcmp(command, "cut") == 0)
		cut(self, peer, name);
	else
		admin_server_refuse(self->server, peer,
		    "\"command\" must be status, customers, reload, upgrade, drain or cut");
}

static void
on_request(void *arg, unsigned peer, const char *line)
{
	struct admin *self = arg;
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const char *command = json_string_value(json_object_get(request, "command"));

	assert(self->waits[peer].what == WAIT_NOTHING);
	if (command == NULL)
		admin_server_refuse(
		    self->server, peer, "a request is one JSON object with \"command\"");
	else
		obey(self, peer, command, json_string_value(json_object_get(request, "name")));
	json_decref(request);
}

static void
on_gone(void *arg, unsigned peer)
{
	struct admin *self = arg;

	self->waits[peer].what = WAIT_NOTHING;
}

/* ---- life ---- */

struct admin *
admin_new(struct supervisor *supervisor)
{
	static const struct admin_server_events events = {on_request, on_gone, ADMIN_PATIENCE};
	struct admin *self = buffer_alloc(sizeof *self);

	self->supervisor = supervisor;
	self->cut.asked = buffer_alloc(supervisor->count * sizeof *self->cut.asked);
	self->server =
	    admin_server_new(supervisor->loop, supervisor->config->admin_socket, &events, self);
	if (self->server != NULL)
		return self;
	free(self->cut.asked);
	free(self);
	return NULL;
}

void
admin_forget(struct admin *self)
{
	if (self != NULL)
		admin_server_forget(self->server);
}

void
admin_free(struct admin *self)
{
	if (self == NULL)
		return;
	admin_server_free(self->server);
	free(self->cut.asked);
	free(self);
}
