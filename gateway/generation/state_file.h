/*
 * Small files in state_dir, replaced as a whole.
 */
#ifndef GATEWAY_STATE_FILE_H
#define GATEWAY_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* True when there is a file, or when that cannot be told, which shows when it is read. */
bool state_file_may_exist(const char *path);

/* Makes the LEN bytes at BYTES the file NAME in the folder DIR, by way of NAME.new: on the disk
 * when it returns true. False, with errno set, leaves what was there. */
bool state_file_write(const char *dir, const char *name, const char *bytes, size_t len);

#endif
