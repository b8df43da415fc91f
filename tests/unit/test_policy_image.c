/*
 * Policy images: complete and deterministic, refused when damaged, harmless when hostile.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "policy/policy_image.h"
#include "policy_fixture.h"

static const char policy_text[] =
    "serial: 7\n"
    "products:\n"
    "  - {id: core, paths: [/core/, /keys.asc], except: [/core/internal/]}\n"
    "  - {id: tools, paths: [/core/tools/, /tools/]}\n"
    "customers:\n"
    "  - id: acme\n"
    "    subjects: [CN=acme]\n"
    "    products:\n"
    "      - {id: core, from: 2026-01-01, until: 2026-12-31}\n"
    "      - {id: tools}\n"
    "    rate: 5M\n"
    "  - {id: globex, subjects: [CN=globex], products: [{id: tools, until: 2026-01-31}]}\n"
    "probes: [CN=probe]\n"
    "observers: [CN=ops]\n";

/* An image in memory. */
struct image {
	unsigned char *bytes;
	size_t len;
};

static struct image
read_image(int fd)
{
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	struct image image = {malloc((size_t)status.st_size), (size_t)status.st_size};
	assert_int_equal(pread(fd, image.bytes, image.len, 0), image.len);
	return image;
}

static struct image
new_image(void)
{
	int fd = compiled(policy_text);
	struct image image = read_image(fd);
	close(fd);
	return image;
}

static int
memfd_of(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	return fd;
}

static struct policy *
try_open(const void *bytes, size_t len, char error[POLICY_ERROR_MAX])
{
	int fd = memfd_of(bytes, len);
	struct policy *policy = policy_open(fd, "img", error);
	close(fd);
	return policy;
}

static void
assert_open_fails(const void *bytes, size_t len, const char *word)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *policy = try_open(bytes, len, error);
	if (policy != NULL || strncmp(error, "img: ", 5) != 0 || strstr(error, word) == NULL)
		fail_msg("%zu bytes: %s, \"%s\"", len, policy ? "opened" : "refused", error);
}

static void
count_texts(const struct policy_licence *licence, void *arg)
{
	size_t *bytes = arg;
	*bytes += strlen(licence->product) + strlen(licence->from) + strlen(licence->until);
	for (size_t i = 0; licence->paths[i] != NULL; i++)
		*bytes += strlen(licence->paths[i]);
	for (size_t i = 0; licence->except[i] != NULL; i++)
		*bytes += strlen(licence->except[i]);
}

/* Asks everything there is to ask. The answers may be wrong, but must be answers. */
static void
ask_all(const struct policy *policy)
{
	static const char *const subjects[] = {
	    "CN=acme", "CN=globex", "CN=probe", "CN=ops", "CN=x"};
	static const char *const paths[] = {"/core/x", "/core/internal/x", "/core/tools/x",
	    "/keys.asc", "/tools/a/b/c", "/metrics", "/x", "/"};
	time_t now = at("2026-06-01");
	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
		struct policy_caller caller = policy_find_caller(policy, subjects[i]);
		assert_true(caller.role <= POLICY_ROLE_OBSERVER);
		assert_true(strlen(caller.customer) <= POLICY_ID_MAX);
		for (size_t j = 0; j < sizeof paths / sizeof paths[0]; j++) {
			struct policy_decision decision = policy_decide_download(
			    policy, &caller, paths[j], strlen(paths[j]), now);
			assert_true(strlen(decision.product) <= POLICY_ID_MAX);
			assert_true(decision.verdict <= POLICY_NOT_PERMITTED);
			assert_true(j < 5 || decision.verdict != POLICY_ALLOW);
		}
		size_t bytes = 0;
		policy_each_licence(policy, &caller, now, count_texts, &bytes);
	}
}

static void
test_the_same_policy_always_gives_the_same_image(void **state)
{
	(void)state;
	struct image one = new_image(), two = new_image();
	assert_int_equal(one.len, two.len);
	assert_memory_equal(one.bytes, two.bytes, one.len);
	free(one.bytes);
	free(two.bytes);
}

static void
test_an_image_compiles_to_a_copy_of_itself(void **state)
{
	(void)state;
	struct image image = new_image();
	struct problems *problems = problems_new();
	int fd = policy_compile_text("img", (const char *)image.bytes, image.len, 0, problems);
	assert_int_equal(problems_count(problems), 0);
	struct image copy = read_image(fd);
	assert_int_equal(copy.len, image.len);
	assert_memory_equal(copy.bytes, image.bytes, image.len);
	close(fd);
	problems_free(problems);
	free(copy.bytes);
	free(image.bytes);
}

static void
test_yaml_and_images_are_told_apart_by_content(void **state)
{
	(void)state;
	char folder[] = "/tmp/policy-image-XXXXXX", name[64];
	struct image image = new_image();
	assert_non_null(mkdtemp(folder));
	snprintf(name, sizeof name, "%s/policy.yaml", folder);
	const void *contents[] = {policy_text, image.bytes};
	const size_t lengths[] = {strlen(policy_text), image.len};
	for (size_t i = 0; i < 2; i++) {
		struct problems *problems = problems_new();
		int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(file, contents[i], lengths[i]), lengths[i]);
		close(file);
		int fd = policy_compile(name, 0, problems);
		assert_true(fd >= 0);
		struct image result = read_image(fd);
		assert_memory_equal(result.bytes, image.bytes, image.len);
		free(result.bytes);
		close(fd);
		problems_free(problems);
	}
	unlink(name);
	rmdir(folder);
	free(image.bytes);
}

static void
test_a_damaged_image_is_reported_as_a_problem(void **state)
{
	(void)state;
	struct image image = new_image();
	struct problems *problems = problems_new();
	assert_int_equal(
	    policy_compile_text("img", (char *)image.bytes, image.len - 1, 0, problems), -1);
	image.bytes[image.len - 1] ^= 1;
	assert_int_equal(
	    policy_compile_text("img", (char *)image.bytes, image.len, 0, problems), -1);
	char nothing[4096] = {0};
	assert_int_equal(policy_compile_text("img", nothing, sizeof nothing, 0, problems), -1);
	assert_int_equal(problems_count(problems), 3);
	assert_string_equal(problems_text(problems, 0), "img: is an incomplete policy image");
	assert_string_equal(
	    problems_text(problems, 1), "img: is a damaged policy image (wrong checksum)");
	assert_string_equal(problems_text(problems, 2), "img: is not a policy image");
	problems_free(problems);
	free(image.bytes);
}

static void
test_a_sealed_image_opens(void **state)
{
	(void)state;
	char error[POLICY_ERROR_MAX] = "";
	int fd = compiled(policy_text);
	assert_int_equal(
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	struct policy *policy = policy_open(fd, "img", error);
	close(fd);
	if (policy == NULL)
		fail_msg("%s", error);
	assert_int_equal(policy_serial(policy), 7);
	policy_free(policy);
}

static void
test_an_image_cut_at_any_length_is_refused(void **state)
{
	(void)state;
	struct image image = new_image();
	for (size_t len = 0; len < image.len; len++)
		assert_open_fails(image.bytes, len, "policy image");
	free(image.bytes);
}

static void
test_bytes_after_an_image_are_refused(void **state)
{
	(void)state;
	struct image image = new_image();
	image.bytes = realloc(image.bytes, image.len + 1);
	image.bytes[image.len] = 0;
	assert_open_fails(image.bytes, image.len + 1, "incomplete");
	free(image.bytes);
}

static void
test_an_image_with_any_byte_changed_is_refused(void **state)
{
	(void)state;
	static const unsigned char changes[] = {0x01, 0x80, 0xff};
	struct image image = new_image();
	for (size_t at_byte = 0; at_byte < image.len; at_byte++) {
		for (size_t i = 0; i < sizeof changes; i++) {
			image.bytes[at_byte] ^= changes[i];
			assert_open_fails(image.bytes, image.len, "policy image");
			image.bytes[at_byte] ^= changes[i];
		}
	}
	char error[POLICY_ERROR_MAX];
	struct policy *policy = try_open(image.bytes, image.len, error);
	assert_non_null(policy);
	policy_free(policy);
	free(image.bytes);
}

/* Pads the image so that it ends where its last page does, and a read past the end is noticed;
 * tinycdb does not mind. */
static struct image
new_padded_image(void)
{
	struct image image = new_image();
	size_t len = (image.len + 4095) & ~(size_t)4095;
	image.bytes = realloc(image.bytes, len);
	memset(image.bytes + image.len, 0xff, len - image.len);
	image.len = len;
	policy_image_seal(image.bytes, image.len);
	return image;
}

/* Opens the image with a checksum that fits, and asks. Returns whether it opened. */
static bool
open_forged(struct image image)
{
	char error[POLICY_ERROR_MAX];
	policy_image_seal(image.bytes, image.len);
	struct policy *policy = try_open(image.bytes, image.len, error);
	if (policy != NULL)
		ask_all(policy);
	policy_free(policy);
	return policy != NULL;
}

static void
test_a_forged_image_with_one_byte_changed_answers_safely(void **state)
{
	(void)state;
	static const unsigned char changes[] = {0x01, 0x10, 0x80, 0xff};
	struct image image = new_padded_image();
	size_t opened_count = 0;
	for (size_t at_byte = 0; at_byte < image.len; at_byte++) {
		for (size_t i = 0; i < sizeof changes; i++) {
			image.bytes[at_byte] ^= changes[i];
			opened_count += open_forged(image);
			image.bytes[at_byte] ^= changes[i];
		}
	}
	assert_true(opened_count > image.len);
	free(image.bytes);
}

static void
test_a_forged_image_with_many_bytes_changed_answers_safely(void **state)
{
	(void)state;
	uint64_t random = 20260104;
	print_message("seed %llu\n", (unsigned long long)random);
	struct image good = new_padded_image();
	struct image image = {malloc(good.len), good.len};
	size_t opened_count = 0;
	for (size_t round = 0; round < 5000; round++) {
		memcpy(image.bytes, good.bytes, good.len);
		for (size_t left = 1 + round % 16; left > 0; left--) {
			random = random * UINT64_C(6364136223846793005) + 1;
			size_t at_byte = (random >> 40) % good.len;
			image.bytes[at_byte] = (unsigned char)(random >> 32);
		}
		opened_count += open_forged(image);
	}
	assert_true(opened_count > 1000);
	free(good.bytes);
	free(image.bytes);
}

/* Overwrites each aligned or unaligned 32-bit number with numbers that break sums. */
static void
test_a_forged_image_with_extreme_numbers_answers_safely(void **state)
{
	(void)state;
	static const uint32_t extremes[] = {0, 0x7fffffff, 0xfffffff0, 0xffffffff};
	struct image image = new_padded_image();
	for (size_t at_byte = 0; at_byte + 4 <= image.len; at_byte++) {
		unsigned char before[4];
		memcpy(before, image.bytes + at_byte, 4);
		for (size_t i = 0; i < sizeof extremes / sizeof extremes[0]; i++) {
			memcpy(image.bytes + at_byte, &extremes[i], 4);
			open_forged(image);
		}
		memcpy(image.bytes + at_byte, before, 4);
	}
	assert_true(open_forged(image));
	free(image.bytes);
}

/* Without its NUL an exception cannot be read, and nobody knows what it excepted. */
static void
test_a_product_with_a_damaged_exception_covers_nothing(void **state)
{
	(void)state;
	static const char except[] = "/core/internal/";
	char error[POLICY_ERROR_MAX];
	struct image image = new_image();
	unsigned char *found = memmem(image.bytes, image.len, except, sizeof except);
	assert_non_null(found);
	for (int damaged = 0; damaged < 2; damaged++) {
		found[strlen(except)] = damaged ? 'x' : '\0';
		policy_image_seal(image.bytes, image.len);
		struct policy *policy = try_open(image.bytes, image.len, error);
		assert_non_null(policy);
		struct policy_caller caller = policy_find_caller(policy, "CN=acme");
		enum policy_verdict verdict =
		    policy_decide_download(policy, &caller, "/core/x", 7, at("2026-06-01")).verdict;
		assert_int_equal(verdict, damaged ? POLICY_NOT_LICENSED : POLICY_ALLOW);
		policy_free(policy);
	}
	free(image.bytes);
}

/* What policy_open_known() leaves out is the checksum, and nothing else. */
static void
test_a_known_image_is_not_summed_again(void **state)
{
	(void)state;
	char error[POLICY_ERROR_MAX] = "";
	struct image image = new_image();
	image.bytes[image.len - 1] ^= 1;
	assert_open_fails(image.bytes, image.len, "wrong checksum");
	int fd = memfd_of(image.bytes, image.len);
	struct policy *policy = policy_open_known(fd, "img", error);
	assert_non_null(policy);
	policy_free(policy);
	assert_int_equal(ftruncate(fd, (off_t)image.len - 1), 0);
	assert_null(policy_open_known(fd, "img", error));
	assert_string_equal(error, "img: is an incomplete policy image");
	close(fd);
	free(image.bytes);
}

static void
test_other_files_are_refused(void **state)
{
	(void)state;
	char error[POLICY_ERROR_MAX] = "";
	assert_open_fails("", 0, "is not a policy image");
	assert_open_fails(policy_text, strlen(policy_text), "is not a policy image");
	struct image image = new_image();
	image.bytes[2048 + 8 + strlen(policy_image_magic)]++;
	assert_open_fails(image.bytes, image.len, "another format");
	free(image.bytes);

	int fd = memfd_create("huge", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)5 << 30), 0);
	assert_null(policy_open(fd, "huge", error));
	assert_string_equal(error, "huge: is not a policy image");
	close(fd);
	assert_null(policy_open(-1, "none", error));
	assert_string_equal(error, "none: Bad file descriptor");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_same_policy_always_gives_the_same_image),
	    cmocka_unit_test(test_an_image_compiles_to_a_copy_of_itself),
	    cmocka_unit_test(test_yaml_and_images_are_told_apart_by_content),
	    cmocka_unit_test(test_a_damaged_image_is_reported_as_a_problem),
	    cmocka_unit_test(test_a_sealed_image_opens),
	    cmocka_unit_test(test_an_image_cut_at_any_length_is_refused),
	    cmocka_unit_test(test_bytes_after_an_image_are_refused),
	    cmocka_unit_test(test_an_image_with_any_byte_changed_is_refused),
	    cmocka_unit_test(test_a_forged_image_with_one_byte_changed_answers_safely),
	    cmocka_unit_test(test_a_forged_image_with_many_bytes_changed_answers_safely),
	    cmocka_unit_test(test_a_forged_image_with_extreme_numbers_answers_safely),
	    cmocka_unit_test(test_a_product_with_a_damaged_exception_covers_nothing),
	    cmocka_unit_test(test_a_known_image_is_not_summed_again),
	    cmocka_unit_test(test_other_files_are_refused),
	};
	return cmocka_run_group_tests_name("policy_image", tests, NULL, NULL);
}
