/*
 * Lines of a policy: names looked up in the file's structures, places in its source.
 */
#include "policy_lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/yaml_source.h"
#include "policy_file.h"

struct policy_lines {
	struct policy_file *file;
	struct yaml_source *source;
};

struct policy_lines *
policy_lines_new(struct policy_file *file, struct yaml_source *source)
{
	struct policy_lines *self = malloc(sizeof *self);
	if (self == NULL)
		abort();
	*self = (struct policy_lines){file, source};
	return self;
}

void
policy_lines_free(struct policy_lines *self)
{
	if (self == NULL)
		return;
	policy_file_free(self->file);
	yaml_source_free(self->source);
	free(self);
}

/* The place of TEXT in a list; COUNT when it is not there. */
static uint32_t
place_in(char *const *list, uint32_t count, const char *text)
{
	uint32_t i = 0;
	while (i < count && strcmp(list[i], text) != 0)
		i++;
	return i;
}

/* The line of TEXT in the list called KEY; 0 when it is not there. */
static size_t
line_in(const struct policy_lines *self, const char *key, char *const *list, uint32_t count,
    const char *text)
{
	uint32_t i = place_in(list, count, text);
	return i < count ? yaml_source_line(self->source, "%s[%u]", key, i) : 0;
}

size_t
policy_lines_subject(const struct policy_lines *self, const char *subject)
{
	const struct policy_file *file = self->file;
	for (uint32_t i = 0; i < file->customer_count; i++) {
		const struct policy_file_customer *customer = &file->customers[i];
		uint32_t place = place_in(customer->subjects, customer->subject_count, subject);
		if (place < customer->subject_count)
			return yaml_source_line(
			    self->source, "customers[%u].subjects[%u]", i, place);
	}
	size_t line = line_in(self, "probes", file->probes, file->probe_count, subject);
	if (line == 0)
		line = line_in(self, "observers", file->observers, file->observer_count, subject);
	return line;
}

/* The place of the customer ID; the number of customers when there is none. */
static uint32_t
place_of_customer(const struct policy_file *file, const char *id)
{
	uint32_t i = 0;
	while (i < file->customer_count && strcmp(file->customers[i].id, id) != 0)
		i++;
	return i;
}

size_t
policy_lines_customer(const struct policy_lines *self, const char *id)
{
	uint32_t place = place_of_customer(self->file, id);
	return place < self->file->customer_count
	           ? yaml_source_line(self->source, "customers[%u].id", place)
	           : 0;
}

size_t
policy_lines_licence(const struct policy_lines *self, const char *customer, uint32_t number)
{
	uint32_t place = place_of_customer(self->file, customer);
	if (place == self->file->customer_count ||
	    number >= self->file->customers[place].licence_count)
		return 0;
	return yaml_source_line(self->source, "customers[%u].products[%u]", place, number);
}

/* The place of the product ID; the number of products when there is none. */
static uint32_t
place_of_product(const struct policy_file *file, const char *id)
{
	uint32_t i = 0;
	while (i < file->product_count && strcmp(file->products[i].id, id) != 0)
		i++;
	return i;
}

size_t
policy_lines_path(const struct policy_lines *self, const char *product, const char *path)
{
	uint32_t number = place_of_product(self->file, product);
	if (number == self->file->product_count)
		return 0;
	const struct policy_file_product *found = &self->file->products[number];
	uint32_t place = place_in(found->paths, found->path_count, path);
	if (place == found->path_count)
		return 0;
	return yaml_source_line(self->source, "products[%u].paths[%u]", number, place);
}

size_t
policy_lines_except(const struct policy_lines *self, const char *product, const char *path)
{
	uint32_t number = place_of_product(self->file, product);
	if (number == self->file->product_count)
		return 0;
	const struct policy_file_product *found = &self->file->products[number];
	uint32_t place = place_in(found->except, found->except_count, path);
	if (place == found->except_count)
		return 0;
	return yaml_source_line(self->source, "products[%u].except[%u]", number, place);
}
