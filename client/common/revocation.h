/*
 * The revocation lists that this process goes by: one decision for servers and signatures.
 */
#ifndef CLIENT_REVOCATION_H
#define CLIENT_REVOCATION_H

#include <stdbool.h>

#include "crypto/crl_set.h"
#include "failure.h"

/* Bytes of a file of lists: what the gate takes, too. One of 100,000 certificates has 4 MiB. */
enum { REVOCATION_MAX_BYTES = 16 * 1024 * 1024 };

/* Reads the lists in FILE that the CAs in the file CA signed; good or not. NULL, with FAILURE
 * filled, when there are none. */
struct crl_set *revocation_read(const char *file, const char *ca, struct failure *failure);

/* The same for TEXT, which is called NAME. */
struct crl_set *revocation_read_text(
    const struct buffer *text, const char *name, const char *ca, struct failure *failure);

/* False, with FAILURE filled, unless SET, which was read from FILE, can be relied on now. */
bool revocation_is_good(const struct crl_set *set, struct failure *failure);

/* For the whole process, and once: from now on SET counts, which is good and now belongs here. */
void revocation_use(struct crl_set *set);

/* The same for what revocation_read() makes of FILE, when it is good. False with FAILURE filled. */
bool revocation_use_file(const char *file, const char *ca, struct failure *failure);

/* NULL when no lists are to be gone by: then nothing counts as revoked. */
const struct crl_set *revocation_in_use(void);

/* Forgets what is in use. */
void revocation_fini(void);

#endif
