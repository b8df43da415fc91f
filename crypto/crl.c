/*
 * Revocation lists through OpenSSL. The hard part is that revocation fails closed: what OpenSSL
 * would only notice when a certificate is verified is found here, before a list is used.
 */
#include "crl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "asn1_seconds.h"
#include "bundle.h"
#include "strength.h"

STACK_OF(X509_CRL) * crl_read(const struct pem *pem, char error[PEM_ERROR_MAX])
{
	struct bundle bundle;

	if (!bundle_read(&bundle, pem, "CRL", error))
		return NULL;
	STACK_OF(X509_CRL) *lists = bundle.lists;
	bundle.lists = NULL;
	bundle_free(&bundle);
	return lists;
}

void
crl_free(STACK_OF(X509_CRL) * lists)
{
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
}

bool
crl_is_of(X509_CRL *crl, X509 *ca)
{
	bool may_sign = (X509_get_extension_flags(ca) & EXFLAG_KUSAGE) == 0 ||
	                (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;
	bool good = may_sign &&
	            X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 &&
	            X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;

	ERR_clear_error();
	return good;
}

bool
crl_has_issuer(X509_CRL *crl, const STACK_OF(X509) * cas)
{
	for (int i = 0; i < sk_X509_num(cas); i++)
		if (crl_is_of(crl, sk_X509_value(cas, i)))
			return true;
	return false;
}

static bool
is_unknown_critical(X509_EXTENSION *ext)
{
	switch (OBJ_obj2nid(X509_EXTENSION_get_object(ext))) {
	case NID_authority_key_identifier:
	case NID_crl_number:
	case NID_crl_reason:
	case NID_invalidity_date:
		return false;
	default:
		return X509_EXTENSION_get_critical(ext) == 1;
	}
}

/* Also looks at the extensions of each entry: OpenSSL would refuse everybody because of one. */
static bool
has_unknown_critical(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);

	for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
		if (is_unknown_critical(X509_CRL_get_ext(crl, i)))
			return true;
	for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
		const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
		for (int k = 0; k < X509_REVOKED_get_ext_count(entry); k++)
			if (is_unknown_critical(X509_REVOKED_get_ext(entry, k)))
				return true;
	}
	return false;
}

/* CRLs are held to SHA-256 as certificates are; OpenSSL's security level does not look at them. */
static bool
digest_is_weak(const X509_CRL *crl)
{
	const X509_ALGOR *algorithm = NULL;

	X509_CRL_get0_signature(crl, NULL, &algorithm);
	return !strength_of_signature(algorithm);
}

/* A number of up to 20 octets (RFC 5280, 5.2.3). */
static bool
number_is_good(const X509_CRL *crl)
{
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
	bool good = number != NULL && ASN1_STRING_type(number) == V_ASN1_INTEGER &&
	            ASN1_STRING_length(number) <= CRL_NUMBER_OCTETS;

	ASN1_INTEGER_free(number);
	return good;
}

const char *
crl_defect(X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (digest_is_weak(crl))
		return "is signed with a digest weaker than SHA-256";
	if (X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) >= 0)
		return "has an issuing distribution point, so that it may be a part only, and not "
		       "name all that is revoked: have the CA issue complete lists without that "
		       "extension";
	if (has_unknown_critical(crl))
		return "has a critical extension that is not known";
	/* OpenSSL would take one that is not marked critical for a complete list. */
	if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return "is a delta: a complete list is needed";
	if (X509_CRL_get_ext_by_NID(crl, NID_crl_number, -1) >= 0 && !number_is_good(crl))
		return "has a CRL number that is negative, too long or not a number";
	if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) >= 0)
		return "is not valid yet";
	if (next == NULL)
		return "does not say when it expires";
	if (asn1_seconds(next) <= 0 || X509_cmp_current_time(next) == 0)
		return "has an expiry time that cannot be read";
	if (X509_cmp_current_time(next) < 0)
		return "has expired";
	return NULL;
}

int
crl_compare_age(const X509_CRL *a, const X509_CRL *b)
{
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(a, NID_crl_number, NULL, NULL);
	ASN1_INTEGER *other = X509_CRL_get_ext_d2i(b, NID_crl_number, NULL, NULL);
	time_t issued = crl_issued(a), others = crl_issued(b);
	int order = (issued > others) - (issued < others);

	if (number != NULL && other != NULL)
		order = ASN1_INTEGER_cmp(number, other);
	ASN1_INTEGER_free(number);
	ASN1_INTEGER_free(other);
	return order;
}

bool
crl_is_superseded(X509_CRL *crl, const STACK_OF(X509_CRL) * lists, const STACK_OF(X509) * cas)
{
	for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
		X509_CRL *other = sk_X509_CRL_value(lists, i);
		if (crl_compare_age(crl, other) >= 0)
			continue;
		for (int k = 0; k < sk_X509_num(cas); k++) {
			X509 *ca = sk_X509_value(cas, k);
			if (crl_is_of(crl, ca) && crl_is_of(other, ca))
				return true;
		}
	}
	return false;
}

time_t
crl_issued(const X509_CRL *crl)
{
	return asn1_seconds(X509_CRL_get0_lastUpdate(crl));
}

time_t
crl_expires(const X509_CRL *crl)
{
	return asn1_seconds(X509_CRL_get0_nextUpdate(crl));
}

/* True when both say which key their issuer has, and it is not the same one. */
static bool
is_of_another_key(const X509_CRL *crl, X509 *certificate)
{
	AUTHORITY_KEYID *id = X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, NULL, NULL);
	const ASN1_OCTET_STRING *own = X509_get0_authority_key_id(certificate);
	bool another = id != NULL && id->keyid != NULL && own != NULL &&
	               ASN1_OCTET_STRING_cmp(id->keyid, own) != 0;

	AUTHORITY_KEYID_free(id);
	return another;
}

bool
crl_revokes(const STACK_OF(X509_CRL) * lists, X509 *certificate)
{
	for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
		X509_CRL *crl = sk_X509_CRL_value(lists, i);
		X509_REVOKED *entry = NULL;
		if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(certificate)) ==
		        0 &&
		    !is_of_another_key(crl, certificate) &&
		    X509_CRL_get0_by_cert(crl, &entry, certificate) != 0)
			return true;
	}
	return false;
}
