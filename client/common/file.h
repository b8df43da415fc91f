/* Small files, read and written whole. */
#ifndef CLIENT_FILE_H
#define CLIENT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "failure.h"

/* Reads the regular file NAME, at most MAX bytes, into CONTENT, which is empty. False, with FAILURE
 * filled as FAILURE_LOCAL, when it cannot. */
bool file_read(const char *name, size_t max, struct buffer *content, struct failure *failure);

/* The same of the open file FD, which is called NAME, and stays open. */
bool file_read_fd(
    int fd, const char *name, size_t max, struct buffer *content, struct failure *failure);

/* Writes all of the LEN bytes to FD; false with errno set when it cannot. */
bool file_write_all(int fd, const char *bytes, size_t len);

/* Puts CONTENT under NAME: a temporary file beside it, synced, renamed, its folder synced. Whoever
 * opens NAME, also after a crash, finds what was there before or all of CONTENT. */
bool file_write(const char *name, const struct buffer *content, struct failure *failure);

/* True when the file NAME in FOLDER holds CONTENT, and nothing else. */
bool file_holds(const char *folder, const char *name, const struct buffer *content);

/* Opens the folder NAME or, when there is none, the nearest one above it that is there. -1 with
 * errno set. */
int file_open_nearest(const char *name);

#endif
