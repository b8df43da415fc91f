/*
 * The files of TLS. The hard part: a file system that lost its last writes leaves NULs, and OpenSSL
 * would take what stands before them for the whole. DER has them, and must end where its file does.
 */
#include "tls_files.h"

#include <assert.h>
#include <string.h>

#include "crypto/bundle.h"
#include "gateway/node/log.h"

bool
tls_files_have_nul(const char *path, const char *bytes, size_t len, struct problems *problems)
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
