/*
 * One request and its answer on a libcurl handle: its settings, what its bytes are taken for, and
 * what became of it. When it is performed, and how often, is https.c's business.
 */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include <curl/curl.h>

#include "base/buffer.h"
#include "https_sink.h"
#include "rate.h"
#include "trust.h"

/* What is asked for. */
struct exchange_order {
	const char *path;
	uint64_t size;                     /* exactly, with a sink; at most, with a body */
	struct buffer *body;               /* where the answer goes, or */
	const struct https_sink *sink;     /* where it goes */
	const struct https_upload *upload; /* what is put; NULL for a GET */
	struct rate *rate;                 /* that what comes is charged to; may be NULL */
};

struct exchange {
	const struct exchange_order *order;
	struct trust *trust;
	CURL *handle; /* the owner's */
	const char *server;
	size_t head;               /* bytes of fields that have come */
	uint64_t offset;           /* of the first byte asked for */
	bool begun;                /* something of the content has come */
	bool success;              /* the status is one */
	uint64_t passed;           /* bytes of the answer, whatever they are */
	uint64_t passed_before;    /* the same and what was sent, when the window began */
	int64_t looked;            /* when that was last measured; 0: not yet */
	int64_t active_ms;         /* how much of the window it could have used */
	bool paused;               /* the rate allows no more just now */
	bool enough;               /* the rest of an answer that is none is not read */
	struct buffer problem;     /* the body of such an answer */
	struct failure failure;    /* what the answer's own bytes were refused for */
	struct curl_slist *fields; /* of the request */
	char text[CURL_ERROR_SIZE];
};

/* Makes HANDLE ready to ask SERVER for ORDER, which must live as long as SELF; all that was set
 * before is forgotten. SELF must not move until exchange_end(). */
void exchange_begin(struct exchange *self, const struct exchange_order *order, struct trust *trust,
    CURL *handle, const char *server);

/* Goes on with one that is paused, as far as the rate allows. */
void exchange_go_on(struct exchange *self);

/* Call several times a second. True when fewer than RATE bytes a second came and went over a window
 * of WINDOW milliseconds, in which the connection stood and our own rate did not hold it back: the
 * server is too slow. FAILURE is filled then, and passes. */
bool exchange_is_slow(
    struct exchange *self, uint64_t rate, uint64_t window, struct failure *failure);

/* The transfer ended with CODE. True when the answer was whole, right, and is where it should go;
 * otherwise FAILURE is filled and a body is empty. Frees what SELF holds. */
bool exchange_end(struct exchange *self, CURLcode code, struct failure *failure);

/* The transfer was given up: only frees. */
void exchange_abandon(struct exchange *self);

#endif
