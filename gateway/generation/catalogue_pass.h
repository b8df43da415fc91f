/*
 * One pass over all catalogues, which makes an image.
 *
 * What has not changed since an earlier image is taken from it; the rest is read, the small ones
 * first of all, as far as a budget of bytes and time goes. What is over it is pending: it is named
 * in the log, nothing below its folder is served, and the next pass, a minute later, goes on.
 */
#ifndef GATEWAY_CATALOGUE_PASS_H
#define GATEWAY_CATALOGUE_PASS_H

#include <time.h>

#include "catalogue/catalogue_image.h"
#include "crypto/crl.h"
#include "crypto/digest.h"
#include "gateway/config/config.h"
#include "policy/policy.h"

/* Adds to ORIGIN what NAME in FOLDER looks like: stat() data, as fstatat() with FLAGS gives them.
 * Returns its size; 0 when it cannot be looked at. */
size_t catalogue_pass_add_file(
    struct digest_stream *origin, int folder, const char *name, int flags);

struct catalogue_pass_order {
	const struct config *config;
	const struct policy *policy;
	const STACK_OF(X509_CRL) * lists;       /* revocation lists; NULL: none */
	const struct catalogue_image *previous; /* the earlier image; NULL: none */
	time_t now;
};

/* Judges the catalogues of the products of ORDER's policy as they are valid then. The image is
 * written with WRITER, but for its end. Returns when it is to be made anew; 0: never. */
time_t catalogue_pass(
    const struct catalogue_pass_order *order, struct catalogue_image_writer *writer);

#endif
