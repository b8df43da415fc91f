/*
 * The inside of a connection: its memory, its states, and what its files ask of each other.
 *
 * Only connection.c and the files named here may include this; everybody else has connection.h.
 * connection.c has the events and calls the steps, the others do the work of one phase each:
 *
 *   connection_state.c     what the connection waits for, and how it ends
 *   connection_request.c   what comes in: PROXY header, handshake, head, body
 *   connection_answer.c    what goes out, and at which pace
 *   connection_limits.c    how much may be asked for
 *   connection_count.c     what the metrics say of it
 *   connection_transitions.h  its states, and which may follow which
 *   room.c                 who goes first when the node is nearly full
 *   room_places.c          where it finds them
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

#include "base/buffer.h"
#include "connection.h"
#include "connection_transitions.h"
#include "gateway/http/http_scan.h"
#include "gateway/request/transaction.h"
#include "pace.h"
#include "turns.h"

enum {
	READ_AHEAD_MAX = HTTP_HEAD_MAX + 1, /* bytes of later requests kept while one is served */
	LINGER_TIMEOUT = 2,                 /* seconds for the client to close as well */
};

struct connection {
	struct services *services;
	struct connection_links links;
	struct fair_entry turn;
	bool readable, writable; /* what its next turn is for */
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
	enum close_reason refused_because; /* if its last request is refused, and that ends it */
	size_t lingered;

	struct sockaddr_storage address;
	char address_text[INET6_ADDRSTRLEN + 8];
	struct quota_key address_key;
	struct quota_key caller_key; /* the customer's, or that of another subject */
	bool address_counted, customer_counted;
	bool is_admitted;    /* a customer, a probe or an observer, within their limits */
	bool one_too_many;   /* for its customer: that is why it ends */
	double state_since;  /* when the state began */
	size_t place;        /* room_places.c's, from 1; 0: none */
	uint64_t generation; /* that it was judged by last */
	struct policy_caller caller;
	struct transaction_peer peer;
	time_t certificate_ends;

	struct tls_stream *tls; /* NULL until the client's address is known and within limits */
	bool received;          /* any byte at all */
	bool has_asked;         /* any byte of a request */
	bool input_over;        /* close_notify came: no more requests */
	struct buffer in;       /* plaintext, or the PROXY header */
	struct http_scan scan;
	double head_started;

	double requests_due; /* when the next is, by limits.requests_per_second */
	bool was_refused;    /* the last request, by the client's own fault */
	bool paused;         /* nothing is read until `throttle` is over */

	struct transaction *transaction; /* from the end of a head to the end of its answer */
	enum outgoing out;               /* changed by set_outgoing() only */
	struct pace pace;                /* of the body, then of the answer */
	size_t granted;                  /* bytes that the customer's rate allows it already */
};

/* ---- connection_state.c ---- */

/* Around every event: the memory, and the watchers, are seen to when the outermost one leaves.
 * SELF may be gone after connection_leave(). */
void connection_enter(struct connection *self);
void connection_leave(struct connection *self);

/* The one place that moves the state forward; it starts the state's timer. */
void connection_set_state(struct connection *self, enum state state);
/* Whether the socket is looked at for bytes. */
bool connection_state_wants_to_read(const struct connection *self);
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
/* Whether the client is slower, where it is what everybody waits for, than it may be: no progress
 * for PAUSE seconds, 0: however long, or less than min_rate. UNDER_WAY: as in pace.h. */
enum pace_verdict connection_state_judge_pace(
    struct connection *self, double pause, size_t under_way);

/* Throws away what still comes, so that the close sends no reset. */
void connection_state_linger(struct connection *self);

/* Ends the connection to make room for others. */
void connection_crowd_out(struct connection *self);

/* Logs a handshake that failed, and says goodbye, so that the alert reaches the client. */
void connection_state_refuse_handshake(struct connection *self);
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

/* Head or body did not come in time, or too slowly: answers so, and ends for that reason. */
void connection_request_head_timed_out(struct connection *self);
void connection_request_body_timed_out(struct connection *self, enum close_reason reason);

/* Decrypts what is there into `in`, up to MAX bytes. False: the connection has ended. */
bool connection_request_fill_input(struct connection *self, size_t max);

/* ---- connection_answer.c ---- */

/* Calls nothing of connection_request.c, which calls this. */

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

/* ---- connection_limits.c ---- */

/* The client's customer is known: says for which limit the connection is one too many. May end
 * other connections to make room for it. */
enum limit connection_limits_admit(struct connection *self);
/* Counts one more request; says for which limit it is one too many, LIMIT_NONE when for none. */
enum limit connection_limits_request(struct connection *self);
/* The transaction's answer has left: what was refused is counted. Returns for how many seconds a
 * client that goes on regardless is not to be read. */
double connection_limits_answered(struct connection *self);

/* ---- connection_count.c ---- */

/* The handshake is good. */
void connection_count_handshake(const struct connection *self);
/* It is not, for a REASON of the access log. */
void connection_count_refusal(const struct connection *self, const char *reason);
/* It ends for REASON. */
void connection_count_close(const struct connection *self, enum close_reason reason);
/* Whether the client, which ends it for REASON, made a handshake and no more, as the checks of load
 * balancers do. */
bool connection_count_is_check(const struct connection *self, enum close_reason reason);

#endif
