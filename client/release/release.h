/*
 * A release: one version of a product as the servers offer it, with its catalogue got and checked.
 *
 * On a server, BASE is the product's first licensed folder; BASE/VERSION/ holds a version and its
 * catalogue, and BASE/catalogue.json is a copy of the newest version's.
 */
#ifndef CLIENT_RELEASE_H
#define CLIENT_RELEASE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "catalogue/catalogue.h"
#include "client/common/failure.h"
#include "client/net/https.h"
#include "licence.h"

struct release_order {
	const char *product;
	const char *version; /* NULL: the newest */
	const char *signer;  /* PEM file of the certificate that signs catalogues; NULL: none */
	bool allow_sha1;     /* a catalogue may have files without SHA-256; a note warns of it */
};

/* A catalogue with the bytes that were signed, as they are written to disk. */
struct release {
	struct buffer text, signature;
	struct catalogue *catalogue;
};

/* The path of PRODUCT's folder on the servers, ending in "/", which lives as long as LICENCE; NULL
 * with FAILURE filled when there is no licence for it now. */
const char *release_base(
    const struct licence *licence, const char *product, struct failure *failure);

/* Gets the catalogue that ORDER asks for from below BASE into SELF, which is zeroed. True only when
 * it is signed, valid today, and names the product and the version asked for. Whether it is older
 * than what was seen before is the caller's to judge. */
bool release_get(struct release *self, const struct release_order *order, const char *base,
    struct https *https, struct failure *failure);
void release_fini(struct release *self);

/* The path of FILE, one of the catalogue's, on the servers; the caller frees it. */
char *release_path(const struct release *self, const char *base, const struct catalogue_file *file);

#endif
