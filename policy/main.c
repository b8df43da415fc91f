/*
 * mirrorgate-policy: checks, explains, compares, compiles and dumps policies on the command line.
 *
 * Works on policy.yaml and on compiled images alike: both end up as an image in memory.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/value.h"
#include "policy.h"
#include "policy_compile.h"
#include "policy_diff_print.h"
#include "policy_dump.h"
#include "policy_explain.h"
#include "policy_lines.h"
#include "policy_listing.h"
#include "subject.h"

#ifndef MIRRORGATE_VERSION
#define MIRRORGATE_VERSION "unreleased"
#endif

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static void
print_usage(FILE *out)
{
	fputs("usage: mirrorgate-policy check POLICY\n"
	      "       mirrorgate-policy explain POLICY --subject DN [--issuer DN]\n"
	      "               (--download PATH | --snapshot NAME) [--at TIME] [--json]\n"
	      "       mirrorgate-policy diff OLD NEW [--json]\n"
	      "       mirrorgate-policy compile POLICY -o IMAGE\n"
	      "       mirrorgate-policy dump POLICY\n"
	      "       mirrorgate-policy -V | -h\n"
	      "POLICY, OLD and NEW are policy.yaml or a compiled image; TIME is YYYY-MM-DD or\n"
	      "YYYY-MM-DDTHH:MM:SSZ.\n",
	    out);
}

static int
usage_error(const char *what, const char *which)
{
	fprintf(stderr, "mirrorgate-policy: %s%s%s\n", what, which[0] != '\0' ? ": " : "", which);
	print_usage(stderr);
	return EXIT_USAGE;
}

static int
report_failure(const char *doing, const char *name)
{
	fprintf(stderr, "mirrorgate-policy: cannot %s %s: %s\n", doing, name, strerror(errno));
	return -1;
}

/* True when all that was printed has left; otherwise the reason is reported. */
static bool
is_printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	report_failure("write to", "standard output");
	return false;
}

/* What the command line says; what it does not say is NULL. */
struct options {
	const char *policy;
	const char *new_policy; /* of diff, whose POLICY is the old one */
	const char *subject;
	const char *issuer;
	const char *download;
	const char *snapshot;
	const char *at;
	const char *output;
	const char *json;
};

/* Compiles the policy into a memfd; -1 with all problems printed. The caller frees *LINES. */
static int
compile(const char *name, struct policy_lines **lines)
{
	struct problems *problems = problems_new();
	int fd = policy_compile_with_lines(name, time(NULL), problems, lines);
	problems_print(problems, stderr);
	problems_free(problems);
	return fd;
}

static struct policy *
load_with_lines(const char *name, struct policy_lines **lines)
{
	char error[POLICY_ERROR_MAX];
	int fd = compile(name, lines);
	if (fd < 0)
		return NULL;
	struct policy *policy = policy_open(fd, name, error);
	if (policy == NULL)
		fprintf(stderr, "%s\n", error);
	close(fd);
	return policy;
}

static struct policy *
load(const char *name)
{
	struct policy_lines *lines;
	struct policy *policy = load_with_lines(name, &lines);
	policy_lines_free(lines);
	return policy;
}

static int
run_check(const struct options *options)
{
	struct policy *policy = load(options->policy);
	if (policy == NULL)
		return EXIT_FAILED;
	printf("%s: no problems; serial %" PRIu64 ", customers %" PRIu32 "\n", options->policy,
	    policy_serial(policy), policy_customer_count(policy));
	policy_free(policy);
	return EXIT_DONE;
}

/* Reads what explain's arguments mean; EXIT_DONE when they mean something. */
static int
check_question(const struct options *options, time_t *now)
{
	struct subject subject;
	if (options->subject == NULL)
		return usage_error("explain needs --subject", "");
	if ((options->download == NULL) == (options->snapshot == NULL))
		return usage_error("explain needs either --download or --snapshot", "");
	const char *defect = subject_parse(options->subject, strlen(options->subject), &subject);
	if (defect != NULL)
		return usage_error("the subject is not canonical", defect);
	if (options->issuer != NULL)
		defect = subject_parse(options->issuer, strlen(options->issuer), &subject);
	if (defect != NULL)
		return usage_error("the issuer is not canonical", defect);
	if (options->at != NULL && !value_time(options->at, now))
		return usage_error("not a time", options->at);
	if (options->download != NULL)
		defect = path_defect(options->download, strlen(options->download));
	if (defect != NULL)
		return usage_error("the path is not canonical (the gate answers 400): it", defect);
	return EXIT_DONE;
}

static int
run_explain(const struct options *options)
{
	struct policy_question question = {
	    .subject = options->subject,
	    .issuer = options->issuer,
	    .download = options->download,
	    .snapshot = options->snapshot,
	    .at = time(NULL),
	};
	int status = check_question(options, &question.at);
	if (status != EXIT_DONE)
		return status;
	struct policy_lines *lines;
	struct policy *policy = load_with_lines(options->policy, &lines);
	if (policy == NULL)
		return EXIT_FAILED;
	struct policy_explained explained = {options->policy, policy, lines};
	bool allowed = options->json != NULL ? policy_explain_json(explained, &question, stdout)
	                                     : policy_explain_text(explained, &question, stdout);
	policy_lines_free(lines);
	policy_free(policy);
	return is_printed() && allowed ? EXIT_DONE : EXIT_FAILED;
}

/* Copies all of FROM to TO, which then is on disk. */
static int
copy_to_disk(int from, int to)
{
	char bytes[65536];
	for (;;) {
		ssize_t got = read(from, bytes, sizeof bytes);
		if (got <= 0)
			return got < 0 ? -1 : fsync(to);
		for (ssize_t at = 0; at < got;) {
			ssize_t written = write(to, bytes + at, (size_t)(got - at));
			if (written < 0)
				return -1;
			at += written;
		}
	}
}

/* Writes IMAGE to the temporary file TEMPORARY, then renames that to NAME. */
static int
replace_file(int image, const char *temporary, const char *name)
{
	int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return report_failure("create", temporary);
	bool copied = lseek(image, 0, SEEK_SET) == 0 && copy_to_disk(image, fd) == 0;
	if (close(fd) != 0 || !copied) {
		report_failure("write", temporary);
		unlink(temporary);
		return -1;
	}
	if (rename(temporary, name) != 0) {
		report_failure("rename to", name);
		unlink(temporary);
		return -1;
	}
	return 0;
}

static int
run_compile(const struct options *options)
{
	if (options->output == NULL)
		return usage_error("compile needs -o IMAGE", "");
	struct policy_lines *lines;
	int image = compile(options->policy, &lines);
	policy_lines_free(lines);
	if (image < 0)
		return EXIT_FAILED;
	char *temporary = NULL;
	if (asprintf(&temporary, "%s.%ld.tmp", options->output, (long)getpid()) < 0)
		abort();
	int result = replace_file(image, temporary, options->output);
	free(temporary);
	close(image);
	return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

static struct policy_listing *
list(const struct policy *policy)
{
	const char *defect;
	struct policy_listing *listing = policy_listing_new(policy, &defect);
	assert(listing != NULL); /* it was compiled or verified just now */
	return listing;
}

static int
run_diff(const struct options *options)
{
	/* Both are loaded in any case, so that the problems of both are printed. */
	struct policy *old = load(options->policy), *new = load(options->new_policy);
	int status = EXIT_FAILED;
	if (old != NULL && new != NULL) {
		struct policy_diff_input inputs[] = {
		    {options->policy, list(old)}, {options->new_policy, list(new)}};
		if (options->json != NULL)
			policy_diff_print_json(inputs[0], inputs[1], stdout);
		else
			policy_diff_print_text(inputs[0], inputs[1], stdout);
		policy_listing_free(inputs[0].listing);
		policy_listing_free(inputs[1].listing);
		status = is_printed() ? EXIT_DONE : EXIT_FAILED;
	}
	policy_free(old);
	policy_free(new);
	return status;
}

static int
run_dump(const struct options *options)
{
	struct policy *policy = load(options->policy);
	if (policy == NULL)
		return EXIT_FAILED;
	struct policy_listing *listing = list(policy);
	policy_dump(listing, stdout);
	policy_listing_free(listing);
	policy_free(policy);
	return is_printed() ? EXIT_DONE : EXIT_FAILED;
}

struct command {
	const char *name;
	const char *letters; /* of the options it takes */
	int (*run)(const struct options *options);
};

static const struct command commands[] = {
    {"check", "", run_check},
    {"explain", "sidnaj", run_explain},
    {"diff", "j", run_diff},
    {"compile", "o", run_compile},
    {"dump", "", run_dump},
};

static const struct option long_options[] = {
    {"subject", required_argument, NULL, 's'},
    {"issuer", required_argument, NULL, 'i'},
    {"download", required_argument, NULL, 'd'},
    {"snapshot", required_argument, NULL, 'n'},
    {"at", required_argument, NULL, 'a'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

/* Where the option LETTER is kept. */
static const char **
option_place(struct options *options, int letter)
{
	switch (letter) {
	case 's':
		return &options->subject;
	case 'i':
		return &options->issuer;
	case 'd':
		return &options->download;
	case 'n':
		return &options->snapshot;
	case 'a':
		return &options->at;
	case 'o':
		return &options->output;
	case 'j':
		return &options->json;
	default:
		return NULL;
	}
}

/* ARGV begins with the command's name. */
static int
run_command(const struct command *command, int argc, char **argv)
{
	struct options options = {0};
	int letter;
	while ((letter = getopt_long(argc, argv, "o:", long_options, NULL)) != -1) {
		const char **place = option_place(&options, letter);
		if (place == NULL || strchr(command->letters, letter) == NULL)
			return usage_error("wrong option for", command->name);
		if (*place != NULL)
			return usage_error("an option is given twice to", command->name);
		*place = optarg != NULL ? optarg : "";
	}
	bool two = command->run == run_diff;
	if (argc - optind != (two ? 2 : 1))
		return usage_error(
		    two ? "give two policies to" : "give one POLICY to", command->name);
	options.policy = argv[optind];
	options.new_policy = argv[argc - 1];
	return command->run(&options);
}

int
main(int argc, char **argv)
{
	if (argc < 2)
		return usage_error("no command", "");
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "-V") == 0) {
		puts("mirrorgate-policy " MIRRORGATE_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			return run_command(&commands[i], argc - 1, argv + 1);
	}
	return usage_error("unknown command", argv[1]);
}
