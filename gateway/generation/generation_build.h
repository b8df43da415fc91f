/*
 * Building a generation, from files and from the one before.
 */
#ifndef GATEWAY_GENERATION_BUILD_H
#define GATEWAY_GENERATION_BUILD_H

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"

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

#endif
