/*
 * What a TLS server signs, and the messages in which a process asks for it that has no private key.
 *
 * The content itself is asked for, never a digest: so who has the key can see that nothing else is
 * signed with it.
 */
#ifndef GATEWAY_TLS_SIGNING_H
#define GATEWAY_TLS_SIGNING_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TLS_SIGNING_CONTENT_MAX = 256,    /* bytes; ServerECDHParams of P-521 make 201 */
	TLS_SIGNING_SIGNATURE_MAX = 2048, /* bytes; of RSA with 16384 bits */
	TLS_SIGNING_KEY_BYTES = 32,
	TLS_SIGNING_AT_ONCE = 32, /* requests of one process that are not answered yet */
	TLS_SIGNING_SCHEMES = 14,
};

struct tls_signing_request {
	uint64_t id;     /* the asking process's own; the answer has it, too */
	uint16_t scheme; /* SignatureScheme (RFC 8446, 4.2.3) */
	uint16_t len;    /* of the content */
	unsigned char key[TLS_SIGNING_KEY_BYTES]; /* tls_signing_key_name() */
	unsigned char content[TLS_SIGNING_CONTENT_MAX];
};

enum tls_signing_result {
	TLS_SIGNING_DONE,
	TLS_SIGNING_REFUSED, /* not what a TLS server signs, or no such key */
	TLS_SIGNING_LIMIT,   /* more than TLS_SIGNING_AT_ONCE */
};

struct tls_signing_answer {
	uint64_t id;
	uint16_t result; /* enum tls_signing_result */
	uint16_t len;    /* of the signature; 0 unless it is done */
	unsigned char signature[TLS_SIGNING_SIGNATURE_MAX];
};

/* How many bytes of each message are sent: those that are used. */
size_t tls_signing_request_size(const struct tls_signing_request *request);
size_t tls_signing_answer_size(const struct tls_signing_answer *answer);

/* Whether the N bytes that came are a message as long as it says. */
bool tls_signing_request_is_whole(const struct tls_signing_request *request, size_t n);
bool tls_signing_answer_is_whole(const struct tls_signing_answer *answer, size_t n);

/* Names KEY by its public half, which both sides have. False: it is of no type that TLS knows. */
bool tls_signing_key_name(const EVP_PKEY *key, unsigned char name[TLS_SIGNING_KEY_BYTES]);

/* What a scheme asks of OpenSSL. */
struct tls_signing_scheme {
	uint16_t number;
	const char *key;    /* type of the key, as EVP_PKEY_is_a(3) has it */
	const char *digest; /* NULL: the scheme has its own */
	bool is_pss;
	bool is_old; /* not for TLS 1.3 */
};

/* Which of the TLS_SIGNING_SCHEMES it is, from 0. */
unsigned tls_signing_scheme_index(const struct tls_signing_scheme *scheme);

/* NULL: it is none that we sign by. */
const struct tls_signing_scheme *tls_signing_scheme_of(uint16_t number);
/* The one for a key of TYPE, the name of a digest ("": none) and padding; NULL: there is none. */
const struct tls_signing_scheme *tls_signing_scheme_for(
    const char *type, const char *digest, bool is_pss);

/* Whether CONTENT is what a server signs by SCHEME: its CertificateVerify in TLS 1.3 (RFC 8446,
 * 4.4.3), or its ServerKeyExchange with an elliptic curve in TLS 1.2 (RFC 8422, 5.4). */
bool tls_signing_is_of_server(
    const struct tls_signing_scheme *scheme, const unsigned char *content, size_t len);

#endif
