/*
 * The disk. The hard part is to promise no more than the kernel does: only file systems of which is
 * known what syncfs() means are trusted with it. Others, such as those on a network or in user
 * space, and overlays, have their files synced one by one. (ext2 has the number of ext4 and no
 * journal: a crash there may mix up the order of names, and the next fetch mends it from a server.)
 */
#include "disk.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FEW = 16 }; /* files: each waits for its own bytes only */

/* Before 5.8 it does not tell what failed. */
static bool
tells_errors(void)
{
	struct utsname kernel;
	char *rest;

	if (uname(&kernel) != 0)
		return false;
	unsigned long major = strtoul(kernel.release, &rest, 10);
	unsigned long minor = *rest == '.' ? strtoul(rest + 1, NULL, 10) : 0;
	return major > 5 || (major == 5 && minor >= 8);
}

bool
disk_takes_batch(int folder, unsigned long count)
{
	struct statfs disk;

	if (count <= FEW || fstatfs(folder, &disk) != 0 || !tells_errors())
		return false;
	switch ((unsigned long)disk.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC:
		return true;
	default:
		return false;
	}
}

bool
disk_sync(int folder)
{
	return syncfs(folder) == 0;
}
