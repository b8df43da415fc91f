/* Kinds of failure: one table. The one hard part is none: what a server says may hold anything,
 * and a terminal obeys some of it, so only printable characters pass. */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/unicode.h"
#include "base/utf8.h"

/* Each byte of what is no printable character becomes '?'. */
static void
make_printable(char *text)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);

	while (at < end) {
		size_t first = (size_t)((const char *)at - text);
		bool printable = unicode_is_printable(utf8_next(&at, end));
		size_t next = (size_t)((const char *)at - text);
		if (!printable)
			memset(text + first, '?', next - first);
	}
}

bool
failure_set(struct failure *self, enum failure_kind kind, const char *format, ...)
{
	va_list args;

	*self = (struct failure){.kind = kind};
	va_start(args, format);
	if (vsnprintf(self->text, sizeof self->text, format, args) < 0)
		abort();
	va_end(args);
	make_printable(self->text);
	return false;
}

bool
failure_ends_all(const struct failure *self)
{
	return self->kind == FAILURE_UNREACHABLE || self->kind == FAILURE_UNTRUSTED ||
	       self->kind == FAILURE_CERTIFICATE || self->kind == FAILURE_CONFIGURATION ||
	       self->kind == FAILURE_REVOCATION;
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
