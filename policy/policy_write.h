/*
 * Writing a checked policy file as an image.
 *
 * Private to the policy compiler.
 */
#ifndef POLICY_POLICY_WRITE_H
#define POLICY_POLICY_WRITE_H

#include "policy_file.h"

/* Writes the image of FILE, in which policy_check() found no mistake, to the empty file FD. The
 * same policy always gives the same bytes. Returns 0, or -1 with errno set. */
int policy_write(const struct policy_file *file, int fd);

#endif
