/*
 * The file `crl-numbers`. The hard part is failing closed: a file that is there and is not what is
 * written here is never taken for one that remembers nothing.
 */
#include "crl_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/yaml_source.h"
#include "state_file.h"

enum { CAS_MAX = 4096, LINE_BYTES = 192, PATH_SIZE = 4096, SECONDS_DIGITS = 18 };

static const char state_file[] = "crl-numbers";

struct memory {
	struct tls_crl_number *list;
	size_t count;
};

static bool
is_same_ca(const struct tls_crl_number *a, const struct tls_crl_number *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->key, b->key) == 0;
}

/* By number, or where one of them has none by date; a date that is not known is taken for a later
 * one. Numbers are hex without needless zeros, two digits a byte. */
static bool
is_lower(const struct tls_crl_number *a, const struct tls_crl_number *b)
{
	size_t len = strlen(a->number), other = strlen(b->number);

	if (len == 0 || other == 0)
		return b->issued == 0 || a->issued < b->issued;
	return len != other ? len < other : strcmp(a->number, b->number) < 0;
}

static struct tls_crl_number *
find(const struct memory *self, const struct tls_crl_number *number)
{
	for (size_t i = 0; i < self->count; i++)
		if (is_same_ca(&self->list[i], number))
			return &self->list[i];
	return NULL;
}

static void
add(struct memory *self, const struct tls_crl_number *number)
{
	self->list = reallocarray(self->list, self->count + 1, sizeof *self->list);
	if (self->list == NULL)
		abort();
	self->list[self->count++] = *number;
}

static struct buffer
print(const struct memory *self)
{
	struct buffer text = {0};

	for (size_t i = 0; i < self->count; i++) {
		const struct tls_crl_number *each = &self->list[i];
		buffer_printf(&text, "ca %s %s", each->name, each->key);
		if (each->number[0] != '\0')
			buffer_printf(&text, " number %s", each->number);
		if (each->issued != 0)
			buffer_printf(&text, " issued %lld", each->issued);
		buffer_append(&text, "\n", 1);
	}
	buffer_printf(&text, "count %zu\n", self->count);
	return text;
}

/* Reads one line, of a list with a number, with or without a date, or of one with a date only. */
static bool
parse_line(const char *line, struct tls_crl_number *number)
{
	char issued[SECONDS_DIGITS + 1] = "0";
	int place = 0;

	*number = (struct tls_crl_number){.issued = 0};
	if (sscanf(line, "ca %8[0-9a-f] %64[0-9a-f]%n", number->name, number->key, &place) != 2)
		return false;
	const char *rest = line + place;
	bool good =
	    sscanf(rest, " number %40[0-9A-F] issued %18[0-9]", number->number, issued) >= 1 ||
	    sscanf(rest, " issued %18[0-9]", issued) == 1;
	number->issued = strtoll(issued, NULL, 10);
	return good;
}

/* Believes only a text that printing gives back. */
static bool
parse(const char *text, size_t len, struct memory *self)
{
	struct tls_crl_number number;
	const char *at = text;

	while (self->count < CAS_MAX && parse_line(at, &number)) {
		if (strlen(number.key) != sizeof number.key - 1 ||
		    strlen(number.name) != sizeof number.name - 1 || find(self, &number) != NULL)
			return false;
		add(self, &number);
		at = strchr(at, '\n');
		if (at++ == NULL)
			return false;
	}
	struct buffer again = print(self);
	bool same = buffer_size(&again) == len && memcmp(buffer_bytes(&again), text, len) == 0;
	buffer_fini(&again);
	return same;
}

/* False, with a problem added, when what DIR remembers cannot be read. */
static bool
read_memory(const char *path, struct memory *self, struct problems *problems)
{
	size_t len;

	if (!state_file_may_exist(path))
		return true;
	char *text = yaml_source_read_file(path, CAS_MAX * LINE_BYTES, &len, problems);
	if (text == NULL)
		return false;
	bool good = parse(text, len, self);
	if (!good)
		problems_add(problems, path, 0,
		    "is damaged: make sure that the revocation lists are the newest, then "
		    "remove it");
	free(text);
	return good;
}

struct check {
	const struct memory *memory;
	const char *path, *file;
	struct problems *problems;
};

static void
check_number(const struct tls_crl_number *number, void *arg)
{
	const struct check *self = arg;
	const struct tls_crl_number *last = find(self->memory, number);

	if (last == NULL || !is_lower(number, last))
		return;
	if (number->number[0] != '\0' && last->number[0] != '\0')
		problems_add(self->problems, self->file, 0,
		    "the CRL number 0x%s is lower than 0x%s, which %s remembers: get the newest "
		    "list, or remove that file to go back",
		    number->number, last->number, self->path);
	else
		problems_add(self->problems, self->file, 0,
		    "a CRL has no number, or had none before, and its date is not later than what "
		    "%s remembers: get the newest list, or remove that file to go back",
		    self->path);
}

static void
add_unknown(const char *file, struct problems *problems)
{
	problems_add(
	    problems, file, 0, "OpenSSL cannot tell the number, the date and the key of a CRL");
}

void
crl_state_check(
    const char *dir, const char *file, const struct tls_crl *crl, struct problems *problems)
{
	char path[PATH_SIZE];
	struct memory memory = {0};
	struct check check = {&memory, path, file, problems};

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	if (read_memory(path, &memory, problems) && !tls_crl_each_number(crl, check_number, &check))
		add_unknown(file, problems);
	free(memory.list);
}

struct update {
	struct memory *memory;
	bool changed;
};

static void
take_number(const struct tls_crl_number *number, void *arg)
{
	struct update *self = arg;
	struct tls_crl_number *last = find(self->memory, number);

	if (last != NULL && !is_lower(last, number))
		return;
	if (last != NULL)
		*last = *number;
	else
		add(self->memory, number);
	self->changed = true;
}

static bool
write_memory(
    const char *dir, const char *path, const struct memory *self, struct problems *problems)
{
	struct buffer text = print(self);
	bool good = state_file_write(dir, state_file, buffer_bytes(&text), buffer_size(&text));

	if (!good)
		problems_add(problems, path, 0, "the CRL numbers cannot be remembered there: %s",
		    strerror(errno));
	buffer_fini(&text);
	return good;
}

bool
crl_state_write(const char *dir, const struct tls_crl *crl, struct problems *problems)
{
	char path[PATH_SIZE];
	struct memory memory = {0};
	struct update update = {.memory = &memory};

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	bool good = read_memory(path, &memory, problems);
	if (good && !tls_crl_each_number(crl, take_number, &update)) {
		add_unknown(path, problems);
		good = false;
	}
	if (good && memory.count > CAS_MAX) {
		problems_add(problems, path, 0, "remembers too many CAs");
		good = false;
	}
	if (good && update.changed)
		good = write_memory(dir, path, &memory, problems);
	free(memory.list);
	return good;
}
