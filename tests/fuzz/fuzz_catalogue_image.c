/*
 * A hostile image of catalogues must not hurt the worker that opens it.
 *
 * An input that begins with 0 is taken as an image, as it is after that byte. Any other is a list
 * of records (key, value, each with its length before it), from which a sound tinycdb file is made:
 * with a header of its own, unless the input has one.
 */
#include <cdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalogue/catalogue_image.h"
#include "fuzz.h"
#include "policy_questions.h"

static void
on_change(const char *folder, enum catalogue_image_state before, enum catalogue_image_state after,
    void *arg)
{
	size_t *bytes = arg;

	*bytes += strlen(folder);
	FUZZ_REQUIRE(before < CATALOGUE_IMAGE_STATES && after < CATALOGUE_IMAGE_STATES);
}

static void
on_file(const char *path, const struct catalogue_image_file *file, void *arg)
{
	size_t *bytes = arg;

	*bytes += strlen(path) + (file->size & 1);
}

static void
on_version(const char *folder, const struct catalogue_image_version *version, void *arg)
{
	size_t *bytes = arg;

	*bytes += strlen(folder);
	FUZZ_REQUIRE(version->state < CATALOGUE_IMAGE_STATES);
}

static void
ask(const struct catalogue_image *image)
{
	static const char *const paths[] = {
	    "/a/1/x", "/a/1/", "/a", "/a/2/x", "/", "", "/aa/b/c/d"};
	struct catalogue_image_file file;
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		FUZZ_REQUIRE(catalogue_image_find(image, paths[i], strlen(paths[i]), &file) <=
		             CATALOGUE_IMAGE_NOT_TRUSTED);
	FUZZ_REQUIRE(catalogue_image_version(image, "/a/1/").state < CATALOGUE_IMAGE_STATES);
	catalogue_image_each_file(image, on_file, &bytes);
	catalogue_image_each_version(image, on_version, &bytes);
	catalogue_image_each_change(NULL, image, on_change, &bytes);
	catalogue_image_each_change(image, image, on_change, &bytes);
}

static void
open_and_ask(int fd)
{
	const char *defect;
	struct catalogue_image *image = catalogue_image_open(fd, &defect);

	FUZZ_REQUIRE((image != NULL) == (defect == NULL));
	close(fd);
	if (image != NULL)
		ask(image);
	catalogue_image_free(image);
}

/* The value of the header's record in an image without anything else. */
static void
add_header(struct cdb_make *make)
{
	static const unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	struct catalogue_image_version refused = {.state = CATALOGUE_IMAGE_REFUSED};
	int fd = policy_questions_memfd("", 0);
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	struct cdb cdb;

	catalogue_image_writer_add_version(writer, "/a/2/", &refused);
	catalogue_image_writer_add_required(writer, "/a/");
	FUZZ_REQUIRE(catalogue_image_writer_end(writer, origin, 0));
	FUZZ_REQUIRE(cdb_init(&cdb, fd) == 0 && cdb_find(&cdb, "H", 1) > 0);
	FUZZ_REQUIRE(cdb_make_add(make, "H", 1, cdb_getdata(&cdb), cdb_datalen(&cdb)) == 0);
	cdb_free(&cdb);
	close(fd);
}

static void
make_and_ask(struct fuzz_input input)
{
	struct cdb_make make;
	size_t key_len, value_len;
	int fd = policy_questions_memfd("", 0);

	FUZZ_REQUIRE(cdb_make_start(&make, fd) == 0);
	while (input.at < input.end) {
		const uint8_t *key = fuzz_take(&input, fuzz_take_byte(&input), &key_len);
		const uint8_t *value = fuzz_take(&input, fuzz_take_byte(&input), &value_len);
		FUZZ_REQUIRE(
		    cdb_make_add(&make, key, (unsigned)key_len, value, (unsigned)value_len) == 0);
	}
	add_header(&make);
	FUZZ_REQUIRE(cdb_make_finish(&make) == 0);
	open_and_ask(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == 0) {
		char *image = fuzz_copy(data + 1, size - 1);
		open_and_ask(policy_questions_memfd(image, size - 1));
		free(image);
	} else {
		make_and_ask((struct fuzz_input){data, data + size});
	}
	return 0;
}
