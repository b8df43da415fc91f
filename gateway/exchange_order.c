/* The request to the store, written from the decision. The hard part is what is not here: no text
 * of the client's but the path that was authorised and conditions that were checked. */
#include "exchange_order.h"

#include <assert.h>

#include "http_date.h"

static void
print_conditions(const struct request *request, struct buffer *out)
{
	char date[HTTP_DATE_LEN + 1], range[REQUEST_RANGE_TEXT];

	request_gate_print_range(&request->range, range);
	if (range[0] != '\0')
		buffer_printf(out, "Range: %s\r\n", range);
	if (request->if_range.bytes != NULL)
		buffer_printf(
		    out, "If-Range: %.*s\r\n", (int)request->if_range.len, request->if_range.bytes);
	if (request->if_none_match.bytes != NULL)
		buffer_printf(out, "If-None-Match: %.*s\r\n", (int)request->if_none_match.len,
		    request->if_none_match.bytes);
	if (request->has_if_modified_since) {
		http_date_print(request->if_modified_since, date);
		buffer_printf(out, "If-Modified-Since: %s\r\n", date);
	}
}

void
exchange_order_print(const struct exchange_order *order, struct buffer *out)
{
	static const char *const methods[] = {"GET", "HEAD", "PUT"};

	assert(order->request->method < METHOD_OTHER);
	buffer_printf(out, "%s %.*s HTTP/1.1\r\n", methods[order->request->method],
	    (int)order->path_len, order->path);
	buffer_printf(out, "X-Mirrorgate-Customer: %s\r\nX-Request-Id: %s\r\n", order->customer,
	    order->request_id);
	if (order->request->method != METHOD_PUT)
		print_conditions(order->request, out);
	else
		buffer_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		    order->body_len);
}
