/*
 * The byte-level gate: finds the end of a message head and refuses every byte that a strict
 * HTTP/1.1 head cannot hold (RFC 9112, sections 2 to 5), before any parser sees it.
 *
 * Each line ends in CR LF; there is no bare CR or LF, no obs-fold, no byte outside 0x20-0x7E,
 * no empty name, no white space before a colon. The same scan serves requests and the store's
 * responses. It is incremental: a head that arrives byte by byte is scanned once.
 */
#ifndef GATEWAY_HTTP_SCAN_H
#define GATEWAY_HTTP_SCAN_H

#include <stddef.h>

enum {
	HTTP_START_LINE_MAX = 8 * 1024,    /* bytes, without CR LF */
	HTTP_FIELDS_MAX_BYTES = 16 * 1024, /* the header block with its final empty line */
	HTTP_FIELDS_MAX = 64,
	HTTP_HEAD_MAX = HTTP_START_LINE_MAX + 2 + HTTP_FIELDS_MAX_BYTES,
};

enum http_scan_result {
	HTTP_SCAN_INCOMPLETE,
	HTTP_SCAN_COMPLETE,  /* head_len is set */
	HTTP_SCAN_MALFORMED, /* defect is set */
	HTTP_SCAN_START_LINE_TOO_LONG,
	HTTP_SCAN_FIELDS_TOO_LARGE,
};

/* State of one scan; zero it for each head. */
struct http_scan {
	size_t position; /* bytes already accepted */
	size_t line;     /* where the current line starts */
	size_t fields_start;
	size_t name_end; /* position of the current field's colon; 0: not seen yet */
	unsigned fields;
	size_t head_len;    /* COMPLETE: bytes of the head, with the final empty line */
	const char *defect; /* MALFORMED: static text */
};

/* Scans on from where it stopped. BYTES always starts at the head's first byte; LEN grows. */
enum http_scan_result http_scan_head(struct http_scan *self, const char *bytes, size_t len);

#endif
