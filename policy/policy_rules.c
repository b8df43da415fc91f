/*
 * Path rules by their paths: a list in order of appearance, and a hash table to find one in it.
 */
#include "policy_rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/string_map.h"

struct policy_rules {
	struct policy_rule *list;
	size_t count;
	size_t capacity;
	struct string_map *by_path; /* -> place in LIST */
	size_t longest;
};

/* Returns LIST with room for one element more than COUNT. */
static void *
grown(void *list, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return list;
	*capacity = 2 * *capacity + 4;
	list = reallocarray(list, *capacity, size);
	if (list == NULL)
		abort();
	return list;
}

struct policy_rules *
policy_rules_new(void)
{
	struct policy_rules *self = calloc(1, sizeof *self);
	if (self == NULL)
		abort();
	self->by_path = string_map_new();
	return self;
}

void
policy_rules_free(struct policy_rules *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++)
		free(self->list[i].products);
	free(self->list);
	string_map_free(self->by_path);
	free(self);
}

static struct policy_rule *
rule_for(struct policy_rules *self, const char *path)
{
	uint64_t place;
	if (!string_map_add(self->by_path, path, self->count, &place))
		return &self->list[place];
	self->list = grown(self->list, self->count, &self->capacity, sizeof *self->list);
	if (strlen(path) > self->longest)
		self->longest = strlen(path);
	struct policy_rule *rule = &self->list[self->count++];
	*rule = (struct policy_rule){.path = path};
	return rule;
}

void
policy_rules_add(struct policy_rules *self, const char *path, uint32_t product)
{
	struct policy_rule *rule = rule_for(self, path);
	if (rule->count > 0 && rule->products[rule->count - 1] == product)
		return; /* the product names the path twice */
	assert(rule->count == 0 || rule->products[rule->count - 1] < product);
	rule->products =
	    grown(rule->products, rule->count, &rule->capacity, sizeof *rule->products);
	rule->products[rule->count++] = product;
}

size_t
policy_rules_count(const struct policy_rules *self)
{
	return self->count;
}

const struct policy_rule *
policy_rules_at(const struct policy_rules *self, size_t number)
{
	assert(number < self->count);
	return &self->list[number];
}

size_t
policy_rules_longest(const struct policy_rules *self)
{
	return self->longest;
}
