/* Credentials for the store. The one hard part: no problem may repeat what the file says. */
#include "generation_credentials.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_source.h"
#include "gateway/config/config_credentials.h"
#include "sealed_file.h"
#include "tls_files.h"

static void
forget(char *bytes, size_t len)
{
	if (bytes != NULL)
		explicit_bzero(bytes, len);
	free(bytes);
}

int
generation_credentials_take(const struct config *config, struct problems *problems)
{
	const char *path = config->store_credentials, *defect = NULL;
	size_t len;
	int fd = -1;

	if (path == NULL)
		return -1;
	char *bytes = yaml_source_read_file(path, CONFIG_CREDENTIALS_MAX, &len, problems);
	if (bytes == NULL)
		return -1;
	char *field = config_credentials_field(bytes, len, &defect);
	tls_files_check_closed(path, problems);
	if (defect != NULL)
		problems_add(problems, path, 0, "%s", defect);
	else if ((fd = sealed_file_new("credentials", bytes, len)) < 0)
		problems_add(problems, path, 0, "cannot be copied to memory: %s", strerror(errno));
	forget(field, field != NULL ? strlen(field) : 0);
	forget(bytes, len);
	return fd;
}

bool
generation_credentials_open(const struct generation *self, char **field)
{
	struct sealed_bytes file;
	const char *defect = NULL;

	*field = NULL;
	if (!sealed_file_map(self->files[GENERATION_STORE_CREDENTIALS], &file))
		return false;
	if (file.bytes != NULL)
		*field = config_credentials_field(file.bytes, file.len, &defect);
	sealed_file_unmap(&file);
	errno = EINVAL;
	return defect == NULL;
}
