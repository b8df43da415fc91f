/*
 * Ed25519 signatures of short texts (RFC 8032), in Base64: those of the access log's chain.
 */
#ifndef CRYPTO_LINE_SIGNER_H
#define CRYPTO_LINE_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	LINE_SIGNATURE_SIZE = 89, /* 64 bytes in Base64, and NUL */
	LINE_SIGNER_ERROR_MAX = 512,
};

/* Who signs: the private key of the LEN bytes of PEM at BYTES, without a passphrase. NULL with
 * ERROR filled, in which NAME stands, when it cannot be read or is not Ed25519. */
struct line_signer;
struct line_signer *line_signer_new(
    const char *name, const char *bytes, size_t len, char error[LINE_SIGNER_ERROR_MAX]);
void line_signer_free(struct line_signer *self);
/* True when both have the same key, or both are NULL. */
bool line_signer_is_same(const struct line_signer *a, const struct line_signer *b);
/* Where OpenSSL cannot sign, nothing can be promised, and that ends the program. */
void line_signer_sign(const struct line_signer *self, const char *text, size_t len,
    char signature[LINE_SIGNATURE_SIZE]);

/* Who verifies: every public key in the PEM text. NULL with ERROR filled when there is none, or one
 * that is not Ed25519. */
struct line_signer_keys;
struct line_signer_keys *line_signer_keys_new(
    const char *name, const char *bytes, size_t len, char error[LINE_SIGNER_ERROR_MAX]);
void line_signer_keys_free(struct line_signer_keys *self);
/* True when SIGNATURE is one of TEXT by any of the keys. */
bool line_signer_verify(const struct line_signer_keys *self, const char *text, size_t len,
    const char signature[LINE_SIGNATURE_SIZE]);

#endif
