/*
 * The identity profile. The hard part is not to trust helpers: every attribute is taken by type
 * and length from its own ASN.1 object, and anything unusual is a refusal.
 */
#include "identity.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "crypto/strength.h"

enum { OID_MAX = 80 };

/* How many RDNs the encoded name has. X509_NAME lists their attributes only, so an empty RDN
 * would go unseen. -1 when the encoding cannot be read. */
static int
rdn_count(const X509_NAME *name)
{
	const unsigned char *der;
	size_t len;
	ASN1_SEQUENCE_ANY *rdns = NULL;

	if (X509_NAME_get0_der(name, &der, &len) == 1)
		rdns = d2i_ASN1_SEQUENCE_ANY(NULL, &der, (long)len);
	int count = rdns != NULL ? sk_ASN1_TYPE_num(rdns) : -1;
	sk_ASN1_TYPE_pop_free(rdns, ASN1_TYPE_free);
	return count;
}

const char *
identity_name(const X509_NAME *name, char text[SUBJECT_MAX_BYTES + 1])
{
	struct subject_rdn rdns[SUBJECT_MAX_RDNS];
	char oids[SUBJECT_MAX_RDNS][OID_MAX];
	int count = X509_NAME_entry_count(name);

	if (count > SUBJECT_MAX_RDNS)
		return "the subject has too many attributes";
	if (count != rdn_count(name))
		return "the subject has an RDN that is empty or has several values";
	for (int i = 0; i < count; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		int type = ASN1_STRING_type(value);

		if (X509_NAME_ENTRY_set(entry) != i)
			return "the subject has an RDN that is empty or has several values";
		int oid_len = OBJ_obj2txt(oids[i], OID_MAX, X509_NAME_ENTRY_get_object(entry), 1);
		if (oid_len <= 0 || oid_len >= OID_MAX)
			return "the subject has an attribute type that is too long";
		if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING &&
		    type != V_ASN1_IA5STRING)
			return "the subject has a value that is not UTF8String or PrintableString";
		rdns[i] = (struct subject_rdn){oids[i], (enum subject_string)type,
		    (const char *)ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)};
	}
	return subject_print(rdns, (size_t)count, text);
}

static const char *
check_signature(X509 *leaf)
{
	return strength_of_signature(X509_get0_tbs_sigalg(leaf))
	           ? NULL
	           : "the signature's digest is weaker than SHA-256, or not known";
}

/* The extensions as X509_get_extension_flags() decoded and cached them. */
static const char *
check_extensions(X509 *leaf)
{
	uint32_t flags = X509_get_extension_flags(leaf);

	if ((flags & EXFLAG_INVALID) != 0)
		return "an extension cannot be read";
	if (X509_get_version(leaf) != X509_VERSION_3)
		return "the certificate is not version 3";
	if ((flags & EXFLAG_CA) != 0 || X509_check_ca(leaf) != 0)
		return "the certificate is a CA's";
	if ((flags & EXFLAG_PROXY) != 0)
		return "the certificate is a proxy certificate";
	if ((flags & EXFLAG_XKUSAGE) == 0)
		return "the certificate has no extended key usage";
	if ((X509_get_extended_key_usage(leaf) & XKU_SSL_CLIENT) == 0)
		return "the extended key usage does not include clientAuth";
	if ((flags & EXFLAG_KUSAGE) != 0 && (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
		return "the key usage does not include digitalSignature";
	return NULL;
}

static void
read_serial(const X509 *leaf, char text[IDENTITY_SERIAL_MAX + 1])
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int len = ASN1_STRING_length(serial);

	char *at = text;
	if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER)
		*at++ = '-';
	*at = '\0';
	for (int i = 0; i < len && i < IDENTITY_SERIAL_MAX / 2 - 1; i++, at += 2)
		(void)snprintf(at, 3, "%02X", bytes[i]);
}

const char *
identity_of(X509 *leaf, struct identity *identity)
{
	const char *defect;

	identity->subject[0] = '\0';
	identity->issuer = "";
	read_serial(leaf, identity->serial);
	defect = identity_name(X509_get_subject_name(leaf), identity->subject);
	if (defect == NULL)
		defect = check_extensions(leaf);
	if (defect == NULL)
		defect = strength_key_defect(X509_get0_pubkey(leaf));
	if (defect == NULL)
		defect = check_signature(leaf);
	return defect;
}
