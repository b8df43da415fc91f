/*
 * How far a download is: a bar that is redrawn on a terminal, a plain line now and then elsewhere,
 * nothing when --quiet. All on standard error.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress;

/* WHAT is downloaded, FILES of BYTES together. WHAT must outlive the result. */
struct progress *progress_new(const char *what, size_t files, uint64_t bytes);

/* BYTES more are there; a negative number takes some back. */
void progress_add(struct progress *self, int64_t bytes);
void progress_file_done(struct progress *self);

/* Shows it, when it is time to. To be called several times a second. */
void progress_tick(struct progress *self);

/* Takes the bar away. NULL does nothing. */
void progress_free(struct progress *self);

enum { PROGRESS_SIZE_MAX = 16 };

/* BYTES for people: "0 B", "1023 B", "1.5 MiB". */
void progress_print_size(uint64_t bytes, char text[PROGRESS_SIZE_MAX]);

#endif
