/* Messages to the user. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "../policy/json_writer.h"

static enum report_level level = REPORT_NORMAL;

void
report_set_level(enum report_level wanted)
{
	level = wanted;
}

static void
print(const char *format, va_list args)
{
	fputs("spot: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
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

void
report_failure(const struct failure *failure, bool json)
{
	struct buffer out = {0};

	if (!json) {
		fprintf(stderr, "spot: %s\n", failure->text);
		return;
	}
	buffer_append(&out, "{", 1);
	json_writer_member(&out, "failure", failure_word(failure->kind));
	json_writer_number(&out, "exit_code", (unsigned long long)failure->kind);
	json_writer_member(&out, "detail", failure->text);
	buffer_append(&out, "}\n", 2);
	fwrite(buffer_bytes(&out), 1, buffer_size(&out), stdout);
	buffer_fini(&out);
}
