/*
 * The request log. Lines are written with one write() each and no buffer of ours, because a
 * reader waits for them while the stub runs. The one hard part is that the bytes received may
 * be anything at all: they are escaped byte by byte.
 */
#include "request_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "request.h"

struct request_log {
	int fd; /* -1: keeps nothing */
	struct bytes line;
};

struct request_log *
request_log_new(const char *path)
{
	struct request_log *log;
	int fd = -1;

	if (path != NULL) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return NULL;
	}
	log = calloc(1, sizeof *log);
	if (log == NULL)
		abort();
	log->fd = fd;
	return log;
}

void
request_log_free(struct request_log *log)
{
	if (log == NULL)
		return;
	if (log->fd >= 0)
		close(log->fd);
	bytes_fini(&log->line);
	free(log);
}

static void
add_escaped(struct bytes *line, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '"' || c == '\\')
			bytes_addf(line, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			bytes_addf(line, "\\u%04x", c);
		else
			bytes_add(line, data + i, 1);
	}
}

static void
add_string(struct bytes *line, const char *data, size_t len)
{
	bytes_add_text(line, "\"");
	add_escaped(line, data, len);
	bytes_add_text(line, "\"");
}

/* A log that cannot be written would make tests lie: it ends the program. */
static void
write_line(struct request_log *log)
{
	size_t done = 0;

	bytes_add_text(&log->line, "}\n");
	while (done < log->line.len) {
		ssize_t n = write(log->fd, log->line.data + done, log->line.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "upstream-stub: error: %s while writing the request log\n",
			    strerror(errno));
			exit(1);
		}
		done += (size_t)n;
	}
}

static void
start_line(struct request_log *log, const char *event, uint64_t connection)
{
	log->line.len = 0;
	bytes_addf(&log->line, "{\"event\":\"%s\",\"connection\":%" PRIu64, event, connection);
}

void
request_log_open(struct request_log *log, uint64_t connection)
{
	if (log->fd < 0)
		return;
	start_line(log, "open", connection);
	write_line(log);
}

void
request_log_close(struct request_log *log, uint64_t connection)
{
	if (log->fd < 0)
		return;
	start_line(log, "close", connection);
	write_line(log);
}

void
request_log_data(struct request_log *log, uint64_t connection, const char *data, size_t len)
{
	if (log->fd < 0)
		return;
	start_line(log, "data", connection);
	bytes_add_text(&log->line, ",\"data\":");
	add_string(&log->line, data, len);
	write_line(log);
}

/* True when an earlier field has the same name, so that it was joined there already. */
static bool
is_repeated(const struct request *request, size_t n, const char *name)
{
	const char *other, *value;

	for (size_t i = 0; i < n && request_header_at(request, i, &other, &value); i++) {
		if (strcmp(other, name) == 0)
			return true;
	}
	return false;
}

static void
add_values_of(struct bytes *line, const struct request *request, size_t n, const char *name)
{
	const char *other, *value;
	const char *separator = "";

	bytes_add_text(line, "\"");
	for (size_t i = n; request_header_at(request, i, &other, &value); i++) {
		if (strcmp(other, name) != 0)
			continue;
		bytes_add_text(line, separator);
		add_escaped(line, value, strlen(value));
		separator = ", ";
	}
	bytes_add_text(line, "\"");
}

static void
add_headers(struct bytes *line, const struct request *request)
{
	const char *name, *value;
	const char *separator = "";

	bytes_add_text(line, ",\"headers\":{");
	for (size_t n = 0; request_header_at(request, n, &name, &value); n++) {
		if (is_repeated(request, n, name))
			continue;
		bytes_add_text(line, separator);
		add_string(line, name, strlen(name));
		bytes_add_text(line, ":");
		add_values_of(line, request, n, name);
		separator = ",";
	}
	bytes_add_text(line, "}");
}

void
request_log_request(struct request_log *log, uint64_t connection, const struct request *request)
{
	const char *target = request_target(request), *path = request_path(request);

	if (log->fd < 0)
		return;
	start_line(log, "request", connection);
	bytes_addf(&log->line, ",\"method\":\"%s\",\"path\":", request_method(request));
	add_string(&log->line, path, strlen(path));
	bytes_add_text(&log->line, ",\"target\":");
	add_string(&log->line, target, strlen(target));
	add_headers(&log->line, request);
	bytes_addf(&log->line, ",\"body_bytes\":%zu", request_body(request)->len);
	write_line(log);
}
