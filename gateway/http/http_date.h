/*
 * HTTP dates in their one current form, IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT"
 * (RFC 9110, 5.6.7). The two obsolete forms are not read: a condition that carries one is ignored,
 * which costs a full answer and nothing else.
 */
#ifndef GATEWAY_HTTP_DATE_H
#define GATEWAY_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { HTTP_DATE_LEN = 29 };

void http_date_print(time_t when, char text[HTTP_DATE_LEN + 1]);
bool http_date_parse(const char *text, size_t len, time_t *when);

#endif
