/*
 * Files that arrive: written beside their place, synced, then moved there. A file that exists is
 * never overwritten.
 */
#ifndef STUB_FILE_PUT_H
#define STUB_FILE_PUT_H

#include <stddef.h>

struct file_store;

enum file_put_result {
	FILE_PUT_CREATED,  /* on the disk, and so is its folder entry */
	FILE_PUT_SAME,     /* a file of exactly this content was there; its time is now */
	FILE_PUT_CONFLICT, /* something else is there; nothing was changed */
	FILE_PUT_FAILED    /* errno says why; nothing is left behind */
};

/* `path` has passed file_store_is_path(). Blocks for the disk: a store must not lie about it. */
enum file_put_result file_put(
    const struct file_store *store, const char *path, const void *data, size_t len);

#endif
