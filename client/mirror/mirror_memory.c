/*
 * What a mirror remembers of what it has, and of what is missed.
 *
 * The hard part is that nothing may be removed too early: the time for which it has been missed is
 * on the disk before it counts, and grows by what a run may have seen, not by what the clock says;
 * it is forgotten whenever the thing is wanted again, and what cannot be read as a time is no time.
 */
#include "mirror_memory_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/value.h"
#include "client/common/file.h"
#include "crypto/digest.h"

enum { PATH_BYTES_MAX = 64 * 1024, MISSED_BYTES_MAX = 41 /* two numbers */ };

DIR *
mirror_memory_entries(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;

	if (stream == NULL && again >= 0)
		close(again);
	return stream;
}

/* ---- places ------------------------------------------------------------------------------- */

char *
mirror_memory_place_name(const char *product, const char *base)
{
	struct digest_run *run = digest_run_new();
	struct digest digest;

	digest_run_add(run, base, strlen(base));
	digest_run_finish(run, &digest);
	digest_run_free(run);
	return buffer_text("%s-%s", product, digest.sha256);
}

static struct mirror_memory_place *
add_place(struct mirror_memory *self, const char *product, const char *base)
{
	self->places = reallocarray(self->places, self->count + 1, sizeof *self->places);
	if (self->places == NULL)
		abort();
	struct mirror_memory_place *place = &self->places[self->count++];
	*place = (struct mirror_memory_place){.name = mirror_memory_place_name(product, base),
	    .product = buffer_strdup(product),
	    .base = buffer_strdup(base)};
	return place;
}

static struct mirror_memory_place *
find_place(struct mirror_memory *self, const char *name)
{
	for (size_t i = 0; i < self->count; i++) {
		if (strcmp(self->places[i].name, name) == 0)
			return &self->places[i];
	}
	return NULL;
}

/* Reads products/NAME. What does not fit its name is not what was written there. */
static bool
read_place(struct mirror_memory *self, const char *name, struct failure *failure)
{
	size_t len = strlen(name), tail = DIGEST_SHA256_SIZE; /* "-" and the digits */
	struct buffer text = {0};
	char *rest = buffer_text("/products/%s", name);
	char *file = buffer_text("%s%s", mirror_tree_own(self->tree), rest);
	bool done = file_read(file, PATH_BYTES_MAX, &text, failure);

	if (done) {
		buffer_append(&text, "", 1);
		char *product = buffer_copy(name, len > tail ? len - tail : 0);
		const struct mirror_memory_place *place =
		    add_place(self, product, buffer_bytes(&text));
		done = (strcmp(place->name, name) == 0 && value_is_id(product) &&
		           place->base[0] == '/') ||
		       failure_set(failure, FAILURE_LOCAL, "%s is damaged: remove it", file);
		free(product);
	}
	buffer_fini(&text);
	free(file);
	free(rest);
	return done;
}

static bool
read_places(struct mirror_memory *self, struct failure *failure)
{
	const struct dirent *entry = NULL;
	DIR *stream = mirror_memory_entries(self->products);
	bool done = true;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, done) && (entry = readdir(stream)) != NULL)
		done = entry->d_name[0] == '.' || read_place(self, entry->d_name, failure);
	if (done && errno != 0)
		done = failure_set(failure, FAILURE_LOCAL, "cannot read %s/products: %s",
		    mirror_tree_own(self->tree), strerror(errno));
	if (stream != NULL)
		closedir(stream);
	return done;
}

struct mirror_memory *
mirror_memory_open(struct mirror_tree *tree, struct mirror_report *report, time_t now,
    const struct mirror_rules *rules, struct failure *failure)
{
	struct mirror_memory *self = buffer_alloc(sizeof *self);

	*self = (struct mirror_memory){
	    .tree = tree,
	    .report = report,
	    .now = now > 0 ? (uint64_t)now : 0,
	    .rules = *rules,
	    .products = -1,
	    .indexes = -1,
	    .leaving = -1,
	};
	self->products = mirror_tree_make_own(tree, "products", failure);
	if (self->products >= 0)
		self->indexes = mirror_tree_make_own(tree, MIRROR_MEMORY_INDEXES, failure);
	if (self->indexes >= 0)
		self->leaving = mirror_tree_make_own(tree, "leaving", failure);
	if (self->leaving >= 0 && read_places(self, failure))
		return self;
	mirror_memory_close(self);
	return NULL;
}

void
mirror_memory_close(struct mirror_memory *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++) {
		free(self->places[i].name);
		free(self->places[i].product);
		free(self->places[i].base);
	}
	free(self->places);
	if (self->products >= 0)
		close(self->products);
	if (self->indexes >= 0)
		close(self->indexes);
	if (self->leaving >= 0)
		close(self->leaving);
	free(self);
}

/* ---- times -------------------------------------------------------------------------------- */

/* For how long something has been missed. */
struct missed {
	uint64_t seen; /* seconds */
	uint64_t last; /* when they were counted */
};

/* What leaving/NAME holds; false when there is nothing, or nothing of this form. */
static bool
read_missed(const struct mirror_memory *self, const char *name, struct missed *missed)
{
	char text[MISSED_BYTES_MAX + 1] = "";
	int fd = openat(self->leaving, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	ssize_t len = read(fd, text, MISSED_BYTES_MAX);
	close(fd);
	char *space = len > 0 ? strchr(text, ' ') : NULL;
	if (space == NULL)
		return false;
	*space = '\0';
	return value_number(text, INT64_MAX, &missed->seen) &&
	       value_number(space + 1, INT64_MAX, &missed->last);
}

/* Makes NAME in FOLDER hold TEXT. */
static bool
note_down(const struct mirror_memory *self, int folder, const char *name, const char *text,
    struct failure *failure)
{
	struct buffer content = {0};
	const struct mirror_tree_file file = {name, &content};

	buffer_append(&content, text, strlen(text));
	bool done = mirror_tree_put(self->tree, folder, &file, 1, failure);
	buffer_fini(&content);
	return done;
}

bool
mirror_memory_miss(struct mirror_memory *self, const char *name, bool *due, struct failure *failure)
{
	struct missed missed;
	char text[MISSED_BYTES_MAX + 1];

	if (read_missed(self, name, &missed)) {
		uint64_t since = self->now > missed.last ? self->now - missed.last : 0;
		missed.seen += since < self->rules.step ? since : self->rules.step;
	} else {
		missed.seen = 0;
	}
	snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, missed.seen, self->now);
	bool done = note_down(self, self->leaving, name, text, failure);
	*due = done && missed.seen >= self->rules.grace;
	return done;
}

bool
mirror_memory_forget(const struct mirror_memory *self, const char *name, struct failure *failure)
{
	return mirror_tree_unlink(self->leaving, name, failure);
}

bool
mirror_memory_keep_product(
    struct mirror_memory *self, const char *product, const char *base, struct failure *failure)
{
	char *name = mirror_memory_place_name(product, base);
	struct mirror_memory_place *place = find_place(self, name);

	if (place == NULL)
		place = add_place(self, product, base);
	place->kept = true;
	bool done = note_down(self, self->products, name, base, failure) &&
	            mirror_memory_forget(self, name, failure);
	free(name);
	return done;
}

bool
mirror_memory_keep_index(struct mirror_memory *self, const char *product, const struct buffer *text,
    struct failure *failure)
{
	const struct mirror_tree_file file = {product, text};

	return mirror_tree_put(self->tree, self->indexes, &file, 1, failure);
}

bool
mirror_memory_keep_version(struct mirror_memory *self, const char *product, const char *base,
    const char *version, struct failure *failure)
{
	char *name = mirror_memory_place_name(product, base);
	char *mark = buffer_text("%s-%s", name, version);
	bool done = mirror_memory_forget(self, mark, failure);

	free(mark);
	free(name);
	return done;
}
