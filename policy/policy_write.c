/*
 * Writing of policy images.
 *
 * The file lists rules under products; the image needs them the other way round, each rule's list
 * ascending, as the reader's binary search wants it. policy_rules.c turns them.
 */
#include "policy_write.h"

#include <cdb.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "policy_image.h"
#include "policy_rules.h"

struct writer {
	const struct policy_file *file;
	struct cdb_make make;
	struct buffer value; /* of the record being made */
	struct policy_rules *rules;
};

static struct policy_rules *
rules_of(const struct policy_file *file)
{
	struct policy_rules *rules = policy_rules_new();
	for (uint32_t i = 0; i < file->product_count; i++) {
		const struct policy_file_product *product = &file->products[i];
		for (uint32_t j = 0; j < product->path_count; j++)
			policy_rules_add(rules, product->paths[j], i);
	}
	return rules;
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
	policy_image_put_header(
	    &self->value, &(struct policy_image_header){
	                      .serial = self->file->serial_value,
	                      .customers = self->file->customer_count,
	                      .longest_rule = (uint32_t)policy_rules_longest(self->rules),
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
	    .issuer = customer->issuer != NULL ? customer->issuer : self->file->issuer,
	    .rate = customer->rate_value,
	    .connections = (uint32_t)customer->connections_value,
	    .snapshots_per_day = (uint32_t)customer->snapshots_value,
	    .requests_per_second = (uint32_t)customer->requests_value,
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
	policy_image_put_u32(&self->value, product->catalogue_required);
	for (uint32_t i = 0; i < product->path_count; i++)
		policy_image_put_text(&self->value, product->paths[i]);
	for (uint32_t i = 0; i < product->except_count; i++)
		policy_image_put_text(&self->value, product->except[i]);
	return add_record(self, key.bytes, key.len);
}

static int
write_rule(struct writer *self, const struct policy_rule *rule)
{
	for (size_t i = 0; i < rule->count; i++)
		policy_image_put_u32(&self->value, rule->products[i]);
	return add_named(self, POLICY_IMAGE_RULE, rule->path);
}

static int
write_records(struct writer *self)
{
	const struct policy_file *file = self->file;
	const struct policy_image_caller probe = {
	    .role = POLICY_ROLE_PROBE, .customer = "", .issuer = file->issuer};
	const struct policy_image_caller observer = {
	    .role = POLICY_ROLE_OBSERVER, .customer = "", .issuer = file->issuer};
	if (write_header(self) != 0)
		return -1;
	for (uint32_t i = 0; i < file->product_count; i++) {
		if (write_product(self, i) != 0)
			return -1;
	}
	for (size_t i = 0; i < policy_rules_count(self->rules); i++) {
		if (write_rule(self, policy_rules_at(self->rules, i)) != 0)
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
	struct writer self = {.file = file, .rules = rules_of(file)};
	int result = cdb_make_start(&self.make, fd);
	if (result == 0)
		result = write_records(&self);
	/* Also after a failure: it frees what cdb_make holds. */
	if (cdb_make_finish(&self.make) != 0)
		result = -1;
	if (result == 0)
		result = seal(fd);
	policy_rules_free(self.rules);
	return result;
}
