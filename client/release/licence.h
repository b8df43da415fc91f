/* The answer to GET /licence: what this installation may download. */
#ifndef CLIENT_LICENCE_H
#define CLIENT_LICENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"
#include "client/net/https.h"

struct licence_product {
	char *product;
	char **paths; /* canonical; one that ends in "/" stands for all below it */
	size_t path_count;
	char *from, *until; /* YYYY-MM-DD; NULL when there is no such limit */
	bool valid;         /* now, by the server's clock */
};

struct licence {
	char *customer;
	struct licence_product *products;
	size_t product_count;
};

/* Asks the server; NULL with FAILURE filled. */
struct licence *licence_get(struct https *https, struct failure *failure);

/* Reads such an answer; NULL with FAILURE_ANSWER. Whatever is in the result has the form that the
 * policy demands of it and can be printed. */
struct licence *licence_read(const struct buffer *text, struct failure *failure);
void licence_free(struct licence *self);

/* As a table, as one JSON object, and as the members of one. */
void licence_print(const struct licence *self, struct buffer *out);
void licence_print_json(const struct licence *self, struct buffer *out);
void licence_print_members(const struct licence *self, struct buffer *out);

#endif
