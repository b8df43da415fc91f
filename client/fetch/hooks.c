/*
 * Hooks. The hard part is their end: what a hook leaves running may hold its output open, and one
 * that hangs must not hang spot; so the process is waited for, not the end of what it prints.
 */
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "client/common/report.h"

enum {
	TURN_MS = 20,         /* how often it is looked whether it has ended */
	GRACE_MS = 5 * 1000,  /* from SIGTERM to SIGKILL */
	LINE_MAX_BYTES = 512, /* a longer line is told in pieces */
	FAILED_TO_START = 127,
	LAST_TURNS = 16, /* of reading after its end: as much as a pipe holds */
	VARIABLES = 6,
};

struct running {
	const char *name; /* of the hook */
	pid_t process;    /* and its group */
	int output;
	int64_t deadline; /* when the next signal is sent */
	int signal;       /* which */
	bool late;
	char line[LINE_MAX_BYTES];
	size_t len;
};

/* ---- what it prints -------------------------------------------------------------------------- */

static void
tell_line(struct running *self)
{
	report_note("%s hook: %.*s", self->name, (int)self->len, self->line);
	self->len = 0;
}

static void
take_output(struct running *self, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool ends = bytes[i] == '\n';
		if (!ends)
			self->line[self->len++] =
			    (unsigned char)bytes[i] < ' ' || bytes[i] == '\177' ? '?' : bytes[i];
		if (ends || self->len == LINE_MAX_BYTES)
			tell_line(self);
	}
}

/* Reads some of what is there, so that who prints without end is not listened to without end; false
 * when no more can come now. */
static bool
read_output(struct running *self)
{
	char bytes[4096];
	ssize_t len = read(self->output, bytes, sizeof bytes);

	take_output(self, bytes, len > 0 ? (size_t)len : 0);
	return len > 0;
}

/* ---- the process ----------------------------------------------------------------------------- */

/* It runs in another folder than spot. */
static char *
path_variable(const char *name, const char *path)
{
	char *absolute = realpath(path, NULL);
	char *variable = buffer_text("%s=%s", name, absolute != NULL ? absolute : path);

	free(absolute);
	return variable;
}

static char **
make_environment(const struct hooks_event *event)
{
	char **variables = buffer_alloc_list(VARIABLES, sizeof *variables), **next = variables;
	const char *old = event->old_version != NULL ? event->old_version : "";

	*next++ =
	    buffer_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	*next++ = buffer_text("SPOT_PRODUCT=%s", event->product);
	*next++ = buffer_text("SPOT_OLD_VERSION=%s", old);
	*next++ = buffer_text("SPOT_NEW_VERSION=%s", event->new_version);
	*next++ = path_variable("SPOT_FOLDER", event->folder);
	if (event->staged != NULL)
		*next++ = path_variable("SPOT_STAGED", event->staged);
	*next = NULL;
	return variables;
}

static void
free_environment(char **variables)
{
	for (char **it = variables; *it != NULL; it++)
		free(*it);
	free(variables);
}

/* In the child: becomes the program, or ends. PARENT tells whether spot is still there. */
static void
become(char *const *arguments, char *const *environment, int output, pid_t parent)
{
	sigset_t none;
	int nothing = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	bool ready = setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
	             getppid() == parent && nothing >= 0 && dup2(nothing, 0) == 0 &&
	             dup2(output, 1) == 1 && dup2(output, 2) == 2 && close_range(3, ~0U, 0) == 0 &&
	             chdir("/") == 0;
	if (ready)
		execve(arguments[0], arguments, environment);
	const char *why = strerrordesc_np(errno);
	if (why != NULL && write(2, why, strlen(why)) < 0)
		_exit(FAILED_TO_START);
	_exit(FAILED_TO_START);
}

static bool
start(struct running *self, char *const *arguments, const struct hooks_event *event,
    struct failure *failure)
{
	int ends[2];
	pid_t parent = getpid();

	if (pipe2(ends, O_CLOEXEC) != 0)
		return failure_errno(failure, "run the hook", self->name);
	char **environment = make_environment(event);
	self->process = fork();
	if (self->process == 0)
		become(arguments, environment, ends[1], parent);
	close(ends[1]);
	free_environment(environment);
	self->output = ends[0];
	if (self->process < 0) {
		close(ends[0]);
		return failure_errno(failure, "run the hook", self->name);
	}
	(void)setpgid(self->process, self->process); /* whoever of the two is first */
	(void)fcntl(self->output, F_SETFL, O_NONBLOCK);
	return true;
}

/* Ends it when its time is over, first with a word, then without. */
static void
watch_time(struct running *self)
{
	if (clock_ms() < self->deadline)
		return;
	self->late = true;
	(void)kill(-self->process, self->signal);
	self->signal = SIGKILL;
	self->deadline = clock_ms() + GRACE_MS;
}

/* Waits for its end; the status of wait(2). */
static int
wait_for(struct running *self)
{
	bool open = true;
	int status = 0;

	while (waitpid(self->process, &status, WNOHANG) != self->process) {
		struct pollfd wanted = {.fd = open ? self->output : -1, .events = POLLIN};
		if (poll(&wanted, 1, TURN_MS) > 0)
			open = read_output(self);
		watch_time(self);
	}
	for (int turn = 0; turn < LAST_TURNS && read_output(self); turn++)
		continue;
	if (self->len > 0)
		tell_line(self);
	close(self->output);
	if (self->late)
		(void)kill(-self->process, SIGKILL); /* what it began */
	return status;
}

/* How it ended, for a sentence; NULL when that was well. */
static char *
describe_end(const struct running *self, int status, uint64_t seconds)
{
	if (self->late)
		return buffer_text(
		    "took longer than %llu seconds, and was ended", (unsigned long long)seconds);
	if (WIFSIGNALED(status))
		return buffer_text("was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return buffer_text("ended with status %d", WEXITSTATUS(status));
	return NULL;
}

/* False with *END filled when it did not end well; or with FAILURE when it could not begin. */
static bool
run(const char *name, char *const *arguments, const struct config_hooks *hooks,
    const struct hooks_event *event, char **end, struct failure *failure)
{
	struct running running = {
	    .name = name, .deadline = clock_ms() + (int64_t)hooks->time * 1000, .signal = SIGTERM};

	report_detail("running the %s hook %s", name, arguments[0]);
	report_clear_status();
	if (!start(&running, arguments, event, failure)) {
		*end = buffer_strdup(failure->text);
		return false;
	}
	*end = describe_end(&running, wait_for(&running), hooks->time);
	return *end == NULL;
}

/* ---- the two --------------------------------------------------------------------------------- */

bool
hooks_run_before(
    const struct config_hooks *self, const struct hooks_event *event, struct failure *failure)
{
	char *end = NULL;

	if (self->before == NULL || run("before", self->before, self, event, &end, failure))
		return true;
	failure_set(failure, FAILURE_HOOK_BEFORE,
	    "the hook `before` (%s) %s; %s %s was not put into its place: %s is as it was before",
	    self->before[0], end, event->product, event->new_version, event->folder);
	free(end);
	return false;
}

bool
hooks_run_after(const struct config_hooks *self, const struct hooks_event *event, bool is_beside,
    struct failure *failure)
{
	char *end = NULL, *back = NULL;
	const char *old = event->old_version;

	if (self->after == NULL || run("after", self->after, self, event, &end, failure))
		return true;
	if (is_beside)
		back = buffer_text("; `spot rollback %s` goes back to %s", event->folder, old);
	else if (old != NULL && strcmp(old, event->new_version) != 0)
		back = buffer_text(
		    "; `spot fetch %s %s --to %s` goes back", event->product, old, event->folder);
	failure_set(failure, FAILURE_HOOK_AFTER,
	    "the hook `after` (%s) %s; %s %s is in its place in %s, and stays%s", self->after[0],
	    end, event->product, event->new_version, event->folder, back != NULL ? back : "");
	free(back);
	free(end);
	return false;
}
