/*
 * Detached CMS signatures and release certificates, given hostile files.
 *
 * The first byte says what the rest is: `d` a signature in DER; `e` changes to a genuine one, three
 * bytes each (two say where, one what is there instead); `c` a release certificate in PEM, and `C`
 * one in DER to be wrapped as PEM. Nothing of these can be a signature of what was never signed.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "crypto/signature.h"
#include "crypto/signer.h"
#include "fuzz.h"

static const char content[] = "what was signed", other[] = "what was never signed";

static struct pem
own(struct authority_text text)
{
	return (struct pem){"own.pem", text.bytes, text.len};
}

/* A refusal names a file and says something, and leaves nothing in OpenSSL's queue. */
static bool
verify(struct pem signer, struct pem signature, const char *text)
{
	char error[PEM_ERROR_MAX] = "";
	bool good = signature_verify(
	    &(struct signer){.pem = signer}, &signature, text, strlen(text), error);
	size_t len = strnlen(error, sizeof error);

	FUZZ_REQUIRE(len < sizeof error && good == (len == 0));
	FUZZ_REQUIRE(good || strncmp(error, "hostile: ", 9) == 0);
	FUZZ_REQUIRE(ERR_peek_error() == 0);
	return good;
}

/* The authority's signature of CONTENT, made once. */
static const struct buffer *
genuine(void)
{
	static struct buffer made;
	char error[PEM_ERROR_MAX];
	struct signer certificate = {.pem = own(authority_files()->certificate)};
	struct pem key = own(authority_files()->key);

	if (made.data == NULL)
		FUZZ_REQUIRE(
		    signature_make(&certificate, &key, content, strlen(content), &made, error));
	return &made;
}

/* LEN bytes of DER as a signature by the authority. */
static bool
check_signature(const char *der, size_t len)
{
	struct pem signer = own(authority_files()->certificate), signature = {"hostile", der, len};

	FUZZ_REQUIRE(signature_time(&signature) >= 0);
	FUZZ_REQUIRE(!verify(signer, signature, other));
	return verify(signer, signature, content);
}

static void
check_changes(struct fuzz_input input)
{
	size_t len = buffer_size(genuine());
	char *der = fuzz_copy(buffer_bytes(genuine()), len);
	bool changed = false;

	while (input.end - input.at >= 3) {
		size_t at = (size_t)fuzz_take_byte(&input) << 8;
		at = (at | fuzz_take_byte(&input)) % len;
		der[at] = (char)fuzz_take_byte(&input);
	}
	changed = memcmp(der, buffer_bytes(genuine()), len) != 0;
	FUZZ_REQUIRE(check_signature(der, len) || changed);
	free(der);
}

/* Only the certificate that signed is one for the genuine signature. */
static void
check_certificate(const char *bytes, size_t len)
{
	struct pem signer = {"hostile", bytes, len};
	struct pem signature = {"hostile", buffer_bytes(genuine()), buffer_size(genuine())};
	char error[PEM_ERROR_MAX] = "";
	X509 *certificate = signer_read(&(struct signer){.pem = signer}, error);

	FUZZ_REQUIRE((certificate == NULL) == (error[0] != '\0'));
	FUZZ_REQUIRE(!verify(signer, signature, other));
	if (verify(signer, signature, content))
		FUZZ_REQUIRE(certificate != NULL);
	(void)signer_next_date(&signer, 0);
	FUZZ_REQUIRE(ERR_peek_error() == 0);
	X509_free(certificate);
}

static void
check_der_certificate(const char *der, size_t len)
{
	struct authority_text text = authority_pem("CERTIFICATE", der, len);

	check_certificate(text.bytes, text.len);
	free(text.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, data + size};
	uint8_t kind = fuzz_take_byte(&input);
	size_t len = (size_t)(input.end - input.at);
	char *bytes = fuzz_copy(input.at, len);

	ERR_clear_error();
	if (kind == 'd')
		(void)check_signature(bytes, len);
	else if (kind == 'e')
		check_changes(input);
	else if (kind == 'c')
		check_certificate(bytes, len);
	else if (kind == 'C')
		check_der_certificate(bytes, len);
	free(bytes);
	return 0;
}
