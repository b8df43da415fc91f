/*
 * The PROXY protocol, versions 1 and 2, as a load balancer sends it before the TLS bytes
 * (haproxy.org, proxy-protocol.txt, 2020-03-05).
 */
#ifndef GATEWAY_PROXY_HEADER_H
#define GATEWAY_PROXY_HEADER_H

#include <stddef.h>
#include <sys/socket.h>

enum { PROXY_HEADER_MAX = 2048 }; /* version 2 with its TLVs; version 1 has at most 107 bytes */

enum proxy_header_result { PROXY_HEADER_INCOMPLETE, PROXY_HEADER_COMPLETE, PROXY_HEADER_REFUSED };

/* Reads a header from the LEN bytes. COMPLETE sets *USED, and *CLIENT when the header names one:
 * LOCAL (v2) and UNKNOWN (v1) leave it as it is. Ports out of range, wrong families, more bytes
 * than the form allows, fields (TLVs) that do not fill the header, a CRC32c that is wrong (2.2.4)
 * and everything else unusual are REFUSED. */
enum proxy_header_result proxy_header_read(
    const char *bytes, size_t len, size_t *used, struct sockaddr_storage *client);

#endif
