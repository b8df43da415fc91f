/*
 * How the parts of the configuration loader report what is wrong.
 */
#include "config_loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
config_loader_problem(const struct config_loader *self, const char *key, const char *format, ...)
{
	char *message = NULL;
	va_list args;
	int printed;

	va_start(args, format);
	printed = vasprintf(&message, format, args);
	va_end(args);
	if (printed < 0)
		abort();
	problems_add(self->problems, self->file, yaml_source_line(self->source, "%s", key),
	    "`%s` %s", key, message);
	free(message);
}

void
config_loader_missing(const struct config_loader *self, const char *key)
{
	problems_add(self->problems, self->file, yaml_source_line(self->source, "%s", key),
	    "missing key `%s`", key);
}

void *
config_loader_never_null(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}
