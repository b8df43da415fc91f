/* The command. The one hard part is that whatever goes wrong after the snapshot is on the disk, the
 * user learns that it waits there. */
#include "snapshot_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "client/cache/install.h"
#include "client/common/report.h"
#include "client/fetch/installed.h"
#include "client/net/https.h"
#include "client/release/crl_renewal.h"
#include "client/snapshot/inventory.h"
#include "client/snapshot/snapshot_send.h"
#include "client/snapshot/spool.h"

static bool
is_known(const struct inventory *inventory, const struct install *install)
{
	for (size_t i = 0; i < inventory->count; i++) {
		const struct inventory_component *it = &inventory->components[i];
		if (strcmp(it->name, install->product) == 0 &&
		    strcmp(it->version, install->version) == 0)
			return true;
	}
	return false;
}

/* Adds what is installed, and sorts. One version in two folders counts once; two versions are a
 * failure that names both folders. So is a folder that is not whole: neither its version nor its
 * absence would be true. */
static bool
collect(const struct snapshot_order *order, struct inventory *inventory, struct failure *failure)
{
	struct install_list list = {0};
	bool done = install_list(order->cache, order->under, &list, failure);

	for (size_t i = 0; i < list.count && done; i++) {
		const struct install *it = &list.installs[i];
		done = installed_is_whole(it->folder, failure) &&
		       (is_known(inventory, it) ||
		           inventory_add(inventory, it->product, it->version, it->folder, failure));
	}
	if (done && list.count == 0)
		done = failure_set(failure, FAILURE_SNAPSHOT, "nothing is installed%s%s",
		    order->under != NULL ? " in " : "", order->under != NULL ? order->under : "");
	install_list_fini(&list);
	return done && inventory_sort(inventory, failure);
}

bool
snapshot_command_show(
    const struct snapshot_order *order, struct buffer *out, struct failure *failure)
{
	struct inventory inventory = {0};
	bool done =
	    inventory_is_name(order->system) ||
	    failure_set(failure, FAILURE_USAGE, "not the name of a system: %s", order->system);

	if (done && order->from != NULL)
		done = inventory_read(&inventory, order->from, order->system, failure);
	else if (done)
		done = collect(order, &inventory, failure);
	done = done && inventory_print(&inventory, order->system, out, failure);
	inventory_fini(&inventory);
	return done;
}

static void
print_entries(const struct spool_list *list, struct buffer *out)
{
	for (size_t i = 0; i < list->count; i++)
		buffer_printf(out, "%s\n", list->entries[i].file);
}

static void
print_entries_json(const struct spool_list *list, struct buffer *out)
{
	buffer_printf(out, "{\"waiting\":[");
	for (size_t i = 0; i < list->count; i++) {
		buffer_printf(out, "%s", i > 0 ? ",{" : "{");
		json_writer_member(out, "system", list->entries[i].system);
		json_writer_member(out, "sha256", list->entries[i].sha256);
		json_writer_member(out, "file", list->entries[i].file);
		buffer_printf(out, "}");
	}
	buffer_printf(out, "]}\n");
}

bool
snapshot_command_pending(
    const struct config *config, bool json, struct buffer *out, struct failure *failure)
{
	struct spool_list list = {0};
	struct spool *spool = spool_open(config->state, failure);
	bool done = spool != NULL && spool_list(spool, &list, failure);

	if (done) {
		(json ? print_entries_json : print_entries)(&list, out);
		spool_list_fini(&list);
	}
	spool_close(spool);
	return done;
}

/* Adds to FAILURE how many wait. */
static void
tell_waiting(struct spool *spool, struct failure *failure)
{
	struct spool_list list = {0};
	struct failure first = *failure, other;

	if (!spool_list(spool, &list, &other))
		return;
	if (list.count > 0)
		failure_set(failure, first.kind, "%s; snapshots that wait in %s: %zu", first.text,
		    spool_outgoing(spool), list.count);
	spool_list_fini(&list);
}

static bool
send_all(
    const struct config *config, struct spool *spool, struct buffer *out, struct failure *failure)
{
	struct https *https =
	    crl_renewal_prepare(config, failure) ? https_new(config, failure) : NULL;
	struct buffer receipts = {0};
	bool done = https != NULL && spool_lock(spool, failure) &&
	            snapshot_send(spool, https, &receipts, failure);

	https_free(https);
	if (done)
		buffer_printf(out, "{\"sent\":[%.*s]}\n", (int)buffer_size(&receipts),
		    receipts.data != NULL ? buffer_bytes(&receipts) : "");
	else
		tell_waiting(spool, failure);
	buffer_fini(&receipts);
	return done;
}

/* NULL with FAILURE filled when it is not safely on the disk. */
static char *
put_into(struct spool *spool, const struct snapshot_order *order, struct failure *failure)
{
	struct buffer text = {0};
	char *file = NULL;

	if (snapshot_command_show(order, &text, failure))
		file = spool_add(spool, order->system, &text, failure);
	buffer_fini(&text);
	return file;
}

bool
snapshot_command_send(const struct config *config, const struct snapshot_order *order,
    struct buffer *out, struct failure *failure)
{
	struct spool *spool = spool_open(config->state, failure);
	char *file = NULL;
	bool done = spool != NULL;

	if (done && order->system != NULL) {
		file = put_into(spool, order, failure);
		done = file != NULL;
	}
	/* Another process may have sent ours while we waited for it. */
	done = done && send_all(config, spool, out, failure) &&
	       (file == NULL || spool_was_taken(spool, file, failure));
	free(file);
	spool_close(spool);
	return done;
}
