/*
 * Why a handshake came to nothing, as one of few words, for the label of a counter: the texts of
 * libssl are many and change with its version.
 */
#ifndef GATEWAY_HANDSHAKE_REFUSAL_H
#define GATEWAY_HANDSHAKE_REFUSAL_H

#include "metrics.h"

/*       enum            label */
#define HANDSHAKE_REFUSAL_TABLE(X)              \
	X(OTHER, "other")                       \
	X(NO_CERTIFICATE, "no-certificate")     \
	X(UNKNOWN_CA, "unknown-ca")             \
	X(REVOKED, "revoked")                   \
	X(EXPIRED, "expired")                   \
	X(NOT_YET_VALID, "not-yet-valid")       \
	X(CRL_EXPIRED, "crl-expired")           \
	X(PROFILE, "certificate-profile")       \
	X(PROTOCOL, "protocol")                 \
	X(TOO_MANY, "too-many-handshakes")      \
	X(ADDRESS_LIMIT, "address-connections") \
	X(PROXY_HEADER, "proxy-header")         \
	X(TIMEOUT, "timeout")                   \
	X(CLIENT_LEFT, "client-left")

#define HANDSHAKE_REFUSAL_ENUM(name, label) HANDSHAKE_REFUSAL_##name,
enum handshake_refusal { HANDSHAKE_REFUSAL_TABLE(HANDSHAKE_REFUSAL_ENUM) HANDSHAKE_REFUSAL_COUNT };
#undef HANDSHAKE_REFUSAL_ENUM

/* What REASON, as the access log has it, comes to. */
enum handshake_refusal handshake_refusal_of(const char *reason);
const char *handshake_refusal_label(enum handshake_refusal self);

#endif
