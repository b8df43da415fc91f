/*
 * Writing of policy images.
 *
 * The file lists rules under products; the image needs them the other way round, so they are
 * first collected in a hash table. Products are visited in their order, so each rule's list comes
 * out ascending, as the reader's binary search wants it.
 */
#include "policy_write.h"

#include <cdb.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "policy_image.h"
#include "string_map.h"

/* A path rule and the numbers of its products. */
struct rule {
	const char *path;
	uint32_t *products;
	size_t count;
	size_t capacity;
};

struct rules {
	struct rule *list;
	size_t count;
	size_t capacity;
	struct string_map *by_path; /* -> place in LIST */
	size_t longest;
};

struct writer {
	const struct policy_file *file;
	struct cdb_make make;
	struct buffer value; /* of the record being made */
	struct rules rules;
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

static struct rule *
rule_for(struct rules *self, const char *path)
{
	uint64_t place;
	if (!string_map_add(self->by_path, path, self->count, &place))
		return &self->list[place];
	self->list = grown(self->list, self->count, &self->capacity, sizeof *self->list);
	if (strlen(path) > self->longest)
		self->longest = strlen(path);
	struct rule *rule = &self->list[self->count++];
	*rule = (struct rule){.path = path};
	return rule;
}

static void
rule_add(struct rule *self, uint32_t product)
{
	if (self->count > 0 && self->products[self->count - 1] == product)
		return; /* the product names the path twice */
	self->products =
	    grown(self->products, self->count, &self->capacity, sizeof *self->products);
	self->products[self->count++] = product;
}

static void
rules_collect(struct rules *self, const struct policy_file *file)
{
	self->by_path = string_map_new();
	for (uint32_t i = 0; i < file->product_count; i++) {
		const struct policy_file_product *product = &file->products[i];
		for (uint32_t j = 0; j < product->path_count; j++)
			rule_add(rule_for(self, product->paths[j]), i);
	}
}

static void
rules_free(struct rules *self)
{
	for (size_t i = 0; i < self->count; i++)
		free(self->list[i].products);
	free(self->list);
	string_map_free(self->by_path);
}

/* Adds the record in VALUE under KEY and empties VALUE. */
static int
add_record(struct writer *self, const void *key, size_t key_len)
{
	size_t len = buffer_size(&self->value);
	int result = -1;
	if (len > UINT32_MAX)
		errno = EFBIG;
	else
		result = cdb_make_add(
		    &self->make, key, (unsigned)key_len, self->value.data, (unsigned)len);
	buffer_fini(&self->value);
	return result;
}

static int
add_named(struct writer *self, enum policy_image_kind kind, const char *name)
{
	struct policy_image_key key;
	if (!policy_image_key(&key, kind, name, strlen(name)))
		abort(); /* policy_check() lets no such name through */
	return add_record(self, key.bytes, key.len);
}

static int
write_header(struct writer *self)
{
	policy_image_put_header(&self->value, &(struct policy_image_header){
	                                          .serial = self->file->serial_value,
	                                          .customers = self->file->customer_count,
	                                          .longest_rule = (uint32_t)self->rules.longest,
	                                      });
	return add_record(self, policy_image_magic, strlen(policy_image_magic));
}

static int
write_callers(
    struct writer *self, char **subjects, uint32_t count, const struct policy_image_caller *caller)
{
	for (uint32_t i = 0; i < count; i++) {
		policy_image_put_caller(&self->value, caller);
		if (add_named(self, POLICY_IMAGE_SUBJECT, subjects[i]) != 0)
			return -1;
	}
	return 0;
}

static int
write_customer(struct writer *self, const struct policy_file_customer *customer)
{
	struct policy_image_caller caller = {
	    .role = POLICY_ROLE_CUSTOMER,
	    .customer = customer->id,
	    .rate = customer->rate_value,
	    .connections = (uint32_t)customer->connections_value,
	    .snapshots_per_day = (uint32_t)customer->snapshots_value,
	};
	if (write_callers(self, customer->subjects, customer->subject_count, &caller) != 0)
		return -1;
	for (uint32_t i = 0; i < customer->licence_count; i++) {
		const struct policy_file_licence *licence = &customer->licences[i];
		policy_image_put_licence(&self->value, &(struct policy_image_licence){
		                                           .product = licence->product,
		                                           .from = licence->from_day,
		                                           .ends = licence->end_day,
		                                       });
	}
	return add_named(self, POLICY_IMAGE_CUSTOMER, customer->id);
}

static int
write_product(struct writer *self, uint32_t number)
{
	const struct policy_file_product *product = &self->file->products[number];
	struct policy_image_key key;
	policy_image_product_key(&key, number);
	policy_image_put_text(&self->value, product->id);
	policy_image_put_u32(&self->value, product->path_count);
	policy_image_put_u32(&self->value, product->except_count);
	for (uint32_t i = 0; i < product->path_count; i++)
		policy_image_put_text(&self->value, product->paths[i]);
	for (uint32_t i = 0; i < product->except_count; i++)
		policy_image_put_text(&self->value, product->except[i]);
	return add_record(self, key.bytes, key.len);
}

static int
write_rule(struct writer *self, const struct rule *rule)
{
	for (size_t i = 0; i < rule->count; i++)
		policy_image_put_u32(&self->value, rule->products[i]);
	return add_named(self, POLICY_IMAGE_RULE, rule->path);
}

static int
write_records(struct writer *self)
{
	const struct policy_file *file = self->file;
	const struct policy_image_caller probe = {.role = POLICY_ROLE_PROBE, .customer = ""};
	const struct policy_image_caller observer = {.role = POLICY_ROLE_OBSERVER, .customer = ""};
	if (write_header(self) != 0)
		return -1;
	for (uint32_t i = 0; i < file->product_count; i++) {
		if (write_product(self, i) != 0)
			return -1;
	}
	for (size_t i = 0; i < self->rules.count; i++) {
		if (write_rule(self, &self->rules.list[i]) != 0)
			return -1;
	}
	for (uint32_t i = 0; i < file->customer_count; i++) {
		if (write_customer(self, &file->customers[i]) != 0)
			return -1;
	}
	if (write_callers(self, file->probes, file->probe_count, &probe) != 0)
		return -1;
	return write_callers(self, file->observers, file->observer_count, &observer);
}

static int
seal(int fd)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -1;
	size_t len = (size_t)status.st_size;
	void *image = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		return -1;
	policy_image_seal(image, len);
	return munmap(image, len);
}

int
policy_write(const struct policy_file *file, int fd)
{
	struct writer self = {.file = file};
	rules_collect(&self.rules, file);
	int result = cdb_make_start(&self.make, fd);
	if (result == 0)
		result = write_records(&self);
	/* Also after a failure: it frees what cdb_make holds. */
	if (cdb_make_finish(&self.make) != 0)
		result = -1;
	if (result == 0)
		result = seal(fd);
	rules_free(&self.rules);
	return result;
}
