/*
 * Text outside ASCII. The hard part is what "the same name" means to others: a name is refused
 * rather than rewritten, so that what is accepted has one spelling only.
 */
#include "unicode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "buffer.h"
#include "utf8.h"

/* U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: a name with one of them is shown in
 * another order than it is read (Unicode Technical Report 36, 2.5). */
static bool
turns_direction(long c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static const char *
character_defect(long c)
{
	if (c < 0)
		return "is not valid UTF-8";
	switch (utf8proc_category((utf8proc_int32_t)c)) {
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return "has a control character";
	case UTF8PROC_CATEGORY_CN: /* later versions of Unicode may give it a second spelling */
		return "has a character that Unicode does not assign";
	default:
		return turns_direction(c) ? "has a character that turns the direction of text"
		                          : NULL;
	}
}

bool
unicode_is_printable(long c)
{
	return character_defect(c) == NULL;
}

/* TEXT put through utf8proc, with a NUL behind it; NULL when it is not UTF-8. */
static char *
mapped(const char *text, size_t len, unsigned options)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len,
	    &out, (utf8proc_option_t)(options | UTF8PROC_STABLE | UTF8PROC_COMPOSE));

	if (n == UTF8PROC_ERROR_NOMEM || n == UTF8PROC_ERROR_OVERFLOW)
		abort(); /* every text has a limit of its owner's */
	return (char *)out;
}

static bool
is_normal(const char *text, size_t len)
{
	char *normal = mapped(text, len, 0);
	bool same = normal != NULL && strlen(normal) == len && memcmp(normal, text, len) == 0;

	free(normal);
	return same;
}

const char *
unicode_defect(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;

	while (at < end) {
		const char *defect = character_defect(utf8_next(&at, end));
		if (defect != NULL)
			return defect;
	}
	return is_normal(text, len) ? NULL : "is not in Unicode normalisation form C";
}

/* What Windows' code pages make of characters that they lack: 1252 and 932, 949. */
static utf8proc_int32_t
best_fit(utf8proc_int32_t c, void *unused)
{
	(void)unused;
	switch (c) {
	case 0x2044: /* fraction slash */
	case 0x2215: /* division slash */
		return '/';
	case 0xa5:   /* yen sign */
	case 0x20a9: /* won sign */
	case 0x2216: /* set minus */
		return '\\';
	case 0x66a: /* Arabic percent sign */
		return '%';
	default:
		return c;
	}
}

char *
unicode_simplified(const char *text, size_t len)
{
	utf8proc_uint8_t *out = NULL;

	if (utf8proc_map_custom((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &out,
	        UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, best_fit, NULL) < 0)
		abort();
	return (char *)out;
}

/* Most names: no table is needed for them. */
static char *
folded_ascii(const char *text, size_t len)
{
	char *folded = buffer_copy(text, len);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] >= 0x80) {
			free(folded);
			return NULL;
		}
		if (text[i] >= 'A' && text[i] <= 'Z')
			folded[i] = (char)(text[i] - 'A' + 'a');
	}
	return folded;
}

char *
unicode_folded(const char *text, size_t len)
{
	char *ascii = folded_ascii(text, len);
	if (ascii != NULL)
		return ascii;
	char *folded = mapped(text, len, UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);

	if (folded == NULL)
		abort();
	return folded;
}
