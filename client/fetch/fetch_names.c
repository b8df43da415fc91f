/* Names without case. The one hard part is that paths below a folder stand together in the order:
 * each is folded first, which leaves its slashes where they are, and compared byte by byte. */
#include "fetch_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/unicode.h"

struct name {
	char *folded;
	const struct catalogue_file *file;
};

struct fetch_names {
	struct name *names; /* by what they are folded */
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->folded, y->folded);
}

struct fetch_names *
fetch_names_new(const struct catalogue *catalogue)
{
	struct fetch_names *self = buffer_alloc(sizeof *self);

	self->count = catalogue != NULL ? catalogue->file_count : 0;
	self->names = buffer_alloc((self->count + 1) * sizeof *self->names);
	for (size_t i = 0; i < self->count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		self->names[i] =
		    (struct name){unicode_folded(file->path, strlen(file->path)), file};
	}
	if (self->count > 0)
		qsort(self->names, self->count, sizeof *self->names, compare);
	return self;
}

void
fetch_names_free(struct fetch_names *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++)
		free(self->names[i].folded);
	free(self->names);
	free(self);
}

/* The first name that does not stand before FOLDED. */
static const struct name *
lower_bound(const struct fetch_names *self, const char *folded)
{
	size_t low = 0, high = self->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(self->names[middle].folded, folded) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < self->count ? &self->names[low] : NULL;
}

const struct catalogue_file *
fetch_names_find(const struct fetch_names *self, const char *path, size_t len)
{
	char *folded = unicode_folded(path, len);
	const struct name *name = lower_bound(self, folded);
	bool found = name != NULL && strcmp(name->folded, folded) == 0;

	free(folded);
	return found ? name->file : NULL;
}

bool
fetch_names_has_below(const struct fetch_names *self, const char *path, size_t len)
{
	char *folded = unicode_folded(path, len);
	char *folder = buffer_text("%s/", folded);
	const struct name *name = lower_bound(self, folder);
	bool has = name != NULL && strncmp(name->folded, folder, strlen(folder)) == 0;

	free(folded);
	free(folder);
	return has;
}

bool
fetch_names_collide(const struct fetch_names *self, const char *path)
{
	size_t len = strlen(path);

	if (fetch_names_find(self, path, len) != NULL || fetch_names_has_below(self, path, len))
		return true;
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		if (fetch_names_find(self, path, (size_t)(slash - path)) != NULL)
			return true;
	}
	return false;
}
