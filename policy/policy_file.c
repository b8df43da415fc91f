/*
 * The libcyaml schema of policy.yaml.
 */
#include "policy_file.h"

/* Optional text of any length; see policy_file.h for why all are optional. */
#define TEXT(key, structure, member) \
	CYAML_FIELD_STRING_PTR(      \
	    key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, member, 0, CYAML_UNLIMITED)

#define LIST(key, structure, member, counter, schema)                                        \
	CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, \
	    member, counter, schema, 0, CYAML_UNLIMITED)

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t product_fields[] = {
    TEXT("id", struct policy_file_product, id),
    LIST("paths", struct policy_file_product, paths, path_count, &text_schema),
    LIST("except", struct policy_file_product, except, except_count, &text_schema),
    TEXT("catalogue", struct policy_file_product, catalogue),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t product_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct policy_file_product, product_fields),
};

static const cyaml_schema_field_t licence_fields[] = {
    TEXT("id", struct policy_file_licence, id),
    TEXT("from", struct policy_file_licence, from),
    TEXT("until", struct policy_file_licence, until),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t licence_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct policy_file_licence, licence_fields),
};

static const cyaml_schema_field_t customer_fields[] = {
    TEXT("id", struct policy_file_customer, id),
    LIST("subjects", struct policy_file_customer, subjects, subject_count, &text_schema),
    TEXT("issuer", struct policy_file_customer, issuer),
    LIST("products", struct policy_file_customer, licences, licence_count, &licence_schema),
    TEXT("rate", struct policy_file_customer, rate),
    TEXT("connections", struct policy_file_customer, connections),
    TEXT("snapshots_per_day", struct policy_file_customer, snapshots_per_day),
    TEXT("requests_per_second", struct policy_file_customer, requests_per_second),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t customer_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct policy_file_customer, customer_fields),
};

static const cyaml_schema_field_t assert_fields[] = {
    TEXT("subject", struct policy_file_assert, subject),
    TEXT("issuer", struct policy_file_assert, issuer),
    TEXT("download", struct policy_file_assert, download),
    TEXT("snapshot", struct policy_file_assert, snapshot),
    TEXT("expect", struct policy_file_assert, expect),
    TEXT("at", struct policy_file_assert, at),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t assert_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct policy_file_assert, assert_fields),
};

static const cyaml_schema_field_t policy_fields[] = {
    TEXT("serial", struct policy_file, serial),
    TEXT("issuer", struct policy_file, issuer),
    LIST("products", struct policy_file, products, product_count, &product_schema),
    LIST("customers", struct policy_file, customers, customer_count, &customer_schema),
    LIST("probes", struct policy_file, probes, probe_count, &text_schema),
    LIST("observers", struct policy_file, observers, observer_count, &text_schema),
    LIST("assert", struct policy_file, asserts, assert_count, &assert_schema),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t policy_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct policy_file, policy_fields),
};

struct policy_file *
policy_file_load(const char *name, const char *bytes, size_t len, struct yaml_source **source,
    struct problems *problems)
{
	void *data = NULL;
	*source = yaml_source_load_tolerant(name, bytes, len, &policy_schema, &data, problems);
	return data;
}

void
policy_file_free(struct policy_file *self)
{
	if (self != NULL)
		yaml_source_free_data(&policy_schema, self);
}
