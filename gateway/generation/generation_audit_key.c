/* The key of the access log. The one hard part: a key that others can read proves nothing. */
#include "generation_audit_key.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/yaml_source.h"
#include "sealed_file.h"

enum { KEY_FILE_MAX = 16 * 1024 };

static bool
is_open_to_others(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0;
}

int
generation_audit_key_take(const struct config *config, struct problems *problems)
{
	const char *path = config->audit_key;
	char error[LINE_SIGNER_ERROR_MAX];
	size_t len;
	int fd = -1;

	if (path == NULL)
		return -1;
	char *bytes = yaml_source_read_file(path, KEY_FILE_MAX, &len, problems);
	if (bytes == NULL)
		return -1;
	struct line_signer *signer = line_signer_new("log.audit_key", bytes, len, error);
	if (signer == NULL)
		problems_add(problems, path, 0, "%s", error);
	else if (is_open_to_others(path))
		problems_add(problems, path, 0, "may be read or written by any user: chmod o= it");
	else if ((fd = sealed_file_new("audit_key", bytes, len)) < 0)
		problems_add(problems, path, 0, "cannot be copied to memory: %s", strerror(errno));
	line_signer_free(signer);
	explicit_bzero(bytes, len);
	free(bytes);
	return fd;
}

bool
generation_audit_key_open(
    const struct generation *self, struct line_signer **signer, char error[LINE_SIGNER_ERROR_MAX])
{
	struct sealed_bytes file;

	*signer = NULL;
	if (!sealed_file_map(self->files[GENERATION_AUDIT_KEY], &file)) {
		(void)snprintf(
		    error, LINE_SIGNER_ERROR_MAX, "the key of the log: %s", strerror(errno));
		return false;
	}
	if (file.bytes == NULL)
		return true;
	*signer = line_signer_new("log.audit_key", file.bytes, file.len, error);
	sealed_file_unmap(&file);
	return *signer != NULL;
}
