/*
 * Whom certain rules have let in. A certificate is known by the SHA-256 of all of it, so that
 * nothing of it can differ from what was verified.
 */
#include "tls_verified.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "crypto/digest.h"

enum { BUCKETS = 1024 };

struct entry {
	TAILQ_ENTRY(entry) by_age;
	LIST_ENTRY(entry) in_bucket;
	unsigned char digest[DIGEST_SHA256_BYTES];
	time_t since, until;
	const char *issuer;
	char serial[IDENTITY_SERIAL_MAX + 1];
	char subject[]; /* with its NUL */
};

TAILQ_HEAD(entries, entry);
LIST_HEAD(bucket, entry);

struct tls_verified {
	size_t max, count;
	struct entries entries; /* who came longest ago first */
	struct bucket buckets[BUCKETS];
};

struct tls_verified *
tls_verified_new(size_t max)
{
	struct tls_verified *self = buffer_alloc(sizeof *self);

	self->max = max;
	TAILQ_INIT(&self->entries);
	return self;
}

static void
drop(struct tls_verified *self, struct entry *entry)
{
	assert(self->count > 0);
	self->count--;
	TAILQ_REMOVE(&self->entries, entry, by_age);
	LIST_REMOVE(entry, in_bucket);
	assert(TAILQ_FIRST(&self->entries) != entry);
	free(entry);
}

void
tls_verified_free(struct tls_verified *self)
{
	if (self == NULL)
		return;
	while (!TAILQ_EMPTY(&self->entries))
		drop(self, TAILQ_FIRST(&self->entries));
	assert(self->count == 0);
	free(self);
}

static void
digest_of(const X509 *leaf, unsigned char digest[DIGEST_SHA256_BYTES])
{
	unsigned len = 0;

	if (X509_digest(leaf, EVP_sha256(), digest, &len) != 1)
		abort();
	assert(len == DIGEST_SHA256_BYTES);
}

static struct bucket *
bucket_of(struct tls_verified *self, const unsigned char digest[DIGEST_SHA256_BYTES])
{
	uint16_t hash;

	memcpy(&hash, digest, sizeof hash);
	return &self->buckets[hash % BUCKETS];
}

static struct entry *
find(struct tls_verified *self, const unsigned char digest[DIGEST_SHA256_BYTES])
{
	struct entry *entry;

	LIST_FOREACH(entry, bucket_of(self, digest), in_bucket)
	if (memcmp(entry->digest, digest, DIGEST_SHA256_BYTES) == 0)
		return entry;
	return NULL;
}

void
tls_verified_add(struct tls_verified *self, const X509 *leaf, const struct identity *identity,
    time_t now, time_t until)
{
	unsigned char digest[DIGEST_SHA256_BYTES];
	size_t size = strlen(identity->subject) + 1;

	assert(size > 1);
	digest_of(leaf, digest);
	struct entry *entry = find(self, digest);
	if (entry != NULL)
		drop(self, entry);
	if (self->max == 0 || until <= now)
		return;
	if (self->count == self->max)
		drop(self, TAILQ_FIRST(&self->entries));
	entry = buffer_alloc(sizeof *entry + size);
	memcpy(entry->digest, digest, sizeof digest);
	entry->since = now;
	entry->until = until;
	entry->issuer = identity->issuer;
	memcpy(entry->serial, identity->serial, sizeof entry->serial);
	memcpy(entry->subject, identity->subject, size);
	TAILQ_INSERT_TAIL(&self->entries, entry, by_age);
	LIST_INSERT_HEAD(bucket_of(self, digest), entry, in_bucket);
	self->count++;
	assert(self->count <= self->max);
}

bool
tls_verified_find(
    struct tls_verified *self, const X509 *leaf, time_t now, struct identity *identity)
{
	unsigned char digest[DIGEST_SHA256_BYTES];

	digest_of(leaf, digest);
	struct entry *entry = find(self, digest);
	if (entry == NULL)
		return false;
	if (now < entry->since || now >= entry->until) {
		drop(self, entry);
		return false;
	}
	TAILQ_REMOVE(&self->entries, entry, by_age);
	TAILQ_INSERT_TAIL(&self->entries, entry, by_age);
	identity->issuer = entry->issuer;
	memcpy(identity->serial, entry->serial, sizeof identity->serial);
	memcpy(identity->subject, entry->subject, strlen(entry->subject) + 1);
	return true;
}

size_t
tls_verified_count(const struct tls_verified *self)
{
	return self->count;
}
