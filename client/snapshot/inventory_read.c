/* Inventories that somebody else made. The one hard part is to guess nothing: a key, a word or a
 * byte that does not belong there ends it, with the place. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/common/file.h"
#include "inventory.h"

enum {
	MAX_FILE_BYTES = 4 * 1024 * 1024, /* white space and comments are not sent */
	MAX_PLACE = 4096,
};

struct reader {
	struct inventory *inventory;
	const char *name; /* of the file */
	struct failure *failure;
};

static bool
refuse(const struct reader *self, const char *what)
{
	return failure_set(self->failure, FAILURE_SNAPSHOT, "%s: %s", self->name, what);
}

/* ---- a thin snapshot --------------------------------------------------------------------- */

/* The string KEY of OBJECT; NULL when it is none, or has a NUL in it. */
static const char *
member(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool
add_component(const struct reader *self, size_t position, const json_t *component)
{
	const char *name = member(component, "name"), *version = member(component, "version");
	char where[MAX_PLACE];

	snprintf(where, sizeof where, "%s: components[%zu]", self->name, position);
	if (name == NULL || version == NULL || json_object_size(component) != 2)
		return failure_set(self->failure, FAILURE_SNAPSHOT,
		    "%s: needs the strings name and version, and nothing else", where);
	return inventory_add(self->inventory, name, version, where, self->failure);
}

static bool
add_snapshot(const struct reader *self, const json_t *root, const char *system)
{
	const json_t *list = json_object_get(root, "components"), *component;
	const char *format = member(root, "format"), *named = member(root, "system");
	size_t i;

	if (format == NULL || named == NULL || !json_is_array(list) || json_object_size(root) != 3)
		return refuse(self, "needs the keys format, system and components, and no other");
	if (strcmp(format, "thin-snapshot/1") != 0)
		return refuse(self, "the format is not thin-snapshot/1");
	if (strcmp(named, system) != 0)
		return failure_set(self->failure, FAILURE_SNAPSHOT,
		    "%s: is the snapshot of %s, not of %s", self->name, named, system);
	json_array_foreach(list, i, component)
	{
		if (!add_component(self, i, component))
			return false;
	}
	return true;
}

static bool
read_snapshot(const struct reader *self, const struct buffer *text, const char *system)
{
	json_error_t error;
	json_t *root =
	    json_loadb(buffer_bytes(text), buffer_size(text), JSON_REJECT_DUPLICATES, &error);

	if (root == NULL)
		return failure_set(self->failure, FAILURE_SNAPSHOT, "%s:%d: %s", self->name,
		    error.line, error.text);
	bool done = add_snapshot(self, root, system);
	json_decref(root);
	return done;
}

/* ---- a list ------------------------------------------------------------------------------ */

/* LINE ends with a NUL in place of its newline; it is cut into its words. */
static bool
add_line(const struct reader *self, unsigned long number, char *line)
{
	static const char blanks[] = " \t";
	char where[MAX_PLACE];
	char *rest = NULL;
	const char *name = strtok_r(line, blanks, &rest);

	if (name == NULL || name[0] == '#')
		return true;
	const char *version = strtok_r(NULL, blanks, &rest);
	const char *more = version != NULL ? strtok_r(NULL, blanks, &rest) : NULL;
	snprintf(where, sizeof where, "%s:%lu", self->name, number);
	if (version == NULL || more != NULL)
		return failure_set(self->failure, FAILURE_SNAPSHOT,
		    "%s: a line is a name and a version, with blanks between", where);
	return inventory_add(self->inventory, name, version, where, self->failure);
}

/* TEXT ends with a NUL that it does not count. */
static bool
read_list(const struct reader *self, struct buffer *text)
{
	char *line = buffer_bytes(text), *end = line + buffer_size(text);

	if (memchr(line, '\0', buffer_size(text)) != NULL)
		return refuse(self, "is no text: it holds a NUL");
	for (unsigned long number = 1; line < end; number++) {
		char *next = strchrnul(line, '\n');
		if (next > line && next[-1] == '\r')
			next[-1] = '\0';
		*next = '\0';
		if (!add_line(self, number, line))
			return false;
		line = next + 1;
	}
	return true;
}

/* Windows' editors write one before UTF-8. What is left stays a buffer with memory. */
static void
skip_byte_order_mark(struct buffer *text)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t len = sizeof mark - 1;

	if (buffer_size(text) > len && memcmp(buffer_bytes(text), mark, len) == 0)
		buffer_consume(text, len);
}

/* The file, with a NUL behind it that does not count. */
static bool
read_file(const struct reader *self, struct buffer *text)
{
	if (!file_read(self->name, MAX_FILE_BYTES, text, self->failure))
		return false;
	skip_byte_order_mark(text);
	*buffer_reserve(text, 1) = '\0';
	return true;
}

bool
inventory_read(
    struct inventory *self, const char *name, const char *system, struct failure *failure)
{
	const struct reader reader = {self, name, failure};
	struct buffer text = {0};
	bool done;

	if (!read_file(&reader, &text))
		return false;
	if (buffer_bytes(&text)[strspn(buffer_bytes(&text), " \t\r\n")] == '{')
		done = read_snapshot(&reader, &text, system);
	else
		done = read_list(&reader, &text) &&
		       (self->count > 0 || refuse(&reader, "names no component"));
	buffer_fini(&text);
	return done && inventory_sort(self, failure);
}

bool
inventory_read_snapshot(struct inventory *self, const struct buffer *text, const char *name,
    const char *system, struct failure *failure)
{
	const struct reader reader = {self, name, failure};

	return read_snapshot(&reader, text, system) && inventory_sort(self, failure);
}

bool
inventory_read_list(struct inventory *self, const char *name, struct failure *failure)
{
	const struct reader reader = {self, name, failure};
	struct buffer text = {0};
	bool done = read_file(&reader, &text) && read_list(&reader, &text);

	buffer_fini(&text);
	return done;
}
