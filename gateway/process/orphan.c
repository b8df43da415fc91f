/* The end of a worker without a supervisor. The one hard part: the signal is one that anybody in
 * the service's place may send to all of its processes, so it is believed only of a parent that has
 * changed. */
#include "orphan.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

static pid_t parent;

static void
on_parent_ended(int number)
{
	const struct itimerval once = {.it_value = {.tv_sec = ORPHAN_SECONDS}};

	(void)number;
	if (getppid() != parent)
		(void)setitimer(ITIMER_REAL, &once, NULL); /* SIGALRM ends the process */
}

bool
orphan_watch(void)
{
	const struct sigaction action = {.sa_handler = on_parent_ended, .sa_flags = SA_RESTART};

	parent = getppid();
	return sigaction(SIGUSR2, &action, NULL) == 0 && signal(SIGALRM, SIG_DFL) != SIG_ERR &&
	       prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0;
}
