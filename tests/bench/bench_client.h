/*
 * What the TLS clients of the benchmarks share: the clock, how they give up, and who they are.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SECOND = 1000000000, /* nanoseconds */ BENCH_IDENTITIES_MAX = 256 };

/* CLOCK_MONOTONIC. */
int64_t bench_nanoseconds(void);

/* Says why, after the program's name, and ends it. */
void __attribute__((noreturn, format(printf, 1, 2))) bench_fail(const char *format, ...);

/* A client certificate, and what comes with it. */
struct bench_identity {
	SSL_CTX *context;
	SSL_SESSION *session; /* the newest; NULL: none, or they are not kept */
};

struct bench_identities {
	const char *ca, *certificates, *key; /* files; the key is that of every certificate */
	int version;                         /* of TLS, the only one */
	const char *suite;                   /* NULL: libssl's choice */
	bool keeps_sessions;
	struct bench_identity all[BENCH_IDENTITIES_MAX];
	size_t count;
};

/* Reads the files, whose names stand in SELF, as does how to use them; gives up when it cannot. */
void bench_identities_read(struct bench_identities *self);

#endif
