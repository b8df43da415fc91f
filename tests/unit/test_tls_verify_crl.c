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
test_a_list_without_a_number_is_as_old_as_its_date(void **state)
{
	(void)state;
	const struct crl_spec spec = {
	    .issuer = &ca, .lacks_number = true, .from = -60, .until = one_day};
	struct crl_spec older = spec, twin = spec;
	struct pem_text before = {.len = 0}, back = {.len = 0}, both = {.len = 0};

	older.from = -120;
	twin.until = 2 * one_day;
	pem_add_crl(&before, &spec);
	pem_add_crl(&back, &older);
	struct pem previous = {"ca.crl", before.bytes, before.len};
	struct pem earlier = {"ca.crl", back.bytes, back.len};
	struct tls_verify *now = rules_of(&ca_text, &before), *old = rules_of(&ca_text, &back);
	assert_null(tls_crl_went_back(tls_verify_crl(now), &earlier));
	assert_null(tls_crl_went_back(tls_verify_crl(now), &previous));
	assert_non_null(tls_crl_went_back(tls_verify_crl(old), &previous));
	tls_verify_free(now);
	tls_verify_free(old);
	/* Of two that were issued in one second nobody knows which is the newer. */
	pem_add_crl(&both, &spec);
	pem_add_crl(&both, &twin);
	assert_rules_refused(&ca_text, &both, "ca.crl: ", "within one second");
}

static void
test_a_list_of_another_ca_is_left_out_and_named(void **state)
{
	(void)state;
	struct authority old = authority_new(
	    "Old CA", "P-384", &(struct certificate_spec){.from = -3 * one_day, .until = -one_day});
	struct pem_text crls = {.len = 0}, cas = ca_text;

	pem_add(&cas, old.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &other_ca});
	pem_add_crl(
	    &crls, &(struct crl_spec){.issuer = &old, .from = -3 * one_day, .until = -2 * one_day});
	struct tls_verify *rules = rules_of(&cas, &crls);
	const struct buffer *notes = tls_verify_notes(rules);
	static const char *const words[] = {"CRL 2, of CN=Other CA", "CRL 3, of CN=Old CA"};
	for (size_t i = 0; i < COUNT(words); i++)
		assert_non_null(
		    memmem(buffer_bytes(notes), buffer_size(notes), words[i], strlen(words[i])));
	assert_int_equal(sk_X509_CRL_num(tls_crl_lists(tls_verify_crl(rules))), 1);
	assert_verified(rules, &(struct certificate_spec){.issuer = &ca}, NULL);
	tls_verify_free(rules);
	authority_free(&old);
}

/* A list of ours that was changed is not one of somebody else. */
static void
test_a_changed_list_beside_a_good_one_is_refused(void **state)
{
	(void)state;
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca, .signer = other_ca.key});
	assert_rules_refused(&ca_text, &crls, "ca.crl: ", "CRL 2 is not signed");
}

static void
test_a_list_with_an_unknown_critical_extension_is_refused(void **state)
{
	(void)state;
	static const char *const oids[] = {"1.3.6.1.4.1.99999.3", "2.5.29.27"};

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
	time_t expires = tls_crl_expires(tls_verify_crl(rules));
	assert_in_range(expires, now + one_day, now + one_day + 60);
	tls_verify_free(rules);
	rules = rules_of(&ca_text, NULL);
	assert_null(tls_verify_crl(rules));
	tls_verify_free(rules);
}

/* Whichever ends first: the list, its CA (which ends in a day or later), the certificate. */
static void
test_a_good_certificate_stays_good_until_the_first_date(void **state)
{
	(void)state;
	time_t now = time(NULL);
	struct tls_verify *rules = rules_with(&(struct crl_spec){.issuer = &ca, .until = 600});
	X509 *long_leaf = certificates_make(&(struct certificate_spec){.issuer = &ca}),
	     *short_leaf = certificates_make(
	         &(struct certificate_spec){.issuer = &ca, .from = -60, .until = 300});

	assert_in_range(tls_verify_good_until(rules, long_leaf), now + 600, time(NULL) + 600);
	assert_in_range(tls_verify_good_until(rules, short_leaf), now, now + 599);
	tls_verify_free(rules);
	rules = rules_of(&ca_text, NULL);
	assert_true(tls_verify_good_until(rules, long_leaf) > now + 600);
	tls_verify_free(rules);
	X509_free(long_leaf);
	X509_free(short_leaf);
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

/* The lists of CA and its namesake, in one text; NUMBER is that of the namesake's. */
static struct pem_text
lists_of_namesakes(const struct authority *namesake, long number)
{
	struct pem_text crls = {.len = 0};

	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca, .number = 5000});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = namesake, .number = number});
	return crls;
}

static void
test_numbers_are_compared_within_a_ca_and_not_with_its_namesake(void **state)
{
	(void)state;
	struct authority namesake = authority_new("Test CA", "other", NULL);
	struct pem_text cas = ca_text, before = lists_of_namesakes(&namesake, 7),
	                lower = lists_of_namesakes(&namesake, 6);
	struct pem previous = {"ca.crl", before.bytes, before.len};

	pem_add(&cas, namesake.certificate);
	struct tls_verify *same = rules_of(&cas, &before), *back = rules_of(&cas, &lower);
	assert_null(tls_crl_went_back(tls_verify_crl(same), &previous));
	assert_non_null(tls_crl_went_back(tls_verify_crl(back), &previous));
	assert_verified(same, &(struct certificate_spec){.issuer = &ca}, NULL);
	assert_verified(same, &(struct certificate_spec){.issuer = &namesake}, NULL);
	tls_verify_free(same);
	tls_verify_free(back);
	authority_free(&namesake);
}

static void
test_lists_of_namesakes_that_name_no_key_are_refused(void **state)
{
	(void)state;
	struct authority namesake = authority_new("Test CA", "other", NULL);
	struct pem_text cas = ca_text, crls = {.len = 0};

	pem_add(&cas, namesake.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &ca, .lacks_key_id = true});
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &namesake, .lacks_key_id = true});
	assert_rules_refused(&cas, &crls, "ca.crl: ", "would refuse every client");
	authority_free(&namesake);
}

static void
test_a_list_that_is_not_the_whole_of_a_ca_s_is_refused(void **state)
{
	(void)state;
	static const char *const points[] = {"indirectCRL:TRUE", "onlysomereasons:keyCompromise",
	    "onlyuser:TRUE", "onlyCA:TRUE", "onlyAA:TRUE", "fullname:URI:http://ca.example/crl"};

	for (size_t i = 0; i < COUNT(points); i++)
		assert_crl_refused(
		    &(struct crl_spec){.issuer = &ca, .distribution_point = points[i]},
		    "issuing distribution point");
	assert_crl_refused(&(struct crl_spec){.issuer = &ca, .critical_extension = "2.5.29.28"},
	    "issuing distribution point");
	assert_crl_refused(&(struct crl_spec){.issuer = &ca, .is_delta = true}, "is a delta");
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
	    cmocka_unit_test(test_a_list_without_a_number_is_as_old_as_its_date),
	    cmocka_unit_test(test_a_list_of_another_ca_is_left_out_and_named),
	    cmocka_unit_test(test_a_changed_list_beside_a_good_one_is_refused),
	    cmocka_unit_test(test_a_list_with_an_unknown_critical_extension_is_refused),
	    cmocka_unit_test(test_every_ca_has_a_list),
	    cmocka_unit_test(test_one_bad_list_among_good_ones_is_refused),
	    cmocka_unit_test(test_lists_that_cannot_be_read_are_refused),
	    cmocka_unit_test(test_a_changed_list_is_refused),
	    cmocka_unit_test(test_the_first_list_to_run_out_is_known),
	    cmocka_unit_test(test_a_good_certificate_stays_good_until_the_first_date),
	    cmocka_unit_test(test_without_a_list_nothing_is_revoked),
	    cmocka_unit_test(test_a_list_is_wanted_of_every_ca_on_the_path),
	    cmocka_unit_test(test_numbers_are_compared_within_a_ca_and_not_with_its_namesake),
	    cmocka_unit_test(test_lists_of_namesakes_that_name_no_key_are_refused),
	    cmocka_unit_test(test_a_list_that_is_not_the_whole_of_a_ca_s_is_refused),
	};
	return cmocka_run_group_tests_name(
	    "tls_verify_crl", tests, make_authorities, free_authorities);
}
