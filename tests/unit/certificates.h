/*
 * Certificates and revocation lists, made for one test at a time.
 *
 * What a specification leaves out is as it should be: a client certificate that the gateway
 * accepts, or a CRL that it takes. Everything comes back as if read from the wire: encoded and
 * decoded once. Whatever OpenSSL refuses to make fails the running cmocka test.
 */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

/* One attribute of a name: OID dotted or OpenSSL's short name; TYPE a V_ASN1_... string type;
 * with WITH_PREVIOUS it joins the RDN before it. VALUE is LEN bytes. */
struct attribute {
	const char *oid;
	int type;
	const char *value;
	size_t len;
	bool with_previous;
};

#define ATTRIBUTE(oid, type, literal)                                \
	{                                                            \
		(oid), (type), (literal), sizeof(literal) - 1, false \
	}
#define UTF8(oid, literal) ATTRIBUTE(oid, V_ASN1_UTF8STRING, literal)

/* The name most tests use: CN=acme-prod,O=Acme Corp,C=DK */
#define CERTIFICATES_SUBJECT "CN=acme-prod,O=Acme Corp,C=DK"

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

/* What differs from a good client certificate. The word "none" leaves an extension out. */
struct certificate_spec {
	const struct attribute *subject; /* NULL: CERTIFICATES_SUBJECT */
	size_t subject_count;            /* 0 with a subject that is not NULL: an empty name */
	const struct authority *issuer;  /* NULL: signed by itself */
	EVP_PKEY *key;                   /* NULL: certificates_key("P-256"); stays the caller's */
	const EVP_MD *digest;            /* NULL: SHA-256 */
	long from, until;                /* seconds from now; both 0: a day ago, a day ahead */
	bool is_version_1;               /* no extensions either */
	const char *basic_constraints;   /* NULL: CA:FALSE */
	const char *key_usage;           /* NULL: digitalSignature */
	const char *extended_key_usage;  /* NULL: clientAuth */
	const char *subject_alt_name;    /* NULL: none */
	const char *proxy_policy;        /* NULL: none; RFC 3820 */
	const char *unknown_extension;   /* NULL: none; an OID */
	bool unknown_is_critical;
	const char *serial; /* NULL: a new one; decimal, may be negative */
};

/* The caller frees it. */
X509 *certificates_make(const struct certificate_spec *spec);

/* A key that lives until the process ends, always the same for the same NAME: "P-256", "P-224",
 * "P-384", "secp256k1", "RSA-1024", "RSA-2048", "RSA-2047", "Ed25519", "other" (P-256). */
EVP_PKEY *certificates_key(const char *name);

/* A CA called CN=NAME with the key certificates_key(KEY). SPEC (NULL: a good root) may change what
 * it likes; its subject is ignored. */
struct authority authority_new(
    const char *name, const char *key, const struct certificate_spec *spec);
void authority_free(struct authority *self);

struct crl_spec {
	const struct authority *issuer;
	EVP_PKEY *signer;     /* NULL: the issuer's */
	const EVP_MD *digest; /* NULL: SHA-256 */
	long from, until;     /* as for certificates */
	bool lacks_next_update, lacks_number, lacks_key_id;
	long number;                    /* 0: one more than the one before */
	const char *distribution_point; /* NULL: none; not critical, in OpenSSL's words */
	bool is_delta;                  /* not critical, either */
	const char *next_update;        /* NULL: by UNTIL; a GeneralizedTime, even a wrong one */
	const char *critical_extension; /* NULL: none; an OID */
	const char *critical_entry_extension;
	X509 *revoked; /* NULL: none */
};

X509_CRL *certificates_crl(const struct crl_spec *spec);

/* PEM text of certificates and CRLs, one after the other in a static buffer. */
struct pem_text {
	char bytes[16384];
	size_t len;
};
void pem_add(struct pem_text *self, X509 *certificate);
void pem_add_crl(struct pem_text *self, const struct crl_spec *spec);

/* The DER of CERTIFICATE with every FROM replaced by TO, both LEN bytes, decoded again: NULL when
 * OpenSSL cannot decode it. FROM must be there. */
X509 *certificates_patched(X509 *certificate, const char *from, const char *to, size_t len);

#endif
