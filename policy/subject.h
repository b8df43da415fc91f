/*
 * A certificate's subject as one canonical RFC 4514 string.
 *
 * The policy and the gateway compare subjects as bytes, so each distinguished name must have
 * exactly one text. subject_print() makes that text from the decoded attributes, and
 * subject_parse() accepts that text only: what parses prints back byte for byte.
 *
 * Canonical form (RFC 4514, 2.1-2.4): last RDN of the certificate first, RDNs joined by ","
 * without spaces, TYPE=VALUE. TYPE is CN, L, ST, O, OU, C, STREET, DC, UID or emailAddress
 * (upper and lower case exactly so), else the dotted OID, whose value is then written as
 * "#" and the lower-case hex of its DER encoding. In other values a leading space or "#", a
 * trailing space, and " + , ; < > \ are escaped by one backslash and nothing else is; UTF-8
 * stands as it is.
 *
 * The identity profile (design, section 4): single-valued RDNs, at most one CN, values that are
 * UTF8String or PrintableString (of that type's alphabet), or IA5String for emailAddress and DC
 * only; valid UTF-8 (no surrogates, no overlong forms), no NUL, no C0/C1 control, no U+007F; no
 * empty value; at least one RDN.
 */
#ifndef POLICY_SUBJECT_H
#define POLICY_SUBJECT_H

#include <stdbool.h>
#include <stddef.h>

enum {
	SUBJECT_MAX_BYTES = 1024, /* canonical text, without the NUL */
	SUBJECT_MAX_RDNS = 32,
};

/* ASN.1 universal tags of the string types a value may have. */
enum subject_string { SUBJECT_UTF8 = 12, SUBJECT_PRINTABLE = 19, SUBJECT_IA5 = 22 };

/* One single-valued RDN. OID is dotted decimal ("2.5.4.3"); VALUE is LEN bytes, not terminated. */
struct subject_rdn {
	const char *oid;
	enum subject_string string;
	const char *value;
	size_t len;
};

/* Prints COUNT RDNs, given in the certificate's order (most significant first), into TEXT,
 * NUL-terminated. Returns NULL, or a static text that says which rule of the identity profile they
 * break; TEXT is then the empty string. */
const char *subject_print(
    const struct subject_rdn *rdns, size_t count, char text[SUBJECT_MAX_BYTES + 1]);

/* Parsed form: RDNS in the certificate's order; their oid and value point into STORAGE and are
 * NUL-terminated there. In a known type, STRING is SUBJECT_UTF8 (SUBJECT_IA5 for emailAddress and
 * DC in ASCII), as text does not tell. */
struct subject {
	size_t count;
	struct subject_rdn rdns[SUBJECT_MAX_RDNS];
	char storage[4 * SUBJECT_MAX_BYTES];
};

/* Parses LEN bytes of canonical text. Returns NULL, or a static text that says why the text is
 * not the canonical form of any acceptable subject. */
const char *subject_parse(const char *text, size_t len, struct subject *subject);

#endif
