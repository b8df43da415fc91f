/*
 * Path rules and the products that have them: the products' lists of paths, the other way round.
 *
 * Private to the policy library.
 */
#ifndef POLICY_POLICY_RULES_H
#define POLICY_POLICY_RULES_H

#include <stddef.h>
#include <stdint.h>

/* A path rule and the numbers of its products, ascending. */
struct policy_rule {
	const char *path;
	uint32_t *products;
	size_t count;
	size_t capacity;
};

struct policy_rules;

/* All abort when memory is exhausted. */
struct policy_rules *policy_rules_new(void);
void policy_rules_free(struct policy_rules *self);

/* Adds PATH, which must outlive the rules, to those of PRODUCT. Products come in ascending order;
 * one may name a path twice. */
void policy_rules_add(struct policy_rules *self, const char *path, uint32_t product);

/* Rules are numbered in the order in which their paths were first added. */
size_t policy_rules_count(const struct policy_rules *self);
const struct policy_rule *policy_rules_at(const struct policy_rules *self, size_t number);
/* Length of the longest path; 0 when there is none. */
size_t policy_rules_longest(const struct policy_rules *self);

#endif
