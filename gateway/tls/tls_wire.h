/*
 * The ciphertext of one stream, on its way between libssl and the socket.
 *
 * It comes in by one recv() into a buffer the whole worker shares, and goes out by one send() from
 * another, however many records it holds. A stream owns memory of its own only while its socket
 * will not take what is ready, or while ciphertext waits that nobody wants to read yet.
 */
#ifndef GATEWAY_TLS_WIRE_H
#define GATEWAY_TLS_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

enum {
	TLS_WIRE_IN = 64 * 1024,    /* ciphertext taken by one recv() */
	TLS_PIECE_MIN = 16 * 1024,  /* plaintext: one full record */
	TLS_PIECE_MAX = 256 * 1024, /* plaintext encrypted before one send() */
	TLS_WIRE_OUT = TLS_PIECE_MAX + 64 * 1024,
};

/* The worker's shared buffers: empty between events. */
struct tls_wire_buffers;
struct tls_wire_buffers *tls_wire_buffers_new(void);
void tls_wire_buffers_free(struct tls_wire_buffers *self);

enum tls_status {
	TLS_OK,
	TLS_WANT_READ,      /* nothing more until the socket is readable */
	TLS_WANT_SIGNATURE, /* nothing more until another process has signed */
	TLS_WANT_WRITE,     /* the socket is full: flush again when it is writable */
	TLS_CLOSED,         /* the peer sent close_notify */
	TLS_EOF,            /* the peer ended TCP without close_notify */
	TLS_RESET,          /* the connection broke */
	TLS_REFUSED,        /* handshake or protocol failure; tls_stream_defect() says why */
};

struct tls_wire_options {
	struct tls_wire_buffers *buffers;
	int fd; /* stays the caller's, as BUFFERS do */
	/* Asked before libssl gets more of what the client sent: false fails what it is doing. */
	bool (*may_read)(void *arg);
	void *arg;
};

struct tls_wire {
	struct tls_wire_options options;
	const char *input; /* ciphertext libssl has not read: in the shared buffer or in `held` */
	size_t input_len;
	struct buffer held;    /* input kept between events */
	struct buffer pending; /* output the socket did not take */
	size_t room;           /* that the kernel last said, less what was sent since */
	bool is_mute;          /* what libssl writes is thrown away */
};

/* SSL reads and writes here from now on, and SELF stays where it is. It is ended after SSL. */
void tls_wire_init(struct tls_wire *self, const struct tls_wire_options *options, SSL *ssl);
void tls_wire_fini(struct tls_wire *self);

/* Throws away what libssl writes from now on: SELF is about to be ended, in whatever event. */
void tls_wire_mute(struct tls_wire *self);

/* As the functions of the same names in tls_stream.h. */
void tls_wire_feed(struct tls_wire *self, const char *bytes, size_t n);
enum tls_status tls_wire_receive(struct tls_wire *self);
enum tls_status tls_wire_flush(struct tls_wire *self);
void tls_wire_settle(struct tls_wire *self);
bool tls_wire_has_pending(const struct tls_wire *self);
bool tls_wire_has_input(const struct tls_wire *self); /* ciphertext waits for libssl */
size_t tls_wire_room(struct tls_wire *self, size_t wanted);
size_t tls_wire_queued(const struct tls_wire *self);

#endif
