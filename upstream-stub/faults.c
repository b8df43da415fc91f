/*
 * Fault rules and segments. All kinds are rows of one table; a kind with a number fills in a
 * field of the set, the two with a text are handled apart. What a fault then does is told where
 * it happens: in reply.c (what is sent) and session.c (when, and how it ends).
 */
#include "faults.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

#define DELAY_MAX (3600 * 1000)
#define INTERIM_MAX 100000
#define EXTRA_MAX (16 * 1024 * 1024)
#define HUGE_HEAD_MAX (16 * 1024 * 1024)

struct kind {
	const char *name;
	size_t field; /* offset of the int64_t in struct fault_set */
	bool takes_number;
	int64_t low;
	int64_t high;
};

#define FLAG(name, field)                                            \
	{                                                            \
		name, offsetof(struct fault_set, field), false, 0, 0 \
	}
#define NUMBER(name, field, low, high)                                   \
	{                                                                \
		name, offsetof(struct fault_set, field), true, low, high \
	}

static const struct kind kinds[] = {
    FLAG("refuse", refuse),
    FLAG("reset", reset),
    FLAG("silent", silent),
    FLAG("garbage", garbage),
    FLAG("close", close),
    FLAG("die-idle", die_idle),
    NUMBER("delay-head", delay_head, 0, DELAY_MAX),
    NUMBER("delay-body", delay_body, 0, DELAY_MAX),
    NUMBER("cut-body", cut_body, 0, INT64_MAX),
    NUMBER("reset-body", reset_body, 0, INT64_MAX),
    NUMBER("wrong-length", wrong_length, INT32_MIN, INT32_MAX),
    NUMBER("extra", extra, 0, EXTRA_MAX),
    NUMBER("1xx", interim, 0, INTERIM_MAX),
    NUMBER("huge-head", huge_head, 1, HUGE_HEAD_MAX),
};

struct rule {
	struct rule *next;
	size_t path_len;
	bool is_prefix;
	const char *fault; /* into `text` */
	char text[];
};

struct faults {
	struct rule *first;
	struct rule **end;
	bool refuse;
	bool segments;
};

struct faults *
faults_new(void)
{
	struct faults *faults = calloc(1, sizeof *faults);

	if (faults == NULL)
		abort();
	faults->end = &faults->first;
	return faults;
}

void
faults_free(struct faults *faults)
{
	if (faults == NULL)
		return;
	while (faults->first != NULL) {
		struct rule *rule = faults->first;

		faults->first = rule->next;
		free(rule);
	}
	free(faults);
}

static bool
parse_number(const char *text, int64_t low, int64_t high, int64_t *number)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < low || n > high)
		return false;
	*number = n;
	return true;
}

static bool
copy_text(char out[FAULTS_TEXT_SIZE], const char *text)
{
	int len = snprintf(out, FAULTS_TEXT_SIZE, "%s", text);

	return len > 0 && len < FAULTS_TEXT_SIZE;
}

/* "status:CODE" or "status:CODE:TEXT". */
static enum faults_result
parse_status(const char *argument, struct fault_set *set)
{
	char code[4] = "";

	if (strspn(argument, "0123456789") != 3)
		return FAULTS_BAD_ARGUMENT;
	memcpy(code, argument, 3);
	if (!parse_number(code, 200, 599, &set->status))
		return FAULTS_BAD_ARGUMENT;
	set->text[0] = '\0';
	if (argument[3] == '\0')
		return FAULTS_OK;
	if (argument[3] != ':' || !copy_text(set->text, argument + 4))
		return FAULTS_BAD_ARGUMENT;
	return FAULTS_OK;
}

static enum faults_result
parse_kind(const struct kind *kind, const char *argument, struct fault_set *set)
{
	int64_t number = 1;

	if (kind->takes_number != (argument != NULL))
		return FAULTS_BAD_ARGUMENT;
	if (argument != NULL && !parse_number(argument, kind->low, kind->high, &number))
		return FAULTS_BAD_ARGUMENT;
	memcpy((char *)set + kind->field, &number, sizeof number);
	return FAULTS_OK;
}

static bool
is_named(const char *fault, size_t name_len, const char *name)
{
	return strlen(name) == name_len && memcmp(fault, name, name_len) == 0;
}

/* Adds one "KIND[:ARG]" to the set. */
static enum faults_result
parse_fault(const char *fault, struct fault_set *set)
{
	size_t name_len = strcspn(fault, ":");
	const char *argument = fault[name_len] == ':' ? fault + name_len + 1 : NULL;

	if (is_named(fault, name_len, "status"))
		return argument != NULL ? parse_status(argument, set) : FAULTS_BAD_ARGUMENT;
	if (is_named(fault, name_len, "raw")) {
		bool good = argument != NULL && copy_text(set->raw, argument);

		return good ? FAULTS_OK : FAULTS_BAD_ARGUMENT;
	}
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (is_named(fault, name_len, kinds[i].name))
			return parse_kind(&kinds[i], argument, set);
	}
	return FAULTS_UNKNOWN;
}

/* A path may hold '=' itself: the fault starts after the first one that a known kind follows. */
static const char *
find_fault(const char *rule, enum faults_result *result)
{
	struct fault_set ignored = FAULT_SET_NONE;
	const char *equals = strchr(rule, '=');

	*result = FAULTS_UNKNOWN;
	for (; equals != NULL; equals = strchr(equals + 1, '=')) {
		*result = parse_fault(equals + 1, &ignored);
		if (*result != FAULTS_UNKNOWN)
			return equals + 1;
	}
	return NULL;
}

static struct rule *
rule_new(const char *text, const char *fault)
{
	size_t size = strlen(text) + 1;
	struct rule *rule = calloc(1, sizeof *rule + size);

	if (rule == NULL)
		abort();
	memcpy(rule->text, text, size);
	rule->fault = rule->text + (fault - text);
	rule->path_len = (size_t)(fault - text) - 1;
	rule->is_prefix = rule->path_len > 0 && rule->text[rule->path_len - 1] == '*';
	if (rule->is_prefix)
		rule->path_len--;
	return rule;
}

enum faults_result
faults_add(struct faults *faults, const char *text)
{
	enum faults_result result;
	const char *fault = find_fault(text, &result);
	struct fault_set set = FAULT_SET_NONE;
	struct rule *rule;

	if (result != FAULTS_OK)
		return result;
	parse_fault(fault, &set);
	if (set.refuse != 0 && strncmp(text, "*=", 2) != 0)
		return FAULTS_BAD_ARGUMENT;
	rule = rule_new(text, fault);
	*faults->end = rule;
	faults->end = &rule->next;
	faults->refuse = faults->refuse || set.refuse != 0;
	return FAULTS_OK;
}

void
faults_allow_segments(struct faults *faults)
{
	faults->segments = true;
}

bool
faults_refuse(const struct faults *faults)
{
	return faults->refuse;
}

static bool
rule_matches(const struct rule *rule, const char *path, size_t path_len)
{
	if (path_len < rule->path_len || memcmp(path, rule->text, rule->path_len) != 0)
		return false;
	return rule->is_prefix || path_len == rule->path_len;
}

/* Takes one segment, "/…" included: a fault goes into the set, all else into the plain path. */
static enum faults_result
take_segment(const struct faults *faults, const char *segment, size_t len, struct fault_set *set,
    struct bytes *plain)
{
	enum faults_result result = FAULTS_UNKNOWN;

	if (faults->segments && len > 1 && segment[1] == '@') {
		struct bytes fault = {0};

		bytes_add(&fault, segment + 2, len - 2);
		result = parse_fault(fault.data, set);
		bytes_fini(&fault);
	}
	if (result == FAULTS_UNKNOWN)
		bytes_add(plain, segment, len);
	return result == FAULTS_BAD_ARGUMENT ? result : FAULTS_OK;
}

enum faults_result
faults_select(
    const struct faults *faults, const char *target, struct fault_set *set, struct bytes *plain)
{
	size_t left = strcspn(target, "?");

	for (const struct rule *rule = faults->first; rule != NULL; rule = rule->next) {
		if (rule_matches(rule, target, left))
			parse_fault(rule->fault, set);
	}
	while (left > 0) {
		size_t len = 1 + strcspn(target + 1, "/?");
		enum faults_result result = take_segment(faults, target, len, set, plain);

		if (result != FAULTS_OK)
			return result;
		target += len;
		left -= len;
	}
	if (plain->len == 0)
		bytes_add_text(plain, "/");
	/* Only the command line can refuse connections. */
	return set->refuse != 0 && !faults->refuse ? FAULTS_BAD_ARGUMENT : FAULTS_OK;
}
