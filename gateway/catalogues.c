/*
 * Reading catalogues. The hard part is that files change while they are read. Catalogue and
 * signature are read from one open folder, so that they are of one version even when folders are
 * exchanged; and what the files looked like (the origin) is noted before they are read, so that a
 * change in between shows at the next look.
 */
#include "catalogues.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "../policy/catalogue.h"
#include "../policy/policy_value.h"
#include "../policy/yaml_source.h"
#include "catalogue_folders.h"
#include "log.h"
#include "sealed_file.h"
#include "tls_digest.h"
#include "tls_signature.h"

enum {
	SIGNER_MAX = 1024 * 1024, /* bytes of a certificate's file */
	SECONDS_PER_DAY = 86400,
	REASON_MAX = 2048,
	NAMED_MAX = 5,      /* changed folders that a line names */
	RETRY_SECONDS = 60, /* until what could not be read is tried again */
};

static_assert((int)CATALOGUE_IMAGE_DIGEST == (int)TLS_DIGEST_SHA256_BYTES, "both are SHA-256");

/* --- the origin: what the files look like */

/* FLAGS are those of fstatat(): what is read through links is looked at through them. */
static void
add_file(struct tls_digest_stream *origin, int folder, const char *name, int flags)
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
	tls_digest_stream_add(origin, &seen, sizeof seen);
}

/* Of folders only the names count: what else is in one may change as it likes. */
static void
on_folder_seen(const struct catalogue_folder *folder, void *arg)
{
	struct tls_digest_stream *origin = arg;

	tls_digest_stream_add(origin, folder->path, strlen(folder->path) + 1);
	tls_digest_stream_add(origin, &folder->error, sizeof folder->error);
	for (size_t i = 0; i < folder->product_count; i++)
		tls_digest_stream_add(origin, folder->products[i], strlen(folder->products[i]) + 1);
	if (folder->fd < 0 || folder->version == NULL)
		return;
	add_file(origin, folder->fd, CATALOGUE_NAME, AT_SYMLINK_NOFOLLOW);
	add_file(origin, folder->fd, CATALOGUE_SIGNATURE_NAME, AT_SYMLINK_NOFOLLOW);
}

static void
look(const struct config *config, const struct policy *policy,
    unsigned char digest[CATALOGUE_IMAGE_DIGEST])
{
	struct tls_digest_stream *origin = tls_digest_stream_new();

	add_file(origin, AT_FDCWD, config->catalogues.signer, 0);
	catalogue_folders_each(policy, config->catalogues.folder, on_folder_seen, origin);
	tls_digest_stream_end(origin, digest);
	tls_digest_stream_free(origin);
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

/* --- reading */

struct reading {
	const struct config *config;
	time_t now;
	struct tls_pem signer; /* bytes NULL: it cannot be read */
	struct catalogue_image_writer *writer;
	time_t until; /* when all is to be read again; 0: never */
};

/* One catalogue's text and signature, and why it is not to be trusted. */
struct candidate {
	const struct catalogue_folder *folder;
	struct buffer text, signature;
	int error;               /* errno that kept it from being read; 0: none */
	char reason[REASON_MAX]; /* "" while there is none */
};

/* At END, which may be 0, something is no longer as it was found. */
static void
note_end(struct reading *self, time_t end)
{
	if (end != 0 && (self->until == 0 || end < self->until))
		self->until = end;
}

/* ERROR kept something from being read. A full table of descriptors, or a disk that does not
 * answer, may be over without a trace in what stat() says; the other reasons are not. */
static void
note_unread(struct reading *self, int error)
{
	static const int visible[] = {ENOENT, ELOOP, EINVAL, EFBIG, EACCES, ENXIO};

	for (size_t i = 0; i < sizeof visible / sizeof *visible; i++)
		if (error == visible[i])
			return;
	note_end(self, self->now + RETRY_SECONDS);
}

static void
refuse(struct reading *self, const struct catalogue_folder *folder, const char *reason)
{
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_REFUSED};

	log_error("catalogues: nothing below %s is served: %s", folder->path, reason);
	catalogue_image_writer_add_version(self->writer, folder->path, &version);
}

/* Reads all of FD, which was found to have SIZE bytes. */
static bool
read_all(int fd, size_t size, struct buffer *out)
{
	char *room = buffer_reserve(out, size + 1);
	size_t got = 0;

	while (got <= size) {
		ssize_t n = read(fd, room + got, size + 1 - got);
		if (n < 0)
			return false;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	buffer_commit(out, got);
	if (got == size)
		return true;
	errno = EBUSY; /* it changes under us */
	return false;
}

/* Reads the regular file NAME of FOLDER, MAX bytes at most. False with errno set. */
static bool
read_file(int folder, const char *name, size_t max, struct buffer *out)
{
	struct stat st;
	bool good = false;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0)
		goto close_fd;
	errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
	if (S_ISREG(st.st_mode) && (unsigned long long)st.st_size <= max)
		good = read_all(fd, (size_t)st.st_size, out);
close_fd:;
	int error = errno;
	close(fd);
	errno = error;
	return good;
}

static void
note_unreadable(struct candidate *self, const char *name)
{
	self->error = errno;
	(void)snprintf(self->reason, sizeof self->reason, "%s cannot be read: %s", name,
	    errno == ELOOP ? "it is a symbolic link" : strerror(errno));
}

/* False when there is no catalogue. */
static bool
read_candidate(struct candidate *self)
{
	int fd = self->folder->fd;

	if (!read_file(fd, CATALOGUE_NAME, CATALOGUE_MAX_BYTES, &self->text)) {
		if (errno == ENOENT)
			return false;
		note_unreadable(self, CATALOGUE_NAME);
	} else if (!read_file(fd, CATALOGUE_SIGNATURE_NAME, CATALOGUE_SIGNATURE_MAX_BYTES,
	               &self->signature)) {
		note_unreadable(self, CATALOGUE_SIGNATURE_NAME);
	}
	return true;
}

static void
check_signature(const struct reading *self, struct candidate *candidate)
{
	struct tls_pem signature = {CATALOGUE_SIGNATURE_NAME, buffer_bytes(&candidate->signature),
	    buffer_size(&candidate->signature)};
	char error[TLS_ERROR_MAX];

	if (self->signer.bytes == NULL)
		(void)snprintf(candidate->reason, sizeof candidate->reason, "%s cannot be read",
		    self->signer.name);
	else if (!tls_signature_verify(&self->signer, &signature, buffer_bytes(&candidate->text),
	             buffer_size(&candidate->text), error))
		(void)snprintf(candidate->reason, sizeof candidate->reason, "%s", error);
}

static bool
is_product_of(const struct catalogue_folder *folder, const char *product)
{
	for (size_t i = 0; i < folder->product_count; i++)
		if (strcmp(folder->products[i], product) == 0)
			return true;
	return false;
}

/* The catalogue, when it is one and of this folder; NULL with a reason. */
static struct catalogue *
parse(struct candidate *candidate)
{
	char defect[CATALOGUE_DEFECT_MAX];
	struct catalogue *catalogue = catalogue_read(&candidate->text, defect);
	size_t size = sizeof candidate->reason;

	if (catalogue == NULL)
		(void)snprintf(candidate->reason, size, CATALOGUE_NAME " %s", defect);
	else if (!is_product_of(candidate->folder, catalogue->product))
		(void)snprintf(candidate->reason, size, CATALOGUE_NAME " is one of the product %s",
		    catalogue->product);
	else if (strcmp(catalogue->version, candidate->folder->version) != 0)
		(void)snprintf(candidate->reason, size, CATALOGUE_NAME " is one of version %s",
		    catalogue->version);
	if (candidate->reason[0] == '\0')
		return catalogue;
	catalogue_free(catalogue);
	return NULL;
}

static unsigned char
digit(char c)
{
	return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void
add_files(
    struct reading *self, const struct catalogue_folder *folder, const struct catalogue *catalogue)
{
	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		const char *hex = file->digest.sha256;
		struct catalogue_image_file record = {.size = file->digest.size};
		char *path = NULL;
		if (hex[0] == '\0')
			continue;
		for (size_t j = 0; j < sizeof record.sha256; j++)
			record.sha256[j] =
			    (unsigned char)(digit(hex[2 * j]) << 4 | digit(hex[2 * j + 1]));
		if (asprintf(&path, "%s%s", folder->path, file->path) < 0)
			abort();
		catalogue_image_writer_add_file(self->writer, path, &record);
		free(path);
	}
}

/* Writes what was found to be genuine; whether it is still valid shows here. */
static void
take(struct reading *self, const struct candidate *candidate, const struct catalogue *catalogue)
{
	const struct catalogue_folder *folder = candidate->folder;
	struct catalogue_image_version version = {.state = CATALOGUE_IMAGE_VALID};
	uint32_t day = 0;

	tls_digest_sha256(
	    buffer_bytes(&candidate->text), buffer_size(&candidate->text), version.digest);
	if (!catalogue_is_current(catalogue, self->now)) {
		log_warning("catalogues: that of %s has expired (%s): its files are not checked",
		    folder->path, catalogue->expires);
		version.state = CATALOGUE_IMAGE_EXPIRED;
	} else {
		add_files(self, folder, catalogue);
		(void)policy_value_day(catalogue->expires, &day);
		note_end(self, ((time_t)day + 1) * SECONDS_PER_DAY);
	}
	catalogue_image_writer_add_version(self->writer, folder->path, &version);
}

static void
on_folder(const struct catalogue_folder *folder, void *arg)
{
	struct reading *self = arg;
	struct candidate candidate = {.folder = folder};
	struct catalogue *catalogue = NULL;

	if (folder->fd < 0) {
		(void)snprintf(candidate.reason, sizeof candidate.reason,
		    "the folder below %s cannot be read: %s", self->config->catalogues.folder,
		    strerror(folder->error));
		note_unread(self, folder->error);
		refuse(self, folder, candidate.reason);
		return;
	}
	if (folder->version == NULL)
		return;
	bool found = read_candidate(&candidate);
	if (candidate.error != 0)
		note_unread(self, candidate.error);
	if (found && candidate.reason[0] == '\0')
		check_signature(self, &candidate);
	if (found && candidate.reason[0] == '\0')
		catalogue = parse(&candidate);
	if (candidate.reason[0] != '\0')
		refuse(self, folder, candidate.reason);
	else if (found)
		take(self, &candidate, catalogue);
	catalogue_free(catalogue);
	buffer_fini(&candidate.text);
	buffer_fini(&candidate.signature);
}

static char *
read_signer(struct reading *self)
{
	struct problems *problems = problems_new();
	char *bytes =
	    yaml_source_read_file(self->signer.name, SIGNER_MAX, &self->signer.len, problems);

	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
	problems_free(problems);
	self->signer.bytes = bytes;
	return bytes;
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

int
catalogues_read(
    const struct config *config, const struct policy *policy, time_t now, struct problems *problems)
{
	struct reading self = {
	    .config = config, .now = now, .signer = {.name = config->catalogues.signer}};
	unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	int fd = memfd_create("catalogues", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		goto report;
	look(config, policy, origin);
	char *signer = read_signer(&self);
	note_end(&self,
	    signer != NULL ? tls_signature_next_date(&self.signer, now) : now + RETRY_SECONDS);
	self.writer = catalogue_image_writer_new(fd);
	catalogue_folders_each(policy, config->catalogues.folder, on_folder, &self);
	free(signer);
	if (catalogue_image_writer_end(self.writer, origin, self.until) && sealed_file_seal(fd))
		return fd;
report:
	problems_add(problems, config->catalogues.folder, 0,
	    "the catalogues cannot be kept in memory: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* --- saying what is there, and what changed */

void
catalogues_count(const struct catalogue_image *image, struct metrics *metrics, unsigned slot)
{
	const struct catalogue_image_header *header = catalogue_image_header(image);

	metrics_set(metrics, slot, METRIC_CATALOGUE_FILES, header->files);
	metrics_set(metrics, slot, METRIC_CATALOGUES_UNTIL, (uint64_t)header->until);
	metrics_set(metrics, slot, METRIC_CATALOGUES, header->versions[CATALOGUE_IMAGE_VALID]);
	metrics_set(
	    metrics, slot, METRIC_CATALOGUES_EXPIRED, header->versions[CATALOGUE_IMAGE_EXPIRED]);
	metrics_set(
	    metrics, slot, METRIC_CATALOGUES_REFUSED, header->versions[CATALOGUE_IMAGE_REFUSED]);
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

	if (after == CATALOGUE_IMAGE_ABSENT)
		what = "removed";
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
	(void)snprintf(text, CATALOGUES_CHANGE_MAX,
	    "%.*s%snow %u valid with %u files, %u expired, %u refused",
	    (int)buffer_size(&self.text), self.changes > 0 ? buffer_bytes(&self.text) : "", more,
	    header->versions[CATALOGUE_IMAGE_VALID], header->files,
	    header->versions[CATALOGUE_IMAGE_EXPIRED], header->versions[CATALOGUE_IMAGE_REFUSED]);
	buffer_fini(&self.text);
}
