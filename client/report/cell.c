/* Cells. The one hard part is a formula: quotes do not keep a spreadsheet from computing it, only a
 * first character that begins none does. */
#include "cell.h"

#include <stdbool.h>

static bool
begins_formula(const char *text)
{
	return text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
}

void
cell_csv(struct buffer *out, const char *text)
{
	bool quoted = strpbrk(text, ",\"\r\n") != NULL;

	buffer_append(out, "\"", quoted);
	buffer_append(out, "'", begins_formula(text));
	for (const char *c = text; *c != '\0'; c++) {
		buffer_append(out, "\"", *c == '"');
		buffer_append(out, c, 1);
	}
	buffer_append(out, "\"", quoted);
}

void
cell_html(struct buffer *out, const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		switch (*c) {
		case '&':
			buffer_puts(out, "&amp;");
			break;
		case '<':
			buffer_puts(out, "&lt;");
			break;
		case '>':
			buffer_puts(out, "&gt;");
			break;
		case '"':
			buffer_puts(out, "&quot;");
			break;
		case '\'':
			buffer_puts(out, "&#39;");
			break;
		default:
			buffer_append(out, c, 1);
		}
	}
}
