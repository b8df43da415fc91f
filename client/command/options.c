/* Options, by getopt_long(3). Nothing is hard here. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>

#include "client/common/report.h"

enum {
	FIRST = 256, /* of the values that stand for our long options: beyond every character */
	JSON = FIRST + OPTION_COUNT,
};

static const struct option long_options[] = {
#define OPTION_ENTRY(name, spelling, has_value) \
	{spelling, (has_value) ? required_argument : no_argument, NULL, FIRST + (name)},
    OPTIONS(OPTION_ENTRY)
#undef OPTION_ENTRY
        {"config", required_argument, NULL, 'c'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool
take_pattern(struct options *self, const char *pattern)
{
	if (self->pattern_count == OPTIONS_MAX_PATTERNS) {
		fprintf(stderr, "spot: --config-files is there more than %d times\n",
		    OPTIONS_MAX_PATTERNS);
		return false;
	}
	self->patterns[self->pattern_count++] = pattern;
	return true;
}

/* Takes one option; false when it is none of ours. */
static bool
take(struct options *self, int option)
{
	if (option >= FIRST && option < FIRST + OPTION_COUNT) {
		self->given[option - FIRST] = optarg != NULL ? optarg : "";
		return option - FIRST != OPTION_CONFIG_FILES || take_pattern(self, optarg);
	}
	switch (option) {
	case 'c':
		self->config = optarg;
		return true;
	case 'q':
		report_set_level(REPORT_QUIET);
		return true;
	case 'v':
		report_set_level(REPORT_VERBOSE);
		return true;
	case JSON:
		self->json = true;
		return true;
	default:
		return false;
	}
}

enum options_result
options_read(struct options *self, int argc, char **argv)
{
	for (int option; (option = getopt_long(argc, argv, "c:qvVh", long_options, NULL)) != -1;) {
		if (option == 'V')
			return OPTIONS_VERSION;
		if (option == 'h')
			return OPTIONS_HELP;
		if (!take(self, option))
			return OPTIONS_WRONG;
	}
	self->words = argv + optind;
	self->word_count = (size_t)(argc - optind);
	return OPTIONS_READ;
}

const char *
options_excess(const struct options *self, unsigned allowed)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if (self->given[i] != NULL && (allowed & OPTION_BIT(i)) == 0)
			return long_options[i].name;
	}
	return NULL;
}
