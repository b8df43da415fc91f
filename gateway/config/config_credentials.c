/* The credentials for the store. The hard part is to have one reading of the file only: what could
 * be two lines, or not what an operator sees in an editor, is refused. */
#include "config_credentials.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

static const char basic[] = "basic ", bearer[] = "bearer ";

/* RFC 4648, 4. */
static void
append_base64(struct buffer *out, const unsigned char *bytes, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t group = (uint32_t)bytes[i] << 16;
		group |= n > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= n > 2 ? bytes[i + 2] : 0;
		const char four[] = {digits[group >> 18], digits[group >> 12 & 63],
		    n > 1 ? digits[group >> 6 & 63] : '=', n > 2 ? digits[group & 63] : '='};
		buffer_append(out, four, sizeof four);
	}
}

static bool
has_control(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f)
			return true;
	return false;
}

/* True for a b64token (RFC 6750, 2.1). */
static bool
is_token(const char *text, size_t len)
{
	static const char others[] = "-._~+/";

	while (len > 1 && text[len - 1] == '=')
		len--;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    memchr(others, c, sizeof others - 1) == NULL)
			return false;
	}
	return len > 0;
}

/* The rest of TEXT after PREFIX; NULL when it does not begin so. */
static const char *
after(const char *text, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(text, prefix, n) == 0 ? text + n : NULL;
}

static const char *
print_field(const char *line, size_t len, struct buffer *out)
{
	const char *pair = after(line, len, basic), *token = after(line, len, bearer);

	if (has_control(line, len))
		return "must have one line, without control characters";
	if (pair != NULL) {
		size_t n = (size_t)(line + len - pair);
		if (n < 2 || pair[0] == ':' || memchr(pair, ':', n) == NULL)
			return "must have USER:PASSWORD after \"basic \"";
		buffer_puts(out, "Basic ");
		append_base64(out, (const unsigned char *)pair, n);
	} else if (token != NULL) {
		size_t n = (size_t)(line + len - token);
		if (!is_token(token, n))
			return "must have a token of RFC 6750 after \"bearer \"";
		buffer_puts(out, "Bearer ");
		buffer_append(out, token, n);
	} else {
		return "must be \"basic USER:PASSWORD\" or \"bearer TOKEN\"";
	}
	return NULL;
}

char *
config_credentials_field(const char *bytes, size_t len, const char **defect)
{
	struct buffer out = {0};
	char *field = NULL;

	assert(bytes != NULL || len == 0);
	if (len > CONFIG_CREDENTIALS_MAX) {
		*defect = "is too long";
		return NULL;
	}
	if (len > 0 && bytes[len - 1] == '\n')
		len--;
	*defect = print_field(bytes, len, &out);
	if (*defect == NULL)
		field = buffer_copy(buffer_bytes(&out), buffer_size(&out));
	if (out.data != NULL)
		explicit_bzero(out.data, out.capacity);
	buffer_fini(&out);
	return field;
}
