/*
 * Dates of HTTP header fields, in the one form that is still made (IMF-fixdate, RFC 9110
 * section 5.6.7), always GMT.
 */
#ifndef STUB_HTTP_DATE_H
#define STUB_HTTP_DATE_H

#include <stdbool.h>
#include <time.h>

#define HTTP_DATE_SIZE 32

void http_date_format(char out[HTTP_DATE_SIZE], time_t when);

/* False for every other form, and `when` is left alone. */
bool http_date_parse(const char *text, time_t *when);

#endif
