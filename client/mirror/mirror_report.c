/* The report of a mirror: lists of versions, and their two forms. Nothing is hard here. */
#include "mirror_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "client/common/progress.h"
#include "client/common/report.h"

struct list {
	char **versions;
	size_t count;
};

struct failed {
	char *version; /* NULL: the product */
	struct failure failure;
};

struct product {
	char *id;
	struct list lists[MIRROR_OUTCOME_COUNT];
	struct failed *failed;
	size_t failed_count;
	struct download_count downloads;
};

struct mirror_report {
	struct product *products;
	size_t count, current;
	struct failure first;
};

static const char *const words[] = {
#define MIRROR_OUTCOME_WORD(outcome, word) word,
    MIRROR_OUTCOMES(MIRROR_OUTCOME_WORD)
#undef MIRROR_OUTCOME_WORD
};

/* LIST with room for one more than its COUNT entries of SIZE bytes. */
static void *
grow(void *list, size_t count, size_t size)
{
	void *grown = reallocarray(list, count + 1, size);
	if (grown == NULL)
		abort();
	return grown;
}

struct mirror_report *
mirror_report_new(void)
{
	return buffer_alloc(sizeof(struct mirror_report));
}

void
mirror_report_free(struct mirror_report *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++) {
		struct product *product = &self->products[i];
		for (int outcome = 0; outcome < MIRROR_OUTCOME_COUNT; outcome++) {
			struct list *list = &product->lists[outcome];
			for (size_t j = 0; j < list->count; j++)
				free(list->versions[j]);
			free(list->versions);
		}
		for (size_t j = 0; j < product->failed_count; j++)
			free(product->failed[j].version);
		free(product->failed);
		free(product->id);
	}
	free(self->products);
	free(self);
}

void
mirror_report_begin(struct mirror_report *self, const char *product)
{
	for (size_t i = 0; i < self->count; i++) {
		if (strcmp(self->products[i].id, product) == 0) {
			self->current = i;
			return;
		}
	}
	self->products = grow(self->products, self->count, sizeof *self->products);
	self->products[self->count] = (struct product){.id = buffer_strdup(product)};
	self->current = self->count++;
}

void
mirror_report_add(struct mirror_report *self, enum mirror_outcome outcome, const char *version)
{
	struct product *product = &self->products[self->current];
	struct list *list = &product->lists[outcome];

	list->versions = grow(list->versions, list->count, sizeof *list->versions);
	list->versions[list->count++] = buffer_strdup(version);
	if (outcome != MIRROR_KEPT)
		report_detail("%s %s: %s", product->id, version, words[outcome]);
}

void
mirror_report_fail(struct mirror_report *self, const char *version, const struct failure *failure)
{
	struct product *product = &self->products[self->current];

	product->failed = grow(product->failed, product->failed_count, sizeof *product->failed);
	product->failed[product->failed_count++] =
	    (struct failed){version != NULL ? buffer_strdup(version) : NULL, *failure};
	if (self->first.kind == FAILURE_NONE)
		self->first = *failure;
	if (version != NULL)
		report_note("%s %s: %s", product->id, version, failure->text);
	else
		report_note("%s: %s", product->id, failure->text);
}

struct download_count *
mirror_report_count(struct mirror_report *self)
{
	return &self->products[self->current].downloads;
}

const struct failure *
mirror_report_failure(const struct mirror_report *self)
{
	return self->first.kind != FAILURE_NONE ? &self->first : NULL;
}

void
mirror_report_print(const struct mirror_report *self)
{
	for (size_t i = 0; i < self->count; i++) {
		const struct product *product = &self->products[i];
		struct buffer line = {0};
		char size[PROGRESS_SIZE_MAX];

		for (int outcome = 0; outcome < MIRROR_OUTCOME_COUNT; outcome++)
			buffer_printf(
			    &line, "%zu %s, ", product->lists[outcome].count, words[outcome]);
		buffer_printf(&line, "%zu failed", product->failed_count);
		progress_print_size(product->downloads.bytes, size);
		report_note("%s: %.*s; %zu files, %s downloaded", product->id,
		    (int)buffer_size(&line), buffer_bytes(&line), product->downloads.files, size);
		buffer_fini(&line);
	}
}

static void
print_failed(const struct product *product, struct buffer *out)
{
	json_writer_key(out, "failed");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < product->failed_count; i++) {
		const struct failed *failed = &product->failed[i];
		buffer_printf(out, "%s{", i > 0 ? "," : "");
		json_writer_member(out, "version", failed->version);
		report_failure_members(&failed->failure, out);
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "]", 1);
}

static void
print_product(const struct product *product, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "product", product->id);
	for (int outcome = 0; outcome < MIRROR_OUTCOME_COUNT; outcome++) {
		const struct list *list = &product->lists[outcome];
		json_writer_key(out, words[outcome]);
		buffer_append(out, "[", 1);
		for (size_t i = 0; i < list->count; i++) {
			buffer_append(out, ",", i > 0);
			json_writer_string(out, list->versions[i]);
		}
		buffer_append(out, "]", 1);
	}
	print_failed(product, out);
	json_writer_number(out, "files", product->downloads.files);
	json_writer_number(out, "bytes", product->downloads.bytes);
	buffer_append(out, "}", 1);
}

void
mirror_report_print_json(
    const struct mirror_report *self, const struct failure *failure, struct buffer *out)
{
	struct download_count all = {0};

	buffer_append(out, "{", 1);
	json_writer_key(out, "products");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->count; i++) {
		buffer_append(out, ",", i > 0);
		print_product(&self->products[i], out);
		all.files += self->products[i].downloads.files;
		all.bytes += self->products[i].downloads.bytes;
	}
	buffer_append(out, "]", 1);
	json_writer_number(out, "files", all.files);
	json_writer_number(out, "bytes", all.bytes);
	if (failure != NULL)
		report_failure_members(failure, out);
	buffer_append(out, "}\n", 2);
}
