/*
 * A generation: everything that can change while the gateway runs, as sealed memfds.
 *
 * The supervisor builds and checks one completely; a worker opens it from the same bytes and
 * swaps it in. Nothing in a generation changes after it was built.
 */
#ifndef GATEWAY_GENERATION_H
#define GATEWAY_GENERATION_H

#include <stdint.h>

#include "../policy/catalogue_image.h"
#include "../policy/policy.h"
#include "../policy/policy_diff.h"
#include "../policy/problems.h"
#include "config.h"
#include "tls_context.h"

enum generation_file {
	GENERATION_POLICY,
	GENERATION_CERTIFICATE,
	GENERATION_KEY,
	GENERATION_CLIENT_CA,
	GENERATION_CRL,         /* -1 when the configuration says none */
	GENERATION_TICKET_KEYS, /* made at the first start when the configuration has none */
	GENERATION_CATALOGUES,  /* -1 when the configuration asks for no check of them */
	GENERATION_FILES,
};

struct generation {
	uint64_t number;
	int files[GENERATION_FILES];
};

/* Builds generation NUMBER from the files that CONFIG names and checks all of it, also against
 * the one in force (PREVIOUS, or NULL) and what state_dir remembers: its policy may not go back.
 * Writes no file. NULL, with every problem in
 * PROBLEMS, when anything is wrong. */
struct generation *generation_build(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);
/* Builds generation NUMBER from PREVIOUS, with the catalogues as they are now and all else as it
 * was, whatever the other files hold meanwhile. NULL, with problems added, when that fails. */
struct generation *generation_build_catalogues(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);
/* Makes state_dir, when there is one, remember the policy of SELF, which generation_build() made.
 * To be called before SELF goes live; false, with a problem added, when it may not. */
bool generation_remember(
    const struct generation *self, const struct config *config, struct problems *problems);
/* Says what the policy of NEW changes against that of OLD, both built by generation_build():
 * "serial 12 -> 13: customers +1 -0, ..." or "serial 12 unchanged". Takes time in proportion to
 * the policies' size, a third of a second for 100,000 customers. */
enum { GENERATION_CHANGE_MAX = POLICY_DIFF_SUMMARY_MAX + 64 };
void generation_policy_change(const struct generation *old, const struct generation *new,
    const struct config *config, char text[GENERATION_CHANGE_MAX]);
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
	struct policy *policy;
	struct tls_context *tls;
	struct catalogue_image *catalogues; /* NULL: none are checked */
};

/* Opens what the files of a generation that was built hold; the policy's checksum, which was
 * checked then, is not looked at again, for it would delay a worker's requests. For the same reason
 * PARTS' tls is one more reference to CURRENT, the TLS context in force (NULL: none), when nothing
 * of TLS has changed. False, with ERROR filled, when the files are not usable. */
bool generation_open(const struct generation *self, const struct config *config,
    struct tls_context *current, struct generation_parts *parts, char error[TLS_ERROR_MAX]);

#endif
