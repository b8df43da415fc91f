/*
 * Certificates and revocation lists for tests. The hard part is to make what OpenSSL would rather
 * not: names and extensions go in as raw ASN.1 where its checks are in the way.
 */
#include "certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct attribute default_subject[] = {
    ATTRIBUTE("C", V_ASN1_PRINTABLESTRING, "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod")};

static const long one_day = 86400;

static EVP_PKEY *
make_key(const char *name)
{
	if (strcmp(name, "Ed25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, name);
	if (strncmp(name, "RSA-", 4) == 0)
		return EVP_RSA_gen((unsigned)strtoul(name + 4, NULL, 10));
	return EVP_EC_gen(strcmp(name, "other") == 0 ? "P-256" : name);
}

EVP_PKEY *
certificates_key(const char *name)
{
	static struct {
		char name[16];
		EVP_PKEY *key;
	} keys[16];

	for (size_t i = 0; i < COUNT(keys); i++) {
		if (keys[i].key != NULL && strcmp(keys[i].name, name) == 0)
			return keys[i].key;
		if (keys[i].key != NULL)
			continue;
		assert_true(strlen(name) < sizeof keys[i].name);
		memcpy(keys[i].name, name, strlen(name));
		keys[i].key = make_key(name);
		assert_non_null(keys[i].key);
		return keys[i].key;
	}
	fail_msg("too many kinds of keys");
	return NULL;
}

static X509_NAME *
make_name(const struct attribute *attributes, size_t count)
{
	X509_NAME *name = X509_NAME_new();

	assert_non_null(name);
	for (size_t i = 0; i < count; i++) {
		const struct attribute *a = &attributes[i];
		ASN1_OBJECT *oid = OBJ_txt2obj(a->oid, 0);
		assert_non_null(oid);
		X509_NAME_ENTRY *entry = X509_NAME_ENTRY_create_by_OBJ(
		    NULL, oid, a->type, (const unsigned char *)a->value, (int)a->len);
		assert_non_null(entry);
		assert_int_equal(
		    X509_NAME_add_entry(name, entry, -1, a->with_previous ? -1 : 0), 1);
		X509_NAME_ENTRY_free(entry);
		ASN1_OBJECT_free(oid);
	}
	return name;
}

static void
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	CONF *conf = NCONF_new(NULL);

	if (value == NULL || strcmp(value, "none") == 0) {
		NCONF_free(conf);
		return;
	}
	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
	NCONF_free(conf);
}

/* An extension of type OID that nobody knows. */
static X509_EXTENSION *
unknown_extension(const char *oid, bool critical)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();

	assert_non_null(object);
	assert_int_equal(ASN1_OCTET_STRING_set(data, (const unsigned char *)"\5\0", 2), 1);
	X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, data);
	assert_non_null(extension);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(object);
	return extension;
}

static const char *
or_default(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static void
add_extensions(X509 *certificate, X509 *issuer, const struct certificate_spec *spec)
{
	add_extension(certificate, issuer, NID_basic_constraints,
	    or_default(spec->basic_constraints, "critical,CA:FALSE"));
	add_extension(certificate, issuer, NID_key_usage,
	    or_default(spec->key_usage, "critical,digitalSignature"));
	add_extension(certificate, issuer, NID_ext_key_usage,
	    or_default(spec->extended_key_usage, "clientAuth"));
	add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
	if (issuer != certificate)
		add_extension(certificate, issuer, NID_authority_key_identifier, "keyid");
	add_extension(certificate, issuer, NID_subject_alt_name, spec->subject_alt_name);
	add_extension(certificate, issuer, NID_proxyCertInfo, spec->proxy_policy);
	if (spec->unknown_extension == NULL)
		return;
	X509_EXTENSION *unknown =
	    unknown_extension(spec->unknown_extension, spec->unknown_is_critical);
	assert_int_equal(X509_add_ext(certificate, unknown, -1), 1);
	X509_EXTENSION_free(unknown);
}

static void
set_serial(X509 *certificate, const char *decimal)
{
	static uint64_t next = 0x1000;
	BIGNUM *number = NULL;

	if (decimal == NULL) {
		ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), next++);
		return;
	}
	assert_int_not_equal(BN_dec2bn(&number, decimal), 0);
	assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)));
	BN_free(number);
}

/* Encodes and decodes, and frees CERTIFICATE. */
static X509 *
from_the_wire(X509 *certificate)
{
	unsigned char *der = NULL;
	int len = i2d_X509(certificate, &der);
	const unsigned char *at = der;

	assert_true(len > 0);
	X509 *again = d2i_X509(NULL, &at, len);
	assert_non_null(again);
	OPENSSL_free(der);
	X509_free(certificate);
	return again;
}

static void
set_validity(long from, long until, ASN1_TIME *not_before, ASN1_TIME *not_after)
{
	bool is_default = from == 0 && until == 0;

	assert_non_null(X509_gmtime_adj(not_before, is_default ? -one_day : from));
	assert_non_null(X509_gmtime_adj(not_after, is_default ? one_day : until));
}

X509 *
certificates_make(const struct certificate_spec *spec)
{
	X509 *certificate = X509_new(),
	     *issuer = spec->issuer != NULL ? spec->issuer->certificate : certificate;
	EVP_PKEY *key = spec->key != NULL ? spec->key : certificates_key("P-256"),
	         *signer = spec->issuer != NULL ? spec->issuer->key : key;
	X509_NAME *name = spec->subject != NULL
	                      ? make_name(spec->subject, spec->subject_count)
	                      : make_name(default_subject, COUNT(default_subject));

	assert_int_equal(
	    X509_set_version(certificate, spec->is_version_1 ? X509_VERSION_1 : X509_VERSION_3), 1);
	set_serial(certificate, spec->serial);
	assert_int_equal(X509_set_subject_name(certificate, name), 1);
	X509_NAME_free(name);
	assert_int_equal(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)), 1);
	set_validity(spec->from, spec->until, X509_getm_notBefore(certificate),
	    X509_getm_notAfter(certificate));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	if (!spec->is_version_1)
		add_extensions(certificate, issuer, spec);
	bool has_own_digest = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
	const EVP_MD *digest = spec->digest != NULL ? spec->digest : EVP_sha256();
	assert_true(X509_sign(certificate, signer, has_own_digest ? NULL : digest) > 0);
	return from_the_wire(certificate);
}

struct authority
authority_new(const char *name, const char *key, const struct certificate_spec *spec)
{
	const struct attribute subject = {"CN", V_ASN1_UTF8STRING, name, strlen(name), false};
	struct certificate_spec own = spec != NULL ? *spec : (struct certificate_spec){0};

	own.subject = &subject;
	own.subject_count = 1;
	own.key = certificates_key(key);
	own.basic_constraints = or_default(own.basic_constraints, "critical,CA:TRUE");
	own.key_usage = or_default(own.key_usage, "critical,keyCertSign,cRLSign");
	own.extended_key_usage = or_default(own.extended_key_usage, "none");
	return (struct authority){own.key, certificates_make(&own)};
}

void
authority_free(struct authority *self)
{
	X509_free(self->certificate);
	*self = (struct authority){NULL, NULL};
}

static void
add_crl_number(X509_CRL *crl, int nid, long wanted)
{
	static long next = 1;
	ASN1_INTEGER *number = ASN1_INTEGER_new();

	assert_int_equal(ASN1_INTEGER_set(number, wanted != 0 ? wanted : next++), 1);
	assert_int_equal(X509_CRL_add1_ext_i2d(crl, nid, number, 0, 0), 1);
	ASN1_INTEGER_free(number);
}

static void
add_revoked(X509_CRL *crl, const struct crl_spec *spec)
{
	if (spec->revoked == NULL)
		return;
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *when = X509_gmtime_adj(NULL, -60);
	X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(spec->revoked));
	X509_REVOKED_set_revocationDate(entry, when);
	ASN1_TIME_free(when);
	if (spec->critical_entry_extension != NULL) {
		X509_EXTENSION *unknown = unknown_extension(spec->critical_entry_extension, true);
		assert_int_equal(X509_REVOKED_add_ext(entry, unknown, -1), 1);
		X509_EXTENSION_free(unknown);
	}
	assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
}

static void
set_crl_times(X509_CRL *crl, const struct crl_spec *spec)
{
	ASN1_TIME *last = ASN1_TIME_new(), *next = ASN1_TIME_new();

	set_validity(spec->from, spec->until, last, next);
	if (spec->next_update != NULL) {
		ASN1_STRING_set(next, spec->next_update, -1);
		next->type = V_ASN1_GENERALIZEDTIME;
	}
	assert_int_equal(X509_CRL_set1_lastUpdate(crl, last), 1);
	if (!spec->lacks_next_update)
		assert_int_equal(X509_CRL_set1_nextUpdate(crl, next), 1);
	ASN1_TIME_free(last);
	ASN1_TIME_free(next);
}

static void
add_crl_extension(X509_CRL *crl, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_CRL_add_ext(crl, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static const EVP_MD *
crl_digest(const struct crl_spec *spec, const EVP_PKEY *signer)
{
	if (spec->digest != NULL || EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519)
		return spec->digest;
	return EVP_sha256();
}

X509_CRL *
certificates_crl(const struct crl_spec *spec)
{
	X509_CRL *crl = X509_CRL_new();
	X509V3_CTX ctx;

	assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
	assert_int_equal(
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(spec->issuer->certificate)), 1);
	set_crl_times(crl, spec);
	X509V3_set_ctx(&ctx, spec->issuer->certificate, NULL, NULL, crl, 0);
	if (!spec->lacks_key_id)
		add_crl_extension(crl, &ctx, NID_authority_key_identifier, "keyid");
	if (spec->distribution_point != NULL)
		add_crl_extension(
		    crl, &ctx, NID_issuing_distribution_point, spec->distribution_point);
	if (spec->is_delta)
		add_crl_number(crl, NID_delta_crl, 1);
	if (!spec->lacks_number)
		add_crl_number(crl, NID_crl_number, spec->number);
	if (spec->critical_extension != NULL) {
		X509_EXTENSION *unknown = unknown_extension(spec->critical_extension, true);
		assert_int_equal(X509_CRL_add_ext(crl, unknown, -1), 1);
		X509_EXTENSION_free(unknown);
	}
	add_revoked(crl, spec);
	EVP_PKEY *signer = spec->signer != NULL ? spec->signer : spec->issuer->key;
	assert_true(X509_CRL_sign(crl, signer, crl_digest(spec, signer)) > 0);
	return crl;
}

/* Moves what was written to BIO to the end of SELF, and frees BIO. */
static void
pem_take(struct pem_text *self, BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	assert_true(len > 0 && (size_t)len < sizeof self->bytes - self->len);
	memcpy(self->bytes + self->len, bytes, (size_t)len);
	self->len += (size_t)len;
	BIO_free(bio);
}

void
pem_add(struct pem_text *self, X509 *certificate)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
	pem_take(self, bio);
}

void
pem_add_crl(struct pem_text *self, const struct crl_spec *spec)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509_CRL *crl = certificates_crl(spec);

	assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
	X509_CRL_free(crl);
	pem_take(self, bio);
}

X509 *
certificates_patched(X509 *certificate, const char *from, const char *to, size_t len)
{
	unsigned char *der = NULL;
	int der_len = i2d_X509(certificate, &der), found = 0;
	const unsigned char *at = der;

	assert_true(der_len > 0);
	for (size_t i = 0; i + len <= (size_t)der_len; i++)
		if (memcmp(der + i, from, len) == 0) {
			memcpy(der + i, to, len);
			found++;
		}
	assert_int_not_equal(found, 0);
	X509 *patched = d2i_X509(NULL, &at, der_len);
	OPENSSL_free(der);
	return patched;
}
