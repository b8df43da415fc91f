/*
 * A certificate authority for fuzz targets. A mutated certificate or CRL has a broken signature,
 * and would never get past that check; so the hard part, here as with checksums, is to mend what
 * the attacker is given the power to forge.
 */
#include "authority.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static EVP_PKEY *
key(void)
{
	static EVP_PKEY *made;

	if (made == NULL)
		made = EVP_EC_gen("P-256");
	FUZZ_REQUIRE(made != NULL);
	return made;
}

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	FUZZ_REQUIRE(extension != NULL);
	FUZZ_REQUIRE(X509_add_ext(certificate, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

/* An unsigned certificate for CN=NAME with the one key there is, good for a day. */
static X509 *
new_certificate(const char *name)
{
	X509 *certificate = X509_new();

	FUZZ_REQUIRE(certificate != NULL);
	FUZZ_REQUIRE(X509_set_version(certificate, X509_VERSION_3) == 1);
	FUZZ_REQUIRE(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7) == 1);
	FUZZ_REQUIRE(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
	                 MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) == 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	FUZZ_REQUIRE(X509_set_pubkey(certificate, key()) == 1);
	return certificate;
}

static X509 *
ca(void)
{
	static X509 *made;

	if (made != NULL)
		return made;
	made = new_certificate("fuzz CA");
	FUZZ_REQUIRE(X509_set_issuer_name(made, X509_get_subject_name(made)) == 1);
	add_extension(made, made, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(made, made, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_extension(made, made, NID_subject_key_identifier, "hash");
	FUZZ_REQUIRE(X509_sign(made, key(), EVP_sha256()) > 0);
	return made;
}

/* Sets the issuer of CERTIFICATE, which is freed, signs it and takes it from the wire. */
static X509 *
issue(X509 *certificate)
{
	X509 *issued = NULL;
	unsigned char *der = NULL;

	if (X509_set_issuer_name(certificate, X509_get_subject_name(ca())) == 1 &&
	    X509_sign(certificate, key(), EVP_sha256()) > 0) {
		int len = i2d_X509(certificate, &der);
		const unsigned char *at = der;
		if (len > 0)
			issued = d2i_X509(NULL, &at, len);
		OPENSSL_free(der);
	}
	X509_free(certificate);
	return issued;
}

static X509 *
issue_leaf(const char *name, const char *usage, const ASN1_INTEGER *serial)
{
	X509 *leaf = new_certificate(name);

	if (serial != NULL)
		FUZZ_REQUIRE(X509_set_serialNumber(leaf, (ASN1_INTEGER *)(uintptr_t)serial) == 1);
	add_extension(leaf, ca(), NID_basic_constraints, "critical,CA:FALSE");
	add_extension(leaf, ca(), NID_key_usage, "critical,digitalSignature");
	add_extension(leaf, ca(), NID_ext_key_usage, usage);
	add_extension(leaf, ca(), NID_subject_key_identifier, "hash");
	add_extension(leaf, ca(), NID_authority_key_identifier, "keyid");
	X509 *issued = issue(leaf);
	FUZZ_REQUIRE(issued != NULL);
	return issued;
}

X509 *
authority_client(const ASN1_INTEGER *serial)
{
	return issue_leaf("acme", "clientAuth", serial);
}

X509 *
authority_reissue(const X509 *certificate)
{
	X509 *copy = X509_dup(certificate);
	return copy != NULL ? issue(copy) : NULL;
}

/* The same for CRL, which is freed. */
static X509_CRL *
issue_crl(X509_CRL *crl)
{
	X509_CRL *issued = NULL;
	unsigned char *der = NULL;

	if (X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca())) == 1 &&
	    X509_CRL_sign(crl, key(), EVP_sha256()) > 0) {
		int len = i2d_X509_CRL(crl, &der);
		const unsigned char *at = der;
		if (len > 0)
			issued = d2i_X509_CRL(NULL, &at, len);
		OPENSSL_free(der);
	}
	X509_CRL_free(crl);
	return issued;
}

X509_CRL *
authority_reissue_crl(const X509_CRL *crl)
{
	X509_CRL *copy = X509_CRL_dup(crl);
	return copy != NULL ? issue_crl(copy) : NULL;
}

/* Takes what was written to BIO, and frees it. */
static struct authority_text
take_text(BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);
	struct authority_text text = {malloc((size_t)len + 1), (size_t)len};

	FUZZ_REQUIRE(text.bytes != NULL);
	memcpy(text.bytes, bytes, text.len);
	text.bytes[text.len] = '\0';
	BIO_free(bio);
	return text;
}

struct authority_text
authority_pem(const char *name, const void *der, size_t len)
{
	BIO *bio = BIO_new(BIO_s_mem());

	FUZZ_REQUIRE(bio != NULL);
	FUZZ_REQUIRE(PEM_write_bio(bio, name, "", der, (long)len) > 0 || len == 0);
	return take_text(bio);
}

static struct authority_text
certificate_pem(X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	FUZZ_REQUIRE(bio != NULL && PEM_write_bio_X509(bio, certificate) == 1);
	return take_text(bio);
}

static struct authority_text
key_pem(void)
{
	BIO *bio = BIO_new(BIO_s_mem());

	FUZZ_REQUIRE(bio != NULL);
	FUZZ_REQUIRE(PEM_write_bio_PrivateKey(bio, key(), NULL, NULL, 0, NULL, NULL) == 1);
	return take_text(bio);
}

static struct authority_text
crl_pem(void)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *last = X509_gmtime_adj(NULL, -86400), *next = X509_gmtime_adj(NULL, 86400);
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	BIO *bio = BIO_new(BIO_s_mem());

	FUZZ_REQUIRE(crl != NULL && last != NULL && next != NULL && number != NULL && bio != NULL);
	FUZZ_REQUIRE(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
	FUZZ_REQUIRE(X509_CRL_set1_lastUpdate(crl, last) == 1);
	FUZZ_REQUIRE(X509_CRL_set1_nextUpdate(crl, next) == 1);
	FUZZ_REQUIRE(ASN1_INTEGER_set(number, 1) == 1);
	FUZZ_REQUIRE(X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1);
	crl = issue_crl(crl);
	FUZZ_REQUIRE(crl != NULL && PEM_write_bio_X509_CRL(bio, crl) == 1);
	X509_CRL_free(crl);
	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
	ASN1_INTEGER_free(number);
	return take_text(bio);
}

const struct authority_files *
authority_files(void)
{
	static struct authority_files files;

	if (files.ca.bytes != NULL)
		return &files;
	files.ca = certificate_pem(ca());
	files.crl = crl_pem();
	files.key = key_pem();
	X509 *server = issue_leaf("localhost", "serverAuth", NULL);
	files.certificate = certificate_pem(server);
	X509_free(server);
	return &files;
}
