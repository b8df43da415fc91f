/*
 * An image as policy.yaml again.
 */
#ifndef POLICY_POLICY_DUMP_H
#define POLICY_POLICY_DUMP_H

#include <stdio.h>

#include "policy_listing.h"

/* Writes the one text that stands for LISTING, of an image that policy_verify() let through, to
 * OUT, whose errors are the caller's to look for. Compiled, it gives the same image byte for byte.
 * Comments, asserts and the limits of customers without subjects are not in an image. */
void policy_dump(const struct policy_listing *listing, FILE *out);

#endif
