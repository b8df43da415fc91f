/* The configuration of a command. Nothing is hard here. */
#include "settings.h"

#include <stdint.h>
#include <stdio.h>

#include "base/value.h"
#include "client/common/lock.h"
#include "client/common/signed_time.h"

/* What --rate says counts instead of the configuration's. */
static bool
read_rate(const char *text, struct config *config, struct failure *failure)
{
	uint64_t rate = 0;

	if (!value_size(text, &rate) || rate == 0)
		return failure_set(failure, FAILURE_USAGE,
		    "--rate takes bytes a second, such as 500K or 2M, not %s", text);
	config->rate = rate;
	return true;
}

/* What --rate, --mode and --owner say. */
static bool
read_given(const struct options *options, struct config *config, struct failure *failure)
{
	const char *rate = options->given[OPTION_RATE], *mode = options->given[OPTION_MODE];
	const char *owner = options->given[OPTION_OWNER];

	if (rate != NULL && !read_rate(rate, config, failure))
		return false;
	if (mode != NULL && !rights_read_mode(mode, &config->rights))
		return failure_set(
		    failure, FAILURE_USAGE, "--mode takes " RIGHTS_MODE_RULE ", not %s", mode);
	return owner == NULL || rights_read_owner(owner, &config->rights) ||
	       failure_set(
	           failure, FAILURE_USAGE, "--owner takes " RIGHTS_OWNER_RULE ", not %s", owner);
}

struct config *
settings_load(const struct options *options, struct failure *failure)
{
	struct problems *problems = problems_new();
	struct config *config = config_load(options->config, problems);

	problems_print(problems, stderr);
	if (config == NULL)
		failure_set(failure, FAILURE_CONFIGURATION, "%s has problems: %zu", options->config,
		    problems_count(problems));
	problems_free(problems);
	if (config != NULL && !read_given(options, config, failure)) {
		config_free(config);
		config = NULL;
	}
	if (config != NULL)
		lock_set_wait(config->lock_wait);
	if (config != NULL && !signed_time_use(config->cache, failure)) {
		config_free(config);
		config = NULL;
	}
	return config;
}
