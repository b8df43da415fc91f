/*
 * Files in memory that nobody can change any more: memfds with all seals.
 */
#ifndef GATEWAY_SEALED_FILE_H
#define GATEWAY_SEALED_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Makes one that holds the LEN bytes at BYTES; NAME is for /proc. -1 with errno set. */
int sealed_file_new(const char *name, const char *bytes, size_t len);
/* Seals the memfd FD as it is. False with errno set. */
bool sealed_file_seal(int fd);

/* One, mapped for reading. */
struct sealed_bytes {
	const char *bytes; /* NULL: there is none */
	size_t len;
};

/* Maps FD; -1 maps to none. False with errno set. */
bool sealed_file_map(int fd, struct sealed_bytes *mapped);
void sealed_file_unmap(struct sealed_bytes *mapped);

/* True when both are there and hold the same bytes. */
bool sealed_file_is_same(int a, int b);

#endif
