/* The report for the vendor. Nothing is hard here. */
#include "report_command.h"

#include <errno.h>
#include <string.h>

#include "client/report/fleet_page.h"
#include "client/report/fleet_print.h"
#include "client/report/fleet_read.h"

static const struct fleet_form *
find_form(const struct options *options, struct failure *failure)
{
	const char *name = options->given[OPTION_FORMAT];
	const struct fleet_form *form;

	if (name == NULL)
		name = options->json ? "json" : "table";
	form = strcmp(name, fleet_page_form.name) == 0 ? &fleet_page_form : fleet_print_form(name);
	if (form == NULL)
		failure_set(failure, FAILURE_USAGE,
		    "--format takes table, csv, json or html, not %s", name);
	if (form == NULL || !options->json || form->tells_failure)
		return form;
	failure_set(failure, FAILURE_USAGE, "--json and --format %s contradict each other", name);
	return NULL;
}

/* Reads the list that OPTION names, if it was given. A mistake in it is none of a snapshot. */
static bool
read_list(const struct options *options, enum option_name option, struct inventory *list,
    struct failure *failure)
{
	const char *name = options->given[option];

	if (name == NULL || inventory_read_list(list, name, failure))
		return true;
	failure->kind = FAILURE_LOCAL;
	return false;
}

static bool
read_lists(const struct options *options, struct inventory *newest, struct inventory *bad,
    struct failure *failure)
{
	if (!read_list(options, OPTION_NEWEST, newest, failure) ||
	    !read_list(options, OPTION_BAD, bad, failure))
		return false;
	if (inventory_sort(newest, failure))
		return true;
	failure->kind = FAILURE_LOCAL;
	return false;
}

static bool
print(
    const struct fleet *fleet, const struct fleet_form *form, bool strict, struct failure *failure)
{
	bool incomplete = strict && fleet->passed_over > 0;

	if (incomplete)
		failure_set(failure, FAILURE_SNAPSHOT,
		    "the report is not complete: passed over were %zu", fleet->passed_over);
	if (!fleet_print(fleet, form, incomplete ? failure : NULL, stdout))
		return failure_set(
		    failure, FAILURE_LOCAL, "cannot write to standard output: %s", strerror(errno));
	failure->told = incomplete && form->tells_failure;
	return !incomplete;
}

bool
report_command(const struct options *options, struct failure *failure)
{
	const struct fleet_form *form = find_form(options, failure);
	struct inventory newest = {0}, bad = {0};
	bool done = false;

	if (form == NULL)
		return false;
	struct fleet *fleet = fleet_new();
	if (read_lists(options, &newest, &bad, failure) &&
	    fleet_read(fleet, options_word(options, 0), failure)) {
		fleet_settle(fleet, &newest, &bad);
		done = print(fleet, form, options->given[OPTION_STRICT] != NULL, failure);
	}
	fleet_free(fleet);
	inventory_fini(&newest);
	inventory_fini(&bad);
	return done;
}
