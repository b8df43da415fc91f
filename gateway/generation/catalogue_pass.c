/*
 * A pass over the catalogues. The hard part is what may be taken for unchanged: a judgement depends
 * on two files, on the products that share their folder, and on the signer's certificate, its dates
 * and its revocation, so all of these are in its origin.
 */
#include "catalogue_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/yaml_source.h"
#include "catalogue_folders.h"
#include "catalogue_judge.h"
#include "crypto/signer.h"
#include "gateway/node/log.h"

enum { SIGNER_MAX = 1024 * 1024 }; /* bytes of a certificate's file */

/* A folder that the pass has come by. */
struct seen {
	char *folder;
	bool kept; /* its files are those of the earlier image */
};

struct pass {
	const struct config *config;
	const struct catalogue_image *previous;
	time_t now;
	struct signer signer; /* bytes NULL: it cannot be read */
	unsigned char signer_origin[DIGEST_SHA256_BYTES];
	struct catalogue_image_writer *writer;
	time_t until; /* when all is to be looked at again; 0: never */
	struct seen *seen;
	size_t seen_count, seen_capacity;
	size_t *sizes; /* of what has changed */
	size_t size_count, size_capacity;
	size_t largest;  /* what is larger does not fit into the budget beside what is smaller */
	uint64_t spent;  /* bytes */
	double deadline; /* of the monotonic clock, in seconds */
};

/* At END, which may be 0, something is no longer as it was found. */
static void
note_end(struct pass *self, time_t end)
{
	if (end != 0 && (self->until == 0 || end < self->until))
		self->until = end;
}

/* --- what has changed */

size_t
catalogue_pass_add_file(struct digest_stream *origin, int folder, const char *name, int flags)
{
	struct stat st;
	struct {
		uint64_t error, device, inode, mode, size;
		int64_t modified, modified_ns, changed, changed_ns;
	} seen = {0};

	if (fstatat(folder, name, &st, flags) != 0) {
		seen.error = (uint64_t)errno;
	} else {
		seen.device = st.st_dev;
		seen.inode = st.st_ino;
		seen.mode = st.st_mode;
		seen.size = (uint64_t)st.st_size;
		seen.modified = st.st_mtim.tv_sec;
		seen.modified_ns = st.st_mtim.tv_nsec;
		seen.changed = st.st_ctim.tv_sec;
		seen.changed_ns = st.st_ctim.tv_nsec;
	}
	digest_stream_add(origin, &seen, sizeof seen);
	return (size_t)seen.size;
}

/* A catalogue as it looks now. */
struct look {
	unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	size_t size;
	struct catalogue_image_version before;
	bool is_unchanged;
};

static struct look
look_at(const struct pass *self, const struct catalogue_folder *folder)
{
	struct digest_stream *origin = digest_stream_new();
	struct look look = {.before = {.state = CATALOGUE_IMAGE_ABSENT}};

	digest_stream_add(origin, self->signer_origin, sizeof self->signer_origin);
	for (size_t i = 0; i < folder->product_count; i++)
		digest_stream_add(origin, folder->products[i], strlen(folder->products[i]) + 1);
	look.size =
	    catalogue_pass_add_file(origin, folder->fd, CATALOGUE_NAME, AT_SYMLINK_NOFOLLOW);
	look.size += catalogue_pass_add_file(
	    origin, folder->fd, CATALOGUE_SIGNATURE_NAME, AT_SYMLINK_NOFOLLOW);
	digest_stream_end(origin, look.origin);
	digest_stream_free(origin);
	if (self->previous != NULL)
		look.before = catalogue_image_version(self->previous, folder->path);
	const struct catalogue_image_version *before = &look.before;
	look.is_unchanged = before->state != CATALOGUE_IMAGE_ABSENT &&
	                    before->state != CATALOGUE_IMAGE_PENDING &&
	                    memcmp(before->origin, look.origin, sizeof look.origin) == 0 &&
	                    (before->until == 0 || self->now < before->until);
	return look;
}

/* --- the budget */

static void
on_folder_sized(const struct catalogue_folder *folder, void *arg)
{
	struct pass *self = arg;

	if (folder->fd < 0 || folder->version == NULL)
		return;
	struct look look = look_at(self, folder);
	if (look.is_unchanged || look.size > CATALOGUE_MAX_BYTES + CATALOGUE_SIGNATURE_MAX_BYTES)
		return; /* what is too large is refused without being read */
	if (self->size_count == self->size_capacity) {
		self->size_capacity = self->size_capacity * 2 + 16;
		self->sizes = reallocarray(self->sizes, self->size_capacity, sizeof *self->sizes);
		if (self->sizes == NULL)
			abort();
	}
	self->sizes[self->size_count++] = look.size;
}

static int
compare_sizes(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The small ones first, so that who publishes a few large ones does not keep others out. */
static void
share_budget(struct pass *self)
{
	uint64_t sum = 0;

	if (self->size_count > 0)
		qsort(self->sizes, self->size_count, sizeof *self->sizes, compare_sizes);
	for (size_t i = 0; i < self->size_count; i++) {
		sum += self->sizes[i];
		if (sum > self->config->catalogues.max_bytes)
			break;
		self->largest = self->sizes[i];
	}
	free(self->sizes);
	self->sizes = NULL;
}

/* The key whose limit keeps SIZE bytes from being read; NULL when none does. */
static const char *
budget_defect(const struct pass *self, size_t size)
{
	if (size == 0 || size > CATALOGUE_MAX_BYTES + CATALOGUE_SIGNATURE_MAX_BYTES)
		return NULL; /* nothing is read */
	if (size > self->largest || self->spent + size > self->config->catalogues.max_bytes)
		return "catalogues.max_bytes";
	return clock_seconds() > self->deadline ? "catalogues.max_time" : NULL;
}

/* --- the records */

static void
note_seen(struct pass *self, const char *folder, bool kept)
{
	if (self->seen_count == self->seen_capacity) {
		self->seen_capacity = self->seen_capacity * 2 + 16;
		self->seen = reallocarray(self->seen, self->seen_capacity, sizeof *self->seen);
		if (self->seen == NULL)
			abort();
	}
	self->seen[self->seen_count++] = (struct seen){buffer_strdup(folder), kept};
}

static void
add_version(struct pass *self, const char *folder, const struct catalogue_image_version *version)
{
	catalogue_image_writer_add_version(self->writer, folder, version);
	note_end(self, version->until);
}

static void
add_files(
    struct pass *self, const struct catalogue_folder *folder, const struct catalogue *catalogue)
{
	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		/* Links and empty folders are for the client to make: nothing is served for them.
		 */
		if (file->kind != CATALOGUE_FILE)
			continue;
		const char *hex = file->digest.sha256;
		struct catalogue_image_file record = {.size = file->digest.size};
		if (hex[0] == '\0')
			continue;
		for (size_t j = 0; j < sizeof record.sha256; j++)
			record.sha256[j] = (unsigned char)(hex_small_digit(hex[2 * j]) << 4 |
			                                   hex_small_digit(hex[2 * j + 1]));
		char *path = buffer_text("%s%s", folder->path, file->path);
		catalogue_image_writer_add_file(self->writer, path, &record);
		free(path);
	}
}

static void
say_refused(const char *folder, const char *reason)
{
	log_error("catalogues: nothing below %s is served: %s", folder, reason);
}

/* What FOLDER has come to; to be added unless it is ABSENT. */
static void
judge(struct pass *self, const struct catalogue_folder *folder, const struct look *look)
{
	struct catalogue_verdict verdict;
	struct catalogue_image_version *version = &verdict.version;

	catalogue_judge(folder, &self->signer, self->now, &verdict);
	self->spent += verdict.read;
	memcpy(version->origin, look->origin, sizeof version->origin);
	version->was_good = look->before.was_good || version->state == CATALOGUE_IMAGE_VALID;
	if (version->state == CATALOGUE_IMAGE_REFUSED)
		say_refused(folder->path, verdict.reason);
	if (version->state == CATALOGUE_IMAGE_ABSENT && version->was_good) {
		version->state = CATALOGUE_IMAGE_LOST;
		if (look->before.state != CATALOGUE_IMAGE_LOST)
			say_refused(folder->path, "it has had a good catalogue, which is gone");
	}
	if (version->state == CATALOGUE_IMAGE_EXPIRED)
		log_warning("catalogues: that of %s has expired (%s): its files are %s",
		    folder->path, verdict.catalogue->expires,
		    version->was_good ? "held against it all the same" : "not checked");
	if (version->was_good && verdict.catalogue != NULL)
		add_files(self, folder, verdict.catalogue);
	if (version->state != CATALOGUE_IMAGE_ABSENT)
		add_version(self, folder->path, version);
	catalogue_judge_verdict_fini(&verdict);
}

static void
postpone(struct pass *self, const char *folder, const struct look *look, const char *key)
{
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_PENDING,
	    .until = self->now + CATALOGUE_JUDGE_RETRY_SECONDS,
	    .was_good = look->before.was_good};
	char reason[CATALOGUE_JUDGE_REASON_MAX];

	(void)snprintf(reason, sizeof reason,
	    "its catalogue of %zu bytes is not read yet, for it is over the budget (%s); others "
	    "are, and it is tried again in %d seconds",
	    look->size, key, (int)CATALOGUE_JUDGE_RETRY_SECONDS);
	say_refused(folder, reason);
	add_version(self, folder, &version);
}

static void
refuse_unreadable(struct pass *self, const struct catalogue_folder *folder)
{
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_REFUSED};
	char reason[CATALOGUE_JUDGE_REASON_MAX];

	(void)snprintf(reason, sizeof reason, "the folder below %s cannot be read: %s",
	    self->config->catalogues.folder, strerror(folder->error));
	if (catalogue_judge_may_be_over(folder->error))
		version.until = self->now + CATALOGUE_JUDGE_RETRY_SECONDS;
	if (self->previous != NULL)
		version.was_good = catalogue_image_version(self->previous, folder->path).was_good;
	say_refused(folder->path, reason);
	add_version(self, folder->path, &version);
}

static void
on_folder(const struct catalogue_folder *folder, void *arg)
{
	struct pass *self = arg;

	if (folder->fd >= 0 && folder->version == NULL)
		return;
	if (folder->fd < 0) {
		note_seen(self, folder->path, false);
		refuse_unreadable(self, folder);
		return;
	}
	struct look look = look_at(self, folder);
	note_seen(self, folder->path, look.is_unchanged);
	const char *over = look.is_unchanged ? NULL : budget_defect(self, look.size);
	if (look.is_unchanged)
		add_version(self, folder->path, &look.before);
	else if (over != NULL)
		postpone(self, folder->path, &look, over);
	else
		judge(self, folder, &look);
}

/* --- the earlier image */

static int
compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return strcmp(x->folder, y->folder);
}

static const struct seen *
find_seen(const struct pass *self, char *folder)
{
	struct seen key = {.folder = folder};

	return self->seen_count == 0
	           ? NULL
	           : bsearch(&key, self->seen, self->seen_count, sizeof *self->seen, compare_seen);
}

static void
on_previous_file(const char *path, const struct catalogue_image_file *file, void *arg)
{
	struct pass *self = arg;
	char *folder = buffer_strdup(path);

	for (char *slash = strrchr(folder, '/'); slash != NULL; slash = strrchr(folder, '/')) {
		slash[1] = '\0';
		const struct seen *seen = find_seen(self, folder);
		if (seen != NULL && seen->kept) {
			catalogue_image_writer_add_file(self->writer, path, file);
			break;
		}
		slash[0] = '\0';
	}
	free(folder);
}

/* A folder that is gone may have gone from the catalogues only. */
static void
on_previous_version(const char *folder, const struct catalogue_image_version *before, void *arg)
{
	struct pass *self = arg;
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_LOST, .was_good = true};
	char *copy = buffer_strdup(folder);

	if (before->was_good && find_seen(self, copy) == NULL) {
		if (before->state != CATALOGUE_IMAGE_LOST)
			say_refused(folder, "it has had a good catalogue, which is gone");
		add_version(self, folder, &version);
	}
	free(copy);
}

/* --- the pass */

static char *
read_signer(struct pass *self)
{
	struct problems *problems = problems_new();
	char *bytes = yaml_source_read_file(
	    self->signer.pem.name, SIGNER_MAX, &self->signer.pem.len, problems);
	time_t next = self->now + CATALOGUE_JUDGE_RETRY_SECONDS;
	struct digest_stream *origin = digest_stream_new();

	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
	problems_free(problems);
	self->signer.pem.bytes = bytes;
	if (bytes != NULL) {
		const unsigned char revoked = signer_is_revoked(&self->signer);
		next = signer_next_date(&self->signer.pem, self->now);
		digest_stream_add(origin, bytes, self->signer.pem.len);
		digest_stream_add(origin, &next, sizeof next);
		digest_stream_add(origin, &revoked, sizeof revoked);
	}
	digest_stream_end(origin, self->signer_origin);
	digest_stream_free(origin);
	note_end(self, next);
	return bytes;
}

time_t
catalogue_pass(const struct catalogue_pass_order *order, struct catalogue_image_writer *writer)
{
	const struct config *config = order->config;
	const struct catalogue_image *previous = order->previous;
	struct pass self = {.config = config,
	    .previous = previous,
	    .now = order->now,
	    .signer = {.pem = {.name = config->catalogues.signer}, .lists = order->lists},
	    .writer = writer,
	    .deadline = clock_seconds() + config->catalogues.max_time};
	char *signer = read_signer(&self);

	catalogue_folders_each(order->policy, config->catalogues.folder, on_folder_sized, &self);
	share_budget(&self);
	catalogue_folders_each(order->policy, config->catalogues.folder, on_folder, &self);
	if (self.seen_count > 0)
		qsort(self.seen, self.seen_count, sizeof *self.seen, compare_seen);
	if (previous != NULL) {
		catalogue_image_each_version(previous, on_previous_version, &self);
		catalogue_image_each_file(previous, on_previous_file, &self);
	}
	for (size_t i = 0; i < self.seen_count; i++)
		free(self.seen[i].folder);
	free(self.seen);
	free(signer);
	return self.until;
}
