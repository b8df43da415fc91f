/* Sending. The one hard part is to tell a snapshot that will never be taken from a server that does
 * not take any just now: the first must not block the others, the second must lose none. */
#include "snapshot_send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "client/common/report.h"
#include "receipt.h"

enum { RECEIPT_MAX_BYTES = 64 * 1024 };

char *
snapshot_send_path(const char *system)
{
	return buffer_text("/snapshots/%s", system);
}

char *
snapshot_send_digest(const char *sha256)
{
	char base64[DIGEST_BASE64_SIZE];

	digest_base64(sha256, base64);
	return buffer_text("Content-Digest: sha-256=:%s:", base64);
}

static bool
put(const struct spool_entry *entry, const struct buffer *text, struct https *https,
    struct buffer *receipt, struct failure *failure)
{
	char *path = snapshot_send_path(entry->system);
	char *digest = snapshot_send_digest(entry->sha256);
	const struct https_upload upload = {buffer_bytes(text), buffer_size(text), digest};
	bool done =
	    https_put(https, path, &upload, RECEIPT_MAX_BYTES, receipt, failure) &&
	    receipt_check(receipt, entry->system, entry->sha256, buffer_size(text), failure);

	free(digest);
	free(path);
	return done;
}

static void
tell_receipt(const struct spool *spool, const struct spool_entry *entry, struct buffer *receipts)
{
	char *name = spool_receipt_name(spool, entry);

	if (buffer_size(receipts) > 0)
		buffer_append(receipts, ",", 1);
	buffer_append(receipts, "{", 1);
	json_writer_member(receipts, "system", entry->system);
	json_writer_member(receipts, "sha256", entry->sha256);
	json_writer_member(receipts, "receipt", name);
	buffer_append(receipts, "}", 1);
	report_note("the snapshot of %s is filed; receipt: %s", entry->system, name);
	free(name);
}

static bool
send_one(struct spool *spool, const struct spool_entry *entry, struct https *https,
    struct buffer *receipts, struct failure *failure)
{
	struct buffer text = {0}, receipt = {0};
	bool done = spool_read(spool, entry, &text, failure) &&
	            put(entry, &text, https, &receipt, failure) &&
	            spool_keep_receipt(spool, entry, &receipt, failure);

	if (done)
		tell_receipt(spool, entry, receipts);
	buffer_fini(&receipt);
	buffer_fini(&text);
	return done;
}

/* The server read it and will say the same tomorrow, or it is damaged. */
static bool
is_for_good(const struct failure *failure)
{
	if (failure->kind == FAILURE_SNAPSHOT)
		return true;
	return failure->kind == FAILURE_REFUSED &&
	       (failure->status == 403 || failure->status == 413 || failure->status == 422);
}

/* What is wrong with one snapshot's answer alone does not keep the next one back. */
static bool
concerns_all(const struct failure *failure)
{
	return failure->passes ||
	       (failure->kind != FAILURE_REFUSED && failure->kind != FAILURE_ANSWER &&
	           failure->kind != FAILURE_NOT_FOUND);
}

/* Deals with what one snapshot met; false when the rest has to wait. */
static bool
go_on(struct spool *spool, const struct spool_entry *entry, struct failure *failure)
{
	struct failure moving = {0};

	if (!is_for_good(failure))
		return !concerns_all(failure);
	if (!spool_refuse(spool, entry, failure->text, &moving)) {
		*failure = moving;
		return false;
	}
	report_note("the snapshot of %s is put aside: %s", entry->system, failure->text);
	return true;
}

bool
snapshot_send(
    struct spool *spool, struct https *https, struct buffer *receipts, struct failure *failure)
{
	struct spool_list list = {0};
	struct failure first = {0};
	bool goes_on = true;

	if (!spool_list(spool, &list, failure))
		return false;
	for (size_t i = 0; i < list.count && goes_on; i++) {
		if (send_one(spool, &list.entries[i], https, receipts, failure))
			continue;
		goes_on = go_on(spool, &list.entries[i], failure);
		if (first.kind == FAILURE_NONE)
			first = *failure;
	}
	spool_list_fini(&list);
	*failure = first;
	return first.kind == FAILURE_NONE;
}
