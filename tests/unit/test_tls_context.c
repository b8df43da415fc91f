/*
 * When a TLS context may go on in the next generation: only when it is made of the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "gateway/tls/tls_context.h"
#include "verify_fixture.h"

static struct pem_text certificate_text, key_text, ca_text, crl_text, tickets_text;

static struct tls_material
material_of_files(void)
{
	return (struct tls_material){
	    .certificate = {"server.crt", certificate_text.bytes, certificate_text.len},
	    .key = {"server.key", key_text.bytes, key_text.len},
	    .client_ca = {"ca.crt", ca_text.bytes, ca_text.len},
	    .crl = {"ca.crl", crl_text.bytes, crl_text.len},
	    .ticket_keys = {"ticket.keys", tickets_text.bytes, tickets_text.len},
	};
}

static void
add_key(struct pem_text *text, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &bytes);
	assert_in_range(len, 1, sizeof text->bytes);
	memcpy(text->bytes, bytes, (size_t)len);
	text->len = (size_t)len;
	BIO_free(bio);
}

static int
make_files(void **state)
{
	(void)state;
	struct authority ca = authority_new("Test CA", "P-256", NULL);
	X509 *server = certificates_make(&(struct certificate_spec){
	    .issuer = &ca, .key = certificates_key("other"), .extended_key_usage = "serverAuth"});

	pem_add(&certificate_text, server);
	add_key(&key_text, certificates_key("other"));
	pem_add(&ca_text, ca.certificate);
	pem_add_crl(&crl_text, &(struct crl_spec){.issuer = &ca});
	/* 80 bytes in Base64, not all zeros. */
	memset(tickets_text.bytes, 'B', 106);
	memcpy(tickets_text.bytes + 106, "A=\n", 3);
	tickets_text.len = 109;
	X509_free(server);
	authority_free(&ca);
	return 0;
}

static const struct tls_options options = {.session_lifetime = 60, .client_certificates = 16384};

static struct tls_context *
context_of_files(void)
{
	char error[TLS_ERROR_MAX] = "";
	struct tls_material material = material_of_files();
	struct tls_context *tls = tls_context_new(&material, &options, error);

	if (tls == NULL)
		fail_msg("refused: %s", error);
	return tls;
}

static void
test_the_same_bytes_under_other_names_are_the_same(void **state)
{
	(void)state;
	struct tls_context *tls = context_of_files();
	struct tls_material material = material_of_files();

	material.certificate.name = "other.crt";
	assert_true(tls_context_is_made_of(tls, &material, &options));
	tls_context_unref(tls);
}

static void
test_a_single_byte_of_any_file_makes_a_difference(void **state)
{
	(void)state;
	struct pem_text *texts[] = {
	    &certificate_text, &key_text, &ca_text, &crl_text, &tickets_text};
	struct tls_context *tls = context_of_files();

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct tls_material material;

		texts[i]->bytes[texts[i]->len / 2] ^= 1;
		material = material_of_files();
		assert_false(tls_context_is_made_of(tls, &material, &options));
		texts[i]->bytes[texts[i]->len / 2] ^= 1;
		texts[i]->len--;
		material = material_of_files();
		assert_false(tls_context_is_made_of(tls, &material, &options));
		texts[i]->len++;
	}
	struct tls_material material = material_of_files();
	assert_true(tls_context_is_made_of(tls, &material, &options));
	tls_context_unref(tls);
}

static void
test_a_list_that_is_no_longer_wanted_makes_a_difference(void **state)
{
	(void)state;
	struct tls_context *tls = context_of_files();
	struct tls_material material = material_of_files();

	material.crl = (struct pem){"none", NULL, 0};
	assert_false(tls_context_is_made_of(tls, &material, &options));
	tls_context_unref(tls);
}

static void
test_every_option_makes_a_difference(void **state)
{
	(void)state;
	struct tls_context *tls = context_of_files();
	struct tls_material material = material_of_files();
	struct tls_options others[] = {options, options, options, options, options};

	others[0].high_ciphers = true;
	others[1].session_lifetime++;
	others[2].session_cache++;
	others[3].client_certificates++;
	others[4].records_without_data++;
	for (size_t i = 0; i < COUNT(others); i++)
		assert_false(tls_context_is_made_of(tls, &material, &others[i]));
	tls_context_unref(tls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_same_bytes_under_other_names_are_the_same),
	    cmocka_unit_test(test_a_single_byte_of_any_file_makes_a_difference),
	    cmocka_unit_test(test_a_list_that_is_no_longer_wanted_makes_a_difference),
	    cmocka_unit_test(test_every_option_makes_a_difference),
	};

	return cmocka_run_group_tests(tests, make_files, NULL);
}
