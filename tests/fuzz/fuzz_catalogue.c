/*
 * Catalogues: what is read prints as the same bytes, and every path in it leads below its folder.
 */
#include <stdlib.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "fuzz.h"

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return 0;
}

static void
require_same_text(const struct catalogue *catalogue, const char *text, size_t len)
{
	struct buffer out = {0};

	catalogue_print(catalogue, &out);
	FUZZ_REQUIRE(buffer_size(&out) == len);
	FUZZ_REQUIRE(memcmp(buffer_bytes(&out), text, len) == 0);
	buffer_fini(&out);
}

/* Whatever path_defect() thinks of it. */
static void
require_harmless(const char *path)
{
	FUZZ_REQUIRE(path[0] != '\0' && path[0] != '/' && path[strlen(path) - 1] != '/');
	FUZZ_REQUIRE(strstr(path, "//") == NULL && strpbrk(path, "\\%?;*") == NULL);
	for (const char *segment = path; segment != NULL;) {
		const char *slash = strchr(segment, '/');
		size_t len = slash != NULL ? (size_t)(slash - segment) : strlen(segment);
		FUZZ_REQUIRE(!(len == 1 && segment[0] == '.'));
		FUZZ_REQUIRE(!(len == 2 && segment[0] == '.' && segment[1] == '.'));
		segment = slash != NULL ? slash + 1 : NULL;
	}
}

/* What would be put beside a configuration file has a name that is good, and its own. */
static void
require_room_beside(const struct catalogue *catalogue, const struct catalogue_file *file)
{
	char *beside = buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, file->path);

	FUZZ_REQUIRE(!file->config || (catalogue->rich && file->kind == CATALOGUE_FILE));
	FUZZ_REQUIRE(!file->config || catalogue_find(catalogue, beside) == NULL);
	if (file->config)
		require_harmless(beside);
	free(beside);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size), defect[CATALOGUE_DEFECT_MAX];
	struct buffer text = {.data = copy, .end = size, .capacity = size};

	memset(defect, '\1', sizeof defect);
	struct catalogue *catalogue = catalogue_read(&text, defect);
	if (catalogue != NULL) {
		require_same_text(catalogue, copy, size);
		FUZZ_REQUIRE(catalogue_is_version(catalogue->version));
		for (size_t i = 0; i < catalogue->file_count; i++) {
			const char *path = catalogue->files[i].path;
			require_harmless(path);
			require_room_beside(catalogue, &catalogue->files[i]);
			FUZZ_REQUIRE(i == 0 || strcmp(catalogue->files[i - 1].path, path) < 0);
		}
	} else {
		FUZZ_REQUIRE(strnlen(defect, sizeof defect) < sizeof defect);
		FUZZ_REQUIRE(fuzz_is_printable(defect, strlen(defect)));
	}
	catalogue_free(catalogue);
	free(copy);
	return 0;
}
