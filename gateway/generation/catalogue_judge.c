/*
 * Judging one catalogue. The hard part is that files change while they are read: catalogue and
 * signature are read from one open folder, so that they are of one version even when folders are
 * exchanged.
 */
#include "catalogue_judge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/value.h"
#include "crypto/digest.h"
#include "crypto/signature.h"

enum { SECONDS_PER_DAY = 86400 };

/* One catalogue's text and signature. */
struct candidate {
	const struct catalogue_folder *folder;
	struct buffer text, signature;
	struct catalogue_verdict *verdict;
	time_t now;
};

bool
catalogue_judge_may_be_over(int error)
{
	static const int visible[] = {ENOENT, ELOOP, EINVAL, EFBIG, EACCES, ENXIO};

	for (size_t i = 0; i < sizeof visible / sizeof *visible; i++)
		if (error == visible[i])
			return false;
	return true;
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
	if (catalogue_judge_may_be_over(errno))
		self->verdict->version.until = self->now + CATALOGUE_JUDGE_RETRY_SECONDS;
	(void)snprintf(self->verdict->reason, sizeof self->verdict->reason, "%s cannot be read: %s",
	    name, errno == ELOOP ? "it is a symbolic link" : strerror(errno));
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
check_signature(const struct signer *signer, struct candidate *candidate)
{
	struct pem signature = {CATALOGUE_SIGNATURE_NAME, buffer_bytes(&candidate->signature),
	    buffer_size(&candidate->signature)};
	char error[TLS_ERROR_MAX];

	if (signer->pem.bytes == NULL)
		(void)snprintf(candidate->verdict->reason, sizeof candidate->verdict->reason,
		    "%s cannot be read", signer->pem.name);
	else if (!signature_verify(signer, &signature, buffer_bytes(&candidate->text),
	             buffer_size(&candidate->text), error))
		(void)snprintf(
		    candidate->verdict->reason, sizeof candidate->verdict->reason, "%s", error);
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
	size_t size = sizeof candidate->verdict->reason;

	if (catalogue == NULL)
		(void)snprintf(candidate->verdict->reason, size, CATALOGUE_NAME " %s", defect);
	else if (!is_product_of(candidate->folder, catalogue->product))
		(void)snprintf(candidate->verdict->reason, size,
		    CATALOGUE_NAME " is one of the product %s", catalogue->product);
	else if (strcmp(catalogue->version, candidate->folder->version) != 0)
		(void)snprintf(candidate->verdict->reason, size,
		    CATALOGUE_NAME " is one of version %s", catalogue->version);
	if (candidate->verdict->reason[0] == '\0')
		return catalogue;
	catalogue_free(catalogue);
	return NULL;
}

/* Notes what was found to be genuine; whether it is still valid shows here. */
static void
take(const struct candidate *self, struct catalogue *catalogue)
{
	struct catalogue_verdict *verdict = self->verdict;
	uint32_t day = 0;

	verdict->catalogue = catalogue;
	verdict->version.state = CATALOGUE_IMAGE_EXPIRED;
	digest_sha256(buffer_bytes(&self->text), buffer_size(&self->text), verdict->version.digest);
	if (!catalogue_is_current(catalogue, self->now))
		return;
	verdict->version.state = CATALOGUE_IMAGE_VALID;
	(void)value_day(catalogue->expires, &day);
	verdict->version.until = ((time_t)day + 1) * SECONDS_PER_DAY;
}

void
catalogue_judge(const struct catalogue_folder *folder, const struct signer *signer, time_t now,
    struct catalogue_verdict *verdict)
{
	struct candidate candidate = {.folder = folder, .verdict = verdict, .now = now};
	struct catalogue *catalogue = NULL;

	*verdict = (struct catalogue_verdict){.version = {.state = CATALOGUE_IMAGE_ABSENT}};
	bool found = read_candidate(&candidate);
	verdict->read = buffer_size(&candidate.text) + buffer_size(&candidate.signature);
	if (found && verdict->reason[0] == '\0')
		check_signature(signer, &candidate);
	if (found && verdict->reason[0] == '\0')
		catalogue = parse(&candidate);
	if (catalogue != NULL)
		take(&candidate, catalogue);
	else if (found)
		verdict->version.state = CATALOGUE_IMAGE_REFUSED;
	buffer_fini(&candidate.text);
	buffer_fini(&candidate.signature);
}

void
catalogue_judge_verdict_fini(struct catalogue_verdict *self)
{
	catalogue_free(self->catalogue);
	self->catalogue = NULL;
}
