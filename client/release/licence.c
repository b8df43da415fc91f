/*
 * The licence, read strictly: the server is trusted, but a value that would not pass the server's
 * own rules is not printed or built into a path. Members that we do not know are passed over, so
 * that a newer server may say more.
 */
#include "licence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "base/value.h"

enum { LICENCE_MAX_BYTES = 4 * 1024 * 1024 };

static bool
read_id(const json_t *object, const char *key, char **id)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL || !value_is_id(text))
		return false;
	*id = buffer_strdup(text);
	return true;
}

static bool
read_date(const json_t *object, const char *key, char **date)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	uint32_t day;

	if (json_is_null(value))
		return true;
	if (text == NULL || !value_day(text, &day))
		return false;
	*date = buffer_strdup(text);
	return true;
}

static bool
read_paths(const json_t *list, struct licence_product *product)
{
	size_t i;
	const json_t *entry;

	if (!json_is_array(list))
		return false;
	product->paths = buffer_alloc((json_array_size(list) + 1) * sizeof *product->paths);
	json_array_foreach(list, i, entry)
	{
		const char *path = json_string_value(entry);
		if (path == NULL || path_defect(path, json_string_length(entry)) != NULL)
			return false;
		product->paths[product->path_count++] = buffer_strdup(path);
	}
	return true;
}

static bool
read_product(const json_t *entry, struct licence_product *product)
{
	const json_t *valid = json_object_get(entry, "valid");

	product->valid = json_is_true(valid);
	return json_is_boolean(valid) && read_id(entry, "product", &product->product) &&
	       read_date(entry, "from", &product->from) &&
	       read_date(entry, "until", &product->until) &&
	       read_paths(json_object_get(entry, "paths"), product);
}

static bool
read_licence(const json_t *root, struct licence *self)
{
	const json_t *list = json_object_get(root, "licences"), *entry;
	size_t i;

	if (!read_id(root, "customer", &self->customer) || !json_is_array(list))
		return false;
	self->products = buffer_alloc((json_array_size(list) + 1) * sizeof *self->products);
	json_array_foreach(list, i, entry)
	{
		if (!read_product(entry, &self->products[self->product_count++]))
			return false;
	}
	return true;
}

struct licence *
licence_read(const struct buffer *text, struct failure *failure)
{
	json_t *root = json_loadb(text->data != NULL ? buffer_bytes(text) : "", buffer_size(text),
	    JSON_REJECT_DUPLICATES, NULL);
	struct licence *self = buffer_alloc(sizeof *self);

	if (!read_licence(root, self)) {
		failure_set(failure, FAILURE_ANSWER, "the answer to /licence cannot be read");
		licence_free(self);
		self = NULL;
	}
	json_decref(root);
	return self;
}

struct licence *
licence_get(struct https *https, struct failure *failure)
{
	struct buffer body = {0};

	if (!https_get(https, "/licence", LICENCE_MAX_BYTES, &body, failure))
		return NULL;
	struct licence *self = licence_read(&body, failure);
	buffer_fini(&body);
	return self;
}

void
licence_free(struct licence *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->product_count; i++) {
		struct licence_product *product = &self->products[i];
		for (size_t j = 0; j < product->path_count; j++)
			free(product->paths[j]);
		free(product->paths);
		free(product->product);
		free(product->from);
		free(product->until);
	}
	free(self->products);
	free(self->customer);
	free(self);
}

void
licence_print(const struct licence *self, struct buffer *out)
{
	buffer_printf(
	    out, "%-24s %-10s %-10s %-5s %s\n", "PRODUCT", "FROM", "UNTIL", "VALID", "PATHS");
	for (size_t i = 0; i < self->product_count; i++) {
		const struct licence_product *product = &self->products[i];
		buffer_printf(out, "%-24s %-10s %-10s %-5s", product->product,
		    product->from != NULL ? product->from : "-",
		    product->until != NULL ? product->until : "-", product->valid ? "yes" : "no");
		for (size_t j = 0; j < product->path_count; j++)
			buffer_printf(out, " %s", product->paths[j]);
		buffer_append(out, "\n", 1);
	}
}

static void
print_product_json(const struct licence_product *product, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "product", product->product);
	json_writer_member(out, "from", product->from);
	json_writer_member(out, "until", product->until);
	json_writer_key(out, "valid");
	buffer_printf(out, "%s", product->valid ? "true" : "false");
	json_writer_key(out, "paths");
	buffer_append(out, "[", 1);
	for (size_t j = 0; j < product->path_count; j++) {
		buffer_append(out, ",", j > 0);
		json_writer_string(out, product->paths[j]);
	}
	buffer_append(out, "]}", 2);
}

void
licence_print_members(const struct licence *self, struct buffer *out)
{
	json_writer_member(out, "customer", self->customer);
	json_writer_key(out, "licences");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->product_count; i++) {
		buffer_append(out, ",", i > 0);
		print_product_json(&self->products[i], out);
	}
	buffer_append(out, "]", 1);
}

void
licence_print_json(const struct licence *self, struct buffer *out)
{
	buffer_append(out, "{", 1);
	licence_print_members(self, out);
	buffer_append(out, "}\n", 2);
}
