/*
 * How the parts of the configuration loader report what is wrong.
 */
#include "config_loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"

void
config_loader_problem(const struct config_loader *self, const char *key, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *message = buffer_text_v(format, args);
	va_end(args);
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
