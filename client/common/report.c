/* Messages to the user. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/json_writer.h"

enum { STATUS_MAX = 512, NARROW = 80 };

static enum report_level level = REPORT_NORMAL;
static bool status_shown;

void
report_set_level(enum report_level wanted)
{
	level = wanted;
}

static void print(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void
print(const char *format, va_list args)
{
	flockfile(stderr); /* a team may have something to tell, each member a whole line */
	report_clear_status();
	fputs("spot: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void
report_note(const char *format, ...)
{
	va_list args;

	if (level < REPORT_NORMAL)
		return;
	va_start(args, format);
	print(format, args);
	va_end(args);
}

void
report_detail(const char *format, ...)
{
	va_list args;

	if (level < REPORT_VERBOSE)
		return;
	va_start(args, format);
	print(format, args);
	va_end(args);
}

bool
report_has_status(void)
{
	const char *terminal = getenv("TERM");

	return level >= REPORT_NORMAL && isatty(STDERR_FILENO) == 1 && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static int
columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return NARROW;
	return size.ws_col;
}

void
report_status(const char *format, ...)
{
	char line[STATUS_MAX];
	va_list args;

	if (!report_has_status())
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	/* Back to the begin, the line, and away with what is left of the last one (ECMA-48, EL).
	 * The last column stays free: some terminals go on to the next line after it. */
	fprintf(stderr, "\r%.*s\033[K", columns() - 1, line);
	fflush(stderr);
	status_shown = true;
}

void
report_clear_status(void)
{
	if (status_shown)
		fputs("\r\033[K", stderr);
	status_shown = false;
}

void
report_failure_members(const struct failure *failure, struct buffer *out)
{
	json_writer_member(out, "failure", failure_word(failure->kind));
	json_writer_number(out, "exit_code", (unsigned long long)failure->kind);
	json_writer_member(out, "detail", failure->text);
}

void
report_failure(const struct failure *failure, bool json)
{
	struct buffer out = {0};

	report_clear_status();
	if (!json) {
		fprintf(stderr, "spot: %s\n", failure->text);
		return;
	}
	buffer_append(&out, "{", 1);
	report_failure_members(failure, &out);
	buffer_append(&out, "}\n", 2);
	fwrite(buffer_bytes(&out), 1, buffer_size(&out), stdout);
	buffer_fini(&out);
}
