/*
 * Fleets: which version is the newest, which are bad; and cells, whatever text they hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/report/cell.h"
#include "client/report/fleet_page.h"

static const struct inventory none;

/* An inventory of one component. */
static struct inventory
only(const char *name, const char *version)
{
	struct inventory inventory = {0};
	struct failure failure;

	assert_true(inventory_add(&inventory, name, version, "here", &failure));
	return inventory;
}

static void
add(struct fleet *fleet, const char *customer, const char *system, const char *name,
    const char *version)
{
	struct inventory inventory = only(name, version);

	fleet_add(fleet, customer, system, 0, &inventory);
	inventory_fini(&inventory);
}

/* Globex with 1.9 and 1.10, acme with 1.2. */
static struct fleet *
three_systems(void)
{
	struct fleet *fleet = fleet_new();

	add(fleet, "globex", "b", "step", "1.9");
	add(fleet, "globex", "a", "step", "1.10");
	add(fleet, "acme", "z", "step", "1.2");
	return fleet;
}

static const struct fleet_version *
version_of(const struct fleet *fleet, size_t i)
{
	return &fleet->versions[fleet->systems[i].runs[0]];
}

static void
assert_system(const struct fleet *fleet, size_t i, const char *customer, const char *version,
    const char *state)
{
	assert_string_equal(fleet->systems[i].customer, customer);
	assert_string_equal(version_of(fleet, i)->text, version);
	assert_string_equal(fleet_state(version_of(fleet, i)), state);
}

static void
test_the_newest_is_the_newest_of_any_customer(void **state)
{
	struct fleet *fleet = three_systems();

	(void)state;
	fleet_settle(fleet, &none, &none);
	assert_int_equal(fleet->system_count, 3);
	assert_string_equal(fleet->components[0].newest, "1.10");
	assert_system(fleet, 0, "acme", "1.2", "older");
	assert_system(fleet, 1, "globex", "1.10", "newest");
	assert_system(fleet, 2, "globex", "1.9", "older");
	fleet_free(fleet);
}

static void
test_a_newest_version_that_is_given_counts(void **state)
{
	struct fleet *fleet = three_systems();
	struct inventory newest = only("step", "1.9.0");

	(void)state;
	fleet_settle(fleet, &newest, &none);
	assert_string_equal(fleet->components[0].newest, "1.9.0");
	assert_system(fleet, 0, "acme", "1.2", "older");
	assert_system(fleet, 1, "globex", "1.10", "newer");
	assert_system(fleet, 2, "globex", "1.9", "newest");
	inventory_fini(&newest);
	fleet_free(fleet);
}

static void
test_a_bad_version_is_bad_in_each_spelling_and_of_its_component_only(void **state)
{
	struct fleet *fleet = three_systems();
	struct inventory bad = only("step", "1.9.0");

	(void)state;
	add(fleet, "acme", "y", "other", "1.9");
	fleet_settle(fleet, &none, &bad);
	assert_string_equal(fleet->systems[0].name, "y");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(version_of(fleet, i)->bad, i == 3);
	inventory_fini(&bad);
	fleet_free(fleet);
}

static void
test_a_fleet_may_be_empty(void **state)
{
	struct fleet *fleet = fleet_new();
	struct inventory bad = only("step", "1");

	(void)state;
	fleet_settle(fleet, &bad, &bad);
	assert_int_equal(fleet->system_count, 0);
	inventory_fini(&bad);
	fleet_free(fleet);
	fleet_free(NULL);
}

static void
assert_cell(void (*print)(struct buffer *, const char *), const char *text, const char *expected)
{
	struct buffer out = {0};

	print(&out, text);
	buffer_append(&out, "", 1);
	assert_string_equal(buffer_bytes(&out), expected);
	buffer_fini(&out);
}

static void
test_a_field_of_csv_is_quoted_where_it_must_be(void **state)
{
	(void)state;
	assert_cell(cell_csv, "", "");
	assert_cell(cell_csv, "plain 1", "plain 1");
	assert_cell(cell_csv, "a,b", "\"a,b\"");
	assert_cell(cell_csv, "say \"a\"", "\"say \"\"a\"\"\"");
	assert_cell(cell_csv, "a\r\nb", "\"a\r\nb\"");
}

static void
test_a_formula_is_none_in_csv(void **state)
{
	(void)state;
	assert_cell(cell_csv, "=1+1", "'=1+1");
	assert_cell(cell_csv, "+1", "'+1");
	assert_cell(cell_csv, "-1", "'-1");
	assert_cell(cell_csv, "@scope/core", "'@scope/core");
	assert_cell(cell_csv, "\t=1", "'\t=1");
	assert_cell(cell_csv, "\r=1", "\"'\r=1\"");
	assert_cell(cell_csv, "=a,\"b\"", "\"'=a,\"\"b\"\"\"");
	assert_cell(cell_csv, "1-1=0", "1-1=0");
}

static void
test_html_has_no_markup_of_a_text(void **state)
{
	(void)state;
	assert_cell(cell_html, "a < b & c > d", "a &lt; b &amp; c &gt; d");
	assert_cell(cell_html, "\"'", "&quot;&#39;");
	assert_cell(cell_html, "</td><script>", "&lt;/td&gt;&lt;script&gt;");
	assert_cell(cell_html, "&lt;", "&amp;lt;");
}

static void
test_forms_have_names(void **state)
{
	(void)state;
	assert_string_equal(fleet_print_form("csv")->name, "csv");
	assert_null(fleet_print_form("html"));
	assert_string_equal(fleet_page_form.name, "html");
}

static void
test_a_time_that_no_calendar_has_is_unknown(void **state)
{
	struct fleet_system system = {.seen = INT64_MAX};
	char text[FLEET_TIME_SIZE];

	(void)state;
	fleet_print_time(&system, text);
	assert_string_equal(text, "unknown");
	system.seen = -1;
	fleet_print_time(&system, text);
	assert_string_equal(text, "1969-12-31T23:59:59Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_newest_is_the_newest_of_any_customer),
	    cmocka_unit_test(test_a_newest_version_that_is_given_counts),
	    cmocka_unit_test(test_a_bad_version_is_bad_in_each_spelling_and_of_its_component_only),
	    cmocka_unit_test(test_a_fleet_may_be_empty),
	    cmocka_unit_test(test_a_field_of_csv_is_quoted_where_it_must_be),
	    cmocka_unit_test(test_a_formula_is_none_in_csv),
	    cmocka_unit_test(test_html_has_no_markup_of_a_text),
	    cmocka_unit_test(test_forms_have_names),
	    cmocka_unit_test(test_a_time_that_no_calendar_has_is_unknown),
	};
	return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
