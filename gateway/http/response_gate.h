/*
 * What a store's answer must be before a byte of it goes to a client (design, section 4).
 *
 * The head, scanned by http_scan_head(), is cut and checked: one status line, one Content-Length
 * in canonical form, no body where there can be none, 206 and 304 only when they were asked for. An
 * answer that is chunked, or ends with its connection, has a length only when the request knows
 * the artifact's size: that is then its Content-Length. What passes is written anew by
 * response_gate_print(): only the fields of the design's list, each once.
 */
#ifndef GATEWAY_RESPONSE_GATE_H
#define GATEWAY_RESPONSE_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "http_message.h"
#include "request_gate.h"

enum { RESPONSE_MAX_PASSED = 16 };

enum response_framing {
	RESPONSE_BY_LENGTH,
	RESPONSE_CHUNKED,  /* see chunked.h */
	RESPONSE_BY_CLOSE, /* the body ends with the connection */
};

struct response {
	unsigned status;
	bool is_http;     /* well-formed, whether or not it may pass */
	bool is_interim;  /* 100, 102 or 103: skip it, the answer follows */
	bool keeps_alive; /* the store will take another request on this connection */
	bool has_body;
	enum response_framing framing;     /* of the body, which has content_length bytes anyhow */
	unsigned long long content_length; /* as announced; for HEAD and 304 no body follows */
	bool has_content_length;
	unsigned long long complete_length; /* of the artifact, as Content-Range states it */
	bool has_complete_length;
	bool is_unlisted;          /* its status is none that may pass */
	struct http_span location; /* of a redirect, for the log; points into the head */
	size_t passed_count;
	struct http_field passed[RESPONSE_MAX_PASSED]; /* spans point into the head */
};

/* Checks the LEN bytes of a scanned head, which answers REQUEST. Returns NULL and fills RESPONSE,
 * or a static text that says what is wrong with it. */
const char *response_gate_check(
    const char *bytes, size_t len, const struct request *request, struct response *response);

/* True when the field NAME, spelled as in the list of those that pass, is among them. */
bool response_gate_passes(const struct response *response, const char *name);
/* Takes it out. */
void response_gate_drop(struct response *response, const char *name);

/* Appends the fields of RESPONSE that pass, Content-Length included, each "Name: value\r\n". */
void response_gate_print(const struct response *response, struct buffer *out);

#endif
