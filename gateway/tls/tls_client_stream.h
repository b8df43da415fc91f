/*
 * TLS on one socket to the store. It reads and writes as recv() and send() do, so that who uses it
 * need not know; but where recv() would say that the peer is at its end, this says so only when the
 * peer said it, by close_notify. Without that an end is ECONNRESET: whoever can cut the connection
 * could end an answer that has no length.
 */
#ifndef GATEWAY_TLS_CLIENT_STREAM_H
#define GATEWAY_TLS_CLIENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tls_client.h"
#include "tls_wire.h"

struct tls_client_stream;

/* FD is connected, does not block, and stays the caller's, who closes it after this is freed. */
struct tls_client_stream *tls_client_stream_new(struct tls_client_peer *peer, int fd);
/* Sends close_notify when nothing was wrong and there is room for it. */
void tls_client_stream_free(struct tls_client_stream *self);

/* OK when it is complete and the server is whom it should be; WANT_READ, WANT_WRITE or REFUSED. */
enum tls_status tls_client_stream_handshake(struct tls_client_stream *self);

/* Fewer than N bytes: there is no more until the socket is readable, or has_more() says so. */
ssize_t tls_client_stream_receive(struct tls_client_stream *self, char *bytes, size_t n);
ssize_t tls_client_stream_send(struct tls_client_stream *self, const char *bytes, size_t n);

/* The next receive() may have something to say though the socket is not readable. */
bool tls_client_stream_has_more(const struct tls_client_stream *self);

/* Something came that nobody has read. */
bool tls_client_stream_has_pending(const struct tls_client_stream *self);

const char *tls_client_stream_defect(const struct tls_client_stream *self); /* "": none */

#endif
