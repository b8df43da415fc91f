/*
 * Release certificates and their signatures: which certificate may sign, and what passes for its
 * signature.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "certificates.h"
#include "crypto/bundle.h"
#include "crypto/crl.h"
#include "crypto/signature.h"

enum { KEY_TEXT_MAX = 4096 };

static const long one_day = 24L * 60 * 60;
static const char content[] = "what is signed";

static struct authority ca;

static int
set_up(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-384", NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	authority_free(&ca);
	return 0;
}

/* A certificate of the CA, by SPEC, as PEM text. */
static struct pem_text
issued(struct certificate_spec spec)
{
	struct pem_text text = {.len = 0};

	spec.issuer = &ca;
	X509 *certificate = certificates_make(&spec);
	pem_add(&text, certificate);
	X509_free(certificate);
	return text;
}

static struct signer
signer_of(const struct pem_text *text)
{
	return (struct signer){.pem = {"release.crt", text->bytes, text->len}};
}

/* NULL when SIGNER may sign; otherwise why not, static. */
static const char *
refusal(const struct signer *signer)
{
	static char error[PEM_ERROR_MAX];
	X509 *certificate = signer_read(signer, error);
	bool good = certificate != NULL;

	X509_free(certificate);
	assert_int_equal(ERR_peek_error(), 0);
	return good ? NULL : error;
}

/* ---- certificates ------------------------------------------------------------------------- */

static void
test_a_certificate_may_sign_by_its_key_use_and_dates(void **state)
{
	const struct {
		struct certificate_spec spec;
		const char *why; /* NULL: it may */
	} cases[] = {
	    {{.key = certificates_key("P-256")}, NULL},
	    {{.key = certificates_key("P-384")}, NULL},
	    {{.key = certificates_key("RSA-2048")}, NULL},
	    {{.key_usage = "none"}, NULL},
	    {{.is_version_1 = true}, NULL},
	    {{.from = -one_day, .until = 60}, NULL},
	    {{.key = certificates_key("RSA-1024")}, "neither RSA of 2048 bits nor EC of 256"},
	    {{.key = certificates_key("RSA-2047")}, "neither RSA of 2048 bits nor EC of 256"},
	    {{.key = certificates_key("P-224")}, "neither RSA of 2048 bits nor EC of 256"},
	    {{.key = certificates_key("Ed25519")}, "neither RSA of 2048 bits nor EC of 256"},
	    {{.key_usage = "keyCertSign"}, "not meant for signatures (key usage)"},
	    {{.from = one_day, .until = 2 * one_day}, "is not yet valid"},
	    {{.from = -2 * one_day, .until = -one_day}, "has expired"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct pem_text text = issued(cases[i].spec);
		const struct signer signer = signer_of(&text);
		const char *why = refusal(&signer);
		if (cases[i].why == NULL && why != NULL)
			fail_msg("case %zu is refused: %s", i, why);
		else if (cases[i].why != NULL && (why == NULL || strstr(why, cases[i].why) == NULL))
			fail_msg("%s, instead of: %s", why, cases[i].why);
	}
}

static void
test_the_file_holds_that_certificate_and_no_other(void **state)
{
	struct pem_text text = issued((struct certificate_spec){.serial = NULL});
	const struct pem_text none = {.len = 0};
	const struct signer nobody = signer_of(&none);

	(void)state;
	assert_string_equal(refusal(&nobody), "release.crt: certificate 1 cannot be read");
	pem_add(&text, ca.certificate);
	const struct signer two = signer_of(&text);
	assert_string_equal(refusal(&two), "release.crt: must hold exactly one certificate");
	text.len -= 40;
	const struct signer cut = signer_of(&text);
	assert_string_equal(refusal(&cut), "release.crt: certificate 2 cannot be read");
}

static void
test_a_revoked_certificate_may_not_sign(void **state)
{
	X509 *certificate = certificates_make(&(struct certificate_spec){.issuer = &ca});
	struct pem_text text = {.len = 0}, list = {.len = 0}, other = {.len = 0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add(&text, certificate);
	pem_add_crl(&list, &(struct crl_spec){.issuer = &ca, .revoked = certificate});
	pem_add_crl(&other, &(struct crl_spec){.issuer = &ca});
	struct signer signer = signer_of(&text);
	assert_null(refusal(&signer));
	assert_false(signer_is_revoked(&signer));
	STACK_OF(X509_CRL) *lists = crl_read(&(struct pem){"l", list.bytes, list.len}, error);
	STACK_OF(X509_CRL) *others = crl_read(&(struct pem){"l", other.bytes, other.len}, error);
	signer.lists = others;
	assert_null(refusal(&signer));
	signer.lists = lists;
	assert_string_equal(refusal(&signer), "release.crt: the certificate is revoked");
	assert_true(signer_is_revoked(&signer));
	signer.pem.len = 10;
	assert_false(signer_is_revoked(&signer));
	crl_free(lists);
	crl_free(others);
	X509_free(certificate);
}

static void
test_the_next_date_is_that_of_a_change(void **state)
{
	const struct pem_text text =
	    issued((struct certificate_spec){.from = -one_day, .until = one_day});
	const struct pem pem = {"release.crt", text.bytes, text.len};
	const struct pem broken = {"release.crt", text.bytes, 10};
	time_t now = time(NULL), begins = signer_next_date(&pem, 0);
	time_t ends = signer_next_date(&pem, now);

	(void)state;
	assert_in_range(now - one_day - begins + 60, 0, 120);
	assert_int_equal(ends - begins, 2 * one_day);
	assert_int_equal(signer_next_date(&pem, ends), 0);
	assert_int_equal(signer_next_date(&broken, now), 0);
}

/* ---- keys and signatures ------------------------------------------------------------------ */

struct key_text {
	char bytes[KEY_TEXT_MAX];
	size_t len;
};

/* The PEM of the key NAME; with a passphrase unless that is NULL. */
static struct key_text
key_text(const char *name, const char *passphrase)
{
	struct key_text text;
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;

	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(bio, certificates_key(name), cipher, passphrase,
	        passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
	    1);
	text.len = (size_t)BIO_read(bio, text.bytes, sizeof text.bytes);
	assert_in_range(text.len, 1, sizeof text.bytes - 1);
	BIO_free(bio);
	return text;
}

static struct pem
pem_of(const struct key_text *text)
{
	return (struct pem){"release.key", text->bytes, text->len};
}

static void
test_a_signature_is_good_for_its_content_and_certificate_alone(void **state)
{
	const struct pem_text own = issued((struct certificate_spec){.serial = "1"});
	const struct pem_text other = issued((struct certificate_spec){.serial = "2"});
	const struct pem_text late = issued(
	    (struct certificate_spec){.serial = "1", .from = -2 * one_day, .until = -one_day});
	const struct signer signer = signer_of(&own), another = signer_of(&other),
	                    expired = signer_of(&late);
	const struct key_text key = key_text("P-256", NULL);
	const struct pem key_pem = pem_of(&key);
	struct buffer made = {0};
	char error[PEM_ERROR_MAX];

	(void)state;
	assert_true(signature_make(&signer, &key_pem, content, sizeof content, &made, error));
	const struct pem signature = {"p7s", buffer_bytes(&made), buffer_size(&made)};
	assert_true(signature_verify(&signer, &signature, content, sizeof content, error));
	assert_false(signature_verify(&signer, &signature, content, sizeof content - 1, error));
	assert_string_equal(error, "p7s: is not a signature of this content");
	assert_false(signature_verify(&another, &signature, content, sizeof content, error));
	assert_string_equal(
	    error, "p7s: was made by another certificate than the one that is pinned");
	assert_false(signature_verify(&expired, &signature, content, sizeof content, error));
	assert_string_equal(error, "release.crt: the certificate has expired");
	const struct pem cut = {"p7s", signature.bytes, signature.len - 1};
	assert_false(signature_verify(&signer, &cut, content, sizeof content, error));
	assert_string_equal(error, "p7s: is not a CMS signature in DER");
	buffer_append(&made, "", 1);
	const struct pem longer = {"p7s", buffer_bytes(&made), buffer_size(&made)};
	assert_false(signature_verify(&signer, &longer, content, sizeof content, error));
	assert_string_equal(error, "p7s: has bytes after its end");
	assert_int_equal(ERR_peek_error(), 0);
	buffer_fini(&made);
}

static void
test_a_bad_certificate_or_key_makes_no_signature(void **state)
{
	X509 *certificate = certificates_make(&(struct certificate_spec){.issuer = &ca});
	struct pem_text text = {.len = 0}, list = {.len = 0};
	const struct key_text own = key_text("P-256", NULL), other = key_text("P-384", NULL),
	                      locked = key_text("P-256", "secret");
	struct buffer made = {0};
	char error[PEM_ERROR_MAX];

	(void)state;
	pem_add(&text, certificate);
	pem_add_crl(&list, &(struct crl_spec){.issuer = &ca, .revoked = certificate});
	struct signer signer = signer_of(&text);
	struct pem key = pem_of(&other);
	assert_false(signature_make(&signer, &key, content, sizeof content, &made, error));
	assert_memory_equal(error, "release.key: cannot sign: ", 26);
	key = pem_of(&locked);
	assert_false(signature_make(&signer, &key, content, sizeof content, &made, error));
	assert_memory_equal(error, "release.key: the private key cannot be read: ", 45);
	key = pem_of(&own);
	key.len = 0;
	assert_false(signature_make(&signer, &key, content, sizeof content, &made, error));
	assert_memory_equal(error, "release.key: the private key cannot be read: ", 45);
	STACK_OF(X509_CRL) *lists = crl_read(&(struct pem){"l", list.bytes, list.len}, error);
	signer.lists = lists;
	key = pem_of(&own);
	assert_false(signature_make(&signer, &key, content, sizeof content, &made, error));
	assert_string_equal(error, "release.crt: the certificate is revoked");
	assert_int_equal(buffer_size(&made), 0);
	assert_int_equal(ERR_peek_error(), 0);
	crl_free(lists);
	X509_free(certificate);
}

/* ---- PEM ---------------------------------------------------------------------------------- */

static void
test_what_stands_around_certificates_is_passed_over(void **state)
{
	struct pem_text text = {.len = 0};
	char error[PEM_ERROR_MAX];

	(void)state;
	text.len = (size_t)snprintf(text.bytes, sizeof text.bytes, "a remark\n");
	pem_add(&text, ca.certificate);
	pem_add(&text, ca.certificate);
	STACK_OF(X509) *two =
	    bundle_read_certificates(&(struct pem){"ca", text.bytes, text.len}, error);
	assert_int_equal(sk_X509_num(two), 2);
	sk_X509_pop_free(two, X509_free);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_certificate_may_sign_by_its_key_use_and_dates),
	    cmocka_unit_test(test_the_file_holds_that_certificate_and_no_other),
	    cmocka_unit_test(test_a_revoked_certificate_may_not_sign),
	    cmocka_unit_test(test_the_next_date_is_that_of_a_change),
	    cmocka_unit_test(test_a_signature_is_good_for_its_content_and_certificate_alone),
	    cmocka_unit_test(test_a_bad_certificate_or_key_makes_no_signature),
	    cmocka_unit_test(test_what_stands_around_certificates_is_passed_over),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
