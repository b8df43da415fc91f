/*
 * Client certificates verified: chain, dates and profile, by rules with one CA or several.
 *
 * Revocation is the matter of test_tls_verify_crl.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "verify_fixture.h"

static const long one_day = 86400;

static struct authority ca, other_ca;
static struct pem_text ca_text, crl_text;
static struct tls_verify *rules;

static int
make_rules(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	other_ca = authority_new("Other CA", "other", NULL);
	pem_add(&ca_text, ca.certificate);
	pem_add_crl(&crl_text, &(struct crl_spec){.issuer = &ca});
	rules = rules_of(&ca_text, &crl_text);
	return 0;
}

static int
free_rules(void **state)
{
	(void)state;
	tls_verify_free(rules);
	authority_free(&ca);
	authority_free(&other_ca);
	return 0;
}

static void
test_a_good_certificate_is_verified(void **state)
{
	(void)state;
	struct identity identity;
	struct certificate_spec spec = {.issuer = &ca, .serial = "4660"};

	assert_null(verify(rules, &spec, NULL, &identity));
	assert_string_equal(identity.subject, CERTIFICATES_SUBJECT);
	assert_string_equal(identity.serial, "1234");
}

static void
test_certificates_of_others_are_refused(void **state)
{
	(void)state;
	struct authority namesake = authority_new("Test CA", "other", NULL);

	assert_not_verified(
	    rules, &(struct certificate_spec){.issuer = &other_ca}, NULL, "issuer certificate");
	assert_not_verified(rules, &(struct certificate_spec){0}, NULL, "self-signed");
	assert_not_verified(
	    rules, &(struct certificate_spec){.issuer = &namesake}, NULL, "issuer certificate");
	authority_free(&namesake);
}

static void
test_a_ca_that_the_client_sends_along_is_not_trusted(void **state)
{
	(void)state;
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, other_ca.certificate);
	assert_not_verified(
	    rules, &(struct certificate_spec){.issuer = &other_ca}, chain, "self-signed");
	sk_X509_free(chain);
}

static void
test_a_path_says_whether_it_needs_a_certificate_of_the_client(void **state)
{
	(void)state;
	struct authority below =
	    authority_new("Issuing CA", "other", &(struct certificate_spec){.issuer = &ca});
	X509 *leaf = certificates_make(&(struct certificate_spec){.issuer = &ca});
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, leaf);
	assert_false(tls_verify_needs_no_other(rules, chain));
	sk_X509_push(chain, ca.certificate);
	assert_true(tls_verify_needs_no_other(rules, chain));
	sk_X509_insert(chain, below.certificate, 1);
	assert_false(tls_verify_needs_no_other(rules, chain));
	assert_false(tls_verify_needs_no_other(rules, NULL));
	sk_X509_free(chain);
	X509_free(leaf);
	authority_free(&below);
}

static void
test_a_forged_signature_is_refused(void **state)
{
	(void)state;
	X509 *leaf = certificates_make(&(struct certificate_spec){.issuer = &ca});
	X509 *forged = certificates_patched(leaf, "acme-prod", "acme-prox", 9);
	struct identity identity;

	assert_non_null(forged);
	const char *defect = tls_verify_certificate(rules, forged, NULL, &identity);
	assert_non_null(defect);
	assert_non_null(strstr(defect, "signature"));
	assert_null(tls_verify_certificate(rules, leaf, NULL, &identity));
	X509_free(forged);
	X509_free(leaf);
}

static void
test_a_certificate_is_good_between_its_dates_only(void **state)
{
	(void)state;
	assert_verified(
	    rules, &(struct certificate_spec){.issuer = &ca, .from = -one_day, .until = 60}, NULL);
	assert_verified(
	    rules, &(struct certificate_spec){.issuer = &ca, .from = -1, .until = one_day}, NULL);
	assert_not_verified(rules,
	    &(struct certificate_spec){.issuer = &ca, .from = -one_day, .until = -1}, NULL,
	    "expired");
	assert_not_verified(rules,
	    &(struct certificate_spec){.issuer = &ca, .from = 60, .until = one_day}, NULL,
	    "not yet valid");
}

static void
test_an_unknown_extension_is_refused_only_when_critical(void **state)
{
	(void)state;
	struct certificate_spec spec = {
	    .issuer = &ca, .unknown_extension = "1.3.6.1.4.1.99999.2", .unknown_is_critical = true};

	assert_not_verified(rules, &spec, NULL, "critical extension");
	spec.unknown_is_critical = false;
	assert_verified(rules, &spec, NULL);
}

static void
test_certificates_outside_the_profile_are_refused(void **state)
{
	(void)state;
	static const struct attribute two_cns[] = {UTF8("CN", "acme-prod"), UTF8("CN", "globex")};
	const struct certificate_spec specs[] = {{.issuer = &ca, .extended_key_usage = "none"},
	    {.issuer = &ca, .extended_key_usage = "serverAuth"},
	    {.issuer = &ca, .extended_key_usage = "emailProtection"},
	    {.issuer = &ca, .key_usage = "critical,keyEncipherment"},
	    {.issuer = &ca,
	        .basic_constraints = "critical,CA:TRUE",
	        .key_usage = "critical,keyCertSign,digitalSignature"},
	    {.issuer = &ca, .digest = EVP_sha1()},
	    {.issuer = &ca, .key = certificates_key("RSA-1024")},
	    {.issuer = &ca, .key = certificates_key("P-224")},
	    {.issuer = &ca, .key = certificates_key("secp256k1")},
	    {.issuer = &ca, .is_version_1 = true},
	    {.issuer = &ca, .proxy_policy = "critical,language:id-ppl-anyLanguage,pathlen:0"},
	    {.issuer = &ca, .subject = two_cns, .subject_count = 2}};

	for (size_t i = 0; i < COUNT(specs); i++) {
		struct identity identity;
		if (verify(rules, &specs[i], NULL, &identity) == NULL)
			fail_msg("certificate %zu is accepted", i);
	}
}

static void
test_each_of_several_cas_may_issue(void **state)
{
	(void)state;
	struct pem_text cas = ca_text;

	pem_add(&cas, other_ca.certificate);
	struct tls_verify *both = rules_of(&cas, NULL);
	assert_verified(both, &(struct certificate_spec){.issuer = &ca}, NULL);
	assert_verified(both, &(struct certificate_spec){.issuer = &other_ca}, NULL);
	tls_verify_free(both);
}

static void
test_it_is_known_which_ca_vouches_for_a_certificate(void **state)
{
	(void)state;
	struct identity identity;
	struct pem_text cas = ca_text;
	struct buffer names = {0};
	/* A CA may certify another one of any name, also one that we have. */
	struct authority masked =
	    authority_new("Test CA", "P-384", &(struct certificate_spec){.issuer = &other_ca});
	STACK_OF(X509) *sent = sk_X509_new_null();

	sk_X509_push(sent, masked.certificate);
	pem_add(&cas, other_ca.certificate);
	struct tls_verify *both = rules_of(&cas, NULL);
	assert_null(verify(both, &(struct certificate_spec){.issuer = &ca}, NULL, &identity));
	assert_string_equal(identity.issuer, "CN=Test CA");
	assert_null(verify(both, &(struct certificate_spec){.issuer = &other_ca}, NULL, &identity));
	assert_string_equal(identity.issuer, "CN=Other CA");
	assert_null(verify(both, &(struct certificate_spec){.issuer = &masked}, sent, &identity));
	assert_string_equal(identity.issuer, "CN=Other CA");
	assert_int_equal(tls_verify_name_cas(both, &names), 2);
	assert_memory_equal(buffer_bytes(&names), "CN=Test CA; CN=Other CA", buffer_size(&names));
	buffer_fini(&names);
	tls_verify_free(both);
	sk_X509_free(sent);
	authority_free(&masked);
}

/* Makes CAs, each issued by the one before; the first by ROOT. */
static void
make_chain(const struct authority *root, struct authority *chain, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[40];
		struct certificate_spec spec = {.issuer = i == 0 ? root : &chain[i - 1]};
		(void)snprintf(name, sizeof name, "Intermediate %zu", i);
		chain[i] = authority_new(name, i % 2 == 0 ? "other" : "P-384", &spec);
	}
}

/* Verifies a leaf below COUNT intermediate CAs, which its client sends along, by rules without
 * CRLs that trust ROOT. */
static const char *
verify_below(const struct authority *root, size_t count)
{
	struct authority chain[TLS_VERIFY_DEPTH + 1];
	STACK_OF(X509) *sent = sk_X509_new_null();
	struct pem_text cas = {.len = 0};
	struct identity identity;

	assert_true(count >= 1 && count <= COUNT(chain));
	make_chain(root, chain, count);
	for (size_t i = 0; i < count; i++)
		sk_X509_push(sent, chain[i].certificate);
	pem_add(&cas, root->certificate);
	struct tls_verify *plain = rules_of(&cas, NULL);
	struct certificate_spec spec = {.issuer = &chain[count - 1]};
	const char *defect = verify(plain, &spec, sent, &identity);
	tls_verify_free(plain);
	sk_X509_free(sent);
	for (size_t i = 0; i < count; i++)
		authority_free(&chain[i]);
	return defect;
}

static void
test_a_path_has_a_greatest_length(void **state)
{
	(void)state;
	assert_null(verify_below(&ca, 1));
	assert_null(verify_below(&ca, TLS_VERIFY_DEPTH));
	const char *defect = verify_below(&ca, TLS_VERIFY_DEPTH + 1);
	assert_non_null(defect);
	assert_non_null(strstr(defect, "too long"));
}

static void
test_a_ca_may_limit_the_path_below_it(void **state)
{
	(void)state;
	struct authority narrow = authority_new("Narrow CA", "P-256",
	    &(struct certificate_spec){.basic_constraints = "critical,CA:TRUE,pathlen:1"});

	assert_null(verify_below(&narrow, 1));
	const char *defect = verify_below(&narrow, 2);
	assert_non_null(defect);
	assert_non_null(strstr(defect, "path length"));
	authority_free(&narrow);
}

static void
test_a_leaf_issues_nothing(void **state)
{
	(void)state;
	struct authority leaf = {certificates_key("other"),
	    certificates_make(
	        &(struct certificate_spec){.issuer = &ca, .key = certificates_key("other")})};
	STACK_OF(X509) *sent = sk_X509_new_null();

	sk_X509_push(sent, leaf.certificate);
	assert_not_verified(rules, &(struct certificate_spec){.issuer = &leaf}, sent, "");
	struct tls_verify *plain = rules_of(&ca_text, NULL);
	assert_not_verified(plain, &(struct certificate_spec){.issuer = &leaf}, sent, "CA");
	tls_verify_free(plain);
	sk_X509_free(sent);
	authority_free(&leaf);
}

static void
test_an_intermediate_ca_alone_is_an_anchor(void **state)
{
	(void)state;
	struct authority chain[1];
	struct pem_text cas = {.len = 0};

	make_chain(&ca, chain, 1);
	pem_add(&cas, chain[0].certificate);
	struct tls_verify *plain = rules_of(&cas, NULL);
	assert_verified(plain, &(struct certificate_spec){.issuer = &chain[0]}, NULL);
	assert_not_verified(
	    plain, &(struct certificate_spec){.issuer = &ca}, NULL, "issuer certificate");
	tls_verify_free(plain);
	pem_add(&cas, ca.certificate);
	plain = rules_of(&cas, NULL);
	assert_verified(plain, &(struct certificate_spec){.issuer = &chain[0]}, NULL);
	tls_verify_free(plain);
	authority_free(&chain[0]);
}

static void
test_client_cas_that_cannot_be_used_are_refused(void **state)
{
	(void)state;
	struct authority early = authority_new(
	    "Early CA", "P-256", &(struct certificate_spec){.from = one_day, .until = 2 * one_day});
	struct authority no_ca = authority_new(
	    "No CA", "P-256", &(struct certificate_spec){.basic_constraints = "CA:FALSE"});
	const struct {
		const struct authority *ca;
		const char *alone, *second;
	} cases[] = {
	    {&early, "CA certificate 1 is not valid yet", "CA certificate 2 is not valid yet"},
	    {&no_ca, "certificate 1 is not a CA's", "certificate 2 is not a CA's"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pem_text alone = {.len = 0}, second = ca_text;
		pem_add(&alone, cases[i].ca->certificate);
		assert_rules_refused(&alone, NULL, "ca.crt: ", cases[i].alone);
		pem_add(&second, cases[i].ca->certificate);
		assert_rules_refused(&second, NULL, "ca.crt: ", cases[i].second);
	}
	authority_free(&early);
	authority_free(&no_ca);
}

static void
test_client_cas_that_cannot_be_read_are_refused(void **state)
{
	(void)state;
	static const struct pem_text
	    empty = {"", 0},
	    garbage = {"garbage\n", 8},
	    broken = {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59};
	struct pem_text cut = ca_text, second = ca_text;

	assert_rules_refused(&empty, NULL, "ca.crt: ", "certificate 1 cannot be read");
	assert_rules_refused(&garbage, NULL, "ca.crt: ", "certificate 1 cannot be read");
	assert_rules_refused(&broken, NULL, "ca.crt: ", "certificate 1 cannot be read");
	assert_rules_refused(&crl_text, NULL, "ca.crt: ", "certificate 1 cannot be read");
	cut.len -= 40;
	assert_rules_refused(&cut, NULL, "ca.crt: ", "certificate 1 cannot be read");
	memcpy(second.bytes + second.len, broken.bytes, broken.len);
	second.len += broken.len;
	assert_rules_refused(&second, NULL, "ca.crt: ", "certificate 2 cannot be read");
}

static void
test_text_around_the_certificates_is_passed_over(void **state)
{
	(void)state;
	struct pem_text cas = {"The private CA of the build system\n", 35};

	pem_add(&cas, ca.certificate);
	memcpy(cas.bytes + cas.len, "\n\n", 2);
	cas.len += 2;
	pem_add(&cas, other_ca.certificate);
	struct tls_verify *both = rules_of(&cas, NULL);
	assert_verified(both, &(struct certificate_spec){.issuer = &other_ca}, NULL);
	tls_verify_free(both);
}

static void
test_the_names_of_the_cas_are_sent_to_clients(void **state)
{
	(void)state;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	tls_verify_install(rules, ctx);
	const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(ctx);
	assert_int_equal(sk_X509_NAME_num(names), 1);
	assert_int_equal(
	    X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(ca.certificate)), 0);
	assert_int_equal(SSL_CTX_get_verify_depth(ctx), TLS_VERIFY_DEPTH);
	SSL_CTX_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_good_certificate_is_verified),
	    cmocka_unit_test(test_certificates_of_others_are_refused),
	    cmocka_unit_test(test_a_ca_that_the_client_sends_along_is_not_trusted),
	    cmocka_unit_test(test_a_path_says_whether_it_needs_a_certificate_of_the_client),
	    cmocka_unit_test(test_a_forged_signature_is_refused),
	    cmocka_unit_test(test_a_certificate_is_good_between_its_dates_only),
	    cmocka_unit_test(test_an_unknown_extension_is_refused_only_when_critical),
	    cmocka_unit_test(test_certificates_outside_the_profile_are_refused),
	    cmocka_unit_test(test_each_of_several_cas_may_issue),
	    cmocka_unit_test(test_it_is_known_which_ca_vouches_for_a_certificate),
	    cmocka_unit_test(test_a_path_has_a_greatest_length),
	    cmocka_unit_test(test_a_ca_may_limit_the_path_below_it),
	    cmocka_unit_test(test_a_leaf_issues_nothing),
	    cmocka_unit_test(test_an_intermediate_ca_alone_is_an_anchor),
	    cmocka_unit_test(test_client_cas_that_cannot_be_used_are_refused),
	    cmocka_unit_test(test_client_cas_that_cannot_be_read_are_refused),
	    cmocka_unit_test(test_text_around_the_certificates_is_passed_over),
	    cmocka_unit_test(test_the_names_of_the_cas_are_sent_to_clients),
	};
	return cmocka_run_group_tests_name("tls_verify", tests, make_rules, free_rules);
}
