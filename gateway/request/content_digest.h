/*
 * Content-Digest of an upload (RFC 9530, 2): what the client says of the bytes it sends.
 *
 * sha-256 and sha-512 are checked, both when both are there. Members of other algorithms are passed
 * over, as RFC 9530, 5 has it: md5 and its like prove nothing.
 */
#ifndef GATEWAY_CONTENT_DIGEST_H
#define GATEWAY_CONTENT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "crypto/digest.h"
#include "gateway/http/http_message.h"

struct content_digest {
	bool has_sha256, has_sha512;
	unsigned char sha256[DIGEST_SHA256_BYTES];
	unsigned char sha512[DIGEST_SHA512_BYTES];
};

/* Reads a field's value: a dictionary of byte sequences (RFC 8941, 3.2 and 3.3.5). Stricter than
 * that: no parameters, no member twice, base64 in its one form with padding. False when it cannot
 * be read. */
bool content_digest_parse(struct http_span value, struct content_digest *self);

/* NULL when LEN BYTES are what SELF says, else the name of the algorithm by which they are not. */
const char *content_digest_mismatch(
    const struct content_digest *self, const void *bytes, size_t len);

#endif
