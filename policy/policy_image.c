/*
 * Encoding, decoding and sealing of policy images.
 *
 * The hard part is trust: an image may come from a file, so every read is bounded by its record,
 * and the header is compared with the file's real size before anything else is believed. The
 * checksum finds damage; it is no protection against forgery.
 */
#include "policy_image.h"

#include <endian.h>
#include <string.h>

#include "base/value.h"
#include "policy_verdict.h"

const char policy_image_magic[] = "mirrorgate-policy";

enum {
	/* tinycdb begins with 256 pairs of numbers; then comes the first record. */
	RECORD_OFFSET = 2048,
	MAGIC_SIZE = sizeof policy_image_magic - 1,
	VALUE_OFFSET = RECORD_OFFSET + 8 + MAGIC_SIZE,
	VALUE_SIZE = 36,
	LENGTH_OFFSET = VALUE_OFFSET + 4,
	CHECKSUM_OFFSET = LENGTH_OFFSET + 8,
	CHECKSUM_END = CHECKSUM_OFFSET + 8,
	SMALLEST_IMAGE = VALUE_OFFSET + VALUE_SIZE,
};

static void
store_le(unsigned char *to, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

/* SIZE is a constant wherever this is called: then it is one instruction. */
static inline uint64_t
load_le(const unsigned char *from, size_t size)
{
	uint64_t value = 0;
	memcpy(&value, from, size);
	return le64toh(value);
}

bool
policy_image_key(
    struct policy_image_key *key, enum policy_image_kind kind, const char *name, size_t len)
{
	if (len > sizeof key->bytes - 1)
		return false;
	key->bytes[0] = (unsigned char)kind;
	memcpy(key->bytes + 1, name, len);
	key->len = (unsigned)len + 1;
	return true;
}

void
policy_image_product_key(struct policy_image_key *key, uint32_t product)
{
	key->bytes[0] = POLICY_IMAGE_PRODUCT;
	store_le(key->bytes + 1, product, 4);
	key->len = 5;
}

static void
put_le(struct buffer *self, uint64_t value, size_t size)
{
	unsigned char bytes[8];
	store_le(bytes, value, size);
	buffer_append(self, bytes, size);
}

void
policy_image_put_u32(struct buffer *self, uint32_t value)
{
	put_le(self, value, 4);
}

void
policy_image_put_text(struct buffer *self, const char *text)
{
	buffer_append(self, text, strlen(text) + 1);
}

void
policy_image_put_caller(struct buffer *self, const struct policy_image_caller *caller)
{
	put_le(self, caller->role, 1);
	put_le(self, caller->rate, 8);
	put_le(self, caller->connections, 4);
	put_le(self, caller->snapshots_per_day, 4);
	put_le(self, caller->requests_per_second, 4);
	policy_image_put_text(self, caller->customer);
	policy_image_put_text(self, caller->issuer != NULL ? caller->issuer : "");
}

void
policy_image_put_licence(struct buffer *self, const struct policy_image_licence *licence)
{
	put_le(self, licence->product, 4);
	put_le(self, licence->from, 4);
	put_le(self, licence->ends, 4);
}

static inline uint64_t
get_le(struct policy_image_cursor *self, size_t size)
{
	if (size > (size_t)(self->end - self->at)) {
		self->damaged = true;
		self->at = self->end;
		return 0;
	}
	self->at += size;
	return load_le(self->at - size, size);
}

uint32_t
policy_image_get_u32(struct policy_image_cursor *self)
{
	return (uint32_t)get_le(self, 4);
}

const char *
policy_image_get_text(struct policy_image_cursor *self)
{
	size_t left = (size_t)(self->end - self->at);
	const unsigned char *nul = left > 0 ? memchr(self->at, '\0', left) : NULL;
	if (nul == NULL) {
		self->damaged = true;
		self->at = self->end;
		return "";
	}
	const char *text = (const char *)self->at;
	self->at = nul + 1;
	return text;
}

bool
policy_image_get_caller(struct policy_image_cursor *self, struct policy_image_caller *caller)
{
	caller->role = (uint8_t)get_le(self, 1);
	caller->rate = get_le(self, 8);
	caller->connections = (uint32_t)get_le(self, 4);
	caller->snapshots_per_day = (uint32_t)get_le(self, 4);
	caller->requests_per_second = (uint32_t)get_le(self, 4);
	caller->customer = policy_image_get_text(self);
	caller->issuer = policy_image_get_text(self);
	return !self->damaged && caller->role <= POLICY_ROLE_OBSERVER &&
	       strlen(caller->customer) <= VALUE_ID_MAX;
}

bool
policy_image_get_licence(struct policy_image_cursor *self, struct policy_image_licence *licence)
{
	size_t left = (size_t)(self->end - self->at);
	if (left < POLICY_IMAGE_LICENCE_SIZE) {
		self->damaged = self->damaged || left > 0;
		self->at = self->end;
		return false;
	}
	licence->product = (uint32_t)load_le(self->at, 4);
	licence->from = (uint32_t)load_le(self->at + 4, 4);
	licence->ends = (uint32_t)load_le(self->at + 8, 4);
	self->at += POLICY_IMAGE_LICENCE_SIZE;
	return !self->damaged;
}

void
policy_image_put_header(struct buffer *self, const struct policy_image_header *header)
{
	put_le(self, POLICY_IMAGE_FORMAT, 4);
	put_le(self, 0, 8); /* length and checksum: policy_image_seal() */
	put_le(self, 0, 8);
	put_le(self, header->serial, 8);
	put_le(self, header->customers, 4);
	put_le(self, header->longest_rule, 4);
}

/* Each step is a bijection of HASH, so one changed word always changes the result. */
static uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Four lanes, since each step waits for the one before it: an image has up to gigabytes. */
static uint64_t
hash_bytes(uint64_t seed, const unsigned char *bytes, size_t len)
{
	uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};
	size_t at = 0;
	for (; len - at >= 32; at += 32) {
		for (size_t i = 0; i < 4; i++)
			lanes[i] = mix(lanes[i], load_le(bytes + at + 8 * i, 8));
	}
	for (; at < len; at++)
		lanes[0] = mix(lanes[0], bytes[at]);
	return mix(mix(mix(mix(lanes[0], lanes[1]), lanes[2]), lanes[3]), len);
}

/* Over everything but the checksum's own place. */
static uint64_t
checksum(const unsigned char *image, size_t len)
{
	uint64_t before = hash_bytes(0, image, CHECKSUM_OFFSET);
	return hash_bytes(before, image + CHECKSUM_END, len - CHECKSUM_END);
}

void
policy_image_seal(unsigned char *image, size_t len)
{
	store_le(image + LENGTH_OFFSET, len, 8);
	store_le(image + CHECKSUM_OFFSET, checksum(image, len), 8);
}

static bool
has_magic(const unsigned char *image)
{
	return load_le(image + RECORD_OFFSET, 4) == MAGIC_SIZE &&
	       load_le(image + RECORD_OFFSET + 4, 4) == VALUE_SIZE &&
	       memcmp(image + RECORD_OFFSET + 8, policy_image_magic, MAGIC_SIZE) == 0;
}

const char *
policy_image_check(const unsigned char *image, size_t len, struct policy_image_header *header)
{
	if (len < SMALLEST_IMAGE || !has_magic(image))
		return "is not a policy image";
	if (load_le(image + VALUE_OFFSET, 4) != POLICY_IMAGE_FORMAT)
		return "is a policy image of another format";
	if (load_le(image + LENGTH_OFFSET, 8) != len)
		return "is an incomplete policy image";
	header->serial = load_le(image + CHECKSUM_END, 8);
	header->customers = (uint32_t)load_le(image + CHECKSUM_END + 8, 4);
	header->longest_rule = (uint32_t)load_le(image + CHECKSUM_END + 12, 4);
	return NULL;
}

const char *
policy_image_damage(const unsigned char *image, size_t len)
{
	if (load_le(image + CHECKSUM_OFFSET, 8) != checksum(image, len))
		return "is a damaged policy image (wrong checksum)";
	return NULL;
}
