/*
 * Who a certificate says its holder is (design, section 4, Identity).
 *
 * The subject DN becomes one canonical RFC 4514 string, or the certificate is refused. Names are
 * read from the decoded ASN.1 by length; none of OpenSSL's text functions for names is used, as
 * they take the first of two CNs, stop at NULs or fold case.
 */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include <openssl/x509.h>
#include <stddef.h>

#include "policy/subject.h"

enum { IDENTITY_SERIAL_MAX = 64 };

struct identity {
	char subject[SUBJECT_MAX_BYTES + 1];  /* canonical, "" when refused */
	char serial[IDENTITY_SERIAL_MAX + 1]; /* upper-case hex, as `openssl x509 -serial` prints */
	/* Canonical name of the client CA that vouches for it, as long as the rules that verified
	 * it (tls_verify.h); "" when nobody did, or it has no canonical name. */
	const char *issuer;
};

/* Reads LEAF. Returns NULL, or a static text that says why the profile refuses it; SERIAL, and
 * SUBJECT when it could be printed, are filled either way, for the log. Chain, dates and
 * revocation are not looked at here: that is the handshake's job. LEAF is not const because
 * OpenSSL caches decoded extensions in it. */
const char *identity_of(X509 *leaf, struct identity *identity);

/* Prints NAME in the one canonical form. NULL, or a static text that says why it has none. */
const char *identity_name(const X509_NAME *name, char text[SUBJECT_MAX_BYTES + 1]);

#endif
