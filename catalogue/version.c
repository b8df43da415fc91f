/*
 * The order of versions. The hard part is that it is one order, whatever the two look like: each
 * part is compared by one rule, the first difference decides, and so no three versions go round.
 */
#include "version.h"

#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"

enum { VERSION_MAX = 64 }; /* bytes */

/* The next bytes of a version: part of it is taken off the front. */
struct part {
	const char *at, *end;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool
version_is_valid(const char *text)
{
	size_t len =
	    strspn(text, DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~_-");

	if (text[len] != '\0' || len == 0 || len > VERSION_MAX || !is_digit(text[0]))
		return false;
	return (is_digit(text[len - 1]) || is_letter(text[len - 1])) && strstr(text, "..") == NULL;
}

static int
sign(long difference)
{
	return (difference > 0) - (difference < 0);
}

/* Takes the digits at the front of both off, and compares them as numbers; none are 0. */
static int
compare_number(struct part *a, struct part *b)
{
	while (a->at < a->end && *a->at == '0')
		a->at++;
	while (b->at < b->end && *b->at == '0')
		b->at++;
	const char *x = a->at, *y = b->at;
	while (a->at < a->end && is_digit(*a->at))
		a->at++;
	while (b->at < b->end && is_digit(*b->at))
		b->at++;
	if (a->at - x != b->at - y)
		return sign((a->at - x) - (b->at - y));
	return sign(memcmp(x, y, (size_t)(a->at - x)));
}

/* Takes a dot off when a number follows. */
static void
skip_dot(struct part *part)
{
	if (part->end - part->at > 1 && part->at[0] == '.' && is_digit(part->at[1]))
		part->at++;
}

static bool
is_at_digit(const struct part *part)
{
	return part->at < part->end && is_digit(*part->at);
}

/* Numbers separated by dots. */
static int
compare_numbers(struct part *a, struct part *b)
{
	while (is_at_digit(a) || is_at_digit(b)) {
		int order = compare_number(a, b);
		if (order != 0)
			return order;
		skip_dot(a);
		skip_dot(b);
	}
	return 0;
}

/* Debian's place of the byte at the front, which is no digit; the end and a digit are 0. */
static int
weight(const struct part *part)
{
	if (part->at == part->end || is_digit(*part->at))
		return 0;
	if (*part->at == '~')
		return -1;
	return is_letter(*part->at) ? *part->at : *part->at + 256;
}

static int
compare_words(struct part a, struct part b)
{
	while (a.at < a.end || b.at < b.end) {
		int x = weight(&a), y = weight(&b);
		if (x != y)
			return sign(x - y);
		if (x != 0) {
			a.at++;
			b.at++;
			continue;
		}
		int order = compare_number(&a, &b);
		if (order != 0)
			return order;
	}
	return 0;
}

/* Takes what stands before the first of the bytes STOPS off the front. */
static struct part
take_until(struct part *part, const char *stops)
{
	struct part taken = *part;

	while (part->at < part->end && strchr(stops, *part->at) == NULL)
		part->at++;
	taken.end = part->at;
	return taken;
}

static bool
is_number(struct part part)
{
	while (is_at_digit(&part))
		part.at++;
	return part.at == part.end;
}

/* Pre-releases (SemVer 2.0.0, 11.4), but for words that end in numbers: rc2 is before rc10. */
static int
compare_prereleases(struct part a, struct part b)
{
	while (a.at < a.end && b.at < b.end) {
		struct part x = take_until(&a, "."), y = take_until(&b, ".");
		if (is_number(x) != is_number(y))
			return is_number(x) ? -1 : 1;
		int order = compare_words(x, y);
		if (order != 0)
			return order;
		a.at += a.at < a.end;
		b.at += b.at < b.end;
	}
	return (a.at < a.end) - (b.at < b.end);
}

/* Takes MARK and what follows it, up to STOPS, off the front; false when MARK is not there. */
static bool
take_marked(struct part *part, char mark, const char *stops, struct part *taken)
{
	if (part->at == part->end || *part->at != mark)
		return false;
	part->at++;
	*taken = take_until(part, stops);
	return true;
}

int
version_compare(const char *a, const char *b)
{
	struct part x = {a, a + strlen(a)}, y = {b, b + strlen(b)}, of_x = {0}, of_y = {0};
	int order = compare_numbers(&x, &y);

	if (order != 0)
		return order;
	order = compare_words(take_until(&x, "-+"), take_until(&y, "-+"));
	if (order != 0)
		return order;
	bool x_has = take_marked(&x, '-', "+", &of_x), y_has = take_marked(&y, '-', "+", &of_y);
	if (x_has != y_has)
		return x_has ? -1 : 1;
	order = x_has ? compare_prereleases(of_x, of_y) : 0;
	if (order != 0)
		return order;
	x_has = take_marked(&x, '+', "", &of_x);
	y_has = take_marked(&y, '+', "", &of_y);
	if (x_has != y_has)
		return x_has ? 1 : -1;
	return x_has ? compare_words(of_x, of_y) : 0;
}
