/*
 * Files of certificates and lists. The hard part: what cannot be read must not pass for the end of
 * the file, or fewer would be trusted, or revoked, than somebody put there.
 */
#include "bundle.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char begin[] = "-----BEGIN ";
static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark */

struct reader {
	struct bundle *bundle;
	const char *file, *wanted;
	char *error;
};

static bool
fail(const struct reader *self, const char *kind, const char *what)
{
	bool is_list = strcmp(kind, "CRL") == 0;
	int number = is_list ? sk_X509_CRL_num(self->bundle->lists)
	                     : sk_X509_num(self->bundle->certificates);

	(void)snprintf(self->error, PEM_ERROR_MAX, "%.200s: %s %d cannot be read%s%.150s",
	    self->file, kind, number + 1, *what != '\0' ? ": " : "", what);
	return false;
}

/* ---- DER ----------------------------------------------------------------------------------- */

bool
bundle_is_der(const char *bytes, size_t len)
{
	enum { SEQUENCE = 0x30, INDEFINITE = 0x80, LONGEST = 0x84 };
	const unsigned char *der = (const unsigned char *)bytes;

	return len > 2 && der[0] == SEQUENCE && der[1] >= INDEFINITE && der[1] <= LONGEST;
}

static bool
add_certificate(struct bundle *self, const unsigned char *der, long len)
{
	const unsigned char *at = der;
	X509 *certificate = d2i_X509(NULL, &at, len);

	if (certificate == NULL || at != der + len) {
		X509_free(certificate);
		return false;
	}
	if (sk_X509_push(self->certificates, certificate) == 0)
		abort();
	return true;
}

static bool
add_list(struct bundle *self, const unsigned char *der, long len)
{
	const unsigned char *at = der;
	X509_CRL *list = d2i_X509_CRL(NULL, &at, len);

	if (list == NULL || at != der + len) {
		X509_CRL_free(list);
		return false;
	}
	if (sk_X509_CRL_push(self->lists, list) == 0)
		abort();
	return true;
}

static void
take_content(struct bundle *self, CMS_ContentInfo *cms)
{
	STACK_OF(X509) *certificates = CMS_get1_certs(cms);
	STACK_OF(X509_CRL) *lists = CMS_get1_crls(cms);

	while (sk_X509_num(certificates) > 0)
		if (sk_X509_push(self->certificates, sk_X509_shift(certificates)) == 0)
			abort();
	while (sk_X509_CRL_num(lists) > 0)
		if (sk_X509_CRL_push(self->lists, sk_X509_CRL_shift(lists)) == 0)
			abort();
	sk_X509_free(certificates);
	sk_X509_CRL_free(lists);
}

/* PKCS#7 that carries certificates and lists is signed data without a signer. */
static bool
add_pkcs7(struct bundle *self, const unsigned char *der, long len)
{
	const unsigned char *at = der;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, len);
	bool good =
	    cms != NULL && at == der + len && OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_signed;

	if (good)
		take_content(self, cms);
	CMS_ContentInfo_free(cms);
	return good;
}

static bool
read_der(const struct reader *self, const struct pem *file)
{
	const unsigned char *der = (const unsigned char *)file->bytes;
	long len = (long)file->len;

	if (add_certificate(self->bundle, der, len) || add_list(self->bundle, der, len) ||
	    add_pkcs7(self->bundle, der, len))
		return true;
	return fail(self, self->wanted,
	    "it is not the DER of one certificate, one list or PKCS#7, to the last byte");
}

/* ---- PEM ----------------------------------------------------------------------------------- */

/* What may stand beside certificates and is none of our business. */
static bool
is_passed_over(const char *name)
{
	size_t len = strlen(name);
	static const char *const ends[] = {"PRIVATE KEY", "PUBLIC KEY", "PARAMETERS", "REQUEST"};

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t end = strlen(ends[i]);
		if (len >= end && strcmp(name + len - end, ends[i]) == 0)
			return true;
	}
	return false;
}

static bool
is_one_of(const char *name, const char *first, const char *second, const char *third)
{
	return strcmp(name, first) == 0 || strcmp(name, second) == 0 || strcmp(name, third) == 0;
}

static bool
take_block(const struct reader *self, const char *name, const unsigned char *der, long len)
{
	if (is_one_of(name, PEM_STRING_X509, PEM_STRING_X509_OLD, PEM_STRING_X509))
		return add_certificate(self->bundle, der, len) || fail(self, "certificate", "");
	if (strcmp(name, PEM_STRING_X509_CRL) == 0)
		return add_list(self->bundle, der, len) || fail(self, "CRL", "");
	if (is_one_of(name, PEM_STRING_PKCS7, PEM_STRING_PKCS7_SIGNED, PEM_STRING_CMS))
		return add_pkcs7(self->bundle, der, len) || fail(self, self->wanted, "PKCS#7");
	if (is_passed_over(name))
		return true;
	return fail(self, self->wanted,
	    "it holds PEM of another kind than CERTIFICATE, X509 CRL "
	    "and PKCS7");
}

/* OpenSSL passes over a BEGIN that is not at the start of a line, and what follows it. */
static bool
every_begin_begins_a_line(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while ((at = memmem(at, (size_t)(end - at), begin, sizeof begin - 1)) != NULL) {
		if (at > text && at[-1] != '\n' && at[-1] != '\r')
			return false;
		at += sizeof begin - 1;
	}
	return true;
}

static bool
read_pem(const struct reader *self, const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long size = 0;
	bool good = true;

	if (bio == NULL)
		abort();
	if (!every_begin_begins_a_line(text, len))
		good = fail(self, self->wanted, "there is a BEGIN in the middle of a line");
	while (good && PEM_read_bio(bio, &name, &header, &der, &size) == 1) {
		good = take_block(self, name, der, size);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)size);
	}
	BIO_free(bio);
	if (good && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		good = fail(self, self->wanted, "");
	return good;
}

/* ---- either -------------------------------------------------------------------------------- */

bool
bundle_read(
    struct bundle *self, const struct pem *file, const char *wanted, char error[PEM_ERROR_MAX])
{
	const struct reader reader = {self, file->name, wanted, error};
	const char *text = file->bytes;
	size_t len = file->len;
	bool good;

	if (len > INT_MAX)
		abort();
	*self = (struct bundle){sk_X509_new_null(), sk_X509_CRL_new_null()};
	if (self->certificates == NULL || self->lists == NULL)
		abort();
	ERR_clear_error();
	if (bundle_is_der(text, len)) {
		good = read_der(&reader, file);
	} else {
		size_t skip = len >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
		good = read_pem(&reader, text + skip, len - skip);
	}
	ERR_clear_error();
	if (!good)
		bundle_free(self);
	return good;
}

void
bundle_free(struct bundle *self)
{
	sk_X509_pop_free(self->certificates, X509_free);
	sk_X509_CRL_pop_free(self->lists, X509_CRL_free);
	*self = (struct bundle){NULL, NULL};
}

STACK_OF(X509) * bundle_read_certificates(const struct pem *file, char error[PEM_ERROR_MAX])
{
	struct bundle bundle;

	if (!bundle_read(&bundle, file, "certificate", error))
		return NULL;
	STACK_OF(X509) *stack = bundle.certificates;
	if (sk_X509_num(stack) > 0) {
		bundle.certificates = NULL;
	} else {
		(void)snprintf(
		    error, PEM_ERROR_MAX, "%.200s: certificate 1 cannot be read", file->name);
		stack = NULL;
	}
	bundle_free(&bundle);
	return stack;
}
