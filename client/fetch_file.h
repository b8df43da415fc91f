/* One file of a version, in the folder where it belongs. Below ROOT, which the caller has locked,
 * no symbolic link is ever followed. */
#ifndef CLIENT_FETCH_FILE_H
#define CLIENT_FETCH_FILE_H

#include "../policy/catalogue.h"
#include "cache.h"
#include "failure.h"

/* True when FILE stands below ROOT as the catalogue has it, to the last byte. */
bool fetch_file_is_there(int root, const struct catalogue_file *file);

/* True when there is anything of FILE's name below ROOT. */
bool fetch_file_exists(int root, const struct catalogue_file *file);

/* Makes FILE stand there, by a copy from CACHE. Folders are made as needed. The name holds either
 * what it held before or the right bytes, also after a crash. */
enum cache_result fetch_file_put(
    int root, const struct catalogue_file *file, struct cache *cache, struct failure *failure);

/* The same for the file NAME in ROOT itself, with TEXT in it. */
bool fetch_file_put_text(
    int root, const char *name, const struct buffer *text, struct failure *failure);

/* Takes away what a process that was killed in one of these has left. */
void fetch_file_sweep(int root);

/* Takes FILE away if it still is as the catalogue has it, and the folders that are empty then.
 * False when it is there and is something else. */
bool fetch_file_remove(int root, const struct catalogue_file *file);

#endif
