/*
 * A generation's TLS towards the store: whom it believes there, and as whom it comes.
 */
#ifndef GATEWAY_GENERATION_STORE_TLS_H
#define GATEWAY_GENERATION_STORE_TLS_H

#include <stdbool.h>

#include "base/problems.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls_client.h"
#include "generation.h"

/* Takes the files of `store.ca`, `certificate` and `key` into SELF, as far as CONFIG names them,
 * and adds what is wrong with them to PROBLEMS: also a key that any user may read. */
void generation_store_tls_take(
    struct generation *self, const struct config *config, struct problems *problems);

/* Sets *TLS to what the files of SELF say, one more reference to CURRENT (NULL: none) when that is
 * made of the same; NULL when no store is asked by TLS. False, with ERROR filled, when they are not
 * usable. */
bool generation_store_tls_open(const struct generation *self, const struct config *config,
    struct tls_client *current, struct tls_client **tls, char error[PEM_ERROR_MAX]);

#endif
