/*
 * The records of a policy image: how they are written and how they are read back.
 *
 * Private to the policy library. An image is one tinycdb file. Its first record, at the fixed
 * offset 2048, is the header: key "mirrorgate-policy"; the image's length and checksum stand in
 * it. Every other key is one letter and a name:
 *
 *     S subject        role, limits, customer id, name of the CA that has to be its issuer ("":
 * any) C customer id    licences, in the policy's order: product number, first day, end day R path
 * rule      the numbers of the products that have this rule, ascending P product number id, path
 * rules, exceptions, whether catalogues are required (0, 1)
 *
 * Integers are little-endian without alignment; texts end in NUL. A product's number is its place
 * in the policy. Days count from 1970-01-01; the end day is the first day that is not covered.
 */
#ifndef POLICY_POLICY_IMAGE_H
#define POLICY_POLICY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/path.h"

enum {
	POLICY_IMAGE_FORMAT = 4,
	POLICY_IMAGE_KEY_MAX = 1 + PATH_MAX_BYTES,
	POLICY_IMAGE_LICENCE_SIZE = 12,
};

/* In place of a day: the licence is open on this side. */
#define POLICY_IMAGE_NO_DAY UINT32_MAX

enum policy_image_kind {
	POLICY_IMAGE_SUBJECT = 'S',
	POLICY_IMAGE_CUSTOMER = 'C',
	POLICY_IMAGE_RULE = 'R',
	POLICY_IMAGE_PRODUCT = 'P',
};

struct policy_image_key {
	unsigned char bytes[POLICY_IMAGE_KEY_MAX];
	unsigned len;
};

/* Makes the key of KIND for NAME; false when NAME is too long to be in any image. */
bool policy_image_key(
    struct policy_image_key *key, enum policy_image_kind kind, const char *name, size_t len);
void policy_image_product_key(struct policy_image_key *key, uint32_t product);

struct policy_image_header {
	uint64_t serial;
	uint32_t customers;
	uint32_t longest_rule; /* in bytes: longer prefixes of a path need not be looked up */
};

struct policy_image_caller {
	uint8_t role; /* enum policy_role */
	const char *customer;
	const char *issuer; /* "", or NULL when it is to be put: any */
	uint64_t rate;
	uint32_t connections;
	uint32_t snapshots_per_day;
	uint32_t requests_per_second;
};

struct policy_image_licence {
	uint32_t product;
	uint32_t from; /* day, or POLICY_IMAGE_NO_DAY */
	uint32_t ends;
};

/* Appending to a record. */
void policy_image_put_u32(struct buffer *self, uint32_t value);
void policy_image_put_text(struct buffer *self, const char *text);
void policy_image_put_caller(struct buffer *self, const struct policy_image_caller *caller);
void policy_image_put_licence(struct buffer *self, const struct policy_image_licence *licence);

/* A record being read. Nothing is read past END; a read that would be returns 0 or "" and sets
 * DAMAGED for good. */
struct policy_image_cursor {
	const unsigned char *at;
	const unsigned char *end;
	bool damaged;
};

uint32_t policy_image_get_u32(struct policy_image_cursor *self);
const char *policy_image_get_text(struct policy_image_cursor *self);

/* These return false when the record is damaged or, for licences, at its end. */
bool policy_image_get_caller(struct policy_image_cursor *self, struct policy_image_caller *caller);
bool policy_image_get_licence(
    struct policy_image_cursor *self, struct policy_image_licence *licence);

/* Adds the header's record; only key and value, the caller hands them to cdb_make. */
extern const char policy_image_magic[];
void policy_image_put_header(struct buffer *self, const struct policy_image_header *header);

/* Writes length and checksum into the LEN bytes of a finished image. */
void policy_image_seal(unsigned char *image, size_t len);

/* Checks format and length and reads the header. Returns NULL, or a static text that
 * says why the LEN bytes are not a complete image. */
const char *policy_image_check(
    const unsigned char *image, size_t len, struct policy_image_header *header);

/* Checks the checksum of an image that passed policy_image_check(), which reads every byte. Returns
 * like it. */
const char *policy_image_damage(const unsigned char *image, size_t len);

#endif
