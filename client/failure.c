/* Kinds of failure: one table. The one hard part is none: what a server says may hold anything,
 * and a terminal obeys some of it, so only printable bytes pass. */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
failure_set(struct failure *self, enum failure_kind kind, const char *format, ...)
{
	va_list args;

	*self = (struct failure){.kind = kind};
	va_start(args, format);
	if (vsnprintf(self->text, sizeof self->text, format, args) < 0)
		abort();
	va_end(args);
	for (char *c = self->text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return false;
}

bool
failure_ends_all(const struct failure *self)
{
	return self->kind == FAILURE_UNREACHABLE || self->kind == FAILURE_UNTRUSTED ||
	       self->kind == FAILURE_CERTIFICATE || self->kind == FAILURE_CONFIGURATION;
}

bool
failure_errno(struct failure *self, const char *doing, const char *name)
{
	return failure_set(self, FAILURE_LOCAL, "cannot %s %s: %s", doing, name, strerror(errno));
}

const char *
failure_word(enum failure_kind kind)
{
	switch (kind) {
#define FAILURE_CASE(kind, code, word) \
	case kind:                     \
		return word;
		FAILURE_KINDS(FAILURE_CASE)
#undef FAILURE_CASE
	}
	abort();
}
