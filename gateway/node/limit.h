/*
 * What a request can be one too many for: one table gives the enum, the metric that counts its
 * 429s, the Retry-After in seconds where it is always the same, and the detail of the answer.
 */
#ifndef GATEWAY_LIMIT_H
#define GATEWAY_LIMIT_H

#include "metrics.h"

/*       enum                 metric                       retry detail */
#define LIMIT_TABLE(X)                                                                            \
	X(CONNECTIONS, TOO_MANY_CONNECTIONS, 30, "This customer has too many connections open")   \
	X(ROOM, TOO_MANY_ROOM, 30,                                                                \
	    "This server has no room for another connection of this customer")                    \
	X(CONNECTION_REQUESTS, TOO_MANY_CONNECTION_REQUESTS, 1,                                   \
	    "Too many requests in a second on this connection")                                   \
	X(CUSTOMER_REQUESTS, TOO_MANY_CUSTOMER_REQUESTS, 1,                                       \
	    "Too many requests in a second of this customer")                                     \
	X(REFUSALS, TOO_MANY_REFUSALS, 1, "Too many requests of this customer had to be refused") \
	X(TRANSFERS, TOO_MANY_TRANSFERS, 5, "This customer has too many transfers under way")     \
	X(SNAPSHOTS, TOO_MANY_SNAPSHOTS, 0, "No more snapshots are taken today")                  \
	X(FAILED_SNAPSHOTS, TOO_MANY_FAILED_SNAPSHOTS, 0,                                         \
	    "Too many snapshots of this customer were not valid")

#define LIMIT_ENUM(name, metric, retry, detail) LIMIT_##name,
enum limit { LIMIT_NONE, LIMIT_TABLE(LIMIT_ENUM) LIMIT_COUNT };
#undef LIMIT_ENUM

/* Of any but LIMIT_NONE. */
enum metric limit_metric(enum limit self);
unsigned limit_retry_after(enum limit self); /* 0: it depends */
const char *limit_detail(enum limit self);

#endif
