/* Looking at an installation. The one hard part is an update that is at work or was cut: files of
 * two versions are in the folder, and only the bytes tell. */
#include "installed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cache/install.h"
#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "fetch_config.h"
#include "fetch_file.h"

/* How many files are not right; *FIRST is the first of them. */
static size_t
count_wrong(int root, const char *folder, const struct catalogue *catalogue, const char **first)
{
	size_t wrong = 0;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		if (fetch_file_is_there(root, file) || fetch_config_was_edited(root, file))
			continue;
		report_note("%s/%s is missing, or is not what %s %s has", folder, file->path,
		    catalogue->product, catalogue->version);
		if (wrong++ == 0)
			*first = file->path;
	}
	return wrong;
}

static bool
is_whole(const char *folder, struct failure *failure)
{
	char *name = buffer_text("%s/" CATALOGUE_NAME, folder);
	struct catalogue *catalogue = catalogue_load_file(name, failure);
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *first = "";
	bool done = catalogue != NULL;

	if (done && root < 0)
		done = failure_errno(failure, "open", folder);
	size_t wrong = done ? count_wrong(root, folder, catalogue, &first) : 0;
	if (wrong > 0)
		done = failure_set(failure, FAILURE_SNAPSHOT,
		    "%s does not hold %s %s whole: %s/%s and %zu more are missing or changed; "
		    "fetch it again",
		    folder, catalogue->product, catalogue->version, folder, first, wrong - 1);
	if (root >= 0)
		close(root);
	catalogue_free(catalogue);
	free(name);
	return done;
}

bool
installed_is_whole(const char *folder, struct failure *failure)
{
	char *content = install_content(folder);
	bool whole = is_whole(content, failure);

	free(content);
	return whole;
}

size_t
installed_count_missing(const char *folder, const struct catalogue *catalogue)
{
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t missing = 0;

	for (size_t i = 0; i < catalogue->file_count; i++)
		missing += !fetch_file_looks_right(root, &catalogue->files[i]);
	if (root >= 0)
		close(root);
	return missing;
}
