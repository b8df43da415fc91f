/*
 * What spot tells its user on standard error, one line each: failures always, notes unless
 * --quiet, details with --verbose, and on a terminal one line of status. Results go to standard
 * output and not through here.
 */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "failure.h"

enum report_level { REPORT_QUIET, REPORT_NORMAL, REPORT_VERBOSE };

/* For the whole process; REPORT_NORMAL until it is called. */
void report_set_level(enum report_level wanted);

void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True when there is a terminal to show a line on that is drawn again and again. */
bool report_has_status(void);

/* Draws that line, cut to the terminal's width, in place of the last one; other messages take it
 * away first. Nothing without a terminal. */
void report_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_clear_status(void);

/* The sentence of FAILURE; as one JSON object on standard output instead when JSON is true. */
void report_failure(const struct failure *failure, bool json);

/* The members of that object, for one that says more. */
void report_failure_members(const struct failure *failure, struct buffer *out);

#endif
