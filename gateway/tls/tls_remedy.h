/* What to change where a certificate is refused. */
#ifndef GATEWAY_TLS_REMEDY_H
#define GATEWAY_TLS_REMEDY_H

/* OpenSSL's text for ERROR (X509_V_ERR_...), followed by what would help where that can be said
 * without knowing more. Static. */
const char *tls_remedy(int error);

#endif
