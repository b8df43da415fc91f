/* Who waits at `admin_socket` is given up, at either end: the times are short here. What is asked
 * and answered, and by whom, has end-to-end tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/process/admin_client.h"
#include "gateway/process/admin_server.h"

struct fixture {
	struct ev_loop *loop;
	struct admin_server *server;
	const struct admin_server_events *events;
	char folder[64], path[96];
	unsigned asked, gone;
};

static void
on_request(void *arg, unsigned peer, const char *line)
{
	struct fixture *self = arg;

	assert_true(peer < ADMIN_PEERS);
	assert_string_equal(line, "{\"command\":\"status\"}");
	self->asked++; /* and nothing is answered */
}

static void
on_gone(void *arg, unsigned peer)
{
	struct fixture *self = arg;

	assert_true(peer < ADMIN_PEERS);
	self->gone++;
	ev_break(self->loop, EVBREAK_ALL);
}

static void
set_up(struct fixture *self, const struct admin_server_events *events)
{
	*self = (struct fixture){.loop = ev_loop_new(EVFLAG_NOENV), .events = events};
	strcpy(self->folder, "/tmp/admin-server-XXXXXX");
	assert_non_null(mkdtemp(self->folder));
	(void)snprintf(self->path, sizeof self->path, "%s/socket", self->folder);
	self->server = admin_server_new(self->loop, self->path, events, self);
	assert_non_null(self->server);
}

static void
tear_down(struct fixture *self)
{
	admin_server_free(self->server);
	ev_loop_destroy(self->loop);
	assert_int_equal(rmdir(self->folder), 0);
}

/* Asks in a process of its own; the loop runs until that is given up. Returns its exit status. */
static int
ask(struct fixture *self, int patience)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct buffer text = {0};
		json_t *answer = admin_client_ask(self->path, "status", NULL, patience, &text);
		_exit(answer == NULL && buffer_size(&text) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	ev_run(self->loop, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* A server that lets a request wait for PATIENCE seconds, and who asks and waits for WAITS: the
 * first of the two ends it. */
static void
assert_given_up(ev_tstamp patience, int waits)
{
	const struct admin_server_events events = {on_request, on_gone, patience};
	struct fixture self;

	set_up(&self, &events);
	assert_int_equal(ask(&self, waits), 0);
	assert_int_equal(self.asked, 1);
	assert_int_equal(self.gone, 1);
	tear_down(&self);
}

static void
test_a_request_that_waits_too_long_is_given_up(void **state)
{
	(void)state;
	assert_given_up(0.05, 600);
}

static void
test_who_asks_does_not_wait_for_ever(void **state)
{
	(void)state;
	assert_given_up(600, 1);
}

/* The request waits when the socket is given up; its answer comes after. */
static void
on_request_answered_after_close(void *arg, unsigned peer, const char *line)
{
	struct fixture *self = arg;
	struct buffer answer = {0};

	(void)line;
	admin_server_close(self->server);
	assert_int_equal(access(self->path, F_OK), -1);
	struct admin_server *other = admin_server_new(self->loop, self->path, self->events, self);
	assert_non_null(other);
	buffer_puts(&answer, "{}");
	admin_server_answer(self->server, peer, &answer);
	buffer_fini(&answer);
	admin_server_free(self->server);
	self->server = other;
	ev_break(self->loop, EVBREAK_ALL);
}

static void
test_who_waits_is_answered_when_another_listens_already(void **state)
{
	(void)state;
	static const struct admin_server_events events = {
	    on_request_answered_after_close, on_gone, 600};
	struct fixture self;

	set_up(&self, &events);
	assert_int_equal(WEXITSTATUS(ask(&self, 600)), 1);
	assert_int_equal(access(self.path, F_OK), 0);
	assert_int_equal(self.gone, 0);
	tear_down(&self);
}

static void
test_who_asks_a_gate_that_hears_nobody_does_not_wait_for_ever(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct buffer text = {0};
	char folder[] = "/tmp/admin-server-XXXXXX";
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), waiting[8];
	size_t count = 0;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 0), 0);
	do {
		assert_true(count < 8);
		waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(waiting[count++], (struct sockaddr *)&address, sizeof address) == 0);
	assert_null(admin_client_ask(address.sun_path, "status", NULL, 1, &text));
	while (count > 0)
		close(waiting[--count]);
	close(listener);
	buffer_fini(&text);
	assert_int_equal(unlink(address.sun_path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_request_that_waits_too_long_is_given_up),
	    cmocka_unit_test(test_who_waits_is_answered_when_another_listens_already),
	    cmocka_unit_test(test_who_asks_does_not_wait_for_ever),
	    cmocka_unit_test(test_who_asks_a_gate_that_hears_nobody_does_not_wait_for_ever),
	};
	return cmocka_run_group_tests_name("admin_server", tests, NULL, NULL);
}
