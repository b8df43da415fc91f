/*
 * Configuration. The hard part is to know an edited file from an old one without asking anybody:
 * what no catalogue that was here has is somebody's own.
 */
#include "fetch_config.h"

#include "fetch_file.h"

bool
fetch_config_is_known(int root, const struct catalogue_file *file, const char *where,
    const struct catalogue *old, const struct catalogue *pending)
{
	const struct catalogue_file *before = catalogue_find(old, file->path);
	const struct catalogue_file *cut = catalogue_find(pending, file->path);

	return (before != NULL && fetch_file_is_at(root, where, before)) ||
	       (cut != NULL && fetch_file_is_at(root, where, cut)) ||
	       fetch_file_is_at(root, where, file);
}

enum fetch_config_place
fetch_config_place(int root, const struct catalogue_file *file, const struct catalogue *old,
    const struct catalogue *pending)
{
	const struct catalogue_file *before = catalogue_find(old, file->path);

	if (!file->config || !fetch_file_is_file_or_link(root, file->path) ||
	    fetch_config_is_known(root, file, file->path, old, pending))
		return FETCH_CONFIG_IN_PLACE;
	return before != NULL && before->kind == CATALOGUE_FILE &&
	               digest_is(&before->digest, &file->digest)
	           ? FETCH_CONFIG_STAYS
	           : FETCH_CONFIG_BESIDE;
}

bool
fetch_config_was_edited(int root, const struct catalogue_file *file)
{
	return fetch_config_place(root, file, NULL, NULL) == FETCH_CONFIG_BESIDE;
}
