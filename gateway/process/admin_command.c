/* The commands for a running gate, and what comes of them in words and exit status. The one hard
 * part: `cut` must not be taken for a revocation. */
#include "admin_command.h"

#include <assert.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "admin_client.h"
#include "admin_page.h"
#include "gateway/node/log.h"

enum { EXIT_USAGE = 2, WATCH_INTERVAL = 2 /* seconds */ };

static const char default_socket[] = "/run/mirrorgate/admin.sock";

const char admin_command_usage[] = "       mirrorgate status [-s SOCKET] [--json] [--watch]\n"
                                   "       mirrorgate customers [-s SOCKET] [--json] [--watch]\n"
                                   "       mirrorgate reload [-s SOCKET] [--json]\n"
                                   "       mirrorgate upgrade [-s SOCKET] [--json]\n"
                                   "       mirrorgate drain [-s SOCKET] [--json]\n"
                                   "       mirrorgate cut CUSTOMER|SERIAL [-s SOCKET] [--json]\n";

struct options {
	const char *socket, *name;
	bool json, watch;
};

static long long
number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void
print_status(const json_t *answer)
{
	admin_page_print_status(answer, stdout);
}

static void
print_customers(const json_t *answer)
{
	admin_page_print_customers(answer, stdout);
}

static bool
is_live(const json_t *answer)
{
	return strcmp(text_of(answer, "reload"), "live") == 0;
}

static void
print_reload(const json_t *answer)
{
	const char *reason = text_of(answer, "reason");
	long long generation = number_of(answer, "generation");
	long long workers = number_of(answer, "workers");

	if (strcmp(text_of(answer, "reload"), "refused") == 0) {
		log_error("reload refused, generation %lld stays in force: %s", generation, reason);
		return;
	}
	printf("generation %lld live on %lld/%lld workers: kept %lld, cut %lld\n", generation,
	    workers, workers, number_of(answer, "kept"), number_of(answer, "cut"));
	if (*reason != '\0')
		log_error("configuration refused, the one in force stays: %s", reason);
}

static bool
is_upgraded(const json_t *answer)
{
	return strcmp(text_of(answer, "upgrade"), "done") == 0;
}

static void
print_upgrade(const json_t *answer)
{
	long long pid = number_of(answer, "pid"), before = number_of(answer, "before");

	if (is_upgraded(answer))
		printf("process %lld has taken over from %lld\n", pid, before);
	else
		log_error("upgrade failed: process %lld %s; the one before, %lld, goes on. The "
		          "gate's log has the reason",
		    pid, text_of(answer, "reason"), before);
}

static void
print_drain(const json_t *answer)
{
	printf("draining: %lld connections are open\n", number_of(answer, "connections"));
}

static bool
is_cut(const json_t *answer)
{
	return number_of(answer, "cut") > 0 && number_of(answer, "workers_not_told") == 0;
}

static void
print_cut(const json_t *answer)
{
	long long cut = number_of(answer, "cut"), untold = number_of(answer, "workers_not_told");

	printf("cut %lld connections of %s\n", cut, text_of(answer, "name"));
	puts(
	    "This is no revocation: whoever has the certificate may connect again at once. To keep "
	    "them out, revoke it or change the policy, then `mirrorgate reload`.");
	if (untold > 0)
		log_error("%lld workers could not be told: connections of theirs go on", untold);
	else if (cut == 0)
		log_error("no connection of a customer or certificate of this name is open");
}

static const struct command {
	const char *name;
	void (*print)(const json_t *answer);
	bool (*is_good)(const json_t *answer); /* NULL: any answer is */
	bool may_watch, wants_name;
} commands[] = {
    {"status", print_status, NULL, true, false},
    {"customers", print_customers, NULL, true, false},
    {"reload", print_reload, is_live, false, false},
    {"upgrade", print_upgrade, is_upgraded, false, false},
    {"drain", print_drain, NULL, false, false},
    {"cut", print_cut, is_cut, false, true},
};

static const struct command *
find_command(const char *word)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, word) == 0)
			return &commands[i];
	return NULL;
}

bool
admin_command_is_one(const char *word)
{
	return find_command(word) != NULL;
}

static int
ask_once(const struct command *command, const struct options *options)
{
	struct buffer text = {0};
	/* Longer than the gate itself waits. */
	json_t *answer = admin_client_ask(
	    options->socket, command->name, options->name, ADMIN_PATIENCE + 60, &text);
	bool good = answer != NULL && (command->is_good == NULL || command->is_good(answer));

	if (answer != NULL && options->json) {
		puts(buffer_bytes(&text));
	} else if (answer != NULL) {
		if (options->watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout); /* the page takes the place of the last */
		command->print(answer);
	}
	json_decref(answer);
	buffer_fini(&text);
	return good && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* False: the command line is wrong. */
static bool
read_options(const struct command *command, int argc, char **argv, struct options *options)
{
	static const struct option long_options[] = {{"json", no_argument, NULL, 'j'},
	    {"watch", no_argument, NULL, 'w'}, {NULL, 0, NULL, 0}};
	int option;

	*options = (struct options){.socket = default_socket};
	while ((option = getopt_long(argc, argv, "s:", long_options, NULL)) != -1) {
		if (option == 's')
			options->socket = optarg;
		else if (option == 'j')
			options->json = true;
		else if (option == 'w' && command->may_watch)
			options->watch = true;
		else
			return false;
	}
	/* argv[0] is the program, and after the options comes the command itself. */
	if (optind + 1 + command->wants_name != argc)
		return false;
	options->name = command->wants_name ? argv[optind + 1] : NULL;
	return true;
}

int
admin_command_run(int argc, char **argv)
{
	const struct command *command = find_command(argv[1]);
	struct options options;
	int status;

	assert(command != NULL);
	if (!read_options(command, argc, argv, &options)) {
		fputs("usage:\n", stderr);
		fputs(admin_command_usage, stderr);
		return EXIT_USAGE;
	}
	do
		status = ask_once(command, &options);
	while (options.watch && status == EXIT_SUCCESS && sleep(WATCH_INTERVAL) == 0);
	return status;
}
