/*
 * Updating. The one hard part is to go on where that makes sense: a product without a licence says
 * nothing about the next one, a server that refuses our certificate does.
 */
#include "update.h"

#include <string.h>

#include "client/cache/install.h"
#include "client/common/report.h"
#include "fetch.h"

static bool
update_one(const struct fetch_order *order, struct https *https, struct buffer *out,
    struct failure *failure)
{
	struct fetch_result result = {0};
	bool done = fetch_product(order, https, &result, failure);

	if (done) {
		buffer_append(out, ",", buffer_size(out) > 0);
		fetch_print_json(order, &result, out);
	} else {
		report_note("%s: %s", order->folder, failure->text);
	}
	fetch_result_fini(&result);
	return done;
}

bool
update_all(const struct config *config, const char *product, struct https *https,
    struct buffer *out, struct failure *failure)
{
	struct install_list list = {0};
	struct buffer updated = {0};
	size_t tried = 0, failed = !install_list_readable(config->cache, &list, failure);
	bool ended = false;

	for (size_t i = 0; i < list.count && !ended; i++) {
		struct failure last = {0};
		const struct install *it = &list.installs[i];
		const struct fetch_order order = {it->product, NULL, it->folder, config};

		if (product != NULL && strcmp(product, it->product) != 0)
			continue;
		tried++;
		if (update_one(&order, https, &updated, &last))
			continue;
		if (failed++ == 0)
			*failure = last;
		ended = failure_ends_all(&last);
	}
	if (tried + failed == 0 && product != NULL)
		failed = !failure_set(failure, FAILURE_LOCAL, "%s is not installed here", product);
	buffer_printf(out, "{\"updated\":[%.*s]", (int)buffer_size(&updated),
	    updated.data != NULL ? buffer_bytes(&updated) : "");
	if (failed > 0)
		report_failure_members(failure, out);
	buffer_append(out, "}\n", 2);
	buffer_fini(&updated);
	install_list_fini(&list);
	return failed == 0;
}
