/*
 * Images of catalogues: what was written is found, what changed is seen, what is damaged is refused
 * or harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "catalogue/catalogue_image.h"

#define CORE "/artifacts/core/10.3/"
#define PLUS "/artifacts/plus/7.1/"
#define OLD "/artifacts/core/9.1/"

enum { UNTIL = 1000 };

static const unsigned char origin[CATALOGUE_IMAGE_DIGEST] = "where it came from";

static int
new_memfd(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	return fd;
}

static struct catalogue_image_file
file_of(uint64_t size, unsigned char mark)
{
	struct catalogue_image_file file = {.size = size};
	memset(file.sha256, mark, sizeof file.sha256);
	return file;
}

static void
add_version(struct catalogue_image_writer *writer, const char *folder,
    enum catalogue_image_state state, unsigned char mark)
{
	struct catalogue_image_version version = {.state = state};
	memset(version.digest, mark, sizeof version.digest);
	catalogue_image_writer_add_version(writer, folder, &version);
}

static void
add_file(struct catalogue_image_writer *writer, const char *path, uint64_t size, unsigned char mark)
{
	struct catalogue_image_file file = file_of(size, mark);
	catalogue_image_writer_add_file(writer, path, &file);
}

static struct catalogue_image *
open_and_close(int fd)
{
	const char *defect;
	struct catalogue_image *image = catalogue_image_open(fd, &defect);
	close(fd);
	if (image == NULL)
		fail_msg("%s", defect);
	assert_null(defect);
	return image;
}

/* A valid version, an expired one, and one that is refused. */
static int
write_sample(void)
{
	int fd = new_memfd();
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	add_file(writer, CORE "a.zip", 7, 1);
	add_file(writer, CORE "doc/b.txt", UINT64_C(1) << 40, 2);
	add_version(writer, CORE, CATALOGUE_IMAGE_VALID, 3);
	add_version(writer, OLD, CATALOGUE_IMAGE_EXPIRED, 4);
	add_version(writer, PLUS, CATALOGUE_IMAGE_REFUSED, 0);
	assert_true(catalogue_image_writer_end(writer, origin, UNTIL));
	return fd;
}

static enum catalogue_image_answer
ask(const struct catalogue_image *image, const char *path, struct catalogue_image_file *file)
{
	return catalogue_image_find(image, path, strlen(path), file);
}

static void
test_what_was_written_is_found(void **state)
{
	(void)state;
	struct catalogue_image *image = open_and_close(write_sample());
	struct catalogue_image_file found, wanted = file_of(7, 1);
	assert_int_equal(ask(image, CORE "a.zip", &found), CATALOGUE_IMAGE_FILE);
	assert_memory_equal(&found, &wanted, sizeof found);
	wanted = file_of(UINT64_C(1) << 40, 2);
	assert_int_equal(ask(image, CORE "doc/b.txt", &found), CATALOGUE_IMAGE_FILE);
	assert_memory_equal(&found, &wanted, sizeof found);
	catalogue_image_free(image);
}

static void
test_the_header_counts_and_says_where_it_came_from(void **state)
{
	(void)state;
	struct catalogue_image *image = open_and_close(write_sample());
	const struct catalogue_image_header *header = catalogue_image_header(image);
	assert_memory_equal(header->origin, origin, sizeof origin);
	assert_int_equal(header->until, UNTIL);
	assert_int_equal(header->files, 2);
	assert_int_equal(header->versions[CATALOGUE_IMAGE_VALID], 1);
	assert_int_equal(header->versions[CATALOGUE_IMAGE_EXPIRED], 1);
	assert_int_equal(header->versions[CATALOGUE_IMAGE_REFUSED], 1);
	catalogue_image_free(image);
}

static void
test_what_was_not_written_is_not_found(void **state)
{
	(void)state;
	static const char *const paths[] = {"/", "/artifacts/", CORE, CORE "a.zi", CORE "a.zipp",
	    CORE "doc/", "/other" CORE "a.zip", OLD "a.zip", "", ("V" CORE), "H"};
	struct catalogue_image *image = open_and_close(write_sample());
	struct catalogue_image_file file;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_int_equal(ask(image, paths[i], &file), CATALOGUE_IMAGE_NO_RECORD);
	char longest[PATH_MAX_BYTES + 2];
	memset(longest, 'x', sizeof longest);
	for (size_t less = 0; less < 3; less++)
		assert_int_equal(catalogue_image_find(image, longest, sizeof longest - less, &file),
		    CATALOGUE_IMAGE_NO_RECORD);
	catalogue_image_free(image);
}

static void
test_everything_below_a_refused_folder_is_not_trusted(void **state)
{
	(void)state;
	struct catalogue_image *image = open_and_close(write_sample());
	struct catalogue_image_file file;
	assert_int_equal(ask(image, PLUS "a", &file), CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_int_equal(ask(image, PLUS "deep/er/a", &file), CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_int_equal(ask(image, PLUS, &file), CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_int_equal(ask(image, "/artifacts/plus/7.1", &file), CATALOGUE_IMAGE_NO_RECORD);
	assert_int_equal(ask(image, "/artifacts/plus/7.10/a", &file), CATALOGUE_IMAGE_NO_RECORD);
	assert_int_equal(ask(image, "/artifacts/plus/a", &file), CATALOGUE_IMAGE_NO_RECORD);
	catalogue_image_free(image);
}

/* 1,000 paths of 2,048 folders each. To ask for every folder would take seconds. */
static void
test_a_path_of_many_folders_costs_no_more_than_another(void **state)
{
	(void)state;
	struct catalogue_image *image = open_and_close(write_sample());
	struct catalogue_image_file file;
	char path[PATH_MAX_BYTES];
	for (size_t i = 0; i < sizeof path; i++)
		path[i] = i % 2 == 0 ? '/' : 'a';
	clock_t began = clock();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(catalogue_image_find(image, path, sizeof path, &file),
		    CATALOGUE_IMAGE_NO_RECORD);
	assert_true(clock() - began < CLOCKS_PER_SEC);
	catalogue_image_free(image);
}

static void
test_a_file_below_a_folder_that_another_reading_refused_is_not_trusted(void **state)
{
	(void)state;
	int fd = new_memfd();
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	struct catalogue_image_file file;
	add_file(writer, CORE "a.zip", 7, 1);
	add_version(writer, CORE, CATALOGUE_IMAGE_VALID, 3);
	add_version(writer, "/artifacts/core/", CATALOGUE_IMAGE_REFUSED, 0);
	assert_true(catalogue_image_writer_end(writer, origin, 0));
	struct catalogue_image *image = open_and_close(fd);
	assert_int_equal(ask(image, CORE "a.zip", &file), CATALOGUE_IMAGE_NOT_TRUSTED);
	catalogue_image_free(image);
}

static void
test_an_image_may_be_empty(void **state)
{
	(void)state;
	int fd = new_memfd();
	struct catalogue_image_file file;
	assert_true(catalogue_image_writer_end(catalogue_image_writer_new(fd), origin, 0));
	struct catalogue_image *image = open_and_close(fd);
	assert_int_equal(ask(image, CORE "a.zip", &file), CATALOGUE_IMAGE_NO_RECORD);
	assert_int_equal(catalogue_image_header(image)->files, 0);
	catalogue_image_free(image);
}

static void
test_an_image_that_cannot_be_written_is_not_one(void **state)
{
	(void)state;
	int pipe_ends[2];
	assert_int_equal(pipe(pipe_ends), 0);
	close(pipe_ends[0]);
	struct catalogue_image_writer *writer = catalogue_image_writer_new(pipe_ends[0]);
	add_file(writer, CORE "a.zip", 7, 1);
	assert_false(catalogue_image_writer_end(writer, origin, 0));
	close(pipe_ends[1]);
}

/* --- changes */

struct changes {
	char text[1024];
};

static void
on_change(const char *folder, enum catalogue_image_state before, enum catalogue_image_state after,
    void *arg)
{
	struct changes *changes = arg;
	size_t len = strlen(changes->text);
	snprintf(changes->text + len, sizeof changes->text - len, "%s %d-%d\n", folder, (int)before,
	    (int)after);
}

static void
test_what_changed_is_what_is_another_or_gone(void **state)
{
	(void)state;
	int fd = new_memfd();
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	struct changes changes = {""};
	add_version(writer, CORE, CATALOGUE_IMAGE_VALID, 9);
	add_version(writer, PLUS, CATALOGUE_IMAGE_REFUSED, 0);
	add_version(writer, "/new/1/", CATALOGUE_IMAGE_VALID, 1);
	assert_true(catalogue_image_writer_end(writer, origin, 0));
	struct catalogue_image *before = open_and_close(write_sample()),
	                       *after = open_and_close(fd);
	catalogue_image_each_change(before, after, on_change, &changes);
	assert_string_equal(changes.text, CORE " 1-1\n/new/1/ 0-1\n" OLD " 2-0\n");
	changes.text[0] = '\0';
	catalogue_image_each_change(NULL, before, on_change, &changes);
	assert_string_equal(changes.text, CORE " 0-1\n" OLD " 0-2\n" PLUS " 0-3\n");
	changes.text[0] = '\0';
	catalogue_image_each_change(after, after, on_change, &changes);
	assert_string_equal(changes.text, "");
	catalogue_image_free(before);
	catalogue_image_free(after);
}

/* --- damage */

struct bytes {
	unsigned char *data;
	size_t len;
};

static struct bytes
read_sample(void)
{
	struct stat status;
	int fd = write_sample();
	assert_int_equal(fstat(fd, &status), 0);
	struct bytes bytes = {malloc((size_t)status.st_size), (size_t)status.st_size};
	assert_non_null(bytes.data);
	assert_int_equal(pread(fd, bytes.data, bytes.len, 0), bytes.len);
	close(fd);
	return bytes;
}

static struct catalogue_image *
try_open(const void *data, size_t len, const char **defect)
{
	int fd = new_memfd();
	assert_int_equal(write(fd, data, len), len);
	struct catalogue_image *image = catalogue_image_open(fd, defect);
	close(fd);
	return image;
}

static void
test_a_part_of_an_image_is_refused(void **state)
{
	(void)state;
	struct bytes sample = read_sample();
	const char *defect;
	for (size_t len = 0; len < sample.len; len++) {
		assert_null(try_open(sample.data, len, &defect));
		assert_non_null(defect);
	}
	unsigned char *more = realloc(sample.data, sample.len + 8);
	assert_non_null(more);
	memset(more + sample.len, 0, 8);
	assert_null(try_open(more, sample.len + 8, &defect));
	assert_string_equal(defect, "is an incomplete image of catalogues");
	free(more);
}

static void
test_another_tinycdb_file_is_refused(void **state)
{
	(void)state;
	unsigned char empty[2048];
	const char *defect;
	for (size_t i = 0; i < sizeof empty; i++)
		empty[i] = i % 8 == 1 ? 8 : 0; /* every table at 2048, without slots */
	assert_null(try_open(empty, sizeof empty, &defect));
	assert_string_equal(defect, "is not an image of catalogues of this format");
}

/* Asks all there is to ask; any answer will do. */
static void
ask_all(const struct catalogue_image *image)
{
	static const char *const paths[] = {CORE "a.zip", CORE "doc/b.txt", PLUS "a", OLD "x", "/"};
	struct catalogue_image_file file;
	struct changes changes = {""};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_true(ask(image, paths[i], &file) <= CATALOGUE_IMAGE_NOT_TRUSTED);
	catalogue_image_each_change(NULL, image, on_change, &changes);
}

static void
test_a_damaged_byte_is_refused_or_does_no_harm(void **state)
{
	(void)state;
	struct bytes sample = read_sample();
	const char *defect;
	size_t opened = 0;
	for (size_t i = 0; i < sample.len; i++) {
		for (unsigned flip = 1; flip < 256; flip = flip * 16 + 15) {
			sample.data[i] ^= (unsigned char)flip;
			struct catalogue_image *image = try_open(sample.data, sample.len, &defect);
			opened += image != NULL;
			if (image != NULL)
				ask_all(image);
			catalogue_image_free(image);
			sample.data[i] ^= (unsigned char)flip;
		}
	}
	assert_true(opened > 0);
	free(sample.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_was_written_is_found),
	    cmocka_unit_test(test_the_header_counts_and_says_where_it_came_from),
	    cmocka_unit_test(test_what_was_not_written_is_not_found),
	    cmocka_unit_test(test_everything_below_a_refused_folder_is_not_trusted),
	    cmocka_unit_test(test_a_path_of_many_folders_costs_no_more_than_another),
	    cmocka_unit_test(
	        test_a_file_below_a_folder_that_another_reading_refused_is_not_trusted),
	    cmocka_unit_test(test_an_image_may_be_empty),
	    cmocka_unit_test(test_an_image_that_cannot_be_written_is_not_one),
	    cmocka_unit_test(test_what_changed_is_what_is_another_or_gone),
	    cmocka_unit_test(test_a_part_of_an_image_is_refused),
	    cmocka_unit_test(test_another_tinycdb_file_is_refused),
	    cmocka_unit_test(test_a_damaged_byte_is_refused_or_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
