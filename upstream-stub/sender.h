/*
 * Sends one composed reply over a non-blocking socket.
 */
#ifndef STUB_SENDER_H
#define STUB_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply;

enum sender_result {
	SENDER_DONE,    /* the kernel has all of it */
	SENDER_BLOCKED, /* go on when the socket is writable */
	SENDER_PAUSED,  /* a piece of FAULTS_DELAY_PIECE is out; go on when its pause is over */
	SENDER_BROKEN   /* the connection, or a file that became shorter than promised */
};

/* Where sending is. A zeroed struct is at the start. */
struct sender {
	size_t head_sent;
	size_t text_sent;
	size_t tail_sent;
	uint64_t piece_sent; /* of the body, since the last pause */
};

/*
 * Goes on sending. At most `budget` bytes of the body leave in one call, so that a fast reader
 * does not starve other connections; then SENDER_BLOCKED, though the socket is writable. `slow`:
 * pause after each piece of the body but the last.
 */
enum sender_result sender_send(
    struct sender *s, int fd, struct reply *reply, uint64_t budget, bool slow);

#endif
