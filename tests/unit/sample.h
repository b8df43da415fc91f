/*
 * A smallest good mirrorgate.yaml, to be changed line by line.
 *
 * The tests of the configuration replace one of its lines or add some after its end, and say what
 * must come of it. What is not as it must be fails the running cmocka test.
 */
#ifndef TESTS_UNIT_SAMPLE_H
#define TESTS_UNIT_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config/config.h"

enum {
	SAMPLE_ADDED = 12, /* the first line after its end */
	SAMPLE_FOLDER_MAX = 64,
	SAMPLE_FILE_MAX = 80,
};

/* The folder that sample_setup() makes, and the file in it. */
extern char sample_folder[SAMPLE_FOLDER_MAX], sample_file[SAMPLE_FILE_MAX];

/* Fixtures for cmocka_run_group_tests(). */
int sample_setup(void **state);
int sample_teardown(void **state);

/* Returns the sample with line REPLACED (0: none) as REPLACEMENT, and ADDITION after its end;
 * valid until the next call. */
const char *sample_text(size_t replaced, const char *replacement, const char *addition);

/* Makes TEXT the content of the file. */
void sample_write(const char *text);

/* Loads TEXT, or the sample so changed, which must be good. The caller frees the result. */
struct config *sample_load(const char *text, bool unsafe_any_port);
struct config *sample_load_line(size_t line, const char *replacement);
struct config *sample_load_added(const char *addition);

/* Loads TEXT, whose problems must be exactly EXPECTED, each "LINE: MESSAGE\n". */
void sample_refuse(const char *text, bool unsafe_any_port, const char *expected);

/* Loads the sample so changed, whose only problem must be MESSAGE at that line. */
void sample_refuse_line(size_t line, const char *replacement, const char *message);
void sample_refuse_added(const char *addition, const char *message);

/* PATH must be NAME in the folder of the file. */
void sample_in_folder(const char *path, const char *name);

#endif
