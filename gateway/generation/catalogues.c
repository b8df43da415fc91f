/*
 * Whether catalogues have changed, and what is said of them. The hard part is that files change
 * while they are read: what they looked like (the origin) is noted before, so that a change in
 * between shows at the next look.
 */
#include "catalogues.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/yaml_source.h"
#include "catalogue/catalogue.h"
#include "catalogue_folders.h"
#include "catalogue_pass.h"
#include "crypto/digest.h"
#include "crypto/signer.h"
#include "sealed_file.h"

enum {
	SIGNER_MAX = 1024 * 1024, /* bytes of a certificate's file */
	NAMED_MAX = 5,            /* changed folders that a line names */
	LONG_AGO = 1,             /* a time that is over */
};

static_assert((int)CATALOGUE_IMAGE_DIGEST == (int)DIGEST_SHA256_BYTES, "both are SHA-256");

/* --- the origin: what the files look like */

/* Of folders only the names count: what else is in one may change as it likes. */
static void
on_folder_seen(const struct catalogue_folder *folder, void *arg)
{
	struct digest_stream *origin = arg;

	digest_stream_add(origin, folder->path, strlen(folder->path) + 1);
	digest_stream_add(origin, &folder->error, sizeof folder->error);
	for (size_t i = 0; i < folder->product_count; i++)
		digest_stream_add(origin, folder->products[i], strlen(folder->products[i]) + 1);
	if (folder->fd < 0 || folder->version == NULL)
		return;
	(void)catalogue_pass_add_file(origin, folder->fd, CATALOGUE_NAME, AT_SYMLINK_NOFOLLOW);
	(void)catalogue_pass_add_file(
	    origin, folder->fd, CATALOGUE_SIGNATURE_NAME, AT_SYMLINK_NOFOLLOW);
}

static void
look(const struct config *config, const struct policy *policy,
    unsigned char digest[CATALOGUE_IMAGE_DIGEST])
{
	struct digest_stream *origin = digest_stream_new();

	(void)catalogue_pass_add_file(origin, AT_FDCWD, config->catalogues.signer, 0);
	catalogue_folders_each(policy, config->catalogues.folder, on_folder_seen, origin);
	digest_stream_end(origin, digest);
	digest_stream_free(origin);
}

bool
catalogues_have_changed(const struct config *config, const struct policy *policy,
    const struct catalogue_image *image, time_t now)
{
	const struct catalogue_image_header *header = catalogue_image_header(image);
	unsigned char origin[CATALOGUE_IMAGE_DIGEST];

	if (header->until != 0 && now >= header->until)
		return true;
	look(config, policy, origin);
	return memcmp(origin, header->origin, sizeof origin) != 0;
}

void
catalogues_check_files(const struct config *config, struct problems *problems)
{
	size_t len;
	int fd = open(config->catalogues.folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		problems_add(
		    problems, config->catalogues.folder, 0, "cannot open: %s", strerror(errno));
	else
		close(fd);
	free(yaml_source_read_file(config->catalogues.signer, SIGNER_MAX, &len, problems));
}

bool
catalogues_signer_is_revoked(const struct config *config, const STACK_OF(X509_CRL) * lists)
{
	struct problems *problems = problems_new();
	struct signer signer = {{.name = config->catalogues.signer}, lists, 0};
	char *bytes = yaml_source_read_file(signer.pem.name, SIGNER_MAX, &signer.pem.len, problems);

	problems_free(problems); /* what is wrong is said when it is used */
	signer.pem.bytes = bytes;
	bool revoked = bytes != NULL && signer_is_revoked(&signer);
	free(bytes);
	return revoked;
}

/* --- images */

/* A base of the policy: a path below which there are folders of versions. */
typedef void base_fn(const char *base, void *arg);

struct bases {
	bool only_required; /* those of products that require catalogues */
	base_fn *fn;
	void *arg;
};

static void
on_product(const struct policy_product *product, void *arg)
{
	const struct bases *self = arg;

	if (self->only_required && !product->catalogue_required)
		return;
	for (const char *const *path = product->paths; *path != NULL; path++)
		if ((*path)[strlen(*path) - 1] == '/')
			self->fn(*path, self->arg);
}

static void
each_base(const struct policy *policy, bool only_required, base_fn *fn, void *arg)
{
	struct bases bases = {only_required, fn, arg};

	policy_each_product(policy, on_product, &bases);
}

static void
add_required(const char *base, void *arg)
{
	catalogue_image_writer_add_required(arg, base);
}

static struct catalogue_image_writer *
begin_image(const struct config *config, const struct policy *policy, int fd)
{
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);

	each_base(policy, !config->catalogues.required, add_required, writer);
	return writer;
}

/* Returns FD, sealed; or -1, FD closed, with a problem added. */
static int
end_image(const struct config *config, int fd, struct catalogue_image_writer *writer,
    const unsigned char origin[CATALOGUE_IMAGE_DIGEST], time_t until, struct problems *problems)
{
	if (catalogue_image_writer_end(writer, origin, until) && sealed_file_seal(fd))
		return fd;
	problems_add(problems, config->catalogues.folder, 0,
	    "the catalogues cannot be kept in memory: %s", strerror(errno));
	close(fd);
	return -1;
}

static int
new_image(const struct config *config, struct problems *problems)
{
	int fd = memfd_create("catalogues", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		problems_add(problems, config->catalogues.folder, 0,
		    "the catalogues cannot be kept in memory: %s", strerror(errno));
	return fd;
}

int
catalogues_read(const struct config *config, const struct policy *policy,
    const STACK_OF(X509_CRL) * lists, const struct catalogue_image *previous, time_t now,
    struct problems *problems)
{
	unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	int fd = new_image(config, problems);

	if (fd < 0)
		return -1;
	look(config, policy, origin);
	struct catalogue_image_writer *writer = begin_image(config, policy, fd);
	const struct catalogue_pass_order order = {config, policy, lists, previous, now};
	time_t until = catalogue_pass(&order, writer);
	return end_image(config, fd, writer, origin, until, problems);
}

/* --- going on under another policy */

struct names {
	char **texts;
	size_t count, capacity;
};

static void
note_name(const char *text, void *arg)
{
	struct names *self = arg;

	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 16;
		self->texts = reallocarray(self->texts, self->capacity, sizeof *self->texts);
		if (self->texts == NULL)
			abort();
	}
	self->texts[self->count++] = buffer_strdup(text);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct names
bases_of(const struct policy *policy, bool only_required)
{
	struct names names = {0};

	each_base(policy, only_required, note_name, &names);
	if (names.count > 0)
		qsort(names.texts, names.count, sizeof *names.texts, compare_names);
	return names;
}

static void
free_names(struct names *self)
{
	for (size_t i = 0; i < self->count; i++)
		free(self->texts[i]);
	free(self->texts);
}

static bool
is_same(const struct names *a, const struct names *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->texts[i], b->texts[i]) != 0)
			return false;
	return true;
}

static void
copy_version(const char *folder, const struct catalogue_image_version *version, void *arg)
{
	catalogue_image_writer_add_version(arg, folder, version);
}

static void
copy_file(const char *path, const struct catalogue_image_file *file, void *arg)
{
	catalogue_image_writer_add_file(arg, path, file);
}

/* The bases of AFTER that are not among BEFORE have not been looked at. */
static void
add_pending(
    struct catalogue_image_writer *writer, const struct names *before, const struct names *after)
{
	const struct catalogue_image_version pending = {.state = CATALOGUE_IMAGE_PENDING};

	for (size_t i = 0; i < after->count; i++)
		if (before->count == 0 || bsearch(&after->texts[i], before->texts, before->count,
		                              sizeof *before->texts, compare_names) == NULL)
			catalogue_image_writer_add_version(writer, after->texts[i], &pending);
}

int
catalogues_carry_over(
    const struct config *config, const struct catalogues_move *move, struct problems *problems)
{
	struct names old = bases_of(move->before, false), new = bases_of(move->after, false);
	struct names old_required = bases_of(move->before, true);
	struct names new_required = bases_of(move->after, true);
	const char *defect = NULL;
	struct catalogue_image *image = catalogue_image_open(move->previous, &defect);
	int fd = -1;

	if (image == NULL) {
		problems_add(problems, config->catalogues.folder, 0,
		    "the image of the catalogues %s", defect);
	} else if (!move->is_due && is_same(&old, &new) && is_same(&old_required, &new_required)) {
		fd = fcntl(move->previous, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			problems_add(problems, config->catalogues.folder, 0,
			    "the catalogues cannot go on: %s", strerror(errno));
	} else if ((fd = new_image(config, problems)) >= 0) {
		const struct catalogue_image_header *header = catalogue_image_header(image);
		struct catalogue_image_writer *writer = begin_image(config, move->after, fd);
		add_pending(writer, &old, &new);
		catalogue_image_each_version(image, copy_version, writer);
		catalogue_image_each_file(image, copy_file, writer);
		fd = end_image(config, fd, writer, header->origin,
		    move->is_due ? LONG_AGO : header->until, problems);
	}
	catalogue_image_free(image);
	free_names(&old);
	free_names(&new);
	free_names(&old_required);
	free_names(&new_required);
	return fd;
}

/* --- saying what is there, and what changed */

void
catalogues_count(const struct catalogue_image *image, struct metrics *metrics, unsigned slot)
{
	static const struct catalogue_image_header none;
	const struct catalogue_image_header *header =
	    image != NULL ? catalogue_image_header(image) : &none;

	metrics_set(metrics, slot, METRIC_CATALOGUE_FILES, header->files);
	metrics_set(metrics, slot, METRIC_CATALOGUES_UNTIL, (uint64_t)header->until);
	metrics_set(metrics, slot, METRIC_CATALOGUES, header->versions[CATALOGUE_IMAGE_VALID]);
	metrics_set(
	    metrics, slot, METRIC_CATALOGUES_EXPIRED, header->versions[CATALOGUE_IMAGE_EXPIRED]);
	metrics_set(
	    metrics, slot, METRIC_CATALOGUES_REFUSED, header->versions[CATALOGUE_IMAGE_REFUSED]);
	metrics_set(
	    metrics, slot, METRIC_CATALOGUES_PENDING, header->versions[CATALOGUE_IMAGE_PENDING]);
	metrics_set(metrics, slot, METRIC_CATALOGUES_LOST, header->versions[CATALOGUE_IMAGE_LOST]);
}

struct description {
	struct buffer text;
	size_t changes;
};

static void
on_change(const char *folder, enum catalogue_image_state before, enum catalogue_image_state after,
    void *arg)
{
	struct description *self = arg;
	const char *what = "replaced";

	if (before == CATALOGUE_IMAGE_PENDING && after == CATALOGUE_IMAGE_ABSENT)
		return; /* it was a base, whose folders have been looked at since */
	if (after == CATALOGUE_IMAGE_ABSENT)
		what = "removed";
	else if (after == CATALOGUE_IMAGE_PENDING)
		what = "not read yet";
	else if (after == CATALOGUE_IMAGE_LOST)
		what = "lost";
	else if (after == CATALOGUE_IMAGE_EXPIRED)
		what = "expired";
	else if (after == CATALOGUE_IMAGE_REFUSED)
		what = "refused";
	else if (before == CATALOGUE_IMAGE_ABSENT)
		what = "added";
	if (self->changes++ < NAMED_MAX)
		buffer_printf(&self->text, "%.80s %s, ", folder, what);
}

void
catalogues_describe(const struct catalogue_image *before, const struct catalogue_image *after,
    char text[CATALOGUES_CHANGE_MAX])
{
	const struct catalogue_image_header *header = catalogue_image_header(after);
	struct description self = {0};
	char more[32] = "";

	catalogue_image_each_change(before, after, on_change, &self);
	if (self.changes > NAMED_MAX)
		(void)snprintf(more, sizeof more, "and %zu more, ", self.changes - NAMED_MAX);
	int n = snprintf(text, CATALOGUES_CHANGE_MAX,
	    "%.*s%snow %u valid with %u files, %u expired, %u refused",
	    (int)buffer_size(&self.text), self.changes > 0 ? buffer_bytes(&self.text) : "", more,
	    header->versions[CATALOGUE_IMAGE_VALID], header->files,
	    header->versions[CATALOGUE_IMAGE_EXPIRED], header->versions[CATALOGUE_IMAGE_REFUSED]);
	uint32_t pending = header->versions[CATALOGUE_IMAGE_PENDING];
	uint32_t lost = header->versions[CATALOGUE_IMAGE_LOST];
	assert(n > 0 && n < CATALOGUES_CHANGE_MAX);
	if (pending > 0 || lost > 0)
		(void)snprintf(text + n, CATALOGUES_CHANGE_MAX - (size_t)n,
		    ", %u not read yet, %u lost", pending, lost);
	buffer_fini(&self.text);
}
