/* `mirrorgate identity CERT.pem [-c FILE]`: what the gateway would call the holder of a
 * certificate. */
#ifndef GATEWAY_TLS_INSPECT_H
#define GATEWAY_TLS_INSPECT_H

/* Prints the canonical subject of the first certificate in FILE, or on standard error why it would
 * be refused: by its own profile, or, unless CONFIG_FILE is NULL, by what a handshake under that
 * configuration would say now of the certificates in FILE, leaf first. Returns the exit status. */
int tls_inspect_certificate(const char *file, const char *config_file);

#endif
