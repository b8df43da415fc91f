/*
 * The socket that listens: loopback TCP or a Unix socket, nothing else. The store knows no
 * callers and has no secrets to tell them apart with, so it must not be reachable from outside.
 */
#ifndef STUB_LISTEN_SOCKET_H
#define STUB_LISTEN_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

struct listen_socket;

/*
 * `address` is 127.x.y.z:PORT, [::1]:PORT or unix:PATH. A Unix socket that nobody listens on any
 * more is removed first. On failure returns NULL and says why on stderr.
 */
struct listen_socket *listen_socket_new(const char *address);

/* Closes the socket and removes the path of a Unix socket. */
void listen_socket_free(struct listen_socket *l);

int listen_socket_fd(const struct listen_socket *l);
bool listen_socket_is_unix(const struct listen_socket *l);

/* The address with the real port, in the form that listen_socket_new() takes. */
const char *listen_socket_name(const struct listen_socket *l);

#endif
