/*
 * `mirrorgate audit-verify`: whether an access log whose lines are sealed (audit_chain.h) is as the
 * gate wrote it, across its rotations and the gate's restarts.
 */
#ifndef GATEWAY_AUDIT_VERIFY_H
#define GATEWAY_AUDIT_VERIFY_H

/* Reads FILES, whose list ends with NULL, the oldest first; "-" is standard input. With KEY, a file
 * of public keys (NULL: none), the signatures of the chains have to be there, by one of them.
 * Prints the first line that was altered, moved or put in, or before which lines are missing, and
 * of each chain what cannot be known. Returns the exit status. */
int audit_verify_files(char *const *files, const char *key);

#endif
