/*
 * The client CAs of a configuration: which are used, which are left out, and which are refused.
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

static struct authority ca;
static struct pem_text ca_text;

static int
make_ca(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	pem_add(&ca_text, ca.certificate);
	return 0;
}

static int
free_ca(void **state)
{
	(void)state;
	authority_free(&ca);
	return 0;
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

/* Its own revocation would be in the list of a CA that is not ours. */
static void
test_an_intermediate_ca_alone_needs_its_own_list_only(void **state)
{
	(void)state;
	struct authority chain[1];
	struct pem_text cas = {.len = 0}, lists = {.len = 0};
	X509 *revoked;

	make_chain(&ca, chain, 1);
	revoked =
	    certificates_make(&(struct certificate_spec){.issuer = &chain[0], .serial = "77"});
	pem_add(&cas, chain[0].certificate);
	pem_add_crl(&lists, &(struct crl_spec){.issuer = &chain[0], .revoked = revoked});
	struct tls_verify *own = rules_of(&cas, &lists);
	assert_verified(own, &(struct certificate_spec){.issuer = &chain[0]}, NULL);
	assert_not_verified(
	    own, &(struct certificate_spec){.issuer = &chain[0], .serial = "77"}, NULL, "revoked");
	tls_verify_free(own);
	/* Where the root is there, its list counts, and is wanted. */
	pem_add(&cas, ca.certificate);
	assert_rules_refused(&cas, &lists, "ca.crl: ", "no CRL of client CA 2, CN=Test CA");
	pem_add_crl(&lists, &(struct crl_spec){.issuer = &ca, .revoked = chain[0].certificate});
	own = rules_of(&cas, &lists);
	assert_not_verified(own, &(struct certificate_spec){.issuer = &chain[0]}, NULL, "revoked");
	tls_verify_free(own);
	X509_free(revoked);
	authority_free(&chain[0]);
}

static void
assert_noted(const struct tls_verify *self, const char *word)
{
	const struct buffer *notes = tls_verify_notes(self);
	size_t len = notes->data != NULL ? buffer_size(notes) : 0;

	if (len == 0 || memmem(buffer_bytes(notes), len, word, strlen(word)) == NULL)
		fail_msg("not noted: %s", word);
}

static void
test_a_ca_that_has_expired_is_left_out_beside_one_that_has_not(void **state)
{
	(void)state;
	const struct certificate_spec old = {.from = -2 * one_day, .until = -one_day};
	struct authority expired = authority_new("Expired CA", "P-384", &old), below[1];
	struct pem_text cas = ca_text, alone = {.len = 0}, orphan = {.len = 0};

	make_chain(&expired, below, 1);
	pem_add(&cas, expired.certificate);
	pem_add(&cas, below[0].certificate);
	struct tls_verify *left = rules_of(&cas, NULL);
	assert_noted(left, "ca.crt: CA certificate 2, CN=Expired CA is left out");
	assert_noted(left, "the CA that issued it has expired");
	assert_verified(left, &(struct certificate_spec){.issuer = &ca}, NULL);
	assert_not_verified(left, &(struct certificate_spec){.issuer = &expired}, NULL, "issuer");
	assert_not_verified(left, &(struct certificate_spec){.issuer = &below[0]}, NULL, "issuer");
	tls_verify_free(left);
	pem_add(&alone, expired.certificate);
	assert_rules_refused(&alone, NULL, "ca.crt: ", "CA certificate 1 has expired");
	pem_add(&alone, below[0].certificate);
	assert_rules_refused(&alone, NULL, "ca.crt: ", "and with it all others");
	pem_add(&orphan, below[0].certificate);
	tls_verify_free(rules_of(&orphan, NULL));
	authority_free(&below[0]);
	authority_free(&expired);
}

/* What RFC 5280 wants of a CA that issues, and a path can do without. */
static void
test_a_ca_of_the_configuration_may_lack_what_a_path_does_not_need(void **state)
{
	(void)state;
	const struct certificate_spec specs[] = {
	    {.basic_constraints = "CA:TRUE"}, {.key_usage = "none"}};

	for (size_t i = 0; i < COUNT(specs); i++) {
		struct authority lax = authority_new("Lax CA", "P-384", &specs[i]);
		struct certificate_spec below = specs[i];
		below.issuer = &ca;
		struct authority sent = authority_new("Lax Issuer", "P-384", &below);
		struct pem_text cas = {.len = 0};
		STACK_OF(X509) *chain = sk_X509_new_null();

		pem_add(&cas, lax.certificate);
		struct tls_verify *lenient = rules_of(&cas, NULL);
		assert_verified(lenient, &(struct certificate_spec){.issuer = &lax}, NULL);
		tls_verify_free(lenient);
		/* One that the client sends was chosen by nobody. */
		sk_X509_push(chain, sent.certificate);
		struct tls_verify *root = rules_of(&ca_text, NULL);
		assert_not_verified(root, &(struct certificate_spec){.issuer = &sent}, chain,
		    "put that CA into client_ca");
		tls_verify_free(root);
		sk_X509_free(chain);
		authority_free(&sent);
		authority_free(&lax);
	}
}

static void
test_a_ca_whose_every_client_would_be_refused_is_refused(void **state)
{
	(void)state;
	const struct {
		struct certificate_spec spec;
		const char *key, *why;
	} cases[] = {
	    {{.extended_key_usage = "serverAuth"}, "P-384", "clientAuth"},
	    {{.issuer = NULL}, "RSA-1024", "key too weak"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct authority bad = authority_new("Bad CA", cases[i].key, &cases[i].spec);
		struct pem_text cas = ca_text;

		pem_add(&cas, bad.certificate);
		assert_rules_refused(&cas, NULL,
		    "ca.crt: every client of CA certificate 2, CN=Bad CA", cases[i].why);
		authority_free(&bad);
	}
}

static void
test_ed25519_is_good_in_a_ca_and_in_a_client(void **state)
{
	(void)state;
	struct authority ed = authority_new("Ed CA", "Ed25519", NULL);
	struct pem_text cas = {.len = 0}, lists = {.len = 0};

	pem_add(&cas, ed.certificate);
	pem_add_crl(&lists, &(struct crl_spec){.issuer = &ed});
	struct tls_verify *good = rules_of(&cas, &lists);
	assert_verified(good,
	    &(struct certificate_spec){.issuer = &ed, .key = certificates_key("Ed25519")}, NULL);
	assert_verified(good, &(struct certificate_spec){.issuer = &ed}, NULL);
	tls_verify_free(good);
	authority_free(&ed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_intermediate_ca_alone_needs_its_own_list_only),
	    cmocka_unit_test(test_a_ca_that_has_expired_is_left_out_beside_one_that_has_not),
	    cmocka_unit_test(test_a_ca_of_the_configuration_may_lack_what_a_path_does_not_need),
	    cmocka_unit_test(test_a_ca_whose_every_client_would_be_refused_is_refused),
	    cmocka_unit_test(test_ed25519_is_good_in_a_ca_and_in_a_client),
	};
	return cmocka_run_group_tests_name("tls_cas", tests, make_ca, free_ca);
}
