/*
 * All that an image holds, in the policy's order: for those who do not look up one subject but
 * go through everything (verification, dump, differences).
 *
 * Private to the policy library. All texts and lists belong to the listing or lie in the image.
 */
#ifndef POLICY_POLICY_LISTING_H
#define POLICY_POLICY_LISTING_H

#include "policy.h"
#include "policy_image.h"

struct policy_listing_product {
	const char *id;
	const char *const *paths;
	uint32_t path_count;
	const char *const *except;
	uint32_t except_count;
	bool catalogue_required;
};

struct policy_listing_customer {
	const char *id;
	uint32_t first_subject; /* place in the listing's subjects */
	uint32_t subject_count;
	const char *issuer; /* "": any, or there is no subject */
	uint64_t rate;      /* 0: no limit; all limits are 0 without a subject */
	uint32_t connections;
	uint32_t snapshots_per_day;
	uint32_t requests_per_second;
	struct policy_image_cursor licences;
	uint32_t licence_count;
};

/* In place of a customer's number: the subject is a probe or an observer. */
#define POLICY_LISTING_NO_CUSTOMER UINT32_MAX

struct policy_listing_subject {
	const char *text;
	enum policy_role role;
	uint32_t customer; /* place in the listing's customers */
};

/* A path rule with its products' numbers. */
struct policy_listing_rule {
	const char *path;
	struct policy_image_cursor products;
};

struct policy_listing {
	uint64_t serial;
	const char *issuer; /* of the probes and observers; "": any, or there are none */
	struct policy_listing_product *products;
	uint32_t product_count;
	struct policy_listing_rule *rules;
	uint32_t rule_count;
	struct policy_listing_customer *customers;
	uint32_t customer_count;
	struct policy_listing_subject *subjects; /* customers', then probes, then observers */
	uint32_t subject_count;
	/* what the lists above point into */
	const char **texts;
	char *names;
};

/* One record; KEY is not terminated. */
struct policy_listing_record {
	const char *key; /* the kind is its first byte */
	size_t key_len;
	struct policy_image_cursor value;
};

/* A cursor over all records of POLICY, the header's first. */
struct policy_image_cursor policy_listing_records(const struct policy *policy);
/* Takes the next record off REST; false at the end, and when it is not whole (then damaged). */
bool policy_listing_next(struct policy_image_cursor *rest, struct policy_listing_record *record);

/* Reads all records of POLICY, which must outlive the listing. NULL, with *DEFECT a static text,
 * when they are not in the form and order in which an image is written. Licences are known to
 * be whole; whether they, and names and rules, make sense is for policy_verify(). */
struct policy_listing *policy_listing_new(const struct policy *policy, const char **defect);
void policy_listing_free(struct policy_listing *self);

/* How many customers may file any number of snapshots, so that their certificates can fill the
 * store; FIRST is the id of the first of them. Goes through all of the image. */
uint32_t policy_listing_unlimited_snapshots(
    const struct policy *self, char first[POLICY_ID_MAX + 1]);

/* How many customers, probes and observers any client CA may certify; FIRST is the first of them.
 * Goes through all of the image. */
enum { POLICY_LISTING_HOLDER_MAX = POLICY_ID_MAX + 16 };
uint32_t policy_listing_without_issuer(
    const struct policy *self, char first[POLICY_LISTING_HOLDER_MAX]);

#endif
