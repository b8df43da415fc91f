/*
 * One request at a time, tokenised by http-parser. Nothing else in the stub knows http-parser.
 */
#ifndef STUB_REQUEST_H
#define STUB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

/* Largest body taken, in bytes; longer ones are refused with 413 before they are read. */
#define REQUEST_BODY_MAX (1024 * 1024)

/* Header fields kept; further ones are refused with 431. */
#define REQUEST_HEADERS_MAX 100

enum request_progress {
	REQUEST_MORE,   /* all bytes used, the request is not complete yet */
	REQUEST_READY,  /* one complete request; later bytes were left alone */
	REQUEST_REFUSED /* cannot be read on; request_refusal() has the status */
};

struct request;

struct request *request_new(void);
void request_free(struct request *r);

/* Forgets the request and is ready for the next one of the same connection. */
void request_reset(struct request *r);

/*
 * Reads on and returns how many of the bytes were used. After REQUEST_READY or REQUEST_REFUSED
 * the next call must be request_reset().
 */
size_t request_feed(
    struct request *r, const char *data, size_t len, enum request_progress *progress);

/* The status that says why the request was refused: 400, 411, 413 or 431. */
int request_refusal(const struct request *r);

/* True once for each request whose client waits for "100 Continue" before it sends the body. */
bool request_take_continue(struct request *r);

/* Valid while the request is ready; the request owns all texts. */
const char *request_method(const struct request *r);
const char *request_target(const struct request *r);
/* The target with its escapes decoded, once; "%", which is no path, when one is not
 * valid or stands for a NUL, a "/" or a "?". */
const char *request_path(const struct request *r);
bool request_is_http10(const struct request *r);
bool request_keeps_alive(const struct request *r);
const struct bytes *request_body(const struct request *r);

/* The value of the first header field of that lower-case name, or NULL. */
const char *request_header(const struct request *r, const char *name);

/* The n-th header field, name in lower case; false when there are no more. */
bool request_header_at(const struct request *r, size_t n, const char **name, const char **value);

#endif
