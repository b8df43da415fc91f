/*
 * The judgement on the catalogue of one version: believed, out of date, or not to be trusted.
 */
#ifndef GATEWAY_CATALOGUE_JUDGE_H
#define GATEWAY_CATALOGUE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "catalogue/catalogue.h"
#include "catalogue/catalogue_image.h"
#include "catalogue_folders.h"
#include "crypto/signer.h"
#include "gateway/tls/tls_verify.h"

enum {
	CATALOGUE_JUDGE_REASON_MAX = 2048,
	CATALOGUE_JUDGE_RETRY_SECONDS = 60, /* until what could not be read is tried again */
};

struct catalogue_verdict {
	struct catalogue_image_version
	    version;                 /* ABSENT: there is none; `origin` is the caller's */
	struct catalogue *catalogue; /* VALID or EXPIRED; otherwise NULL */
	size_t read;                 /* bytes that had to be read */
	char reason[CATALOGUE_JUDGE_REASON_MAX]; /* REFUSED: why */
};

/* Judges the catalogue of FOLDER, which can be read, as it is valid at NOW. SIGNER without bytes
 * cannot be read: then none is trusted. The caller ends VERDICT. */
void catalogue_judge(const struct catalogue_folder *folder, const struct signer *signer, time_t now,
    struct catalogue_verdict *verdict);
void catalogue_judge_verdict_fini(struct catalogue_verdict *self);

/* ERROR kept something from being read. A full table of descriptors, or a disk that does not
 * answer, may be over without a trace in what stat() says: true. The other reasons are not. */
bool catalogue_judge_may_be_over(int error);

#endif
