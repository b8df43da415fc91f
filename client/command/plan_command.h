/* `spot plan`: what an update or a fetch would do. */
#ifndef CLIENT_PLAN_COMMAND_H
#define CLIENT_PLAN_COMMAND_H

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"

struct plan_order {
	const char *product;         /* NULL: every one that is installed */
	const char *version;         /* NULL: the newest */
	const char *to;              /* NULL: each folder that has the product */
	const struct config *config; /* which only looks */
	bool json;
};

/* Fills OUT with a result to print, also when it is false: then FAILURE, which is the first, tells
 * why something would be refused. */
bool plan_command(const struct plan_order *order, struct https *https, struct buffer *out,
    struct failure *failure);

#endif
