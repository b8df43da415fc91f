/*
 * A private key that is in another process: an OpenSSL key whose public half is here, and for whose
 * signatures a tls_asker asks (provider(7), provider-keymgmt(7), provider-signature(7)).
 *
 * It signs what a TLS server signs, in one piece (EVP_DigestSign(3)), within a call of tls_pause.h,
 * which waits meanwhile. It decrypts nothing.
 */
#ifndef GATEWAY_TLS_REMOTE_KEY_H
#define GATEWAY_TLS_REMOTE_KEY_H

#include <openssl/x509.h>

#include "tls_asker.h"

/* Who is asked for the signatures of all remote keys of this process; ASKER stays the caller's. */
void tls_remote_key_ask(struct tls_asker *asker);

/* The private half of CERTIFICATE's key, the caller's to free; NULL: it is of no type that TLS
 * knows. */
EVP_PKEY *tls_remote_key_of(X509 *certificate);

#endif
