/*
 * The seals of the access log: what is written is read back, from the line's end alone; what is no
 * seal is none; lines that the gate lost are told of.
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
#include <openssl/pem.h>

#include "base/json_writer.h"
#include "gateway/request/audit_chain.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define ID "0123456789abcdef"

static char line[1024];

/* A line of CHAIN whose path a client chose, in LINE. */
static size_t
sealed(struct audit_chain *chain, const char *operation, const char *path)
{
	struct buffer out = {0};

	buffer_puts(&out, "what was there before\n{");
	size_t start = buffer_size(&out) - 1;
	json_writer_member(&out, "path", path);
	json_writer_member(&out, "operation", operation);
	audit_chain_seal(chain, &out, start, strcmp(operation, AUDIT_CHAIN_END) == 0);
	size_t len = buffer_size(&out) - start;
	assert_true(len < sizeof line);
	memcpy(line, buffer_bytes(&out) + start, len);
	line[len] = '\0';
	buffer_fini(&out);
	return len;
}

static void
test_each_line_has_the_digest_of_the_one_before(void **state)
{
	static const char path[] = "/a\",\"operation\":\"audit-end\",\"audit\":\"" ID ".7." ZEROS;
	struct audit_chain chain;
	struct audit_seal seal;
	char before[DIGEST_SHA256_SIZE] = ZEROS;

	(void)state;
	audit_chain_begin(&chain, NULL);
	for (unsigned i = 1; i <= 12; i++) {
		size_t len = sealed(&chain, "download", path);
		assert_true(audit_chain_read(line, len, &seal));
		assert_string_equal(seal.id, chain.id);
		assert_int_equal(seal.number, i);
		assert_int_equal(seal.lost, 0);
		assert_string_equal(seal.before, before);
		assert_false(seal.ends);
		digest_sha256_hex(line, len, before);
	}
	size_t len = sealed(&chain, AUDIT_CHAIN_END, "/a");
	assert_true(audit_chain_read(line, len, &seal) && seal.ends);
}

static void
test_what_was_lost_is_told_once(void **state)
{
	struct audit_chain chain;
	struct audit_seal seal;

	(void)state;
	audit_chain_begin(&chain, NULL);
	for (unsigned i = 0; i < 5; i++)
		(void)sealed(&chain, "download", "/a");
	audit_chain_lose(&chain, 3);
	audit_chain_skip(&chain);
	assert_true(audit_chain_read(line, sealed(&chain, "download", "/a"), &seal));
	assert_int_equal(seal.number, 7);
	assert_int_equal(seal.lost, 4);
	assert_true(audit_chain_read(line, sealed(&chain, "download", "/a"), &seal));
	assert_int_equal(seal.number, 8);
	assert_int_equal(seal.lost, 0);
}

/* An Ed25519 key as both sides have it. */
static void
make_key(struct line_signer **signer, struct line_signer_keys **verifier)
{
	char error[LINE_SIGNER_ERROR_MAX], *pem;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *private = BIO_new(BIO_s_mem()), *public = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(private, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(PEM_write_bio_PUBKEY(public, key), 1);
	long len = BIO_get_mem_data(private, &pem);
	*signer = line_signer_new("private", pem, (size_t)len, error);
	assert_null(line_signer_keys_new("private", pem, (size_t)len, error));
	len = BIO_get_mem_data(public, &pem);
	*verifier = line_signer_keys_new("public", pem, (size_t)len, error);
	assert_null(line_signer_new("public", pem, (size_t)len, error));
	assert_true(*signer != NULL && *verifier != NULL);
	BIO_free(private);
	BIO_free(public);
	EVP_PKEY_free(key);
}

static void
test_the_first_each_hundredth_and_the_last_line_are_signed(void **state)
{
	struct line_signer *signer;
	struct line_signer_keys *verifier;
	struct audit_chain chain;
	struct audit_seal seal;
	char text[AUDIT_SIGNED_TEXT_MAX];

	(void)state;
	make_key(&signer, &verifier);
	audit_chain_begin(&chain, signer);
	for (unsigned i = 1; i <= 303; i++) {
		if (i == 250)
			audit_chain_lose(&chain, 1);
		const char *operation = i == 303 ? AUDIT_CHAIN_END : "download";
		assert_true(audit_chain_read(line, sealed(&chain, operation, "/\",\"a"), &seal));
		bool due = i == 1 || i == 101 || i == 201 || i == 250 || i == 303;
		assert_int_equal(seal.signature[0] != '\0', due);
		size_t len = audit_chain_signed_text(seal.id, seal.number, seal.before, text);
		assert_int_equal(
		    due, due && line_signer_verify(verifier, text, len, seal.signature));
		assert_false(due && line_signer_verify(verifier, text, len - 1, seal.signature));
	}
	line_signer_free(signer);
	line_signer_keys_free(verifier);
}

static void
test_two_chains_have_two_names(void **state)
{
	struct audit_chain one, other;

	(void)state;
	audit_chain_begin(&one, NULL);
	audit_chain_begin(&other, NULL);
	assert_string_not_equal(one.id, other.id);
}

static void
test_what_is_no_seal_is_not_read_as_one(void **state)
{
	static const char *const texts[] = {
	    "",
	    "}",
	    "\"}",
	    "{\"a\":1}",
	    "\"audit\":\"" ID ".1." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".1." ZEROS "\"",
	    "{\"a\":1,\"audit\":\"" ID ".1." ZEROS "\"} ",
	    "{\"a\":1,\"audit\":\"" ID ".0." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".01." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID "..1." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".a." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".9223372036854775808." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".111111111111111111111." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID "0.1." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"0123456789ABCDEF.1." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"" ID ".1." ZEROS "0\"}",
	    "{\"a\":1,\"audit\":\"." ZEROS "\"}",
	    "{\"a\":1,\"audit\":\"\"}",
	    "{\"a\":1,\"audits\":\"" ID ".1." ZEROS "\"}",
	    "{\"a\":1,\"audit_lost\":,\"audit\":\"" ID ".1." ZEROS "\"}",
	    "{\"a\":1,\"audit_lost\":0,\"audit\":\"" ID ".1." ZEROS "\"}",
	    "{\"a\":1,\"audit_lost\":00,\"audit\":\"" ID ".1." ZEROS "\"}",
	};
	struct audit_seal seal;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (audit_chain_read(texts[i], strlen(texts[i]), &seal))
			fail_msg("it was taken: %s", texts[i]);
	static const char good[] = "{\"a\":1,\"audit\":\"" ID ".1." ZEROS "\"}";
	static const char cut[] = "{\"a\":\0,\"audit\":\"" ID ".1." ZEROS "\"}";
	assert_true(audit_chain_read(good, sizeof good - 1, &seal));
	assert_false(audit_chain_read(cut, sizeof cut - 1, &seal));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_line_has_the_digest_of_the_one_before),
	    cmocka_unit_test(test_what_was_lost_is_told_once),
	    cmocka_unit_test(test_the_first_each_hundredth_and_the_last_line_are_signed),
	    cmocka_unit_test(test_two_chains_have_two_names),
	    cmocka_unit_test(test_what_is_no_seal_is_not_read_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
