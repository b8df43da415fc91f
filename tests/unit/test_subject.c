/*
 * Subjects: one canonical text for each name, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/subject.h"

#define CN "2.5.4.3"
#define O "2.5.4.10"
#define C "2.5.4.6"
#define DC "0.9.2342.19200300.100.1.25"
#define EMAIL "1.2.840.113549.1.9.1"
#define SERIAL "2.5.4.5"

static struct subject_rdn
rdn(const char *oid, enum subject_string string, const char *value)
{
	return (struct subject_rdn){oid, string, value, strlen(value)};
}

static void
assert_prints(const struct subject_rdn *rdns, size_t count, const char *expected)
{
	char text[SUBJECT_MAX_BYTES + 1];
	const char *defect = subject_print(rdns, count, text);
	if (defect != NULL)
		fail_msg("%s is refused: %s", expected, defect);
	assert_string_equal(text, expected);
}

static void
assert_value_prints(const char *value, const char *expected)
{
	struct subject_rdn one = rdn(CN, SUBJECT_UTF8, value);
	assert_prints(&one, 1, expected);
}

/* Fails unless the print is refused with a reason that holds WORD. */
static void
assert_print_refused(const struct subject_rdn *rdns, size_t count, const char *word)
{
	char text[SUBJECT_MAX_BYTES + 1] = "left over";
	const char *defect = subject_print(rdns, count, text);
	assert_non_null(defect);
	assert_string_equal(text, "");
	if (strstr(defect, word) == NULL)
		fail_msg("refused for another reason: %s", defect);
}

static void
assert_bytes_refused(const char *value, size_t len, const char *word)
{
	struct subject_rdn one = {CN, SUBJECT_UTF8, value, len};
	assert_print_refused(&one, 1, word);
}

static void
test_the_last_rdn_of_the_certificate_is_printed_first(void **state)
{
	(void)state;
	const struct subject_rdn rdns[] = {rdn(C, SUBJECT_PRINTABLE, "DK"),
	    rdn(O, SUBJECT_UTF8, "Acme Corp"), rdn(CN, SUBJECT_UTF8, "acme-prod")};
	assert_prints(rdns, 3, "CN=acme-prod,O=Acme Corp,C=DK");
}

static void
test_every_named_type_is_printed_by_its_name(void **state)
{
	(void)state;
	const struct subject_rdn rdns[] = {rdn(EMAIL, SUBJECT_IA5, "a@b"),
	    rdn("0.9.2342.19200300.100.1.1", SUBJECT_UTF8, "u"), rdn(DC, SUBJECT_IA5, "d"),
	    rdn("2.5.4.9", SUBJECT_UTF8, "s"), rdn(C, SUBJECT_UTF8, "DK"),
	    rdn("2.5.4.11", SUBJECT_UTF8, "ou"), rdn(O, SUBJECT_UTF8, "o"),
	    rdn("2.5.4.8", SUBJECT_UTF8, "st"), rdn("2.5.4.7", SUBJECT_UTF8, "l"),
	    rdn(CN, SUBJECT_UTF8, "cn")};
	assert_prints(
	    rdns, 10, "CN=cn,L=l,ST=st,O=o,OU=ou,C=DK,STREET=s,DC=d,UID=u,emailAddress=a@b");
}

static void
test_a_type_without_a_name_is_printed_as_oid_and_der(void **state)
{
	(void)state;
	const struct subject_rdn utf8 = rdn(SERIAL, SUBJECT_UTF8, "A1"),
	                         printable = rdn(SERIAL, SUBJECT_PRINTABLE, "A1");
	assert_prints(&utf8, 1, "2.5.4.5=#0c024131");
	assert_prints(&printable, 1, "2.5.4.5=#13024131");
}

static void
test_long_values_get_the_shortest_der_length(void **state)
{
	(void)state;
	static const struct {
		size_t len;
		const char *head;
	} cases[] = {{127, "2.5.4.5=#0c7f6161"}, {128, "2.5.4.5=#0c81806161"},
	    {255, "2.5.4.5=#0c81ff6161"}, {256, "2.5.4.5=#0c8201006161"}};
	char value[257];
	memset(value, 'a', sizeof value);
	for (size_t i = 0; i < 4; i++) {
		char text[SUBJECT_MAX_BYTES + 1];
		struct subject subject;
		struct subject_rdn one = {SERIAL, SUBJECT_UTF8, value, cases[i].len};
		assert_null(subject_print(&one, 1, text));
		assert_memory_equal(text, cases[i].head, strlen(cases[i].head));
		assert_null(subject_parse(text, strlen(text), &subject));
		assert_int_equal(subject.rdns[0].len, cases[i].len);
	}
}

static void
test_only_what_must_be_escaped_is_escaped(void **state)
{
	(void)state;
	assert_value_prints("a,b+c\"d\\e<f>g;h", "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h");
	assert_value_prints(" a b ", "CN=\\ a b\\ ");
	assert_value_prints(" ", "CN=\\ ");
	assert_value_prints("  ", "CN=\\ \\ ");
	assert_value_prints("#a#", "CN=\\#a#");
	assert_value_prints("a=b/c", "CN=a=b/c");
	assert_value_prints("J\xc3\xb8rgen \xe2\x82\xac \xf0\x9f\x98\x80",
	    "CN=J\xc3\xb8rgen \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void
test_a_separator_inside_a_value_makes_no_second_rdn(void **state)
{
	(void)state;
	struct subject_rdn one = rdn(O, SUBJECT_UTF8, "x,CN=acme");
	assert_prints(&one, 1, "O=x\\,CN=acme");
	struct subject subject;
	assert_null(subject_parse("O=x\\,CN=acme", 12, &subject));
	assert_int_equal(subject.count, 1);
	assert_string_equal(subject.rdns[0].value, "x,CN=acme");
}

static void
test_values_outside_the_profile_are_refused(void **state)
{
	(void)state;
	assert_bytes_refused("", 0, "empty");
	assert_bytes_refused("a\0b", 3, "control");
	assert_bytes_refused("a\nb", 3, "control");
	assert_bytes_refused("a\x7f", 2, "control");
	assert_bytes_refused("a\xc2\x80", 3, "control");
	assert_bytes_refused("a\xc2\x9f", 3, "control");
	assert_bytes_refused("a\xff", 2, "UTF-8");
	assert_bytes_refused("\x80", 1, "UTF-8");
	assert_bytes_refused("\xc3", 1, "UTF-8");
	assert_bytes_refused("\xc3(", 2, "UTF-8");
	assert_bytes_refused("\xc0\x80", 2, "UTF-8");
	assert_bytes_refused("\xc1\xa1", 2, "UTF-8");
	assert_bytes_refused("\xe0\x80\xaf", 3, "UTF-8");
	assert_bytes_refused("\xed\xa0\x80", 3, "UTF-8");
	assert_bytes_refused("\xf0\x80\x80\xaf", 4, "UTF-8");
	assert_bytes_refused("\xf4\x90\x80\x80", 4, "UTF-8");
	assert_bytes_refused("\xf8\x88\x80\x80\x80", 5, "UTF-8");
}

static void
test_string_types_outside_the_profile_are_refused(void **state)
{
	(void)state;
	static const int others[] = {4, 18, 20, 28, 30};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct subject_rdn one = rdn(CN, (enum subject_string)others[i], "acme");
		assert_print_refused(&one, 1, "neither UTF8String");
	}
	struct subject_rdn ia5_name = rdn(CN, SUBJECT_IA5, "acme");
	assert_print_refused(&ia5_name, 1, "IA5String");
	struct subject_rdn ia5_other = rdn(SERIAL, SUBJECT_IA5, "acme");
	assert_print_refused(&ia5_other, 1, "IA5String");
	struct subject_rdn ia5_utf8 = rdn(DC, SUBJECT_IA5, "\xc3\xa9");
	assert_print_refused(&ia5_utf8, 1, "ASCII");
	struct subject_rdn printable = rdn(O, SUBJECT_PRINTABLE, "a*b");
	assert_print_refused(&printable, 1, "PrintableString");
}

static void
test_subjects_of_the_wrong_shape_are_refused(void **state)
{
	(void)state;
	struct subject_rdn many[SUBJECT_MAX_RDNS + 1];
	for (size_t i = 0; i < SUBJECT_MAX_RDNS + 1; i++)
		many[i] = rdn(O, SUBJECT_UTF8, "x");
	assert_print_refused(many, 0, "empty");
	assert_print_refused(many, SUBJECT_MAX_RDNS + 1, "more than 32");
	const struct subject_rdn two_names[] = {
	    rdn(CN, SUBJECT_UTF8, "acme"), rdn(O, SUBJECT_UTF8, "x"), rdn(CN, SUBJECT_UTF8, "b")};
	assert_print_refused(two_names, 3, "more than one CN");
	static const char *const oids[] = {"", "2", "2.", ".5", "2..5", "3.1", "1.40", "0.400",
	    "2.05", "02.5", "2.5.x", "-1.2", "2.5 ", "CN"};
	for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++) {
		struct subject_rdn one = rdn(oids[i], SUBJECT_UTF8, "x");
		assert_print_refused(&one, 1, "OID");
	}
	struct subject_rdn none = {NULL, SUBJECT_UTF8, "x", 1};
	assert_print_refused(&none, 1, "OID");
}

static void
test_the_longest_text_is_1024_bytes(void **state)
{
	(void)state;
	char value[SUBJECT_MAX_BYTES];
	char text[SUBJECT_MAX_BYTES + 1];
	struct subject subject;
	memset(value, 'a', sizeof value);
	struct subject_rdn one = {CN, SUBJECT_UTF8, value, SUBJECT_MAX_BYTES - 3};
	assert_null(subject_print(&one, 1, text));
	assert_int_equal(strlen(text), SUBJECT_MAX_BYTES);
	assert_null(subject_parse(text, SUBJECT_MAX_BYTES, &subject));
	one.len++;
	assert_print_refused(&one, 1, "longer");
	char longer[SUBJECT_MAX_BYTES + 1];
	memset(longer, 'a', sizeof longer);
	memcpy(longer, "CN=", 3);
	assert_non_null(subject_parse(longer, sizeof longer, &subject));
}

static void
test_parsing_finds_types_and_values_in_the_certificates_order(void **state)
{
	(void)state;
	static const char text[] = "CN=acme\\, prod,2.5.4.5=#13024131,DC=dk";
	struct subject subject;
	assert_null(subject_parse(text, strlen(text), &subject));
	assert_int_equal(subject.count, 3);
	assert_string_equal(subject.rdns[0].oid, DC);
	assert_string_equal(subject.rdns[0].value, "dk");
	assert_int_equal(subject.rdns[0].string, SUBJECT_IA5);
	assert_string_equal(subject.rdns[1].oid, SERIAL);
	assert_int_equal(subject.rdns[1].string, SUBJECT_PRINTABLE);
	assert_memory_equal(subject.rdns[1].value, "A1", 2);
	assert_string_equal(subject.rdns[2].oid, CN);
	assert_int_equal(subject.rdns[2].string, SUBJECT_UTF8);
	assert_string_equal(subject.rdns[2].value, "acme, prod");
}

static void
test_text_that_is_not_canonical_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "CN", "CN=", "=x", ",", "CN=a,", ",CN=a",
	    "CN=a,,O=b", "cn=a", "Cn=a", "CN =a", " CN=a", "CN= a", "CN=a ", "CN=a, O=b",
	    "CN=a ,O=b", "CN=a;O=b", "CN=a+O=b", "CN=a\"", "CN=\"a\"", "CN=#a", "CN=a\\",
	    "CN=a\\=b", "CN=\\a", "CN=a\\ b", "CN=a\\#", "CN=a\\2Cb", "CN=a\\,b\\", "CN=a<b",
	    "CN=a>b", "CN=a,CN=b", "CN=a/O=b+", "/CN=a", "E=a@b", "EMAILADDRESS=a@b",
	    "emailaddress=a@b", "2.5.4.3=a", "2.5.4.3=#0c0161", "2.5.4.5=A1", "2.5.4.5=#",
	    "2.5.4.5=#0c", "2.5.4.5=#0c00", "2.5.4.5=#0C024131", "2.5.4.5=#0c0241",
	    "2.5.4.5=#0c02413132", "2.5.4.5=#0c81024131", "2.5.4.5=#0c024g31", "2.5.4.5=#16024131",
	    "2.5.4.5=#1e024131", "2.5.4.5=#0c0241 31", "2.5.4.05=#0c024131",
	    "OID.2.5.4.5=#0c024131", "CN=a\nb", "CN=\xff", "CN=\xc2\x85", "2.5.4.5=#0c018a",
	    "2.5.4.5=#0c82000161", "2.5.4.5=#0c8361", "2.5.4.5=#8c0161"};
	struct subject subject;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (subject_parse(texts[i], strlen(texts[i]), &subject) == NULL)
			fail_msg("\"%s\" is accepted", texts[i]);
	}
	assert_non_null(subject_parse("CN=a\0b", 6, &subject));
}

static void
test_more_than_32_rdns_do_not_parse(void **state)
{
	(void)state;
	char text[4 * (SUBJECT_MAX_RDNS + 1)];
	struct subject subject;
	for (size_t i = 0; i < SUBJECT_MAX_RDNS + 1; i++)
		memcpy(text + 4 * i, "O=x,", 4);
	assert_null(subject_parse(text, 4 * SUBJECT_MAX_RDNS - 1, &subject));
	assert_int_equal(subject.count, SUBJECT_MAX_RDNS);
	assert_non_null(subject_parse(text, 4 * SUBJECT_MAX_RDNS + 3, &subject));
}

/* A small generator with a fixed seed, so that a failure comes again. */
static uint64_t random_state;

static size_t
random_below(size_t limit)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(random_state >> 33) % limit;
}

/* Appends one random character, of those that escaping and UTF-8 care about. */
static size_t
random_character(char *to)
{
	static const char *const odd[] = {" ", "#", ",", "+", "\"", "\\", "<", ">", ";", "=", "a",
	    "Z", "0", "/", "CN=", "\xc2\xa0", "\xc3\xa9", "e\xcc\x81", "\xe2\x82\xac",
	    "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
	const char *one = odd[random_below(sizeof odd / sizeof odd[0])];
	memcpy(to, one, strlen(one));
	return strlen(one);
}

enum { RANDOM_CHARACTERS = 48, RANDOM_VALUE_MAX = 4 * (RANDOM_CHARACTERS + 1) };

/* A value of at most LONGEST characters, in VALUE; the type is CN only when HAS_NAME is not set. */
static struct subject_rdn
random_rdn(char value[RANDOM_VALUE_MAX], size_t longest, bool *has_name)
{
	static const char *const oids[] = {CN, "2.5.4.7", "2.5.4.8", O, "2.5.4.11", C, "2.5.4.9",
	    DC, "0.9.2342.19200300.100.1.1", EMAIL, SERIAL, "1.3.6.1.4.1.9.9",
	    "2.999.18446744073709551616", "0.39"};
	size_t pick = random_below(sizeof oids / sizeof oids[0]);
	if (pick == 0 && *has_name)
		pick = 1;
	*has_name = *has_name || pick == 0;
	struct subject_rdn result = {.oid = oids[pick], .string = SUBJECT_UTF8, .value = value};
	for (size_t left = 1 + random_below(longest); left > 0; left--)
		result.len += random_character(value + result.len);
	if (random_below(4) == 0) {
		static const char plain[] = "Plain (text), 1+1=2?";
		result.string = SUBJECT_PRINTABLE;
		result.len = 1 + random_below(sizeof plain - 1);
		memcpy(value, plain, result.len);
	}
	return result;
}

static void
assert_parses_back(const char *text, const struct subject_rdn *rdns, size_t count)
{
	char again[SUBJECT_MAX_BYTES + 1];
	struct subject subject;
	const char *defect = subject_parse(text, strlen(text), &subject);

	if (defect != NULL)
		fail_msg("%s: %s", text, defect);
	assert_int_equal(subject.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(subject.rdns[i].oid, rdns[i].oid);
		assert_int_equal(subject.rdns[i].len, rdns[i].len);
		assert_memory_equal(subject.rdns[i].value, rdns[i].value, rdns[i].len);
	}
	assert_null(subject_print(subject.rdns, count, again));
	assert_string_equal(again, text);
}

/* Few long values or many short ones; the few names that come out too long are passed over. */
static void
test_what_prints_parses_back_to_the_same_name(void **state)
{
	(void)state;
	size_t printed = 0;
	random_state = 20260101;
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (size_t round = 0; round < 20000; round++) {
		char values[SUBJECT_MAX_RDNS][RANDOM_VALUE_MAX], text[SUBJECT_MAX_BYTES + 1];
		struct subject_rdn rdns[SUBJECT_MAX_RDNS];
		size_t count = 1 + random_below(SUBJECT_MAX_RDNS);
		bool has_name = false;
		for (size_t i = 0; i < count; i++)
			rdns[i] = random_rdn(values[i], 1 + RANDOM_CHARACTERS / count, &has_name);
		const char *defect = subject_print(rdns, count, text);
		if (defect != NULL) {
			assert_non_null(strstr(defect, "longer"));
			continue;
		}
		printed++;
		assert_parses_back(text, rdns, count);
	}
	assert_true(printed > 15000);
}

/* Takes real texts, spoils a byte or two, and wants what still parses to print back unchanged. */
static void
test_what_parses_prints_back_byte_for_byte(void **state)
{
	(void)state;
	static const char *const seeds[] = {"CN=acme-prod,O=Acme Corp,C=DK",
	    "CN=a\\,b\\+c\\\\,2.5.4.5=#0c024131,DC=dk", "CN=\\ a\\ ,emailAddress=a@b,O=\xc3\xa9"};
	random_state = 20260102;
	print_message("seed %llu\n", (unsigned long long)random_state);
	size_t accepted = 0;
	for (size_t round = 0; round < 50000; round++) {
		char text[64], again[SUBJECT_MAX_BYTES + 1];
		struct subject subject;
		const char *seed = seeds[random_below(3)];
		size_t len = strlen(seed);
		memcpy(text, seed, len);
		for (size_t changes = random_below(3); changes > 0; changes--)
			text[random_below(len)] = (char)random_below(256);
		if (subject_parse(text, len, &subject) != NULL)
			continue;
		accepted++;
		assert_null(subject_print(subject.rdns, subject.count, again));
		assert_int_equal(strlen(again), len);
		assert_memory_equal(again, text, len);
	}
	assert_true(accepted > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_last_rdn_of_the_certificate_is_printed_first),
	    cmocka_unit_test(test_every_named_type_is_printed_by_its_name),
	    cmocka_unit_test(test_a_type_without_a_name_is_printed_as_oid_and_der),
	    cmocka_unit_test(test_long_values_get_the_shortest_der_length),
	    cmocka_unit_test(test_only_what_must_be_escaped_is_escaped),
	    cmocka_unit_test(test_a_separator_inside_a_value_makes_no_second_rdn),
	    cmocka_unit_test(test_values_outside_the_profile_are_refused),
	    cmocka_unit_test(test_string_types_outside_the_profile_are_refused),
	    cmocka_unit_test(test_subjects_of_the_wrong_shape_are_refused),
	    cmocka_unit_test(test_the_longest_text_is_1024_bytes),
	    cmocka_unit_test(test_parsing_finds_types_and_values_in_the_certificates_order),
	    cmocka_unit_test(test_text_that_is_not_canonical_is_refused),
	    cmocka_unit_test(test_more_than_32_rdns_do_not_parse),
	    cmocka_unit_test(test_what_prints_parses_back_to_the_same_name),
	    cmocka_unit_test(test_what_parses_prints_back_byte_for_byte),
	};
	return cmocka_run_group_tests_name("subject", tests, NULL, NULL);
}
