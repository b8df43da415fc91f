/*
 * A team of threads. The hard part is that nothing else knows of it: its members get no signals,
 * and one that cannot be had is done without.
 */
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { MOST = 4 }; /* more would only wait for the disk */

struct team {
	team_work *work;
	void *arg;
	size_t count;
	atomic_size_t next;
	atomic_bool failed;
};

struct member {
	struct team *team;
	pthread_t thread;
	struct failure failure;
	bool failed;
};

static void *
work_on(void *arg)
{
	struct member *self = arg;
	struct team *team = self->team;
	size_t item;

	while (!atomic_load(&team->failed) &&
	       (item = atomic_fetch_add(&team->next, 1)) < team->count) {
		self->failed = !team->work(team->arg, item, &self->failure);
		if (self->failed)
			atomic_store(&team->failed, true);
	}
	return NULL;
}

static size_t
size_for(size_t count)
{
	cpu_set_t mine;
	size_t size = 1;

	if (sched_getaffinity(0, sizeof mine, &mine) == 0)
		size = (size_t)CPU_COUNT(&mine);
	if (size > MOST)
		size = MOST;
	return size > count ? count : size;
}

/* Starts members until there are SIZE; how many there are then. The first is the caller. */
static size_t
start(struct member *members, size_t size)
{
	sigset_t all, before;
	size_t started = 1;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (started < size &&
	       pthread_create(&members[started].thread, NULL, work_on, &members[started]) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

bool
team_do(size_t count, team_work *work, void *arg, struct failure *failure)
{
	struct team team = {.work = work, .arg = arg, .count = count};
	struct member members[MOST] = {
	    {.team = &team}, {.team = &team}, {.team = &team}, {.team = &team}};
	const struct member *failed = NULL;
	size_t size = start(members, size_for(count));

	work_on(&members[0]);
	for (size_t i = 0; i < size; i++) {
		if (i > 0)
			pthread_join(members[i].thread, NULL);
		if (members[i].failed && failed == NULL)
			failed = &members[i];
	}
	if (failed != NULL)
		*failure = failed->failure;
	return failed == NULL;
}
