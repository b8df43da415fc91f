/*
 * The catalogues of a node, read and believed or not, as one image.
 *
 * A catalogue that is there and cannot be trusted is said in the log, with the reason, and its
 * folder is marked in the image: nothing below it will be served. It never keeps the image from
 * being made, since a generation may carry a revocation list.
 */
#ifndef GATEWAY_CATALOGUES_H
#define GATEWAY_CATALOGUES_H

#include <stdbool.h>
#include <time.h>

#include "base/problems.h"
#include "catalogue/catalogue_image.h"
#include "crypto/crl.h"
#include "gateway/config/config.h"
#include "gateway/node/metrics.h"
#include "policy/policy.h"

/* At the start nothing may be amiss that any catalogue needs: adds a problem when the folder or the
 * signer's certificate cannot be opened. */
void catalogues_check_files(const struct config *config, struct problems *problems);

/* True when LISTS revoke the certificate that signs catalogues. False when it cannot be read. */
bool catalogues_signer_is_revoked(const struct config *config, const STACK_OF(X509_CRL) * lists);

/* Judges what is below CONFIG's folder for the products of POLICY, as it is valid at NOW, the LISTS
 * (NULL: none) being the revocation lists in force; what has not changed since PREVIOUS (NULL:
 * none) was made is taken from there, and a version that was good there is never forgotten.
 * Returns a sealed memfd with an image; -1, with a problem added, when none can be made. */
int catalogues_read(const struct config *config, const struct policy *policy,
    const STACK_OF(X509_CRL) * lists, const struct catalogue_image *previous, time_t now,
    struct problems *problems);

/* From one policy to another. */
struct catalogues_move {
	const struct policy *before, *after;
	int previous; /* memfd with the image that was made for BEFORE */
	bool is_due;  /* all is to be judged anew as soon as that can be */
};

/* Without a look at any file: the image of MOVE for the policy that comes after. Nothing is served
 * below paths that the one before does not have, until catalogues_read(). As catalogues_read()
 * returns. */
int catalogues_carry_over(
    const struct config *config, const struct catalogues_move *move, struct problems *problems);

/* True when IMAGE was made of other files than are there now, or when one of its catalogues or the
 * signer's certificate is no longer valid at NOW, or has become it, or when it is time to try again
 * what could not be read. Looks at names and stat() data only. */
bool catalogues_have_changed(const struct config *config, const struct policy *policy,
    const struct catalogue_image *image, time_t now);

/* Sets the gauges of IMAGE (NULL: none are checked) in SLOT, the supervisor's. */
void catalogues_count(const struct catalogue_image *image, struct metrics *metrics, unsigned slot);

/* Says what is in AFTER, and what is not as in BEFORE, which may be NULL: one line. */
enum { CATALOGUES_CHANGE_MAX = 1024 };
void catalogues_describe(const struct catalogue_image *before, const struct catalogue_image *after,
    char text[CATALOGUES_CHANGE_MAX]);

#endif
