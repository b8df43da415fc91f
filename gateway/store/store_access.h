/*
 * How the servers of the store are asked, beside what the configuration says.
 */
#ifndef GATEWAY_STORE_ACCESS_H
#define GATEWAY_STORE_ACCESS_H

struct tls_client;

struct store_access {
	const char
	    *credentials;       /* the Authorization of each request; NULL: none. Not for any log */
	struct tls_client *tls; /* NULL where no server is asked by TLS */
};

#endif
