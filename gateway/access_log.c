/* The access log. The one hard part: a log that cannot be written must not stop the gate, so what
 * is lost is counted. */
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

#include "../policy/buffer.h"
#include "../policy/json_writer.h"
#include "log.h"

enum {
	FLUSH_BYTES = 32 * 1024,
	WAITING_MAX_BYTES = 1024 * 1024, /* for a reader that stalls */
};

static const ev_tstamp flush_delay = 0.1;

struct access_log {
	struct ev_loop *loop;
	int fd;
	struct metrics *metrics;
	unsigned worker;
	struct buffer lines;
	unsigned long long line_count;
	ev_timer timer;
	uint64_t id_prefix, id_counter;
	bool failing; /* reported already */
};

static void
on_flush_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	access_log_flush(timer->data);
}

struct access_log *
access_log_new(struct ev_loop *loop, int fd, struct metrics *metrics, unsigned worker)
{
	struct access_log *self = buffer_alloc(sizeof *self);

	self->loop = loop;
	self->fd = fd;
	self->metrics = metrics;
	self->worker = worker;
	if (getrandom(&self->id_prefix, sizeof self->id_prefix, 0) != sizeof self->id_prefix ||
	    getrandom(&self->id_counter, sizeof self->id_counter, 0) != sizeof self->id_counter)
		abort();
	ev_timer_init(&self->timer, on_flush_due, flush_delay, 0.);
	self->timer.data = self;
	return self;
}

void
access_log_free(struct access_log *self)
{
	if (self == NULL)
		return;
	access_log_flush(self);
	buffer_fini(&self->lines);
	free(self);
}

void
access_log_new_request_id(struct access_log *self, char id[ACCESS_REQUEST_ID_LEN + 1])
{
	(void)snprintf(id, ACCESS_REQUEST_ID_LEN + 1, "%016llx%016llx",
	    (unsigned long long)self->id_prefix, (unsigned long long)self->id_counter++);
}

static void
schedule_flush(struct access_log *self)
{
	if (ev_is_active(&self->timer))
		return;
	ev_timer_set(&self->timer, flush_delay, 0.);
	ev_timer_start(self->loop, &self->timer);
}

static void
print_time(struct buffer *out, double when)
{
	time_t seconds = (time_t)when;
	unsigned ms = (unsigned)((when - floor(when)) * 1000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	json_writer_key(out, "time");
	buffer_printf(out, "\"%s.%03uZ\"", text, ms);
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

static void
print_ms(struct buffer *out, const char *key, double ms)
{
	json_writer_key(out, key);
	buffer_printf(out, "%.3f", ms);
}

void
access_log_write(struct access_log *self, const struct access_record *r)
{
	struct buffer *out = &self->lines;

	if (buffer_size(out) > WAITING_MAX_BYTES) {
		metrics_add(self->metrics, self->worker, METRIC_LOG_LINES_LOST, 1);
		return;
	}
	buffer_append(out, "{", 1);
	print_time(out, r->started);
	json_writer_member(out, "request_id", r->request_id);
	json_writer_number(out, "generation", r->generation);
	json_writer_number(out, "worker", self->worker);
	json_writer_member(out, "client", r->client);
	json_writer_member(out, "tls", r->tls);
	json_writer_member(out, "cipher", r->cipher);
	json_writer_key(out, "resumed");
	buffer_printf(out, "%s", r->resumed ? "true" : "false");
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
	json_writer_member(out, "close", r->close);
	buffer_append(out, "}\n", 2);
	self->line_count++;
	if (buffer_size(out) >= FLUSH_BYTES)
		access_log_flush(self);
	else
		schedule_flush(self);
}

/* Writes without waiting. A socket cannot be reopened as non-blocking, so it is asked each time. */
static ssize_t
write_some(int fd, const char *bytes, size_t n)
{
	ssize_t sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 && errno == ENOTSOCK ? write(fd, bytes, n) : sent;
}

/* The log cannot be written: the lines that wait are lost. */
static void
lose_lines(struct access_log *self)
{
	if (!self->failing)
		log_error(
		    "cannot write the access log (%s): lines are being lost", strerror(errno));
	self->failing = true;
	metrics_add(self->metrics, self->worker, METRIC_LOG_LINES_LOST, self->line_count);
	self->line_count = 0;
	buffer_fini(&self->lines);
}

void
access_log_flush(struct access_log *self)
{
	ev_timer_stop(self->loop, &self->timer);
	while (buffer_size(&self->lines) > 0) {
		ssize_t n =
		    write_some(self->fd, buffer_bytes(&self->lines), buffer_size(&self->lines));
		if (n > 0) {
			buffer_consume(&self->lines, (size_t)n);
		} else if (errno == EAGAIN) {
			schedule_flush(self);
			return;
		} else if (errno != EINTR) {
			lose_lines(self);
			return;
		}
	}
	self->failing = false;
	self->line_count = 0;
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
	if (self->fd > STDERR_FILENO)
		close(self->fd);
	self->fd = fd;
}
