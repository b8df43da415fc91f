/* The vendor's commands. Nothing is hard here. */
#include "vendor_command.h"

#include "catalogue_command.h"
#include "crl_command.h"
#include "index_command.h"

/* Of a revoked certificate nothing is made or believed, as far as the command line tells of it. */
static bool
use_lists(const struct options *options, struct failure *failure)
{
	return crl_command_use(options->given[OPTION_CRL], options->given[OPTION_CA], failure);
}

bool
vendor_command_make(const struct options *options, struct failure *failure)
{
	const struct catalogue_order order = {options_word(options, 0),
	    options->given[OPTION_PRODUCT], options->given[OPTION_VERSION],
	    options->given[OPTION_EXPIRES], options->given[OPTION_SIGN], options->given[OPTION_KEY],
	    options->patterns, options->pattern_count};

	if (order.product == NULL || order.version == NULL || order.expires == NULL ||
	    order.certificate == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue make needs --product, --version, --expires and --sign");
	return use_lists(options, failure) && catalogue_command_make(&order, failure);
}

bool
vendor_command_check(const struct options *options, struct failure *failure)
{
	if (options->given[OPTION_SIGNER] == NULL)
		return failure_set(failure, FAILURE_USAGE, "catalogue check needs --signer");
	return use_lists(options, failure) && catalogue_command_check(options_word(options, 0),
	                                          options->given[OPTION_SIGNER], failure);
}

bool
vendor_command_index(const struct options *options, struct failure *failure)
{
	const struct index_order order = {options_word(options, 0), options->given[OPTION_PRODUCT],
	    options->given[OPTION_EXPIRES], options->given[OPTION_EXPIRES_IN],
	    options->given[OPTION_SIGN], options->given[OPTION_KEY]};

	if (order.product == NULL || order.certificate == NULL)
		return failure_set(
		    failure, FAILURE_USAGE, "catalogue index needs --product and --sign");
	if (order.expires != NULL && order.expires_in != NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue index takes --expires or --expires-in, not both");
	return use_lists(options, failure) && index_command_make(&order, failure);
}
