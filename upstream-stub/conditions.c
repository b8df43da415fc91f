/*
 * Preconditions and ranges. The one hard part is what to do with what cannot be understood:
 * dates and ranges that do not parse are ignored, as RFC 9110 says, and never refused.
 */
#include "conditions.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "file_store.h"
#include "http_date.h"
#include "request.h"

/* Whether a list of entity tags holds this one. Weak tags count only when `weak` is set. */
static bool
list_has_etag(const char *list, const char *etag, bool weak)
{
	size_t etag_len = strlen(etag);

	for (;;) {
		bool is_weak;
		const char *end;

		list += strspn(list, " \t,");
		is_weak = strncmp(list, "W/", 2) == 0;
		if (is_weak)
			list += 2;
		if (*list != '"' || (end = strchr(list + 1, '"')) == NULL)
			return false;
		end++;
		if ((size_t)(end - list) == etag_len && memcmp(list, etag, etag_len) == 0 &&
		    (weak || !is_weak))
			return true;
		list = end;
	}
}

static bool
matches_etag(const char *field, const struct stored_file *file, bool weak)
{
	return strcmp(field, "*") == 0 || list_has_etag(field, file->etag, weak);
}

/* A date field says no when it is there, can be read, and the file is (not) newer. */
static bool
is_modified_since(const char *field, const struct stored_file *file)
{
	time_t when;

	return !http_date_parse(field, &when) || file->modified.tv_sec > when;
}

static bool
is_unmodified_since(const char *field, const struct stored_file *file)
{
	time_t when;

	return !http_date_parse(field, &when) || file->modified.tv_sec <= when;
}

enum condition
conditions_check(const struct request *request, const struct stored_file *file)
{
	const char *field;

	if ((field = request_header(request, "if-match")) != NULL) {
		if (!matches_etag(field, file, false))
			return CONDITION_FAILED;
	} else if ((field = request_header(request, "if-unmodified-since")) != NULL) {
		if (!is_unmodified_since(field, file))
			return CONDITION_FAILED;
	}
	if ((field = request_header(request, "if-none-match")) != NULL) {
		if (matches_etag(field, file, true))
			return CONDITION_NOT_MODIFIED;
	} else if ((field = request_header(request, "if-modified-since")) != NULL) {
		if (!is_modified_since(field, file))
			return CONDITION_NOT_MODIFIED;
	}
	return CONDITION_SERVE;
}

/* If-Range: only this very version may be served in part. */
static bool
allows_part(const struct request *request, const struct stored_file *file)
{
	const char *field = request_header(request, "if-range");
	time_t when;

	if (field == NULL)
		return true;
	if (field[0] == '"')
		return strcmp(field, file->etag) == 0;
	return http_date_parse(field, &when) && when == file->modified.tv_sec;
}

/* Reads digits; numbers beyond 64 bits count as the largest one. */
static bool
read_number(const char **text, uint64_t *number)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	*text = p;
	*number = n;
	return true;
}

/* "-N": the last N bytes. */
static enum range
suffix_range(const char *text, uint64_t size, uint64_t *first, uint64_t *length)
{
	uint64_t last;

	if (!read_number(&text, &last) || *text != '\0')
		return RANGE_WHOLE;
	if (last == 0 || size == 0)
		return RANGE_UNSATISFIABLE;
	*length = last < size ? last : size;
	*first = size - *length;
	return RANGE_PART;
}

/* "A-" or "A-B". */
static enum range
plain_range(const char *text, uint64_t size, uint64_t *first, uint64_t *length)
{
	uint64_t from, to = UINT64_MAX;

	if (!read_number(&text, &from) || *text++ != '-')
		return RANGE_WHOLE;
	if (*text != '\0' && (!read_number(&text, &to) || *text != '\0' || to < from))
		return RANGE_WHOLE;
	if (from >= size)
		return RANGE_UNSATISFIABLE;
	*first = from;
	*length = (to < size ? to + 1 : size) - from;
	return RANGE_PART;
}

enum range
conditions_range(const struct request *request, const struct stored_file *file, uint64_t *first,
    uint64_t *length)
{
	const char *field = request_header(request, "range");

	if (field == NULL || strncasecmp(field, "bytes=", 6) != 0 || strchr(field, ',') != NULL)
		return RANGE_WHOLE;
	if (!allows_part(request, file))
		return RANGE_WHOLE;
	field += 6;
	if (*field == '-')
		return suffix_range(field + 1, file->size, first, length);
	return plain_range(field, file->size, first, length);
}
