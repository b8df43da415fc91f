/*
 * The identity profile: what kind of certificate a client may have.
 *
 * Its subject is the matter of test_identity_subject.c; chain, dates and revocation are that of
 * test_tls_verify.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "certificates.h"
#include "gateway/tls/identity.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct authority ca, rsa_ca, ed25519_ca;

static int
make_authorities(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	rsa_ca = authority_new("Test RSA CA", "RSA-2048", NULL);
	ed25519_ca = authority_new("Test Ed25519 CA", "Ed25519", NULL);
	return 0;
}

static int
free_authorities(void **state)
{
	(void)state;
	authority_free(&ca);
	authority_free(&rsa_ca);
	authority_free(&ed25519_ca);
	return 0;
}

/* Makes a certificate by SPEC (of the P-256 CA unless it says another) and reads it. Returns why
 * it is refused. */
static const char *
identify(struct certificate_spec spec, struct identity *identity)
{
	if (spec.issuer == NULL)
		spec.issuer = &ca;
	X509 *certificate = certificates_make(&spec);
	const char *defect = identity_of(certificate, identity);
	X509_free(certificate);
	return defect;
}

static void
assert_accepted(struct certificate_spec spec, const char *name)
{
	struct identity identity;
	const char *defect = identify(spec, &identity);

	if (defect != NULL)
		fail_msg("%s is refused: %s", name, defect);
	assert_string_equal(identity.subject, CERTIFICATES_SUBJECT);
}

/* Fails unless the certificate is refused with a reason that holds WORD. Its subject is good, and
 * must be known for the log. */
static void
assert_refused(struct certificate_spec spec, const char *name, const char *word)
{
	struct identity identity;
	const char *defect = identify(spec, &identity);

	if (defect == NULL)
		fail_msg("%s is accepted", name);
	else if (strstr(defect, word) == NULL)
		fail_msg("%s is refused for another reason: %s", name, defect);
	assert_string_equal(identity.subject, CERTIFICATES_SUBJECT);
	assert_string_not_equal(identity.serial, "");
}

static void
test_a_plain_client_certificate_is_accepted(void **state)
{
	(void)state;
	assert_accepted((struct certificate_spec){0}, "plain");
	assert_accepted((struct certificate_spec){.basic_constraints = "none"}, "no constraints");
	assert_accepted((struct certificate_spec){.key_usage = "none"}, "no key usage");
}

static void
test_rsa_from_2048_and_ec_from_256_bits_are_accepted(void **state)
{
	(void)state;
	static const char *const keys[] = {"RSA-2048", "P-256", "P-384", "Ed25519"};

	for (size_t i = 0; i < COUNT(keys); i++)
		assert_accepted(
		    (struct certificate_spec){.key = certificates_key(keys[i])}, keys[i]);
}

static void
test_shorter_keys_and_other_kinds_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *key, *word;
	} cases[] = {{"RSA-1024", "RSA key"}, {"RSA-2047", "RSA key"}, {"P-224", "EC key"},
	    {"secp256k1", "on none of P-256"}};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused((struct certificate_spec){.key = certificates_key(cases[i].key)},
		    cases[i].key, cases[i].word);
}

static void
test_sha_256_and_its_longer_sisters_are_accepted(void **state)
{
	(void)state;
	const EVP_MD *const digests[] = {EVP_sha256(), EVP_sha384(), EVP_sha512()};

	for (size_t i = 0; i < COUNT(digests); i++) {
		assert_accepted(
		    (struct certificate_spec){.digest = digests[i]}, EVP_MD_get0_name(digests[i]));
		assert_accepted((struct certificate_spec){.digest = digests[i], .issuer = &rsa_ca},
		    EVP_MD_get0_name(digests[i]));
	}
}

static void
test_ed25519_is_a_signature_of_its_own(void **state)
{
	(void)state;
	assert_accepted((struct certificate_spec){.issuer = &ed25519_ca}, "Ed25519");
}

static void
test_weaker_digests_are_refused(void **state)
{
	(void)state;
	const struct {
		const EVP_MD *digest;
		const struct authority *issuer;
	} cases[] = {{EVP_sha1(), &ca}, {EVP_sha1(), &rsa_ca}, {EVP_md5(), &rsa_ca},
	    {EVP_sha224(), &ca}, {EVP_sha224(), &rsa_ca}};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(
		    (struct certificate_spec){.digest = cases[i].digest, .issuer = cases[i].issuer},
		    EVP_MD_get0_name(cases[i].digest), "weaker than SHA-256");
}

static void
test_the_certificate_of_a_ca_is_refused(void **state)
{
	(void)state;
	static const char *const constraints[] = {
	    "critical,CA:TRUE", "CA:TRUE", "critical,CA:TRUE,pathlen:0"};
	static const char *const usages[] = {"none", "critical,keyCertSign,digitalSignature"};

	for (size_t i = 0; i < COUNT(constraints); i++)
		for (size_t u = 0; u < COUNT(usages); u++)
			assert_refused(
			    (struct certificate_spec){
			        .basic_constraints = constraints[i], .key_usage = usages[u]},
			    constraints[i], "a CA's");
	assert_refused((struct certificate_spec){.basic_constraints = "none",
	                   .key_usage = "critical,keyCertSign,digitalSignature"},
	    "keyCertSign", "a CA's");
}

static void
test_the_extended_key_usage_must_name_clientauth(void **state)
{
	(void)state;
	static const char *const usages[] = {"clientAuth", "critical,clientAuth",
	    "serverAuth,clientAuth", "clientAuth,emailProtection"};
	static const char *const others[] = {"serverAuth", "emailProtection", "codeSigning",
	    "timeStamping", "anyExtendedKeyUsage", "serverAuth,emailProtection",
	    "1.3.6.1.5.5.7.3.22", "1.3.6.1.5.5.7.3.2.1"};

	for (size_t i = 0; i < COUNT(usages); i++)
		assert_accepted(
		    (struct certificate_spec){.extended_key_usage = usages[i]}, usages[i]);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_refused((struct certificate_spec){.extended_key_usage = others[i]},
		    others[i], "clientAuth");
	assert_refused((struct certificate_spec){.extended_key_usage = "none"}, "no usage",
	    "no extended key usage");
}

static void
test_a_key_usage_must_allow_signatures(void **state)
{
	(void)state;
	assert_accepted((struct certificate_spec){.key_usage = "digitalSignature,keyAgreement"},
	    "digitalSignature and more");
	assert_refused((struct certificate_spec){.key_usage = "critical,keyEncipherment"},
	    "keyEncipherment", "digitalSignature");
	assert_refused((struct certificate_spec){.key_usage = "nonRepudiation,keyAgreement"},
	    "nonRepudiation", "digitalSignature");
}

static void
test_a_proxy_certificate_is_refused(void **state)
{
	(void)state;
	static const char *const policies[] = {"critical,language:id-ppl-anyLanguage,pathlen:0",
	    "critical,language:id-ppl-inheritAll", "critical,language:id-ppl-independent"};

	for (size_t i = 0; i < COUNT(policies); i++) {
		assert_refused((struct certificate_spec){.proxy_policy = policies[i],
		                   .basic_constraints = "none"},
		    policies[i], "proxy");
		assert_refused(
		    (struct certificate_spec){.proxy_policy = policies[i]}, policies[i], "proxy");
	}
}

static void
test_a_version_1_certificate_is_refused(void **state)
{
	(void)state;
	assert_refused(
	    (struct certificate_spec){.is_version_1 = true}, "version 1", "not version 3");
}

static void
test_an_extension_that_cannot_be_read_is_refused(void **state)
{
	(void)state;
	struct certificate_spec twice = {
	    .issuer = &ca, .unknown_extension = "2.5.29.37", .extended_key_usage = "clientAuth"};

	assert_refused(twice, "a second, broken extended key usage", "cannot be read");
}

static void
test_a_subject_alternative_name_is_not_an_identity(void **state)
{
	(void)state;
	assert_accepted(
	    (struct certificate_spec){.subject_alt_name = "DNS:globex,email:ops@globex.example,"
	                                                  "URI:https://globex.example/"},
	    "SAN");
	struct identity identity;
	struct certificate_spec only_san = {.subject = (const struct attribute[]){UTF8("CN", "x")},
	    .subject_count = 0,
	    .subject_alt_name = "DNS:acme-prod"};
	assert_non_null(identify(only_san, &identity));
	assert_string_equal(identity.subject, "");
}

static void
test_the_serial_is_printed_in_hex(void **state)
{
	(void)state;
	static const struct {
		const char *decimal, *hex;
	} cases[] = {{"0", "00"}, {"1", "01"}, {"10", "0A"}, {"255", "FF"}, {"256", "0100"},
	    {"3735928559", "DEADBEEF"},
	    {"1461501637330902918203684832716283019655932542975",
	        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct identity identity;
		assert_null(
		    identify((struct certificate_spec){.serial = cases[i].decimal}, &identity));
		assert_string_equal(identity.serial, cases[i].hex);
	}
}

static void
test_the_serial_of_a_refused_certificate_is_known_too(void **state)
{
	(void)state;
	struct identity identity;

	assert_non_null(identify(
	    (struct certificate_spec){.serial = "171", .extended_key_usage = "none"}, &identity));
	assert_string_equal(identity.serial, "AB");
	assert_non_null(
	    identify((struct certificate_spec){.serial = "172",
	                 .subject = (const struct attribute[]){UTF8("CN", "a"), UTF8("CN", "b")},
	                 .subject_count = 2},
	        &identity));
	assert_string_equal(identity.serial, "AC");
	assert_string_equal(identity.subject, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_plain_client_certificate_is_accepted),
	    cmocka_unit_test(test_rsa_from_2048_and_ec_from_256_bits_are_accepted),
	    cmocka_unit_test(test_shorter_keys_and_other_kinds_are_refused),
	    cmocka_unit_test(test_sha_256_and_its_longer_sisters_are_accepted),
	    cmocka_unit_test(test_ed25519_is_a_signature_of_its_own),
	    cmocka_unit_test(test_weaker_digests_are_refused),
	    cmocka_unit_test(test_the_certificate_of_a_ca_is_refused),
	    cmocka_unit_test(test_the_extended_key_usage_must_name_clientauth),
	    cmocka_unit_test(test_a_key_usage_must_allow_signatures),
	    cmocka_unit_test(test_a_proxy_certificate_is_refused),
	    cmocka_unit_test(test_a_version_1_certificate_is_refused),
	    cmocka_unit_test(test_an_extension_that_cannot_be_read_is_refused),
	    cmocka_unit_test(test_a_subject_alternative_name_is_not_an_identity),
	    cmocka_unit_test(test_the_serial_is_printed_in_hex),
	    cmocka_unit_test(test_the_serial_of_a_refused_certificate_is_known_too),
	};
	return cmocka_run_group_tests_name("identity", tests, make_authorities, free_authorities);
}
