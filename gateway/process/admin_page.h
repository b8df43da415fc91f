/*
 * The answers of a running gate as pages for a terminal.
 */
#ifndef GATEWAY_ADMIN_PAGE_H
#define GATEWAY_ADMIN_PAGE_H

#include <jansson.h>
#include <stdio.h>

/* ANSWER is one of admin_client_ask(); what is not there is shown as 0, or left out. The locale
 * says whether charts may be drawn with characters beyond ASCII. */
void admin_page_print_status(const json_t *answer, FILE *out);
void admin_page_print_customers(const json_t *answer, FILE *out);

#endif
