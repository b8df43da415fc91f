/*
 * Updating. The one hard part is to go on where that makes sense: a product without a licence says
 * nothing about the next one, a server that refuses our certificate does.
 */
#include "update.h"

#include <string.h>

#include "fetch.h"
#include "install.h"
#include "report.h"

static bool
ends_all(const struct failure *failure)
{
	return failure->kind == FAILURE_UNREACHABLE || failure->kind == FAILURE_UNTRUSTED ||
	       failure->kind == FAILURE_CERTIFICATE || failure->kind == FAILURE_CONFIGURATION;
}

bool
update_all(
    const struct config *config, const char *product, struct https *https, struct failure *failure)
{
	struct install_list list = {0};
	bool done = install_list(config->cache, NULL, &list, failure);
	size_t tried = 0, failed = 0;
	struct failure last = {0};

	for (size_t i = 0; i < list.count && done && !(failed > 0 && ends_all(&last)); i++) {
		const struct install *it = &list.installs[i];
		const struct fetch_order order = {
		    it->product, NULL, it->folder, config->cache, config->release};

		if (product != NULL && strcmp(product, it->product) != 0)
			continue;
		tried++;
		if (fetch_product(&order, https, &last))
			continue;
		report_note("%s: %s", it->folder, last.text);
		if (failed++ == 0)
			*failure = last;
	}
	if (done && tried == 0 && product != NULL)
		done = failure_set(failure, FAILURE_LOCAL, "%s is not installed here", product);
	install_list_fini(&list);
	return done && failed == 0;
}
