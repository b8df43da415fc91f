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
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "certificates.h"
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

static X509 *
parse(const unsigned char *bytes, long len)
{
	X509 *certificate = d2i_X509(NULL, &bytes, len);

	assert_non_null(certificate);
	return certificate;
}

static void
test_a_certificate_has_no_key_while_keys_are_skipped(void **state)
{
	(void)state;
	X509 *made = certificates_make(&(struct certificate_spec){0});
	unsigned char *bytes = NULL;
	long len = i2d_X509(made, &bytes);

	tls_library_skip_keys(true);
	X509 *keyless = parse(bytes, len);
	tls_library_skip_keys(false);
	X509 *keyed = parse(bytes, len);
	assert_null(X509_get0_pubkey(keyless));
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(keyed), X509_get0_pubkey(made)), 1);

	X509 *again = tls_library_with_key(keyless), *same = tls_library_with_key(keyed);
	assert_ptr_equal(same, keyed);
	assert_int_equal(X509_cmp(again, made), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(again), X509_get0_pubkey(made)), 1);
	X509_free(again);
	X509_free(same);
	X509_free(keyless);
	X509_free(keyed);
	X509_free(made);
	OPENSSL_free(bytes);
}

/* What OpenSSL does while it makes a ticket, and takes one. */
static void
test_all_but_keys_is_there_while_keys_are_skipped(void **state)
{
	(void)state;
	unsigned char digest[EVP_MAX_MD_SIZE], random[16];

	tls_library_skip_keys(true);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	assert_non_null(mac);
	assert_non_null(cipher);
	assert_int_equal(EVP_Digest("text", 4, digest, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(RAND_bytes(random, sizeof random), 1);
	EVP_MAC_free(mac);
	EVP_CIPHER_free(cipher);
	tls_library_skip_keys(false);
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
	    cmocka_unit_test(test_a_certificate_has_no_key_while_keys_are_skipped),
	    cmocka_unit_test(test_all_but_keys_is_there_while_keys_are_skipped),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
