/*
 * A client's request as decisions, not text to be copied: method, canonical path, body length, and
 * the few fields that are written anew for the store. Made by request_gate_check().
 */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include <stdbool.h>
#include <time.h>

#include "http_span.h"

enum request_method { METHOD_GET, METHOD_HEAD, METHOD_PUT, METHOD_OTHER };

enum request_range_form { RANGE_NONE, RANGE_FROM, RANGE_FROM_TO, RANGE_SUFFIX };

/* One byte range (RFC 9110, 14.1.2), rewritten from the client's. */
struct request_range {
	enum request_range_form form;
	unsigned long long first; /* FROM, FROM_TO */
	unsigned long long last;  /* FROM_TO; SUFFIX: how many bytes */
};

struct request {
	enum request_method method;
	struct http_span method_text, path; /* point into the head, or path into room for it */
	bool keeps_alive;
	bool expects_continue;
	unsigned long long content_length; /* 0 when there is no body */
	bool has_content_length;
	struct http_span content_type, content_digest; /* bytes NULL when absent */
	bool has_content_encoding;
	bool is_conditional; /* a 304 may answer it */
	struct request_range range;
	struct http_span if_range;      /* one strong entity tag or a date, checked */
	struct http_span if_none_match; /* entity tags or "*", checked */
	bool has_if_modified_since;
	time_t if_modified_since;
	bool has_known_size; /* a catalogue knows the artifact's size and digest */
	unsigned long long known_size;
};

/* Forgets every span of SELF: what they point into is about to go. */
void request_detach(struct request *self);

#endif
