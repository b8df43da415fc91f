/*
 * spot, the update client: the command line.
 *
 * Each command fills in a struct failure or nothing; the kind of failure is the exit code.
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
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
#include "report.h"
#include "snapshot_command.h"
#include "update.h"

#define DEFAULT_CONFIG "/etc/spot/spot.yaml"

/* What the command line says; what it does not say is NULL. */
struct options {
	const char *config;
	bool json;
	const char *argument, *second; /* what stands behind the command */
	const char *to;
	const char *from;
	const char *under;
	bool dry_run, send, pending;
	const char *product, *version, *expires, *sign, *key, *signer;
	const char *rate, *max;
	char *const *products; /* of a mirror: what stands behind its first argument */
	size_t product_count;
	const char *grace;
	bool verify;
};

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

static int
usage_error(const char *what, const char *which)
{
	fprintf(stderr, "spot: %s%s%s\n", what, which[0] != '\0' ? ": " : "", which);
	print_usage(stderr);
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
	if (config != NULL && options->rate != NULL && !read_rate(options->rate, config, failure)) {
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

static bool
fetch(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	const struct fetch_order order = {options->argument, options->second, options->to, config};
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
	if (options->to == NULL)
		return failure_set(failure, FAILURE_USAGE, "fetch needs --to");
	return with_servers(options, fetch, failure);
}

static bool
update(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct buffer out = {0};
	bool done = update_all(config, options->argument, https, &out, failure);

	return end_with(&out, done, options, failure);
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

	if (options->max == NULL)
		return failure_set(failure, FAILURE_USAGE, "cache gc needs --max");
	struct config *config = load_config(options, failure);
	bool done = config != NULL && cache_command_gc(config->cache, options->max, &out, failure);
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
	if (options->dry_run)
		done = snapshot_command_show(order, out, failure);
	else if (options->pending)
		done = snapshot_command_pending(config, options->json, out, failure);
	else
		done = snapshot_command_send(config, order, out, failure);
	config_free(config);
	if (done && !options->dry_run && !options->pending && !options->json)
		buffer_fini(out);
	return done;
}

static bool
run_snapshot(const struct options *options, struct failure *failure)
{
	struct snapshot_order order = {options->argument, options->from, NULL, options->under};
	struct buffer out = {0};
	bool done = false;

	if ((order.system != NULL) + options->send + options->pending != 1)
		return failure_set(failure, FAILURE_USAGE,
		    "snapshot needs the name of a system, --send or --pending");
	bool chosen = order.from != NULL || order.under != NULL || options->dry_run;
	if ((chosen && order.system == NULL) || (order.from != NULL && order.under != NULL))
		return failure_set(failure, FAILURE_USAGE,
		    "snapshot takes --dry-run and one of --from and --under with the name of a "
		    "system, and only there");
	if (options->dry_run && order.from != NULL)
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
	const struct catalogue_order order = {options->argument, options->product, options->version,
	    options->expires, options->sign, options->key};

	if (order.product == NULL || order.version == NULL || order.expires == NULL ||
	    order.certificate == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue make needs --product, --version, --expires and --sign");
	return catalogue_command_make(&order, failure);
}

static bool
run_catalogue_check(const struct options *options, struct failure *failure)
{
	if (options->signer == NULL)
		return failure_set(failure, FAILURE_USAGE, "catalogue check needs --signer");
	return catalogue_command_check(options->argument, options->signer, failure);
}

static bool
run_catalogue_index(const struct options *options, struct failure *failure)
{
	const struct index_order order = {
	    options->argument, options->product, options->expires, options->sign, options->key};

	if (order.product == NULL || order.expires == NULL || order.certificate == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "catalogue index needs --product, --expires and --sign");
	return index_command_make(&order, failure);
}

/* A report is printed for a failure, too, and then tells of it. */
static bool
mirror(const struct options *options, const struct config *config, struct https *https,
    struct failure *failure)
{
	struct mirror_order order = {options->argument, options->products, options->product_count,
	    MIRROR_GRACE, options->verify};
	struct buffer out = {0};

	if (options->grace != NULL && !mirror_read_grace(options->grace, &order.grace))
		return failure_set(failure, FAILURE_USAGE,
		    "--grace takes a duration, such as 12h or 7d, not %s", options->grace);
	struct mirror_report *report = mirror_report_new();
	bool done = mirror_run(&order, config, https, report, failure);
	mirror_report_print(report);
	mirror_report_print_json(report, done ? NULL : failure, &out);
	mirror_report_free(report);
	if (!options->json)
		buffer_fini(&out);
	else if (print_result(&out, failure))
		failure->told = true;
	else
		done = false;
	return done;
}

static bool
run_mirror(const struct options *options, struct failure *failure)
{
	for (size_t i = 0; i < options->product_count; i++) {
		if (!policy_value_is_id(options->products[i]))
			return failure_set(
			    failure, FAILURE_USAGE, "not a product id: %s", options->products[i]);
	}
	return with_servers(options, mirror, failure);
}

/* A command is one word or two; then come MIN to MAX arguments. */
struct command {
	const char *word, *second;
	int min, max;
	bool (*run)(const struct options *options, struct failure *failure);
};

static const struct command commands[] = {
    {"list", NULL, 0, 0, run_list},
    {"fetch", NULL, 1, 2, run_fetch},
    {"update", NULL, 0, 1, run_update},
    {"cache", "gc", 0, 0, run_cache_gc},
    {"cache", "verify", 0, 0, run_cache_verify},
    {"snapshot", NULL, 0, 1, run_snapshot},
    {"catalogue", "make", 1, 1, run_catalogue_make},
    {"catalogue", "check", 1, 1, run_catalogue_check},
    {"catalogue", "index", 1, 1, run_catalogue_index},
    {"mirror", NULL, 1, INT_MAX, run_mirror},
};

/* The command that the COUNT words begin with; NULL when there is none. */
static const struct command *
find_command(int count, char **words)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		const struct command *command = &commands[i];
		if (count > 0 && strcmp(command->word, words[0]) == 0 &&
		    (command->second == NULL ||
		        (count > 1 && strcmp(command->second, words[1]) == 0)))
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

enum {
	OPTION_JSON = 256,
	OPTION_PRODUCT,
	OPTION_VERSION,
	OPTION_EXPIRES,
	OPTION_SIGN,
	OPTION_KEY,
	OPTION_SIGNER,
	OPTION_TO,
	OPTION_FROM,
	OPTION_UNDER,
	OPTION_DRY_RUN,
	OPTION_SEND,
	OPTION_PENDING,
	OPTION_RATE,
	OPTION_MAX,
	OPTION_GRACE,
	OPTION_VERIFY,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"product", required_argument, NULL, OPTION_PRODUCT},
    {"version", required_argument, NULL, OPTION_VERSION},
    {"expires", required_argument, NULL, OPTION_EXPIRES},
    {"sign", required_argument, NULL, OPTION_SIGN},
    {"key", required_argument, NULL, OPTION_KEY},
    {"to", required_argument, NULL, OPTION_TO},
    {"from", required_argument, NULL, OPTION_FROM},
    {"under", required_argument, NULL, OPTION_UNDER},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"send", no_argument, NULL, OPTION_SEND},
    {"pending", no_argument, NULL, OPTION_PENDING},
    {"signer", required_argument, NULL, OPTION_SIGNER},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"max", required_argument, NULL, OPTION_MAX},
    {"grace", required_argument, NULL, OPTION_GRACE},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* Takes one option; false when it is none of ours. */
static bool
take_option(struct options *options, int option)
{
	switch (option) {
	case 'c':
		options->config = optarg;
		return true;
	case 'q':
		report_set_level(REPORT_QUIET);
		return true;
	case 'v':
		report_set_level(REPORT_VERBOSE);
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case OPTION_PRODUCT:
		options->product = optarg;
		return true;
	case OPTION_VERSION:
		options->version = optarg;
		return true;
	case OPTION_EXPIRES:
		options->expires = optarg;
		return true;
	case OPTION_SIGN:
		options->sign = optarg;
		return true;
	case OPTION_KEY:
		options->key = optarg;
		return true;
	case OPTION_TO:
		options->to = optarg;
		return true;
	case OPTION_UNDER:
		options->under = optarg;
		return true;
	case OPTION_FROM:
		options->from = optarg;
		return true;
	case OPTION_DRY_RUN:
		options->dry_run = true;
		return true;
	case OPTION_SEND:
		options->send = true;
		return true;
	case OPTION_PENDING:
		options->pending = true;
		return true;
	case OPTION_SIGNER:
		options->signer = optarg;
		return true;
	case OPTION_RATE:
		options->rate = optarg;
		return true;
	case OPTION_MAX:
		options->max = optarg;
		return true;
	case OPTION_GRACE:
		options->grace = optarg;
		return true;
	case OPTION_VERIFY:
		options->verify = true;
		return true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	struct options options = {.config = DEFAULT_CONFIG};

	for (int option; (option = getopt_long(argc, argv, "c:qvVh", long_options, NULL)) != -1;) {
		if (option == 'V') {
			puts("spot " MIRRORGATE_VERSION);
			return FAILURE_NONE;
		}
		if (option == 'h') {
			print_usage(stdout);
			return FAILURE_NONE;
		}
		if (!take_option(&options, option)) {
			print_usage(stderr);
			return FAILURE_USAGE;
		}
	}
	if (optind == argc)
		return usage_error("no command", "");
	const struct command *command = find_command(argc - optind, argv + optind);
	if (command == NULL)
		return usage_error("no such command", argv[optind]);
	int words = 1 + (command->second != NULL);
	int arguments = argc - optind - words;
	if (arguments < command->min || arguments > command->max)
		return usage_error("not as many arguments as it takes", argv[optind]);
	options.argument = arguments > 0 ? argv[optind + words] : NULL;
	options.second = arguments > 1 ? argv[optind + words + 1] : NULL;
	options.products = argv + optind + words + (arguments > 0);
	options.product_count = arguments > 1 ? (size_t)arguments - 1 : 0;
	return run(command, &options);
}
