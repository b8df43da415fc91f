/*
 * TLS on one client socket, without a system call of libssl's own.
 *
 * Ciphertext comes in by one recv() into a buffer the whole worker shares, and goes out by one
 * send() from another, however many records it holds. A stream owns memory of its own only while
 * its socket will not take what is ready, or while ciphertext waits that nobody wants to read yet.
 *
 * The caller's rhythm, for each event: tls_stream_receive() when the socket is readable, then any
 * of handshake, read and write, then tls_stream_flush(), then tls_stream_settle().
 */
#ifndef GATEWAY_TLS_STREAM_H
#define GATEWAY_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "tls_context.h"

enum {
	TLS_IO_IN = 64 * 1024,      /* ciphertext taken by one recv() */
	TLS_PIECE_MIN = 16 * 1024,  /* plaintext: one full record */
	TLS_PIECE_MAX = 256 * 1024, /* plaintext encrypted before one send() */
	TLS_IO_OUT = TLS_PIECE_MAX + 64 * 1024,
};

/* The worker's shared buffers: empty between events. */
struct tls_io;
struct tls_io *tls_io_new(void);
void tls_io_free(struct tls_io *self);

enum tls_status {
	TLS_OK,
	TLS_WANT_READ,  /* nothing more until the socket is readable */
	TLS_WANT_WRITE, /* the socket is full: flush again when it is writable */
	TLS_CLOSED,     /* the peer sent close_notify */
	TLS_EOF,        /* the peer ended TCP without close_notify */
	TLS_RESET,      /* the connection broke */
	TLS_REFUSED,    /* handshake or protocol failure; tls_stream_defect() says why */
};

struct tls_stream;

/* Takes over neither FD nor IO. CONTEXT is referenced until the stream is freed. */
struct tls_stream *tls_stream_new(struct tls_context *context, struct tls_io *io, int fd);
void tls_stream_free(struct tls_stream *self);

/* Gives the stream ciphertext that was read from the socket before it existed. */
void tls_stream_feed(struct tls_stream *self, const char *bytes, size_t n);

/* Reads from the socket once, unless ciphertext is still waiting: OK, WANT_READ, EOF or RESET. */
enum tls_status tls_stream_receive(struct tls_stream *self);

/* OK when the handshake is complete and the client's certificate is good, also for a
 * resumed session, which is verified again here. WANT_READ or REFUSED else. */
enum tls_status tls_stream_handshake(struct tls_stream *self);

/* Decrypts at most N bytes: OK with *GOT > 0, WANT_READ, CLOSED or REFUSED. */
enum tls_status tls_stream_read(struct tls_stream *self, void *bytes, size_t n, size_t *got);

/* Encrypts N bytes (at most TLS_PIECE_MAX between two flushes). False: the stream is broken. */
bool tls_stream_write(struct tls_stream *self, const void *bytes, size_t n);

/* Encrypts close_notify. */
void tls_stream_shutdown(struct tls_stream *self);

/* Sends what is encrypted: OK when all has left, WANT_WRITE or RESET. */
enum tls_status tls_stream_flush(struct tls_stream *self);

/* Keeps what the worker's buffers hold for this stream, so that others can use them. */
void tls_stream_settle(struct tls_stream *self);

bool tls_stream_has_input(const struct tls_stream *self);   /* ciphertext waits to be read */
bool tls_stream_has_pending(const struct tls_stream *self); /* ciphertext waits to be sent */

/* How many bytes of plaintext the socket would take now without keeping any of them here; it
 * asks the kernel, so ask once a piece. */
size_t tls_stream_room(const struct tls_stream *self);

/* Bytes on their way to the client: here, or in the kernel and not yet acknowledged. */
size_t tls_stream_queued(const struct tls_stream *self);

/* Verifies the client's certificate again, by the rules of CONTEXT. NULL, or why not. */
const char *tls_stream_verify_again(struct tls_stream *self, struct tls_context *context);

/* When the client's certificate, or one between it and our CA, runs out. After a good handshake. */
time_t tls_stream_certificate_ends(const struct tls_stream *self);

/* Who the peer is. Before the end of a good handshake: what is known, for the log. */
const struct identity *tls_stream_identity(const struct tls_stream *self);

/* The context it was made with; still in use, though perhaps no longer the current one. */
const struct tls_context *tls_stream_context(const struct tls_stream *self);

const char *tls_stream_defect(const struct tls_stream *self); /* "" when there is none */
const char *tls_stream_version(const struct tls_stream *self);
const char *tls_stream_cipher(const struct tls_stream *self);
bool tls_stream_is_resumed(const struct tls_stream *self);

#endif
