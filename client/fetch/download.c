/*
 * Many downloads. The hard part is another process, or another item of this list, that is at the
 * same artifact just now: such an item is put off, and found in the cache when the other is done.
 */
#include "download.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "client/cache/cache_batch.h"
#include "client/cache/cache_part.h"
#include "client/common/lock.h"
#include "client/common/progress.h"
#include "client/common/report.h"

struct run {
	const struct download_order *order;
	struct download_count *count;
	struct progress *progress;
	bool *begun;        /* for each item: it needs no more beginning */
	bool *arrived;      /* for each: it is ready when all have come */
	size_t first;       /* all before it are begun */
	bool told;          /* that others are waited for */
	int64_t wait_since; /* when nothing but others' downloads was left; 0: that is not so */
};

/* One item on its way: the sink's ARG. */
struct transfer {
	struct run *run;
	size_t item;
	struct cache_part *part;
};

static const struct digest *
digest_of_item(const struct run *self, size_t item)
{
	return self->order->items[item].digest;
}

/* The item's object is in the cache, or will be when the batch ends. */
static void
arrive(struct run *self, size_t item)
{
	progress_file_done(self->progress);
	self->arrived[item] = true;
}

/* ---- the sink ------------------------------------------------------------------------------ */

static uint64_t
on_resume(void *arg, const char **etag)
{
	const struct transfer *self = arg;
	return cache_part_resume(self->part, etag);
}

static bool
on_begin(void *arg, uint64_t offset, const char *etag, struct failure *failure)
{
	struct transfer *self = arg;
	uint64_t had = cache_part_size(self->part);
	bool done = cache_part_begin(self->part, offset, etag, failure);

	progress_add(self->run->progress, (int64_t)cache_part_size(self->part) - (int64_t)had);
	return done;
}

static bool
on_take(void *arg, const char *bytes, size_t len, struct failure *failure)
{
	struct transfer *self = arg;

	self->run->count->bytes += len;
	self->run->wait_since = 0;
	progress_add(self->run->progress, (int64_t)len);
	return cache_part_take(self->part, bytes, len, failure);
}

static bool
on_end(void *arg, struct failure *failure)
{
	struct transfer *self = arg;
	uint64_t had = cache_part_size(self->part);

	if (!cache_part_end(self->part, failure)) {
		progress_add(
		    self->run->progress, (int64_t)cache_part_size(self->part) - (int64_t)had);
		return false;
	}
	self->run->count->files++;
	arrive(self->run, self->item);
	return true;
}

static void
on_close(void *arg)
{
	struct transfer *self = arg;

	cache_part_close(self->part);
	free(self);
}

/* ---- the source ---------------------------------------------------------------------------- */

/* What a killed process had complete but for its name needs no server. */
static enum https_next
begin_part(struct run *self, size_t item, struct cache_part *part, struct https_download *download)
{
	struct transfer *transfer = buffer_alloc(sizeof *transfer);

	*transfer = (struct transfer){self, item, part};
	*download = (struct https_download){
	    .path = self->order->items[item].path,
	    .size = digest_of_item(self, item)->size,
	    .sink = {transfer, on_resume, on_begin, on_take, on_end, on_close},
	};
	progress_add(self->progress, (int64_t)cache_part_size(part));
	return HTTPS_NEXT;
}

/* ITEM needs no server. */
static enum https_next
is_cached(struct run *self, size_t item)
{
	progress_add(self->progress, (int64_t)digest_of_item(self, item)->size);
	arrive(self, item);
	return HTTPS_NONE;
}

/* Once: a line for each artifact, again and again, would tell no more. */
static void
tell_waiting(struct run *self, size_t item)
{
	if (!self->told)
		report_detail("waiting for another download of %s", self->order->items[item].path);
	self->told = true;
}

/* Begins ITEM: NEXT when there is something to download, NONE when it is there already, LATER when
 * another one is at it. */
static enum https_next
begin_item(struct run *self, size_t item, struct https_download *download, struct failure *failure)
{
	const struct digest *wanted = digest_of_item(self, item);
	bool busy;

	if (cache_has(self->order->cache, wanted))
		return is_cached(self, item);
	struct cache_part *part = cache_part_open(
	    self->order->cache, wanted, self->order->items[item].path, &busy, failure);
	if (part == NULL && busy)
		tell_waiting(self, item);
	if (part == NULL)
		return busy ? HTTPS_LATER : HTTPS_FAILED;
	/* Another one may have ended between the look and the lock. */
	if (cache_has(self->order->cache, wanted)) {
		cache_part_close(part);
		return is_cached(self, item);
	}
	if (cache_part_size(part) < wanted->size || wanted->size == 0)
		return begin_part(self, item, part, download);
	if (!cache_part_end(part, failure)) {
		if (failure->passes)
			return begin_part(self, item, part, download);
		cache_part_close(part);
		return HTTPS_FAILED;
	}
	cache_part_close(part);
	return is_cached(self, item);
}

static bool
all_begun(struct run *self)
{
	while (self->first < self->order->count && self->begun[self->first])
		self->first++;
	return self->first == self->order->count;
}

/* All that is left is locked by others. False, with FAILURE filled, when that has lasted too long
 * without any progress of ours. */
static bool
wait_on(struct run *self, struct failure *failure)
{
	int64_t now = clock_ms();

	if (self->wait_since == 0)
		self->wait_since = now;
	if (now - self->wait_since < lock_wait_ms())
		return true;
	return failure_set(failure, FAILURE_LOCAL,
	    "another spot still has %s locked, after %" PRId64
	    " s: end it, or set a longer `lock_wait`",
	    self->order->items[self->first].path, lock_wait_ms() / 1000);
}

static enum https_next
on_next(void *arg, struct https_download *download, struct failure *failure)
{
	struct run *self = arg;

	(void)all_begun(self);
	for (size_t i = self->first; i < self->order->count; i++) {
		if (self->begun[i])
			continue;
		enum https_next next = begin_item(self, i, download, failure);
		if (next == HTTPS_FAILED)
			return next;
		self->begun[i] = next != HTTPS_LATER;
		if (next != HTTPS_LATER)
			self->wait_since = 0;
		if (next == HTTPS_NEXT)
			return next;
	}
	if (all_begun(self))
		return HTTPS_NONE;
	return wait_on(self, failure) ? HTTPS_LATER : HTTPS_FAILED;
}

static void
on_tick(void *arg)
{
	const struct run *self = arg;
	progress_tick(self->progress);
}

/* Ends the batch, also after a failure: what has come stays in the cache. Who is told of what is
 * ready may read it again, which would keep other transfers waiting before. */
static bool
end(struct run *self, bool done, struct failure *failure)
{
	const struct download_order *order = self->order;
	struct failure passed_over;

	done = cache_batch_end(order->cache, done ? failure : &passed_over) && done;
	for (size_t i = 0; i < order->count && done && order->ready != NULL; i++)
		done = !self->arrived[i] || order->ready(order->arg, i, failure);
	return done;
}

bool
download_all(
    const struct download_order *order, struct download_count *count, struct failure *failure)
{
	struct run self = {.order = order, .count = count};
	const struct https_source source = {&self, on_next, on_tick};
	uint64_t bytes = 0;

	for (size_t i = 0; i < order->count; i++)
		bytes += order->items[i].digest->size;
	self.begun = buffer_alloc(order->count + 1);
	self.arrived = buffer_alloc(order->count + 1);
	(void)cache_batch_begin(order->cache, order->count);
	self.progress = progress_new(order->what, order->count, bytes);
	bool done = https_download_all(order->https, &source, failure);
	done = end(&self, done, failure);
	progress_free(self.progress);
	free(self.arrived);
	free(self.begun);
	return done;
}
