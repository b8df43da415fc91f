/*
 * A generation: everything that can change while the gateway runs, as sealed memfds.
 *
 * The supervisor builds and checks one completely; a worker opens it from the same bytes and
 * swaps it in. Nothing in a generation changes after it was built.
 */
#ifndef GATEWAY_GENERATION_H
#define GATEWAY_GENERATION_H

#include <stdint.h>

#include "base/problems.h"
#include "catalogue/catalogue_image.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls_context.h"
#include "policy/policy.h"

enum generation_file {
	GENERATION_POLICY,
	GENERATION_CERTIFICATE,
	GENERATION_KEY,
	GENERATION_CLIENT_CA,
	GENERATION_CRL,         /* -1 when the configuration says none */
	GENERATION_TICKET_KEYS, /* made at the first start when the configuration has none */
	GENERATION_CATALOGUES,  /* -1 when the configuration asks for no check of them */
	GENERATION_STORES, /* -1 at the start, when they are where the configuration found them */
	GENERATION_CONFIG, /* the configuration, as it was read; see config_image.h */
	GENERATION_FILES,
};

struct generation {
	uint64_t number;
	int files[GENERATION_FILES];
};

/* Builds generation NUMBER of CONFIG from the files that it names and checks all of it, also
 * against the one in force (PREVIOUS, or NULL) and what state_dir remembers: neither its policy nor
 * its revocation lists may go back. Writes no file. The catalogues are those of PREVIOUS, when
 * there is one and CONFIG wants the same ones, whatever has become of them; nothing is served of
 * products that are new. NULL, with every problem in PROBLEMS, when anything is wrong. */
struct generation *generation_build(struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);
/* Builds generation NUMBER from PREVIOUS, with the catalogues as they are now and all else as it
 * was, whatever the other files hold meanwhile. NULL, with problems added, when that fails. */
struct generation *generation_build_catalogues(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);
/* Builds generation NUMBER from PREVIOUS, with the addresses of the stores looked up again, which
 * may block, and all else as it was. NULL when none has changed, or with problems added. */
struct generation *generation_build_stores(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);
/* Makes state_dir, when there is one, remember the policy of SELF, which generation_build() made,
 * and the numbers of its revocation lists. To be called before SELF goes live; false, with a
 * problem added, when it may not. */
bool generation_remember(
    const struct generation *self, const struct config *config, struct problems *problems);
/* The same for the versions that have a good catalogue in SELF. */
bool generation_remember_catalogues(
    const struct generation *self, const struct config *config, struct problems *problems);
/* True when catalogues are checked and a look at their files says that another generation should
 * be built. Takes a few system calls for each version of each product. */
bool generation_has_new_catalogues(const struct generation *self, const struct config *config);
/* The catalogues of SELF, which the caller frees; NULL when none are checked. */
struct catalogue_image *generation_catalogues(const struct generation *self);
/* Closes the files; their memory goes with the last descriptor and mapping. */
void generation_close(struct generation *self);
/* The same, and frees. */
void generation_free(struct generation *self);

/* What a worker needs of a generation; the caller's to release. */
struct generation_parts {
	struct config *config;
	struct policy *policy;
	struct tls_context *tls;
	struct catalogue_image *catalogues; /* NULL: none are checked */
	struct config_endpoints *stores;    /* for each store of the configuration */
};

/* Opens what the files of a generation that was built hold; the policy's checksum, which was
 * checked then, is not looked at again, for it would delay a worker's requests. For the same reason
 * PARTS' tls is one more reference to CURRENT, the TLS context in force (NULL: none), when nothing
 * of TLS has changed. False, with ERROR filled, when the files are not usable. */
bool generation_open(const struct generation *self, struct tls_context *current,
    struct generation_parts *parts, char error[TLS_ERROR_MAX]);

#endif
