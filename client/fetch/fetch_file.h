/* One file of a version, in the folder where it belongs. Below ROOT, which the caller has locked,
 * no symbolic link is ever followed. */
#ifndef CLIENT_FETCH_FILE_H
#define CLIENT_FETCH_FILE_H

#include "catalogue/catalogue.h"
#include "fetch_names.h"

/* Opens the folder below ROOT in which PATH's last segment stands, which *NAME is set to. -1 with
 * errno set when it is not there, or is no folder. ROOT is -1, here and below, for a folder that is
 * not there yet: there is nothing in it. */
int fetch_file_open_folder(int root, const char *path, const char **name);

/* True when FILE stands below ROOT as the catalogue has it, to the last byte. Who may execute it
 * does not count. */
bool fetch_file_is_there(int root, const struct catalogue_file *file);

/* The same at the path WHERE instead of FILE's own. */
bool fetch_file_is_at(int root, const char *where, const struct catalogue_file *file);

/* True when FILE is there, and it may be executed if it was released so, unless the version before,
 * OLD (or NULL), had it the same way: then the folder's owner has changed that. */
bool fetch_file_fits(int root, const struct catalogue_file *file, const struct catalogue_file *old);

/* True when what stands at FILE's path has its kind, and its size unless it is configuration, or is
 * the link that it is. Nothing is read. */
bool fetch_file_looks_right(int root, const struct catalogue_file *file);

/* The permissions of the regular file at PATH; -1 when there is none. */
int fetch_file_mode(int root, const char *path);

/* True when anything stands at PATH. */
bool fetch_file_exists(int root, const char *path);

/* True when a regular file or a symbolic link stands at PATH. */
bool fetch_file_is_file_or_link(int root, const char *path);

/* True when PATH below ROOT and OTHER_PATH below OTHER_ROOT are regular files with the same bytes,
 * or links to the same. */
bool fetch_file_is_same(int root, const char *path, int other_root, const char *other_path);

/* Takes away the file or link at PATH, if there is one. */
void fetch_file_unlink(int root, const char *path);

/* Takes FILE away if it still is as the catalogue has it, and the folders that are empty then and
 * in which KEEP has nothing. False when it is there and is something else. */
bool fetch_file_remove(int root, const struct catalogue_file *file, const struct fetch_names *keep);

/* The name number N, from 0, under which what somebody has changed is kept beside the new file
 * LAST: "LAST.orig", "LAST.orig.1". A long LAST is cut, before a character, so that the name is
 * none that is too long. The caller frees it. */
char *fetch_file_name_aside(const char *last, unsigned n);

#endif
