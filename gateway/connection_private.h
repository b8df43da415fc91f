/*
 * The inside of a connection: its memory, its states, and what its four files ask of each other.
 *
 * Only connection.c, connection_state.c, connection_request.c and connection_answer.c may include
 * this; everybody else has connection.h. connection.c has the events and calls the steps, the
 * others do the work of one phase each:
 *
 *   connection_state.c     what the connection waits for, and how it ends
 *   connection_request.c   what comes in: PROXY header, handshake, head, body
 *   connection_answer.c    what goes out, and at which pace
 *
 * A step moves the connection forward once. It returns true when the next step may follow at once,
 * and false when something must be waited for or the connection has ended.
 */
#ifndef GATEWAY_CONNECTION_PRIVATE_H
#define GATEWAY_CONNECTION_PRIVATE_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "../policy/buffer.h"
#include "connection.h"
#include "http_scan.h"
#include "transaction.h"

enum {
	READ_AHEAD_MAX = HTTP_HEAD_MAX + 1, /* bytes of later requests kept while one is served */
	RATE_WINDOW = 30,                   /* seconds over which min_rate is averaged */
	LINGER_TIMEOUT = 2,                 /* seconds for the client to close as well */
};

/* An answer has no timeout of its own: the store has a timer, and the client's clock runs only
 * while it is what everybody waits for; see connection_answer.c. */
/*          state              seconds              what is being done */
#define STATE_TABLE(X)                                                        \
	X(CONN_PROXY_HEADER, timeouts->handshake, "reading the PROXY header") \
	X(CONN_HANDSHAKE, timeouts->handshake, "in the TLS handshake")        \
	X(CONN_IDLE, timeouts->idle, "waiting for a request")                 \
	X(CONN_READ_HEAD, timeouts->request, "reading a request's head")      \
	X(CONN_READ_BODY, timeouts->body, "reading a request's body")         \
	X(CONN_ANSWER, 0, "sending an answer")                                \
	X(CONN_CLOSING, timeouts->send, "saying goodbye")                     \
	X(CONN_LINGER, LINGER_TIMEOUT, "waiting for the client to close")     \
	X(CONN_CLOSED, 0, "closed")

#define STATE_ENUM(name, seconds, doing) name,
enum state { STATE_TABLE(STATE_ENUM) };

struct connection {
	struct services *services;
	struct connection_links links;
	connection_life_fn *ended;
	void *arg;
	int fd;
	enum state state; /* changed by connection_set_state() and connection_close_now() only */
	unsigned entered; /* events in progress: memory stays until the last returns */
	bool running;     /* inside run() */
	unsigned answers; /* finished in this run() */
	ev_io reader, writer;
	ev_timer timer;    /* the state's; one at a time */
	ev_timer throttle; /* the customer's rate, and other connections' turns */
	enum close_reason closing_because;
	size_t lingered;

	struct sockaddr_storage address;
	char address_text[INET6_ADDRSTRLEN + 8];
	struct quota_key address_key, customer_key;
	bool address_counted, customer_counted, handshake_counted;
	uint64_t generation; /* that it was judged by last */
	struct policy_caller caller;
	struct transaction_peer peer;
	time_t certificate_ends;

	struct tls_stream *tls; /* NULL until the client's address is known and within limits */
	bool received;          /* any byte at all */
	bool input_over;        /* close_notify came: no more requests */
	struct buffer in;       /* plaintext, or the PROXY header */
	struct http_scan scan;
	double head_started;
	double body_started; /* when this window of min_rate began */
	uint64_t body_bytes; /* that came in it */

	struct transaction *transaction; /* from the end of a head to the end of its answer */
	bool may_write;                  /* the socket has just said that it takes more */
	bool wait_writable, throttled, complete;
	double blocked_since; /* 0: not blocked; when the client last stopped taking bytes */
	double progress_at;   /* when it last took some */
	double slow_time;     /* seconds blocked in this window */
	uint64_t slow_bytes;  /* given to the socket in this window */
	size_t window_queued; /* bytes on their way when the window began */
	size_t last_queued;   /* and when they were looked at last */
};

/* ---- connection_state.c ---- */

double connection_now(const struct connection *self); /* the loop's time */

/* Around every event: the memory, and the watchers, are seen to when the outermost one leaves.
 * SELF may be gone after connection_leave(). */
void connection_enter(struct connection *self);
void connection_leave(struct connection *self);

/* The one place that moves the state forward; it starts the state's timer. */
void connection_set_state(struct connection *self, enum state state);
/* Gives the state its whole time again. */
void connection_state_restart_timer(struct connection *self);
/* Calls on_timeout() every SECONDS instead, until the state changes; 0: never. */
void connection_state_set_timer(struct connection *self, double seconds);

/* Ends it, without close_notify. Only inside an event; does nothing when it has ended already. */
void connection_close_now(struct connection *self, enum close_reason reason);
/* Ends it in the proper way: close_notify, FIN, and a moment for the client to read what was sent
 * before a reset could destroy it. */
void connection_say_goodbye(struct connection *self, enum close_reason reason);
bool connection_state_step_closing(struct connection *self);
/* Throws away what still comes, so that the close sends no reset. */
void connection_state_linger(struct connection *self);

/* Logs a handshake that failed, and says goodbye, so that the alert reaches the client. */
void connection_state_refuse_handshake(struct connection *self);
/* A handshake that cost nothing counts in no limit. */
void connection_state_return_handshake(struct connection *self);
/* CLOSE and REASON as in transaction_end(). */
void connection_end_transaction(struct connection *self, const char *close, const char *reason);

/* ---- connection_request.c ---- */

void connection_request_set_address(
    struct connection *self, const struct sockaddr_storage *address);
/* The client's own address is known: applies the limits for each address, then begins TLS. False:
 * the connection has ended. */
bool connection_request_admit(struct connection *self);

bool connection_request_step_proxy_header(struct connection *self);
bool connection_request_step_handshake(struct connection *self);
bool connection_request_step_head(struct connection *self);
bool connection_request_step_body(struct connection *self);

/* Head or body did not come in time: answers so. */
void connection_request_head_timed_out(struct connection *self);
void connection_request_body_timed_out(struct connection *self);

/* Decrypts what is there into `in`, up to MAX bytes. False: the connection has ended. */
bool connection_request_fill_input(struct connection *self, size_t max);

/* ---- connection_answer.c ---- */

/* The transaction wants no more input: its answer is pulled from now on. */
void connection_answer_start(struct connection *self);
bool connection_answer_step(struct connection *self);

/* Lets other connections have their turn, then goes on. The store may have nothing left to wake us
 * with, so a timer does. */
void connection_answer_take_turns(struct connection *self);
/* That timer, or the wait for the customer's rate, is over. */
void connection_answer_unthrottle(struct connection *self);

/* The socket takes more. */
void connection_answer_progress(struct connection *self);
/* The client has not taken anything, or not enough, for a while: cuts it when that is too long. */
void connection_answer_check_slow_client(struct connection *self);

#endif
