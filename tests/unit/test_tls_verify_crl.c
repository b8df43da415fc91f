/*
 * Revocation: which lists are taken, and that whatever is wrong with one fails closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "verify_fixture.h"

static const long one_day = 86400;

static struct authority ca, other_ca;
static struct pem_text ca_text, both_text;

static int
make_authorities(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	other_ca = authority_new("Other CA", "other", NULL);
	pem_add(&ca_text, ca.certificate);
	both_text = ca_text;
	pem_add(&both_text, other_ca.certificate);
	return 0;
}

static int
free_authorities(void **state)
{
	(void)state;
	authority_free(&ca);
	authority_free(&other_ca);
	return 0;
}

/* Rules of the one CA with the one CRL that SPEC makes. */
static struct tls_verify *
rules_with(const struct crl_spec *spec)
{
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, spec);
	return rules_of(&ca_text, &crls);
}

static void
assert_crl_refused(const struct crl_spec *spec, const char *word)
{
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, spec);
	assert_rules_refused(&ca_text, &crls, "ca.crl: ", word);
}

static void
test_a_revoked_certificate_is_refused_and_its_neighbour_is_not(void **state)
{
	(void)state;
	struct certificate_spec spec = {.issuer = &ca, .serial = "1000"};
	X509 *revoked = certificates_make(&spec);
	struct tls_verify *rules =
	    rules_with(&(struct crl_spec){.issuer = &ca, .revoked = revoked});

	assert_not_verified(rules, &spec, NULL, "revoked");
	spec.serial = "1001";
	assert_verified(rules, &spec, NULL);
	tls_verify_free(rules);
	X509_free(revoked);
}

static void
test_a_list_replaces_the_one_before(void **state)
{
	(void)state;
	struct certificate_spec spec = {.issuer = &ca, .serial = "1000"};
	X509 *revoked = certificates_make(&spec);
	struct tls_verify *before = rules_with(&(struct crl_spec){.issuer = &ca});
	struct tls_verify *after =
	    rules_with(&(struct crl_spec){.issuer = &ca, .revoked = revoked});

	assert_verified(before, &spec, NULL);
	assert_not_verified(after, &spec, NULL, "revoked");
	tls_verify_free(before);
	tls_verify_free(after);
	X509_free(revoked);
}

static void
test_a_revocation_counts_for_its_issuer_only(void **state)
{
	(void)state;
	struct certificate_spec spec = {.issuer = &ca, .serial = "1000"};
	X509 *revoked = certificates_make(&spec);
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &other_ca, .revoked = revoked});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	struct tls_verify *rules = rules_of(&both_text, &crls);
	assert_verified(rules, &spec, NULL);
	spec.issuer = &other_ca;
	assert_not_verified(rules, &spec, NULL, "revoked");
	tls_verify_free(rules);
	X509_free(revoked);
}

static void
test_a_list_that_a_ca_did_not_sign_is_refused(void **state)
{
	(void)state;
	struct authority namesake = authority_new("Test CA", "other", NULL);

	assert_crl_refused(
	    &(struct crl_spec){.issuer = &ca, .signer = certificates_key("other")}, "not signed");
	assert_crl_refused(&(struct crl_spec){.issuer = &other_ca}, "not signed");
	assert_crl_refused(&(struct crl_spec){.issuer = &other_ca, .signer = ca.key}, "not signed");
	assert_crl_refused(&(struct crl_spec){.issuer = &namesake}, "not signed");
	authority_free(&namesake);
}

static void
test_a_list_is_good_between_its_dates_only(void **state)
{
	(void)state;
	tls_verify_free(
	    rules_with(&(struct crl_spec){.issuer = &ca, .from = -one_day, .until = 60}));
	assert_crl_refused(
	    &(struct crl_spec){.issuer = &ca, .from = -2 * one_day, .until = -one_day}, "expired");
	assert_crl_refused(
	    &(struct crl_spec){.issuer = &ca, .from = -one_day, .until = -1}, "expired");
	assert_crl_refused(&(struct crl_spec){.issuer = &ca, .from = one_day, .until = 2 * one_day},
	    "not valid yet");
	assert_crl_refused(
	    &(struct crl_spec){.issuer = &ca, .lacks_next_update = true}, "when it expires");
}

static void
test_a_list_has_a_number(void **state)
{
	(void)state;
	assert_crl_refused(
	    &(struct crl_spec){.issuer = &ca, .lacks_number = true}, "no CRL number");
}

static void
test_a_list_with_an_unknown_critical_extension_is_refused(void **state)
{
	(void)state;
	static const char *const oids[] = {"1.3.6.1.4.1.99999.3", "2.5.29.27", "2.5.29.28"};

	for (size_t i = 0; i < COUNT(oids); i++)
		assert_crl_refused(&(struct crl_spec){.issuer = &ca, .critical_extension = oids[i]},
		    "critical extension");
}

static void
test_every_ca_has_a_list(void **state)
{
	(void)state;
	struct pem_text first = {.len = 0}, second = {.len = 0}, both = {.len = 0};

	pem_add_crl(&first, &(struct crl_spec){.issuer = &ca});
	pem_add_crl(&second, &(struct crl_spec){.issuer = &other_ca});
	assert_rules_refused(&both_text, &first, "ca.crl: ", "no CRL of client CA 2");
	assert_rules_refused(&both_text, &second, "ca.crl: ", "no CRL of client CA 1");
	pem_add_crl(&both, &(struct crl_spec){.issuer = &other_ca});
	pem_add_crl(&both, &(struct crl_spec){.issuer = &ca});
	tls_verify_free(rules_of(&both_text, &both));
}

static void
test_one_bad_list_among_good_ones_is_refused(void **state)
{
	(void)state;
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	pem_add_crl(&crls,
	    &(struct crl_spec){.issuer = &other_ca, .from = -2 * one_day, .until = -one_day});
	assert_rules_refused(&both_text, &crls, "ca.crl: ", "CRL 2 has expired");
}

static void
test_lists_that_cannot_be_read_are_refused(void **state)
{
	(void)state;
	static const struct pem_text empty = {"", 0}, garbage = {"garbage\n", 8},
	                             broken = {
	                                 "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
	                                 53};
	struct pem_text cut = {.len = 0}, second = {.len = 0};

	assert_rules_refused(&ca_text, &empty, "ca.crl: ", "no CRL of client CA 1");
	assert_rules_refused(&ca_text, &garbage, "ca.crl: ", "no CRL of client CA 1");
	assert_rules_refused(&ca_text, &ca_text, "ca.crl: ", "no CRL of client CA 1");
	assert_rules_refused(&ca_text, &broken, "ca.crl: ", "CRL 1 cannot be read");
	pem_add_crl(&cut, &(struct crl_spec){.issuer = &ca});
	second = cut;
	cut.len -= 30;
	assert_rules_refused(&ca_text, &cut, "ca.crl: ", "CRL 1 cannot be read");
	memcpy(second.bytes + second.len, broken.bytes, broken.len);
	second.len += broken.len;
	assert_rules_refused(&ca_text, &second, "ca.crl: ", "CRL 2 cannot be read");
}

static void
test_a_changed_list_is_refused(void **state)
{
	(void)state;
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	/* One letter of the signature, which ends the PEM text. */
	char *end = strstr(crls.bytes, "\n-----END");
	assert_non_null(end);
	end[-8] = end[-8] == 'A' ? 'B' : 'A';
	assert_rules_refused(&ca_text, &crls, "ca.crl: ", "not signed");
}

static void
test_the_first_list_to_run_out_is_known(void **state)
{
	(void)state;
	struct pem_text crls = {.len = 0};
	time_t now = time(NULL);

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca, .from = -60, .until = 3 * one_day});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &other_ca, .from = -60, .until = one_day});
	struct tls_verify *rules = rules_of(&both_text, &crls);
	time_t expires = tls_verify_crl_expires(rules);
	assert_in_range(expires, now + one_day, now + one_day + 60);
	tls_verify_free(rules);
	rules = rules_of(&ca_text, NULL);
	assert_int_equal(tls_verify_crl_expires(rules), 0);
	tls_verify_free(rules);
}

static void
test_without_a_list_nothing_is_revoked(void **state)
{
	(void)state;
	struct tls_verify *rules = rules_of(&ca_text, NULL);

	assert_verified(rules, &(struct certificate_spec){.issuer = &ca}, NULL);
	tls_verify_free(rules);
}

static void
test_a_list_is_wanted_of_every_ca_on_the_path(void **state)
{
	(void)state;
	struct authority middle =
	    authority_new("Middle CA", "P-384", &(struct certificate_spec){.issuer = &ca});
	STACK_OF(X509) *sent = sk_X509_new_null();
	struct certificate_spec leaf = {.issuer = &middle};
	struct pem_text crls = {.len = 0}, cas = ca_text;

	sk_X509_push(sent, middle.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	struct tls_verify *rules = rules_of(&ca_text, &crls);
	assert_not_verified(rules, &leaf, sent, "CRL");
	tls_verify_free(rules);

	pem_add(&cas, middle.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &middle});
	rules = rules_of(&cas, &crls);
	assert_verified(rules, &leaf, sent);
	tls_verify_free(rules);

	crls.len = 0;
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca, .revoked = middle.certificate});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &middle});
	rules = rules_of(&cas, &crls);
	assert_not_verified(rules, &leaf, sent, "revoked");
	tls_verify_free(rules);
	sk_X509_free(sent);
	authority_free(&middle);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_revoked_certificate_is_refused_and_its_neighbour_is_not),
	    cmocka_unit_test(test_a_list_replaces_the_one_before),
	    cmocka_unit_test(test_a_revocation_counts_for_its_issuer_only),
	    cmocka_unit_test(test_a_list_that_a_ca_did_not_sign_is_refused),
	    cmocka_unit_test(test_a_list_is_good_between_its_dates_only),
	    cmocka_unit_test(test_a_list_has_a_number),
	    cmocka_unit_test(test_a_list_with_an_unknown_critical_extension_is_refused),
	    cmocka_unit_test(test_every_ca_has_a_list),
	    cmocka_unit_test(test_one_bad_list_among_good_ones_is_refused),
	    cmocka_unit_test(test_lists_that_cannot_be_read_are_refused),
	    cmocka_unit_test(test_a_changed_list_is_refused),
	    cmocka_unit_test(test_the_first_list_to_run_out_is_known),
	    cmocka_unit_test(test_without_a_list_nothing_is_revoked),
	    cmocka_unit_test(test_a_list_is_wanted_of_every_ca_on_the_path),
	};
	return cmocka_run_group_tests_name(
	    "tls_verify_crl", tests, make_authorities, free_authorities);
}
