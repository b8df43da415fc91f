/*
 * The file of `store.credentials`: how the gate says to the store who it is.
 *
 * It has one line, "basic USER:PASSWORD" (RFC 7617) or "bearer TOKEN" (RFC 6750). What it says is a
 * secret: no function here puts any of it into a text for people.
 */
#ifndef GATEWAY_CONFIG_CREDENTIALS_H
#define GATEWAY_CONFIG_CREDENTIALS_H

#include <stddef.h>

enum { CONFIG_CREDENTIALS_MAX = 4096 }; /* bytes of the file */

/* The value of the Authorization field for the LEN bytes of the file, the caller's. NULL with
 * *DEFECT, a static text that says what is wrong with them. */
char *config_credentials_field(const char *bytes, size_t len, const char **defect);

#endif
