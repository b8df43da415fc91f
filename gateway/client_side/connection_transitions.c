/*
 * The tables of connection_transitions.h, as functions.
 */
#include "connection_transitions.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TO(name) (1U << CONN_##name)

bool
connection_transitions_allow(enum state from, enum state to)
{
#define STATE_NEXT(name, seconds, doing, next) (next),
	static const unsigned next[] = {STATE_TABLE(STATE_NEXT)};

	assert(from < COUNT(next) && to < COUNT(next));
	if (to == CONN_CLOSED)
		return from != CONN_CLOSED;
	return (next[from] & 1U << to) != 0;
}

bool
connection_transitions_hold_store(enum outgoing state)
{
#define OUTGOING_HELD(name, held, clock) (held),
	static const bool held[] = {OUTGOING_TABLE(OUTGOING_HELD)};

	assert(state < COUNT(held));
	return held[state];
}

bool
connection_transitions_run_clock(enum outgoing state)
{
#define OUTGOING_CLOCK(name, held, clock) (clock),
	static const bool runs[] = {OUTGOING_TABLE(OUTGOING_CLOCK)};

	assert(state < COUNT(runs));
	return runs[state];
}
