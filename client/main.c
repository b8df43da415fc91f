/*
 * spot, the update client: the command line.
 *
 * Each command fills in a struct failure or nothing; the kind of failure is the exit code.
 */
#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "failure.h"
#include "https.h"
#include "licence.h"
#include "report.h"

#define DEFAULT_CONFIG "/etc/spot/spot.yaml"

/* What the command line says. */
struct options {
	const char *config;
	bool json;
};

static void
print_usage(FILE *out)
{
	fputs("usage: spot [-c FILE] [-q | -v] [--json] list\n"
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

static bool
run_list(const struct options *options, struct https *https, struct failure *failure)
{
	struct buffer out = {0};
	struct licence *licence = licence_get(https, failure);

	if (licence == NULL)
		return false;
	(options->json ? licence_print_json : licence_print)(licence, &out);
	licence_free(licence);
	return print_result(&out, failure);
}

struct command {
	const char *name;
	bool (*run)(const struct options *options, struct https *https, struct failure *failure);
};

static const struct command commands[] = {
    {"list", run_list},
};

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int
run(const struct command *command, const struct options *options)
{
	struct failure failure = {0};
	struct https *https = NULL;
	bool done = false;
	struct config *config = load_config(options, &failure);

	if (config != NULL)
		https = https_new(config, &failure);
	if (https != NULL)
		done = command->run(options, https, &failure);
	https_free(https);
	config_free(config);
	if (!done)
		report_failure(&failure, options->json);
	return done ? 0 : (int)failure.kind;
}

enum { OPTION_JSON = 256 };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

int
main(int argc, char **argv)
{
	struct options options = {.config = DEFAULT_CONFIG};

	for (int option; (option = getopt_long(argc, argv, "c:qvVh", long_options, NULL)) != -1;) {
		switch (option) {
		case 'c':
			options.config = optarg;
			break;
		case 'q':
			report_set_level(REPORT_QUIET);
			break;
		case 'v':
			report_set_level(REPORT_VERBOSE);
			break;
		case OPTION_JSON:
			options.json = true;
			break;
		case 'V':
			puts("spot " MIRRORGATE_VERSION);
			return FAILURE_NONE;
		case 'h':
			print_usage(stdout);
			return FAILURE_NONE;
		default:
			print_usage(stderr);
			return FAILURE_USAGE;
		}
	}
	if (optind == argc)
		return usage_error("no command", "");
	const struct command *command = find_command(argv[optind]);
	if (command == NULL)
		return usage_error("no such command", argv[optind]);
	if (optind + 1 != argc)
		return usage_error("too many arguments", argv[optind + 1]);
	/* Connections that break, and a reader of our output that went away, are errors to report.
	 */
	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return FAILURE_LOCAL;
	int code = run(command, &options);
	curl_global_cleanup();
	return code;
}
