/* Patterns of configuration. The one hard part is that a pattern with a slip in it must not pass:
 * it would cost the customers what they have edited. */
#include "catalogue_config.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* True when a folder above PATH is what PATTERN says. */
static bool
has_folder(const char *pattern, const char *path)
{
	char *above = buffer_strdup(path), *slash;
	bool found = false;

	while (!found && (slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		found = fnmatch(pattern, above, FNM_PATHNAME) == 0;
	}
	free(above);
	return found;
}

bool
catalogue_config_matches(const char *pattern, const char *path)
{
	static const char all[] = "/**";
	size_t len = strlen(pattern);

	if (strcmp(pattern, all + 1) == 0)
		return true;
	if (len < sizeof all || strcmp(pattern + len - (sizeof all - 1), all) != 0)
		return fnmatch(pattern, path, FNM_PATHNAME) == 0;
	char *folder = buffer_copy(pattern, len - (sizeof all - 1));
	bool matches = has_folder(folder, path);
	free(folder);
	return matches;
}

static bool
mark_file(struct catalogue *catalogue, struct catalogue_file *file, struct failure *failure)
{
	const char *defect = catalogue_config_defect(file->path);

	if (defect != NULL)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "%s cannot be configuration: %s" CATALOGUE_CONFIG_SUFFIX " %s", file->path,
		    file->path, defect);
	file->config = true;
	catalogue->rich = true;
	return true;
}

static bool
mark(struct catalogue *catalogue, const char *pattern, struct failure *failure)
{
	size_t marked = 0;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		struct catalogue_file *file = &catalogue->files[i];
		if (file->kind != CATALOGUE_FILE || !catalogue_config_matches(pattern, file->path))
			continue;
		if (!mark_file(catalogue, file, failure))
			return false;
		marked++;
	}
	return marked > 0 || failure_set(failure, FAILURE_USAGE,
	                         "--config-files %s: no file of the version is that", pattern);
}

bool
catalogue_config_mark(
    struct catalogue *catalogue, const char *const *patterns, size_t count, struct failure *failure)
{
	char defect[CATALOGUE_DEFECT_MAX];

	for (size_t i = 0; i < count; i++) {
		if (!mark(catalogue, patterns[i], failure))
			return false;
	}
	return catalogue_settle(catalogue, defect) ||
	       failure_set(failure, FAILURE_CATALOGUE, "the catalogue %s", defect);
}
