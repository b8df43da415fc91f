/*
 * What the fuzz targets share.
 *
 * A target is one program: libFuzzer calls LLVMFuzzerTestOneInput() with one hostile input after
 * the other, in memory that ends with the input. A crash, a report of a sanitizer, a leak and a
 * FUZZ_REQUIRE() that does not hold are findings.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for every input. */
#define FUZZ_REQUIRE(condition) \
	((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

/* A copy whose memory ends with its last byte, so that the sanitizer sees any look ahead. The
 * caller frees it. */
char *fuzz_copy(const void *bytes, size_t len);

/* True when the LEN bytes hold TEXT, ignoring ASCII case. */
bool fuzz_holds(const char *bytes, size_t len, const char *text);

/* True for text of 0x20 to 0x7E only. */
bool fuzz_is_plain(const char *bytes, size_t len);

/* True for UTF-8 that a terminal shows as it is: no controls, and none that turn its direction. */
bool fuzz_is_printable(const char *text, size_t len);

/* An input that is cut into parts from its front. */
struct fuzz_input {
	const uint8_t *at, *end;
};

/* The next byte; 0 at the end. */
uint8_t fuzz_take_byte(struct fuzz_input *self);

/* At most N bytes; *LEN says how many there were. */
const uint8_t *fuzz_take(struct fuzz_input *self, size_t n, size_t *len);

#endif
