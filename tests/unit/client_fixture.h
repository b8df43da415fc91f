/*
 * Texts and folders for the tests of the client. Include after cmocka.h.
 */
#ifndef TESTS_UNIT_CLIENT_FIXTURE_H
#define TESTS_UNIT_CLIENT_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/digest.h"

enum { CLIENT_FOLDER_SIZE = 64 };

/* TEXT as a buffer; the caller ends it. */
static inline struct buffer
client_text(const char *text)
{
	struct buffer buffer = {0};

	buffer_append(&buffer, text, strlen(text));
	return buffer;
}

static inline void
client_digest(const char *text, struct digest *digest)
{
	struct digest_run *run = digest_run_new();

	digest_run_add(run, text, strlen(text));
	digest_run_finish(run, digest);
	digest_run_free(run);
}

/* A new, empty folder; client_remove() takes it away with all that is in it. */
static inline void
client_folder(char name[CLIENT_FOLDER_SIZE])
{
	snprintf(name, CLIENT_FOLDER_SIZE, "/tmp/mirrorgate-unit-XXXXXX");
	assert_non_null(mkdtemp(name));
}

static inline void
client_remove(const char *folder)
{
	char command[CLIENT_FOLDER_SIZE + 16];

	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	assert_int_equal(system(command), 0);
}

#endif
