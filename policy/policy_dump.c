/*
 * Printing a policy as YAML.
 *
 * The hard part is a subject with characters that YAML would fold or refuse: these are escaped,
 * all others stand as they are.
 */
#include "policy_dump.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"
#include "base/value.h"

/* YAML's own word for nothing needs quotes; no other id does. */
static void
print_id(const char *id, FILE *out)
{
	fprintf(out, strcmp(id, "null") == 0 ? "\"%s\"" : "%s", id);
}

/* Line breaks of YAML beyond ASCII's, and characters that may not stand in a file. */
static bool
needs_escape(long character)
{
	return (character >= 0x7f && character < 0xa0) || character == 0x2028 ||
	       character == 0x2029 || character == 0xfeff || character == 0xfffe ||
	       character == 0xffff;
}

static void
print_quoted(const char *text, FILE *out)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
	putc('"', out);
	while (at < end) {
		const unsigned char *start = at;
		long character = utf8_next(&at, end);
		if (needs_escape(character)) {
			fprintf(out, "\\u%04lx", (unsigned long)character);
			continue;
		}
		if (character == '"' || character == '\\')
			putc('\\', out);
		fwrite(start, 1, (size_t)(at - start), out);
	}
	putc('"', out);
}

/* A key with a list of COUNT texts; nothing when it is empty. */
static void
print_texts(const char *key, const char *const *texts, size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, i == 0 ? "%s: [" : "%s", i == 0 ? key : ", ");
		print_quoted(texts[i], out);
	}
	fputs(count > 0 ? "]\n" : "", out);
}

static void
print_product(const struct policy_listing_product *product, FILE *out)
{
	fputs("  - id: ", out);
	print_id(product->id, out);
	putc('\n', out);
	print_texts("    paths", product->paths, product->path_count, out);
	print_texts("    except", product->except, product->except_count, out);
	if (product->catalogue_required)
		fputs("    catalogue: required\n", out);
}

static void
print_licence(
    const struct policy_listing *listing, const struct policy_image_licence *licence, FILE *out)
{
	char day[VALUE_DATE_SIZE];
	fputs("      - {id: ", out);
	print_id(listing->products[licence->product].id, out);
	if (licence->from != POLICY_IMAGE_NO_DAY) {
		value_print_day(licence->from, day);
		fprintf(out, ", from: %s", day);
	}
	if (licence->ends != POLICY_IMAGE_NO_DAY) {
		value_print_day(licence->ends - 1, day);
		fprintf(out, ", until: %s", day);
	}
	fputs("}\n", out);
}

/* The subjects from FIRST on that have ROLE and CUSTOMER; returns the place after them. */
static uint32_t
print_subjects(const struct policy_listing *listing, uint32_t first, enum policy_role role,
    uint32_t customer, const char *key, FILE *out)
{
	uint32_t i = first;
	for (; i < listing->subject_count; i++) {
		const struct policy_listing_subject *subject = &listing->subjects[i];
		if (subject->role != role || subject->customer != customer)
			break;
		fprintf(out, i == first ? "%s: [" : "%s", i == first ? key : ", ");
		print_quoted(subject->text, out);
	}
	fputs(i > first ? "]\n" : "", out);
	return i;
}

static void
print_issuer(const char *key, const char *issuer, FILE *out)
{
	fprintf(out, "%s: ", key);
	print_quoted(issuer, out);
	putc('\n', out);
}

static void
print_limit(const char *key, uint64_t limit, FILE *out)
{
	if (limit != 0)
		fprintf(out, "    %s: %" PRIu64 "\n", key, limit);
}

static void
print_customer(const struct policy_listing *listing, uint32_t number, FILE *out)
{
	const struct policy_listing_customer *customer = &listing->customers[number];
	struct policy_image_cursor licences = customer->licences;
	struct policy_image_licence licence;
	char rate[VALUE_SIZE_SIZE];
	fputs("  - id: ", out);
	print_id(customer->id, out);
	putc('\n', out);
	print_subjects(
	    listing, customer->first_subject, POLICY_ROLE_CUSTOMER, number, "    subjects", out);
	if (customer->issuer[0] != '\0' && strcmp(customer->issuer, listing->issuer) != 0)
		print_issuer("    issuer", customer->issuer, out);
	fputs(customer->licence_count > 0 ? "    products:\n" : "", out);
	while (policy_image_get_licence(&licences, &licence))
		print_licence(listing, &licence, out);
	if (customer->rate != 0) {
		value_print_size(customer->rate, rate);
		fprintf(out, "    rate: %s\n", rate);
	}
	print_limit("connections", customer->connections, out);
	print_limit("requests_per_second", customer->requests_per_second, out);
	if (customer->subject_count > 0 && customer->snapshots_per_day != POLICY_SNAPSHOTS_PER_DAY)
		fprintf(out, "    snapshots_per_day: %" PRIu32 "\n", customer->snapshots_per_day);
}

void
policy_dump(const struct policy_listing *listing, FILE *out)
{
	fprintf(out, "serial: %" PRIu64 "\n", listing->serial);
	if (listing->issuer[0] != '\0')
		print_issuer("issuer", listing->issuer, out);
	fputs(listing->product_count > 0 ? "products:\n" : "", out);
	for (uint32_t i = 0; i < listing->product_count; i++)
		print_product(&listing->products[i], out);
	fputs(listing->customer_count > 0 ? "customers:\n" : "", out);
	uint32_t others = 0;
	for (uint32_t i = 0; i < listing->customer_count; i++) {
		print_customer(listing, i, out);
		others += listing->customers[i].subject_count;
	}
	others = print_subjects(
	    listing, others, POLICY_ROLE_PROBE, POLICY_LISTING_NO_CUSTOMER, "probes", out);
	print_subjects(
	    listing, others, POLICY_ROLE_OBSERVER, POLICY_LISTING_NO_CUSTOMER, "observers", out);
}
