/*
 * Going through the snapshots of a store: a folder for each customer, in it one for each system, in
 * that its snapshots. The one hard part is that a store's folder can hold anything: each step goes
 * from an open folder to a name in it that is no link, and one snapshot is in memory beside the
 * best so far.
 */
#include "fleet_read.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/value.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "crypto/digest.h"

#define SNAPSHOTS "snapshots"
#define SUFFIX ".json"

/* An open folder on the way. */
struct place {
	struct fleet *fleet;
	const char *name, *path;
	int fd;
};

struct snapshot {
	char *file; /* its name; NULL: there is none */
	struct timespec modified;
	struct inventory inventory;
};

static void
pass_over(struct fleet *fleet, const struct failure *failure)
{
	report_note("warning: passed over: %s", failure->text);
	fleet->passed_over++;
}

/* Opens NAME in PLACE, which is called PATH; -1 with FAILURE and errno set. A pipe is not waited
 * for. */
static int
open_in(const struct place *place, const char *name, const char *path, int flags,
    struct failure *failure)
{
	struct stat st;
	int fd = openat(
	    place->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	if (fd >= 0)
		return fd;
	int reason = errno;
	failure_errno(failure, "open", path);
	if (fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		failure_set(failure, FAILURE_LOCAL, "%s is a symbolic link", path);
	errno = reason;
	return -1;
}

/* ---- a folder ----------------------------------------------------------------------------- */

typedef void visitor(const struct place *place, const char *name, const char *path, void *arg);

/* Calls VISIT for each name in PLACE, whose descriptor it closes. */
static void
visit_all(const struct place *place, visitor *visit, void *arg)
{
	struct failure failure;
	const struct dirent *entry;
	DIR *stream = fdopendir(place->fd);

	if (stream == NULL)
		abort();
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while ((errno = 0, entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *path = buffer_text("%s/%s", place->path, entry->d_name);
		visit(place, entry->d_name, path, arg);
		free(path);
	}
	if (errno != 0) {
		failure_errno(&failure, "read", place->path);
		pass_over(place->fleet, &failure);
	}
	closedir(stream);
}

/* Goes through the folder NAME in ABOVE; it is no link. */
static void
descend(const struct place *above, const char *name, const char *path, visitor *visit, void *arg)
{
	struct failure failure;
	struct place place = {above->fleet, name, path, -1};

	place.fd = open_in(above, name, path, O_DIRECTORY, &failure);
	if (place.fd >= 0)
		visit_all(&place, visit, arg);
	else
		pass_over(above->fleet, &failure);
}

/* ---- a snapshot --------------------------------------------------------------------------- */

/* True when the file NAME may hold TEXT: a store has it by its digest. */
static bool
is_named_for(const char *name, const struct buffer *text)
{
	char sha256[DIGEST_SHA256_SIZE];

	digest_sha256_hex(buffer_bytes(text), buffer_size(text), sha256);
	return strncmp(name, sha256, strlen(sha256)) == 0 &&
	       strcmp(name + strlen(sha256), SUFFIX) == 0;
}

static bool
is_file_name(const char *name)
{
	size_t len = strspn(name, "0123456789abcdef");

	return len == DIGEST_SHA256_SIZE - 1 && strcmp(name + len, SUFFIX) == 0;
}

/* Fills in the SNAPSHOT of SYSTEM, whose file has its name and is open as FD. */
static bool
read_open(int fd, const struct place *system, const char *path, struct snapshot *snapshot,
    struct failure *failure)
{
	struct buffer text = {0};
	struct stat st;

	if (fstat(fd, &st) != 0)
		return failure_errno(failure, "read", path);
	if (!file_read_fd(fd, path, INVENTORY_MAX_BYTES, &text, failure))
		return false;
	snapshot->modified = st.st_mtim;
	bool done = is_named_for(snapshot->file, &text);
	if (done)
		done = inventory_read_snapshot(
		    &snapshot->inventory, &text, path, system->name, failure);
	else
		failure_set(failure, FAILURE_SNAPSHOT, "%s is not what its name says", path);
	buffer_fini(&text);
	return done;
}

static bool
read_file(const struct place *system, const char *path, struct snapshot *snapshot,
    struct failure *failure)
{
	if (!is_file_name(snapshot->file))
		return failure_set(
		    failure, FAILURE_SNAPSHOT, "%s: no snapshot has such a name", path);
	int fd = open_in(system, snapshot->file, path, 0, failure);
	if (fd < 0)
		return false;
	bool done = read_open(fd, system, path, snapshot, failure);
	close(fd);
	return done;
}

static bool
is_newer(const struct snapshot *a, const struct snapshot *b)
{
	if (b->file == NULL || a->modified.tv_sec != b->modified.tv_sec)
		return b->file == NULL || a->modified.tv_sec > b->modified.tv_sec;
	if (a->modified.tv_nsec != b->modified.tv_nsec)
		return a->modified.tv_nsec > b->modified.tv_nsec;
	return strcmp(a->file, b->file) > 0;
}

static void
snapshot_fini(struct snapshot *self)
{
	inventory_fini(&self->inventory);
	free(self->file);
}

/* ARG is the newest snapshot of SYSTEM so far. */
static void
visit_file(const struct place *system, const char *name, const char *path, void *arg)
{
	struct snapshot *newest = arg, snapshot = {.file = buffer_strdup(name)};
	struct failure failure;

	if (!read_file(system, path, &snapshot, &failure)) {
		pass_over(system->fleet, &failure);
	} else if (is_newer(&snapshot, newest)) {
		struct snapshot older = *newest;
		*newest = snapshot;
		snapshot = older;
	}
	snapshot_fini(&snapshot);
}

/* ---- systems and customers ---------------------------------------------------------------- */

static void
refuse_name(const struct place *place, const char *path, const char *what)
{
	struct failure failure;

	failure_set(&failure, FAILURE_SNAPSHOT, "%s: no %s has such a name", path, what);
	pass_over(place->fleet, &failure);
}

static void
visit_system(const struct place *customer, const char *name, const char *path, void *arg)
{
	struct snapshot newest = {0};

	(void)arg;
	if (!inventory_is_name(name)) {
		refuse_name(customer, path, "system");
		return;
	}
	descend(customer, name, path, visit_file, &newest);
	if (newest.file != NULL)
		fleet_add(customer->fleet, customer->name, name, newest.modified.tv_sec,
		    &newest.inventory);
	snapshot_fini(&newest);
}

static void
visit_customer(const struct place *snapshots, const char *name, const char *path, void *arg)
{
	if (value_is_id(name))
		descend(snapshots, name, path, visit_system, arg);
	else
		refuse_name(snapshots, path, "customer");
}

bool
fleet_read(struct fleet *fleet, const char *folder, struct failure *failure)
{
	struct place place = {fleet, SNAPSHOTS, NULL, -1};
	struct place root = {fleet, folder, folder, -1};

	root.fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0)
		return failure_errno(failure, "open", folder);
	char *path = buffer_text("%s/" SNAPSHOTS, folder);
	place.path = path;
	place.fd = open_in(&root, SNAPSHOTS, path, O_DIRECTORY, failure);
	bool empty = place.fd < 0 && errno == ENOENT;
	close(root.fd);
	if (place.fd >= 0)
		visit_all(&place, visit_customer, NULL);
	else if (empty)
		report_note("there is no %s: nobody has sent a snapshot yet", path);
	free(path);
	return place.fd >= 0 || empty;
}
