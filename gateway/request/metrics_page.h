/* All of a node's metrics, as Prometheus reads them: the text format, version 0.0.4. */
#ifndef GATEWAY_METRICS_PAGE_H
#define GATEWAY_METRICS_PAGE_H

#include <time.h>

#include "gateway/node/services.h"

void metrics_page_print(const struct services *services, time_t now, struct buffer *out);

#endif
