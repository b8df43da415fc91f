/*
 * The file `good-catalogues`. The hard part is failing closed: a file that is there and is not what
 * is written here is never taken for one that remembers nothing.
 */
#include "catalogue_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/yaml_source.h"
#include "state_file.h"

enum { STATE_PATH_MAX = 4096 };

#define STATE_MAX ((size_t)256 << 20) /* bytes */

static const char state_file[] = "good-catalogues";

struct good {
	struct buffer text;
	size_t count;
};

static void
on_version(const char *folder, const struct catalogue_image_version *version, void *arg)
{
	struct good *self = arg;

	if (!version->was_good)
		return;
	buffer_printf(&self->text, "%s\n", folder);
	self->count++;
}

static struct buffer
print(const struct catalogue_image *image)
{
	struct good good = {0};

	catalogue_image_each_version(image, on_version, &good);
	buffer_printf(&good.text, "count %zu\n", good.count);
	return good.text;
}

/* Adds the folders in TEXT, which is cut up. False when it is not what print() makes. */
static bool
parse(char *text, size_t len, struct catalogue_image_writer *writer)
{
	const struct catalogue_image_version version = {
	    .state = CATALOGUE_IMAGE_PENDING, .was_good = true};
	char last[32], *at = text, *newline;
	size_t count = 0;

	if (memchr(text, '\0', len) != NULL)
		return false;
	while ((newline = strchr(at, '\n')) != NULL && *at == '/') {
		if (newline[-1] != '/')
			return false;
		*newline = '\0';
		catalogue_image_writer_add_version(writer, at, &version);
		count++;
		at = newline + 1;
	}
	(void)snprintf(last, sizeof last, "count %zu\n", count);
	return strcmp(at, last) == 0;
}

static struct catalogue_image *
image_of(const char *path, char *text, size_t len, struct problems *problems)
{
	static const unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	const char *defect;
	struct catalogue_image *image = NULL;
	int fd = memfd_create("good-catalogues", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0) {
		problems_add(problems, path, 0, "cannot be kept in memory: %s", strerror(errno));
		return NULL;
	}
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	bool good = parse(text, len, writer);
	bool ended = catalogue_image_writer_end(writer, origin, 0);
	if (!good)
		problems_add(problems, path, 0,
		    "is damaged: check that each version has its catalogue, then remove it");
	else if (!ended || (image = catalogue_image_open(fd, &defect)) == NULL)
		problems_add(problems, path, 0, "cannot be kept in memory: %s", strerror(errno));
	close(fd);
	return image;
}

struct catalogue_image *
catalogue_state_read(const char *dir, struct problems *problems)
{
	char path[STATE_PATH_MAX];
	size_t len;

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	if (!state_file_may_exist(path))
		return NULL;
	char *text = yaml_source_read_file(path, STATE_MAX, &len, problems);
	struct catalogue_image *image = text != NULL ? image_of(path, text, len, problems) : NULL;
	free(text);
	return image;
}

static bool
is_remembered(const char *path, const struct buffer *text)
{
	struct problems *problems = problems_new();
	size_t len;
	char *old = state_file_may_exist(path)
	                ? yaml_source_read_file(path, STATE_MAX, &len, problems)
	                : NULL;
	bool same =
	    old != NULL && len == buffer_size(text) && memcmp(old, buffer_bytes(text), len) == 0;

	free(old);
	problems_free(problems);
	return same;
}

bool
catalogue_state_write(
    const char *dir, const struct catalogue_image *image, struct problems *problems)
{
	char path[STATE_PATH_MAX];
	struct buffer text = print(image);
	bool good = true;

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	if (!is_remembered(path, &text)) {
		good = state_file_write(dir, state_file, buffer_bytes(&text), buffer_size(&text));
		if (!good)
			problems_add(problems, path, 0,
			    "the good catalogues cannot be remembered there: %s", strerror(errno));
	}
	buffer_fini(&text);
	return good;
}
