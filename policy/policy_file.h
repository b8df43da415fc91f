/*
 * policy.yaml as C structures, and its libcyaml schema.
 *
 * Private to the policy compiler. To libcyaml every scalar is an optional text: whether it is
 * there, and means something, is for policy_check.c, which can then report all mistakes of a file
 * in one run. Texts that the file leaves out are NULL. Members under "checked" are filled by
 * policy_check().
 */
#ifndef POLICY_POLICY_FILE_H
#define POLICY_POLICY_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/problems.h"
#include "base/yaml_source.h"
#include "policy.h"

struct policy_file_product {
	char *id;
	char **paths;
	uint32_t path_count;
	char **except;
	uint32_t except_count;
	char *catalogue;
	/* checked */
	bool catalogue_required;
};

struct policy_file_licence {
	char *id;
	char *from;
	char *until;
	/* checked: as in struct policy_image_licence */
	uint32_t product;
	uint32_t from_day;
	uint32_t end_day;
};

struct policy_file_customer {
	char *id;
	char **subjects;
	uint32_t subject_count;
	char *issuer;
	struct policy_file_licence *licences;
	uint32_t licence_count;
	char *rate;
	char *connections;
	char *snapshots_per_day;
	char *requests_per_second;
	/* checked; 0: no limit */
	uint64_t rate_value;
	uint64_t connections_value;
	uint64_t snapshots_value;
	uint64_t requests_value;
};

struct policy_file_assert {
	char *subject;
	char *issuer;
	char *download;
	char *snapshot;
	char *expect;
	char *at;
	/* checked */
	enum policy_verdict verdict;
	time_t time;
};

struct policy_file {
	char *serial;
	char *issuer; /* of all subjects but those of a customer with its own */
	struct policy_file_product *products;
	uint32_t product_count;
	struct policy_file_customer *customers;
	uint32_t customer_count;
	char **probes;
	uint32_t probe_count;
	char **observers;
	uint32_t observer_count;
	struct policy_file_assert *asserts;
	uint32_t assert_count;
	/* checked */
	uint64_t serial_value;
};

/* Loads LEN bytes; NAME is for messages. Returns NULL when the text does not have the shape of a
 * policy. Otherwise *SOURCE finds lines, but there may be problems (unknown keys) all the same.
 * The caller frees *SOURCE with yaml_source_free(). */
struct policy_file *policy_file_load(const char *name, const char *bytes, size_t len,
    struct yaml_source **source, struct problems *problems);
void policy_file_free(struct policy_file *self);

#endif
