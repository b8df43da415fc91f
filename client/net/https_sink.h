/*
 * Where the bytes of an answer go, and the bytes that are put.
 */
#ifndef CLIENT_HTTPS_SINK_H
#define CLIENT_HTTPS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/common/failure.h"

/* Where a larger download goes; ARG is the caller's own. */
struct https_sink {
	void *arg;

	/* Before each try: which byte to begin with, which is how many are there already. When it
	 * is not 0, ETAG is set to the strong ETag that came with them. */
	uint64_t (*resume)(void *arg, const char **etag);

	/* When the first bytes of an answer come: they begin at OFFSET, which is 0 or what resume()
	 * said; ETAG is the answer's strong one or NULL. */
	bool (*begin)(void *arg, uint64_t offset, const char *etag, struct failure *failure);
	bool (*take)(void *arg, const char *bytes, size_t len, struct failure *failure);

	/* After an answer that was whole; a failure that passes is tried again. */
	bool (*end)(void *arg, struct failure *failure);

	/* The last call, however it ended. */
	void (*close)(void *arg);
};

/* JSON that is put; DIGEST is a whole header field, "Content-Digest: sha-256=:...:". */
struct https_upload {
	const char *bytes;
	size_t len;
	const char *digest;
};

#endif
