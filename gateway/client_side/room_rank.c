/* Who goes first. The hard part is that no holder may gain by opening more: each rule looks at what
 * the holder has before it looks at the connection. */
#include "room_rank.h"

#include <assert.h>

static bool
has_enough(const struct room_candidate *one, const struct room_rule *rule, unsigned times)
{
	return one->has >= (uint64_t)times * rule->at_least &&
	       (!one->is_known || one->has >= rule->fair);
}

bool
room_rank_may_go(const struct room_candidate *one, const struct room_rule *rule)
{
	enum room_newcomer whom = rule->newcomer;

	assert(whom <= ROOM_FOR_RESERVE);
	switch (one->kind) {
	case ROOM_STAYS:
		return false;
	case ROOM_BUSY:
		return (whom == ROOM_FOR_FEW || whom == ROOM_FOR_RESERVE) &&
		       has_enough(one, rule, ROOM_FAR_MORE);
	case ROOM_FRESH:
		return (whom == ROOM_FOR_FEW || whom == ROOM_FOR_STRANGER) &&
		       has_enough(one, rule, 1);
	case ROOM_RESTING:
		return has_enough(one, rule, 1);
	case ROOM_LEAVING:
		break;
	}
	return true;
}

bool
room_rank_before(const struct room_candidate *one, const struct room_candidate *other)
{
	assert(one->kind != ROOM_STAYS && other->kind != ROOM_STAYS);
	if (one->kind != other->kind)
		return one->kind > other->kind;
	if (one->kind != ROOM_LEAVING && one->has != other->has)
		return one->has > other->has;
	return one->since < other->since;
}
