/*
 * Verify rules built from CAs and CRLs of the test, and client certificates shown to them.
 *
 * Include after cmocka.h.
 */
#ifndef TESTS_UNIT_VERIFY_FIXTURE_H
#define TESTS_UNIT_VERIFY_FIXTURE_H

#include <string.h>

#include "certificates.h"
#include "gateway/tls/tls_verify.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The rules that CAS and CRLS make; CRLS NULL: none wanted. NULL with ERROR filled when refused. */
static inline struct tls_verify *
build_rules(const struct pem_text *cas, const struct pem_text *crls, char error[TLS_ERROR_MAX])
{
	struct pem ca = {"ca.crt", cas->bytes, cas->len};
	struct pem crl = {
	    "ca.crl", crls != NULL ? crls->bytes : NULL, crls != NULL ? crls->len : 0};

	error[0] = '\0';
	return tls_verify_new(&ca, &crl, error);
}

static inline struct tls_verify *
rules_of(const struct pem_text *cas, const struct pem_text *crls)
{
	char error[TLS_ERROR_MAX];
	struct tls_verify *rules = build_rules(cas, crls, error);

	if (rules == NULL)
		fail_msg("refused: %s", error);
	return rules;
}

/* Fails unless the rules are refused, with a message that begins with FILE and holds WORD. */
static inline void
assert_rules_refused(
    const struct pem_text *cas, const struct pem_text *crls, const char *file, const char *word)
{
	char error[TLS_ERROR_MAX];
	struct tls_verify *rules = build_rules(cas, crls, error);

	if (rules != NULL) {
		tls_verify_free(rules);
		fail_msg("accepted, instead of: %s", word);
	}
	if (strncmp(error, file, strlen(file)) != 0 || strstr(error, word) == NULL)
		fail_msg("refused, but not for \"%s\": %s", word, error);
}

/* Verifies a certificate made by SPEC, with CHAIN (NULL: none) as its client would send it. Returns
 * NULL or why not. */
static inline const char *
verify(struct tls_verify *rules, const struct certificate_spec *spec, STACK_OF(X509) * chain,
    struct identity *identity)
{
	X509 *leaf = certificates_make(spec);
	const char *defect = tls_verify_certificate(rules, leaf, chain, identity);

	X509_free(leaf);
	return defect;
}

static inline void
assert_verified(
    struct tls_verify *rules, const struct certificate_spec *spec, STACK_OF(X509) * chain)
{
	struct identity identity;
	const char *defect = verify(rules, spec, chain, &identity);

	if (defect != NULL)
		fail_msg("refused: %s", defect);
	assert_string_equal(identity.subject, CERTIFICATES_SUBJECT);
}

static inline void
assert_not_verified(struct tls_verify *rules, const struct certificate_spec *spec,
    STACK_OF(X509) * chain, const char *word)
{
	struct identity identity;
	const char *defect = verify(rules, spec, chain, &identity);

	if (defect == NULL)
		fail_msg("accepted, instead of: %s", word);
	else if (strstr(defect, word) == NULL)
		fail_msg("refused, but not for \"%s\": %s", word, defect);
}

#endif
