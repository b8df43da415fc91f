/*
 * GET, HEAD and PUT. The one hard part is the order of the questions for a file: its
 * preconditions first, then its range.
 */
#include "answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bytes.h"
#include "conditions.h"
#include "faults.h"
#include "file_put.h"
#include "file_store.h"
#include "http_date.h"
#include "reply.h"
#include "request.h"

#define UPLOAD_PREFIX "/snapshots/"

struct content_type {
	const char *suffix;
	const char *type;
};

static const struct content_type content_types[] = {
    {".gz", "application/gzip"},
    {".html", "text/html; charset=utf-8"},
    {".json", "application/json"},
    {".p7s", "application/pkcs7-signature"},
    {".pdf", "application/pdf"},
    {".tar", "application/x-tar"},
    {".txt", "text/plain; charset=utf-8"},
    {".xml", "application/xml"},
    {".zip", "application/zip"},
};

static const char *
content_type_of(const char *path)
{
	const char *suffix = strrchr(path, '.');

	for (size_t i = 0; suffix != NULL && i < sizeof content_types / sizeof *content_types;
	     i++) {
		if (strcasecmp(suffix, content_types[i].suffix) == 0)
			return content_types[i].type;
	}
	return "application/octet-stream";
}

void
answer_status(struct reply *reply, int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
	    {400, "bad request\n"},
	    {404, "not found\n"},
	    {405, "method not allowed\n"},
	    {409, "there is a different file under this name\n"},
	    {411, "a body needs a Content-Length\n"},
	    {412, "precondition failed\n"},
	    {413, "body too large\n"},
	    {416, "range not satisfiable\n"},
	    {431, "header too large\n"},
	    {500, "the store failed\n"},
	};
	const char *text = "";

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (texts[i].status == status)
			text = texts[i].text;
	}
	reply_set_text(reply, status, text);
}

static void
add_validators(struct reply *reply, const struct stored_file *file)
{
	char date[HTTP_DATE_SIZE];

	http_date_format(date, file->modified.tv_sec);
	reply_add_field(reply, "ETag", "%s", file->etag);
	reply_add_field(reply, "Last-Modified", "%s", date);
	reply_add_field(reply, "Accept-Ranges", "bytes");
}

/* The file itself, or the part of it that was asked for. Takes over the descriptor. */
static void
answer_content(struct reply *reply, const struct request *request, const char *path,
    const struct stored_file *file)
{
	enum range range = RANGE_WHOLE;
	uint64_t first = 0, length = file->size;

	if (strcmp(request_method(request), "GET") == 0)
		range = conditions_range(request, file, &first, &length);
	if (range == RANGE_UNSATISFIABLE) {
		close(file->fd);
		answer_status(reply, 416);
		reply_add_field(reply, "Content-Range", "bytes */%" PRIu64, file->size);
		return;
	}
	reply_set_file(reply, file->fd, first, length);
	reply_set_status(reply, range == RANGE_PART ? 206 : 200);
	reply_add_field(reply, "Content-Type", "%s", content_type_of(path));
	if (range == RANGE_PART) {
		reply_add_field(reply, "Content-Range", "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
		    first, first + length - 1, file->size);
	}
}

static void
answer_file(struct reply *reply, const struct request *request, const char *path,
    const struct stored_file *file)
{
	add_validators(reply, file);
	switch (conditions_check(request, file)) {
	case CONDITION_SERVE:
		answer_content(reply, request, path, file);
		return;
	case CONDITION_NOT_MODIFIED:
		reply_set_status(reply, 304);
		break;
	case CONDITION_FAILED:
		answer_status(reply, 412);
		break;
	}
	close(file->fd);
}

static void
answer_get(const struct file_store *store, const struct request *request, const char *path,
    struct reply *reply)
{
	struct stored_file file;

	switch (file_store_open(store, path, &file)) {
	case FILE_STORE_FOUND:
		answer_file(reply, request, path, &file);
		return;
	case FILE_STORE_MISSING:
		answer_status(reply, 404);
		return;
	case FILE_STORE_BAD_PATH:
		/* A folder, "/" included, is a plain "no"; all else is not a path. */
		answer_status(reply, path[strlen(path) - 1] == '/' ? 404 : 400);
		return;
	case FILE_STORE_FAILED:
		fprintf(
		    stderr, "upstream-stub: error: %s while opening %s\n", strerror(errno), path);
		answer_status(reply, 500);
		return;
	}
}

static void
answer_put(const struct file_store *store, const struct request *request, const char *path,
    struct reply *reply)
{
	const struct bytes *body = request_body(request);

	if (!file_store_is_path(path)) {
		answer_status(reply, 400);
		return;
	}
	if (request_header(request, "content-length") == NULL) {
		answer_status(reply, 411);
		return;
	}
	switch (file_put(store, path, body->data, body->len)) {
	case FILE_PUT_CREATED:
		answer_status(reply, 201);
		return;
	case FILE_PUT_SAME:
		answer_status(reply, 204);
		return;
	case FILE_PUT_CONFLICT:
		answer_status(reply, 409);
		return;
	case FILE_PUT_FAILED:
		fprintf(
		    stderr, "upstream-stub: error: %s while storing %s\n", strerror(errno), path);
		answer_status(reply, 500);
		return;
	}
}

/* The whole answer, head included, comes from a file in the root. */
static void
answer_raw(const struct file_store *store, const char *name, struct reply *reply)
{
	struct stored_file file;
	struct bytes path = {0};

	bytes_addf(&path, "/%s", name);
	if (file_store_open(store, path.data, &file) == FILE_STORE_FOUND)
		reply_set_file(reply, file.fd, 0, file.size);
	else
		reply_set_text(reply, 500, "the file of the raw answer is missing\n");
	bytes_fini(&path);
}

static void
answer_method(const struct file_store *store, const struct request *request, const char *path,
    struct reply *reply)
{
	const char *method = request_method(request);
	bool is_upload = strncmp(path, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0;

	if (path[0] != '/') {
		answer_status(reply, 400);
	} else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
		answer_get(store, request, path, reply);
	} else if (strcmp(method, "PUT") == 0 && is_upload) {
		answer_put(store, request, path, reply);
	} else {
		answer_status(reply, 405);
		reply_add_field(reply, "Allow", is_upload ? "GET, HEAD, PUT" : "GET, HEAD");
	}
}

void
answer_request(const struct file_store *store, const struct request *request, const char *path,
    const struct fault_set *faults, struct reply *reply)
{
	if (faults->raw[0] != '\0')
		answer_raw(store, faults->raw, reply);
	else if (faults->garbage != 0)
		reply_set_status(reply, 200);
	else if (faults->status != 0)
		reply_set_text(reply, (int)faults->status, faults->text);
	else
		answer_method(store, request, path, reply);
}
