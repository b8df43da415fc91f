/*
 * Planning. Nothing is hard here: what a fetch would do in each folder, the fetch itself tells.
 */
#include "plan_command.h"

#include <string.h>

#include "base/json_writer.h"
#include "client/cache/install.h"
#include "client/common/report.h"
#include "client/fetch/fetch.h"

struct planning {
	const struct plan_order *order;
	struct https *https;
	struct buffer *out;
	size_t printed, failed;
	struct failure *first;
};

static void
print(struct planning *self, const struct fetch_order *fetch, const struct fetch_outlook *outlook)
{
	struct buffer *out = self->out;

	if (!self->order->json) {
		buffer_append(out, "\n", self->printed++ > 0);
		fetch_outlook_print(outlook, fetch->product, fetch->folder, out);
		return;
	}
	buffer_printf(out, "%s{", self->printed++ > 0 ? "," : "");
	json_writer_member(out, "product", fetch->product);
	json_writer_member(out, "folder", fetch->folder);
	fetch_outlook_print_members(outlook, out);
	buffer_append(out, "}", 1);
}

/* False when the next one would fail in the same way. */
static bool
plan(struct planning *self, const char *product, const char *folder)
{
	const struct fetch_order fetch = {
	    product, self->order->version, folder, self->order->config};
	struct fetch_outlook outlook = {0};
	struct failure failure = {0};
	bool done = fetch_foresee(&fetch, self->https, &outlook, &failure);

	if (done)
		print(self, &fetch, &outlook);
	if (done && outlook.obstacles.count > 0)
		done = failure_set(&failure, FAILURE_LOCAL, "%s", outlook.obstacles.texts[0]);
	else if (!done)
		report_note("%s: %s", folder, failure.text);
	if (!done && self->failed++ == 0)
		*self->first = failure;
	fetch_outlook_fini(&outlook);
	return done || !failure_ends_all(&failure);
}

static void
plan_all(struct planning *self)
{
	const char *product = self->order->product;
	struct install_list list = {0};
	size_t tried = 0;

	self->failed = !install_list_readable(self->order->config->cache, &list, self->first);
	for (size_t i = 0; i < list.count; i++) {
		const struct install *it = &list.installs[i];
		if (product != NULL && strcmp(product, it->product) != 0)
			continue;
		tried++;
		if (!plan(self, it->product, it->folder))
			break;
	}
	if (tried + self->failed == 0 && product != NULL) {
		self->failed = 1;
		failure_set(self->first, FAILURE_LOCAL, "%s is not installed here", product);
	}
	install_list_fini(&list);
}

bool
plan_command(const struct plan_order *order, struct https *https, struct buffer *out,
    struct failure *failure)
{
	struct planning self = {.order = order, .https = https, .out = out, .first = failure};

	if (order->to != NULL && order->product == NULL)
		return failure_set(failure, FAILURE_USAGE, "plan --to needs a product");
	buffer_printf(out, "%s", order->json ? "{\"planned\":[" : "");
	if (order->to != NULL)
		(void)plan(&self, order->product, order->to);
	else
		plan_all(&self);
	if (order->json) {
		buffer_append(out, "]", 1);
		if (self.failed > 0)
			report_failure_members(failure, out);
		buffer_append(out, "}\n", 2);
	}
	return self.failed == 0;
}
