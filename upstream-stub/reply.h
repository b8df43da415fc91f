/*
 * One answer: what will be sent, in the order head, body, tail. It is filled in by answer.c and
 * composed once; the session then sends it.
 */
#ifndef STUB_REPLY_H
#define STUB_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

struct fault_set;

struct reply {
	int status;
	struct bytes fields; /* header lines, each with its CRLF */
	int file;            /* the body is `length` bytes of this file from `offset`; or -1 */
	off_t offset;
	uint64_t length;
	struct bytes text; /* the body when there is no file */

	/* Set by reply_compose(). */
	struct bytes head;
	struct bytes tail;
	uint64_t body_left; /* bytes of the body that will really be sent */
};

void reply_init(struct reply *r);

/* Closes the file and releases the memory; `r` is as after reply_init(). */
void reply_fini(struct reply *r);

void reply_set_status(struct reply *r, int status);
void reply_add_field(struct reply *r, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A short text as the body, with its Content-Type. */
void reply_set_text(struct reply *r, int status, const char *text);

/* The body is a part of a file; the reply owns the descriptor from now on. */
void reply_set_file(struct reply *r, int fd, uint64_t offset, uint64_t length);

struct reply_options {
	bool head_only;  /* the request was HEAD */
	bool keep_alive; /* the connection stays open */
	bool http10;     /* then staying open has to be said */
};

/* Composes what is sent, with the faults that belong to its bytes. */
void reply_compose(
    struct reply *r, const struct fault_set *faults, const struct reply_options *options);

#endif
