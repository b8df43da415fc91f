/*
 * A walk over the folders of versions. The hard part is to tell what is not there, which is no
 * matter, from what cannot be looked at, which somebody must hear of.
 */
#include "catalogue_folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "catalogue/catalogue.h"

/* A base and one product that has it. */
struct base {
	char *path, *product;
};

struct walk {
	struct base *bases;
	size_t count, capacity;
	int root, root_error; /* -1 and errno: it cannot be opened */
	catalogue_folder_fn *fn;
	void *arg;
};

/* --- the bases of a policy */

static void
collect_base(struct walk *self, const char *path, const char *product)
{
	if (path[strlen(path) - 1] != '/')
		return;
	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 16;
		self->bases = reallocarray(self->bases, self->capacity, sizeof *self->bases);
		if (self->bases == NULL)
			abort();
	}
	self->bases[self->count++] = (struct base){buffer_strdup(path), buffer_strdup(product)};
}

static void
on_product(const struct policy_product *product, void *arg)
{
	for (const char *const *path = product->paths; *path != NULL; path++)
		collect_base(arg, *path, product->id);
}

static int
compare_bases(const void *a, const void *b)
{
	const struct base *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order != 0 ? order : strcmp(x->product, y->product);
}

/* --- the versions of a base */

struct names {
	char **texts;
	size_t count, capacity;
};

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
add_name(struct names *self, const char *text)
{
	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 16;
		self->texts = reallocarray(self->texts, self->capacity, sizeof *self->texts);
		if (self->texts == NULL)
			abort();
	}
	self->texts[self->count++] = buffer_strdup(text);
}

/* Returns 0, or the errno that kept it from seeing all of them. */
static int
list_versions(int base_fd, struct names *names)
{
	const struct dirent *entry;
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (folder == NULL) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	/* cppcheck-suppress readdirCalled ; one thread */
	for (errno = 0; (entry = readdir(folder)) != NULL; errno = 0)
		if (catalogue_is_version(entry->d_name))
			add_name(names, entry->d_name);
	int error = errno;
	(void)closedir(folder);
	if (names->count > 0)
		qsort(names->texts, names->count, sizeof *names->texts, compare_names);
	return error;
}

/* --- the walk */

static bool
is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

static void
visit_version(const struct walk *self, const struct catalogue_folder *base, const char *name)
{
	struct catalogue_folder folder = *base;
	char *path = NULL;

	folder.fd = openat(base->fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	folder.error = folder.fd < 0 ? errno : 0;
	if (is_absent(folder.error))
		return;
	if (asprintf(&path, "%s%s/", base->path, name) < 0)
		abort();
	folder.path = path;
	folder.version = name;
	self->fn(&folder, self->arg);
	free(path);
	if (folder.fd >= 0)
		close(folder.fd);
}

static void
visit_base(const struct walk *self, struct catalogue_folder *base)
{
	struct names names = {0};

	self->fn(base, self->arg);
	if (base->fd < 0)
		return;
	int error = list_versions(base->fd, &names);
	for (size_t i = 0; i < names.count; i++) {
		visit_version(self, base, names.texts[i]);
		free(names.texts[i]);
	}
	free(names.texts);
	close(base->fd);
	base->fd = -1;
	base->error = error;
	if (error != 0)
		self->fn(base, self->arg);
}

/* The COUNT entries from FIRST on, which are one base. */
static void
walk_base(const struct walk *self, const struct base *first, size_t count)
{
	const char **products = buffer_alloc(count * sizeof *products);
	struct catalogue_folder base = {.path = first->path,
	    .products = products,
	    .product_count = count,
	    .fd = -1,
	    .error = self->root_error};

	for (size_t i = 0; i < count; i++)
		products[i] = first[i].product;
	if (self->root >= 0) {
		base.fd = openat(self->root, first->path + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
		base.error = base.fd < 0 ? errno : 0;
	}
	if (self->root < 0 || !is_absent(base.error))
		visit_base(self, &base);
	free(products);
}

void
catalogue_folders_each(
    const struct policy *policy, const char *root, catalogue_folder_fn *fn, void *arg)
{
	struct walk self = {.fn = fn, .arg = arg};

	self.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	self.root_error = self.root < 0 ? errno : 0;
	policy_each_product(policy, on_product, &self);
	if (self.count > 0)
		qsort(self.bases, self.count, sizeof *self.bases, compare_bases);
	for (size_t i = 0, n; i < self.count; i += n) {
		for (n = 1; i + n < self.count; n++)
			if (strcmp(self.bases[i].path, self.bases[i + n].path) != 0)
				break;
		walk_base(&self, &self.bases[i], n);
	}
	for (size_t i = 0; i < self.count; i++) {
		free(self.bases[i].path);
		free(self.bases[i].product);
	}
	free(self.bases);
	if (self.root >= 0)
		close(self.root);
}
