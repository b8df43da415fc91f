/*
 * Which of two connections goes first when room is wanted, and which may not go at all: no sockets
 * and no clock, only the rule.
 *
 * The fair share is what each customer would have if all had the same. Who holds less keeps what it
 * has. First goes what is on its way out, then what rests, of whoever has most, then what has just
 * begun a handshake or a head, the oldest first: an honest one is done soon. A connection in
 * mid-request goes last, and only when its holder has FAR_MORE times what the newcomer has:
 * otherwise who asks for much would lock out the others.
 */
#ifndef GATEWAY_ROOM_RANK_H
#define GATEWAY_ROOM_RANK_H

#include <stdbool.h>
#include <stdint.h>

enum { ROOM_FAR_MORE = 5 };

/* In the order in which they go. */
enum room_kind { ROOM_STAYS, ROOM_BUSY, ROOM_FRESH, ROOM_RESTING, ROOM_LEAVING };

struct room_candidate {
	enum room_kind kind;
	bool is_known; /* its holder is a customer, not an address */
	uint32_t has;  /* connections of its holder */
	double since;  /* when what it is doing began */
};

/* For whom room is wanted:
 *   a stranger, when every place is taken: it may come any number of times, and so never costs a
 *   request that runs;
 *   a customer that has no more than the fair share, or one that has more: nothing that has just
 *   begun, and no request that runs, goes for that one;
 *   the reserve, which is there for what has just begun. */
enum room_newcomer { ROOM_FOR_STRANGER, ROOM_FOR_FEW, ROOM_FOR_MANY, ROOM_FOR_RESERVE };

struct room_rule {
	double fair;       /* the fair share; 0: everybody has it */
	uint32_t at_least; /* what the newcomer has: of whoever has fewer, none goes */
	enum room_newcomer newcomer;
};

/* False: ONE stays. */
bool room_rank_may_go(const struct room_candidate *one, const struct room_rule *rule);

/* True when ONE goes before OTHER; both may go. */
bool room_rank_before(const struct room_candidate *one, const struct room_candidate *other);

#endif
