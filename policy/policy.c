/*
 * Decisions over a mapped policy image.
 *
 * The hard part is the download: a path is looked up under each of its prefixes, but no longer
 * than the longest rule; the products found there are matched with the caller's licences, and the
 * best licence decides. Nothing depends on how many customers there are. Lookups work on a copy
 * of the small struct cdb, so a struct policy never changes after policy_open().
 */
#include "policy.h"

#include <assert.h>
#include <cdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cdb_mapping.h"
#include "base/path.h"
#include "base/value.h"
#include "policy_image.h"

enum {
	SECONDS_PER_DAY = 86400,
	CDB_PAIR = 8, /* place and size of a table; hash and place of a record */
};

struct policy {
	struct cdb cdb; /* holds the mapping */
	struct policy_image_header header;
};

static struct policy *
open_image(int fd, const char *name, bool is_known, char error[POLICY_ERROR_MAX])
{
	struct policy *self = calloc(1, sizeof *self);
	if (self == NULL)
		abort();
	const char *defect = cdb_mapping_open(&self->cdb, fd, "is not a policy image");
	if (defect != NULL)
		goto free_self;
	defect = policy_image_check(self->cdb.cdb_mem, self->cdb.cdb_fsize, &self->header);
	if (defect == NULL && !is_known)
		defect = policy_image_damage(self->cdb.cdb_mem, self->cdb.cdb_fsize);
	if (defect != NULL)
		goto unmap;
	return self;

unmap:
	cdb_mapping_close(&self->cdb);
free_self:
	snprintf(error, POLICY_ERROR_MAX, "%.300s: %s", name, defect);
	free(self);
	return NULL;
}

struct policy *
policy_open(int fd, const char *name, char error[POLICY_ERROR_MAX])
{
	return open_image(fd, name, false, error);
}

struct policy *
policy_open_known(int fd, const char *name, char error[POLICY_ERROR_MAX])
{
	return open_image(fd, name, true, error);
}

void
policy_free(struct policy *self)
{
	if (self == NULL)
		return;
	cdb_mapping_close(&self->cdb);
	free(self);
}

uint64_t
policy_serial(const struct policy *self)
{
	return self->header.serial;
}

uint32_t
policy_customer_count(const struct policy *self)
{
	return self->header.customers;
}

const struct policy_image_header *
policy_header(const struct policy *self)
{
	return &self->header;
}

const unsigned char *
policy_records(const struct policy *self, size_t *len)
{
	*len = self->cdb.cdb_dend - CDB_MAPPING_RECORDS;
	return self->cdb.cdb_mem + CDB_MAPPING_RECORDS;
}

bool
policy_finds(
    const struct policy *self, const unsigned char *key, size_t len, const unsigned char *value)
{
	struct cdb cdb = self->cdb;
	return len <= POLICY_IMAGE_KEY_MAX && cdb_find(&cdb, key, (unsigned)len) > 0 &&
	       cdb_getdata(&cdb) == value;
}

size_t
policy_table_entries(const struct policy *self)
{
	const unsigned char *image = self->cdb.cdb_mem;
	size_t end = self->cdb.cdb_dend, entries = 0;
	for (size_t table = 0; table < CDB_MAPPING_RECORDS; table += CDB_PAIR) {
		size_t slots = cdb_unpack(image + table + 4);
		if (cdb_unpack(image + table) != end ||
		    slots > (self->cdb.cdb_fsize - end) / CDB_PAIR)
			return SIZE_MAX;
		for (; slots > 0; slots--, end += CDB_PAIR)
			entries += cdb_unpack(image + end + 4) != 0;
	}
	return end == self->cdb.cdb_fsize ? entries : SIZE_MAX;
}

/* Looks up the first LEN bytes of KEY. A record that is not there reads as an empty one. */
static bool
find(const struct policy *self, const struct policy_image_key *key, unsigned len,
    struct policy_image_cursor *record)
{
	static const unsigned char nothing[1];
	struct cdb cdb = self->cdb;
	const unsigned char *value = NULL;
	if (cdb_find(&cdb, key->bytes, len) > 0)
		value = cdb_getdata(&cdb);
	record->damaged = false;
	record->at = value != NULL ? value : nothing;
	record->end = value != NULL ? value + cdb_datalen(&cdb) : nothing;
	return value != NULL;
}

static bool
find_named(const struct policy *self, enum policy_image_kind kind, const char *name,
    struct policy_image_cursor *record)
{
	struct policy_image_key key;
	return policy_image_key(&key, kind, name, strlen(name)) &&
	       find(self, &key, key.len, record);
}

/* ID was read from a record that was checked to hold no longer one. */
static void
copy_id(char to[POLICY_ID_MAX + 1], const char *id)
{
	size_t len = strlen(id);
	assert(len <= POLICY_ID_MAX);
	memcpy(to, id, len + 1);
}

static bool
find_subject(const struct policy *self, const char *subject, struct policy_image_caller *found)
{
	struct policy_image_cursor record;
	return find_named(self, POLICY_IMAGE_SUBJECT, subject, &record) &&
	       policy_image_get_caller(&record, found);
}

const char *
policy_issuer(const struct policy *self, const char *subject)
{
	struct policy_image_caller found;
	return find_subject(self, subject, &found) ? found.issuer : "";
}

struct policy_caller
policy_find_caller(const struct policy *self, const char *subject)
{
	return policy_find_certified(self, subject, policy_issuer(self, subject));
}

struct policy_caller
policy_find_certified(const struct policy *self, const char *subject, const char *issuer)
{
	struct policy_caller caller = {.role = POLICY_ROLE_NONE};
	struct policy_image_caller found;
	if (!find_subject(self, subject, &found) ||
	    (found.issuer[0] != '\0' && strcmp(found.issuer, issuer) != 0))
		return caller;
	caller.role = (enum policy_role)found.role;
	copy_id(caller.customer, found.customer);
	caller.rate = found.rate;
	caller.connections = found.connections;
	caller.snapshots_per_day = found.snapshots_per_day;
	caller.requests_per_second = found.requests_per_second;
	return caller;
}

static time_t
start_of(uint32_t day)
{
	return (time_t)day * SECONDS_PER_DAY;
}

static enum policy_verdict
judge_dates(const struct policy_image_licence *licence, time_t now)
{
	if (licence->ends != POLICY_IMAGE_NO_DAY && now >= start_of(licence->ends))
		return POLICY_LICENCE_EXPIRED;
	if (licence->from != POLICY_IMAGE_NO_DAY && now < start_of(licence->from))
		return POLICY_LICENCE_NOT_STARTED;
	return POLICY_ALLOW;
}

/* One product's record, opened. */
struct product {
	const char *id;
	uint32_t path_count;
	uint32_t except_count;
	bool catalogue_required;
	struct policy_image_cursor texts; /* the paths, then the exceptions */
};

static bool
find_product(const struct policy *self, uint32_t number, struct product *product)
{
	struct policy_image_key key;
	struct policy_image_cursor record;
	policy_image_product_key(&key, number);
	if (!find(self, &key, key.len, &record))
		return false;
	product->id = policy_image_get_text(&record);
	product->path_count = policy_image_get_u32(&record);
	product->except_count = policy_image_get_u32(&record);
	product->catalogue_required = policy_image_get_u32(&record) != 0;
	product->texts = record;
	/* Each text takes a byte at least: this bounds the counts by the record. */
	uint64_t texts = (uint64_t)product->path_count + product->except_count;
	return !record.damaged && strlen(product->id) <= POLICY_ID_MAX &&
	       texts <= (uint64_t)(record.end - record.at);
}

/* A damaged record excepts everything. */
static bool
is_excepted(const struct product *product, const char *path, size_t len)
{
	struct policy_image_cursor texts = product->texts;
	for (uint32_t i = 0; i < product->path_count; i++)
		policy_image_get_text(&texts);
	for (uint32_t i = 0; i < product->except_count; i++) {
		const char *rule = policy_image_get_text(&texts);
		if (path_matches(rule, strlen(rule), path, len))
			return true;
	}
	return texts.damaged;
}

/* The state of one download decision. */
struct search {
	const struct policy *policy;
	const char *path;
	size_t len;
	time_t now;
	struct policy_image_cursor licences; /* all of the caller's */
	struct policy_decision decision;
	struct policy_image_licence best; /* when DECISION names a product */
};

/* Of two licences with the same verdict the better one lasts longer, or will start sooner. */
static bool
is_better(enum policy_verdict verdict, const struct policy_image_licence *a,
    const struct policy_image_licence *b)
{
	return verdict == POLICY_LICENCE_NOT_STARTED ? a->from < b->from : a->ends > b->ends;
}

/* Allow before expired before not started before not licensed. */
static int
rank(enum policy_verdict verdict)
{
	switch (verdict) {
	case POLICY_ALLOW:
		return 3;
	case POLICY_LICENCE_EXPIRED:
		return 2;
	case POLICY_LICENCE_NOT_STARTED:
		return 1;
	default:
		return 0;
	}
}

/* Lets LICENCE, whose product has a rule for the path, decide if it is the best so far. */
static bool
consider(struct search *self, const struct policy_image_licence *licence)
{
	enum policy_verdict verdict = judge_dates(licence, self->now);
	int gain = rank(verdict) - rank(self->decision.verdict);
	if (gain < 0 || (gain == 0 && !is_better(verdict, licence, &self->best)))
		return false;
	struct product product;
	if (!find_product(self->policy, licence->product, &product) ||
	    is_excepted(&product, self->path, self->len))
		return false;
	self->best = *licence;
	self->decision.verdict = verdict;
	copy_id(self->decision.product, product.id);
	bool has_end = verdict == POLICY_ALLOW && licence->ends != POLICY_IMAGE_NO_DAY;
	self->decision.ends = has_end ? start_of(licence->ends) : 0;
	return true;
}

/* Is NUMBER among the ascending product numbers of RULE? */
static bool
rule_has_product(const struct policy_image_cursor *rule, uint32_t number)
{
	size_t low = 0, high = (size_t)(rule->end - rule->at) / 4;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct policy_image_cursor at = {rule->at + 4 * middle, rule->end, false};
		uint32_t found = policy_image_get_u32(&at);
		if (found == number)
			return true;
		if (found < number)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Looks up the rule that is the first RULE_LEN bytes of the path. */
static void
try_rule(struct search *self, const struct policy_image_key *key, size_t rule_len)
{
	struct policy_image_cursor rule, licences = self->licences;
	struct policy_image_licence licence;
	if (!find(self->policy, key, (unsigned)rule_len + 1, &rule))
		return;
	for (uint32_t i = 0; policy_image_get_licence(&licences, &licence); i++) {
		if (!rule_has_product(&rule, licence.product) || !consider(self, &licence))
			continue;
		self->decision.licence = i;
		self->decision.rule_len = rule_len;
	}
}

/* Tries "/", "/a/", "/a/b/" and "/a/b/c" for the path /a/b/c. */
static void
try_rules(struct search *self)
{
	struct policy_image_key key;
	size_t longest = self->policy->header.longest_rule;
	if (!policy_image_key(&key, POLICY_IMAGE_RULE, self->path, self->len))
		return;
	for (size_t len = 1; len <= self->len && len <= longest; len++) {
		if (self->path[len - 1] == '/' || len == self->len)
			try_rule(self, &key, len);
	}
}

struct policy_decision
policy_decide_download(const struct policy *self, const struct policy_caller *caller,
    const char *path, size_t path_len, time_t now)
{
	struct search search = {.policy = self,
	    .path = path,
	    .len = path_len,
	    .now = now,
	    .decision = {.verdict = POLICY_NOT_LICENSED}};
	if (caller->role == POLICY_ROLE_NONE)
		search.decision.verdict = POLICY_UNKNOWN_SUBJECT;
	else if (caller->role != POLICY_ROLE_CUSTOMER || path_is_reserved(path, path_len))
		search.decision.verdict = POLICY_NOT_PERMITTED;
	else if (path_defect(path, path_len) == NULL &&
	         find_named(self, POLICY_IMAGE_CUSTOMER, caller->customer, &search.licences))
		try_rules(&search);
	return search.decision;
}

struct policy_decision
policy_decide_snapshot(
    const struct policy *self, const struct policy_caller *caller, const char *name, size_t len)
{
	(void)self; /* the caller's role is all that counts today */
	struct policy_decision decision = {.verdict = POLICY_NOT_PERMITTED};
	if (caller->role == POLICY_ROLE_NONE)
		decision.verdict = POLICY_UNKNOWN_SUBJECT;
	else if (caller->role == POLICY_ROLE_CUSTOMER && path_is_snapshot_name(name, len))
		decision.verdict = POLICY_ALLOW;
	return decision;
}

/* Points LIST at the next COUNT texts and a NULL; returns the place after it. */
static const char **
list_texts(const char **list, struct policy_image_cursor *texts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		*list++ = policy_image_get_text(texts);
	*list++ = NULL;
	return list;
}

/* The texts of a product, as lists that end with NULL. */
struct product_lists {
	const char **paths; /* owned: all of both lists */
	const char **except;
};

/* False when the record is damaged; the lists must be freed in any case. */
static bool
list_product(const struct product *product, struct product_lists *lists)
{
	struct policy_image_cursor texts = product->texts;
	lists->paths = buffer_alloc(
	    ((size_t)product->path_count + product->except_count + 2) * sizeof *lists->paths);
	lists->except = list_texts(lists->paths, &texts, product->path_count);
	list_texts(lists->except, &texts, product->except_count);
	return !texts.damaged;
}

/* Shows one licence to FN; false when its product's record is damaged. */
static bool
show_licence(const struct policy *self, const struct policy_image_licence *licence, time_t now,
    policy_licence_fn *fn, void *arg)
{
	struct product product;
	if (!find_product(self, licence->product, &product))
		return false;
	char from[VALUE_DATE_SIZE] = "", until[VALUE_DATE_SIZE] = "";
	if (licence->from != POLICY_IMAGE_NO_DAY)
		value_print_day(licence->from, from);
	if (licence->ends != POLICY_IMAGE_NO_DAY && licence->ends > 0)
		value_print_day(licence->ends - 1, until);

	struct product_lists lists;
	bool whole = list_product(&product, &lists);
	if (whole)
		fn(&(struct policy_licence){.product = product.id,
		       .paths = lists.paths,
		       .except = lists.except,
		       .from = from,
		       .until = until,
		       .valid_now = judge_dates(licence, now) == POLICY_ALLOW},
		    arg);
	free(lists.paths);
	return whole;
}

size_t
policy_each_licence(const struct policy *self, const struct policy_caller *caller, time_t now,
    policy_licence_fn *fn, void *arg)
{
	struct policy_image_cursor licences;
	struct policy_image_licence licence;
	size_t count = 0;
	if (caller->role != POLICY_ROLE_CUSTOMER ||
	    !find_named(self, POLICY_IMAGE_CUSTOMER, caller->customer, &licences))
		return 0;
	while (policy_image_get_licence(&licences, &licence))
		count += show_licence(self, &licence, now, fn, arg);
	return count;
}

void
policy_each_product(const struct policy *self, policy_product_fn *fn, void *arg)
{
	struct product product;
	for (uint32_t i = 0; find_product(self, i, &product); i++) {
		struct product_lists lists;
		if (list_product(&product, &lists))
			fn(&(struct policy_product){product.id, lists.paths,
			       product.catalogue_required},
			    arg);
		free(lists.paths);
	}
}
