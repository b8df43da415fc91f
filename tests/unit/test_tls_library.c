/*
 * What a process still decodes once it looks through less. The tests run in this order: there is no
 * way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "gateway/tls/tls_library.h"

enum { DER_MAX = 4096 };

struct key_text {
	EVP_PKEY *key;
	unsigned char public[DER_MAX], private[DER_MAX];
	long public_len, private_len;
};

static struct key_text rsa, ec, ed25519, x25519;

static void
write_key(struct key_text *self, EVP_PKEY *key)
{
	unsigned char *public = self->public, *private = self->private;

	assert_non_null(key);
	self->key = key;
	self->public_len = i2d_PUBKEY(key, &public);
	self->private_len = i2d_PrivateKey(key, &private);
	assert_in_range(self->public_len, 1, DER_MAX);
	assert_in_range(self->private_len, 1, DER_MAX);
}

static int
make_keys(void **state)
{
	(void)state;
	write_key(&rsa, EVP_RSA_gen(2048));
	write_key(&ec, EVP_EC_gen("P-256"));
	write_key(&ed25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	write_key(&x25519, EVP_PKEY_Q_keygen(NULL, NULL, "X25519"));
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa.key);
	EVP_PKEY_free(ec.key);
	EVP_PKEY_free(ed25519.key);
	EVP_PKEY_free(x25519.key);
	return 0;
}

static EVP_PKEY *
read_public(const struct key_text *text)
{
	const unsigned char *at = text->public;

	return d2i_PUBKEY(NULL, &at, text->public_len);
}

static EVP_PKEY *
read_private(const struct key_text *text, OSSL_LIB_CTX *library)
{
	const unsigned char *at = text->private;

	return d2i_AutoPrivateKey_ex(NULL, &at, text->private_len, library, NULL);
}

static void
test_another_provider_is_left_alone(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();

	if (child == 0) {
		OSSL_PROVIDER *one = OSSL_PROVIDER_load(NULL, "default");
		OSSL_PROVIDER *other = OSSL_PROVIDER_load(NULL, "base");
		bool trimmed = tls_library_trim();
		bool good =
		    one != NULL && other != NULL && !trimmed && tls_library_untrimmed() == NULL;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void
test_it_is_trimmed_once(void **state)
{
	(void)state;
	assert_null(tls_library_untrimmed());
	assert_true(tls_library_trim());
	assert_non_null(tls_library_untrimmed());
}

static void
test_public_keys_of_certificates_are_decoded(void **state)
{
	(void)state;
	const struct key_text *const texts[] = {&rsa, &ec, &ed25519};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		EVP_PKEY *key = read_public(texts[i]);
		assert_non_null(key);
		assert_int_equal(EVP_PKEY_eq(key, texts[i]->key), 1);
		EVP_PKEY_free(key);
	}
}

static void
test_keys_that_no_certificate_has_are_not(void **state)
{
	(void)state;
	assert_null(read_public(&x25519));
}

static void
test_private_keys_are_decoded_untrimmed(void **state)
{
	(void)state;
	EVP_PKEY *key = read_private(&rsa, tls_library_untrimmed());

	assert_non_null(key);
	assert_int_equal(EVP_PKEY_eq(key, rsa.key), 1);
	EVP_PKEY_free(key);
}

/* What signs is of the one library, what verifies of the other. */
static void
test_the_two_work_together(void **state)
{
	(void)state;
	EVP_PKEY *private = read_private(&rsa, tls_library_untrimmed()),
	         *public = read_public(&rsa);
	EVP_MD_CTX *signer = EVP_MD_CTX_new(), *verifier = EVP_MD_CTX_new();
	unsigned char signature[512];
	size_t len = sizeof signature;

	assert_int_equal(
	    EVP_DigestSignInit_ex(signer, NULL, "SHA256", NULL, NULL, private, NULL), 1);
	assert_int_equal(
	    EVP_DigestSign(signer, signature, &len, (const unsigned char *)"text", 4), 1);
	assert_int_equal(
	    EVP_DigestVerifyInit_ex(verifier, NULL, "SHA256", NULL, NULL, public, NULL), 1);
	assert_int_equal(
	    EVP_DigestVerify(verifier, signature, len, (const unsigned char *)"text", 4), 1);
	assert_int_not_equal(
	    EVP_DigestVerify(verifier, signature, len, (const unsigned char *)"test", 4), 1);
	EVP_MD_CTX_free(signer);
	EVP_MD_CTX_free(verifier);
	EVP_PKEY_free(private);
	EVP_PKEY_free(public);
}

static void
test_tls_has_its_groups_and_suites(void **state)
{
	(void)state;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	assert_non_null(context);
	assert_int_equal(SSL_CTX_set1_groups_list(context, "X25519:P-256"), 1);
	assert_int_equal(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM"), 1);
	SSL_CTX_free(context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_another_provider_is_left_alone),
	    cmocka_unit_test(test_it_is_trimmed_once),
	    cmocka_unit_test(test_public_keys_of_certificates_are_decoded),
	    cmocka_unit_test(test_keys_that_no_certificate_has_are_not),
	    cmocka_unit_test(test_private_keys_are_decoded_untrimmed),
	    cmocka_unit_test(test_the_two_work_together),
	    cmocka_unit_test(test_tls_has_its_groups_and_suites),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
