/*
 * The files of TLS. The hard part: a file system that lost its last writes leaves NULs, and OpenSSL
 * would take what stands before them for the whole. DER has them, and must end where its file does.
 */
#include "tls_files.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/yaml_source.h"
#include "crypto/bundle.h"
#include "gateway/node/log.h"
#include "sealed_file.h"

/* Largest certificate, key or CRL file in bytes. A CRL of 100,000 certificates has 4 MiB. */
#define PEM_FILE_MAX ((size_t)16 << 20)

static bool
have_nul(const char *path, const char *bytes, size_t len, struct problems *problems)
{
	const char *nul = memchr(bytes, '\0', len);
	size_t line = 1;

	if (nul == NULL || bundle_is_der(bytes, len))
		return false;
	for (const char *at = bytes; at < nul; at++)
		line += *at == '\n';
	problems_add(problems, path, line, "has a NUL byte: the file is damaged");
	return true;
}

void
tls_files_warn(const struct tls_verify *rules)
{
	const struct buffer *notes = tls_verify_notes(rules);
	const char *line = notes->data != NULL ? buffer_bytes(notes) : "";
	const char *end = line + (notes->data != NULL ? buffer_size(notes) : 0);

	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		assert(next != NULL);
		log_warning("%.*s", (int)(next - line), line);
		line = next + 1;
	}
}

int
tls_files_take(const char *path, struct problems *problems)
{
	size_t len;
	char *bytes = yaml_source_read_file(path, PEM_FILE_MAX, &len, problems);
	int fd = -1;

	if (bytes == NULL)
		return -1;
	if (have_nul(path, bytes, len, problems))
		goto free_bytes;
	fd = sealed_file_new("pem", bytes, len);
	if (fd < 0)
		problems_add(problems, path, 0, "cannot be copied to memory: %s", strerror(errno));
free_bytes:
	explicit_bzero(bytes, len);
	free(bytes);
	return fd;
}

void
tls_files_check_closed(const char *path, struct problems *problems)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		problems_add(problems, path, 0, "may be read or written by any user: chmod o= it");
}
