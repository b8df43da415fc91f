/*
 * Images from files: what the compiler could not have written is refused, however well it is
 * sealed. Each forgery is a whole tinycdb file with one thing wrong.
 */
#include <cdb.h>
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
#include "policy/policy_verify.h"
#include "policy_fixture.h"

/* What a forger chooses; the defaults are a good image. */
struct forgery {
	const char *product; /* its id */
	const char *path;
	const char *except; /* NULL: none */
	const char *rule;
	uint32_t rule_product;
	const char *subject;
	const char *caller;                /* the customer named in the subject's record */
	const char *issuer, *probe_issuer; /* NULL: none */
	const char *customer;
	uint32_t licensed, from, ends;
	uint32_t customers, longest;
	const char *probe;
	const char *second_probe; /* of another issuer; NULL: none */
	const char *late_subject; /* after the probe; NULL: none */
	size_t surplus;           /* bytes behind the product's record */
	uint32_t probe_limit;
	uint64_t serial;
};

static const struct forgery good = {
    .product = "core",
    .path = "/core/",
    .except = "/core/x/",
    .rule = "/core/",
    .subject = "CN=acme",
    .caller = "acme",
    .customer = "acme",
    .from = 10,
    .ends = 20,
    .customers = 1,
    .longest = 6,
    .probe = "CN=probe",
    .serial = 1,
};

static void
add(struct cdb_make *make, const struct policy_image_key *key, struct buffer *value)
{
	assert_int_equal(
	    cdb_make_add(make, key->bytes, key->len, value->data, (unsigned)buffer_size(value)), 0);
	buffer_fini(value);
}

static void
add_named(
    struct cdb_make *make, enum policy_image_kind kind, const char *name, struct buffer *value)
{
	struct policy_image_key key;
	assert_true(policy_image_key(&key, kind, name, strlen(name)));
	add(make, &key, value);
}

static void
add_product(struct cdb_make *make, const struct forgery *forgery)
{
	struct policy_image_key key;
	struct buffer value = {0};
	policy_image_product_key(&key, 0);
	policy_image_put_text(&value, forgery->product);
	policy_image_put_u32(&value, 1);
	policy_image_put_u32(&value, forgery->except != NULL);
	policy_image_put_u32(&value, 0);
	policy_image_put_text(&value, forgery->path);
	if (forgery->except != NULL)
		policy_image_put_text(&value, forgery->except);
	for (size_t i = 0; i < forgery->surplus; i++)
		buffer_append(&value, "", 1);
	add(make, &key, &value);
	policy_image_put_u32(&value, forgery->rule_product);
	add_named(make, POLICY_IMAGE_RULE, forgery->rule, &value);
}

static void
add_callers(struct cdb_make *make, const struct forgery *forgery)
{
	struct buffer value = {0};
	struct policy_image_caller caller = {
	    .role = POLICY_ROLE_CUSTOMER, .customer = forgery->caller, .issuer = forgery->issuer};
	struct policy_image_caller probe = {.role = POLICY_ROLE_PROBE,
	    .customer = "",
	    .issuer = forgery->probe_issuer,
	    .connections = forgery->probe_limit};
	policy_image_put_caller(&value, &caller);
	add_named(make, POLICY_IMAGE_SUBJECT, forgery->subject, &value);
	policy_image_put_licence(&value,
	    &(struct policy_image_licence){forgery->licensed, forgery->from, forgery->ends});
	add_named(make, POLICY_IMAGE_CUSTOMER, forgery->customer, &value);
	policy_image_put_caller(&value, &probe);
	add_named(make, POLICY_IMAGE_SUBJECT, forgery->probe, &value);
	if (forgery->second_probe != NULL) {
		probe.issuer = "CN=Another CA";
		policy_image_put_caller(&value, &probe);
		add_named(make, POLICY_IMAGE_SUBJECT, forgery->second_probe, &value);
	}
	if (forgery->late_subject == NULL)
		return;
	policy_image_put_caller(&value, &caller);
	add_named(make, POLICY_IMAGE_SUBJECT, forgery->late_subject, &value);
}

/* The bytes of a memfd, writable. */
static unsigned char *
map(int fd, size_t *len)
{
	struct stat status;
	assert_int_equal(fstat(fd, &status), 0);
	*len = (size_t)status.st_size;
	unsigned char *image = mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(image, MAP_FAILED);
	return image;
}

static int
forged(const struct forgery *forgery)
{
	struct cdb_make make;
	struct buffer header = {0};
	int fd = memfd_create("forged", MFD_CLOEXEC);
	assert_int_equal(cdb_make_start(&make, fd), 0);
	policy_image_put_header(&header,
	    &(struct policy_image_header){forgery->serial, forgery->customers, forgery->longest});
	assert_int_equal(
	    cdb_make_add(&make, policy_image_magic, (unsigned)strlen(policy_image_magic),
	        header.data, (unsigned)buffer_size(&header)),
	    0);
	buffer_fini(&header);
	add_product(&make, forgery);
	add_callers(&make, forgery);
	assert_int_equal(cdb_make_finish(&make), 0);
	size_t len;
	unsigned char *image = map(fd, &len);
	policy_image_seal(image, len);
	munmap(image, len);
	return fd;
}

/* Closes FD. */
static void
assert_verdict(int fd, const char *word)
{
	char error[POLICY_ERROR_MAX] = "";
	struct policy *policy = policy_open(fd, "img", error);
	close(fd);
	if (policy == NULL)
		fail_msg("%s", error);
	const char *defect = policy_verify(policy);
	if (word == NULL ? defect != NULL : defect == NULL || strstr(defect, word) == NULL)
		fail_msg("%s instead of %s", defect, word);
	policy_free(policy);
}

static void
assert_refused(struct forgery forgery, const char *word)
{
	assert_verdict(forged(&forgery), word);
}

#define FORGE(member, value, word)            \
	do {                                  \
		struct forgery varied = good; \
		varied.member = value;        \
		assert_refused(varied, word); \
	} while (0)

static void
test_the_image_that_the_forgeries_vary_is_good(void **state)
{
	(void)state;
	assert_verdict(forged(&good), NULL);
}

static void
test_names_that_no_policy_may_have_are_refused(void **state)
{
	(void)state;
	FORGE(product, "CORE", "product's id");
	FORGE(customer, "", "not in its place");
	struct forgery forgery = good;
	forgery.caller = forgery.customer = "../etc";
	assert_refused(forgery, "customer's id");
	FORGE(subject, "CN=acme, O=x", "not canonical");
	FORGE(subject, "*", "not canonical");
	FORGE(probe, "probe", "not canonical");
}

static void
test_paths_that_no_product_may_have_are_refused(void **state)
{
	(void)state;
	static const char *const paths[] = {
	    "/", "core/", "/core//", "/a/../b", "/snapshots/", "/metrics"};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct forgery forgery = good;
		forgery.path = forgery.rule = paths[i];
		forgery.except = NULL;
		forgery.longest = (uint32_t)strlen(paths[i]);
		assert_refused(forgery, "path is malformed or reserved");
	}
	FORGE(except, "/other/", "outside its product");
	FORGE(except, "/core/%41", "outside its product");
}

static void
test_a_rule_that_its_product_does_not_have_is_refused(void **state)
{
	(void)state;
	FORGE(rule, "/late/", "path rules");
	FORGE(rule_product, 1, "path rules");
	FORGE(longest, 5, "path rules");
}

static void
test_licences_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	FORGE(licensed, 1, "not there");
	FORGE(from, 20, "dates");
	FORGE(from, VALUE_LAST_DAY + 1, "dates");
	FORGE(ends, VALUE_LAST_DAY + 2, "dates");
	FORGE(ends, 0, "dates");
}

static void
test_records_out_of_their_places_are_refused(void **state)
{
	(void)state;
	FORGE(caller, "globex", "not in its place");
	FORGE(late_subject, "CN=late", "not in its place");
	FORGE(probe_limit, 1, "not in its place");
	FORGE(surplus, 1, "not whole");
	FORGE(customers, 2, "number of customers");
	FORGE(serial, UINT64_MAX, "serial");
}

static void
test_a_subject_that_stands_twice_is_refused(void **state)
{
	(void)state;
	FORGE(probe, "CN=acme", "does not find its record");
}

/* Leads a free place of the tables to OFFSET. */
static void
hide_entry(unsigned char *image, size_t len, unsigned offset)
{
	for (size_t table = 0; table < 2048; table += 8) {
		unsigned at = cdb_unpack(image + table), slots = cdb_unpack(image + table + 4);
		for (; slots > 0; slots--, at += 8) {
			if (cdb_unpack(image + at + 4) != 0)
				continue;
			cdb_pack(offset, image + at + 4);
			policy_image_seal(image, len);
			return;
		}
	}
	fail_msg("no free place");
}

static void
test_a_record_that_only_a_lookup_finds_is_refused(void **state)
{
	(void)state;
	size_t len;
	int fd = forged(&good);
	unsigned char *image = map(fd, &len);
	hide_entry(image, len, 2100);
	munmap(image, len);
	assert_verdict(fd, "what is no record");
}

static void
test_tables_anywhere_else_are_refused(void **state)
{
	(void)state;
	size_t len;
	int fd = forged(&good);
	assert_int_equal(lseek(fd, 0, SEEK_END) > 0, 1);
	assert_int_equal(write(fd, "12345678", 8), 8);
	unsigned char *image = map(fd, &len);
	policy_image_seal(image, len);
	munmap(image, len);
	assert_verdict(fd, "what is no record");
}

static void
test_issuers_that_no_policy_may_have_are_refused(void **state)
{
	(void)state;
	struct forgery both = good;
	both.issuer = both.probe_issuer = "CN=A CA";
	assert_verdict(forged(&both), NULL);
	FORGE(issuer, "A CA", "an issuer is not canonical");
	both.probe_issuer = "A CA";
	assert_refused(both, "an issuer is not canonical");
	FORGE(probe_issuer, "CN=A CA", "lacks the issuer");
	FORGE(second_probe, "CN=probe2", "several issuers");
}

static void
test_a_forged_image_is_a_problem_of_the_policy(void **state)
{
	(void)state;
	struct forgery forgery = good;
	forgery.rule = "/late/";
	size_t len;
	int fd = forged(&forgery);
	unsigned char *image = map(fd, &len);
	struct problems *problems = problems_new();
	assert_int_equal(policy_compile_text("img", (char *)image, len, 0, problems), -1);
	assert_int_equal(problems_count(problems), 1);
	assert_string_equal(problems_text(problems, 0),
	    "img: is not an image of a policy: the path rules are not those of the products");
	problems_free(problems);
	munmap(image, len);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_image_that_the_forgeries_vary_is_good),
	    cmocka_unit_test(test_names_that_no_policy_may_have_are_refused),
	    cmocka_unit_test(test_paths_that_no_product_may_have_are_refused),
	    cmocka_unit_test(test_a_rule_that_its_product_does_not_have_is_refused),
	    cmocka_unit_test(test_licences_that_make_no_sense_are_refused),
	    cmocka_unit_test(test_records_out_of_their_places_are_refused),
	    cmocka_unit_test(test_a_subject_that_stands_twice_is_refused),
	    cmocka_unit_test(test_a_record_that_only_a_lookup_finds_is_refused),
	    cmocka_unit_test(test_tables_anywhere_else_are_refused),
	    cmocka_unit_test(test_issuers_that_no_policy_may_have_are_refused),
	    cmocka_unit_test(test_a_forged_image_is_a_problem_of_the_policy),
	};
	return cmocka_run_group_tests_name("policy_verify", tests, NULL, NULL);
}
