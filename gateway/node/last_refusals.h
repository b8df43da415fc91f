/*
 * The last refusals of each worker, in shared memory, for those who show the state of the node.
 *
 * Each worker writes to a ring of its own and waits for nobody. A reader leaves out what is being
 * written just then. What a worker wrote is not believed: texts are ended and printable.
 */
#ifndef GATEWAY_LAST_REFUSALS_H
#define GATEWAY_LAST_REFUSALS_H

#include <stdint.h>

enum { LAST_REFUSALS = 20 /* that are shown */ };

struct last_refusal {
	uint64_t time;      /* Unix time */
	uint32_t status;    /* 0: there was no answer */
	char operation[16]; /* the access log's; "" when it was not known */
	char reason[64];
	char customer[65]; /* "": nobody's */
	char client[48];   /* its address */
};

struct last_refusals;

/* NULL, with errno set, when there is no memory. */
struct last_refusals *last_refusals_new(unsigned workers);
void last_refusals_free(struct last_refusals *self);

/* WORKER refused something at NOW. Texts may be NULL, and are cut to their room. */
struct last_refusal_texts {
	const char *operation, *reason, *customer, *client;
};
void last_refusals_add(struct last_refusals *self, unsigned worker, uint64_t now, uint32_t status,
    const struct last_refusal_texts *texts);

/* Copies the last of all workers, the newest first, and returns how many. */
unsigned last_refusals_read(
    const struct last_refusals *self, struct last_refusal newest[LAST_REFUSALS]);

#endif
