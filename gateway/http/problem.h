/*
 * Why a request is refused: the design's table of reasons (section 5), once.
 *
 * Each refusal is answered as application/problem+json (RFC 9457) whose type is
 * "urn:mirrorgate:NAME"; the same NAME stands in the access log and in the metrics.
 */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include <stdbool.h>

/*       enum                  status  name                    title */
#define PROBLEM_TABLE(X)                                                                           \
	X(MALFORMED_REQUEST, 400, "malformed-request", "The request is not valid HTTP")            \
	X(MALFORMED_PATH, 400, "malformed-path", "The path is not in canonical form")              \
	X(BODY_NOT_ALLOWED, 400, "body-not-allowed", "This request must not have a body")          \
	X(UNKNOWN_SUBJECT, 403, "unknown-subject", "The policy does not know this certificate")    \
	X(NOT_LICENSED, 403, "not-licensed", "No licence covers this path")                        \
	X(LICENCE_EXPIRED, 403, "licence-expired", "The licence has ended")                        \
	X(LICENCE_NOT_STARTED, 403, "licence-not-started", "The licence has not started yet")      \
	X(CERTIFICATE_REVOKED, 403, "certificate-revoked", "The certificate is no longer valid")   \
	X(NOT_PERMITTED, 403, "not-permitted", "This caller may not do this")                      \
	X(NOT_FOUND, 404, "not-found", "The store has no such artifact")                           \
	X(METHOD_NOT_ALLOWED, 405, "method-not-allowed", "The method is not allowed here")         \
	X(REQUEST_TIMEOUT, 408, "request-timeout", "The request took too long")                    \
	X(LENGTH_REQUIRED, 411, "length-required", "A Content-Length is required")                 \
	X(SNAPSHOT_TOO_LARGE, 413, "snapshot-too-large", "The snapshot is too large")              \
	X(URI_TOO_LONG, 414, "uri-too-long", "The path or the request line is too long")           \
	X(UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type", "Only application/json is taken") \
	X(EXPECTATION_FAILED, 417, "expectation-failed", "This expectation is not supported")      \
	X(MISDIRECTED, 421, "misdirected", "This server does not serve that host")                 \
	X(SNAPSHOT_INVALID, 422, "snapshot-invalid", "The snapshot is not a thin snapshot")        \
	X(TOO_MANY, 429, "too-many", "Too many requests")                                          \
	X(HEADERS_TOO_LARGE, 431, "headers-too-large", "The header block is too large")            \
	X(METHOD_UNKNOWN, 501, "method-unknown", "The method is not known")                        \
	X(STORE_BAD_RESPONSE, 502, "store-bad-response", "The store gave an unusable answer")      \
	X(STORE_UNAVAILABLE, 503, "store-unavailable", "The store cannot be reached")              \
	X(STORE_TIMEOUT, 504, "store-timeout", "The store did not answer in time")

#define PROBLEM_ENUM(name, status, text, title) PROBLEM_##name,
enum problem { PROBLEM_NONE, PROBLEM_TABLE(PROBLEM_ENUM) PROBLEM_COUNT };
#undef PROBLEM_ENUM

unsigned problem_status(enum problem self);
const char *problem_name(enum problem self);
const char *problem_title(enum problem self);

/* The reason phrase of any status the gateway sends (RFC 9110, section 15). */
const char *problem_status_text(unsigned status);

/* A refusal: the reason, one plain sentence, and whether the connection must end after it because
 * the framing is in doubt. */
struct refusal {
	enum problem problem;
	const char *detail; /* static text */
	bool closes;
};

#endif
