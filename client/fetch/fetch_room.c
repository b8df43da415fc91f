/* Room. The hard part is to ask for no more than is needed, or a version that fits is refused: what
 * a cut download has left is there already, and two paths with the same bytes are loaded once. */
#include "fetch_room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/cache/cache_part.h"
#include "client/common/progress.h"

enum { OWN_FILES = 6 /* the texts, the stage, what is renamed, and what is noted */ };

struct need {
	uint64_t bytes, files;
};

static void
add(struct need *need, uint64_t size, const struct statvfs *vfs)
{
	uint64_t block = vfs->f_frsize > 0 ? vfs->f_frsize : 1;

	need->bytes += (size + block - 1) / block * block;
	need->files++;
}

/* What is written into the folder. */
static struct need
need_of_folder(const struct fetch_room *self, const struct statvfs *vfs)
{
	const struct catalogue *catalogue = self->release->catalogue;
	struct need need = {0, OWN_FILES};

	for (size_t i = 0; i < catalogue->file_count; i++) {
		if (!self->there[i])
			add(&need, catalogue->files[i].digest.size, vfs);
	}
	for (size_t i = 0; i < self->folder_count; i++)
		add(&need, 1, vfs);
	for (int texts = 0; texts < 2; texts++) /* the catalogue, and as the journal */
		add(&need, buffer_size(&self->release->text), vfs);
	add(&need, buffer_size(&self->release->signature), vfs);
	return need;
}

static int
compare(const void *a, const void *b)
{
	const struct download_item *x = a, *y = b;
	int weak = strcmp(x->digest->sha1, y->digest->sha1);

	return weak != 0 ? weak : strcmp(x->digest->sha256, y->digest->sha256);
}

/* What is loaded into the cache. */
static struct need
need_of_cache(const struct fetch_room *self, const struct statvfs *vfs, struct download_count *load)
{
	struct need need = {0, 0};
	struct download_item *items = buffer_alloc((self->item_count + 1) * sizeof *items);

	if (self->item_count > 0) {
		memcpy(items, self->items, self->item_count * sizeof *items);
		qsort(items, self->item_count, sizeof *items, compare);
	}
	for (size_t i = 0; i < self->item_count; i++) {
		uint64_t size = items[i].digest->size;
		uint64_t part = cache_part_there(self->cache, items[i].digest);
		uint64_t rest = size > part ? size - part : 0;
		if (i > 0 && compare(&items[i - 1], &items[i]) == 0)
			continue;
		add(&need, rest, vfs);
		load->files++;
		load->bytes += rest;
	}
	free(items);
	return need;
}

/* What is free for root includes what is kept for root. */
static void
put(struct fetch_room_needs *needs, const char *where, const struct need *need,
    const struct statvfs *vfs)
{
	bool all = geteuid() == 0;
	uint64_t blocks = all ? vfs->f_bfree : vfs->f_bavail;
	uint64_t files = all ? vfs->f_ffree : vfs->f_favail;
	uint64_t block = vfs->f_frsize;

	needs->disks[needs->count++] = (struct fetch_room_need){
	    .where = where,
	    .bytes = need->bytes,
	    .bytes_free = blocks <= UINT64_MAX / (block + 1) ? blocks * block : UINT64_MAX,
	    .files = need->files,
	    /* Without a fixed number of files there is no such limit. */
	    .files_free = vfs->f_files > 0 ? files : UINT64_MAX,
	};
}

bool
fetch_room_measure(
    const struct fetch_room *self, struct fetch_room_needs *needs, struct failure *failure)
{
	struct statvfs folder, cache;
	struct stat folder_st, cache_st;
	int disk = cache_disk(self->cache);

	*needs = (struct fetch_room_needs){0};
	if (fstatvfs(self->root, &folder) != 0 || fstat(self->root, &folder_st) != 0)
		return failure_errno(failure, "look at", self->folder);
	if (fstatvfs(disk, &cache) != 0 || fstat(disk, &cache_st) != 0)
		return failure_errno(failure, "look at", self->cache_folder);
	struct need here = need_of_folder(self, &folder);
	struct need loaded = need_of_cache(self, &cache, &needs->load);
	if (folder_st.st_dev == cache_st.st_dev) {
		here.bytes += loaded.bytes;
		here.files += loaded.files;
	} else {
		put(needs, self->cache_folder, &loaded, &cache);
	}
	put(needs, self->folder, &here, &folder);
	return true;
}

static bool
has_room(
    const struct catalogue *catalogue, const struct fetch_room_need *need, struct failure *failure)
{
	char needed[PROGRESS_SIZE_MAX], free_text[PROGRESS_SIZE_MAX];

	if (need->bytes > need->bytes_free) {
		progress_print_size(need->bytes, needed);
		progress_print_size(need->bytes_free, free_text);
		return failure_set(failure, FAILURE_LOCAL,
		    "%s %s needs %s on the disk of %s, and %s are free: %s", catalogue->product,
		    catalogue->version, needed, need->where, free_text, strerror(ENOSPC));
	}
	if (need->files > need->files_free)
		return failure_set(failure, FAILURE_LOCAL,
		    "%s %s needs %llu files and folders more on the disk of %s, which takes %llu: "
		    "%s",
		    catalogue->product, catalogue->version, (unsigned long long)need->files,
		    need->where, (unsigned long long)need->files_free, strerror(ENOSPC));
	return true;
}

bool
fetch_room_judge(
    const struct fetch_room *self, const struct fetch_room_needs *needs, struct failure *failure)
{
	for (size_t i = 0; i < needs->count; i++) {
		if (!has_room(self->release->catalogue, &needs->disks[i], failure))
			return false;
	}
	return true;
}

bool
fetch_room_check(const struct fetch_room *self, struct failure *failure)
{
	struct fetch_room_needs needs;

	return fetch_room_measure(self, &needs, failure) && fetch_room_judge(self, &needs, failure);
}
