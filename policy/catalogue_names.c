/*
 * Clashes of names. Every file and every folder above one is put into a list that is sorted without
 * regard to case: what clashes stands side by side, and only a folder may be there twice, in one
 * spelling.
 */
#include "catalogue_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct name {
	const char *path; /* of a file; its first LEN bytes are the name */
	size_t len;
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
	size_t len = x->len < y->len ? x->len : y->len;

	for (size_t i = 0; i < len; i++) {
		int difference =
		    tolower((unsigned char)x->path[i]) - tolower((unsigned char)y->path[i]);
		if (difference != 0)
			return difference;
	}
	return (x->len > y->len) - (x->len < y->len);
}

static size_t
count_names(const struct catalogue *catalogue)
{
	size_t count = catalogue->file_count;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		for (const char *c = catalogue->files[i].path; *c != '\0'; c++)
			count += *c == '/';
	}
	return count;
}

static void
list_names(const struct catalogue *catalogue, struct name *names)
{
	for (size_t i = 0; i < catalogue->file_count; i++) {
		const char *path = catalogue->files[i].path;
		for (const char *c = path; *c != '\0'; c++) {
			if (*c == '/')
				*names++ = (struct name){path, (size_t)(c - path)};
		}
		*names++ = (struct name){path, strlen(path)};
	}
}

const char *
catalogue_names_clash(const struct catalogue *catalogue)
{
	size_t count = count_names(catalogue);
	struct name *names = buffer_alloc((count + 1) * sizeof *names);
	const char *clash = NULL;

	list_names(catalogue, names);
	qsort(names, count, sizeof *names, compare_folded);
	for (size_t i = 1; i < count && clash == NULL; i++) {
		const struct name *a = &names[i - 1], *b = &names[i];
		if (compare_folded(a, b) == 0 &&
		    (is_file(a) || is_file(b) || memcmp(a->path, b->path, a->len) != 0))
			clash = strlen(a->path) > strlen(b->path) ? a->path : b->path;
	}
	free(names);
	return clash;
}
