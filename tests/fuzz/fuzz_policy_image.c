/*
 * A hostile policy image must not hurt the worker that opens it.
 *
 * An input that begins like a tinycdb file is taken as an image: once as it is, and once with
 * magic, length and checksum put right, since otherwise hardly any would be opened. Any other
 * input is a list of records (kind, key, value, each with its length before it), from which a
 * sound tinycdb file with unsound contents is made.
 */
#include <cdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "policy/policy_image.h"
#include "policy/policy_verify.h"
#include "policy_questions.h"

enum {
	TABLE_SIZE = 2048, /* tinycdb's first table; then comes the header record */
	HEADER_MAX = 128,
};

static void
open_and_ask(const void *image, size_t len)
{
	char error[POLICY_ERROR_MAX] = "";
	int fd = policy_questions_memfd(image, len);
	struct policy *policy = policy_open(fd, "fuzz", error);

	FUZZ_REQUIRE((policy != NULL) == (error[0] == '\0'));
	close(fd);
	if (policy != NULL) {
		policy_questions_ask(policy);
		(void)policy_verify(policy);
	}
	policy_free(policy);
}

/* Writes the beginning of a header record over IMAGE, as far as LEN goes, and seals it. */
static void
make_openable(unsigned char *image, size_t len)
{
	struct buffer header = {0};
	unsigned char start[HEADER_MAX];
	size_t magic = strlen(policy_image_magic);

	policy_image_put_header(&header, &(struct policy_image_header){0});
	cdb_pack((unsigned)magic, start);
	cdb_pack((unsigned)buffer_size(&header), start + 4);
	memcpy(start + 8, policy_image_magic, magic);
	memcpy(start + 8 + magic, header.data, 4); /* the format; what follows is the input's */
	if (len >= TABLE_SIZE + 8 + magic + buffer_size(&header)) {
		memcpy(image + TABLE_SIZE, start, 8 + magic + 4);
		policy_image_seal(image, len);
	}
	buffer_fini(&header);
}

static void
try_image(const uint8_t *data, size_t size)
{
	char *image = fuzz_copy(data, size);

	open_and_ask(image, size);
	make_openable((unsigned char *)image, size);
	open_and_ask(image, size);
	free(image);
}

/* Adds one record of the input; product keys are numbers, so that licences can name them. */
static void
add_record(struct cdb_make *make, struct fuzz_input *input)
{
	struct policy_image_key key;
	size_t key_len, value_len;
	enum policy_image_kind kind = (enum policy_image_kind)fuzz_take_byte(input);
	const char *name = (const char *)fuzz_take(input, fuzz_take_byte(input), &key_len);
	const uint8_t *value = fuzz_take(input, fuzz_take_byte(input), &value_len);

	if (kind == POLICY_IMAGE_PRODUCT && key_len == 1)
		policy_image_product_key(&key, (unsigned char)name[0]);
	else
		FUZZ_REQUIRE(policy_image_key(&key, kind, name, key_len));
	FUZZ_REQUIRE(cdb_make_add(make, key.bytes, key.len, value, (unsigned)value_len) == 0);
}

static void
write_records(int fd, struct fuzz_input input)
{
	struct cdb_make make;
	struct buffer header = {0};

	policy_image_put_header(&header, &(struct policy_image_header){.serial = 1,
	                                     .customers = fuzz_take_byte(&input),
	                                     .longest_rule = fuzz_take_byte(&input)});
	FUZZ_REQUIRE(cdb_make_start(&make, fd) == 0);
	FUZZ_REQUIRE(cdb_make_add(&make, policy_image_magic, (unsigned)strlen(policy_image_magic),
	                 header.data, (unsigned)buffer_size(&header)) == 0);
	while (input.at < input.end)
		add_record(&make, &input);
	FUZZ_REQUIRE(cdb_make_finish(&make) == 0);
	buffer_fini(&header);
}

static void
try_records(const uint8_t *data, size_t size)
{
	struct stat status;
	int fd = policy_questions_memfd("", 0);

	write_records(fd, (struct fuzz_input){data, data + size});
	FUZZ_REQUIRE(fstat(fd, &status) == 0);
	size_t len = (size_t)status.st_size;
	unsigned char *image = malloc(len);
	FUZZ_REQUIRE(image != NULL && pread(fd, image, len, 0) == (ssize_t)len);
	close(fd);
	policy_image_seal(image, len);
	open_and_ask(image, len);
	free(image);
}

/* The first table of a tinycdb file: offsets that are small, and so hold zeros. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= TABLE_SIZE && data[3] == 0)
		try_image(data, size);
	else
		try_records(data, size);
	return 0;
}
