/*
 * Clashes of names. Every file and every folder above one is put into a list that is sorted without
 * regard to case: what clashes stands side by side, and only a folder may be there twice, in one
 * spelling.
 */
#include "catalogue_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/unicode.h"

struct name {
	const char *path; /* of a file; its first LEN bytes are the name */
	size_t len;
	const char *folded; /* the same path, folded: its first FOLDED_LEN bytes */
	size_t folded_len;
};

/* A name is its LEN bytes; the file itself when there are no more. */
static bool
is_file(const struct name *name)
{
	return name->path[name->len] == '\0';
}

static int
compare_folded(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t len = x->folded_len < y->folded_len ? x->folded_len : y->folded_len;
	int difference = memcmp(x->folded, y->folded, len);

	if (difference != 0)
		return difference;
	return (x->folded_len > y->folded_len) - (x->folded_len < y->folded_len);
}

/* Every path of a catalogue, and those that its configuration files may need beside them. */
struct paths {
	char **texts, **folded;
	size_t count;
};

static void
add_path(struct paths *self, char *path)
{
	self->texts[self->count] = path;
	self->folded[self->count++] = unicode_folded(path, strlen(path));
}

static struct paths
list_paths(const struct catalogue_file *files, size_t count)
{
	size_t max = count * 2 + 1;
	struct paths self = {.texts = buffer_alloc(max * sizeof *self.texts),
	    .folded = buffer_alloc(max * sizeof *self.folded)};

	for (size_t i = 0; i < count; i++) {
		const struct catalogue_file *file = &files[i];
		add_path(&self, buffer_strdup(file->path));
		if (file->config)
			add_path(&self, buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, file->path));
	}
	return self;
}

static void
free_paths(struct paths *self)
{
	for (size_t i = 0; i < self->count; i++) {
		free(self->texts[i]);
		free(self->folded[i]);
	}
	free(self->texts);
	free(self->folded);
}

static size_t
count_names(const struct paths *paths)
{
	size_t count = paths->count;

	for (size_t i = 0; i < paths->count; i++) {
		for (const char *c = paths->texts[i]; *c != '\0'; c++)
			count += *c == '/';
	}
	return count;
}

/* Nothing folds to a slash in a path that has no defect: the folders of both stand side by side. */
static void
list_names(const struct paths *paths, struct name *names)
{
	for (size_t i = 0; i < paths->count; i++) {
		const char *path = paths->texts[i], *other = paths->folded[i];
		size_t len = 0, other_len = 0;
		do {
			len += strcspn(path + len, "/");
			other_len += strcspn(other + other_len, "/");
			*names++ = (struct name){path, len, other, other_len};
		} while (path[len++] != '\0' && other[other_len++] != '\0');
	}
}

char *
catalogue_names_clash(const struct catalogue_file *files, size_t file_count)
{
	struct paths paths = list_paths(files, file_count);
	size_t count = count_names(&paths);
	struct name *names = buffer_alloc((count + 1) * sizeof *names);
	const char *clash = NULL;

	list_names(&paths, names);
	qsort(names, count, sizeof *names, compare_folded);
	for (size_t i = 1; i < count && clash == NULL; i++) {
		const struct name *a = &names[i - 1], *b = &names[i];
		if (compare_folded(a, b) == 0 &&
		    (is_file(a) || is_file(b) || memcmp(a->path, b->path, a->len) != 0))
			clash = strlen(a->path) > strlen(b->path) ? a->path : b->path;
	}
	char *copy = clash != NULL ? buffer_strdup(clash) : NULL;
	free_paths(&paths);
	free(names);
	return copy;
}
