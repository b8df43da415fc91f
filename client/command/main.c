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
#include <stdlib.h>
#include <string.h>

#include "cache_command.h"
#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/common/report.h"
#include "client/common/revocation.h"
#include "client/common/signed_time.h"
#include "client/fetch/fetch.h"
#include "client/fetch/update.h"
#include "client/mirror/mirror.h"
#include "client/net/https.h"
#include "client/release/crl_renewal.h"
#include "crl_command.h"
#include "install_command.h"
#include "list_command.h"
#include "mirror_command.h"
#include "options.h"
#include "plan_command.h"
#include "report_command.h"
#include "settings.h"
#include "snapshot_command.h"
#include "status_command.h"
#include "usage.h"
#include "vendor_command.h"

/* Whoever reads JSON gets it for a mistake that is found before the command begins, too. */
static int
usage_error(const struct options *options, const struct failure *failure)
{
	fprintf(stderr, "spot: %s\n", failure->text);
	usage_print(stderr);
	if (options->json)
		report_failure(failure, true);
	return FAILURE_USAGE;
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

typedef bool ask_servers(
    const struct options *, const struct config *, struct https *, struct failure *);

/* Runs ASK with the servers of the configuration; nothing is remembered when it only LOOKS. */
static bool
with_servers_for(
    const struct options *options, bool looks, ask_servers *ask, struct failure *failure)
{
	struct https *https = NULL;
	bool done = false;
	struct config *config = settings_load(options, failure);

	if (config != NULL)
		config->looks = looks;
	if (config != NULL && crl_renewal_prepare(config, failure))
		https = https_new(config, failure);
	if (https != NULL)
		done = ask(options, config, https, failure);
	if (config != NULL && !looks)
		signed_time_save(config->cache);
	https_free(https);
	config_free(config);
	return done;
}

static bool
with_servers(const struct options *options, ask_servers *ask, struct failure *failure)
{
	return with_servers_for(options, false, ask, failure);
}

static bool
list(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct buffer out = {0};

	if (list_command(config, options->json, https, &out, failure))
		return print_result(&out, failure);
	buffer_fini(&out);
	return false;
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

/* Prints OUT, of a command that only looked, and did so in full or not. */
static bool
end_look(struct buffer *out, bool done, const struct options *options, struct failure *failure)
{
	bool empty = out->data == NULL;

	if (empty || !print_result(out, failure))
		return done && empty;
	failure->told = !done && options->json;
	return done;
}

static bool
plan(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	const struct plan_order order = {options_word(options, 0), options_word(options, 1),
	    options->given[OPTION_TO], config, options->json};
	struct buffer out = {0};
	bool done = plan_command(&order, https, &out, failure);

	return end_look(&out, done, options, failure);
}

static bool
run_plan(const struct options *options, struct failure *failure)
{
	return with_servers_for(options, true, plan, failure);
}

static bool
run_status(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};
	struct config *config = settings_load(options, failure);

	if (config == NULL)
		return false;
	config->looks = true;
	bool done = status_command(
	    config, options->words, options->word_count, options->json, &out, failure);
	config_free(config);
	return end_look(&out, done, options, failure);
}

static bool
run_crl(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};
	struct config *config = settings_load(options, failure);
	bool done = config != NULL && crl_command_fetch(config, &out, failure);

	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_rollback(const struct options *options, struct failure *failure)
{
	const char *folder = options_word(options, 0);
	struct buffer out = {0};
	struct config *config = settings_load(options, failure);
	bool done =
	    config != NULL && install_command_rollback(folder, &config->hooks, &out, failure);

	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_cache_gc(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};

	if (options->given[OPTION_MAX] == NULL)
		return failure_set(failure, FAILURE_USAGE, "cache gc needs --max");
	struct config *config = settings_load(options, failure);
	bool done = config != NULL &&
	            cache_command_gc(config->cache, options->given[OPTION_MAX], &out, failure);
	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_cache_verify(const struct options *options, struct failure *failure)
{
	struct buffer out = {0};
	struct config *config = settings_load(options, failure);
	bool done = config != NULL && cache_command_verify(config->cache, &out, failure);

	config_free(config);
	return end_with(&out, done, options, failure);
}

static bool
run_snapshot_on(const struct options *options, struct snapshot_order *order, struct buffer *out,
    struct failure *failure)
{
	struct config *config = settings_load(options, failure);

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
mirror(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct mirror_order order;
	struct buffer out = {0};

	if (!mirror_command_read(&order, options, config, failure))
		return false;
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
	return with_servers(options, mirror, failure);
}

/* A command is one word or two; then come MIN to MAX arguments, and the options in TAKES. */
struct command {
	const char *word, *second;
	size_t min, max;
	bool (*run)(const struct options *options, struct failure *failure);
	unsigned takes;
};

#define LISTS (OPTION_BIT(OPTION_CA) | OPTION_BIT(OPTION_CRL))
#define RIGHTS (OPTION_BIT(OPTION_MODE) | OPTION_BIT(OPTION_OWNER))
#define SIGNING                                                                              \
	(OPTION_BIT(OPTION_PRODUCT) | OPTION_BIT(OPTION_EXPIRES) | OPTION_BIT(OPTION_SIGN) | \
	    OPTION_BIT(OPTION_KEY) | LISTS)

static const struct command commands[] = {
    {"list", NULL, 0, 0, run_list, 0},
    {"fetch", NULL, 1, 2, run_fetch, OPTION_BIT(OPTION_TO) | OPTION_BIT(OPTION_RATE) | RIGHTS},
    {"update", NULL, 0, 1, run_update, OPTION_BIT(OPTION_RATE) | RIGHTS},
    {"plan", NULL, 0, 2, run_plan, OPTION_BIT(OPTION_TO) | OPTION_BIT(OPTION_RATE)},
    {"status", NULL, 0, SIZE_MAX, run_status, 0},
    {"crl", NULL, 0, 0, run_crl, 0},
    {"rollback", NULL, 1, 1, run_rollback, 0},
    {"cache", "gc", 0, 0, run_cache_gc, OPTION_BIT(OPTION_MAX)},
    {"cache", "verify", 0, 0, run_cache_verify, 0},
    {"snapshot", NULL, 0, 1, run_snapshot,
        OPTION_BIT(OPTION_FROM) | OPTION_BIT(OPTION_UNDER) | OPTION_BIT(OPTION_DRY_RUN) |
            OPTION_BIT(OPTION_SEND) | OPTION_BIT(OPTION_PENDING)},
    {"mirror", NULL, 1, SIZE_MAX, run_mirror,
        OPTION_BIT(OPTION_VERIFY) | OPTION_BIT(OPTION_GRACE) | OPTION_BIT(OPTION_RATE) |
            OPTION_BIT(OPTION_MAX_REMOVALS) | OPTION_BIT(OPTION_REMOVE_UNLICENSED)},
    {"catalogue", "make", 1, 1, vendor_command_make,
        SIGNING | OPTION_BIT(OPTION_VERSION) | OPTION_BIT(OPTION_CONFIG_FILES)},
    {"catalogue", "check", 1, 1, vendor_command_check, OPTION_BIT(OPTION_SIGNER) | LISTS},
    {"catalogue", "index", 1, 1, vendor_command_index, SIGNING | OPTION_BIT(OPTION_EXPIRES_IN)},
    {"report", NULL, 1, 1, report_command,
        OPTION_BIT(OPTION_FORMAT) | OPTION_BIT(OPTION_NEWEST) | OPTION_BIT(OPTION_BAD) |
            OPTION_BIT(OPTION_STRICT)},
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

	/* curl writes the secrets of its connections there, and OpenSSL may from 3.5 on: whoever
	 * can read that file could read along. */
	if (unsetenv("SSLKEYLOGFILE") != 0)
		return FAILURE_LOCAL;
	/* Connections that break, and a reader of our output that went away, are errors to report.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return FAILURE_LOCAL;
	bool done = command->run(options, &failure);
	revocation_fini();
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
	struct options options = {.config = USAGE_DEFAULT_CONFIG};

	switch (options_read(&options, argc, argv)) {
	case OPTIONS_READ:
		return run_words(&options);
	case OPTIONS_HELP:
		usage_print(stdout);
		return FAILURE_NONE;
	case OPTIONS_VERSION:
		puts("spot " MIRRORGATE_VERSION);
		return FAILURE_NONE;
	case OPTIONS_WRONG:
		break;
	}
	usage_print(stderr);
	return FAILURE_USAGE;
}
