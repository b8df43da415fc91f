/*
 * What the key signs, and what it does not: the forms of a TLS server's signatures, accepted and
 * refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "certificates.h"
#include "gateway/tls/tls_signer.h"

enum {
	RSA_PKCS1_SHA1 = 0x0201,
	RSA_PKCS1_SHA256 = 0x0401,
	ECDSA_P256_SHA256 = 0x0403,
	RSA_PSS_SHA256 = 0x0804,
	SPACES = 64,
	RANDOMS = 64,
};

static const char server_text[] = "TLS 1.3, server CertificateVerify";
static const char client_text[] = "TLS 1.3, client CertificateVerify";

static struct tls_signer *
signer_of(const char *name)
{
	char error[PEM_ERROR_MAX] = "", *bytes = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(
	    PEM_write_bio_PrivateKey(bio, certificates_key(name), NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &bytes);
	struct tls_signer *signer =
	    tls_signer_new(&(struct pem){"server.key", bytes, (size_t)len}, error);
	assert_non_null(signer);
	BIO_free(bio);
	return signer;
}

/* The result of asking SIGNER for it by its name. */
static uint16_t
ask(struct tls_signer *signer, uint16_t scheme, const void *content, size_t len)
{
	struct tls_signing_request request = {.id = 7, .scheme = scheme, .len = (uint16_t)len};
	struct tls_signing_answer answer;

	memcpy(request.key, tls_signer_name(signer), sizeof request.key);
	memcpy(request.content, content, len);
	tls_signer_answer(signer, &request, &answer);
	assert_int_equal(answer.id, 7);
	assert_int_equal(answer.len > 0, answer.result == TLS_SIGNING_DONE);
	return answer.result;
}

/* What a CertificateVerify covers, with a hash of HASH bytes; its length. */
static size_t
certificate_verify(const char *text, size_t hash, unsigned char content[TLS_SIGNING_CONTENT_MAX])
{
	memset(content, ' ', SPACES);
	memcpy(content + SPACES, text, sizeof server_text);
	memset(content + SPACES + sizeof server_text, 'h', hash);
	return SPACES + sizeof server_text + hash;
}

/* What a ServerKeyExchange covers: GROUP's public key of KEY bytes that begins with FIRST. */
static size_t
key_exchange(unsigned group, unsigned key, unsigned char first,
    unsigned char content[TLS_SIGNING_CONTENT_MAX])
{
	const unsigned char params[] = {
	    3, (unsigned char)(group >> 8), (unsigned char)group, (unsigned char)key, first};

	memset(content, 'r', TLS_SIGNING_CONTENT_MAX);
	memcpy(content + RANDOMS, params, sizeof params);
	return RANDOMS + sizeof params - 1 + key;
}

static void
test_what_a_server_signs_is_signed(void **state)
{
	(void)state;
	unsigned char content[TLS_SIGNING_CONTENT_MAX];
	struct tls_signer *rsa = signer_of("RSA-2048"), *ec = signer_of("P-256");
	size_t len = certificate_verify(server_text, 32, content);

	assert_int_equal(ask(rsa, RSA_PSS_SHA256, content, len), TLS_SIGNING_DONE);
	assert_int_equal(ask(ec, ECDSA_P256_SHA256, content, len), TLS_SIGNING_DONE);
	len = certificate_verify(server_text, 48, content);
	assert_int_equal(ask(rsa, RSA_PSS_SHA256, content, len), TLS_SIGNING_DONE);
	len = key_exchange(29, 32, 'k', content);
	assert_int_equal(ask(rsa, RSA_PSS_SHA256, content, len), TLS_SIGNING_DONE);
	assert_int_equal(ask(rsa, RSA_PKCS1_SHA256, content, len), TLS_SIGNING_DONE);
	len = key_exchange(23, 65, 4, content);
	assert_int_equal(ask(ec, ECDSA_P256_SHA256, content, len), TLS_SIGNING_DONE);
	tls_signer_free(rsa);
	tls_signer_free(ec);
}

static void
assert_refused(struct tls_signer *signer, const unsigned char *content, size_t len)
{
	assert_int_equal(ask(signer, RSA_PSS_SHA256, content, len), TLS_SIGNING_REFUSED);
}

static void
test_nothing_else_is_signed(void **state)
{
	(void)state;
	unsigned char content[TLS_SIGNING_CONTENT_MAX];
	struct tls_signer *rsa = signer_of("RSA-2048");

	assert_refused(rsa, (const unsigned char *)"", 0);
	assert_refused(rsa, (const unsigned char *)"a certificate", 13);
	/* a digest alone, a client's, one space too few, another length */
	memset(content, 'd', sizeof content);
	assert_refused(rsa, content, 32);
	assert_refused(rsa, content, sizeof content);
	assert_refused(rsa, content, certificate_verify(client_text, 32, content));
	assert_refused(rsa, content + 1, certificate_verify(server_text, 32, content) - 1);
	assert_refused(rsa, content, certificate_verify(server_text, 20, content));
	content[0] = 'x';
	assert_refused(rsa, content, SPACES + sizeof server_text + 32);
	/* of TLS 1.2: another group, another length, a point that is compressed, no named curve */
	assert_refused(rsa, content, key_exchange(99, 32, 'k', content));
	assert_refused(rsa, content, key_exchange(29, 31, 'k', content));
	assert_refused(rsa, content, key_exchange(29, 32, 'k', content) + 1);
	assert_refused(rsa, content, key_exchange(23, 65, 2, content));
	size_t len = key_exchange(29, 32, 'k', content);
	content[RANDOMS] = 1;
	assert_refused(rsa, content, len);
	tls_signer_free(rsa);
}

static void
test_schemes_are_those_of_the_key_and_the_version(void **state)
{
	(void)state;
	unsigned char content[TLS_SIGNING_CONTENT_MAX];
	struct tls_signer *rsa = signer_of("RSA-2048"), *ec = signer_of("P-256");
	size_t len = certificate_verify(server_text, 32, content);

	assert_int_equal(ask(rsa, RSA_PKCS1_SHA256, content, len), TLS_SIGNING_REFUSED);
	assert_int_equal(ask(rsa, ECDSA_P256_SHA256, content, len), TLS_SIGNING_REFUSED);
	assert_int_equal(ask(ec, RSA_PSS_SHA256, content, len), TLS_SIGNING_REFUSED);
	len = key_exchange(29, 32, 'k', content);
	assert_int_equal(ask(rsa, RSA_PKCS1_SHA1, content, len), TLS_SIGNING_REFUSED);
	assert_int_equal(ask(rsa, 0, content, len), TLS_SIGNING_REFUSED);
	tls_signer_free(rsa);
	tls_signer_free(ec);
}

static void
test_another_keys_name_is_refused(void **state)
{
	(void)state;
	struct tls_signer *ec = signer_of("P-256"), *other = signer_of("other");
	struct tls_signing_request request = {.scheme = ECDSA_P256_SHA256};
	struct tls_signing_answer answer;

	memcpy(request.key, tls_signer_name(other), sizeof request.key);
	request.len = (uint16_t)certificate_verify(server_text, 32, request.content);
	tls_signer_answer(ec, &request, &answer);
	assert_int_equal(answer.result, TLS_SIGNING_REFUSED);
	tls_signer_answer(other, &request, &answer);
	assert_int_equal(answer.result, TLS_SIGNING_DONE);
	tls_signer_free(ec);
	tls_signer_free(other);
}

static void
test_messages_are_as_long_as_they_say(void **state)
{
	(void)state;
	struct tls_signing_request request = {.len = 10};
	struct tls_signing_answer answer = {.len = 10};
	size_t asked = tls_signing_request_size(&request), said = tls_signing_answer_size(&answer);

	assert_true(tls_signing_request_is_whole(&request, asked));
	assert_false(tls_signing_request_is_whole(&request, asked - 1));
	assert_false(tls_signing_request_is_whole(&request, asked + 1));
	assert_false(tls_signing_request_is_whole(&request, 0));
	assert_true(tls_signing_answer_is_whole(&answer, said));
	assert_false(tls_signing_answer_is_whole(&answer, said - 1));
	request.len = TLS_SIGNING_CONTENT_MAX + 1;
	assert_false(tls_signing_request_is_whole(&request, sizeof request));
	answer.len = TLS_SIGNING_SIGNATURE_MAX + 1;
	assert_false(tls_signing_answer_is_whole(&answer, sizeof answer));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_a_server_signs_is_signed),
	    cmocka_unit_test(test_nothing_else_is_signed),
	    cmocka_unit_test(test_schemes_are_those_of_the_key_and_the_version),
	    cmocka_unit_test(test_another_keys_name_is_refused),
	    cmocka_unit_test(test_messages_are_as_long_as_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
