/*
 * The states of a connection, one enum for each direction, and which state may follow which.
 */
#ifndef GATEWAY_CONNECTION_TRANSITIONS_H
#define GATEWAY_CONNECTION_TRANSITIONS_H

#include <stdbool.h>

/* An answer has no timeout of its own: the store has a timer, and the client's clock runs only
 * while it is what everybody waits for; see OUTGOING_TABLE. Any but the last may be followed by
 * CONN_CLOSED, and that by none. */
/*  state, seconds, what is being done, what may follow */
#define STATE_TABLE(X)                                                                             \
	X(PROXY_HEADER, timeouts->handshake, "reading the PROXY header", TO(HANDSHAKE))            \
	X(HANDSHAKE, timeouts->handshake, "in the TLS handshake", TO(IDLE) | TO(CLOSING))          \
	X(IDLE, timeouts->idle, "waiting for a request", TO(READ_HEAD) | TO(ANSWER) | TO(CLOSING)) \
	X(READ_HEAD, timeouts->request, "reading a request's head",                                \
	    TO(READ_BODY) | TO(ANSWER) | TO(CLOSING))                                              \
	X(READ_BODY, timeouts->body, "reading a request's body", TO(ANSWER))                       \
	X(ANSWER, 0, "sending an answer", TO(IDLE) | TO(CLOSING))                                  \
	X(CLOSING, timeouts->send, "saying goodbye", TO(LINGER))                                   \
	X(LINGER, LINGER_TIMEOUT, "waiting for the client to close", 0)                            \
	X(CLOSED, 0, "closed", 0)

#define STATE_ENUM(name, seconds, doing, next) CONN_##name,
enum state { STATE_TABLE(STATE_ENUM) };
#undef STATE_ENUM

/* Whether TO may follow FROM. */
bool connection_transitions_allow(enum state from, enum state to);

/* What an answer waits for. The store is left alone while anything but our own turn holds the
 * answer up; the client's clock runs while the client does. */
/*        what goes out   store is held  client's clock runs */
#define OUTGOING_TABLE(X)                                                           \
	X(READY, false, false)    /* the socket has just said that it takes more */ \
	X(OPEN, false, false)     /* it is asked before each piece */               \
	X(TURN, false, false)     /* waits until others have had their turn */      \
	X(RATE, true, false)      /* until the customer's rate allows more */       \
	X(FULL, true, true)       /* until the socket says that it takes more */    \
	X(BLOCKED, true, true)    /* until what is encrypted has left */            \
	X(COMPLETE, false, false) /* all of the answer is encrypted */              \
	X(LAST, false, true)      /* and waits until that has left */

#define OUTGOING_ENUM(name, held, clock) OUT_##name,
enum outgoing { OUTGOING_TABLE(OUTGOING_ENUM) };
#undef OUTGOING_ENUM

bool connection_transitions_hold_store(enum outgoing state);
bool connection_transitions_run_clock(enum outgoing state);

#endif
