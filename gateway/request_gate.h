/*
 * The strict gate: what a client's request must be before anybody acts on it (design, section 4).
 *
 * Refuse, never repair. The gate takes a head that http_scan_head() accepted and turns it into a
 * struct request that holds decisions, not text to be copied: method, canonical path, body
 * length, and the few fields that are rewritten for the store. Every framing doubt closes.
 */
#ifndef GATEWAY_REQUEST_GATE_H
#define GATEWAY_REQUEST_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "http_message.h"
#include "problem.h"

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
	struct http_span method_text, path; /* path: canonical; both point into the head */
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
};

/* What the gate must know of the configuration. */
struct request_gate {
	char *const *server_names; /* lower case; with count 0 any valid Host will do */
	size_t server_name_count;
};

/* The refusal for a scan result that is neither INCOMPLETE nor COMPLETE. */
struct refusal request_gate_scan_refusal(
    enum http_scan_result result, const struct http_scan *scan);

/* Writes RANGE as a Range field's value, "" for RANGE_NONE. */
enum { REQUEST_RANGE_TEXT = 64 };
void request_gate_print_range(const struct request_range *range, char text[REQUEST_RANGE_TEXT]);

/* True when LIST, a checked If-None-Match, is "*" or holds TAG, an entity tag with its quotes, by
 * the weak comparison of RFC 9110, 8.8.3.2. */
bool request_gate_lists_tag(struct http_span list, const char *tag);

/* Forgets every span of REQUEST: the head they point into is about to go. */
void request_gate_detach(struct request *request);

/* Checks the LEN bytes of a scanned head and fills REQUEST, whose spans point into BYTES. The
 * refusal's problem is PROBLEM_NONE when the request may go on. After a refusal that does not
 * close, REQUEST's framing (content_length, expects_continue, keeps_alive) is valid. */
struct refusal request_gate_check(
    const struct request_gate *self, const char *bytes, size_t len, struct request *request);

#endif
