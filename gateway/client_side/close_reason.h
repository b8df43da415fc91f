/*
 * Why a client connection ended: one table gives the enum, the log text and whether it is an
 * error worth a line (the log level follows from that).
 */
#ifndef GATEWAY_CLOSE_REASON_H
#define GATEWAY_CLOSE_REASON_H

#include <stdbool.h>

enum close_level { CLOSE_NORMAL, CLOSE_PEER_FAULT, CLOSE_STORE_FAULT, CLOSE_OUR_FAULT };

/*       enum            level              log text */
#define CLOSE_TABLE(X)                                                            \
	X(PEER_DONE, CLOSE_NORMAL, "client closed")                               \
	X(PEER_ASKED, CLOSE_NORMAL, "client asked to close")                      \
	X(PROBED, CLOSE_NORMAL, "closed without a byte")                          \
	X(HANDSHAKE_ONLY, CLOSE_NORMAL, "closed without a request")               \
	X(REFUSED_REQUEST, CLOSE_NORMAL, "closed after refusal")                  \
	X(IDLE_TIMEOUT, CLOSE_NORMAL, "idle timeout")                             \
	X(CROWDED_OUT, CLOSE_NORMAL, "closed to make room")                       \
	X(DRAINED, CLOSE_NORMAL, "draining")                                      \
	X(CUT, CLOSE_NORMAL, "cut by an administrator")                           \
	X(PEER_RESET, CLOSE_PEER_FAULT, "connection reset by client")             \
	X(PEER_TRUNCATED, CLOSE_PEER_FAULT, "client closed without close_notify") \
	X(HANDSHAKE_REFUSED, CLOSE_PEER_FAULT, "handshake refused")               \
	X(HANDSHAKE_TIMEOUT, CLOSE_PEER_FAULT, "handshake timeout")               \
	X(REQUEST_TIMEOUT, CLOSE_PEER_FAULT, "request timeout")                   \
	X(BODY_TIMEOUT, CLOSE_PEER_FAULT, "request body timeout")                 \
	X(SEND_TIMEOUT, CLOSE_PEER_FAULT, "send timeout")                         \
	X(TOO_SLOW, CLOSE_PEER_FAULT, "below the minimum rate")                   \
	X(PROXY_REFUSED, CLOSE_PEER_FAULT, "PROXY header refused")                \
	X(TLS_FAULT, CLOSE_PEER_FAULT, "TLS protocol error")                      \
	X(LIMIT, CLOSE_PEER_FAULT, "connection limit")                            \
	X(CUSTOMER_LIMIT, CLOSE_NORMAL, "customer's connection limit")            \
	X(REVOKED, CLOSE_PEER_FAULT, "certificate no longer accepted")            \
	X(WITHDRAWN, CLOSE_PEER_FAULT, "licence withdrawn")                       \
	X(CERTIFICATE_ENDED, CLOSE_PEER_FAULT, "certificate expired")             \
	X(LICENCE_ENDED, CLOSE_PEER_FAULT, "licence ended")                       \
	X(STORE_TRUNCATED, CLOSE_STORE_FAULT, "store ended the body early")       \
	X(STORE_STALLED, CLOSE_STORE_FAULT, "store stopped sending")              \
	X(STORE_WRONG, CLOSE_STORE_FAULT, "store's content is another")           \
	X(DRAIN_TIMEOUT, CLOSE_OUR_FAULT, "drain timeout")

#define CLOSE_ENUM(name, level, text) CLOSE_##name,
enum close_reason { CLOSE_TABLE(CLOSE_ENUM) CLOSE_REASON_COUNT };
#undef CLOSE_ENUM

const char *close_reason_text(enum close_reason self);
enum close_level close_reason_level(enum close_reason self);

#endif
