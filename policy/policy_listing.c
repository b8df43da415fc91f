/*
 * Reading all records of an image, in two passes: the first counts, the second fills lists of
 * exactly that size.
 *
 * The hard part is that the image may be forged. Records must come in the one order in which
 * policy_write.c writes them, so that nothing can stand in the image that is not in the listing.
 */
#include "policy_listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

/* The order of an image. A customer's record follows those of its subjects. */
enum phase {
	PHASE_HEADER,
	PHASE_PRODUCTS,
	PHASE_RULES,
	PHASE_CUSTOMERS,
	PHASE_PROBES,
	PHASE_OBSERVERS,
};

struct reader {
	struct policy_listing *listing;
	const char **text;       /* the next free place among the texts */
	char *name;              /* and among the names */
	uint32_t first_subject;  /* of the customer whose record is to come */
	const char *customer_id; /* its id; NULL before its first subject */
	enum phase phase;
	const char *defect;
};

static const char misplaced[] = "a record is not in its place";
static const char not_whole[] = "a record is not whole";

struct policy_image_cursor
policy_listing_records(const struct policy *policy)
{
	struct policy_image_cursor records = {0};
	size_t len;
	records.at = policy_records(policy, &len);
	records.end = records.at + len;
	return records;
}

bool
policy_listing_next(struct policy_image_cursor *rest, struct policy_listing_record *record)
{
	if (rest->at == rest->end)
		return false;
	size_t key_len = policy_image_get_u32(rest), value_len = policy_image_get_u32(rest);
	size_t left = (size_t)(rest->end - rest->at);
	if (rest->damaged || key_len == 0 || key_len > left || value_len > left - key_len) {
		rest->damaged = true;
		return false;
	}
	record->key = (const char *)rest->at;
	record->key_len = key_len;
	record->value.at = rest->at + key_len;
	record->value.end = rest->at = record->value.at + value_len;
	record->value.damaged = false;
	return true;
}

/* The texts that a product's record announces; each takes a byte at least. */
static size_t
product_texts(struct policy_image_cursor value)
{
	size_t left = (size_t)(value.end - value.at);
	policy_image_get_text(&value);
	uint64_t paths = policy_image_get_u32(&value), except = policy_image_get_u32(&value);
	(void)policy_image_get_u32(&value);
	return paths + except <= left ? (size_t)(paths + except) : 0;
}

/* The first pass: room for everything. Leaves all counts at 0. */
static bool
make_room(struct policy_listing *self, struct policy_image_cursor rest)
{
	size_t products = 0, rules = 0, customers = 0, subjects = 0, texts = 0, names = 0;
	struct policy_listing_record record;
	while (policy_listing_next(&rest, &record)) {
		enum policy_image_kind kind = (enum policy_image_kind)record.key[0];
		products += kind == POLICY_IMAGE_PRODUCT;
		rules += kind == POLICY_IMAGE_RULE;
		customers += kind == POLICY_IMAGE_CUSTOMER;
		subjects += kind == POLICY_IMAGE_SUBJECT;
		names += record.key_len;
		if (kind == POLICY_IMAGE_PRODUCT)
			texts += product_texts(record.value);
	}
	self->products = buffer_alloc_list(products, sizeof *self->products);
	self->rules = buffer_alloc_list(rules, sizeof *self->rules);
	self->customers = buffer_alloc_list(customers, sizeof *self->customers);
	self->subjects = buffer_alloc_list(subjects, sizeof *self->subjects);
	self->texts = buffer_alloc_list(texts, sizeof *self->texts);
	self->names = buffer_alloc_list(names, 1);
	return !rest.damaged;
}

static bool
enter(struct reader *self, enum phase phase)
{
	if (phase < self->phase)
		self->defect = misplaced;
	self->phase = phase;
	return self->defect == NULL;
}

/* A copy of the key without its kind, terminated. */
static const char *
take_name(struct reader *self, const struct policy_listing_record *record)
{
	const char *name = self->name;
	size_t len = record->key_len - 1;
	if (memchr(record->key + 1, '\0', len) != NULL)
		self->defect = not_whole;
	memcpy(self->name, record->key + 1, len);
	self->name[len] = '\0';
	self->name += len + 1;
	return name;
}

static const char *const *
take_texts(struct reader *self, struct policy_image_cursor *value, uint32_t count)
{
	const char **texts = self->text;
	for (uint32_t i = 0; i < count; i++)
		*self->text++ = policy_image_get_text(value);
	return texts;
}

static void
read_product(struct reader *self, struct policy_listing_record *record)
{
	struct policy_listing *listing = self->listing;
	struct policy_image_key key;
	policy_image_product_key(&key, listing->product_count);
	if (record->key_len != key.len || memcmp(record->key, key.bytes, key.len) != 0)
		self->defect = misplaced;
	else if (enter(self, PHASE_PRODUCTS)) {
		size_t texts = product_texts(record->value);
		struct policy_listing_product *product =
		    &listing->products[listing->product_count++];
		product->id = policy_image_get_text(&record->value);
		product->path_count = policy_image_get_u32(&record->value);
		product->except_count = policy_image_get_u32(&record->value);
		uint32_t required = policy_image_get_u32(&record->value);
		product->catalogue_required = required == 1;
		if (required > 1 ||
		    (uint64_t)product->path_count + product->except_count != texts) {
			self->defect = not_whole;
			return;
		}
		product->paths = take_texts(self, &record->value, product->path_count);
		product->except = take_texts(self, &record->value, product->except_count);
		if (record->value.damaged || record->value.at != record->value.end)
			self->defect = not_whole;
	}
}

static void
read_rule(struct reader *self, struct policy_listing_record *record)
{
	struct policy_listing *listing = self->listing;
	if (!enter(self, PHASE_RULES))
		return;
	struct policy_listing_rule *rule = &listing->rules[listing->rule_count++];
	rule->path = take_name(self, record);
	rule->products = record->value;
	if ((record->value.end - record->value.at) % 4 != 0)
		self->defect = not_whole;
}

static bool
has_same_limits(
    const struct policy_listing_customer *customer, const struct policy_image_caller *caller)
{
	return customer->rate == caller->rate && customer->connections == caller->connections &&
	       customer->snapshots_per_day == caller->snapshots_per_day &&
	       customer->requests_per_second == caller->requests_per_second;
}

/* The record of a customer's subject: the customer's limits stand in each of them. */
static void
read_customer_subject(struct reader *self, const struct policy_image_caller *caller)
{
	struct policy_listing *listing = self->listing;
	struct policy_listing_customer *customer = &listing->customers[listing->customer_count];
	if (!enter(self, PHASE_CUSTOMERS))
		return;
	if (self->customer_id == NULL) {
		self->customer_id = caller->customer;
		customer->issuer = caller->issuer;
		customer->rate = caller->rate;
		customer->connections = caller->connections;
		customer->snapshots_per_day = caller->snapshots_per_day;
		customer->requests_per_second = caller->requests_per_second;
	} else if (strcmp(self->customer_id, caller->customer) != 0 ||
	           strcmp(customer->issuer, caller->issuer) != 0 ||
	           !has_same_limits(customer, caller)) {
		self->defect = "two subjects of one customer differ";
	}
}

static void
read_other_subject(struct reader *self, const struct policy_image_caller *caller)
{
	static const struct policy_listing_customer none = {0};
	bool limits = !has_same_limits(&none, caller);
	enter(self, caller->role == POLICY_ROLE_PROBE ? PHASE_PROBES : PHASE_OBSERVERS);
	if (self->customer_id != NULL || caller->customer[0] != '\0' || limits)
		self->defect = misplaced;
	if (self->listing->issuer == NULL)
		self->listing->issuer = caller->issuer;
	else if (strcmp(self->listing->issuer, caller->issuer) != 0)
		self->defect = "probes and observers have several issuers";
}

static void
read_subject(struct reader *self, struct policy_listing_record *record)
{
	struct policy_listing *listing = self->listing;
	struct policy_image_caller caller;
	if (!policy_image_get_caller(&record->value, &caller) ||
	    record->value.at != record->value.end || caller.role == POLICY_ROLE_NONE) {
		self->defect = not_whole;
		return;
	}
	bool customer = caller.role == POLICY_ROLE_CUSTOMER;
	if (customer)
		read_customer_subject(self, &caller);
	else
		read_other_subject(self, &caller);
	listing->subjects[listing->subject_count++] = (struct policy_listing_subject){
	    .text = take_name(self, record),
	    .role = (enum policy_role)caller.role,
	    .customer = customer ? listing->customer_count : POLICY_LISTING_NO_CUSTOMER,
	};
}

static void
read_customer(struct reader *self, struct policy_listing_record *record)
{
	struct policy_listing *listing = self->listing;
	size_t len = (size_t)(record->value.end - record->value.at);
	if (!enter(self, PHASE_CUSTOMERS))
		return;
	struct policy_listing_customer *customer = &listing->customers[listing->customer_count++];
	customer->id = take_name(self, record);
	if (customer->issuer == NULL)
		customer->issuer = "";
	customer->first_subject = self->first_subject;
	customer->subject_count = listing->subject_count - self->first_subject;
	customer->licences = record->value;
	customer->licence_count = (uint32_t)(len / POLICY_IMAGE_LICENCE_SIZE);
	if (len % POLICY_IMAGE_LICENCE_SIZE != 0)
		self->defect = not_whole;
	if (self->customer_id != NULL && strcmp(self->customer_id, customer->id) != 0)
		self->defect = misplaced;
	self->customer_id = NULL;
	self->first_subject = listing->subject_count;
}

static void
read_record(struct reader *self, struct policy_listing_record *record)
{
	switch ((enum policy_image_kind)record->key[0]) {
	case POLICY_IMAGE_PRODUCT:
		read_product(self, record);
		break;
	case POLICY_IMAGE_RULE:
		read_rule(self, record);
		break;
	case POLICY_IMAGE_SUBJECT:
		read_subject(self, record);
		break;
	case POLICY_IMAGE_CUSTOMER:
		read_customer(self, record);
		break;
	default:
		self->defect = misplaced;
	}
}

/* The second pass; the header is the first record, as policy_open() made sure. */
static const char *
fill(struct policy_listing *listing, struct policy_image_cursor rest)
{
	struct reader self = {.listing = listing, .text = listing->texts, .name = listing->names};
	struct policy_listing_record record;
	if (!policy_listing_next(&rest, &record))
		return not_whole;
	while (self.defect == NULL && policy_listing_next(&rest, &record))
		read_record(&self, &record);
	if (self.defect == NULL && self.customer_id != NULL)
		self.defect = misplaced; /* its customer never came */
	return self.defect;
}

struct policy_listing *
policy_listing_new(const struct policy *policy, const char **defect)
{
	struct policy_listing *self = buffer_alloc_list(1, sizeof *self);
	struct policy_image_cursor records = policy_listing_records(policy);
	self->serial = policy_serial(policy);
	*defect = make_room(self, records) ? fill(self, records) : not_whole;
	if (self->issuer == NULL)
		self->issuer = "";
	if (*defect == NULL)
		return self;
	policy_listing_free(self);
	return NULL;
}

void
policy_listing_free(struct policy_listing *self)
{
	if (self == NULL)
		return;
	free(self->products);
	free(self->rules);
	free(self->customers);
	free(self->subjects);
	free(self->texts);
	free(self->names);
	free(self);
}

uint32_t
policy_listing_unlimited_snapshots(const struct policy *self, char first[POLICY_ID_MAX + 1])
{
	struct policy_image_cursor records = policy_listing_records(self);
	struct policy_listing_record record;
	struct policy_image_caller caller;
	const char *last = "";
	uint32_t count = 0;
	first[0] = '\0';
	while (policy_listing_next(&records, &record)) {
		if (record.key[0] != POLICY_IMAGE_SUBJECT ||
		    !policy_image_get_caller(&record.value, &caller) ||
		    caller.role != POLICY_ROLE_CUSTOMER || caller.snapshots_per_day != 0 ||
		    strcmp(last, caller.customer) == 0)
			continue;
		last = caller.customer; /* its subjects stand together */
		if (count++ == 0)
			snprintf(first, POLICY_ID_MAX + 1, "%s", last);
	}
	return count;
}

uint32_t
policy_listing_without_issuer(const struct policy *self, char first[POLICY_LISTING_HOLDER_MAX])
{
	struct policy_image_cursor records = policy_listing_records(self);
	struct policy_listing_record record;
	struct policy_image_caller caller;
	const char *last = "";
	uint32_t count = 0;
	first[0] = '\0';
	while (policy_listing_next(&records, &record)) {
		if (record.key[0] != POLICY_IMAGE_SUBJECT ||
		    !policy_image_get_caller(&record.value, &caller) || caller.issuer[0] != '\0')
			continue;
		bool customer = caller.role == POLICY_ROLE_CUSTOMER;
		if (customer && strcmp(last, caller.customer) == 0)
			continue;
		last = caller.customer; /* its subjects stand together */
		if (count++ == 0)
			snprintf(first, POLICY_LISTING_HOLDER_MAX, "%s%s",
			    customer                           ? "customer "
			    : caller.role == POLICY_ROLE_PROBE ? "a probe"
			                                       : "an observer",
			    last);
	}
	return count;
}
