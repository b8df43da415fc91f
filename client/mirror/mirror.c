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

#include "catalogue/catalogue.h"
#include "client/cache/cache_sweep.h"
#include "client/common/report.h"
#include "client/release/licence.h"
#include "client/release/release.h"
#include "mirror_memory.h"
#include "mirror_product.h"
#include "mirror_removal.h"
#include "mirror_tree.h"

enum {
	MIRROR_UMASK = 022, /* whoever serves the files can read them, and only their owner write */
	RETRY_SECONDS = 24 * 60 * 60, /* within which a run that failed is repeated */
};

/* What one run shares. */
struct mirror {
	const struct mirror_order *order;
	const struct config *config;
	struct https *https;
	struct mirror_report *report;
	struct mirror_tree *tree;
	struct cache *pool;
	struct mirror_memory *memory;
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
	self->ended = !mirror_product(&copy, self->memory);
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
		if (!mirror_memory_keep_product(self->memory, product, base, failure))
			return false;
		if (!self->ended)
			mirror_one(self, product);
	}
	if (!self->ended)
		mirror_removal_products(self->memory);
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
 * Without a grace time nothing is new, whatever the clock says that the file system goes by. */
static bool
sweep(const struct mirror *self, struct failure *failure)
{
	time_t age = (time_t)self->order->grace;

	if (mirror_report_failure(self->report) != NULL && age < RETRY_SECONDS)
		age = RETRY_SECONDS;
	return cache_sweep(self->pool, age > 0 ? time(NULL) - age : CACHE_SWEEP_ALL, failure);
}

/* What one run adds to a grace time at most: twice the usual, which is more than a run that comes
 * late; and half of the grace time, so that no jump of the clock between two runs is all of it. */
static uint64_t
step_of(const struct mirror_order *order)
{
	uint64_t twice = 2 * order->interval, half = order->grace - order->grace / 2;

	return twice < half ? twice : half;
}

static bool
run(struct mirror *self, struct failure *failure)
{
	const struct mirror_rules rules = {
	    .grace = self->order->grace,
	    .step = step_of(self->order),
	    .max_removals = self->order->max_removals,
	    .remove_unlicensed = self->order->remove_unlicensed,
	};

	self->memory = mirror_memory_open(self->tree, self->report, time(NULL), &rules, failure);
	if (self->memory == NULL)
		return false;
	bool done = (self->order->product_count > 0 ? mirror_named(self)
	                                            : mirror_licensed(self, failure)) &&
	            sweep(self, failure);
	mirror_memory_close(self->memory);
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
