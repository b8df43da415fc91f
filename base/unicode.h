/*
 * Text outside ASCII as part of a file's name (Unicode Standard Annex 15). The tables are
 * libutf8proc's; nothing else includes it.
 */
#ifndef BASE_UNICODE_H
#define BASE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>

/* True when the character C can be shown in a message: assigned, no control and no line separator,
 * and none that turns the direction of text. */
bool unicode_is_printable(long c);

/* Returns NULL when the LEN bytes at TEXT are UTF-8 in normalisation form C and hold no control
 * character, line separator, unassigned character or one that turns the direction of text; else a
 * static text that says what is wrong. Such a text has no second spelling. */
const char *unicode_defect(const char *text, size_t len);

/* Returns TEXT, which has no defect, as a store may read it that has only simpler characters: in
 * normalisation form KC, and with the slashes and backslashes of code pages ("best fit") as such.
 * The caller frees the text. */
char *unicode_simplified(const char *text, size_t len);

/* Returns TEXT, which has no defect, without what some file systems do not tell apart: case,
 * compatibility forms and characters that cannot be seen (NFKC_Casefold). The caller frees it. */
char *unicode_folded(const char *text, size_t len);

#endif
