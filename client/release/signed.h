/*
 * Texts that are signed: two files side by side, NAME and NAME.p7s, on the servers and in folders.
 *
 * Nothing is taken from a pair unless the signature is one over the text by the certificate SIGNER.
 */
#ifndef CLIENT_SIGNED_H
#define CLIENT_SIGNED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"
#include "client/net/https.h"

#define SIGNED_SUFFIX ".p7s"

struct signed_text {
	struct buffer text, signature;
};

/* Gets PATH, at most MAX bytes, and its signature from the servers into SELF, which is zeroed. */
bool signed_get(struct signed_text *self, const char *path, size_t max, const char *signer,
    struct https *https, struct failure *failure);

/* The same for the file NAME. */
bool signed_load(struct signed_text *self, const char *name, size_t max, const char *signer,
    struct failure *failure);

/* True when SELF's signature is one over its text by the release certificate in the PEM file
 * SIGNER, which is good (crypto/signer.h) and not revoked by the lists in use (revocation.h); NAME
 * is what FAILURE calls the text. */
bool signed_verify(
    const struct signed_text *self, const char *signer, const char *name, struct failure *failure);

/* Writes TEXT to the file NAME, and its signature by CERTIFICATE and KEY beside it, last. KEY NULL
 * stands for the file beside the certificate whose name ends in .key instead of .crt. A key that
 * cannot be used leaves all as it was. */
bool signed_write(const char *name, const struct buffer *text, const char *certificate,
    const char *key, struct failure *failure);

/* Both are the same; at least one is, of text and signature. */
bool signed_is_same(const struct signed_text *a, const struct signed_text *b);
bool signed_is_alike(const struct signed_text *a, const struct signed_text *b);
void signed_fini(struct signed_text *self);

#endif
