/*
 * Which folders are read for catalogues, and which changes of files are seen.
 *
 * No catalogue here is signed, so each that is found is refused; what becomes of good ones is for
 * tests/e2e/test_catalogues.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "certificates.h"
#include "gateway/generation/catalogues.h"
#include "policy_fixture.h"

enum { NAME_MAX_BYTES = 512, NOW = 1000 };

static const char policy_text[] = "serial: 1\n"
                                  "products:\n"
                                  "  - {id: core, paths: [/store/core/, /store/single.bin]}\n"
                                  "  - {id: tools, paths: [/store/core/, /store/tools/]}\n"
                                  "  - {id: none, paths: [/elsewhere/]}\n"
                                  "customers:\n"
                                  "  - {id: acme, subjects: [CN=acme], products: [{id: core}]}\n";

static char folder[64], root[128], signer[128];
static struct config config;
static struct policy *policy;

static const char *
below_root(const char *name)
{
	static char path[NAME_MAX_BYTES];

	(void)snprintf(path, sizeof path, "%s/%s", root, name);
	return path;
}

static void
make_folder(const char *name)
{
	assert_int_equal(mkdir(below_root(name), 0755), 0);
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int
set_up(void **state)
{
	static const char *const folders[] = {
	    "store", "store/core", "store/core/1.0", "store/core/newest", "store/tools"};

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/test_catalogues.XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(root, sizeof root, "%s/root", folder);
	(void)snprintf(signer, sizeof signer, "%s/release.crt", folder);
	assert_int_equal(mkdir(root, 0755), 0);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		make_folder(folders[i]);
	write_file(signer, "no certificate");
	write_file(below_root("store/core/1.0/catalogue.json"), "{}");
	write_file(below_root("store/core/newest/catalogue.json"), "{}");
	config = (struct config){.catalogues = {.folder = root,
	                             .signer = signer,
	                             .check = true,
	                             .interval = 1,
	                             .max_bytes = 1 << 30,
	                             .max_time = 600}};
	policy = opened(policy_text);
	return 0;
}

static int
tear_down(void **state)
{
	char command[NAME_MAX_BYTES];

	(void)state;
	policy_free(policy);
	(void)snprintf(command, sizeof command, "rm -r '%s'", folder);
	return system(command); /* NOLINT(cert-env33-c): a name of our own */
}

static struct catalogue_image *
read_all_at(time_t now)
{
	const char *defect;
	struct problems *problems = problems_new();
	int fd = catalogues_read(&config, policy, NULL, NULL, now, problems);

	assert_int_equal(problems_count(problems), 0);
	problems_free(problems);
	struct catalogue_image *image = catalogue_image_open(fd, &defect);
	assert_non_null(image);
	close(fd);
	return image;
}

static struct catalogue_image *
read_all(void)
{
	return read_all_at(NOW);
}

/* What catalogues_describe() says of all that is there. */
static const char *
described(void)
{
	static char text[CATALOGUES_CHANGE_MAX];
	struct catalogue_image *image = read_all();

	catalogues_describe(NULL, image, text);
	catalogue_image_free(image);
	return text;
}

static void
test_only_folders_named_like_versions_are_read_and_once_for_all_products(void **state)
{
	(void)state;
	assert_string_equal(described(),
	    "/store/core/1.0/ refused, now 0 valid with 0 files, 0 expired, 1 refused");
}

static void
test_a_version_without_a_catalogue_is_none(void **state)
{
	(void)state;
	make_folder("store/tools/2.0");
	write_file(below_root("store/tools/2.0/catalogue.json.p7s"), "x");
	assert_string_equal(described(),
	    "/store/core/1.0/ refused, now 0 valid with 0 files, 0 expired, 1 refused");
}

static void
test_a_file_is_no_folder_of_a_version(void **state)
{
	(void)state;
	write_file(below_root("store/tools/3.0"), "x");
	assert_string_equal(described(),
	    "/store/core/1.0/ refused, now 0 valid with 0 files, 0 expired, 1 refused");
}

static void
test_a_link_to_a_folder_is_a_folder_and_one_to_nowhere_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(symlink("../core/1.0", below_root("store/tools/4.0")), 0);
	assert_int_equal(symlink("nowhere", below_root("store/tools/5.0")), 0);
	assert_string_equal(described(),
	    "/store/core/1.0/ refused, /store/tools/4.0/ refused, now 0 valid with 0 files, 0 "
	    "expired, 2 refused");
}

static void
test_without_the_root_everything_is_refused(void **state)
{
	char nowhere[] = "/nonexistent/folder";

	(void)state;
	config.catalogues.folder = nowhere;
	assert_string_equal(described(),
	    "/elsewhere/ refused, /store/core/ refused, /store/tools/ refused, now 0 valid with 0 "
	    "files, 0 expired, 3 refused");
	config.catalogues.folder = root;
}

static void
test_a_line_names_a_few_of_many_changes(void **state)
{
	char name[64];

	(void)state;
	for (int i = 1; i <= 7; i++) {
		(void)snprintf(name, sizeof name, "store/tools/%d", i);
		make_folder(name);
		(void)snprintf(name, sizeof name, "store/tools/%d/catalogue.json", i);
		write_file(below_root(name), "{}");
	}
	assert_string_equal(described(),
	    "/store/core/1.0/ refused, /store/tools/1/ refused, /store/tools/2/ refused, "
	    "/store/tools/3/ refused, /store/tools/4/ refused, and 3 more, now 0 valid with 0 "
	    "files, 0 expired, 8 refused");
}

/* --- changes */

static void
assert_change_seen(struct catalogue_image **image, bool expected)
{
	assert_int_equal(catalogues_have_changed(&config, policy, *image, NOW), expected);
	if (!expected)
		return;
	catalogue_image_free(*image);
	*image = read_all();
	assert_false(catalogues_have_changed(&config, policy, *image, NOW));
}

static void
test_changes_of_catalogues_and_signer_are_seen(void **state)
{
	struct catalogue_image *image = read_all();
	char moved[NAME_MAX_BYTES];

	(void)state;
	assert_change_seen(&image, false);
	write_file(below_root("store/core/1.0/catalogue.json"), "{ }");
	assert_change_seen(&image, true);
	write_file(below_root("store/core/1.0/catalogue.json.p7s"), "x");
	assert_change_seen(&image, true);
	make_folder("store/core/1.1");
	assert_change_seen(&image, true);
	(void)snprintf(moved, sizeof moved, "%s", below_root("store/core/1.2"));
	assert_int_equal(rename(below_root("store/core/1.0"), moved), 0);
	assert_change_seen(&image, true);
	assert_int_equal(rename(moved, below_root("store/core/1.0")), 0);
	assert_change_seen(&image, true);
	write_file(signer, "still no certificate");
	assert_change_seen(&image, true);
	catalogue_image_free(image);
}

static void
test_a_signer_behind_a_link_is_looked_at_where_it_is(void **state)
{
	char target[NAME_MAX_BYTES];

	(void)state;
	(void)snprintf(target, sizeof target, "%s/2026.crt", folder);
	write_file(target, "no certificate");
	assert_int_equal(unlink(signer), 0);
	assert_int_equal(symlink("2026.crt", signer), 0);
	struct catalogue_image *image = read_all();
	assert_change_seen(&image, false);
	write_file(target, "still no certificate");
	assert_change_seen(&image, true);
	catalogue_image_free(image);
}

static void
test_a_signer_that_becomes_valid_or_ceases_to_be_is_a_change(void **state)
{
	static const struct certificate_spec spec = {.from = 100, .until = 200};
	struct pem_text pem = {0};

	(void)state;
	X509 *certificate = certificates_make(&spec);
	pem_add(&pem, certificate);
	X509_free(certificate);
	write_file(signer, pem.bytes);
	time_t begins = time(NULL) + 100, ends = begins + 100;
	struct catalogue_image *image = read_all_at(begins - 10);
	assert_false(catalogues_have_changed(&config, policy, image, begins - 2));
	assert_true(catalogues_have_changed(&config, policy, image, begins));
	catalogue_image_free(image);
	image = read_all_at(begins);
	assert_false(catalogues_have_changed(&config, policy, image, ends - 2));
	assert_true(catalogues_have_changed(&config, policy, image, ends));
	catalogue_image_free(image);
	image = read_all_at(ends);
	assert_false(catalogues_have_changed(&config, policy, image, ends + 1000));
	catalogue_image_free(image);
}

/* Descriptors for memfd, root, base and version, and none for a file in it. */
static struct catalogue_image *
read_all_short_of_descriptors(void)
{
	struct rlimit normal, low;
	int next = dup(STDERR_FILENO);

	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &normal), 0);
	low = (struct rlimit){(rlim_t)next + 4, normal.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	struct catalogue_image *image = read_all();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &normal), 0);
	return image;
}

static void
test_what_could_not_be_read_is_tried_again_although_no_file_changes(void **state)
{
	struct catalogue_image *image = read_all_short_of_descriptors();

	(void)state;
	assert_int_equal(catalogue_image_header(image)->versions[CATALOGUE_IMAGE_REFUSED], 1);
	assert_false(catalogues_have_changed(&config, policy, image, NOW + 10));
	assert_true(catalogues_have_changed(&config, policy, image, NOW + 60));
	catalogue_image_free(image);
}

static void
test_what_can_be_read_and_is_refused_is_not_tried_again(void **state)
{
	(void)state;
	make_folder("store/core/1.1");
	assert_int_equal(symlink("x", below_root("store/core/1.1/catalogue.json")), 0);
	make_folder("store/core/1.2");
	make_folder("store/core/1.2/catalogue.json");
	struct catalogue_image *image = read_all();
	assert_int_equal(catalogue_image_header(image)->versions[CATALOGUE_IMAGE_REFUSED], 3);
	assert_false(catalogues_have_changed(&config, policy, image, NOW + 100000));
	catalogue_image_free(image);
}

static void
test_changes_beside_catalogues_are_nobodys_concern(void **state)
{
	struct catalogue_image *image = read_all();

	(void)state;
	write_file(below_root("store/core/1.0/new.zip"), "x");
	make_folder("store/core/1.0/doc");
	make_folder("store/core/staged");
	write_file(below_root("store/core/newest/catalogue.json"), "{ }");
	write_file(below_root("store/core/catalogue.json"), "{}");
	make_folder("store/other");
	assert_change_seen(&image, false);
	catalogue_image_free(image);
}

static void
test_another_policy_means_other_folders(void **state)
{
	struct catalogue_image *image = read_all();
	struct policy *less =
	    opened("serial: 2\n"
	           "products: [{id: tools, paths: [/store/core/, /store/tools/]}]\n"
	           "customers:\n"
	           "  - {id: a, subjects: [CN=a], products: [{id: tools}]}\n");

	(void)state;
	assert_true(catalogues_have_changed(&config, less, image, NOW));
	policy_free(less);
	catalogue_image_free(image);
}

static void
test_what_a_new_policy_adds_waits_until_it_is_read(void **state)
{
	struct catalogue_image_file file;
	const char *defect;
	struct problems *problems = problems_new();
	struct policy *more = opened("serial: 2\n"
	                             "products:\n"
	                             "  - {id: core, paths: [/store/core/, /new/]}\n"
	                             "customers:\n"
	                             "  - {id: a, subjects: [CN=a], products: [{id: core}]}\n");
	int before = catalogues_read(&config, policy, NULL, NULL, NOW, problems);
	const struct catalogues_move move = {policy, more, before, false};
	int after = catalogues_carry_over(&config, &move, problems);
	struct catalogue_image *image = catalogue_image_open(after, &defect);

	(void)state;
	assert_non_null(image);
	assert_int_equal(
	    catalogue_image_find(image, "/new/1.0/x", 10, &file), CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_int_equal(catalogue_image_find(image, "/store/core/1.0/x", 17, &file),
	    CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_int_equal(
	    catalogue_image_find(image, "/store/core/1.1/x", 17, &file), CATALOGUE_IMAGE_NO_RECORD);
	assert_true(catalogues_have_changed(&config, more, image, NOW));
	assert_int_equal(problems_count(problems), 0);
	problems_free(problems);
	catalogue_image_free(image);
	close(before);
	close(after);
	policy_free(more);
}

static void
test_what_is_over_the_time_is_refused_and_read_a_minute_later(void **state)
{
	struct catalogue_image_file file;

	(void)state;
	config.catalogues.max_time = -1;
	struct catalogue_image *image = read_all();
	assert_int_equal(catalogue_image_header(image)->versions[CATALOGUE_IMAGE_PENDING], 1);
	assert_int_equal(catalogue_image_find(image, "/store/core/1.0/x", 17, &file),
	    CATALOGUE_IMAGE_NOT_TRUSTED);
	assert_false(catalogues_have_changed(&config, policy, image, NOW + 59));
	assert_true(catalogues_have_changed(&config, policy, image, NOW + 60));
	catalogue_image_free(image);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_only_folders_named_like_versions_are_read_and_once_for_all_products),
	    TEST(test_a_version_without_a_catalogue_is_none),
	    TEST(test_a_file_is_no_folder_of_a_version),
	    TEST(test_a_link_to_a_folder_is_a_folder_and_one_to_nowhere_is_nothing),
	    TEST(test_without_the_root_everything_is_refused),
	    TEST(test_a_line_names_a_few_of_many_changes),
	    TEST(test_changes_of_catalogues_and_signer_are_seen),
	    TEST(test_a_signer_behind_a_link_is_looked_at_where_it_is),
	    TEST(test_a_signer_that_becomes_valid_or_ceases_to_be_is_a_change),
	    TEST(test_what_could_not_be_read_is_tried_again_although_no_file_changes),
	    TEST(test_what_can_be_read_and_is_refused_is_not_tried_again),
	    TEST(test_changes_beside_catalogues_are_nobodys_concern),
	    TEST(test_what_a_new_policy_adds_waits_until_it_is_read),
	    TEST(test_what_is_over_the_time_is_refused_and_read_a_minute_later),
	    TEST(test_another_policy_means_other_folders),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
