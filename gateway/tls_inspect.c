/* Prints a certificate's identity, by the same code that the handshake uses. */
#include "tls_inspect.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "log.h"

int
tls_inspect_certificate(const char *file)
{
	struct identity identity;
	FILE *in = fopen(file, "re");

	if (in == NULL) {
		log_error("%s: %s", file, strerror(errno));
		return EXIT_FAILURE;
	}
	X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
	fclose(in);
	ERR_clear_error();
	if (certificate == NULL) {
		log_error("%s: there is no PEM certificate that can be read", file);
		return EXIT_FAILURE;
	}
	const char *defect = identity_of(certificate, &identity);
	X509_free(certificate);
	if (defect != NULL) {
		log_error("%s: refused: %s", file, defect);
		return EXIT_FAILURE;
	}
	puts(identity.subject);
	return EXIT_SUCCESS;
}
