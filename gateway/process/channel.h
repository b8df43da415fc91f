/*
 * Messages between the supervisor and its processes, over a SOCK_SEQPACKET pair: one message a
 * packet, descriptors travel with it.
 */
#ifndef GATEWAY_CHANNEL_H
#define GATEWAY_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

enum { CHANNEL_MAX_FDS = 16, CHANNEL_TEXT_MAX = 512 };

enum channel_type {
	CHANNEL_ADOPT = 1, /* to the worker, or from the loader: a generation's files */
	CHANNEL_REOPEN,    /* to the worker: a new access log */
	CHANNEL_DRAIN,     /* to the worker: finish and exit */
	CHANNEL_ADOPTED, /* from the worker: the generation is in force there, or TEXT says why not
	                  */
	CHANNEL_LOOK_UP, /* from the worker: stores fail, their names may lead elsewhere by now */
	CHANNEL_REFUSED, /* from the loader: TEXT is why nothing was built */
	CHANNEL_CUT, /* to the worker: TEXT, a customer or a serial number, loses its connections */
	CHANNEL_WAS_CUT,    /* from the worker: how many; GENERATION is that of the CHANNEL_CUT */
	CHANNEL_LISTEN,     /* to a worker that holds: accept */
	CHANNEL_RETIRE,     /* to the worker: another process serves; finish and exit */
	CHANNEL_READY,      /* from the process that is to take over */
	CHANNEL_TAKE_OVER,  /* to it */
	CHANNEL_KEY,        /* to the key holder: the key of GENERATION */
	CHANNEL_KEY_FORGET, /* to it: those of generations before GENERATION, after KEPT seconds */
	CHANNEL_KEY_ASKER,  /* to it: a socket by which worker number GENERATION asks */
	CHANNEL_KEY_HOLDER, /* to the worker: the other end of that socket */
};

struct channel_message {
	enum channel_type type;
	uint64_t generation; /* CUT, WAS_CUT: a number that tells one from another */
	union {
		uint32_t kept;       /* ADOPTED: connections */
		uint32_t memory_kib; /* ADOPT, REFUSED: the most that the loader took */
	};
	uint32_t cut;                /* ADOPTED, WAS_CUT: connections */
	uint32_t changed, blamed;    /* ADOPT, REFUSED: files, see reload_files.h */
	bool is_refused;             /* ADOPT: the configuration on the disk is not this one's */
	char text[CHANNEL_TEXT_MAX]; /* ADOPTED, ADOPT: "" when all is well */
	unsigned fd_count;
	int fds[CHANNEL_MAX_FDS]; /* -1 where there is none */
};

/* Makes a connected pair, close-on-exec. */
bool channel_pair(int ends[2]);

/* Sends a copy of MESSAGE and of its descriptors, which stay the caller's. */
bool channel_send(int end, const struct channel_message *message);

enum channel_result {
	CHANNEL_RECEIVED,
	CHANNEL_NOTHING,
	CHANNEL_BROKEN, /* a message that makes no sense, or whose descriptors did not fit */
	CHANNEL_ENDED,
};

/* Receives one message without waiting; its descriptors become the caller's. Nothing of it is
 * believed: TEXT is terminated, and a place without a descriptor is -1. */
enum channel_result channel_receive(int end, struct channel_message *message);

#endif
