/*
 * TLS on one client socket, without a system call of libssl's own.
 *
 * How its ciphertext comes and goes: tls_wire.h.
 *
 * The caller's rhythm, for each event: tls_stream_receive() when the socket is readable, then any
 * of handshake, read and write, then tls_stream_flush(), then tls_stream_settle().
 */
#ifndef GATEWAY_TLS_STREAM_H
#define GATEWAY_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "tls_context.h"
#include "tls_wire.h"

enum {
	TLS_HANDSHAKE_RECORDS_MAX = 4096,
	TLS_BYTES_PER_RECORD = 1024 * 1024, /* of data for one more record without any */
};

struct tls_stream;

/* Whether a client whose ClientHello is complete and good, and who cannot resume a session, may
 * have the full handshake that it needs. Asked once, before anything is signed. */
typedef bool tls_admit_fn(void *arg);

/* The signature is there that tls_stream_handshake() wanted. It may not be called in here. */
typedef void tls_signed_fn(void *arg);

/* Takes over neither FD nor BUFFERS. CONTEXT is referenced until the stream is freed. ADMIT may be
 * called, with ARG, from within tls_stream_handshake(). */
struct tls_stream *tls_stream_new(struct tls_context *context, struct tls_wire_buffers *buffers,
    int fd, tls_admit_fn *admit, tls_signed_fn *on_signed, void *arg);
void tls_stream_free(struct tls_stream *self);

/* Gives the stream ciphertext that was read from the socket before it existed. */
void tls_stream_feed(struct tls_stream *self, const char *bytes, size_t n);

/* Reads from the socket once, unless ciphertext is still waiting: OK, WANT_READ, EOF or RESET. */
enum tls_status tls_stream_receive(struct tls_stream *self);

/* OK when the handshake is complete and the client's certificate is good, also for a
 * resumed session, which is verified again here. WANT_READ, WANT_SIGNATURE or REFUSED else. */
enum tls_status tls_stream_handshake(struct tls_stream *self);
/* It wants a signature, and has what the client sent meanwhile: nothing more can be used. */
bool tls_stream_is_held_up(const struct tls_stream *self);

/* Decrypts at most N bytes. A client that sends more records without application data (KeyUpdate,
 * warning alerts, empty records, RFC 8446, 4.6.3 and 5.1) than the context allows, and one more for
 * each MiB that went either way, is refused: each costs us, and none does anything for it. In the
 * handshake, where messages may come in any number of pieces, TLS_HANDSHAKE_RECORDS_MAX counts.
 * OK with *GOT > 0, WANT_READ, CLOSED or REFUSED. */
enum tls_status tls_stream_read(struct tls_stream *self, void *bytes, size_t n, size_t *got);

/* Encrypts N bytes (at most TLS_PIECE_MAX between two flushes). False: the stream is broken. */
bool tls_stream_write(struct tls_stream *self, const void *bytes, size_t n);

/* Encrypts close_notify. */
void tls_stream_shutdown(struct tls_stream *self);

/* Sends what is encrypted: OK when all has left, WANT_WRITE or RESET. */
enum tls_status tls_stream_flush(struct tls_stream *self);

/* Keeps what the worker's buffers hold for this stream, so that others can use them. */
void tls_stream_settle(struct tls_stream *self);

bool tls_stream_has_pending(const struct tls_stream *self); /* ciphertext waits to be sent */

/* How many bytes of plaintext the socket would take now without keeping any of them here. It asks
 * the kernel only when WANTED bytes may be more than what was left at its last answer. */
size_t tls_stream_room(struct tls_stream *self, size_t wanted);

/* Bytes on their way to the client: here, or in the kernel and not yet acknowledged. */
size_t tls_stream_queued(const struct tls_stream *self);

/* Verifies the client's certificate again, by the rules of CONTEXT. NULL, or why not, which is then
 * the stream's defect. */
const char *tls_stream_verify_again(struct tls_stream *self, struct tls_context *context);

/* When the client's certificate, or one between it and our CA, runs out. After a good handshake. */
time_t tls_stream_certificate_ends(const struct tls_stream *self);

/* Who the peer is. Before the end of a good handshake: what is known, for the log. */
const struct identity *tls_stream_identity(const struct tls_stream *self);

/* The context it was made with; still in use, though perhaps no longer the current one. */
const struct tls_context *tls_stream_context(const struct tls_stream *self);

/* It sent more records without application data than it may: why it was refused. */
bool tls_stream_is_flooding(const struct tls_stream *self);

const char *tls_stream_defect(const struct tls_stream *self); /* "" when there is none */
const char *tls_stream_version(const struct tls_stream *self);
const char *tls_stream_cipher(const struct tls_stream *self);
const char *tls_stream_group(const struct tls_stream *self); /* of the key exchange, or NULL */
bool tls_stream_is_resumed(const struct tls_stream *self);

#endif
