/* Texts as cells of a table in CSV and HTML: whatever they hold, they stay one cell, and nothing
 * in them is obeyed. */
#ifndef CLIENT_CELL_H
#define CLIENT_CELL_H

#include "base/buffer.h"

/* Appends TEXT as a field of CSV (RFC 4180, section 2), quoted where it must be. One that a
 * spreadsheet would take for a formula, for it begins with = + - @, a tab or a carriage return,
 * gets an apostrophe before it. */
void cell_csv(struct buffer *out, const char *text);

/* Appends TEXT for HTML, in an element or in a quoted attribute. */
void cell_html(struct buffer *out, const char *text);

#endif
