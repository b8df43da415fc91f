/*
 * The folder that is served. Paths are those of requests: a slash, then segments. No path
 * leaves the folder and no symbolic link is followed, whatever the folder holds.
 */
#ifndef STUB_FILE_STORE_H
#define STUB_FILE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define FILE_STORE_ETAG_SIZE 96

enum file_store_result {
	FILE_STORE_FOUND,
	FILE_STORE_MISSING,  /* no such regular file */
	FILE_STORE_BAD_PATH, /* not a path that a file can have */
	FILE_STORE_FAILED    /* errno says why */
};

struct stored_file {
	int fd; /* the caller closes it */
	uint64_t size;
	struct timespec modified;
	char etag[FILE_STORE_ETAG_SIZE]; /* strong, with its quotes: inode, size, mtime */
};

struct file_store;

/* Opens the folder. Returns NULL with errno set. */
struct file_store *file_store_new(const char *root);
void file_store_free(struct file_store *store);

/* True when every segment is a plain name: not empty, not "." or "..". */
bool file_store_is_path(const char *path);

/* Opens a regular file for reading. `file` is set only when FILE_STORE_FOUND is returned. */
enum file_store_result file_store_open(
    const struct file_store *store, const char *path, struct stored_file *file);

/*
 * Opens the folder that holds `path`, making the missing ones on the way when `make` is set, and
 * sets `name` to the last segment. Returns a descriptor for the caller to close, or -1 with errno.
 */
int file_store_open_folder(
    const struct file_store *store, const char *path, bool make, const char **name);

#endif
