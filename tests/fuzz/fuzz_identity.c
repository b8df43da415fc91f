/*
 * Who a hostile certificate says its holder is.
 *
 * DER that decodes as a certificate is asked directly; DER that decodes as a name is put into a
 * certificate that is otherwise good. Any other input is a list of attributes, from which the DER
 * of a name is built, for a mutated byte seldom leaves the lengths around it right. Of an
 * attribute's bytes, one picks the type, one is the tag, one the length of the value, which
 * follows; the top bit of the type joins it to the RDN before it.
 */
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "fuzz.h"
#include "gateway/tls/identity.h"

enum { NAME_MAX_BYTES = 16384, VALUE_MAX = 255, JOINED = 0x80 };

static const char *const types[] = {"\x55\x04\x03", "\x55\x04\x0a", "\x55\x04\x06", "\x55\x04\x0b",
    "\x55\x04\x05", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19",
    "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", "\x2b"};

/* DER under construction, written from the end of BYTES to its front. */
struct der {
	unsigned char bytes[NAME_MAX_BYTES];
	size_t start;
};

static void
put(struct der *self, const void *bytes, size_t len)
{
	FUZZ_REQUIRE(len <= self->start);
	self->start -= len;
	memcpy(self->bytes + self->start, bytes, len);
}

/* Puts the tag and the length of all that was written since END was the start. */
static void
put_head(struct der *self, unsigned char tag, size_t end)
{
	size_t len = end - self->start;
	unsigned char high = (unsigned char)(len >> 8), low = (unsigned char)len;

	put(self, &low, 1);
	if (len >= 0x100)
		put(self, &high, 1);
	if (len >= 0x80)
		put(self, len >= 0x100 ? "\x82" : "\x81", 1);
	put(self, &tag, 1);
}

/* Puts one AttributeTypeAndValue; returns whether it joins the RDN before it. */
static bool
put_attribute(struct der *self, struct fuzz_input *input)
{
	uint8_t choice = fuzz_take_byte(input), tag = fuzz_take_byte(input);
	const char *type = types[choice % JOINED % (sizeof types / sizeof types[0])];
	size_t len, end = self->start;
	const uint8_t *value = fuzz_take(input, fuzz_take_byte(input), &len);

	put(self, value, len);
	put_head(self, tag, end);
	size_t type_end = self->start;
	put(self, type, strlen(type));
	put_head(self, V_ASN1_OBJECT, type_end);
	put_head(self, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, end);
	return choice >= JOINED;
}

static X509_NAME *
build_name(struct fuzz_input input)
{
	struct der der = {.start = NAME_MAX_BYTES};
	size_t rdn_end = der.start;

	while (input.at < input.end && der.start > 2 * VALUE_MAX) {
		if (put_attribute(&der, &input) && input.at < input.end)
			continue;
		put_head(&der, V_ASN1_SET | V_ASN1_CONSTRUCTED, rdn_end);
		rdn_end = der.start;
	}
	put_head(&der, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, NAME_MAX_BYTES);
	const unsigned char *at = der.bytes + der.start;
	return d2i_X509_NAME(NULL, &at, (long)(NAME_MAX_BYTES - der.start));
}

/* What was accepted is canonical, and parses to the attributes that are in the certificate. */
static void
require_canonical(const X509 *certificate, const struct identity *identity)
{
	const X509_NAME *name = X509_get_subject_name(certificate);
	struct subject subject;

	FUZZ_REQUIRE(subject_parse(identity->subject, strlen(identity->subject), &subject) == NULL);
	FUZZ_REQUIRE((size_t)X509_NAME_entry_count(name) == subject.count);
	for (size_t i = 0; i < subject.count; i++) {
		X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, (int)i);
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
		FUZZ_REQUIRE((size_t)ASN1_STRING_length(value) == subject.rdns[i].len);
		FUZZ_REQUIRE(memcmp(ASN1_STRING_get0_data(value), subject.rdns[i].value,
		                 subject.rdns[i].len) == 0);
		FUZZ_REQUIRE(X509_NAME_ENTRY_set(entry) == (int)i);
	}
}

static void
ask(X509 *certificate)
{
	struct identity identity;
	const char *defect;

	memset(&identity, '\1', sizeof identity);
	defect = identity_of(certificate, &identity);
	FUZZ_REQUIRE(strnlen(identity.subject, sizeof identity.subject) < sizeof identity.subject);
	size_t serial_len = strnlen(identity.serial, sizeof identity.serial);
	FUZZ_REQUIRE(serial_len < sizeof identity.serial);
	FUZZ_REQUIRE(strspn(identity.serial, "-0123456789ABCDEF") == serial_len);
	FUZZ_REQUIRE(defect != NULL || identity.subject[0] != '\0');
	if (identity.subject[0] != '\0')
		require_canonical(certificate, &identity);
}

static void
ask_name(X509_NAME *name)
{
	static X509 *holder;

	if (holder == NULL)
		holder = authority_client(NULL);
	/* OpenSSL cannot copy an empty name whose length is written in too many bytes. */
	if (X509_set_subject_name(holder, name) == 1)
		ask(holder);
	else
		FUZZ_REQUIRE(X509_NAME_entry_count(name) == 0);
	X509_NAME_free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	X509 *certificate = d2i_X509(NULL, &at, (long)size);
	X509_NAME *name = NULL;

	if (certificate != NULL) {
		ask(certificate);
		X509_free(certificate);
	} else {
		at = data;
		name = d2i_X509_NAME(NULL, &at, (long)size);
		if (name == NULL)
			name = build_name((struct fuzz_input){data, data + size});
		if (name != NULL)
			ask_name(name);
	}
	ERR_clear_error();
	return 0;
}
