/* Parts of a whole. Nothing is hard here. */
#include "share.h"

#include <stdio.h>
#include <string.h>

#include "base/value.h"

enum { PERCENT = 100 };

bool
share_read(const char *text, struct share *self)
{
	size_t len = strlen(text);
	bool is_percent = len > 0 && text[len - 1] == '%';
	char digits[16];
	uint64_t number;

	if (len > sizeof digits)
		return false;
	snprintf(digits, sizeof digits, "%.*s", (int)(len - is_percent), text);
	if (!value_number(digits, is_percent ? PERCENT : UINT32_MAX, &number))
		return false;
	*self = (struct share){number, is_percent};
	return true;
}

uint64_t
share_of(const struct share *self, uint64_t whole)
{
	if (!self->is_percent)
		return self->number;
	uint64_t part = whole / PERCENT * self->number + whole % PERCENT * self->number / PERCENT;
	return part == 0 && self->number > 0 ? 1 : part;
}
