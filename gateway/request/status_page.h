/*
 * /status: the state of the node as one page for people. It has no script and asks for nothing from
 * elsewhere; its style is the one that its Content-Security-Policy names by digest.
 */
#ifndef GATEWAY_STATUS_PAGE_H
#define GATEWAY_STATUS_PAGE_H

#include "node_report.h"

/* Header lines that the answer must carry, each with CR LF. */
extern const char status_page_headers[];

/* Appends the document. */
void status_page_print(const struct node_report *self, struct buffer *out);

#endif
