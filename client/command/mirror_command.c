/* `spot mirror`: what its options mean. Nothing is hard here. */
#include "mirror_command.h"

#include "base/value.h"
#include "client/common/duration.h"

static bool
read_products(struct mirror_order *order, const struct options *options, struct failure *failure)
{
	order->products = options->words + 1;
	order->product_count = options->word_count - 1;
	for (size_t i = 0; i < order->product_count; i++) {
		if (!value_is_id(order->products[i]))
			return failure_set(
			    failure, FAILURE_USAGE, "not a product id: %s", order->products[i]);
	}
	order->remove_unlicensed = options->given[OPTION_REMOVE_UNLICENSED] != NULL;
	if (order->remove_unlicensed && order->product_count > 0)
		return failure_set(failure, FAILURE_USAGE,
		    "--remove-unlicensed is for a run in which no product is named");
	return true;
}

bool
mirror_command_read(struct mirror_order *order, const struct options *options,
    const struct config *config, struct failure *failure)
{
	const char *grace = options->given[OPTION_GRACE];
	const char *removals = options->given[OPTION_MAX_REMOVALS];

	*order = (struct mirror_order){
	    .folder = options_word(options, 0),
	    .grace = MIRROR_GRACE,
	    .interval = config->mirror_interval,
	    .max_removals = config->max_removals,
	    .verify = options->given[OPTION_VERIFY] != NULL,
	};
	if (!read_products(order, options, failure))
		return false;
	if (grace != NULL && !duration_read(grace, &order->grace))
		return failure_set(failure, FAILURE_USAGE,
		    "--grace takes a duration, such as 12h or 7d, not %s", grace);
	if (removals != NULL && !share_read(removals, &order->max_removals))
		return failure_set(failure, FAILURE_USAGE,
		    "--max-removals takes a number of versions or a percentage, such as 20 or "
		    "10%%, "
		    "not %s",
		    removals);
	return true;
}
