/*
 * spot, the update client: the command line.
 *
 * Each command fills in a struct failure or nothing; the kind of failure is the exit code.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../policy/policy_value.h"
#include "cache_command.h"
#include "catalogue_command.h"
#include "config.h"
#include "failure.h"
#include "fetch.h"
#include "https.h"
#include "index_command.h"
#include "licence.h"
#include "mirror.h"
#include "options.h"
#include "report.h"
#include "snapshot_command.h"
#include "update.h"

#define DEFAULT_CONFIG "/etc/spot/spot.yaml"

static void
print_usage(FILE *out)
{
	fputs("usage: spot [-c FILE] [-q | -v] [--json] list\n"
	      "       spot [-c FILE] [-q | -v] [--json] fetch PRODUCT [VERSION] --to DIR\n"
	      "               [--rate SIZE]\n"
	      "       spot [-c FILE] [-q | -v] [--json] update [PRODUCT] [--rate SIZE]\n"
	      "       spot [-c FILE] [-q | -v] [--json] cache gc --max SIZE\n"
	      "       spot [-c FILE] [-q | -v] [--json] cache verify\n"
	      "       spot [-c FILE] [-q | -v] [--json] snapshot SYSTEM [--from FILE |\n"
	      "               --under DIR] [--dry-run]\n"
	      "       spot [-c FILE] [-q | -v] [--json] snapshot --send | --pending\n"
	      "       spot [-c FILE] [-q | -v] [--json] mirror DIR [PRODUCT...] [--verify]\n"
	      "               [--grace DURATION] [--rate SIZE]\n"
	      "       spot catalogue make DIR --product ID --version N --expires DATE\n"
	      "               --sign CERT [--key KEY]\n"
	      "       spot catalogue check DIR --signer CERT\n"
	      "       spot catalogue index DIR --product ID --expires DATE --sign CERT\n"
	      "               [--key KEY]\n"
	      "       spot -V | -h\n"
	      "FILE is " DEFAULT_CONFIG " unless it is named.\n",
	    out);
}

/* Whoever reads JSON gets it for a mistake that is found before the command begins, too. */
static int
usage_error(const struct options *options, const struct failure *failure)
{
	fprintf(stderr, "spot: %s\n", failure->text);
	print_usage(stderr);
	if (options->json)
		report_failure(failure, true);
	return FAILURE_USAGE;
}

/* What --rate says counts instead of the configuration's. */
static bool
read_rate(const char *text, struct config *config, struct failure *failure)
{
	uint64_t rate = 0;

	if (!policy_value_size(text, &rate) || rate == 0)
		return failure_set(failure, FAILURE_USAGE,
		    "--rate takes bytes a second, such as 500K or 2M, not %s", text);
	config->rate = rate;
	return true;
}

/* Prints every mistake of the configuration itself; FAILURE then only counts them. */
static struct config *
load_config(const struct options *options, struct failure *failure)
{
	struct problems *problems = problems_new();
	struct config *config = config_load(options->config, problems);

	problems_print(problems, stderr);
	if (config == NULL)
		failure_set(failure, FAILURE_CONFIGURATION, "%s has problems: %zu", options->config,
		    problems_count(problems));
	problems_free(problems);
	if (config != NULL && options->given[OPTION_RATE] != NULL &&
	    !read_rate(options->given[OPTION_RATE], config, failure)) {
		config_free(config);
		config = NULL;
	}
	return config;
}

static bool
print_result(struct buffer *out, struct failure *failure)
{
	bool done = fwrite(buffer_bytes(out), 1, buffer_size(out), stdout) == buffer_size(out) &&
	            fflush(stdout) == 0;
	buffer_fini(out);
	return done || failure_set(failure, FAILURE_LOCAL, "cannot write to standard output: %s",
	                   strerror(errno));
}

/* Runs ASK with the servers of the configuration. */
static bool
with_servers(const struct options *options,
    bool (*ask)(const struct options *, const struct config *, struct https *, struct failure *),
    struct failure *failure)
{
	struct https *https = NULL;
	bool done = false;
	struct config *config = load_config(options, failure);

	if (config != NULL)
		https = https_new(config, failure);
	if (https != NULL)
		done = ask(options, config, https, failure);
	https_free(https);
	config_free(config);
	return done;
}

static bool
list(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	(void)config;
	struct buffer out = {0};
	struct licence *licence = licence_get(https, failure);

	if (licence == NULL)
		return false;
	(options->json ? licence_print_json : licence_print)(licence, &out);
	licence_free(licence);
	return print_result(&out, failure);
}

static bool
run_list(const struct options *options, struct failure *failure)
{
	return with_servers(options, list, failure);
}

/* Prints OUT when there is a result that should be; frees it in any case. */
static bool
end_with(struct buffer *out, bool done, const struct options *options, struct failure *failure)
{
	if (done && options->json)
		return print_result(out, failure);
	buffer_fini(out);
	return done;
}

/* The same for a report, which is printed for a failure, too, and then tells of it. */
static bool
end_with_report(
    struct buffer *out, bool done, const struct options *options, struct failure *failure)
{
	if (!options->json)
		buffer_fini(out);
	else if (print_result(out, failure))
		failure->told = true;
	else
		done = false;
	return done;
}

static bool
fetch(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	const struct fetch_order order = {
	    options_word(options, 0), options_word(options, 1), options->given[OPTION_TO], config};
	struct fetch_result result = {0};
	struct buffer out = {0};
	bool done = fetch_product(&order, https, &result, failure);

	if (done) {
		fetch_print_json(&order, &result, &out);
		buffer_append(&out, "\n", 1);
	}
	fetch_result_fini(&result);
	return end_with(&out, done, options, failure);
}

static bool
run_fetch(const struct options *options, struct failure *failure)
{
	if (options->given[OPTION_TO] == NULL)
		return failure_set(failure, FAILURE_USAGE, "fetch needs --to");
	return with_servers(options, fetch, failure);
}

static bool
update(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct buffer out = {0};
	bool done = update_all(config, options_word(options, 0), https, &out, failure);

	return end_with_report(&out, done, options, failure);
}

static bool
run_update(const struct options *options, struct failure *failure)
{
	return with_servers(options, update, failure);
}

static bool
run_cache_gc(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};

	if (options->given[OPTION_MAX] == NULL)
		return failure_set(failure, FAILURE_USAGE, "cache gc needs --max");
	struct config *config = load_config(options, failure);
	bool done = config != NULL &&
	            cache_command_gc(config->cache, options->given[OPTION_MAX], &out, failure);
	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_cache_verify(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};
	struct config *config = load_config(options, failure);
	bool done = config != NULL && cache_command_verify(config->cache, &out, failure);

	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_snapshot_on(const struct options *options, struct snapshot_order *order, struct buffer *out,
    struct failure *failure)
{
	struct config *config = load_config(options, failure);

	if (config == NULL)
		return false;
	bool done = false;
	order->cache = config->cache;
	if (options->given[OPTION_DRY_RUN] != NULL)
		done = snapshot_command_show(order, out, failure);
	else if (options->given[OPTION_PENDING] != NULL)
		done = snapshot_command_pending(config, options->json, out, failure);
	else
		done = snapshot_command_send(config, order, out, failure);
	config_free(config);
	if (done && options->given[OPTION_DRY_RUN] == NULL &&
	    options->given[OPTION_PENDING] == NULL && !options->json)
		buffer_fini(out);
	return done;
}

static bool
run_snapshot(const struct options *options, struct failure *failure)
{
	struct snapshot_order order = {options_word(options, 0), options->given[OPTION_FROM], NULL,
	    options->given[OPTION_UNDER]};
	struct buffer out = {0};
	bool done = false;

	if ((order.system != NULL) + (options->given[OPTION_SEND] != NULL) +
	        (options->given[OPTION_PENDING] != NULL) !=
	    1)
		return failure_set(failure, FAILURE_USAGE,
		    "snapshot needs the name of a system, --send or --pending");
	bool chosen =
	    order.from != NULL || order.under != NULL || options->given[OPTION_DRY_RUN] != NULL;
	if ((chosen && order.system == NULL) || (order.from != NULL && order.under != NULL))
		return failure_set(failure, FAILURE_USAGE,
		    "snapshot takes --dry-run and one of --from and --under with the name of a "
		    "system, and only there");
	if (options->given[OPTION_DRY_RUN] != NULL && order.from != NULL)
		done = snapshot_command_show(&order, &out, failure);
	else
		done = run_snapshot_on(options, &order, &out, failure);
	if (done && out.data != NULL)
		return print_result(&out, failure);
	buffer_fini(&out);
	return done;
}

static bool
run_catalogue_make(const struct options *options, struct failure *failure)
{
	const struct catalogue_order order = {options_word(options, 0),
	    options->given[OPTION_PRODUCT], options->given[OPTION_VERSION],
	    options->given[OPTION_EXPIRES], options->given[OPTION_SIGN],
	    options->given[OPTION_KEY]};

	if (order.product == NULL || order.version == NULL || order.expires == NULL ||
	    order.certificate == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue make needs --product, --version, --expires and --sign");
	return catalogue_command_make(&order, failure);
}

static bool
run_catalogue_check(const struct options *options, struct failure *failure)
{
	if (options->given[OPTION_SIGNER] == NULL)
		return failure_set(failure, FAILURE_USAGE, "catalogue check needs --signer");
	return catalogue_command_check(
	    options_word(options, 0), options->given[OPTION_SIGNER], failure);
}

static bool
run_catalogue_index(const struct options *options, struct failure *failure)
{
	const struct index_order order = {options_word(options, 0), options->given[OPTION_PRODUCT],
	    options->given[OPTION_EXPIRES], options->given[OPTION_SIGN],
	    options->given[OPTION_KEY]};

	if (order.product == NULL || order.expires == NULL || order.certificate == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue index needs --product, --expires and --sign");
	return index_command_make(&order, failure);
}

static bool
mirror(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct mirror_order order = {options_word(options, 0), options->words + 1,
	    options->word_count - 1, MIRROR_GRACE, options->given[OPTION_VERIFY] != NULL};
	struct buffer out = {0};

	if (options->given[OPTION_GRACE] != NULL &&
	    !mirror_read_grace(options->given[OPTION_GRACE], &order.grace))
		return failure_set(failure, FAILURE_USAGE,
		    "--grace takes a duration, such as 12h or 7d, not %s",
		    options->given[OPTION_GRACE]);
	struct mirror_report *report = mirror_report_new();
	bool done = mirror_run(&order, config, https, report, failure);
	mirror_report_print(report);
	mirror_report_print_json(report, done ? NULL : failure, &out);
	mirror_report_free(report);
	return end_with_report(&out, done, options, failure);
}

static bool
run_mirror(const struct options *options, struct failure *failure)
{
	for (size_t i = 1; i < options->word_count; i++) {
		if (!policy_value_is_id(options->words[i]))
			return failure_set(
			    failure, FAILURE_USAGE, "not a product id: %s", options->words[i]);
	}
	return with_servers(options, mirror, failure);
}

/* A command is one word or two; then come MIN to MAX arguments, and the options in TAKES. */
struct command {
	const char *word, *second;
	size_t min, max;
	bool (*run)(const struct options *options, struct failure *failure);
	unsigned takes;
};

#define SIGNING                                                                              \
	(OPTION_BIT(OPTION_PRODUCT) | OPTION_BIT(OPTION_EXPIRES) | OPTION_BIT(OPTION_SIGN) | \
	    OPTION_BIT(OPTION_KEY))

static const struct command commands[] = {
    {"list", NULL, 0, 0, run_list, 0},
    {"fetch", NULL, 1, 2, run_fetch, OPTION_BIT(OPTION_TO) | OPTION_BIT(OPTION_RATE)},
    {"update", NULL, 0, 1, run_update, OPTION_BIT(OPTION_RATE)},
    {"cache", "gc", 0, 0, run_cache_gc, OPTION_BIT(OPTION_MAX)},
    {"cache", "verify", 0, 0, run_cache_verify, 0},
    {"snapshot", NULL, 0, 1, run_snapshot,
        OPTION_BIT(OPTION_FROM) | OPTION_BIT(OPTION_UNDER) | OPTION_BIT(OPTION_DRY_RUN) |
            OPTION_BIT(OPTION_SEND) | OPTION_BIT(OPTION_PENDING)},
    {"mirror", NULL, 1, SIZE_MAX, run_mirror,
        OPTION_BIT(OPTION_VERIFY) | OPTION_BIT(OPTION_GRACE) | OPTION_BIT(OPTION_RATE)},
    {"catalogue", "make", 1, 1, run_catalogue_make, SIGNING | OPTION_BIT(OPTION_VERSION)},
    {"catalogue", "check", 1, 1, run_catalogue_check, OPTION_BIT(OPTION_SIGNER)},
    {"catalogue", "index", 1, 1, run_catalogue_index, SIGNING},
};

/* The command that the words begin with; NULL when there is none. */
static const struct command *
find_command(const struct options *options)
{
	const char *first = options_word(options, 0), *second = options_word(options, 1);

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		const struct command *command = &commands[i];
		if (strcmp(command->word, first) == 0 &&
		    (command->second == NULL ||
		        (second != NULL && strcmp(command->second, second) == 0)))
			return command;
	}
	return NULL;
}

static int
run(const struct command *command, const struct options *options)
{
	struct failure failure = {0};

	/* Connections that break, and a reader of our output that went away, are errors to report.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return FAILURE_LOCAL;
	bool done = command->run(options, &failure);
	curl_global_cleanup();
	if (!done && !failure.told)
		report_failure(&failure, options->json);
	return done ? 0 : (int)failure.kind;
}

/* Finds the command and takes its words off OPTIONS; NULL with FAILURE filled. */
static const struct command *
read_words(struct options *options, struct failure *failure)
{
	const struct command *command = NULL;

	if (options->word_count == 0) {
		failure_set(failure, FAILURE_USAGE, "no command");
		return NULL;
	}
	const char *word = options->words[0];
	command = find_command(options);
	if (command == NULL) {
		failure_set(failure, FAILURE_USAGE, "no such command: %s", word);
		return NULL;
	}
	size_t own = command->second != NULL ? 2 : 1;
	options->words += own;
	options->word_count -= own;
	const char *excess = options_excess(options, command->takes);
	if (options->word_count < command->min || options->word_count > command->max)
		failure_set(failure, FAILURE_USAGE, "not as many arguments as it takes: %s", word);
	else if (excess != NULL)
		failure_set(failure, FAILURE_USAGE, "%s%s%s does not take --%s", word,
		    own > 1 ? " " : "", own > 1 ? command->second : "", excess);
	else
		return command;
	return NULL;
}

/* Finds what to do; returns the exit code. */
static int
run_words(struct options *options)
{
	struct failure failure = {0};
	const struct command *command = read_words(options, &failure);

	return command != NULL ? run(command, options) : usage_error(options, &failure);
}

int
main(int argc, char **argv)
{
	struct options options = {.config = DEFAULT_CONFIG};

	switch (options_read(&options, argc, argv)) {
	case OPTIONS_READ:
		return run_words(&options);
	case OPTIONS_HELP:
		print_usage(stdout);
		return FAILURE_NONE;
	case OPTIONS_VERSION:
		puts("spot " MIRRORGATE_VERSION);
		return FAILURE_NONE;
	case OPTIONS_WRONG:
		break;
	}
	print_usage(stderr);
	return FAILURE_USAGE;
}
