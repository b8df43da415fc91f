/*
 * The folder and its lock. The hard part is that the file goes with its holder: who has waited may
 * have got the lock of a file that has no name any more, while another one has a new file.
 */
#include "fetch_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "catalogue/catalogue.h"
#include "client/common/lock.h"

#define FETCH_LOCK_NAME CATALOGUE_PART_NAME ".lock"

/* True when LOCK still has its name in the folder. */
static bool
is_in_place(int root, int lock)
{
	struct stat named, held;

	return fstatat(root, FETCH_LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(lock, &held) == 0 && named.st_dev == held.st_dev &&
	       named.st_ino == held.st_ino;
}

/* What root leaves behind when it is killed must not keep the folder's own user out. */
static void
give_to_owner(int root, int lock)
{
	struct stat folder, file;

	if (geteuid() == 0 && fstat(root, &folder) == 0 && fstat(lock, &file) == 0 &&
	    file.st_uid != folder.st_uid)
		(void)!fchown(lock, folder.st_uid, (gid_t)-1);
}

/* The lock of ROOT, which is the folder NAME; -1 with FAILURE filled. */
static int
take(int root, const char *name, struct failure *failure)
{
	for (;;) {
		int lock = lock_open(root, FETCH_LOCK_NAME);
		if (lock < 0) {
			failure_errno(failure, "lock", name);
			return -1;
		}
		give_to_owner(root, lock);
		bool taken = lock_take(lock, LOCK_EX, name, failure);
		if (taken && is_in_place(root, lock))
			return lock;
		close(lock);
		if (!taken)
			return -1;
	}
}

bool
fetch_folder_open(struct fetch_folder *self, const char *name, const struct rights *rights,
    struct failure *failure)
{
	*self = (struct fetch_folder){-1, -1};
	if (mkdir(name, 0755) == 0 ? rights_give_folder(rights, AT_FDCWD, name) : errno == EEXIST)
		self->root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->root < 0)
		return failure_errno(failure, "open", name);
	/* What is mounted read-only can be looked at only, by as many as want to. */
	if (faccessat(self->root, ".", W_OK, AT_EACCESS) != 0 && errno == EROFS)
		return true;
	self->lock = take(self->root, name, failure);
	if (self->lock < 0)
		fetch_folder_close(self);
	return self->lock >= 0;
}

/* True when the folder NAME could be made. */
static bool
has_above(const char *name)
{
	char *copy = buffer_strdup(name);
	bool has = access(dirname(copy), F_OK) == 0;
	int saved = errno;

	free(copy);
	errno = saved;
	return has;
}

bool
fetch_folder_open_to_look(struct fetch_folder *self, const char *name, struct failure *failure)
{
	*self = (struct fetch_folder){open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1};
	return self->root >= 0 || (errno == ENOENT && has_above(name)) ||
	       failure_errno(failure, "open", name);
}

void
fetch_folder_close(struct fetch_folder *self)
{
	/* Before the lock is given up, or the file of the next one would go. */
	if (self->lock >= 0) {
		unlinkat(self->root, FETCH_LOCK_NAME, 0);
		close(self->lock);
	}
	if (self->root >= 0)
		close(self->root);
	*self = (struct fetch_folder){-1, -1};
}
