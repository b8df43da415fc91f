/*
 * The load of `make bench`: one thread, many connections over mutual TLS to 127.0.0.1.
 *
 *     load MODE port=N ca=FILE certificates=FILE key=FILE path=/P [host=H] [version=1.2|1.3]
 *          [suite=NAME] [connections=N] [active=N] [units=N] [seconds=N]
 *
 * MODE is `keep` (requests on connections that stay), `new` (a handshake, a request, the end),
 * `full` and `resumed` (a handshake and the end), `idle` (connections that had one answer and
 * wait), `stalled` (connections that ask and do not read). CERTIFICATES holds many, all with the
 * one KEY; connections take turns with them. First it makes ready: each kept connection has an
 * answer, each certificate a session. ACTIVE of the kept connections ask at a time (all, unless it
 * is given), in turn. Then it says `ready`, waits for a line, does UNITS units in
 * at most SECONDS and prints one line of JSON. A unit is what MODE says, and counts when its last
 * byte has come.
 *
 * The hard part is to be cheap, since it shares the machine with what it measures: edge-triggered
 * epoll, one SSL_CTX for each certificate for good, and answers are counted, not kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench_client.h"

enum {
	CONNECTIONS_MAX = 20000,
	UNITS_MAX = 10000000,
	SECONDS_MAX = 600,
	TOGETHER = 64,       /* connections that are made ready at a time */
	READY_SECONDS = 240, /* to make ready */
	HEAD_MAX = 4096,
	PIECE = 256 * 1024,
	EVENTS = 256,
	MILLISECOND = 1000000, /* nanoseconds */
};

enum mode { KEEP, NEW, FULL, RESUMED, IDLE, STALLED, MODES };
static const char *const mode_names[MODES] = {"keep", "new", "full", "resumed", "idle", "stalled"};

enum state { HANDSHAKE, ANSWER, RESTING, CLOSING };

struct connection {
	SSL *ssl;
	int fd;
	enum state state;
	struct bench_identity *identity;
	int64_t started; /* the unit */
	size_t head_len;
	unsigned long long body_left;
	char head[HEAD_MAX];
};

static struct {
	enum mode mode;
	char *host, *path, *ca, *certificates, *key, *version, *suite;
	unsigned long port, connections, active, units, seconds;
} options = {.host = "updates.example.com",
    .version = "1.3",
    .path = "/",
    .connections = 1,
    .units = 1,
    .seconds = 10};

static struct bench_identities identities;
static size_t next_identity, next_active, next_new;
static struct connection *connections;
static int poller;
static char request[1024];
static int request_len;

static bool measuring;
static size_t begun, done, failed, resumed; /* units */
static unsigned long long bytes;            /* of bodies */
static uint32_t *times;                     /* microseconds, of the units that are done */

/* ---- a connection ---- */

static void begin(struct connection *self);

static bool
is_kept(void)
{
	return options.mode == KEEP || options.mode == IDLE || options.mode == STALLED;
}

static void
disconnect(struct connection *self)
{
	if (self->ssl != NULL && self->state != CLOSING)
		SSL_set_quiet_shutdown(self->ssl, 1);
	SSL_free(self->ssl);
	self->ssl = NULL;
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	self->state = RESTING;
}

static void
count_failure(struct connection *self, const char *what)
{
	if (failed++ == 0) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		(void)fprintf(
		    stderr, "load: %s: %s\n", what, reason != NULL ? reason : strerror(errno));
	}
	ERR_clear_error();
	disconnect(self);
}

static void
open_socket(struct connection *self)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)options.port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = self};
	int yes = 1;

	self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (self->fd < 0 || connect(self->fd, (struct sockaddr *)&address, sizeof address) != 0)
		bench_fail("cannot connect: %s", strerror(errno));
	if (fcntl(self->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, self->fd, &event) != 0)
		bench_fail("cannot watch a socket: %s", strerror(errno));
	(void)setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static void
connect_tls(struct connection *self)
{
	struct bench_identity *identity = &identities.all[next_identity++ % identities.count];

	open_socket(self);
	self->identity = identity;
	self->ssl = SSL_new(identity->context);
	if (self->ssl == NULL || SSL_set_fd(self->ssl, self->fd) != 1 ||
	    SSL_set_tlsext_host_name(self->ssl, options.host) != 1)
		bench_fail("cannot begin TLS");
	if (options.mode == RESUMED && identity->session != NULL) {
		SSL_set_session(self->ssl, identity->session);
		if (SSL_SESSION_get_protocol_version(identity->session) == TLS1_3_VERSION) {
			SSL_SESSION_free(identity->session); /* a ticket is used once */
			identity->session = NULL;
		}
	}
	SSL_set_connect_state(self->ssl);
	self->state = HANDSHAKE;
}

static void
unit_done(struct connection *self)
{
	if (measuring && done < options.units)
		times[done] = (uint32_t)((bench_nanoseconds() - self->started) / 1000);
	done++;
}

static void
send_request(struct connection *self)
{
	self->state = ANSWER;
	self->head_len = 0;
	if (SSL_write(self->ssl, request, request_len) != request_len)
		count_failure(self, "a request was not taken");
	else if (options.mode == STALLED)
		unit_done(self);
}

/* Bytes of an answer. False: it is not the one that is wanted. */
static bool
take(struct connection *self, const char *piece, size_t n)
{
	if (self->body_left == 0) {
		size_t room = HEAD_MAX - 1 - self->head_len, part = n < room ? n : room;
		memcpy(self->head + self->head_len, piece, part);
		self->head[self->head_len + part] = '\0';
		const char *end = strstr(self->head, "\r\n\r\n");
		const char *length = strcasestr(self->head, "\r\ncontent-length: ");
		if (end == NULL) {
			self->head_len += part;
			return part == n;
		}
		if (strncmp(self->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end)
			return false;
		self->body_left = strtoull(length + 18, NULL, 10);
		n -= (size_t)(end + 4 - self->head) - self->head_len;
		self->head_len = 0;
		if (self->body_left == 0)
			return false; /* we ask for nothing empty */
	}
	bytes += n;
	if (n > self->body_left)
		return false;
	self->body_left -= n;
	if (self->body_left == 0)
		self->state = RESTING;
	return true;
}

static void
start_closing(struct connection *self)
{
	self->state = CLOSING;
	(void)SSL_shutdown(self->ssl);
}

/* The handshake is complete. */
static void
connected(struct connection *self)
{
	resumed += (size_t)SSL_session_reused(self->ssl);
	if (options.mode == FULL || options.mode == RESUMED)
		start_closing(self);
	else
		send_request(self);
}

/* The one whose turn it is to ask. */
static struct connection *
next_resting(void)
{
	struct connection *next = &connections[next_active++ % options.connections];

	while (next->state != RESTING)
		next = &connections[next_active++ % options.connections];
	return next;
}

static void
answered(struct connection *self)
{
	unit_done(self);
	if (options.mode == NEW) {
		start_closing(self);
	} else if (!measuring && is_kept()) {
		self->state = RESTING;
		if (next_new < options.connections)
			begin(&connections[next_new++]);
	} else if (measuring && options.active < options.connections) {
		self->state = RESTING;
		begin(next_resting());
	} else {
		begin(self);
	}
}

/* A connection that was closed in order: the next one. A certificate that was refused shows here,
 * as an alert. */
static void
closed(struct connection *self)
{
	disconnect(self);
	if (options.mode != NEW)
		unit_done(self);
	begin(self);
}

/* Reads what is there. False: nothing more is. */
static bool
read_some(struct connection *self)
{
	static char piece[PIECE];
	int got = SSL_read(self->ssl, piece, sizeof piece);

	if (got > 0) {
		if (self->state == CLOSING)
			return true;
		if (self->state != ANSWER || !take(self, piece, (size_t)got)) {
			self->head[strcspn(self->head, "\r")] = '\0';
			count_failure(self, self->head);
			return false;
		}
		if (self->state == RESTING)
			answered(self);
		return self->ssl != NULL && self->state != RESTING;
	}
	switch (SSL_get_error(self->ssl, got)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return false;
	case SSL_ERROR_ZERO_RETURN:
		if (self->state == CLOSING)
			closed(self);
		else
			count_failure(self, "the connection was closed");
		return false;
	default:
		if (self->state == CLOSING && (got == 0 || ERR_peek_error() == 0))
			closed(self); /* not every peer says goodbye */
		else
			count_failure(self, "the connection broke");
		return false;
	}
}

static void
drive(struct connection *self)
{
	ERR_clear_error();
	if (self->ssl != NULL && self->state == HANDSHAKE) {
		int result = SSL_connect(self->ssl);
		if (result != 1) {
			int error = SSL_get_error(self->ssl, result);
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
				count_failure(self, "a handshake failed");
			return;
		}
		connected(self);
	}
	if (options.mode == STALLED && self->state == ANSWER)
		return;
	while (self->ssl != NULL && read_some(self))
		;
}

/* The next unit, if there is one. */
static void
begin(struct connection *self)
{
	if (begun >= options.units || (!measuring && is_kept() && self->ssl != NULL)) {
		self->state = RESTING;
		return;
	}
	begun++;
	self->started = bench_nanoseconds();
	if (self->ssl == NULL) {
		connect_tls(self);
		drive(self);
	} else {
		send_request(self);
	}
}

/* ---- the whole ---- */

/* Until UNITS are done, or one fails, or SECONDS have passed. */
static void
run(size_t units, int64_t seconds)
{
	struct epoll_event events[EVENTS];
	int64_t end = bench_nanoseconds() + seconds * BENCH_SECOND;

	while (done < units && failed == 0 && bench_nanoseconds() < end) {
		int n = epoll_wait(poller, events, EVENTS, 100);
		for (int i = 0; i < n; i++)
			drive(events[i].data.ptr);
	}
}

/* Connections that stay have an answer each, or have asked; identities have a session each. */
static void
make_ready(void)
{
	size_t units = options.units;

	if (is_kept()) {
		while (next_new < options.connections &&
		       (next_new < TOGETHER || options.mode == STALLED))
			begin(&connections[next_new++]);
		run(options.connections, READY_SECONDS);
		if (done < options.connections)
			bench_fail("only %zu connections had an answer in time", done);
	} else if (options.mode == RESUMED) {
		options.units = identities.count;
		begin(&connections[0]);
		run(identities.count, READY_SECONDS);
		options.units = units;
	}
	begun = done = resumed = 0;
	bytes = 0;
	measuring = true;
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void
report(int64_t took)
{
	static const unsigned per_mille[] = {500, 900, 990, 999};
	size_t n = done < options.units ? done : options.units;

	qsort(times, n, sizeof *times, compare);
	printf("{\"units\": %zu, \"failed\": %zu, \"resumed\": %zu, \"bytes\": %llu, \"seconds\": "
	       "%.6f",
	    done, failed, resumed, bytes, (double)took / BENCH_SECOND);
	for (size_t i = 0; i < sizeof per_mille / sizeof *per_mille; i++)
		printf(", \"p%u\": %u", per_mille[i],
		    n > 0 ? times[(n - 1) * per_mille[i] / 1000] : 0);
	printf("}\n");
}

static bool
take_option(const char *name, char *value)
{
	const struct {
		const char *name;
		char **value;
	} texts[] = {{"ca", &options.ca}, {"certificates", &options.certificates},
	    {"key", &options.key}, {"path", &options.path}, {"host", &options.host},
	    {"version", &options.version}, {"suite", &options.suite}};
	const struct {
		const char *name;
		unsigned long *value;
	} numbers[] = {{"port", &options.port}, {"connections", &options.connections},
	    {"active", &options.active}, {"units", &options.units}, {"seconds", &options.seconds}};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (strcmp(name, texts[i].name) == 0) {
			*texts[i].value = value;
			return true;
		}
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (strcmp(name, numbers[i].name) == 0) {
			*numbers[i].value = strtoul(value, NULL, 10);
			return true;
		}
	return false;
}

static void
read_options(int argc, char **argv)
{
	while (options.mode < MODES && (argc < 2 || strcmp(argv[1], mode_names[options.mode]) != 0))
		options.mode++;
	for (int i = 2; i < argc; i++) {
		char *equals = strchr(argv[i], '=');
		if (equals != NULL)
			*equals = '\0';
		if (equals == NULL || !take_option(argv[i], equals + 1))
			bench_fail("what is %s?", argv[i]);
	}
	if (options.mode == MODES || options.ca == NULL || options.certificates == NULL ||
	    options.key == NULL || options.port == 0 || options.port > UINT16_MAX)
		bench_fail("a mode, port, ca, certificates and key are needed");
	if (options.connections < 1 || options.connections > CONNECTIONS_MAX || options.units < 1 ||
	    options.units > UNITS_MAX || options.seconds < 1 || options.seconds > SECONDS_MAX)
		bench_fail("a number makes no sense");
	if (options.active < 1 || options.active > options.connections)
		options.active = options.connections;
	if (is_kept() && options.units < options.connections)
		options.units = options.connections;
	request_len = snprintf(request, sizeof request,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n", options.path,
	    options.host);
	if (request_len >= (int)sizeof request)
		bench_fail("the path is too long");
}

int
main(int argc, char **argv)
{
	read_options(argc, argv);
	identities.ca = options.ca;
	identities.certificates = options.certificates;
	identities.key = options.key;
	identities.version = strcmp(options.version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
	identities.suite = options.suite;
	identities.keeps_sessions = options.mode == RESUMED;
	bench_identities_read(&identities);
	(void)signal(SIGPIPE, SIG_IGN);
	poller = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc(options.connections, sizeof *connections);
	times = calloc(options.units, sizeof *times);
	if (poller < 0 || connections == NULL || times == NULL)
		bench_fail("out of memory");
	for (size_t i = 0; i < options.connections; i++)
		connections[i] = (struct connection){.fd = -1, .state = RESTING};
	make_ready();
	printf("ready\n");
	(void)fflush(stdout);
	if (failed > 0 || getchar() == EOF)
		return EXIT_FAILURE;
	int64_t started = bench_nanoseconds();
	for (size_t i = 0; i < options.active && options.mode < IDLE; i++)
		begin(next_resting());
	if (options.mode < IDLE)
		run(options.units, (int64_t)options.seconds);
	report(bench_nanoseconds() - started);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
