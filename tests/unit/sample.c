/*
 * A smallest good mirrorgate.yaml, to be changed line by line.
 */
#include "sample.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const base[] = {
    "listen:",                              /* 1 */
    "  - address: 127.0.0.1",               /* 2 */
    "    port: 443",                        /* 3 */
    "tls:",                                 /* 4 */
    "  certificate: server.crt",            /* 5 */
    "  key: server.key",                    /* 6 */
    "  client_ca: ca.crt",                  /* 7 */
    "  crl: ca.crl",                        /* 8 */
    "policy: policy.yaml",                  /* 9 */
    "store:",                               /* 10 */
    "  servers: [\"http://127.0.0.1:80\"]", /* 11 */
};

enum { BASE_LINES = sizeof base / sizeof base[0], TEXT_MAX = 16384 };

static_assert(SAMPLE_ADDED == BASE_LINES + 1, "what is added follows the last line");

char sample_folder[SAMPLE_FOLDER_MAX], sample_file[SAMPLE_FILE_MAX];

void
sample_write(const char *text)
{
	FILE *out = fopen(sample_file, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

const char *
sample_text(size_t replaced, const char *replacement, const char *addition)
{
	static char text[TEXT_MAX];
	size_t len = 0;

	for (size_t line = 1; line <= BASE_LINES; line++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s\n",
		    line == replaced ? replacement : base[line - 1]);
	len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", addition);
	assert_true(len < sizeof text);
	return text;
}

struct config *
sample_load(const char *text, bool unsafe_any_port)
{
	struct problems *problems = problems_new();
	struct config *config;

	sample_write(text);
	config = config_load(sample_file, unsafe_any_port, problems);
	problems_print(problems, stderr);
	assert_int_equal(problems_count(problems), 0);
	assert_non_null(config);
	problems_free(problems);
	return config;
}

struct config *
sample_load_added(const char *addition)
{
	return sample_load(sample_text(0, NULL, addition), false);
}

struct config *
sample_load_line(size_t line, const char *replacement)
{
	return sample_load(sample_text(line, replacement, ""), false);
}

void
sample_refuse(const char *text, bool unsafe_any_port, const char *expected)
{
	struct problems *problems = problems_new();
	char found[TEXT_MAX] = "";
	size_t len = 0;

	sample_write(text);
	assert_null(config_load(sample_file, unsafe_any_port, problems));
	for (size_t i = 0; i < problems_count(problems); i++) {
		const char *problem = problems_text(problems, i);

		assert_memory_equal(problem, sample_file, strlen(sample_file));
		len += (size_t)snprintf(
		    found + len, sizeof found - len, "%s\n", problem + strlen(sample_file) + 1);
	}
	assert_string_equal(found, expected);
	problems_free(problems);
}

void
sample_refuse_line(size_t line, const char *replacement, const char *message)
{
	char expected[1024];

	snprintf(expected, sizeof expected, "%zu: %s\n", line, message);
	sample_refuse(sample_text(line, replacement, ""), false, expected);
}

void
sample_refuse_added(const char *addition, const char *message)
{
	char expected[1024];

	snprintf(expected, sizeof expected, "%d: %s\n", SAMPLE_ADDED, message);
	sample_refuse(sample_text(0, NULL, addition), false, expected);
}

void
sample_in_folder(const char *path, const char *name)
{
	assert_memory_equal(path, sample_folder, strlen(sample_folder));
	assert_int_equal(path[strlen(sample_folder)], '/');
	assert_string_equal(path + strlen(sample_folder) + 1, name);
}

int
sample_setup(void **state)
{
	(void)state;
	snprintf(sample_folder, sizeof sample_folder, "/tmp/test_config.XXXXXX");
	if (mkdtemp(sample_folder) == NULL)
		return -1;
	snprintf(sample_file, sizeof sample_file, "%s/mirrorgate.yaml", sample_folder);
	return 0;
}

int
sample_teardown(void **state)
{
	(void)state;
	return unlink(sample_file) == 0 && rmdir(sample_folder) == 0 ? 0 : -1;
}
