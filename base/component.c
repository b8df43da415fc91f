/* Names and versions of components, byte by byte, independent of any locale. */
#include "component.h"

#include <string.h>

enum { NAME_MAX_BYTES = 128, VERSION_MAX_BYTES = 64 };

static bool
is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* May the byte at I of TEXT stand there? */
static bool
fits(const char *text, size_t len, size_t i)
{
	bool before_word = i + 1 < len && is_alphanumeric(text[i + 1]);

	if (is_alphanumeric(text[i]))
		return true;
	if (i == 0)
		return text[i] == '@' && before_word;
	if (text[i] == '/')
		return before_word;
	if (text[i] == '+') /* a lone one is of base64, not of a name */
		return text[i - 1] == '+' || (i + 1 < len && text[i + 1] == '+');
	return text[i] != '\0' && strchr("._:@-", text[i]) != NULL;
}

bool
component_is_name(const char *text, size_t len)
{
	if (len == 0 || len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!fits(text, len, i))
			return false;
	}
	return true;
}

bool
component_is_version(const char *text, size_t len)
{
	if (len == 0 || len > VERSION_MAX_BYTES || !is_alphanumeric(text[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		bool fits_here = text[i] != '\0' && strchr(".+~_:-", text[i]) != NULL;
		if (!is_alphanumeric(text[i]) && !fits_here)
			return false;
	}
	return true;
}
