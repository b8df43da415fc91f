/* Receipts. The one hard part is none: a receipt for something else is no receipt, so that what was
 * sent stays where it waits. */
#include "receipt.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"

static bool
has(const json_t *receipt, const char *key, const char *expected)
{
	const char *text = json_string_value(json_object_get(receipt, key));
	return text != NULL && strcmp(text, expected) == 0;
}

static bool
is_filed_as(const json_t *receipt, const char *system, const char *sha256)
{
	const char *customer = json_string_value(json_object_get(receipt, "customer"));
	char *path = NULL;

	if (customer == NULL || !value_is_id(customer))
		return false;
	path = buffer_text("/snapshots/%s/%s/%s.json", customer, system, sha256);
	bool is = has(receipt, "path", path);
	free(path);
	return is;
}

bool
receipt_check(const struct buffer *text, const char *system, const char *sha256, size_t len,
    struct failure *failure)
{
	json_t *receipt = json_loadb(text->data != NULL ? buffer_bytes(text) : "",
	    buffer_size(text), JSON_REJECT_DUPLICATES, NULL);
	const json_t *bytes = json_object_get(receipt, "bytes");
	bool fits = has(receipt, "name", system) && has(receipt, "sha256", sha256) &&
	            json_is_integer(bytes) && json_integer_value(bytes) == (json_int_t)len &&
	            is_filed_as(receipt, system, sha256);

	json_decref(receipt);
	return fits || failure_set(failure, FAILURE_ANSWER,
	                   "the receipt does not fit the snapshot of %s that was sent", system);
}
