/* A request. */
#include "request.h"

void
request_detach(struct request *self)
{
	const struct http_span none = {NULL, 0};

	self->method_text = self->path = none;
	self->content_type = self->content_digest = none;
	self->if_range = self->if_none_match = none;
}
