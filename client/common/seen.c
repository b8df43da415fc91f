/* The folder and its lock. Nothing is hard here. */
#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "lock.h"

#define LOCK_NAME ".lock" /* no product is called that */

static bool
make_folder(const char *name, struct failure *failure)
{
	return mkdir(name, 0777) == 0 || errno == EEXIST || failure_errno(failure, "make", name);
}

static int
take_lock(const char *folder, struct failure *failure)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int lock = root >= 0 ? lock_open(root, LOCK_NAME) : -1;

	if (lock < 0)
		failure_errno(failure, "lock", folder);
	if (root >= 0)
		close(root);
	if (lock >= 0 && !lock_take(lock, LOCK_EX, folder, failure)) {
		close(lock);
		lock = -1;
	}
	return lock;
}

int
seen_lock(const char *cache, struct failure *failure)
{
	char *folder = buffer_text("%s/" SEEN_FOLDER, cache);
	int lock = -1;

	if (make_folder(cache, failure) && make_folder(folder, failure))
		lock = take_lock(folder, failure);
	free(folder);
	return lock;
}
