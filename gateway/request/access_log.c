/*
 * The access log. The hard part: a log that cannot be written must not stop the gate, so what is
 * lost is counted; and what a full disk or a full pipe took of a line is not lost, for its other
 * half follows as soon as there is room, before anybody writes another line.
 */
#include "access_log.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_chain.h"
#include "base/buffer.h"
#include "base/json_writer.h"
#include "gateway/node/log.h"

enum {
	FLUSH_BYTES = 32 * 1024,
	WAITING_MAX_BYTES = 1024 * 1024, /* for a reader that stalls */
	RANDOM_BYTES = 256,              /* one system call for 16 request ids */
	MILLISECONDS = 1000,             /* in a second, and microseconds in one */
};

static const ev_tstamp flush_delay = 0.1;
static const ev_tstamp turn_delay = 0.001; /* for another worker's write to end */

enum { LAST_TURN_TRIES = 1000 }; /* such delays, when the process is about to end */

static const char chain_end[] = AUDIT_CHAIN_END;

struct access_log {
	struct ev_loop *loop;
	int fd;
	struct metrics *metrics;
	unsigned worker;
	struct log_turn *turn;
	struct buffer lines;
	bool in_line; /* LINES begins with the rest of a line that was begun */
	ev_timer timer;
	unsigned char random[RANDOM_BYTES]; /* for request ids, used from its end */
	size_t random_left;
	bool failing; /* reported already */
	bool disabled;
	bool sealed;
	struct audit_chain chain;
	time_t second;
	char second_text[32];
};

static void
on_flush_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	access_log_flush(timer->data);
}

struct access_log *
access_log_new(
    struct ev_loop *loop, int fd, struct log_turn *turn, struct metrics *metrics, unsigned worker)
{
	struct access_log *self = buffer_alloc(sizeof *self);

	self->loop = loop;
	self->fd = fd;
	self->turn = turn;
	self->metrics = metrics;
	self->worker = worker;
	ev_timer_init(&self->timer, on_flush_due, flush_delay, 0.);
	self->timer.data = self;
	return self;
}

void
access_log_enable(struct access_log *self, bool enabled)
{
	self->disabled = !enabled;
}

void
access_log_new_request_id(struct access_log *self, char id[ACCESS_REQUEST_ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	if (self->random_left == 0) {
		if (getrandom(self->random, RANDOM_BYTES, 0) != RANDOM_BYTES)
			abort(); /* at most 256 bytes are never cut short (getrandom(2)) */
		self->random_left = RANDOM_BYTES;
	}
	for (size_t i = 0; i < ACCESS_REQUEST_ID_LEN; i += 2) {
		unsigned char byte = self->random[--self->random_left];
		id[i] = digits[byte >> 4];
		id[i + 1] = digits[byte & 15];
	}
	id[ACCESS_REQUEST_ID_LEN] = '\0';
}

static void
schedule_flush(struct access_log *self, ev_tstamp delay)
{
	if (ev_is_active(&self->timer))
		return;
	ev_timer_set(&self->timer, delay, 0.);
	ev_timer_start(self->loop, &self->timer);
}

/* Lines come by the hundred in a second, whose text is made once. */
static void
print_time(struct access_log *self, double when)
{
	time_t second = (time_t)when;
	unsigned ms = (unsigned)((when - floor(when)) * MILLISECONDS);
	struct buffer *out = &self->lines;
	struct tm tm;

	if (self->second != second || self->second_text[0] == '\0') {
		self->second = second;
		gmtime_r(&second, &tm);
		strftime(self->second_text, sizeof self->second_text, "%Y-%m-%dT%H:%M:%S", &tm);
	}
	json_writer_key(out, "time");
	buffer_puts(out, "\"");
	buffer_puts(out, self->second_text);
	buffer_puts(out, ".");
	buffer_number(out, ms, 3);
	buffer_puts(out, "Z\"");
}

static void
print_client_text(struct buffer *out, const char *key, const char *text, size_t len)
{
	json_writer_key(out, key);
	if (text == NULL)
		buffer_append(out, "null", 4);
	else
		json_writer_bytes(out, text, len);
}

/* With three decimals; the clock may have been set back. */
static void
print_ms(struct buffer *out, const char *key, double ms)
{
	unsigned long long us = ms > 0 ? (unsigned long long)(ms * MILLISECONDS + 0.5) : 0;

	json_writer_key(out, key);
	buffer_number(out, us / MILLISECONDS, 1);
	buffer_puts(out, ".");
	buffer_number(out, us % MILLISECONDS, 3);
}

/* Ends the line that begins at START; ENDS: and with it the chain. */
static void
end_line(struct access_log *self, size_t start, bool ends)
{
	struct buffer *out = &self->lines;

	if (self->sealed)
		audit_chain_seal(&self->chain, out, start, ends);
	else
		buffer_append(out, "}", 1);
	buffer_append(out, "\n", 1);
	if (buffer_size(out) >= FLUSH_BYTES)
		access_log_flush(self);
	else
		schedule_flush(self, flush_delay);
}

void
access_log_write(struct access_log *self, const struct access_record *r)
{
	struct buffer *out = &self->lines;

	if (self->disabled)
		return;
	size_t start = buffer_size(out);
	if (start > WAITING_MAX_BYTES) {
		metrics_add(self->metrics, self->worker, METRIC_LOG_LINES_LOST, 1);
		audit_chain_skip(&self->chain);
		return;
	}
	buffer_append(out, "{", 1);
	print_time(self, r->started);
	json_writer_member(out, "request_id", r->request_id[0] != '\0' ? r->request_id : NULL);
	json_writer_number(out, "generation", r->generation);
	json_writer_number(out, "worker", self->worker);
	json_writer_member(out, "client", r->client);
	json_writer_member(out, "tls", r->tls);
	json_writer_member(out, "cipher", r->cipher);
	json_writer_member(out, "group", r->group);
	json_writer_key(out, "resumed");
	buffer_puts(out, r->resumed ? "true" : "false");
	json_writer_member(out, "subject", r->subject);
	json_writer_member(out, "serial", r->serial);
	json_writer_member(out, "customer", r->customer);
	json_writer_member(out, "operation", r->operation);
	print_client_text(out, "method", r->method, r->method_len);
	print_client_text(out, "path", r->path, r->path_len);
	json_writer_member(out, "range", r->range);
	if (r->status != 0)
		json_writer_number(out, "status", r->status);
	else
		json_writer_member(out, "status", NULL);
	json_writer_member(out, "reason", r->reason);
	json_writer_number(out, "bytes_in", r->bytes_in);
	json_writer_number(out, "bytes_out", r->bytes_out);
	print_ms(out, "duration_ms", r->duration_ms);
	json_writer_member(out, "store", r->store);
	print_ms(out, "store_ms", r->store_ms);
	if (r->store_status != 0)
		json_writer_number(out, "store_status", r->store_status);
	if (r->count != 0)
		json_writer_number(out, "count", r->count);
	json_writer_member(out, "close", r->close);
	end_line(self, start, r->operation == chain_end);
}

void
access_log_seal(struct access_log *self, bool sealed, struct line_signer *signer)
{
	/* The last line of a chain: whoever cuts off some before it cuts it off, too. */
	const struct access_record end = {.operation = chain_end, .started = ev_now(self->loop)};

	if (sealed == self->sealed && line_signer_is_same(signer, self->chain.signer)) {
		line_signer_free(signer);
		return;
	}
	if (self->sealed)
		access_log_write(self, &end);
	line_signer_free(self->chain.signer);
	if (sealed)
		audit_chain_begin(&self->chain, signer);
	else
		self->chain = (struct audit_chain){0};
	self->sealed = sealed;
}

/* Writes without waiting. A socket cannot be reopened as non-blocking, so it is asked each time. */
static ssize_t
write_some(int fd, const char *bytes, size_t n)
{
	ssize_t sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 && errno == ENOTSOCK ? write(fd, bytes, n) : sent;
}

/* Counts and forgets what waits, but for the first KEPT bytes. Each newline ends a line: those in
 * texts are escaped. */
static void
lose_lines(struct access_log *self, size_t kept)
{
	struct buffer rest = {0};
	unsigned long long lost = 0;

	if (buffer_size(&self->lines) == 0)
		return;
	const char *at = buffer_bytes(&self->lines);
	const char *end = at + buffer_size(&self->lines);
	if (kept > 0)
		buffer_append(&rest, at, kept);
	for (at += kept; at < end; at++)
		lost += *at == '\n';
	metrics_add(self->metrics, self->worker, METRIC_LOG_LINES_LOST, lost);
	audit_chain_lose(&self->chain, lost);
	buffer_fini(&self->lines);
	self->lines = rest;
}

/* Bytes of the rest of the line that was begun. */
static size_t
begun_size(const struct access_log *self)
{
	const char *bytes = buffer_bytes(&self->lines);

	if (!self->in_line)
		return 0;
	return (size_t)((const char *)memchr(bytes, '\n', buffer_size(&self->lines)) + 1 - bytes);
}

/* The log cannot be written: the lines that wait are lost. A reader that is gone will not miss the
 * rest of one. */
static void
report_failure(struct access_log *self)
{
	bool for_good = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN;

	if (!self->failing)
		log_error(
		    "cannot write the access log (%s): lines are being lost", strerror(errno));
	self->failing = true;
	if (for_good) {
		self->in_line = false;
		log_turn_set_torn(self->turn, false);
	}
	lose_lines(self, begun_size(self));
	if (self->in_line)
		schedule_flush(self, flush_delay);
}

/* Takes the N bytes that were written from what waits. */
static void
consume(struct access_log *self, size_t n)
{
	self->in_line = buffer_bytes(&self->lines)[n - 1] != '\n';
	log_turn_set_torn(self->turn, self->in_line);
	buffer_consume(&self->lines, n);
}

/* Ends the line that a worker left behind which is gone. */
static bool
end_torn_line(struct access_log *self)
{
	if (self->in_line || !log_turn_is_torn(self->turn))
		return true;
	if (write_some(self->fd, "\n", 1) != 1)
		return false;
	log_turn_set_torn(self->turn, false);
	return true;
}

/* In this worker's turn. */
static void
write_lines(struct access_log *self)
{
	while (buffer_size(&self->lines) > 0) {
		ssize_t n = -1;
		if (end_torn_line(self))
			n = write_some(
			    self->fd, buffer_bytes(&self->lines), buffer_size(&self->lines));
		if (n > 0) {
			consume(self, (size_t)n);
		} else if (errno == EAGAIN) {
			schedule_flush(self, flush_delay);
			return;
		} else if (errno != EINTR) {
			report_failure(self);
			return;
		}
	}
	self->failing = false;
}

/* False when it is another worker's turn. */
static bool
flush(struct access_log *self)
{
	if (buffer_size(&self->lines) == 0)
		return true;
	if (!log_turn_take(self->turn, self->worker))
		return false;
	write_lines(self);
	if (!self->in_line)
		log_turn_give(self->turn, self->worker);
	return true;
}

void
access_log_flush(struct access_log *self)
{
	ev_timer_stop(self->loop, &self->timer);
	if (!flush(self))
		schedule_flush(self, log_turn_is_torn(self->turn) ? flush_delay : turn_delay);
}

void
access_log_free(struct access_log *self)
{
	if (self == NULL)
		return;
	access_log_seal(self, false, NULL);
	for (int i = 0; !flush(self) && i < LAST_TURN_TRIES; i++)
		ev_sleep(turn_delay);
	ev_timer_stop(self->loop, &self->timer);
	/* A line that was begun stays the turn's, for whoever comes next to end. */
	lose_lines(self, 0);
	buffer_fini(&self->lines);
	free(self);
}

int
access_log_standard_output(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : STDOUT_FILENO;
}

void
access_log_reopen(struct access_log *self, int fd)
{
	access_log_flush(self);
	if (self->in_line) {
		metrics_add(self->metrics, self->worker, METRIC_LOG_LINES_LOST, 1);
		buffer_consume(&self->lines, begun_size(self));
		self->in_line = false;
		log_turn_set_torn(self->turn, false);
		log_turn_give(self->turn, self->worker);
		if (self->sealed) {
			audit_chain_lose(&self->chain, 1);
			lose_lines(self, 0); /* what follows it could not say that it is missing */
		}
	}
	if (self->fd > STDERR_FILENO)
		close(self->fd);
	self->fd = fd;
}
