/*
 * Subjects of certificates: one canonical text for what the ASN.1 really holds, or a refusal.
 *
 * The names are built attribute by attribute and read from certificates that were encoded and
 * decoded, so that OpenSSL's own view of them takes part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certificates.h"
#include "gateway/tls/identity.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PRINTABLE(oid, literal) ATTRIBUTE(oid, V_ASN1_PRINTABLESTRING, literal)
#define IA5(oid, literal) ATTRIBUTE(oid, V_ASN1_IA5STRING, literal)
#define ACME PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod")

/* Longest list of attributes in a table. */
enum { ATTRIBUTES_MAX = 6 };

struct name_case {
	struct attribute attributes[ATTRIBUTES_MAX];
	const char *text; /* the canonical subject, or a word of the refusal */
};

static struct authority ca;

static int
make_authority(void **state)
{
	(void)state;
	ca = authority_new("Test CA", "P-256", NULL);
	return 0;
}

static int
free_authority(void **state)
{
	(void)state;
	authority_free(&ca);
	return 0;
}

static X509 *
certificate_of(const struct attribute *attributes, size_t count)
{
	struct certificate_spec spec = {
	    .subject = attributes, .subject_count = count, .issuer = &ca};

	return certificates_make(&spec);
}

static const char *
identify(const struct attribute *attributes, size_t count, struct identity *identity)
{
	X509 *certificate = certificate_of(attributes, count);
	const char *defect = identity_of(certificate, identity);

	X509_free(certificate);
	return defect;
}

static size_t
attribute_count(const struct name_case *c)
{
	size_t count = 0;

	while (count < ATTRIBUTES_MAX && c->attributes[count].oid != NULL)
		count++;
	return count;
}

static void
assert_named(const struct name_case *c)
{
	struct identity identity;
	const char *defect = identify(c->attributes, attribute_count(c), &identity);

	if (defect != NULL)
		fail_msg("%s is refused: %s", c->text, defect);
	assert_string_equal(identity.subject, c->text);
}

static void
assert_refused_for(const struct attribute *attributes, size_t count, const char *word)
{
	struct identity identity;
	const char *defect = identify(attributes, count, &identity);

	if (defect == NULL)
		fail_msg("%s is accepted", identity.subject);
	else if (strstr(defect, word) == NULL)
		fail_msg("%s: is refused for another reason: %s", word, defect);
	assert_string_equal(identity.subject, "");
}

static void
test_names_are_printed_in_rfc_4514_order(void **state)
{
	(void)state;
	static const struct name_case cases[] = {{{ACME}, CERTIFICATES_SUBJECT},
	    {{UTF8("CN", "a")}, "CN=a"}, {{UTF8("O", "a")}, "O=a"},
	    {{PRINTABLE("CN", "a (b), c=d?")}, "CN=a (b)\\, c=d?"},
	    {{IA5("DC", "com"), IA5("DC", "example"), UTF8("CN", "a")}, "CN=a,DC=example,DC=com"},
	    {{UTF8("CN", "a"), IA5("emailAddress", "a@b.example")},
	        "emailAddress=a@b.example,CN=a"},
	    {{UTF8("OU", "1"), UTF8("OU", "2"), UTF8("CN", "a")}, "CN=a,OU=2,OU=1"},
	    {{UTF8("CN", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80")},
	        "CN=caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {{UTF8("2.5.4.5", "A1"), UTF8("CN", "a")}, "CN=a,2.5.4.5=#0c024131"},
	    {{UTF8("1.3.6.1.4.1.99999.1", "x")}, "1.3.6.1.4.1.99999.1=#0c0178"}};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_named(&cases[i]);
}

/* Each is a name of its own: none may be taken for CERTIFICATES_SUBJECT. */
static const struct name_case look_alikes[] = {
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "Acme-Prod")},
        "CN=Acme-Prod,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "dk"), UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod")},
        "CN=acme-prod,O=Acme Corp,C=dk"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod ")},
        "CN=acme-prod\\ ,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", " acme-prod")},
        "CN=\\ acme-prod,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme  Corp"), UTF8("CN", "acme-prod")},
        "CN=acme-prod,O=Acme  Corp,C=DK"},
    {{PRINTABLE("C", "DK"),
         UTF8("O", "Acme\xc2\xa0"
                   "Corp"),
         UTF8("CN", "acme-prod")},
        "CN=acme-prod,O=Acme\xc2\xa0"
        "Corp,C=DK"},
    {{UTF8("CN", "acme-prod"), UTF8("O", "Acme Corp"), PRINTABLE("C", "DK")},
        "C=DK,O=Acme Corp,CN=acme-prod"},
    {{UTF8("O", "Acme Corp"), PRINTABLE("C", "DK"), UTF8("CN", "acme-prod")},
        "CN=acme-prod,C=DK,O=Acme Corp"},
    {{ACME, UTF8("OU", "x")}, "OU=x,CN=acme-prod,O=Acme Corp,C=DK"},
    {{UTF8("OU", "x"), ACME}, "CN=acme-prod,O=Acme Corp,C=DK,OU=x"},
    {{UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod")}, "CN=acme-prod,O=Acme Corp"},
    {{PRINTABLE("C", "DK"), UTF8("CN", "acme-prod,O=Acme Corp")},
        "CN=acme-prod\\,O=Acme Corp,C=DK"},
    {{UTF8("O", "x,CN=acme-prod,O=Acme Corp,C=DK")}, "O=x\\,CN=acme-prod\\,O=Acme Corp\\,C=DK"},
    {{UTF8("CN", "acme-prod\\,O=Acme Corp\\,C=DK")}, "CN=acme-prod\\\\\\,O=Acme Corp\\\\\\,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "\"acme-prod\"")},
        "CN=\\\"acme-prod\\\",O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme-prod+OU=x")},
        "CN=acme-prod\\+OU=x,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "*")}, "CN=*,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme\xe2\x80\x90prod")},
        "CN=acme\xe2\x80\x90prod,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"),
         UTF8("CN", "\xd0\xb0"
                    "cme-prod")},
        "CN=\xd0\xb0"
        "cme-prod,O=Acme Corp,C=DK"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("CN", "acme\xe2\x80\x8b-prod")},
        "CN=acme\xe2\x80\x8b-prod,O=Acme Corp,C=DK"},
    {{UTF8("CN", "caf\xc3\xa9")}, "CN=caf\xc3\xa9"},
    {{UTF8("CN", "cafe\xcc\x81")}, "CN=cafe\xcc\x81"},
    {{PRINTABLE("C", "DK"), UTF8("O", "Acme Corp"), UTF8("2.5.4.4", "acme-prod")},
        "2.5.4.4=#0c0961636d652d70726f64,O=Acme Corp,C=DK"},
};

static void
test_look_alikes_have_other_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(look_alikes); i++) {
		assert_named(&look_alikes[i]);
		assert_string_not_equal(look_alikes[i].text, CERTIFICATES_SUBJECT);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(look_alikes[i].text, look_alikes[k].text);
	}
}

static void
test_names_outside_the_profile_are_refused(void **state)
{
	(void)state;
	static const struct name_case cases[] = {{{UTF8("CN", "acme-prod\0.evil")}, "control"},
	    {{UTF8("CN", "\0")}, "control"}, {{ACME, UTF8("OU", "x\0")}, "control"},
	    {{IA5("emailAddress", "a@b\0c")}, "control"}, {{UTF8("CN", "a\nb")}, "control"},
	    {{UTF8("CN", "a\tb")}, "control"}, {{UTF8("CN", "a\x1b[2J")}, "control"},
	    {{UTF8("CN", "a\x7f")}, "control"},
	    {{UTF8("CN", "a\xc2\x85"
	                 "b")},
	        "control"},
	    {{UTF8("CN", "a\xc2\x9b"
	                 "b")},
	        "control"},
	    {{UTF8("CN", "acme-prod"), UTF8("CN", "globex")}, "more than one CN"},
	    {{ACME, UTF8("CN", "acme-prod")}, "more than one CN"}, {{UTF8("CN", "")}, "empty"},
	    {{ACME, UTF8("OU", "")}, "empty"}, {{PRINTABLE("CN", "a@b")}, "PrintableString"},
	    {{PRINTABLE("CN", "a*")}, "PrintableString"},
	    {{PRINTABLE("CN", "a_b")}, "PrintableString"}, {{IA5("CN", "acme-prod")}, "IA5String"},
	    {{IA5("O", "x")}, "IA5String"}, {{IA5("2.5.4.5", "x")}, "IA5String"},
	    {{ATTRIBUTE("CN", V_ASN1_BMPSTRING, "\0a\0c\0m\0e")}, "not UTF8String"},
	    {{ATTRIBUTE("CN", V_ASN1_UNIVERSALSTRING, "\0\0\0a\0\0\0c")}, "not UTF8String"},
	    {{ATTRIBUTE("CN", V_ASN1_T61STRING, "acme-prod")}, "not UTF8String"},
	    {{ATTRIBUTE("CN", V_ASN1_NUMERICSTRING, "12")}, "not UTF8String"},
	    {{ATTRIBUTE("CN", V_ASN1_BIT_STRING, "acme-prod")}, "not UTF8String"},
	    {{ACME, ATTRIBUTE("OU", V_ASN1_T61STRING, "x")}, "not UTF8String"}};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused_for(cases[i].attributes, attribute_count(&cases[i]), cases[i].text);
	assert_refused_for(cases[0].attributes, 0, "empty");
}

/* SET {} between, before or after RDNs: X509_NAME drops it, so only the encoding shows it. */
static void
test_an_empty_rdn_is_refused_wherever_it_stands(void **state)
{
#define EMPTY 0x31, 0x00
#define COUNTRY 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 'D', 'K'
#define NAME 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'x'
	static const unsigned char before[] = {0x30, 27, EMPTY, COUNTRY, NAME};
	static const unsigned char between[] = {0x30, 27, COUNTRY, EMPTY, NAME};
	static const unsigned char after[] = {0x30, 27, COUNTRY, NAME, EMPTY};
	static const unsigned char none[] = {0x30, 25, COUNTRY, NAME};
	static const unsigned char *const names[] = {before, between, after, none};
	X509 *certificate = certificates_make(&(struct certificate_spec){0});
	struct identity identity;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		const unsigned char *at = names[i];
		X509_NAME *name = d2i_X509_NAME(NULL, &at, names[i][1] + 2);
		assert_non_null(name);
		assert_int_equal(X509_set_subject_name(certificate, name), 1);
		X509_NAME_free(name);
		const char *defect = identity_of(certificate, &identity);
		if (names[i] == none)
			assert_string_equal(identity.subject, "CN=x,C=DK");
		else
			assert_non_null(strstr(defect, "empty"));
	}
	X509_free(certificate);
#undef EMPTY
#undef COUNTRY
#undef NAME
}

static void
test_an_rdn_of_several_values_is_refused(void **state)
{
	(void)state;
	struct attribute joined[] = {ACME, UTF8("OU", "x")};

	for (size_t i = 1; i < COUNT(joined); i++) {
		joined[i].with_previous = true;
		assert_refused_for(joined, COUNT(joined), "several values");
		joined[i].with_previous = false;
	}
	struct attribute common_names[] = {UTF8("CN", "a"), UTF8("CN", "b")};
	common_names[1].with_previous = true;
	assert_refused_for(common_names, 2, "several values");
}

static void
test_a_name_has_at_most_1024_bytes_and_32_attributes(void **state)
{
	(void)state;
	static char value[SUBJECT_MAX_BYTES];
	struct attribute one = {"CN", V_ASN1_UTF8STRING, value, SUBJECT_MAX_BYTES - 3, false};
	struct attribute many[SUBJECT_MAX_RDNS + 1];
	struct identity identity;

	memset(value, 'a', sizeof value);
	assert_null(identify(&one, 1, &identity));
	assert_int_equal(strlen(identity.subject), SUBJECT_MAX_BYTES);
	one.len++;
	assert_refused_for(&one, 1, "longer than 1024");
	/* Escapes count. */
	memset(value, ',', sizeof value);
	one.len = 600;
	assert_refused_for(&one, 1, "longer than 1024");
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct attribute)UTF8("OU", "x");
	assert_null(identify(many, SUBJECT_MAX_RDNS, &identity));
	assert_refused_for(many, SUBJECT_MAX_RDNS + 1, "too many attributes");
}

static void
test_an_attribute_type_that_is_too_long_is_refused(void **state)
{
	(void)state;
	struct attribute one =
	    UTF8("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24."
	         "25.26.27.28.29.30",
	        "x");

	assert_refused_for(&one, 1, "attribute type");
}

static void
test_utf8_that_is_none_does_not_even_decode(void **state)
{
	(void)state;
	static const char *const bad[] = {"\xff\xff\xff\xff",
	    "a\xc0\xaf"
	    "b",
	    "\xe0\x80\xaf"
	    "a",
	    "\xf8\x88\x80\x80", "abc\xc3",
	    "\x80"
	    "abc",
	    "\xed\xa0\x80"
	    "a",
	    "\xf4\x90\x80\x80"};
	static const struct attribute placeholder = UTF8("CN", "ZQZQ");

	for (size_t i = 0; i < COUNT(bad); i++) {
		X509 *certificate = certificate_of(&placeholder, 1);
		X509 *patched = certificates_patched(certificate, "ZQZQ", bad[i], 4);
		struct identity identity;
		/* OpenSSL refuses most of them when it decodes, and the profile the rest. */
		if (patched != NULL)
			assert_non_null(identity_of(patched, &identity));
		X509_free(patched);
		X509_free(certificate);
	}
	X509 *certificate = certificate_of(&placeholder, 1);
	X509 *patched = certificates_patched(certificate, "ZQZQ", "YQZQ", 4);
	struct identity identity;
	assert_null(identity_of(patched, &identity));
	assert_string_equal(identity.subject, "CN=YQZQ");
	X509_free(patched);
	X509_free(certificate);
}

static void
test_utf8_that_is_none_is_refused_by_the_profile_itself(void **state)
{
	(void)state;
	static const char *const bad[] = {"\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80",
	    "\xf4\x90\x80\x80", "a\xc3", "\x80"};
	static const struct attribute placeholder = UTF8("CN", "a");

	for (size_t i = 0; i < COUNT(bad); i++) {
		X509 *certificate = certificate_of(&placeholder, 1);
		struct identity identity;
		ASN1_STRING *value = X509_NAME_ENTRY_get_data(
		    X509_NAME_get_entry(X509_get_subject_name(certificate), 0));
		assert_int_equal(ASN1_STRING_set(value, bad[i], -1), 1);
		const char *defect = identity_of(certificate, &identity);
		assert_non_null(defect);
		assert_non_null(strstr(defect, "UTF-8"));
		X509_free(certificate);
	}
}

/* Fills VALUE with random characters of which many want an escape; returns their bytes. */
static size_t
random_value(uint64_t *seed, char *value)
{
	static const char *const characters[] = {"a", "B", "7", " ", "#", "\"", "+", ",", ";", "<",
	    ">", "\\", "=", "/", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	size_t len = 0;

	for (size_t n = 1 + random_below(seed, 6); n > 0; n--) {
		const char *character = characters[random_below(seed, COUNT(characters))];
		memcpy(value + len, character, strlen(character));
		len += strlen(character);
	}
	return len;
}

static void
test_the_text_of_any_name_parses_back_to_what_the_certificate_holds(void **state)
{
	(void)state;
	static const char *const oids[] = {
	    "2.5.4.3", "2.5.4.10", "2.5.4.6", "2.5.4.11", "2.5.4.5", "1.2.840.113549.1.9.1"};
	uint64_t seed = 15;

	for (int i = 0; i < 3000; i++) {
		struct attribute attributes[5];
		char values[5][32] = {{0}};
		struct identity identity;
		struct subject subject;
		size_t count = 1 + random_below(&seed, 5);
		for (size_t k = 0; k < count; k++)
			attributes[k] = (struct attribute){
			    oids[random_below(&seed, COUNT(oids) - (k > 0)) + (k > 0)],
			    V_ASN1_UTF8STRING, values[k], random_value(&seed, values[k]), false};
		assert_null(identify(attributes, count, &identity));
		assert_null(subject_parse(identity.subject, strlen(identity.subject), &subject));
		assert_int_equal(subject.count, count);
		for (size_t k = 0; k < count; k++) {
			assert_string_equal(subject.rdns[k].oid, attributes[k].oid);
			assert_int_equal(subject.rdns[k].len, attributes[k].len);
			assert_memory_equal(
			    subject.rdns[k].value, attributes[k].value, attributes[k].len);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names_are_printed_in_rfc_4514_order),
	    cmocka_unit_test(test_look_alikes_have_other_names),
	    cmocka_unit_test(test_names_outside_the_profile_are_refused),
	    cmocka_unit_test(test_an_empty_rdn_is_refused_wherever_it_stands),
	    cmocka_unit_test(test_an_rdn_of_several_values_is_refused),
	    cmocka_unit_test(test_a_name_has_at_most_1024_bytes_and_32_attributes),
	    cmocka_unit_test(test_an_attribute_type_that_is_too_long_is_refused),
	    cmocka_unit_test(test_utf8_that_is_none_does_not_even_decode),
	    cmocka_unit_test(test_utf8_that_is_none_is_refused_by_the_profile_itself),
	    cmocka_unit_test(test_the_text_of_any_name_parses_back_to_what_the_certificate_holds),
	};
	return cmocka_run_group_tests_name(
	    "identity_subject", tests, make_authority, free_authority);
}
