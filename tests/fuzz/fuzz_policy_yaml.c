/*
 * policy.yaml: a text either has problems, each with a message, or becomes an image that opens,
 * answers, compiles to itself, and can be dumped and compiled again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "policy/policy_compile.h"
#include "policy/policy_dump.h"
#include "policy_questions.h"

/* Compiles a copy that ends with the last byte. */
static int
compile(const void *bytes, size_t len, struct problems *problems)
{
	char *text = fuzz_copy(bytes, len);
	int fd = policy_compile_text("fuzz", text, len, POLICY_QUESTIONS_NOW, problems);
	free(text);
	return fd;
}

static char *
read_image(int fd, size_t *len)
{
	struct stat status;
	FUZZ_REQUIRE(fstat(fd, &status) == 0);
	*len = (size_t)status.st_size;
	char *bytes = malloc(*len);
	FUZZ_REQUIRE(bytes != NULL && pread(fd, bytes, *len, 0) == (ssize_t)*len);
	return bytes;
}

static void
require_compiles_to(const void *bytes, size_t len, const char *image, size_t image_len)
{
	struct problems *problems = problems_new();
	size_t again_len;
	int fd = compile(bytes, len, problems);

	FUZZ_REQUIRE(fd >= 0);
	char *again = read_image(fd, &again_len);
	FUZZ_REQUIRE(again_len == image_len && memcmp(again, image, image_len) == 0);
	free(again);
	close(fd);
	problems_free(problems);
}

/* What is dumped compiles to the same image. */
static void
require_dump(const struct policy *policy, const char *image, size_t image_len)
{
	const char *defect;
	char *text = NULL;
	size_t len;
	struct policy_listing *listing = policy_listing_new(policy, &defect);

	FUZZ_REQUIRE(listing != NULL);
	FILE *out = open_memstream(&text, &len);
	FUZZ_REQUIRE(out != NULL);
	policy_dump(listing, out);
	FUZZ_REQUIRE(fclose(out) == 0);
	policy_listing_free(listing);
	require_compiles_to(text, len, image, image_len);
	free(text);
}

static void
check_image(int fd, const uint8_t *data, size_t size)
{
	char error[POLICY_ERROR_MAX];
	size_t len;
	char *image = read_image(fd, &len);
	struct policy *policy = policy_open(fd, "fuzz", error);

	FUZZ_REQUIRE(policy != NULL);
	policy_questions_ask(policy);
	require_dump(policy, image, len);
	policy_free(policy);
	require_compiles_to(data, size, image, len);
	require_compiles_to(image, len, image, len);
	free(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems *problems = problems_new();
	int fd = compile(data, size, problems);
	size_t count = problems_count(problems);

	FUZZ_REQUIRE((fd >= 0) == (count == 0));
	for (size_t i = 0; i < count; i++)
		FUZZ_REQUIRE(strncmp(problems_text(problems, i), "fuzz:", 5) == 0);
	if (fd >= 0) {
		check_image(fd, data, size);
		close(fd);
	}
	problems_free(problems);
	return 0;
}
