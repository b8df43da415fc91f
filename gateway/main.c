/* The command line of mirrorgate(8). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "config.h"
#include "log.h"
#include "supervisor.h"
#include "tls_inspect.h"

enum { EXIT_USAGE = 2 };

static const char usage[] = "usage: mirrorgate -c FILE [-t] [--unsafe-any-port]\n"
                            "       mirrorgate identity CERT.pem\n"
                            "       mirrorgate -V | -h\n";

static int
serve(const char *file, bool check_only, bool unsafe_any_port)
{
	struct problems *problems = problems_new();
	struct config *config = config_load(file, unsafe_any_port, problems);
	int status = EXIT_FAILURE;

	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
	problems_free(problems);
	if (config == NULL)
		return EXIT_FAILURE;
	log_set_level((enum log_level)config->log_level);
	if (unsafe_any_port)
		log_warning("--unsafe-any-port: for tests and demonstrations only");
	if (check_only) {
		status = check_run(config);
		if (status == EXIT_SUCCESS)
			log_info("%s is good", file);
	} else {
		status = supervisor_run(config);
	}
	config_free(config);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"unsafe-any-port", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
	const char *file = NULL;
	bool check_only = false, unsafe_any_port = false;
	int option;

	if (argc == 3 && strcmp(argv[1], "identity") == 0)
		return tls_inspect_certificate(argv[2]);
	while ((option = getopt_long(argc, argv, "c:thV", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
			check_only = true;
			break;
		case 'u':
			unsafe_any_port = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("mirrorgate " MIRRORGATE_VERSION);
			return EXIT_SUCCESS;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (file == NULL || optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return serve(file, check_only, unsafe_any_port);
}
