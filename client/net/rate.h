/*
 * A rate that all downloads of a run share. What has come is a debt, which is paid at the rate;
 * until it is, nothing more is taken.
 *
 * libcurl's own limit holds for one transfer, and looks at the clock after up to a hundred buffers
 * only: many small files pass below it.
 */
#ifndef CLIENT_RATE_H
#define CLIENT_RATE_H

#include <stddef.h>
#include <stdint.h>

struct rate {
	uint64_t limit; /* bytes a second; 0: no limit */
	double debt;    /* bytes that came before their time */
	int64_t at;     /* when it was that much, in milliseconds */
};

/* LEN bytes have come. */
void rate_charge(struct rate *self, size_t len);

/* Milliseconds until more may come; 0: now. */
long rate_wait(struct rate *self);

#endif
