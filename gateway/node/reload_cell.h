/* What a reload changed, or was refused for: the labels of a counter. */
#ifndef GATEWAY_RELOAD_CELL_H
#define GATEWAY_RELOAD_CELL_H

/*       enum           label; in the order of a generation's files, then what is none of them */
#define RELOAD_FILE_TABLE(X)                      \
	X(POLICY, "policy")                       \
	X(CERTIFICATE, "certificate")             \
	X(KEY, "key")                             \
	X(CLIENT_CA, "client_ca")                 \
	X(CRL, "crl")                             \
	X(TICKET_KEYS, "ticket_keys")             \
	X(CATALOGUES, "catalogues")               \
	X(STORES, "stores") /* addresses */       \
	X(STORE_CREDENTIALS, "store_credentials") \
	X(AUDIT_KEY, "audit_key")                 \
	X(STORE_CA, "store_ca")                   \
	X(STORE_CERTIFICATE, "store_certificate") \
	X(STORE_KEY, "store_key")                 \
	X(CONFIGURATION, "configuration")         \
	X(OTHER, "other")

#define RELOAD_FILE_ENUM(name, label) RELOAD_FILE_##name,
enum reload_file { RELOAD_FILE_TABLE(RELOAD_FILE_ENUM) RELOAD_FILE_COUNT };
#undef RELOAD_FILE_ENUM

enum reload_result { RELOAD_APPLIED, RELOAD_REFUSED, RELOAD_RESULT_COUNT };

static inline unsigned
reload_cell_of(enum reload_result result, enum reload_file file)
{
	return (unsigned)result * RELOAD_FILE_COUNT + (unsigned)file;
}

#endif
