/* `mirrorgate identity CERT.pem`: what the gateway would call the holder of a certificate. */
#ifndef GATEWAY_TLS_INSPECT_H
#define GATEWAY_TLS_INSPECT_H

/* Prints the canonical subject of the first certificate in FILE, or on standard error why it would
 * be refused. Returns the exit status. */
int tls_inspect_certificate(const char *file);

#endif
