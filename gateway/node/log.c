/* Operational messages. Each line leaves in one write(), so that lines of several processes
 * never mix; a line that standard error will not take now is lost. */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static enum log_level threshold = LOG_LEVEL_INFO;

static int patience = 0; /* milliseconds */

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void
log_set_level(enum log_level level)
{
	threshold = level;
}

void
log_set_patience(int milliseconds)
{
	patience = milliseconds;
}

static void __attribute__((format(printf, 2, 0)))
log_line(enum log_level level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];

	if (level > threshold)
		return;
	int prefix = snprintf(line, sizeof line, "mirrorgate: %s: ", level_names[level]);
	size_t room = sizeof line - (size_t)prefix - 1;
	int wanted = vsnprintf(line + prefix, room, format, args);
	if (wanted < 0)
		return;
	size_t len = (size_t)prefix + ((size_t)wanted < room ? (size_t)wanted : room - 1);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	/* A reader that stalls must not stop the gate. */
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&out, 1, patience) != 1) {
		patience = 0;
		return;
	}
	/* Nobody is left to tell when standard error does not take it. */
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored;
}

#define LOG_FUNCTION(name, level)              \
	void name(const char *format, ...)     \
	{                                      \
		va_list args;                  \
		va_start(args, format);        \
		log_line(level, format, args); \
		va_end(args);                  \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
