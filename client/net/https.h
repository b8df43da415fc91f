/*
 * Requests to the update servers.
 *
 * All requests of a run go through one struct https, which keeps the connection. A request that
 * fails in a way that may pass is sent again, to the next server of the configuration, after a
 * pause; one that was refused is not.
 */
#ifndef CLIENT_HTTPS_H
#define CLIENT_HTTPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"
#include "https_sink.h"

struct https;

/* CONFIG must outlive the result; NULL with FAILURE filled when its files cannot be used. */
struct https *https_new(const struct config *config, struct failure *failure);
void https_free(struct https *self);

/* The server that answered last, "https://host[:port]"; the one to be asked first before that. */
const char *https_server(const struct https *self);

/* Asks that server for nothing more while there is another one, until it is forgotten: what it says
 * is not what it should be. */
void https_pass_over(struct https *self);
void https_forget_passed_over(struct https *self);

/* Gets PATH, at most MAX bytes, into BODY, which is empty. Returns false, with FAILURE filled and
 * BODY empty, unless the server answered 200 and the answer was whole. */
bool https_get(
    struct https *self, const char *path, size_t max, struct buffer *body, struct failure *failure);

/* A larger download. */
struct https_download {
	const char *path; /* lives until close() */
	uint64_t size;    /* exactly */
	struct https_sink sink;
};

enum https_next {
	HTTPS_NEXT,  /* DOWNLOAD is filled in */
	HTTPS_LATER, /* none can begin just now: ask again when one has ended, or soon */
	HTTPS_NONE,  /* there are no more */
	HTTPS_FAILED /* FAILURE is filled in: ends all */
};

/* Where downloads come from. */
struct https_source {
	void *arg;
	enum https_next (*next)(
	    void *arg, struct https_download *download, struct failure *failure);
	void (*tick)(void *arg); /* several times a second, for those who show progress */
};

/* Performs all downloads of SOURCE, as many at a time as the configuration has `connections`. An
 * answer that is cut is resumed by Range and If-Range. The first one that fails for good ends them
 * all, with its FAILURE. */
bool https_download_all(
    struct https *self, const struct https_source *source, struct failure *failure);

/* Puts UPLOAD at PATH, which must be safe to do twice: a try whose answer was lost is repeated. The
 * answer, at most MAX bytes, comes into BODY, which is empty. Returns false, with FAILURE filled
 * and BODY empty, unless the server answered 201 and the answer was whole. */
bool https_put(struct https *self, const char *path, const struct https_upload *upload, size_t max,
    struct buffer *body, struct failure *failure);

#endif
