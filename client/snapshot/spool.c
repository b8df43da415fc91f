/*
 * The spool. The hard part is that any step may be the last one of this process: each leaves the
 * folders so that the next process goes on, and what it finds half-done is done again.
 *
 * The folder outgoing/ is locked, shared, while a file is put there, so that what a killed process
 * left of one can be told from what another one is just writing.
 */
#include "spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/common/lock.h"
#include "client/common/report.h"
#include "inventory.h"

enum {
	TIME_LEN = 26, /* "20261124T144329.123456789Z" */
	SHA256_LEN = DIGEST_SHA256_SIZE - 1,
	TEMP_SUFFIX_LEN = 7, /* ".XXXXXX", which file_write() appends */
	REASON_MAX = 4096,
};

#define SUFFIX ".json"
#define REASON_SUFFIX ".reason"

struct spool {
	char *outgoing, *receipts, *refused; /* names of folders */
	int folder;                          /* outgoing/ */
	int lock;                            /* held by who sends */
	int adding;                          /* shared by who writes into outgoing/ */
};

static void
digest_of(const struct buffer *text, struct digest *digest)
{
	struct digest_run *run = digest_run_new();

	digest_run_add(run, buffer_bytes(text), buffer_size(text));
	digest_run_finish(run, digest);
	digest_run_free(run);
}

/* ---- the folders --------------------------------------------------------------------------- */

static bool
make_folder(const char *name, struct failure *failure)
{
	return mkdir(name, 0755) == 0 || errno == EEXIST || failure_errno(failure, "make", name);
}

/* What was just made survives a crash, too. */
static bool
sync_folder(const char *name, struct failure *failure)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (!done)
		failure_errno(failure, "sync", name);
	if (fd >= 0)
		close(fd);
	return done;
}

static bool
open_locks(struct spool *self, const char *state, struct failure *failure)
{
	int above = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (above >= 0) {
		self->lock = lock_open(above, "lock");
		self->adding = self->lock >= 0 ? lock_open(above, "adding") : -1;
	}
	bool done = self->adding >= 0 || failure_errno(failure, "open the locks in", state);
	if (above >= 0)
		close(above);
	return done;
}

static bool
open_folders(struct spool *self, const char *state, struct failure *failure)
{
	bool done = false;

	if (make_folder(state, failure) && make_folder(self->outgoing, failure) &&
	    make_folder(self->receipts, failure) && make_folder(self->refused, failure) &&
	    sync_folder(state, failure)) {
		self->folder = open(self->outgoing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		done = (self->folder >= 0 || failure_errno(failure, "open", self->outgoing)) &&
		       open_locks(self, state, failure);
	}
	return done;
}

struct spool *
spool_open(const char *state, struct failure *failure)
{
	struct spool *self = buffer_alloc(sizeof *self);

	*self = (struct spool){
	    .outgoing = buffer_text("%s/outgoing", state),
	    .receipts = buffer_text("%s/receipts", state),
	    .refused = buffer_text("%s/refused", state),
	    .folder = -1,
	    .lock = -1,
	    .adding = -1,
	};
	if (open_folders(self, state, failure))
		return self;
	spool_close(self);
	return NULL;
}

void
spool_close(struct spool *self)
{
	if (self == NULL)
		return;
	if (self->folder >= 0)
		close(self->folder);
	if (self->lock >= 0)
		close(self->lock);
	if (self->adding >= 0)
		close(self->adding);
	free(self->outgoing);
	free(self->receipts);
	free(self->refused);
	free(self);
}

/* True for what file_write() leaves of a file of SUFFIX when it is killed. */
static bool
is_leftover_of(const char *file, const char *suffix)
{
	size_t len = strlen(file), tail = strlen(suffix) + TEMP_SUFFIX_LEN;

	return len > tail && strncmp(file + len - tail, suffix, strlen(suffix)) == 0 &&
	       file[len - TEMP_SUFFIX_LEN] == '.';
}

/* Only the holder of the lock writes into FOLDER: what is half-done there is a dead one's. */
static void
sweep(const char *folder, const char *suffix)
{
	struct dirent **files = NULL;
	int count = scandir(folder, &files, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char *name = buffer_text("%s/%s", folder, files[i]->d_name);
		if (is_leftover_of(files[i]->d_name, suffix))
			unlink(name);
		free(name);
		free(files[i]);
	}
	free(files);
}

bool
spool_lock(struct spool *self, struct failure *failure)
{
	if (!lock_take(self->lock, LOCK_EX, self->outgoing, failure))
		return false;
	sweep(self->receipts, SUFFIX);
	sweep(self->refused, REASON_SUFFIX);
	return true;
}

/* ---- what waits ------------------------------------------------------------------------------ */

static bool
is_sha256(const char *text)
{
	return strspn(text, "0123456789abcdef") == SHA256_LEN;
}

/* Reads TIME-SYSTEM-SHA256.json; false for anything else. */
static bool
read_entry(const char *file, struct spool_entry *entry)
{
	const size_t fixed = TIME_LEN + 1 + 1 + SHA256_LEN + sizeof SUFFIX - 1;
	size_t len = strlen(file);

	if (len <= fixed || len - fixed >= SPOOL_SYSTEM_SIZE || file[TIME_LEN] != '-')
		return false;
	const char *system = file + TIME_LEN + 1, *sha256 = system + (len - fixed) + 1;
	if (!isdigit((unsigned char)file[0]) || sha256[-1] != '-' || !is_sha256(sha256) ||
	    strcmp(sha256 + SHA256_LEN, SUFFIX) != 0)
		return false;
	snprintf(entry->system, sizeof entry->system, "%.*s", (int)(len - fixed), system);
	snprintf(entry->sha256, sizeof entry->sha256, "%.*s", SHA256_LEN, sha256);
	return inventory_is_name(entry->system);
}

static void
take_name(struct spool *self, const char *file, bool alone, struct spool_list *list)
{
	struct spool_entry entry = {0};

	if (!read_entry(file, &entry)) {
		if (alone && is_leftover_of(file, SUFFIX))
			unlinkat(self->folder, file, 0);
		return;
	}
	entry.file = buffer_strdup(file);
	list->entries = realloc(list->entries, (list->count + 1) * sizeof *list->entries);
	if (list->entries == NULL)
		abort();
	list->entries[list->count++] = entry;
}

bool
spool_list(struct spool *self, struct spool_list *list, struct failure *failure)
{
	struct dirent **files = NULL;
	bool alone = flock(self->adding, LOCK_EX | LOCK_NB) == 0;
	int count = scandir(self->outgoing, &files, NULL, alphasort);

	*list = (struct spool_list){0};
	for (int i = 0; i < count; i++) {
		take_name(self, files[i]->d_name, alone, list);
		free(files[i]);
	}
	free(files);
	flock(self->adding, LOCK_UN);
	return count >= 0 || failure_errno(failure, "read", self->outgoing);
}

void
spool_list_fini(struct spool_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].file);
	free(list->entries);
	*list = (struct spool_list){0};
}

/* ---- into it --------------------------------------------------------------------------------- */

/* Names sort by time. Two that are made at once may come in any order. */
static char *
entry_name(const char *system, const char *sha256)
{
	struct timespec now;
	struct tm tm;
	char seconds[32], *name = NULL;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(seconds, sizeof seconds, "%Y%m%dT%H%M%S", &tm);
	name = buffer_text("%s.%09ldZ-%s-%s" SUFFIX, seconds, now.tv_nsec, system, sha256);
	return name;
}

/* The file of the latest entry of SYSTEM, when it has SHA256; NULL otherwise. */
static char *
find_same(const struct spool_list *list, const char *system, const char *sha256)
{
	for (size_t i = list->count; i-- > 0;) {
		const struct spool_entry *entry = &list->entries[i];
		if (strcmp(entry->system, system) == 0)
			return strcmp(entry->sha256, sha256) == 0 ? buffer_strdup(entry->file)
			                                          : NULL;
	}
	return NULL;
}

static char *
write_entry(struct spool *self, const char *system, const char *sha256, const struct buffer *text,
    struct failure *failure)
{
	char *file = entry_name(system, sha256);
	char *name = buffer_text("%s/%s", self->outgoing, file);

	if (!lock_take(self->adding, LOCK_SH, self->outgoing, failure) ||
	    !file_write(name, text, failure)) {
		free(file);
		file = NULL;
	}
	flock(self->adding, LOCK_UN);
	free(name);
	return file;
}

char *
spool_add(
    struct spool *self, const char *system, const struct buffer *text, struct failure *failure)
{
	struct spool_list list = {0};
	struct digest digest;

	if (!spool_list(self, &list, failure))
		return NULL;
	digest_of(text, &digest);
	char *file = find_same(&list, system, digest.sha256);
	spool_list_fini(&list);
	return file != NULL ? file : write_entry(self, system, digest.sha256, text, failure);
}

/* ---- out of it ------------------------------------------------------------------------------- */

bool
spool_read(const struct spool *self, const struct spool_entry *entry, struct buffer *text,
    struct failure *failure)
{
	char *name = buffer_text("%s/%s", self->outgoing, entry->file);
	struct digest digest;
	bool done = file_read(name, INVENTORY_MAX_BYTES, text, failure);

	if (done) {
		digest_of(text, &digest);
		done = strcmp(digest.sha256, entry->sha256) == 0 ||
		       failure_set(
		           failure, FAILURE_SNAPSHOT, "%s is not what was written there", name);
	}
	if (!done)
		buffer_fini(text);
	free(name);
	return done;
}

char *
spool_receipt_name(const struct spool *self, const struct spool_entry *entry)
{
	return buffer_text("%s/%s-%s" SUFFIX, self->receipts, entry->system, entry->sha256);
}

bool
spool_keep_receipt(struct spool *self, const struct spool_entry *entry,
    const struct buffer *receipt, struct failure *failure)
{
	char *name = spool_receipt_name(self, entry);
	bool done = file_write(name, receipt, failure) &&
	            ((unlinkat(self->folder, entry->file, 0) == 0 && fsync(self->folder) == 0) ||
	                failure_errno(failure, "remove", entry->file));

	free(name);
	return done;
}

bool
spool_refuse(struct spool *self, const struct spool_entry *entry, const char *reason,
    struct failure *failure)
{
	char *from = buffer_text("%s/%s", self->outgoing, entry->file);
	char *to = buffer_text("%s/%s", self->refused, entry->file);
	char *name = buffer_text("%s" REASON_SUFFIX, to);
	struct buffer text = {0};

	buffer_printf(&text, "%s\n", reason);
	bool done = file_write(name, &text, failure) &&
	            (rename(from, to) == 0 || failure_errno(failure, "move away", from)) &&
	            sync_folder(self->refused, failure) && sync_folder(self->outgoing, failure);
	buffer_fini(&text);
	free(name);
	free(to);
	free(from);
	return done;
}

bool
spool_was_taken(const struct spool *self, const char *file, struct failure *failure)
{
	char *refused = buffer_text("%s/%s", self->refused, file);
	char *name = buffer_text("%s" REASON_SUFFIX, refused);
	struct buffer text = {0};
	bool taken = access(refused, F_OK) != 0 && errno == ENOENT;

	if (!taken && file_read(name, REASON_MAX, &text, failure))
		failure_set(failure, FAILURE_REFUSED, "the snapshot is put aside: %.*s",
		    (int)buffer_size(&text), text.data != NULL ? buffer_bytes(&text) : "");
	buffer_fini(&text);
	free(name);
	free(refused);
	return taken;
}

const char *
spool_outgoing(const struct spool *self)
{
	return self->outgoing;
}
