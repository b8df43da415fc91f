/*
 * Loading of YAML files: read, walk, fill.
 *
 * The walk (yaml_walk.c) has the say about what is acceptable. Where a schema has only texts, lists
 * and mappings it fills the structures on the way, since libyaml takes most of the time of a large
 * file; for other schemas libcyaml fills them in a pass of its own. Lines for later checks come
 * from yaml_lines.c.
 */
#include "yaml_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "yaml_fill.h"
#include "yaml_lines.h"
#include "yaml_walk.h"

struct yaml_source {
	struct yaml_lines *lines;
	struct yaml_fill_texts *texts; /* of the data; empty where libcyaml filled them */
};

static const cyaml_config_t cyaml_config = {
    .mem_fn = cyaml_mem,
    .flags = CYAML_CFG_NO_ALIAS | CYAML_CFG_IGNORE_UNKNOWN_KEYS,
};

static struct yaml_source *
source_new(const char *bytes, size_t len, struct yaml_fill_texts *texts)
{
	struct yaml_source *self = calloc(1, sizeof *self);
	if (self == NULL)
		abort();
	self->lines = yaml_lines_new(bytes, len);
	self->texts = texts;
	return self;
}

static bool
fill_by_libcyaml(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct problems *problems)
{
	cyaml_err_t error =
	    cyaml_load_data((const uint8_t *)bytes, len, &cyaml_config, schema, data, NULL);
	if (error == CYAML_OK)
		return true;
	*data = NULL;
	problems_add(problems, name, 0, "libcyaml: %s", cyaml_strerror(error));
	return false;
}

struct yaml_source *
yaml_source_load_tolerant(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct problems *problems)
{
	static const char mark[] = "\xef\xbb\xbf"; /* libyaml wants no UTF-8 mark of byte order */
	bool in_one_pass = yaml_fill_can(schema);

	if (len >= sizeof mark - 1 && memcmp(bytes, mark, sizeof mark - 1) == 0) {
		bytes += sizeof mark - 1;
		len -= sizeof mark - 1;
	}
	struct yaml_fill_texts *texts = yaml_fill_texts_new();
	*data = NULL;
	struct yaml_walk_filled filled = {in_one_pass ? data : NULL, texts};
	struct yaml_walk_result found = yaml_walk_check(name, bytes, len, schema, filled, problems);
	if (found.other_problems == 0 &&
	    (in_one_pass || fill_by_libcyaml(name, bytes, len, schema, data, problems)))
		return source_new(bytes, len, texts);
	yaml_source_free_data(schema, *data);
	*data = NULL;
	yaml_fill_texts_free(texts);
	return NULL;
}

struct yaml_source *
yaml_source_load(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct problems *problems)
{
	size_t before = problems_count(problems);
	struct yaml_source *self =
	    yaml_source_load_tolerant(name, bytes, len, schema, data, problems);
	if (self == NULL || problems_count(problems) == before)
		return self;
	yaml_source_free_data(schema, *data);
	*data = NULL;
	yaml_source_free(self);
	return NULL;
}

/* Reads from FD until its end into a buffer for at most MAX bytes and a NUL; NULL and errno. */
static char *
read_all(int fd, size_t expected, size_t max, size_t *len)
{
	size_t capacity = (expected < max ? expected : max) + 1;
	char *bytes = malloc(capacity + 1);
	if (bytes == NULL)
		abort();
	*len = 0;
	while (*len < capacity) { /* one byte more than expected, to see that it is the end */
		ssize_t got = read(fd, bytes + *len, capacity - *len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(bytes);
			return NULL;
		}
		if (got == 0)
			break;
		*len += (size_t)got;
	}
	bytes[*len] = '\0';
	return bytes;
}

static char *
read_regular(const char *name, int fd, size_t max, size_t *len, struct problems *problems)
{
	struct stat status;
	if (fstat(fd, &status) != 0) {
		problems_add(problems, name, 0, "cannot examine: %s", strerror(errno));
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		problems_add(problems, name, 0, "is not a regular file");
		return NULL;
	}
	size_t size = (size_t)status.st_size;
	if (size > max) {
		problems_add(problems, name, 0, "is larger than %zu bytes", max);
		return NULL;
	}
	char *bytes = read_all(fd, size, max, len);
	if (bytes == NULL) {
		problems_add(problems, name, 0, "cannot read: %s", strerror(errno));
	} else if (*len != size) {
		problems_add(problems, name, 0, "changed while it was read");
		free(bytes);
		bytes = NULL;
	}
	return bytes;
}

char *
yaml_source_read_file(const char *name, size_t max, size_t *len, struct problems *problems)
{
	/* Not to hang on a FIFO, which is refused anyway. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		problems_add(problems, name, 0, "cannot open: %s", strerror(errno));
		return NULL;
	}
	char *bytes = read_regular(name, fd, max, len, problems);
	close(fd);
	return bytes;
}

size_t
yaml_source_line(const struct yaml_source *self, const char *path_format, ...)
{
	va_list args;

	va_start(args, path_format);
	char *path = buffer_text_v(path_format, args);
	va_end(args);
	size_t line = yaml_lines_find(self->lines, path);
	free(path);
	return line;
}

void
yaml_source_free(struct yaml_source *self)
{
	if (self == NULL)
		return;
	yaml_lines_free(self->lines);
	yaml_fill_texts_free(self->texts);
	free(self);
}

void
yaml_source_free_data(const cyaml_schema_value_t *schema, void *data)
{
	if (yaml_fill_can(schema))
		yaml_fill_free(schema, data);
	else
		cyaml_free(&cyaml_config, schema, data, 0);
}
