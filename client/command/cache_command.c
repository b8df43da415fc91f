/* The commands. Nothing is hard here. */
#include "cache_command.h"

#include "base/json_writer.h"
#include "base/value.h"
#include "client/cache/cache_gc.h"
#include "client/cache/cache_verify.h"
#include "client/common/progress.h"
#include "client/common/report.h"

bool
cache_command_gc(const char *folder, const char *max, struct buffer *out, struct failure *failure)
{
	struct cache_gc_result result = {0};
	char removed[PROGRESS_SIZE_MAX], kept[PROGRESS_SIZE_MAX];
	uint64_t bytes;

	if (!value_size(max, &bytes))
		return failure_set(
		    failure, FAILURE_USAGE, "--max takes a size, such as 500M or 10G, not %s", max);
	struct cache *cache = cache_open(folder, failure);
	bool done = cache != NULL && cache_gc(cache, bytes, &result, failure);
	cache_close(cache);
	if (!done)
		return false;
	progress_print_size(result.removed_bytes, removed);
	progress_print_size(result.kept_bytes, kept);
	report_note("%s: %zu files (%s) taken away, %zu (%s) stay", folder, result.removed, removed,
	    result.kept, kept);
	buffer_append(out, "{", 1);
	json_writer_member(out, "cache", folder);
	json_writer_number(out, "removed", result.removed);
	json_writer_number(out, "removed_bytes", result.removed_bytes);
	json_writer_number(out, "kept", result.kept);
	json_writer_number(out, "kept_bytes", result.kept_bytes);
	buffer_append(out, "}\n", 2);
	return true;
}

bool
cache_command_verify(const char *folder, struct buffer *out, struct failure *failure)
{
	struct cache_verify_result result = {0};
	char size[PROGRESS_SIZE_MAX];
	struct cache *cache = cache_open(folder, failure);
	bool done = cache != NULL && cache_verify(cache, folder, &result, failure);

	cache_close(cache);
	if (!done)
		return false;
	progress_print_size(result.bytes, size);
	report_note("%s: %zu objects (%s) read", folder, result.objects, size);
	if (result.repaired + result.removed > 0)
		return failure_set(failure, FAILURE_LOCAL,
		    "damaged objects in %s: %zu repaired from installed files, %zu taken away, to "
		    "be "
		    "downloaded when they are wanted",
		    folder, result.repaired, result.removed);
	buffer_append(out, "{", 1);
	json_writer_member(out, "cache", folder);
	json_writer_number(out, "objects", result.objects);
	json_writer_number(out, "bytes", result.bytes);
	buffer_append(out, "}\n", 2);
	return true;
}
