/*
 * Defects that earlier versions had, found by tests that came after them. Each test says what
 * holds since.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <time.h>

#include "gateway/http/response_gate.h"
#include "gateway/node/quota.h"
#include "request_fixture.h"
#undef COUNT
#include "verify_fixture.h"

static const long one_day = 86400;

/* ---- identity ---- */

static void
test_ca_true_is_refused_whatever_its_key_usage_says(void **state)
{
	(void)state;
	struct authority ca = authority_new("Test CA", "P-256", NULL);
	struct pem_text cas = {.len = 0};
	struct identity identity;

	pem_add(&cas, ca.certificate);
	struct tls_verify *rules = rules_of(&cas, NULL);
	const char *defect = verify(rules,
	    &(struct certificate_spec){.issuer = &ca, .basic_constraints = "critical,CA:TRUE"},
	    NULL, &identity);
	tls_verify_free(rules);
	authority_free(&ca);
	assert_non_null(defect);
}

static void
test_a_negative_serial_is_printed_with_its_sign(void **state)
{
	(void)state;
	struct identity identity;
	X509 *certificate = certificates_make(&(struct certificate_spec){.serial = "-1"});

	(void)identity_of(certificate, &identity);
	X509_free(certificate);
	assert_string_equal(identity.serial, "-01");
}

/* ---- tls_verify ---- */

static void
test_a_ca_renewed_with_its_key_shares_the_list_of_the_old_one(void **state)
{
	(void)state;
	struct authority old = authority_new("Test CA", "P-256", NULL),
	                 new = authority_new("Test CA", "P-256",
	                     &(struct certificate_spec){.from = -60, .until = 9 * one_day});
	struct pem_text cas = {.len = 0}, crls = {.len = 0};
	char error[TLS_ERROR_MAX];

	pem_add(&cas, old.certificate);
	pem_add(&cas, new.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &old});
	struct tls_verify *rules = build_rules(&cas, &crls, error);
	bool accepted = rules != NULL;
	tls_verify_free(rules);
	authority_free(&old);
	authority_free(&new);
	if (!accepted)
		fail_msg("%s", error);
}

/* Rules that are accepted although no client can be verified by them. */
static void
assert_not_built(const struct authority *ca, const struct crl_spec *crl)
{
	struct pem_text cas = {.len = 0}, crls = {.len = 0};
	char error[TLS_ERROR_MAX];

	pem_add(&cas, ca->certificate);
	if (crl != NULL)
		pem_add_crl(&crls, crl);
	struct tls_verify *rules = build_rules(&cas, crl != NULL ? &crls : NULL, error);
	if (rules == NULL)
		return;
	struct identity identity;
	const char *defect =
	    verify(rules, &(struct certificate_spec){.issuer = ca}, NULL, &identity);
	tls_verify_free(rules);
	fail_msg("the rules are accepted, and then a good client gets: %s",
	    defect != NULL ? defect : "nothing");
}

static void
test_a_list_whose_end_cannot_be_read_is_refused(void **state)
{
	(void)state;
	struct authority ca = authority_new("Test CA", "P-256", NULL);

	assert_not_built(
	    &ca, &(struct crl_spec){.issuer = &ca, .next_update = "20991231235959.5Z"});
	authority_free(&ca);
}

static void
test_a_list_with_an_unknown_critical_extension_in_an_entry_is_refused(void **state)
{
	(void)state;
	struct authority ca = authority_new("Test CA", "P-256", NULL);
	X509 *revoked = certificates_make(&(struct certificate_spec){.issuer = &ca});

	assert_not_built(&ca, &(struct crl_spec){.issuer = &ca,
	                          .revoked = revoked,
	                          .critical_entry_extension = "1.3.6.1.4.1.99999.4"});
	X509_free(revoked);
	authority_free(&ca);
}

static void
test_a_list_of_a_ca_that_may_not_sign_lists_is_refused(void **state)
{
	(void)state;
	struct authority ca = authority_new(
	    "Test CA", "P-256", &(struct certificate_spec){.key_usage = "critical,keyCertSign"});

	assert_not_built(&ca, &(struct crl_spec){.issuer = &ca});
	authority_free(&ca);
}

static void
test_a_ca_that_is_not_yet_valid_is_refused(void **state)
{
	(void)state;
	struct authority ca = authority_new(
	    "Test CA", "P-256", &(struct certificate_spec){.from = one_day, .until = 2 * one_day});

	assert_not_built(&ca, NULL);
	authority_free(&ca);
}

static void
test_a_weak_ca_is_refused_by_the_second_verification_too(void **state)
{
	(void)state;
	struct authority ca = authority_new("Weak CA", "RSA-1024", NULL);
	struct pem_text cas = {.len = 0};
	struct identity identity;
	char error[TLS_ERROR_MAX];
	const char *defect = "refused when loaded";

	pem_add(&cas, ca.certificate);
	struct tls_verify *rules = build_rules(&cas, NULL, error);
	if (rules != NULL)
		defect = verify(rules, &(struct certificate_spec){.issuer = &ca}, NULL, &identity);
	tls_verify_free(rules);
	authority_free(&ca);
	assert_non_null(defect);
}

/* ---- quota ---- */

static void
test_a_customer_and_an_address_never_share_a_key(void **state)
{
	(void)state;
	struct quota *quota = quota_new(1);
	struct sockaddr_in address = {.sin_family = AF_INET};

	assert_int_equal(inet_pton(AF_INET, "97.99.109.101", &address.sin_addr), 1);
	uint64_t text = quota_text_key(quota, "acme").hash,
	         number = quota_address_key(quota, (const struct sockaddr *)&address).hash;
	quota_free(quota);
	assert_true(text != number);
}

static void
test_the_failed_uploads_of_an_unlimited_customer_lower_nobodys_count(void **state)
{
	(void)state;
	struct quota *quota = quota_new(1);
	struct quota_key limited = quota_text_key(quota, "limited");
	const time_t noon = 20000L * 86400 + 43200;

	assert_true(quota_snapshot_take(quota, limited, 1, noon));
	for (int i = 0; i < 100000; i++) {
		char name[24];
		(void)snprintf(name, sizeof name, "free-%d", i);
		assert_true(quota_snapshot_take(quota, quota_text_key(quota, name), 0, noon));
		quota_snapshot_return(quota, quota_text_key(quota, name), 0, noon);
	}
	bool again = quota_snapshot_take(quota, limited, 1, noon);
	quota_free(quota);
	assert_false(again);
}

/* ---- gates ---- */

static void
test_a_bracketed_host_is_an_ipv6_address(void **state)
{
	(void)state;
	assert_malformed(judge_fields("GET", "Host: [....]\r\n"), "dots");
	assert_malformed(judge_fields("GET", "Host: [:::::]\r\n"), "colons");
	assert_malformed(judge_fields("GET", "Host: [1:2:3:4:5:6:7:8:9]\r\n"), "nine groups");
	assert_malformed(judge_fields("GET", "Host: [192.0.2.1]\r\n"), "IPv4 in brackets");
}

static void
test_entity_tags_are_parted_by_commas(void **state)
{
	(void)state;
	assert_accepted(judge_fields("GET", HOST "If-None-Match: \"a\" \"b\"\r\n"), "space");
	assert_null(request.if_none_match.bytes);
	assert_accepted(judge_fields("GET", HOST "If-None-Match: \"a\"\"b\"\r\n"), "nothing");
	assert_null(request.if_none_match.bytes);
}

static void
test_a_repeated_field_that_is_malformed_ends_the_connection(void **state)
{
	(void)state;
	assert_malformed(
	    judge_fields("PUT", HOST "Content-Type: a\r\nContent-Type: a\r\n"), "twice");
}

static void
test_a_complete_answer_has_no_content_range(void **state)
{
	(void)state;
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	                             "Content-Range: bytes 5-9/10\r\n\r\n";
	const struct request get = {.method = METHOD_GET};
	struct response response;
	struct buffer out = {0};

	if (response_gate_check(answer, sizeof answer - 1, &get, &response) != NULL)
		return;
	response_gate_print(&response, &out);
	buffer_append(&out, "", 1);
	bool passed = strstr(buffer_bytes(&out), "Content-Range") != NULL;
	buffer_fini(&out);
	assert_false(passed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ca_true_is_refused_whatever_its_key_usage_says),
	    cmocka_unit_test(test_a_negative_serial_is_printed_with_its_sign),
	    cmocka_unit_test(test_a_ca_renewed_with_its_key_shares_the_list_of_the_old_one),
	    cmocka_unit_test(test_a_list_whose_end_cannot_be_read_is_refused),
	    cmocka_unit_test(test_a_list_with_an_unknown_critical_extension_in_an_entry_is_refused),
	    cmocka_unit_test(test_a_list_of_a_ca_that_may_not_sign_lists_is_refused),
	    cmocka_unit_test(test_a_ca_that_is_not_yet_valid_is_refused),
	    cmocka_unit_test(test_a_weak_ca_is_refused_by_the_second_verification_too),
	    cmocka_unit_test(test_a_customer_and_an_address_never_share_a_key),
	    cmocka_unit_test(test_the_failed_uploads_of_an_unlimited_customer_lower_nobodys_count),
	    cmocka_unit_test(test_a_bracketed_host_is_an_ipv6_address),
	    cmocka_unit_test(test_entity_tags_are_parted_by_commas),
	    cmocka_unit_test(test_a_repeated_field_that_is_malformed_ends_the_connection),
	    cmocka_unit_test(test_a_complete_answer_has_no_content_range),
	};
	return cmocka_run_group_tests_name("regressions", tests, NULL, NULL);
}
