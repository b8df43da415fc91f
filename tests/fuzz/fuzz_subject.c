/*
 * Canonical subjects: print and parse are each other's inverse.
 *
 * Every input is taken twice: as a text to parse, and as a list of attributes to print. Of an
 * attribute's bytes, one picks the type (past the known ones: an OID spelled out in the input),
 * one is the ASN.1 tag, one the length of the value, which follows.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "policy/subject.h"

enum { OID_MAX = 24 };

static const char *const known_oids[] = {"2.5.4.3", "2.5.4.7", "2.5.4.8", "2.5.4.10", "2.5.4.11",
    "2.5.4.6", "2.5.4.9", "0.9.2342.19200300.100.1.25", "0.9.2342.19200300.100.1.1",
    "1.2.840.113549.1.9.1", "2.5.4.5", "1.39.4711.0"};

/* RFC 4514, 2.4: whether LEN bytes, the value of a type with a name, are escaped where they must
 * be and nowhere else. */
static bool
is_escaped(const char *value, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool escaped = value[i] == '\\' && ++i < len;
		bool first = i == (escaped ? 1 : 0), last = i + 1 == len;
		bool must = strchr("\"+,;<>\\", value[i]) != NULL ||
		            (first && (value[i] == ' ' || value[i] == '#')) ||
		            (last && value[i] == ' ');
		if (escaped != must)
			return false;
	}
	return len > 0;
}

/* The length of the RDN that TEXT begins with: up to the first comma that is not escaped. */
static size_t
rdn_length(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == ',')
			return i;
		if (text[i] == '\\')
			i++;
	}
	return len;
}

static void
require_escaped(const char *text, size_t len)
{
	for (size_t at = 0; at <= len;) {
		size_t rdn = rdn_length(text + at, len - at);
		const char *equals = memchr(text + at, '=', rdn);
		FUZZ_REQUIRE(equals != NULL);
		size_t value_len = rdn - (size_t)(equals + 1 - (text + at));
		bool has_name = text[at] < '0' || text[at] > '9';
		FUZZ_REQUIRE(has_name ? is_escaped(equals + 1, value_len) : equals[1] == '#');
		at += rdn + 1;
	}
}

/* Text that parses has no control character and comes back byte for byte. */
static void
parse_and_print(const char *text, size_t len)
{
	struct subject subject;
	char again[SUBJECT_MAX_BYTES + 1];

	if (subject_parse(text, len, &subject) != NULL)
		return;
	FUZZ_REQUIRE(len > 0 && len <= SUBJECT_MAX_BYTES);
	FUZZ_REQUIRE(subject.count > 0 && subject.count <= SUBJECT_MAX_RDNS);
	for (size_t i = 0; i < len; i++)
		FUZZ_REQUIRE((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	for (size_t i = 0; i < subject.count; i++)
		FUZZ_REQUIRE(subject.rdns[i].value[subject.rdns[i].len] == '\0');
	FUZZ_REQUIRE(subject_print(subject.rdns, subject.count, again) == NULL);
	FUZZ_REQUIRE(strlen(again) == len && memcmp(again, text, len) == 0);
	require_escaped(text, len);
}

/* Fills RDN; an OID that the input spells out goes to SPELLED. */
static void
take_rdn(struct fuzz_input *input, struct subject_rdn *rdn, char spelled[OID_MAX + 1])
{
	size_t choice = fuzz_take_byte(input), len;
	const uint8_t *oid;

	rdn->oid = spelled;
	if (choice < sizeof known_oids / sizeof known_oids[0]) {
		rdn->oid = known_oids[choice];
	} else {
		oid = fuzz_take(input, choice % (OID_MAX + 1), &len);
		memcpy(spelled, oid, len);
		spelled[len] = '\0';
	}
	rdn->string = (enum subject_string)fuzz_take_byte(input);
	rdn->value = (const char *)fuzz_take(input, fuzz_take_byte(input), &rdn->len);
}

/* What parses out of a printed subject is what was printed: type, place and value of each. */
static void
print_and_parse(struct fuzz_input input)
{
	struct subject_rdn rdns[SUBJECT_MAX_RDNS + 1];
	char spelled[SUBJECT_MAX_RDNS + 1][OID_MAX + 1], text[SUBJECT_MAX_BYTES + 1];
	struct subject subject;
	size_t count = 0;

	for (; count <= SUBJECT_MAX_RDNS && input.at < input.end; count++)
		take_rdn(&input, &rdns[count], spelled[count]);
	if (subject_print(rdns, count, text) != NULL) {
		FUZZ_REQUIRE(text[0] == '\0');
		return;
	}
	FUZZ_REQUIRE(subject_parse(text, strlen(text), &subject) == NULL);
	FUZZ_REQUIRE(subject.count == count);
	for (size_t i = 0; i < count; i++) {
		FUZZ_REQUIRE(strcmp(subject.rdns[i].oid, rdns[i].oid) == 0);
		FUZZ_REQUIRE(subject.rdns[i].len == rdns[i].len);
		FUZZ_REQUIRE(memcmp(subject.rdns[i].value, rdns[i].value, rdns[i].len) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse_and_print((const char *)data, size);
	print_and_parse((struct fuzz_input){data, data + size});
	return 0;
}
