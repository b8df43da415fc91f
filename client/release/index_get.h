/*
 * The index of a product, got from the servers and checked: which version is the newest, and which
 * are withdrawn.
 */
#ifndef CLIENT_INDEX_GET_H
#define CLIENT_INDEX_GET_H

#include "client/common/config.h"
#include "client/net/https.h"
#include "index.h"

enum index_result {
	INDEX_FOUND,
	INDEX_NONE, /* the server has none, and as far as is known here never had one */
	INDEX_FAILED,
};

/* Gets the index of PRODUCT, which is below BASE, into *INDEX, which the caller frees. FOUND: it is
 * signed, valid today, and no older than one that CONFIG's cache remembers; that remembers it from
 * now on, unless CONFIG only looks. A server whose index is not like that, or is not there although
 * one was seen once or `index: required` asks for it, is passed over for the next one, and all that
 * HTTPS is asked for later, until the next index is wanted; FAILED when there is none left: FAILURE
 * is that of the first. */
enum index_result index_get(const struct config *config, const char *product, const char *base,
    struct https *https, struct index **index, struct failure *failure);

#endif
