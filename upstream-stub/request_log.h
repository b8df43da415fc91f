/*
 * The request log: one JSON object a line, each line in the file before the answer goes out,
 * so that a test that got its answer finds what the store had received.
 */
#ifndef STUB_REQUEST_LOG_H
#define STUB_REQUEST_LOG_H

#include <stddef.h>
#include <stdint.h>

struct request;
struct request_log;

/* Appends to `path`; NULL for a log that keeps nothing. Returns NULL with errno set. */
struct request_log *request_log_new(const char *path);
void request_log_free(struct request_log *log);

void request_log_open(struct request_log *log, uint64_t connection);
void request_log_close(struct request_log *log, uint64_t connection);

/* Every byte received, as Latin-1 code points. */
void request_log_data(struct request_log *log, uint64_t connection, const char *data, size_t len);

/* A request whose head and body are complete. Repeated fields are joined with ", ". */
void request_log_request(
    struct request_log *log, uint64_t connection, const struct request *request);

#endif
