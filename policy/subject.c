/*
 * Printing and parsing of canonical subjects.
 *
 * The hard part is that two different names must never share one text. The parser therefore
 * only has to recover the attributes: what it found is printed again, and text that does not
 * come back byte for byte is refused. Escapes that are missing or needless, alternative hex
 * and the like need no rules of their own.
 */
#include "subject.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

struct attribute_type {
	const char *name;
	const char *oid;
	bool may_be_ia5;
};

static const struct attribute_type known_types[] = {
    {"CN", "2.5.4.3", false},
    {"L", "2.5.4.7", false},
    {"ST", "2.5.4.8", false},
    {"O", "2.5.4.10", false},
    {"OU", "2.5.4.11", false},
    {"C", "2.5.4.6", false},
    {"STREET", "2.5.4.9", false},
    {"DC", "0.9.2342.19200300.100.1.25", true},
    {"UID", "0.9.2342.19200300.100.1.1", false},
    {"emailAddress", "1.2.840.113549.1.9.1", true},
};

enum { KNOWN_COUNT = sizeof known_types / sizeof known_types[0] };

static const struct attribute_type *const common_name = &known_types[0];

static const struct attribute_type *
type_by_oid(const char *oid)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		if (strcmp(known_types[i].oid, oid) == 0)
			return &known_types[i];
	}
	return NULL;
}

static const struct attribute_type *
type_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		const char *known = known_types[i].name;
		if (strlen(known) == len && memcmp(known, name, len) == 0)
			return &known_types[i];
	}
	return NULL;
}

/* One arc of a dotted OID: decimal digits without a leading zero. */
static bool
is_arc(const char *arc, size_t len)
{
	if (len == 0 || (len > 1 && arc[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (arc[i] < '0' || arc[i] > '9')
			return false;
	}
	return true;
}

/* The first arc is 0, 1 or 2; below 0 and 1 the second is at most 39 (X.660). */
static bool
is_oid(const char *oid, size_t len)
{
	size_t arcs = 0;
	for (size_t at = 0; at <= len; arcs++) {
		const char *dot = memchr(oid + at, '.', len - at);
		size_t arc = dot != NULL ? (size_t)(dot - oid) - at : len - at;
		if (!is_arc(oid + at, arc))
			return false;
		if (arcs == 0 && (arc != 1 || oid[0] > '2'))
			return false;
		if (arcs == 1 && oid[0] < '2' && (arc > 2 || (arc == 2 && oid[at] > '3')))
			return false;
		at += arc + 1;
	}
	return arcs >= 2;
}

static const char *
characters_defect(const char *value, size_t len)
{
	const unsigned char *at = (const unsigned char *)value, *end = at + len;
	while (at < end) {
		long character = utf8_next(&at, end);
		if (character < 0)
			return "a value is not valid UTF-8";
		if (character < 0x20 || (character >= 0x7f && character <= 0x9f))
			return "a value has a control character";
	}
	return NULL;
}

static bool
is_ascii(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] >= 0x80)
			return false;
	}
	return true;
}

/* The alphabet of X.680, 41.4. */
static bool
is_printable_string(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = value[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool digit = c >= '0' && c <= '9';
		if (!letter && !digit && (c == '\0' || strchr(" '()+,-./:=?", c) == NULL))
			return false;
	}
	return true;
}

/* TYPE is NULL for a type without a name. */
static const char *
value_defect(const struct attribute_type *type, const struct subject_rdn *rdn)
{
	if (rdn->len == 0)
		return "a value is empty";
	const char *defect = characters_defect(rdn->value, rdn->len);
	if (defect != NULL)
		return defect;
	switch (rdn->string) {
	case SUBJECT_UTF8:
		return NULL;
	case SUBJECT_PRINTABLE:
		if (!is_printable_string(rdn->value, rdn->len))
			return "a PrintableString has a character outside its alphabet";
		return NULL;
	case SUBJECT_IA5:
		if (type == NULL || !type->may_be_ia5)
			return "an IA5String stands where only emailAddress and DC may have one";
		if (!is_ascii(rdn->value, rdn->len))
			return "an IA5String has a character outside ASCII";
		return NULL;
	}
	return "a value is neither UTF8String nor PrintableString nor an allowed IA5String";
}

/* Text under construction; what does not fit sets OVERFLOW and is dropped. */
struct writer {
	char *text;
	size_t len;
	bool overflow;
};

static void
put(struct writer *out, const char *bytes, size_t len)
{
	if (len > SUBJECT_MAX_BYTES - out->len) {
		out->overflow = true;
		return;
	}
	memcpy(out->text + out->len, bytes, len);
	out->len += len;
}

static void
put_escaped(struct writer *out, const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool at_edge = (i == 0 && (value[i] == ' ' || value[i] == '#')) ||
		               (i == len - 1 && value[i] == ' ');
		if (at_edge || strchr("\"+,;<>\\", value[i]) != NULL)
			put(out, "\\", 1);
		put(out, &value[i], 1);
	}
}

static void
put_hex(struct writer *out, size_t byte)
{
	static const char digits[] = "0123456789abcdef";
	put(out, &digits[byte >> 4 & 15], 1);
	put(out, &digits[byte & 15], 1);
}

/* "#" and the DER encoding, tag, shortest length and value, in hex. */
static void
put_der(struct writer *out, const struct subject_rdn *rdn)
{
	put(out, "#", 1);
	put_hex(out, rdn->string);
	if (rdn->len >= 0x100) {
		put_hex(out, 0x82);
		put_hex(out, rdn->len >> 8);
	} else if (rdn->len >= 0x80) {
		put_hex(out, 0x81);
	}
	put_hex(out, rdn->len);
	for (size_t i = 0; i < rdn->len; i++)
		put_hex(out, (unsigned char)rdn->value[i]);
}

static const char *
put_rdn(struct writer *out, const struct subject_rdn *rdn)
{
	if (rdn->oid == NULL || !is_oid(rdn->oid, strlen(rdn->oid)))
		return "an attribute type is not a dotted OID";
	const struct attribute_type *type = type_by_oid(rdn->oid);
	const char *defect = value_defect(type, rdn);
	if (defect != NULL)
		return defect;
	const char *name = type != NULL ? type->name : rdn->oid;
	put(out, name, strlen(name));
	put(out, "=", 1);
	if (type != NULL)
		put_escaped(out, rdn->value, rdn->len);
	else
		put_der(out, rdn);
	return out->overflow ? "the subject is longer than 1024 bytes" : NULL;
}

static const char *
shape_defect(const struct subject_rdn *rdns, size_t count)
{
	if (count == 0)
		return "the subject is empty";
	if (count > SUBJECT_MAX_RDNS)
		return "the subject has more than 32 RDNs";
	size_t common_names = 0;
	for (size_t i = 0; i < count; i++) {
		if (rdns[i].oid != NULL && strcmp(rdns[i].oid, common_name->oid) == 0)
			common_names++;
	}
	return common_names > 1 ? "the subject has more than one CN" : NULL;
}

const char *
subject_print(const struct subject_rdn *rdns, size_t count, char text[SUBJECT_MAX_BYTES + 1])
{
	struct writer out = {.text = text};
	const char *defect = shape_defect(rdns, count);
	for (size_t i = count; defect == NULL && i > 0; i--) {
		if (i < count)
			put(&out, ",", 1);
		defect = put_rdn(&out, &rdns[i - 1]);
	}
	text[defect == NULL ? out.len : 0] = '\0';
	return defect;
}

/* Where the parser stands in the text and in the subject's storage. */
struct parser {
	const char *at;
	const char *end;
	struct subject *subject;
	size_t stored;
};

static void
store(struct parser *in, char byte)
{
	assert(in->stored < sizeof in->subject->storage);
	in->subject->storage[in->stored++] = byte;
}

/* Stores LEN bytes and a NUL; returns where they stand. */
static const char *
store_text(struct parser *in, const char *text, size_t len)
{
	const char *start = in->subject->storage + in->stored;
	for (size_t i = 0; i < len; i++)
		store(in, text[i]);
	store(in, '\0');
	return start;
}

/* A value up to the next comma that is not escaped, with its escapes taken off. */
static const char *
parse_escaped(struct parser *in, struct subject_rdn *rdn)
{
	rdn->value = in->subject->storage + in->stored;
	for (; in->at < in->end && *in->at != ','; in->at++) {
		if (*in->at == '\\' && ++in->at == in->end)
			return "the text ends in the middle of an escape";
		store(in, *in->at);
		rdn->len++;
	}
	store(in, '\0');
	return NULL;
}

/* The next byte of a hex value, or -1. */
static int
parse_hex_byte(struct parser *in)
{
	if (in->end - in->at < 2)
		return -1;
	int high = hex_small_digit(in->at[0]), low = hex_small_digit(in->at[1]);
	if (high < 0 || low < 0)
		return -1;
	in->at += 2;
	return high << 4 | low;
}

/* A length of one to three bytes; lengths that are not the shortest fail the comparison later. */
static int
parse_der_length(struct parser *in)
{
	int length = parse_hex_byte(in);
	if (length < 0x80)
		return length;
	if (length > 0x82)
		return -1;
	int first = parse_hex_byte(in);
	if (length == 0x81 || first < 0)
		return first;
	int second = parse_hex_byte(in);
	return second < 0 ? -1 : first << 8 | second;
}

static const char *
parse_der(struct parser *in, struct subject_rdn *rdn)
{
	static const char defect[] =
	    "the value of a dotted OID is not # and the lower-case hex of its DER encoding";
	if (in->at == in->end || *in->at++ != '#')
		return defect;
	int tag = parse_hex_byte(in);
	int length = parse_der_length(in);
	if (tag < 0 || length < 0)
		return defect;
	rdn->string = (enum subject_string)tag;
	rdn->value = in->subject->storage + in->stored;
	for (; length > 0; length--) {
		int byte = parse_hex_byte(in);
		if (byte < 0)
			return defect;
		store(in, (char)byte);
		rdn->len++;
	}
	store(in, '\0');
	return in->at == in->end || *in->at == ',' ? NULL : defect;
}

static const char *
parse_rdn(struct parser *in, struct subject_rdn *rdn)
{
	const char *equals = memchr(in->at, '=', (size_t)(in->end - in->at));
	if (equals == NULL)
		return "an RDN is not TYPE=VALUE";
	size_t len = (size_t)(equals - in->at);
	const struct attribute_type *type = type_by_name(in->at, len);
	if (type == NULL && !is_oid(in->at, len))
		return "an attribute type is neither a known name nor a dotted OID "
		       "(names are case-sensitive, no spaces around them)";
	*rdn = (struct subject_rdn){0};
	rdn->oid = type != NULL ? store_text(in, type->oid, strlen(type->oid))
	                        : store_text(in, in->at, len);
	in->at = equals + 1;
	if (type == NULL)
		return parse_der(in, rdn);
	const char *defect = parse_escaped(in, rdn);
	bool ia5 = type->may_be_ia5 && is_ascii(rdn->value, rdn->len);
	rdn->string = ia5 ? SUBJECT_IA5 : SUBJECT_UTF8;
	return defect;
}

/* Parses RDN after RDN in the order of the text. */
static const char *
parse_rdns(struct parser *in)
{
	struct subject *subject = in->subject;
	for (;;) {
		if (subject->count == SUBJECT_MAX_RDNS)
			return "the subject has more than 32 RDNs";
		const char *defect = parse_rdn(in, &subject->rdns[subject->count++]);
		if (defect != NULL || in->at == in->end)
			return defect;
		in->at++; /* the comma */
	}
}

static void
reverse(struct subject_rdn *rdns, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct subject_rdn rdn = rdns[i];
		rdns[i] = rdns[count - 1 - i];
		rdns[count - 1 - i] = rdn;
	}
}

const char *
subject_parse(const char *text, size_t len, struct subject *subject)
{
	subject->count = 0;
	if (len == 0)
		return "the subject is empty";
	if (len > SUBJECT_MAX_BYTES)
		return "the subject is longer than 1024 bytes";
	struct parser in = {.at = text, .end = text + len, .subject = subject};
	const char *defect = parse_rdns(&in);
	if (defect != NULL)
		return defect;
	reverse(subject->rdns, subject->count);

	char again[SUBJECT_MAX_BYTES + 1];
	defect = subject_print(subject->rdns, subject->count, again);
	if (defect != NULL)
		return defect;
	if (strlen(again) != len || memcmp(again, text, len) != 0)
		return "an escape or an encoding is not the canonical one";
	return NULL;
}
