/*
 * Workers that end without being told to, and workers that stand still. The hard part is to be sure
 * that a worker stands still. Times would lie: the machine may have slept, or the supervisor been
 * stopped, so looks are counted instead, of which one follows another only when this loop turns.
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "gateway/node/log.h"
#include "gateway/node/metrics.h"
#include "gateway/node/pulse.h"
#include "supervisor_private.h"

enum {
	LOOKS = 10,       /* without a beat in between: it stands still */
	LOOKS_KILL = 13,  /* it has not ended when told to */
	LOOKS_START = 60, /* until the first turn of its loop */
	REQUEST_TEXT = 64,
	END_TEXT = 256,
};

static const char *const end_labels[] = {
#define END_LABEL(name, label) label,
    WORKER_END_TABLE(END_LABEL)
#undef END_LABEL
        NULL,
};

/* ---- standing still ---- */

/* ", last request ID", or nothing. */
static void
print_request(const struct child *child, char text[REQUEST_TEXT])
{
	char request[PULSE_REQUEST_LEN + 1];

	pulse_request(child->pulse, request);
	(void)snprintf(
	    text, REQUEST_TEXT, "%s%s", request[0] != '\0' ? ", last request " : "", request);
}

static void
end_still(struct child *child)
{
	char request[REQUEST_TEXT];

	print_request(child, request);
	log_error("worker %u (process %d) has not turned its loop for %g s%s: it is replaced",
	    child->index, (int)child->pid, child->supervisor->config->timeouts.worker, request);
	child->ends_by = WORKER_END_STALLED;
	kill(child->pid, SIGABRT); /* it prints its stack */
}

static void
look_at(struct child *child)
{
	struct supervisor *self = child->supervisor;
	uint64_t beats = pulse_beats(child->pulse);

	assert(child->pid > 0);
	if (beats != child->beats) {
		child->beats = beats;
		child->still = 0;
		return;
	}
	child->still++;
	if (child->adopted == 0 && child->still < LOOKS_START)
		return;
	if (child->still == LOOKS / 2)
		metrics_add(self->metrics, self->count, METRIC_WORKER_STALLS, 1);
	if (child->ends_by == WORKER_END_STALLED && child->still >= LOOKS_KILL)
		kill(child->pid, SIGKILL);
	else if (child->ends_by == WORKER_END_COUNT && child->still >= LOOKS)
		end_still(child);
}

static void
on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct supervisor *self = timer->data;

	(void)events;
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].pid != 0)
			look_at(&self->children[i]);
	timer->repeat = self->config->timeouts.worker / LOOKS;
	ev_timer_again(loop, timer);
}

/* ---- the end ---- */

static enum worker_end
end_of(const struct child *child, int status)
{
	if (child->ends_by != WORKER_END_COUNT)
		return child->ends_by;
	if (!WIFSIGNALED(status))
		return WORKER_END_FAILED;
	switch (WTERMSIG(status)) {
	case SIGSYS:
		return WORKER_END_FORBIDDEN;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGABRT:
		return WORKER_END_CRASHED;
	default:
		return WORKER_END_KILLED;
	}
}

static void
print_end(const struct child *child, int status, char text[END_TEXT])
{
	char request[REQUEST_TEXT];

	print_request(child, request);
	if (WIFSIGNALED(status))
		(void)snprintf(text, END_TEXT, "(process %d) was killed by signal %d%s%s",
		    (int)child->pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? ": a system call that is not allowed" : "",
		    request);
	else
		(void)snprintf(text, END_TEXT, "(process %d) ended with status %d%s",
		    (int)child->pid, WEXITSTATUS(status), request);
}

ev_tstamp
supervisor_crash_ended(struct child *child, int status)
{
	struct supervisor *self = child->supervisor;
	double now = clock_seconds();
	char end[END_TEXT];

	assert(child->pid > 0 && !self->draining);
	metrics_cell_add(
	    self->metrics, self->count, METRICS_FAMILY_WORKER_ENDS, end_of(child, status), 1);
	ev_tstamp pause = crash_record_add(&child->crashes, now, now - child->started);
	unsigned count = crash_record_say(&child->crashes, now);
	print_end(child, status, end);
	if (count > 0 && crash_record_is_loop(&child->crashes))
		log_error("worker %u ends again and again: %u times since it was said, now it %s; "
		          "the next start is in %g s, and this is said once a minute",
		    child->index, count, end, pause);
	else if (count > 0)
		log_error("worker %u %s", child->index, end);
	return pause;
}

void
supervisor_crash_replace(struct child *child)
{
	assert(child->pid > 0); /* 0 would be every process of this one's group */
	child->ends_by = WORKER_END_REPLACED;
	kill(child->pid, SIGKILL);
}

/* ---- start ---- */

void
supervisor_crash_started(struct child *child)
{
	assert(child->pid == 0);
	pulse_forget(child->pulse);
	child->beats = pulse_beats(child->pulse);
	child->still = 0;
	child->ends_by = WORKER_END_COUNT;
}

bool
supervisor_crash_init(struct supervisor *self)
{
	for (unsigned i = 0; i < self->count; i++) {
		self->children[i].pulse = pulse_new();
		if (self->children[i].pulse == NULL)
			return false;
	}
	metrics_name_cells(self->metrics, METRICS_FAMILY_WORKER_ENDS, end_labels);
	ev_timer_init(&self->looks, on_look, 0., self->config->timeouts.worker / LOOKS);
	self->looks.data = self;
	ev_timer_again(self->loop, &self->looks);
	return true;
}

void
supervisor_crash_free(struct supervisor *self)
{
	for (unsigned i = 0; self->children != NULL && i < self->count; i++)
		pulse_free(self->children[i].pulse);
}
