/*
 * A generation: everything that can change while the gateway runs, as sealed memfds.
 *
 * The supervisor builds and checks one completely; a worker opens it from the same bytes and
 * swaps it in (generation_build.h, generation_open.h). Nothing in a generation changes after it was
 * built.
 */
#ifndef GATEWAY_GENERATION_H
#define GATEWAY_GENERATION_H

#include <stdint.h>

#include "catalogue/catalogue_image.h"

enum generation_file {
	GENERATION_POLICY,
	GENERATION_CERTIFICATE,
	GENERATION_KEY,
	GENERATION_CLIENT_CA,
	GENERATION_CRL,         /* -1 when the configuration says none */
	GENERATION_TICKET_KEYS, /* made at the first start when the configuration has none */
	GENERATION_CATALOGUES,  /* -1 when the configuration asks for no check of them */
	GENERATION_STORES, /* -1 at the start, when they are where the configuration found them */
	GENERATION_STORE_CREDENTIALS, /* -1 when the configuration names none */
	GENERATION_AUDIT_KEY,         /* the same */
	GENERATION_STORE_CA,          /* -1 when no store is asked by TLS */
	GENERATION_STORE_CERTIFICATE, /* -1 when the configuration names none */
	GENERATION_STORE_KEY,         /* the same */
	GENERATION_CONFIG,            /* the configuration, as it was read; see config_image.h */
	GENERATION_FILES,
};

struct generation {
	uint64_t number;
	int files[GENERATION_FILES];
};

/* Generation NUMBER, without any file yet. */
struct generation *generation_new(uint64_t number);
/* The catalogues of SELF, which the caller frees; NULL when none are checked. */
struct catalogue_image *generation_catalogues(const struct generation *self);
/* Closes the files; their memory goes with the last descriptor and mapping. */
void generation_close(struct generation *self);
/* The same, and frees. */
void generation_free(struct generation *self);

#endif
