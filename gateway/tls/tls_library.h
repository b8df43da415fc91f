/*
 * Which of OpenSSL's algorithms a process looks through.
 *
 * Whenever OpenSSL 3.0 parses a certificate it asks each of its 40 decoders whether the public key
 * is theirs, and a handshake parses two: the client's, and the session's that is to be a ticket.
 * Only those of public keys that a certificate here may have are ever the right one.
 */
#ifndef GATEWAY_TLS_LIBRARY_H
#define GATEWAY_TLS_LIBRARY_H

#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdbool.h>

/* From now on this process looks, by default, for public keys of RSA, EC, Ed25519 and Ed448 only
 * where something is to be decoded. All other algorithms stay as they are. Does nothing, and
 * returns false, where OpenSSL is configured for other than its default provider, e.g. for FIPS.
 * Once in a process, before any TLS. */
bool tls_library_trim(void);

/* Where private keys, and all else, can be decoded; NULL: by default. */
OSSL_LIB_CTX *tls_library_untrimmed(void);

/* SKIP: from now on a certificate that is parsed gets no public key, which is nearly all of the
 * work, and all but keys is as it was. For sessions, which OpenSSL parses with the certificate in
 * them: at each resumption, and for each ticket that it makes. Without effect where
 * tls_library_trim() had none. */
void tls_library_skip_keys(bool skip);

/* CERTIFICATE with its public key: itself, or another one of the same bytes, parsed now. The caller
 * owns a reference; NULL: out of memory. */
X509 *tls_library_with_key(X509 *certificate);

#endif
