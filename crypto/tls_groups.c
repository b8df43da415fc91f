/*
 * Key exchange groups.
 *
 * OpenSSL can only be asked by trying what it has: a list with a group or a mark that it does not
 * know is refused as a whole.
 */
#include "tls_groups.h"

#include <openssl/err.h>
#include <stdlib.h>

/* The syntax of 3.5: `*` sends a key share at once, `/` parts what is preferred from the rest. */
#define HYBRID "*X25519MLKEM768/*X25519:P-256/X448:P-384:P-521"
#define CLASSIC "X25519:P-256:X448:P-384:P-521"

void
tls_groups_set(SSL_CTX *context)
{
	ERR_clear_error();
	if (SSL_CTX_set1_groups_list(context, HYBRID) == 1)
		return;
	ERR_clear_error();
	if (SSL_CTX_set1_groups_list(context, CLASSIC) != 1)
		abort();
}

const char *
tls_groups_name(SSL *ssl)
{
	/* OpenSSL 3.0 looks into the session, which a handshake that failed early does not have. */
	if (SSL_get_session(ssl) == NULL)
		return NULL;
	int group = (int)SSL_get_negotiated_group(ssl);

	return group == NID_undef ? NULL : SSL_group_to_name(ssl, group);
}
