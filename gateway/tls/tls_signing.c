/*
 * What a TLS server signs. The hard part is to know it by its form: TLS 1.3 begins it with a text
 * made for that, and TLS 1.2 with 64 random bytes, of which a client chose the first half.
 */
#include "tls_signing.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "crypto/digest.h"

static_assert((int)TLS_SIGNING_KEY_BYTES == (int)DIGEST_SHA256_BYTES, "the name is a digest");

enum { NUMBER_MAX = TLS_SIGNING_SIGNATURE_MAX };

size_t
tls_signing_request_size(const struct tls_signing_request *request)
{
	assert(request->len <= TLS_SIGNING_CONTENT_MAX);
	return offsetof(struct tls_signing_request, content) + request->len;
}

size_t
tls_signing_answer_size(const struct tls_signing_answer *answer)
{
	assert(answer->len <= TLS_SIGNING_SIGNATURE_MAX);
	return offsetof(struct tls_signing_answer, signature) + answer->len;
}

bool
tls_signing_request_is_whole(const struct tls_signing_request *request, size_t n)
{
	return n >= offsetof(struct tls_signing_request, content) &&
	       request->len <= TLS_SIGNING_CONTENT_MAX && tls_signing_request_size(request) == n;
}

bool
tls_signing_answer_is_whole(const struct tls_signing_answer *answer, size_t n)
{
	return n >= offsetof(struct tls_signing_answer, signature) &&
	       answer->len <= TLS_SIGNING_SIGNATURE_MAX && tls_signing_answer_size(answer) == n;
}

/* ---- keys ---- */

/* Appends the number PARAM of KEY to BYTES. False when KEY has none. */
static bool
add_number(const EVP_PKEY *key, const char *param, unsigned char bytes[NUMBER_MAX], size_t *len)
{
	BIGNUM *number = NULL;
	bool good = EVP_PKEY_get_bn_param(key, param, &number) == 1 &&
	            (size_t)BN_num_bytes(number) <= NUMBER_MAX - *len;

	if (good)
		*len += (size_t)BN_bn2bin(number, bytes + *len);
	BN_free(number);
	return good;
}

/* Not its encoding, of which there are several: a point may be compressed. */
bool
tls_signing_key_name(const EVP_PKEY *key, unsigned char name[TLS_SIGNING_KEY_BYTES])
{
	unsigned char bytes[NUMBER_MAX];
	size_t len = 0, room = sizeof bytes;
	bool good;

	if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
		good = add_number(key, OSSL_PKEY_PARAM_RSA_N, bytes, &len);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		good = add_number(key, OSSL_PKEY_PARAM_EC_PUB_X, bytes, &len) &&
		       add_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, bytes, &len);
	} else {
		good = EVP_PKEY_get_raw_public_key(key, bytes, &room) == 1;
		len = room;
	}
	if (good)
		digest_sha256(bytes, len, name);
	ERR_clear_error();
	return good;
}

/* ---- schemes ---- */

static const struct tls_signing_scheme schemes[TLS_SIGNING_SCHEMES] = {
    {0x0401, "RSA", "SHA2-256", false, true},
    {0x0501, "RSA", "SHA2-384", false, true},
    {0x0601, "RSA", "SHA2-512", false, true},
    {0x0804, "RSA", "SHA2-256", true, false},
    {0x0805, "RSA", "SHA2-384", true, false},
    {0x0806, "RSA", "SHA2-512", true, false},
    {0x0809, "RSA-PSS", "SHA2-256", true, false},
    {0x080a, "RSA-PSS", "SHA2-384", true, false},
    {0x080b, "RSA-PSS", "SHA2-512", true, false},
    {0x0403, "EC", "SHA2-256", false, false},
    {0x0503, "EC", "SHA2-384", false, false},
    {0x0603, "EC", "SHA2-512", false, false},
    {0x0807, "ED25519", NULL, false, false},
    {0x0808, "ED448", NULL, false, false},
};

unsigned
tls_signing_scheme_index(const struct tls_signing_scheme *scheme)
{
	assert(scheme >= schemes && scheme < schemes + TLS_SIGNING_SCHEMES);
	return (unsigned)(scheme - schemes);
}

const struct tls_signing_scheme *
tls_signing_scheme_of(uint16_t number)
{
	for (size_t i = 0; i < TLS_SIGNING_SCHEMES; i++)
		if (schemes[i].number == number)
			return &schemes[i];
	return NULL;
}

static bool
is_digest(const char *wanted, const char *digest)
{
	if (digest[0] == '\0')
		return wanted == NULL;
	/* "SHA2-256" has also been "SHA256" for long. */
	return wanted != NULL &&
	       (strcasecmp(digest, wanted) == 0 ||
	           (strncasecmp(digest, "SHA", 3) == 0 && strcmp(digest + 3, wanted + 5) == 0));
}

const struct tls_signing_scheme *
tls_signing_scheme_for(const char *type, const char *digest, bool is_pss)
{
	for (size_t i = 0; i < TLS_SIGNING_SCHEMES; i++)
		if (strcmp(type, schemes[i].key) == 0 && schemes[i].is_pss == is_pss &&
		    is_digest(schemes[i].digest, digest))
			return &schemes[i];
	return NULL;
}

/* ---- content ---- */

static bool
is_certificate_verify(const unsigned char *content, size_t len)
{
	enum { SPACES = 64, SHA256 = 32, SHA384 = 48 };
	static const char text[] = "TLS 1.3, server CertificateVerify"; /* and a zero byte */
	const size_t hash = SPACES + sizeof text;

	if (len != hash + SHA256 && len != hash + SHA384)
		return false;
	for (size_t i = 0; i < SPACES; i++)
		if (content[i] != ' ')
			return false;
	return memcmp(content + SPACES, text, sizeof text) == 0;
}

/* client_random, server_random, then curve_type, the group, and the public key in its length. */
static bool
is_server_key_exchange(const unsigned char *content, size_t len)
{
	enum { RANDOMS = 64, PARAMS = 4, NAMED_CURVE = 3, UNCOMPRESSED = 4 };
	static const struct {
		unsigned group, bytes;
		bool is_point;
	} groups[] = {
	    {23, 65, true}, {24, 97, true}, {25, 133, true}, {29, 32, false}, {30, 56, false}};

	if (len < RANDOMS + PARAMS + 1 || content[RANDOMS] != NAMED_CURVE)
		return false;
	const unsigned char *params = content + RANDOMS;
	unsigned group = (unsigned)params[1] << 8 | params[2], bytes = params[3];
	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
		if (groups[i].group == group)
			return groups[i].bytes == bytes && len == RANDOMS + PARAMS + bytes &&
			       (!groups[i].is_point || params[PARAMS] == UNCOMPRESSED);
	return false;
}

bool
tls_signing_is_of_server(
    const struct tls_signing_scheme *scheme, const unsigned char *content, size_t len)
{
	return (!scheme->is_old && is_certificate_verify(content, len)) ||
	       is_server_key_exchange(content, len);
}
