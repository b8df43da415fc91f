/* The command line of mirrorgate(8). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin_command.h"
#include "audit_verify.h"
#include "check.h"
#include "configuration.h"
#include "gateway/config/config.h"
#include "gateway/node/log.h"
#include "supervisor.h"
#include "tls_inspect.h"
#include "upgrade.h"

enum { EXIT_USAGE = 2 };

static const char usage[] = "usage: mirrorgate -c FILE [-t | --diff] [--unsafe-any-port]\n"
                            "       mirrorgate identity CERT.pem [-c FILE]\n"
                            "       mirrorgate audit-verify [--key PUBLIC.pem] FILE...\n"
                            "       mirrorgate -V | -h\n";

enum task { TASK_SERVE, TASK_CHECK, TASK_DIFF };

static int
check(const char *file, struct config *config)
{
	int status = check_run(config);

	if (status == EXIT_SUCCESS)
		log_info("%s is good", file);
	return status;
}

static int
run(const char *file, enum task task, bool unsafe_any_port)
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
	switch (task) {
	case TASK_SERVE:
		status = supervisor_run(config);
		break;
	case TASK_CHECK:
		status = check(file, config);
		break;
	case TASK_DIFF:
		status = configuration_diff(config);
		break;
	}
	config_free(config);
	return status;
}

static int
refuse_usage(void)
{
	fputs(usage, stderr);
	fputs(admin_command_usage, stderr);
	return EXIT_USAGE;
}

static int
audit_verify(char **arguments)
{
	const char *key = NULL;

	if (strcmp(arguments[0], "--key") == 0 && arguments[1] != NULL) {
		key = arguments[1];
		arguments += 2;
	}
	if (arguments[0] == NULL || (arguments[0][0] == '-' && arguments[0][1] != '\0'))
		return refuse_usage();
	return audit_verify_files(arguments, key);
}

int
main(int argc, char **argv)
{
	static const struct option long_options[] = {{"unsafe-any-port", no_argument, NULL, 'u'},
	    {"diff", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	const char *file = NULL;
	enum task task = TASK_SERVE;
	bool unsafe_any_port = false, asked_twice = false;
	int option;

	upgrade_remember(argv);
	if (argc > 1 && admin_command_is_one(argv[1]))
		return admin_command_run(argc, argv);
	if (argc == 3 && strcmp(argv[1], "identity") == 0)
		return tls_inspect_certificate(argv[2], NULL);
	if (argc == 5 && strcmp(argv[1], "identity") == 0 && strcmp(argv[3], "-c") == 0)
		return tls_inspect_certificate(argv[2], argv[4]);
	if (argc > 2 && strcmp(argv[1], "audit-verify") == 0)
		return audit_verify(argv + 2);
	while ((option = getopt_long(argc, argv, "c:thV", long_options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 't':
		case 'd':
			asked_twice = task != TASK_SERVE;
			task = option == 't' ? TASK_CHECK : TASK_DIFF;
			break;
		case 'u':
			unsafe_any_port = true;
			break;
		case 'h':
			fputs(usage, stdout);
			fputs(admin_command_usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("mirrorgate " MIRRORGATE_VERSION);
			return EXIT_SUCCESS;
		default:
			return refuse_usage();
		}
	}
	if (file == NULL || asked_twice || optind < argc) {
		return refuse_usage();
	}
	return run(file, task, unsafe_any_port);
}
