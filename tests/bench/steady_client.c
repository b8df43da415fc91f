/*
 * A client that asks at a steady rate and notes how long each answer took.
 *
 *     steady_client PORT CA CERT KEY PATH CONNECTIONS RATE SECONDS
 *
 * CONNECTIONS keep-alive connections over mutual TLS to 127.0.0.1, a thread each, send RATE GETs a
 * second each for at most SECONDS, or until standard input ends. Then one line for each request:
 * when it was due, in nanoseconds of CLOCK_MONOTONIC, and the nanoseconds from then to the answer's
 * last byte. The hard part is honesty: the clock of a request starts when it was due, also when an
 * earlier answer was late. wrk and h2load, which measure finely, know no client certificates; ab
 * does, and rounds to milliseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench_client.h"

enum { CONNECTIONS_MAX = 64, ANSWER_MAX = 65536, REQUEST_MAX = 512 };

struct sample {
	int64_t due;
	int64_t took;
};

struct caller {
	pthread_t thread;
	SSL_CTX *context;
	uint16_t port;
	const char *path;
	int64_t first; /* when the first request is due */
	int64_t every; /* nanoseconds between requests */
	size_t count;  /* of samples, at most */
	size_t used;
	struct sample *samples;
};

static atomic_bool ended;

static void
wait_until(int64_t due)
{
	struct timespec when = {.tv_sec = due / BENCH_SECOND, .tv_nsec = due % BENCH_SECOND};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
		;
}

static SSL *
connect_tls(const struct caller *self)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(self->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		bench_fail("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	SSL *ssl = SSL_new(self->context);
	if (ssl == NULL || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
		bench_fail("the handshake failed");
	return ssl;
}

/* Reads one answer, which must be 200 and whole. */
static void
read_answer(SSL *ssl)
{
	char answer[ANSWER_MAX + 1];
	size_t have = 0, want = 0;
	while (want == 0 || have < want) {
		int got = SSL_read(ssl, answer + have, (int)(ANSWER_MAX - have));
		if (got <= 0)
			bench_fail("an answer was cut");
		have += (size_t)got;
		answer[have] = '\0';
		const char *end = want == 0 ? strstr(answer, "\r\n\r\n") : NULL;
		if (end == NULL)
			continue;
		const char *length = strcasestr(answer, "\r\ncontent-length: ");
		if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL)
			bench_fail("an answer other than 200");
		want = (size_t)(end + 4 - answer) + strtoul(length + 18, NULL, 10);
		if (want > ANSWER_MAX)
			bench_fail("an answer is too long");
	}
	if (have != want)
		bench_fail("bytes after an answer");
}

static void *
run_caller(void *arg)
{
	struct caller *self = arg;
	char request[REQUEST_MAX];
	prctl(PR_SET_TIMERSLACK, 1UL);
	SSL *ssl = connect_tls(self);
	int len = snprintf(
	    request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", self->path);
	for (; self->used < self->count && !ended; self->used++) {
		struct sample *sample = &self->samples[self->used];
		sample->due = self->first + (int64_t)self->used * self->every;
		wait_until(sample->due);
		if (SSL_write(ssl, request, len) != len)
			bench_fail("a request could not be sent");
		read_answer(ssl);
		sample->took = bench_nanoseconds() - sample->due;
	}
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
	return NULL;
}

static SSL_CTX *
new_context(const char *ca, const char *certificate, const char *key)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (context == NULL || !SSL_CTX_load_verify_locations(context, ca, NULL) ||
	    SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		bench_fail("certificate, key or CA cannot be used");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return context;
}

int
main(int argc, char **argv)
{
	static struct caller callers[CONNECTIONS_MAX];
	if (argc != 9)
		bench_fail("usage: steady_client PORT CA CERT KEY PATH CONNECTIONS RATE SECONDS");
	size_t connections = strtoul(argv[6], NULL, 10);
	int64_t rate = strtol(argv[7], NULL, 10), seconds = strtol(argv[8], NULL, 10);
	if (connections == 0 || connections > CONNECTIONS_MAX || rate < 1 || rate > 10000 ||
	    seconds < 1 || seconds > 3600)
		bench_fail("a number makes no sense");
	SSL_CTX *context = new_context(argv[2], argv[3], argv[4]);
	int64_t start = bench_nanoseconds() + BENCH_SECOND / 2, every = BENCH_SECOND / rate;
	for (size_t i = 0; i < connections; i++) {
		struct caller *caller = &callers[i];
		*caller = (struct caller){.context = context,
		    .port = (uint16_t)strtoul(argv[1], NULL, 10),
		    .path = argv[5],
		    .first = start + every * (int64_t)i / (int64_t)connections,
		    .every = every,
		    .count = (size_t)(rate * seconds)};
		caller->samples = calloc(caller->count, sizeof *caller->samples);
		if (caller->samples == NULL ||
		    pthread_create(&caller->thread, NULL, run_caller, caller) != 0)
			bench_fail("no memory, or no thread");
	}
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	(void)poll(&input, 1, (int)(seconds + 1) * 1000);
	ended = true;
	for (size_t i = 0; i < connections; i++) {
		pthread_join(callers[i].thread, NULL);
		for (size_t j = 0; j < callers[i].used; j++)
			printf("%lld %lld\n", (long long)callers[i].samples[j].due,
			    (long long)callers[i].samples[j].took);
		free(callers[i].samples);
	}
	SSL_CTX_free(context);
	return EXIT_SUCCESS;
}
