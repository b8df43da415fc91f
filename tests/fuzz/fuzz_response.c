/*
 * A store's bytes on their way to a client: scan, response gate, the fields that are written anew.
 *
 * Each head answers requests of several shapes. The hard part is what passes: the text written
 * for the client must itself be an answer that the gate takes, and takes the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/http/response_gate.h"

enum { INTERIM_MAX = 8 };

static const struct request shapes[] = {
    {.method = METHOD_GET},
    {.method = METHOD_HEAD},
    {.method = METHOD_GET, .is_conditional = true},
    {.method = METHOD_HEAD, .is_conditional = true},
    {.method = METHOD_GET, .range = {.form = RANGE_FROM, .first = 5}},
    {.method = METHOD_GET, .range = {.form = RANGE_FROM_TO, .first = 2, .last = 6}},
    {.method = METHOD_GET, .range = {.form = RANGE_SUFFIX, .last = 3}},
    {.method = METHOD_HEAD, .range = {.form = RANGE_FROM_TO, .first = 0, .last = 0}},
    {.method = METHOD_PUT, .has_content_length = true, .content_length = 10},
    {.method = METHOD_GET, .has_known_size = true, .known_size = 9},
    {.method = METHOD_HEAD, .has_known_size = true, .known_size = 9},
    {.method = METHOD_GET,
        .range = {.form = RANGE_FROM_TO, .first = 2, .last = 6},
        .has_known_size = true,
        .known_size = 9},
};

static void
require_framing(
    const char *head, size_t len, const struct request *request, const struct response *response)
{
	bool bodyless =
	    request->method == METHOD_HEAD || response->status == 204 || response->status == 304;

	bool is_framed = response->framing == RESPONSE_BY_LENGTH;

	FUZZ_REQUIRE(!is_framed || !fuzz_holds(head, len, "\r\nTransfer-Encoding:"));
	FUZZ_REQUIRE(is_framed || request->has_known_size || response->status >= 400);
	FUZZ_REQUIRE(is_framed || !fuzz_holds(head, len, "\r\nContent-Length:"));
	FUZZ_REQUIRE(response->framing != RESPONSE_BY_CLOSE || !response->keeps_alive);
	FUZZ_REQUIRE(bodyless || response->has_content_length);
	FUZZ_REQUIRE(response->has_body == (!bodyless && response->content_length > 0));
	FUZZ_REQUIRE(response->status != 206 || request->range.form != RANGE_NONE);
	FUZZ_REQUIRE(response->status >= 200 && response->status <= 416);
}

/* Each line is a name of the design's list, a colon, a space and a plain value. */
static void
require_listed(const char *fields, size_t len)
{
	static const char *const names[] = {"Content-Length: ", "Content-Type: ", "Content-Range: ",
	    "Content-Encoding: ", "Content-Disposition: ", "Accept-Ranges: ", "Cache-Control: ",
	    "ETag: ", "Expires: ", "Last-Modified: ", "Repr-Digest: "};

	for (const char *at = fields, *end = fields + len; at < end;) {
		const char *line_end = memchr(at, '\r', (size_t)(end - at));
		FUZZ_REQUIRE(line_end != NULL && line_end + 1 < end && line_end[1] == '\n');
		FUZZ_REQUIRE(fuzz_is_plain(at, (size_t)(line_end - at)));
		bool listed = false;
		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
			size_t n = strlen(names[i]);
			listed =
			    listed || ((size_t)(end - at) >= n && memcmp(at, names[i], n) == 0);
		}
		FUZZ_REQUIRE(listed);
		at = line_end + 2;
	}
}

/* The answer as a client could read it, read by the gate. */
static void
require_same_again(
    const struct buffer *fields, const struct request *request, const struct response *response)
{
	struct buffer head = {0}, printed = {0};
	struct http_scan scan = {0};
	struct response again;

	buffer_printf(&head, "HTTP/1.1 %u -\r\n", response->status);
	buffer_append(&head, fields->data, buffer_size(fields));
	buffer_append(&head, "\r\n", 2);
	enum http_scan_result scanned =
	    http_scan_head(&scan, buffer_bytes(&head), buffer_size(&head));
	/* Spaces after the colons may take a head that is all but too large over the limit. */
	if (scanned != HTTP_SCAN_FIELDS_TOO_LARGE) {
		FUZZ_REQUIRE(scanned == HTTP_SCAN_COMPLETE && scan.head_len == buffer_size(&head));
		FUZZ_REQUIRE(response_gate_check(
		                 buffer_bytes(&head), scan.head_len, request, &again) == NULL);
		response_gate_print(&again, &printed);
		FUZZ_REQUIRE(buffer_size(&printed) == buffer_size(fields));
		FUZZ_REQUIRE(buffer_size(fields) == 0 ||
		             memcmp(printed.data, fields->data, buffer_size(fields)) == 0);
		FUZZ_REQUIRE(again.has_body == response->has_body);
	}
	buffer_fini(&head);
	buffer_fini(&printed);
}

/* Returns whether the answer may still follow. */
static bool
judge(const char *head, size_t len, const struct request *request)
{
	struct response response;
	struct buffer fields = {0};
	const char *defect = response_gate_check(head, len, request, &response);

	if (defect != NULL)
		return false;
	if (response.is_interim)
		return true;
	require_framing(head, len, request, &response);
	response_gate_print(&response, &fields);
	if (buffer_size(&fields) > 0)
		require_listed(fields.data, buffer_size(&fields));
	require_same_again(&fields, request, &response);
	buffer_fini(&fields);
	return false;
}

/* Reads heads up to the one that is not interim, as an exchange does. */
static void
answer(const char *bytes, size_t len, const struct request *request)
{
	for (int i = 0; i < INTERIM_MAX; i++) {
		struct http_scan scan = {0};
		if (http_scan_head(&scan, bytes, len) != HTTP_SCAN_COMPLETE)
			return;
		char *head = fuzz_copy(bytes, scan.head_len);
		bool more = judge(head, scan.head_len, request);
		free(head);
		if (!more)
			return;
		bytes += scan.head_len;
		len -= scan.head_len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		answer((const char *)data, size, &shapes[i]);
	return 0;
}
