/*
 * Mirroring all products. The one hard part is which products those are: a licence that could not
 * be had says nothing, and one product must not lie in another one's versions, which are replaced
 * and removed as a whole.
 */
#include "mirror.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../policy/catalogue.h"
#include "../policy/policy_value.h"
#include "cache_sweep.h"
#include "licence.h"
#include "mirror_leaving.h"
#include "mirror_product.h"
#include "mirror_tree.h"
#include "release.h"
#include "report.h"

enum {
	MIRROR_UMASK = 022, /* whoever serves the files can read them, and only their owner write */
	GRACE_DIGITS = 9,
	RETRY_SECONDS = 24 * 60 * 60, /* within which a run that failed is repeated */
};

bool
mirror_read_grace(const char *text, uint64_t *seconds)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"s", 1}, {"m", 60}, {"h", 60 * 60}, {"d", 24 * 60 * 60}};
	char number[GRACE_DIGITS + 1] = "";
	size_t digits = strspn(text, "0123456789");
	uint64_t count;

	if (digits > GRACE_DIGITS)
		return false;
	memcpy(number, text, digits);
	if (!policy_value_number(number, UINT32_MAX, &count))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(text + digits, units[i].name) == 0) {
			*seconds = count * units[i].seconds;
			return true;
		}
	}
	return false;
}

/* What one run shares. */
struct mirror {
	const struct mirror_order *order;
	const struct config *config;
	struct https *https;
	struct mirror_report *report;
	struct mirror_tree *tree;
	struct cache *pool;
	struct mirror_leaving *leaving;
	const struct licence *licence;
	bool ended;
};

/* True when the folder INNER lies in that of a version below OUTER, or both are the same. */
static bool
lies_in_version(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	if (strncmp(inner, outer, len) != 0)
		return false;
	char *next = buffer_copy(inner + len, strcspn(inner + len, "/"));
	bool in_version = *next == '\0' || catalogue_is_version(next);
	free(next);
	return in_version;
}

/* False, with FAILURE filled, when files of PRODUCT below BASE could not be told from spot's own,
 * or from another product's. */
static bool
has_place(const struct mirror *self, const char *product, const char *base, struct failure *failure)
{
	static const char own[] = "/" MIRROR_TREE_OWN "/";

	if (strncmp(base, own, sizeof own - 1) == 0)
		return failure_set(failure, FAILURE_LOCAL,
		    "%s cannot be mirrored: its folder is spot's own, %s", product, base);
	for (size_t i = 0; i < self->licence->product_count; i++) {
		const char *other = self->licence->products[i].product;
		struct failure none;
		const char *other_base = release_base(self->licence, other, &none);
		if (strcmp(other, product) != 0 && other_base != NULL &&
		    lies_in_version(base, other_base))
			return failure_set(failure, FAILURE_LOCAL,
			    "%s cannot be mirrored: its folder %s lies among the versions of %s",
			    product, base, other);
	}
	return true;
}

static void
mirror_one(struct mirror *self, const char *product)
{
	struct failure failure = {0};
	const char *base = release_base(self->licence, product, &failure);

	mirror_report_begin(self->report, product);
	if (base == NULL || !has_place(self, product, base, &failure)) {
		mirror_report_fail(self->report, NULL, &failure);
		return;
	}
	const struct mirror_copy copy = {
	    .tree = self->tree,
	    .pool = self->pool,
	    .https = self->https,
	    .config = self->config,
	    .verify = self->order->verify,
	    .report = self->report,
	    .product = product,
	    .base = base,
	    .folder = -1,
	};
	self->ended = !mirror_product(&copy, self->leaving);
}

/* Those that the licence has now, with a folder. One that fails is kept, too. */
static bool
mirror_licensed(struct mirror *self, struct failure *failure)
{
	for (size_t i = 0; i < self->licence->product_count; i++) {
		const char *product = self->licence->products[i].product;
		struct failure none;
		const char *base = release_base(self->licence, product, &none);
		if (base == NULL)
			continue;
		if (!mirror_leaving_keep_product(self->leaving, product, base, failure))
			return false;
		if (!self->ended)
			mirror_one(self, product);
	}
	if (!self->ended)
		mirror_leaving_products(self->leaving);
	return true;
}

static bool
mirror_named(struct mirror *self)
{
	for (size_t i = 0; i < self->order->product_count && !self->ended; i++)
		mirror_one(self, self->order->products[i]);
	return true;
}

/* What was linked or got anything in this run is new. When something failed, the next run wants it.
 */
static bool
sweep(const struct mirror *self, struct failure *failure)
{
	time_t age = (time_t)self->order->grace;

	if (mirror_report_failure(self->report) != NULL && age < RETRY_SECONDS)
		age = RETRY_SECONDS;
	return cache_sweep(self->pool, time(NULL) - age, failure);
}

static bool
run(struct mirror *self, struct failure *failure)
{
	time_t now = time(NULL);

	self->leaving =
	    mirror_leaving_open(self->tree, self->report, now, self->order->grace, failure);
	if (self->leaving == NULL)
		return false;
	bool done = (self->order->product_count > 0 ? mirror_named(self)
	                                            : mirror_licensed(self, failure)) &&
	            sweep(self, failure);
	mirror_leaving_close(self->leaving);
	return done;
}

bool
mirror_run(const struct mirror_order *order, const struct config *config, struct https *https,
    struct mirror_report *report, struct failure *failure)
{
	struct mirror self = {.order = order, .config = config, .https = https, .report = report};

	if (config->release == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no `release` certificate to check catalogues with");
	umask(MIRROR_UMASK);
	self.tree = mirror_tree_open(order->folder, failure);
	if (self.tree == NULL)
		return false;
	self.pool = cache_open(mirror_tree_own(self.tree), failure);
	struct licence *licence = self.pool != NULL ? licence_get(https, failure) : NULL;
	self.licence = licence;
	bool done = licence != NULL && run(&self, failure);
	if (done && mirror_report_failure(report) != NULL) {
		*failure = *mirror_report_failure(report);
		done = false;
	}
	licence_free(licence);
	cache_close(self.pool);
	mirror_tree_close(self.tree);
	return done;
}
