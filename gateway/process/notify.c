/* systemd's notification protocol: one datagram to the socket that NOTIFY_SOCKET names. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/node/log.h"

static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	size_t len = strlen(path);
	if (len >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* the abstract name space */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
	        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warning("cannot notify the service manager");
	if (fd >= 0)
		close(fd);
}

void
notify_ready(void)
{
	notify("READY=1\n");
}

void
notify_reloading(void)
{
	char text[64];

	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
	    (unsigned long long)clock_ns() / 1000);
	notify(text);
}

void
notify_main_process(pid_t pid)
{
	char text[32];

	(void)snprintf(text, sizeof text, "MAINPID=%ld\n", (long)pid);
	notify(text);
}

void
notify_alive(void)
{
	notify("WATCHDOG=1\n");
}

/* The number in the environment's NAME; 0 when there is none. */
static unsigned long long
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 ? number : 0;
}

double
notify_watchdog_interval(void)
{
	unsigned long long pid = number_of("WATCHDOG_PID");

	if (getenv("WATCHDOG_PID") != NULL && pid != (unsigned long long)getpid())
		return 0;
	return (double)number_of("WATCHDOG_USEC") / 2e6;
}

void
notify_stopping(void)
{
	notify("STOPPING=1\n");
}
