/*
 * Content-Digest: a small dictionary, read strictly. The hard part is base64, of which only the one
 * text that encodes a digest is taken.
 */
#include "content_digest.h"

#include <string.h>

struct algorithm {
	const char *name;
	size_t len; /* bytes of a digest */
};

static const struct algorithm sha256 = {"sha-256", DIGEST_SHA256_BYTES};
static const struct algorithm sha512 = {"sha-512", DIGEST_SHA512_BYTES};

/* 0 to 63, or -1. */
static int
base64_value(char c)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

/* True when TEXT is base64 (RFC 4648, 4) of exactly N bytes, with padding, and with zeros in the
 * bits that no byte needs. OUT may be NULL, and then any N will do. */
static bool
decode(struct http_span text, unsigned char *out, size_t n)
{
	unsigned bits = 0, held = 0;
	size_t used = 0, padding = 0;

	if (text.len % 4 != 0 || (out != NULL && text.len != (n + 2) / 3 * 4))
		return false;
	while (padding < 2 && padding < text.len && text.bytes[text.len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < text.len - padding; i++) {
		int value = base64_value(text.bytes[i]);
		if (value < 0)
			return false;
		bits = (bits << 6 | (unsigned)value) & 0xffff;
		held += 6;
		if (held < 8)
			continue;
		held -= 8;
		if (out != NULL && used == n)
			return false;
		if (out != NULL)
			out[used] = (unsigned char)(bits >> held);
		used++;
	}
	return (bits & ((1u << held) - 1)) == 0 && (out == NULL || used == n);
}

static bool
is_key_byte(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || c == '*')
		return true;
	return !first && ((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.');
}

/* Takes the digest of ALGORITHM, whose member may come once. */
static bool
take(const struct algorithm *algorithm, struct http_span text, bool *known, unsigned char *digest)
{
	if (*known)
		return false;
	*known = true;
	return decode(text, digest, algorithm->len);
}

/* Reads the member that starts at *AT, and moves past it. */
static bool
parse_member(struct http_span value, size_t *at, struct content_digest *self)
{
	size_t start = *at, i = *at;

	while (i < value.len && is_key_byte(value.bytes[i], i == start))
		i++;
	struct http_span key = {value.bytes + start, i - start};
	if (key.len == 0 || value.len - i < 2 || memcmp(value.bytes + i, "=:", 2) != 0)
		return false;
	const char *text = value.bytes + i + 2;
	const char *end = memchr(text, ':', value.len - i - 2);
	if (end == NULL)
		return false;
	struct http_span digest = {text, (size_t)(end - text)};
	*at = (size_t)(end + 1 - value.bytes);
	if (http_span_is(key, sha256.name))
		return take(&sha256, digest, &self->has_sha256, self->sha256);
	if (http_span_is(key, sha512.name))
		return take(&sha512, digest, &self->has_sha512, self->sha512);
	return decode(digest, NULL, 0);
}

static size_t
skip_spaces(struct http_span value, size_t at)
{
	while (at < value.len && value.bytes[at] == ' ')
		at++;
	return at;
}

bool
content_digest_parse(struct http_span value, struct content_digest *self)
{
	size_t at = 0;

	*self = (struct content_digest){0};
	for (;;) {
		if (!parse_member(value, &at, self))
			return false;
		at = skip_spaces(value, at);
		if (at == value.len)
			return true;
		if (value.bytes[at] != ',')
			return false;
		at = skip_spaces(value, at + 1);
	}
}

const char *
content_digest_mismatch(const struct content_digest *self, const void *bytes, size_t len)
{
	unsigned char digest[DIGEST_SHA512_BYTES];

	if (self->has_sha256) {
		digest_sha256(bytes, len, digest);
		if (memcmp(digest, self->sha256, sizeof self->sha256) != 0)
			return sha256.name;
	}
	if (self->has_sha512) {
		digest_sha512(bytes, len, digest);
		if (memcmp(digest, self->sha512, sizeof self->sha512) != 0)
			return sha512.name;
	}
	return NULL;
}
