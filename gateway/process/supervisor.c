/*
 * The supervisor. The hard part is the order of things at a reload: a loader builds and checks
 * everything, only then are the workers told, and their answers counted, whoever dies meanwhile.
 */
#include "supervisor_private.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "base/buffer.h"
#include "channel.h"
#include "gateway/config/config_stores.h"
#include "gateway/generation/catalogues.h"
#include "gateway/generation/generation_catalogues.h"
#include "gateway/generation/generation_config.h"
#include "gateway/node/integrity_marks.h"
#include "gateway/node/log.h"
#include "gateway/node/metrics.h"
#include "gateway/node/quota.h"
#include "gateway/request/log_turn.h"
#include "log_file.h"
#include "notify.h"
#include "reload_files.h"
#include "upgrade.h"

/* Between two look-ups of the stores' names for which workers ask. */
static const ev_tstamp lookup_pause = 10;
static const ev_tstamp measure_interval = HISTORY_INTERVAL;

/* ---- generations ---- */

static void
start_load(struct supervisor *self, enum loading_task task)
{
	assert(!self->draining && !loader_is_busy(self->loader));
	notify_reloading();
	self->loads += task == LOADING_EVERYTHING;
	if (loader_start(self->loader, self->config, self->generation, task))
		return;
	metrics_add(self->metrics, self->count, METRIC_RELOADS_REFUSED, 1);
	if (task == LOADING_EVERYTHING)
		admin_on_loaded(self->admin, false);
	notify_ready();
}

static void
on_reload(struct supervisor *self)
{
	if (self->draining)
		return;
	assert(self->loader != NULL);
	supervisor_upgrade_note(self, SIGHUP);
	/* A revocation does not wait for catalogues, which are read after it, nor for names. */
	(void)loader_stop(self->loader, LOADING_CATALOGUES);
	(void)loader_stop(self->loader, LOADING_STORES);
	self->lookup_wanted = true;
	ev_timer_stop(self->loop, &self->lookup_pause);
	if (loader_is_busy(self->loader))
		self->load_again = true;
	else
		start_load(self, LOADING_EVERYTHING);
}

static void
on_hangup(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)loop, (void)events;
	on_reload(signal->data);
}

static void
look_for_catalogues(struct supervisor *self)
{
	if (self->draining || !config_checks_catalogues(self->config) ||
	    !generation_catalogues_have_changed(self->generation, self->config))
		return;
	if (loader_stop(self->loader, LOADING_STORES))
		self->lookup_wanted = true;
	if (!loader_is_busy(self->loader))
		start_load(self, LOADING_CATALOGUES);
}

static bool
has_names(const struct config *config)
{
	for (size_t i = 0; i < config->store_count; i++)
		if (config->stores[i].is_name)
			return true;
	return false;
}

/* Looks names up that wait for it, unless something else is loaded or it was done just now. */
static void
look_up_stores(struct supervisor *self)
{
	if (!self->lookup_wanted || self->draining || loader_is_busy(self->loader) ||
	    ev_is_active(&self->lookup_pause))
		return;
	self->lookup_wanted = false;
	if (!has_names(self->config))
		return;
	(void)loader_start(self->loader, self->config, self->generation, LOADING_STORES);
	ev_timer_set(&self->lookup_pause, lookup_pause, 0.);
	ev_timer_start(self->loop, &self->lookup_pause);
}

static void
on_lookup_pause(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	look_up_stores(timer->data);
}

static void
on_look_up(struct supervisor *self)
{
	self->lookup_wanted = true;
	look_up_stores(self);
}

static void
on_look_for_catalogues(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	look_for_catalogues(timer->data);
}

static void
count_catalogues(struct supervisor *self)
{
	struct catalogue_image *image = generation_catalogues(self->generation);

	catalogues_count(image, self->metrics, self->count);
	catalogue_image_free(image);
}

static void
on_measure(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct supervisor *self = timer->data;

	(void)events;
	history_measure(self->history, self->metrics, ev_now(loop));
	process_usage_begin(&self->usage);
	process_usage_report(&self->usage, self->metrics, METRICS_FAMILY_PROCESS, self->count);
	process_usage_end(&self->usage);
}

/* The loader has ended: what children took since the last of them did was taken by it. */
static void
count_loader(struct supervisor *self)
{
	uint64_t all = process_usage_of_children();

	metrics_cell_add(self->metrics, self->count, METRICS_FAMILY_LOADER,
	    PROCESS_CPU_MICROSECONDS, all - self->reaped);
	metrics_cell_set(self->metrics, self->count, METRICS_FAMILY_LOADER, PROCESS_RESIDENT_BYTES,
	    loader_memory(self->loader));
	self->reaped = all;
}

/* How often catalogues are looked at, if ever. */
static void
time_catalogues(struct supervisor *self)
{
	ev_timer_stop(self->loop, &self->catalogues);
	self->catalogues.repeat = self->config->catalogues.interval;
	if (config_checks_catalogues(self->config))
		ev_timer_again(self->loop, &self->catalogues);
}

/* Goes by NEXT, a reference that becomes the supervisor's. */
static void
take_configuration(struct supervisor *self, struct config *next)
{
	for (size_t i = 0; i < next->store_count; i++)
		if (!config_stores_have_slot(self->config, next->stores[i].slot))
			metrics_forget_store(self->metrics, next->stores[i].slot);
	bool is_new = next->serial != self->config->serial;
	config_free(self->config);
	self->config = next;
	log_set_level((enum log_level)next->log_level);
	if (is_new)
		time_catalogues(self);
}

static bool
on_built(void *arg, const struct loading_result *result)
{
	struct supervisor *self = arg;
	struct config *config = generation_config_open(result->next);

	assert(!self->draining);
	if (config == NULL) {
		log_error("generation %llu has no configuration: it is left aside",
		    (unsigned long long)result->next->number);
		generation_free(result->next);
		if (result->access_log >= 0)
			close(result->access_log);
		return false;
	}
	assert(result->next->number > self->generation->number);
	generation_free(self->generation);
	self->generation = result->next;
	if (result->changed >> GENERATION_KEY & 1)
		supervisor_keys_give(self);
	take_configuration(self, config);
	if (result->access_log >= 0)
		supervisor_log_take(self, result->access_log);
	if (result->is_refused)
		metrics_add(self->metrics, self->count, METRIC_CONFIGURATIONS_REFUSED, 1);
	count_catalogues(self);
	metrics_add(self->metrics, self->count, METRIC_RELOADS, 1);
	reload_files_count(self->metrics, self->count, RELOAD_APPLIED, result->changed);
	for (unsigned i = 0; i < self->count; i++)
		supervisor_child_send_generation(&self->children[i]);
	return true;
}

static void
on_load_ended(void *arg, enum loading_task task, bool built)
{
	struct supervisor *self = arg;

	bool refused = !built && task != LOADING_STORES;

	assert(!self->draining && !loader_is_busy(self->loader));
	count_loader(self);
	if (refused)
		metrics_add(self->metrics, self->count, METRIC_RELOADS_REFUSED, 1);
	uint32_t blamed = loader_blamed(self->loader);
	if (refused && blamed == 0)
		blamed = 1u << RELOAD_FILE_OTHER;
	reload_files_count(self->metrics, self->count, RELOAD_REFUSED, blamed);
	if (task == LOADING_EVERYTHING)
		admin_on_loaded(self->admin, built);
	if (self->load_again) {
		self->load_again = false;
		start_load(self, LOADING_EVERYTHING);
	} else if (refused) {
		notify_ready();
	} else if (task == LOADING_EVERYTHING) {
		look_for_catalogues(self);
	}
	look_up_stores(self);
}

/* ---- the end ---- */

static void
kill_children(struct supervisor *self)
{
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].pid != 0)
			kill(self->children[i].pid, SIGKILL);
}

static void
on_leave(struct supervisor *self, enum channel_type how)
{
	const struct channel_message message = {.type = how};
	bool running = false;

	assert(self->loader != NULL && self->sockets != NULL);
	self->draining = true;
	admin_on_draining(self->admin);
	loader_free(self->loader);
	self->loader = NULL;
	/* The workers close their copies when they stop accepting; these must not hold them open.
	 */
	sockets_close(self->sockets);
	self->sockets = NULL;
	for (unsigned i = 0; i < self->count; i++) {
		struct child *child = &self->children[i];
		ev_timer_stop(self->loop, &child->restart);
		if (child->pid == 0)
			continue;
		assert(child->pid > 0 && child->channel >= 0);
		running = true;
		if (!channel_send(child->channel, &message))
			kill(child->pid, SIGKILL);
	}
	if (!running)
		ev_break(self->loop, EVBREAK_ALL);
}

static void
on_drain(struct supervisor *self)
{
	if (self->retired)
		supervisor_upgrade_hurry(self);
	if (self->draining)
		return;
	log_info("draining");
	notify_stopping();
	supervisor_upgrade_cancel(self);
	on_leave(self, CHANNEL_DRAIN);
}

static void
on_terminate(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)loop, (void)events;
	on_drain(signal->data);
}

static void
on_quit(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;

	(void)events;
	log_info("stopping at once");
	if (!self->retired)
		notify_stopping();
	supervisor_upgrade_cancel(self);
	kill_children(self);
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].pid != 0)
			(void)waitpid(self->children[i].pid, NULL, 0);
	ev_break(loop, EVBREAK_ALL);
}

static void
on_watchdog_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events;
	notify_alive();
}

/* ---- start ---- */

static void
watch_signal(struct supervisor *self, ev_signal *watcher, int number,
    void (*fn)(struct ev_loop *loop, ev_signal *signal, int events))
{
	ev_signal_init(watcher, fn, number);
	watcher->data = self;
	ev_signal_start(self->loop, watcher);
}

static bool
set_up(struct supervisor *self, struct config *config)
{
	self->config = config_ref(config);
	self->count =
	    config->workers != 0 ? config->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	self->access_log = -1;
	self->before = upgrade_inherit();
	if (!sandbox_find_user(config->user, &self->user))
		return false;
	sandbox_raise_file_limit();
	self->generation = loader_first(config);
	if (self->generation == NULL)
		return false;
	self->access_log = log_file_open(config, &self->user);
	if (self->access_log < 0)
		return false;
	self->metrics = metrics_new(self->count);
	self->history = history_new();
	self->quota = quota_new(self->count);
	self->marks = integrity_marks_new();
	self->log_turn = log_turn_new();
	if (self->metrics == NULL || self->history == NULL || self->quota == NULL ||
	    self->marks == NULL || self->log_turn == NULL) {
		log_error("no shared memory: %s", strerror(errno));
		return false;
	}
	count_catalogues(self);
	self->sockets = sockets_open(config, self->count, supervisor_upgrade_is_waiting(self));
	if (self->sockets == NULL)
		return false;
	self->loop = ev_default_loop(EVFLAG_NOENV);
	if (self->loop == NULL) {
		log_error("no event loop");
		return false;
	}
	static const struct loader_events loader_events = {on_built, on_load_ended};
	self->loader = loader_new(self->loop, &self->user, &loader_events, self);
	self->on_look_up = on_look_up;
	self->on_reload = on_reload;
	self->on_drain = on_drain;
	self->on_leave = on_leave;
	if (config->admin_socket != NULL && !supervisor_upgrade_is_waiting(self) &&
	    (self->admin = admin_new(self)) == NULL)
		return false;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log at the limit of a file's size is as a full disk */
	supervisor_log_init(self);
	ev_timer_init(&self->lookup_pause, on_lookup_pause, lookup_pause, 0.);
	self->lookup_pause.data = self;
	watch_signal(self, &self->hangup, SIGHUP, on_hangup);
	watch_signal(self, &self->terminate, SIGTERM, on_terminate);
	watch_signal(self, &self->interrupt, SIGINT, on_terminate);
	watch_signal(self, &self->quit, SIGQUIT, on_quit);
	supervisor_upgrade_init(self);
	supervisor_keys_init(self);
	double interval = notify_watchdog_interval();
	ev_timer_init(&self->watchdog, on_watchdog_due, interval, interval);
	if (interval > 0)
		ev_timer_start(self->loop, &self->watchdog);
	ev_timer_init(&self->measure, on_measure, 0., measure_interval);
	self->measure.data = self;
	ev_timer_start(self->loop, &self->measure);
	ev_timer_init(&self->catalogues, on_look_for_catalogues, 0., 0.);
	self->catalogues.data = self;
	time_catalogues(self);
	assert(self->children == NULL && self->count > 0);
	self->children = buffer_alloc(self->count * sizeof *self->children);
	for (unsigned i = 0; i < self->count; i++)
		supervisor_child_init(self, i);
	if (supervisor_crash_init(self))
		return true;
	log_error("no shared memory: %s", strerror(errno));
	return false;
}

static void
tear_down(struct supervisor *self)
{
	supervisor_upgrade_fini(self);
	supervisor_keys_fini(self);
	admin_free(self->admin);
	loader_free(self->loader);
	sockets_close(self->sockets);
	generation_free(self->generation);
	quota_free(self->quota);
	integrity_marks_free(self->marks);
	log_turn_free(self->log_turn);
	metrics_free(self->metrics);
	history_free(self->history);
	config_free(self->config);
	supervisor_crash_free(self);
	free(self->children);
	if (self->loop != NULL)
		ev_loop_destroy(self->loop);
}

int
supervisor_run(struct config *config)
{
	struct supervisor self = {.status = EXIT_FAILURE};

	if (set_up(&self, config)) {
		self.status = EXIT_SUCCESS;
		supervisor_keys_start(&self);
		for (unsigned i = 0; i < self.count; i++)
			supervisor_child_start(&self.children[i]);
		ev_run(self.loop, 0);
	}
	tear_down(&self);
	return self.status;
}
