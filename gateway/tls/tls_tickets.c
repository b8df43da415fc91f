/*
 * Ticket keys, read strictly and given to OpenSSL. The hard part is what a weak file would do:
 * whoever knows a key can make a ticket for any client, so a file in doubt is refused as a whole.
 */
#include "tls_tickets.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "tls_library.h"

enum { NAME_BYTES = 16, SECRET_BYTES = 32 };

struct ticket_key {
	unsigned char name[NAME_BYTES];
	unsigned char aes[SECRET_BYTES];
	unsigned char hmac[SECRET_BYTES];
};

enum { KEY_BYTES = 80 };
_Static_assert(sizeof(struct ticket_key) == KEY_BYTES, "a key is its 80 bytes");
_Static_assert(TLS_TICKETS_KEY_TEXT == (KEY_BYTES + 2) / 3 * 4, "80 bytes in base64");

struct tls_tickets {
	size_t count;
	struct ticket_key keys[TLS_TICKETS_MAX];
};

/* ---- reading ---- */

/* True when LINE of LEN bytes is the one base64 text of a key. */
static bool
decode_key(struct ticket_key *key, const char *line, size_t len)
{
	unsigned char bytes[KEY_BYTES + 1], again[TLS_TICKETS_KEY_TEXT + 1];
	bool good = false;

	if (len != TLS_TICKETS_KEY_TEXT)
		return false;
	/* It counts the padding as a byte; and it forgives what only this form does not have. */
	if (EVP_DecodeBlock(bytes, (const unsigned char *)line, (int)len) == KEY_BYTES + 1) {
		EVP_EncodeBlock(again, bytes, KEY_BYTES);
		good = memcmp(again, line, len) == 0;
	}
	memcpy(key, bytes, sizeof *key);
	OPENSSL_cleanse(bytes, sizeof bytes);
	OPENSSL_cleanse(again, sizeof again);
	return good;
}

static bool
is_zero(const unsigned char *bytes, size_t n)
{
	unsigned char any = 0;

	for (size_t i = 0; i < n; i++)
		any |= bytes[i];
	return any == 0;
}

static bool
shares_a_part(const struct ticket_key *a, const struct ticket_key *b)
{
	return memcmp(a->name, b->name, sizeof a->name) == 0 ||
	       memcmp(a->aes, b->aes, sizeof a->aes) == 0 ||
	       memcmp(a->hmac, b->hmac, sizeof a->hmac) == 0;
}

/* NULL, or why KEY cannot stand beside those before it. */
static const char *
key_defect(const struct tls_tickets *self, const struct ticket_key *key)
{
	assert(self->count <= TLS_TICKETS_MAX);
	if (self->count == TLS_TICKETS_MAX)
		return "more than 16 keys: remove the oldest";
	if (is_zero(key->name, sizeof key->name) || is_zero(key->aes, sizeof key->aes) ||
	    is_zero(key->hmac, sizeof key->hmac))
		return "a part of the key is all zeros: make keys with `pki ticket-keys`";
	if (memcmp(key->aes, key->hmac, sizeof key->aes) == 0)
		return "both halves of the key are the same: make keys with `pki ticket-keys`";
	for (size_t i = 0; i < self->count; i++)
		if (shares_a_part(key, &self->keys[i]))
			return "the key, or a part of it, is there twice";
	return NULL;
}

static const char *
take_line(struct tls_tickets *self, const char *line, size_t len)
{
	struct ticket_key key;
	const char *defect = "a ticket key is 80 bytes in base64, 108 characters";

	if (len == 0 || line[0] == '#')
		return NULL;
	if (decode_key(&key, line, len))
		defect = key_defect(self, &key);
	assert(defect != NULL || self->count < TLS_TICKETS_MAX);
	if (defect == NULL)
		self->keys[self->count++] = key;
	OPENSSL_cleanse(&key, sizeof key);
	return defect;
}

static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark */

struct tls_tickets *
tls_tickets_new(const struct pem *text, char error[TLS_ERROR_MAX])
{
	struct tls_tickets *self = buffer_alloc(sizeof *self);
	const char *at = text->bytes, *end = text->bytes + text->len;

	if (text->len >= sizeof mark - 1 && memcmp(at, mark, sizeof mark - 1) == 0)
		at += sizeof mark - 1;
	for (unsigned number = 1; at < end; number++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop != NULL ? stop : end) - at);
		const char *defect =
		    take_line(self, at, len > 0 && at[len - 1] == '\r' ? len - 1 : len);
		if (defect != NULL) {
			(void)snprintf(
			    error, TLS_ERROR_MAX, "%.300s:%u: %.150s", text->name, number, defect);
			goto free_self;
		}
		at += len + (stop != NULL);
	}
	if (self->count > 0)
		return self;
	(void)snprintf(error, TLS_ERROR_MAX,
	    "%.300s: there is no ticket key: make one with `pki ticket-keys`", text->name);
free_self:
	tls_tickets_free(self);
	return NULL;
}

void
tls_tickets_free(struct tls_tickets *self)
{
	if (self == NULL)
		return;
	OPENSSL_cleanse(self, sizeof *self);
	free(self);
}

void
tls_tickets_random_key(char text[TLS_TICKETS_KEY_TEXT + 1])
{
	unsigned char bytes[KEY_BYTES];

	if (RAND_priv_bytes(bytes, sizeof bytes) != 1)
		abort();
	EVP_EncodeBlock((unsigned char *)text, bytes, sizeof bytes);
	OPENSSL_cleanse(bytes, sizeof bytes);
}

/* ---- use ---- */

static int
ex_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (index < 0)
		abort();
	return index;
}

/* The key of a ticket's NAME, or the one for new tickets; NULL: a ticket of nobody we know. */
static const struct ticket_key *
find_key(const struct tls_tickets *self, const unsigned char *name)
{
	assert(self->count <= TLS_TICKETS_MAX);
	for (size_t i = 0; i < self->count; i++)
		if (memcmp(self->keys[i].name, name, NAME_BYTES) == 0)
			return &self->keys[i];
	return NULL;
}

static bool
set_hmac_key(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	unsigned char secret[SECRET_BYTES];
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, sizeof secret),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_END};

	static_assert(sizeof key->hmac == sizeof secret, "all of the key is used");
	memcpy(secret, key->hmac, sizeof secret);
	bool good = EVP_MAC_CTX_set_params(mac, params) == 1;
	OPENSSL_cleanse(secret, sizeof secret);
	return good;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 failed, 0 a ticket we do not know, 1 good, 2 good and
 * to be renewed. */
static int
on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_tickets *self = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ex_index());
	const struct ticket_key *key = encrypt ? &self->keys[0] : find_key(self, name);

	assert(self->count > 0);
	tls_library_skip_keys(false);
	if (key == NULL)
		return 0;
	if (encrypt) {
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
			return -1;
		memcpy(name, key->name, NAME_BYTES);
	}
	if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) != 1 ||
	    !set_hmac_key(mac, key))
		return -1;
	tls_library_skip_keys(!encrypt); /* what it decrypts is parsed, until on_ticket() */
	return key == &self->keys[0] ? 1 : 2;
}

void
tls_tickets_install(struct tls_tickets *self, SSL_CTX *ctx)
{
	assert(self->count > 0);
	if (SSL_CTX_set_ex_data(ctx, ex_index(), self) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key) != 1)
		abort();
}
