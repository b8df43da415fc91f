/*
 * Verification of images that come from a file.
 *
 * The hard part is that nothing may hide. The path rules are in the image twice: with their
 * products, and by themselves for look-ups. They are made from the products once more and compared.
 * And tinycdb's tables must lead to each record and to nothing else, such as a record inside
 * another one's value.
 */
#include "policy_verify.h"

#include <string.h>

#include "base/path.h"
#include "base/string_map.h"
#include "base/value.h"
#include "policy_listing.h"
#include "policy_rules.h"
#include "subject.h"

static const char *
lookups_defect(const struct policy *policy)
{
	struct policy_image_cursor records = policy_listing_records(policy);
	struct policy_listing_record record;
	size_t count = 0;
	for (; policy_listing_next(&records, &record); count++) {
		if (!policy_finds(
		        policy, (const unsigned char *)record.key, record.key_len, record.value.at))
			return "a look-up does not find its record";
	}
	return policy_table_entries(policy) == count ? NULL : "look-ups find what is no record";
}

/* Could PATH stand in a product? */
static bool
is_good_path(const char *path)
{
	size_t len = strlen(path);
	return path_defect(path, len) == NULL && !path_is_reserved(path, len) && len > 1;
}

static bool
is_below_product(const struct policy_listing_product *product, const char *path)
{
	for (uint32_t i = 0; i < product->path_count; i++) {
		const char *rule = product->paths[i];
		if (path_matches(rule, strlen(rule), path, strlen(path)))
			return true;
	}
	return false;
}

static const char *
product_defect(const struct policy_listing_product *product)
{
	if (!value_is_id(product->id))
		return "a product's id is malformed";
	if (product->path_count == 0)
		return "a product has no paths";
	for (uint32_t i = 0; i < product->path_count; i++) {
		if (!is_good_path(product->paths[i]))
			return "a path is malformed or reserved";
	}
	for (uint32_t i = 0; i < product->except_count; i++) {
		if (!is_good_path(product->except[i]) ||
		    !is_below_product(product, product->except[i]))
			return "an exception is malformed or outside its product";
	}
	return NULL;
}

static const char *
products_defect(const struct policy_listing *listing)
{
	struct string_map *ids = string_map_new();
	const char *defect = NULL;
	uint64_t first;
	for (uint32_t i = 0; i < listing->product_count && defect == NULL; i++) {
		defect = product_defect(&listing->products[i]);
		if (!string_map_add(ids, listing->products[i].id, i, &first))
			defect = "two products have one id";
	}
	string_map_free(ids);
	return defect;
}

static bool
is_same_rule(const struct policy_listing_rule *found, const struct policy_rule *made)
{
	struct policy_image_cursor products = found->products;
	if (strcmp(found->path, made->path) != 0 ||
	    (size_t)(products.end - products.at) != 4 * made->count)
		return false;
	for (size_t i = 0; i < made->count; i++) {
		if (policy_image_get_u32(&products) != made->products[i])
			return false;
	}
	return true;
}

static const char *
rules_defect(const struct policy_listing *listing, const struct policy *policy)
{
	struct policy_rules *made = policy_rules_new();
	for (uint32_t i = 0; i < listing->product_count; i++) {
		for (uint32_t j = 0; j < listing->products[i].path_count; j++)
			policy_rules_add(made, listing->products[i].paths[j], i);
	}
	bool same = policy_rules_count(made) == listing->rule_count &&
	            policy_rules_longest(made) == policy_header(policy)->longest_rule;
	for (uint32_t i = 0; i < listing->rule_count && same; i++)
		same = is_same_rule(&listing->rules[i], policy_rules_at(made, i));
	policy_rules_free(made);
	return same ? NULL : "the path rules are not those of the products";
}

static const char *
licence_defect(const struct policy_listing *listing, const struct policy_image_licence *licence)
{
	const uint32_t last = VALUE_LAST_DAY;
	bool starts = licence->from != POLICY_IMAGE_NO_DAY;
	bool ends = licence->ends != POLICY_IMAGE_NO_DAY;
	if (licence->product >= listing->product_count)
		return "a licence is for a product that is not there";
	if ((starts && licence->from > last) || (ends && licence->ends > last + 1) ||
	    (ends && licence->ends == 0) || (starts && ends && licence->from >= licence->ends))
		return "the dates of a licence make no sense";
	return NULL;
}

static const char *
customers_defect(const struct policy_listing *listing)
{
	for (uint32_t i = 0; i < listing->customer_count; i++) {
		const struct policy_listing_customer *customer = &listing->customers[i];
		struct policy_image_cursor licences = customer->licences;
		struct policy_image_licence licence;
		if (!value_is_id(customer->id))
			return "a customer's id is malformed";
		if (customer->rate > INT64_MAX)
			return "a rate is too high";
		while (policy_image_get_licence(&licences, &licence)) {
			const char *defect = licence_defect(listing, &licence);
			if (defect != NULL)
				return defect;
		}
	}
	return NULL;
}

/* The policy that was compiled has one issuer for all who have none of their own. */
static const char *
issuers_defect(const struct policy_listing *listing)
{
	struct subject parsed;
	if (listing->issuer[0] != '\0' &&
	    subject_parse(listing->issuer, strlen(listing->issuer), &parsed) != NULL)
		return "an issuer is not canonical";
	for (uint32_t i = 0; i < listing->customer_count; i++) {
		const char *issuer = listing->customers[i].issuer;
		if (issuer[0] != '\0' && subject_parse(issuer, strlen(issuer), &parsed) != NULL)
			return "an issuer is not canonical";
		if (issuer[0] == '\0' && listing->issuer[0] != '\0' &&
		    listing->customers[i].subject_count > 0)
			return "a customer lacks the issuer that probes and observers have";
	}
	return NULL;
}

static const char *
subjects_defect(const struct policy_listing *listing)
{
	struct subject parsed;
	for (uint32_t i = 0; i < listing->subject_count; i++) {
		const char *text = listing->subjects[i].text;
		if (subject_parse(text, strlen(text), &parsed) != NULL)
			return "a subject is not canonical";
	}
	return NULL;
}

static const char *
listing_defect(const struct policy_listing *listing, const struct policy *policy)
{
	if (policy_customer_count(policy) != listing->customer_count)
		return "the number of customers is wrong";
	if (policy_serial(policy) > INT64_MAX)
		return "the serial is too high";
	const char *defect = products_defect(listing);
	if (defect == NULL)
		defect = rules_defect(listing, policy);
	if (defect == NULL)
		defect = customers_defect(listing);
	if (defect == NULL)
		defect = issuers_defect(listing);
	if (defect == NULL)
		defect = subjects_defect(listing);
	return defect;
}

const char *
policy_verify(const struct policy *policy)
{
	const char *defect;
	struct policy_listing *listing = policy_listing_new(policy, &defect);
	if (listing == NULL)
		return defect;
	defect = listing_defect(listing, policy);
	policy_listing_free(listing);
	return defect != NULL ? defect : lookups_defect(policy);
}
