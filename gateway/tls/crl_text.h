/*
 * Revocation lists as they are given to whoever asks for them: one PEM text with its entity tag,
 * kept for as long as an answer that sends it goes on.
 */
#ifndef GATEWAY_CRL_TEXT_H
#define GATEWAY_CRL_TEXT_H

#include <openssl/x509.h>
#include <stddef.h>

struct crl_text;

/* The LISTS, one after the other, with one reference. Nothing else that stood in their file (a
 * remark, a key) is in it. Aborts when there is no memory. */
struct crl_text *crl_text_new(STACK_OF(X509_CRL) * lists);
struct crl_text *crl_text_ref(struct crl_text *self);
/* The last one frees it. */
void crl_text_unref(struct crl_text *self);

const char *crl_text_bytes(const struct crl_text *self);
size_t crl_text_size(const struct crl_text *self);
/* A strong entity tag with its quotes, of the text's SHA-256: the same on every node. */
const char *crl_text_tag(const struct crl_text *self);

#endif
