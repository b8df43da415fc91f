/*
 * Sessions by their ids. The hard part is what OpenSSL would keep: the SSL_SESSION of a handshake
 * refers to the whole list of certificates that came, and its own cache would hold that until the
 * session expires. What is kept here is the session's ASN.1 form, which has the leaf alone.
 */
#include "tls_sessions.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "tls_library.h"

enum {
	BUCKETS = 4096,
	SESSION_BYTES_MAX = 4096, /* a larger one is not kept: its client makes a full handshake */
};

struct entry {
	TAILQ_ENTRY(entry) by_age;
	LIST_ENTRY(entry) in_bucket;
	unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
	unsigned id_len;
	size_t len;
	unsigned char bytes[];
};

TAILQ_HEAD(entries, entry);
LIST_HEAD(bucket, entry);

struct tls_sessions {
	size_t max_bytes, bytes;
	struct entries entries; /* oldest first */
	struct bucket buckets[BUCKETS];
};

struct tls_sessions *
tls_sessions_new(size_t max_bytes)
{
	struct tls_sessions *self = buffer_alloc(sizeof *self);

	self->max_bytes = max_bytes;
	TAILQ_INIT(&self->entries);
	return self;
}

static void
drop(struct tls_sessions *self, struct entry *entry)
{
	assert(self->bytes >= sizeof *entry + entry->len);
	self->bytes -= sizeof *entry + entry->len;
	TAILQ_REMOVE(&self->entries, entry, by_age);
	LIST_REMOVE(entry, in_bucket);
	assert(TAILQ_FIRST(&self->entries) != entry);
	OPENSSL_cleanse(entry->bytes, entry->len); /* the master secret is in there */
	free(entry);
}

void
tls_sessions_free(struct tls_sessions *self)
{
	if (self == NULL)
		return;
	tls_sessions_retire(self);
	free(self);
}

void
tls_sessions_retire(struct tls_sessions *self)
{
	self->max_bytes = 0;
	while (!TAILQ_EMPTY(&self->entries))
		drop(self, TAILQ_FIRST(&self->entries));
	assert(self->bytes == 0);
}

/* Ids are random and ours, so that any of their bytes will do. */
static struct bucket *
bucket_of(struct tls_sessions *self, const unsigned char *id, unsigned len)
{
	uint16_t hash = 0;

	assert(len <= SSL_MAX_SSL_SESSION_ID_LENGTH);
	if (len >= sizeof hash)
		memcpy(&hash, id, sizeof hash);
	return &self->buckets[hash % BUCKETS];
}

static struct entry *
find(struct tls_sessions *self, const unsigned char *id, unsigned len)
{
	struct entry *entry;

	if (len > SSL_MAX_SSL_SESSION_ID_LENGTH)
		return NULL;
	LIST_FOREACH(entry, bucket_of(self, id, len), in_bucket)
	if (entry->id_len == len && memcmp(entry->id, id, len) == 0)
		return entry;
	return NULL;
}

static void
keep(struct tls_sessions *self, SSL_SESSION *session)
{
	unsigned id_len;
	const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
	int len = i2d_SSL_SESSION(session, NULL);

	if (id_len == 0 || len <= 0 || len > SESSION_BYTES_MAX || find(self, id, id_len) != NULL)
		return;
	size_t size = sizeof(struct entry) + (size_t)len;
	while (!TAILQ_EMPTY(&self->entries) && self->bytes + size > self->max_bytes)
		drop(self, TAILQ_FIRST(&self->entries));
	if (size > self->max_bytes)
		return;
	assert(id_len <= SSL_MAX_SSL_SESSION_ID_LENGTH && self->bytes + size <= self->max_bytes);
	struct entry *entry = buffer_alloc(size);
	unsigned char *end = entry->bytes;
	memcpy(entry->id, id, id_len);
	entry->id_len = id_len;
	entry->len = (size_t)i2d_SSL_SESSION(session, &end);
	assert(entry->len == (size_t)len);
	TAILQ_INSERT_TAIL(&self->entries, entry, by_age);
	LIST_INSERT_HEAD(bucket_of(self, id, id_len), entry, in_bucket);
	self->bytes += size;
}

static int
sessions_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	assert(index >= 0);
	return index;
}

static struct tls_sessions *
sessions_of(const SSL *ssl)
{
	return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessions_index());
}

/* A full handshake is done. In TLS 1.3 the session is in the ticket. 0: no reference is kept. */
static int
on_new_session(SSL *ssl, SSL_SESSION *session)
{
	if (SSL_version(ssl) == TLS1_2_VERSION)
		keep(sessions_of(ssl), session);
	return 0;
}

static SSL_SESSION *
on_session_wanted(SSL *ssl, const unsigned char *id, int len, int *is_shared)
{
	struct entry *entry = len > 0 ? find(sessions_of(ssl), id, (unsigned)len) : NULL;

	*is_shared = 0; /* OpenSSL gets the only reference */
	if (entry == NULL)
		return NULL;
	const unsigned char *bytes = entry->bytes;
	tls_library_skip_keys(true);
	SSL_SESSION *session = d2i_SSL_SESSION(NULL, &bytes, (long)entry->len);
	tls_library_skip_keys(false);
	return session;
}

void
tls_sessions_install(struct tls_sessions *self, SSL_CTX *context)
{
	if (SSL_CTX_set_ex_data(context, sessions_index(), self) != 1)
		abort();
	SSL_CTX_set_session_cache_mode(context,
	    SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
	SSL_CTX_sess_set_new_cb(context, on_new_session);
	SSL_CTX_sess_set_get_cb(context, on_session_wanted);
}

void
tls_sessions_forget(struct tls_sessions *self, const SSL_SESSION *session)
{
	unsigned len;
	const unsigned char *id = SSL_SESSION_get_id(session, &len);
	struct entry *entry = len > 0 ? find(self, id, len) : NULL;

	if (entry != NULL)
		drop(self, entry);
}

size_t
tls_sessions_bytes(const struct tls_sessions *self)
{
	return self->bytes;
}
