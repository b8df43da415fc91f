/* The request to the store, written from the decision. The hard part is what is not here: no text
 * of the client's but the path that was authorised and conditions that were checked. */
#include "exchange_order.h"

#include <assert.h>
#include <string.h>

#include "base/path_spelling.h"
#include "gateway/http/conditions.h"
#include "gateway/http/http_date.h"

static void
print_field(struct buffer *out, const char *name, const char *value, size_t len)
{
	buffer_puts(out, name);
	buffer_puts(out, ": ");
	buffer_append(out, value, len);
	buffer_puts(out, "\r\n");
}

static void
print_conditions(const struct request *request, struct buffer *out)
{
	char date[HTTP_DATE_LEN + 1], range[CONDITIONS_RANGE_TEXT];

	conditions_print_range(&request->range, range);
	if (range[0] != '\0')
		print_field(out, "Range", range, strlen(range));
	if (request->if_range.bytes != NULL)
		print_field(out, "If-Range", request->if_range.bytes, request->if_range.len);
	if (request->if_none_match.bytes != NULL)
		print_field(
		    out, "If-None-Match", request->if_none_match.bytes, request->if_none_match.len);
	if (request->has_if_modified_since) {
		http_date_print(request->if_modified_since, date);
		print_field(out, "If-Modified-Since", date, HTTP_DATE_LEN);
	}
}

void
exchange_order_print(const struct exchange_order *order, struct buffer *out)
{
	static const char *const methods[] = {"GET ", "HEAD ", "PUT "};

	assert(order->request->method < METHOD_OTHER);
	assert(order->path_len > 0 && order->path[0] == '/');
	buffer_puts(out, methods[order->request->method]);
	path_spelling_encode(order->path, order->path_len, out);
	buffer_puts(out, " HTTP/1.1\r\n");
	print_field(out, "X-Mirrorgate-Customer", order->customer, strlen(order->customer));
	print_field(out, "X-Request-Id", order->request_id, strlen(order->request_id));
	if (order->request->method != METHOD_PUT)
		print_conditions(order->request, out);
	else
		buffer_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		    order->body_len);
}

void
exchange_order_address(
    const struct config_store *store, const char *credentials, struct buffer *out)
{
	print_field(out, "Host", store->host, strlen(store->host));
	if (credentials != NULL)
		print_field(out, "Authorization", credentials, strlen(credentials));
}

void
exchange_order_complete(const struct buffer *head, const struct config_store *store,
    const char *credentials, struct buffer *out)
{
	const char *text = buffer_bytes(head);
	const char *target = memchr(text, '/', buffer_size(head));

	assert(target != NULL && target[-1] == ' ');
	size_t method = (size_t)(target - text);
	buffer_append(out, text, method);
	path_spelling_encode(store->base, strlen(store->base), out);
	buffer_append(out, target, buffer_size(head) - method);
	exchange_order_address(store, credentials, out);
	buffer_puts(out, "\r\n");
}
