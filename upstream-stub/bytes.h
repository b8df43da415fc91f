/*
 * A growing run of bytes: everything the stub composes or keeps until a socket takes it.
 * A zeroed struct is an empty run. Running out of memory ends the program with a message:
 * a test store has nothing better to do.
 */
#ifndef STUB_BYTES_H
#define STUB_BYTES_H

#include <stddef.h>

struct bytes {
	char *data; /* always NUL-terminated once something was added */
	size_t len;
	size_t size;
};

void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_add_text(struct bytes *b, const char *text);
void bytes_addf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds `count` times the byte `fill`. */
void bytes_add_fill(struct bytes *b, char fill, size_t count);

/* Takes the first `len` bytes away; the memory stays for what comes next. */
void bytes_drop(struct bytes *b, size_t len);

/* Releases the memory; the run is empty and usable again. */
void bytes_fini(struct bytes *b);

#endif
