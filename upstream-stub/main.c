/*
 * upstream-stub: the plain HTTP artifact store. It serves one folder, takes uploads below
 * /snapshots/, and misbehaves when asked to. Read on in server.c (connections), session.c (one
 * connection) and answer.c (what the store says).
 *
 * This file: options, parts in the order they depend on each other, and the signals that end it.
 */
#include <errno.h>
#include <ev.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "faults.h"
#include "file_store.h"
#include "listen_socket.h"
#include "request_log.h"
#include "server.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: upstream-stub --root DIR --listen ADDRESS [--log FILE] [--fault 'PATH=KIND[:ARG]']...\n"
    "                     [--fault-segments]\n"
    "\n"
    "  --root DIR        the folder to serve; PUT below /snapshots/ stores files in it\n"
    "  --listen ADDRESS  127.0.0.1:PORT, [::1]:PORT or unix:PATH; port 0 picks a free one\n"
    "  --log FILE        append everything received, one JSON object a line\n"
    "  --fault RULE      misbehave for requests of PATH (* at its end: for all that start so)\n"
    "  --fault-segments  a path segment @KIND[:ARG] asks for a fault as well; for tests only, for\n"
    "                    then each file has many paths, and a gateway knows but one\n"
    "  --help            print this\n"
    "\n"
    "Kinds of faults:\n"
    "  refuse (only *)   delay-head:MS     delay-body:MS     cut-body:N        reset\n"
    "  reset-body:N      wrong-length:N    garbage           extra:N           1xx:COUNT\n"
    "  huge-head:N       status:CODE[:TEXT]                  silent            close\n"
    "  die-idle          raw:FILE\n";

struct options {
	const char *root;
	const char *listen;
	const char *log;
	struct faults *faults;
};

static void
allow_segments(struct faults *faults)
{
	faults_allow_segments(faults);
	fputs("upstream-stub: warning: --fault-segments: every client chooses faults by its path, "
	      "and reaches each file by many paths; for tests only\n",
	    stderr);
}

static int
add_fault(struct faults *faults, const char *rule)
{
	switch (faults_add(faults, rule)) {
	case FAULTS_OK:
		return 0;
	case FAULTS_UNKNOWN:
		fprintf(
		    stderr, "upstream-stub: error: no fault \"PATH=KIND[:ARG]\" in \"%s\"\n", rule);
		return -1;
	case FAULTS_BAD_ARGUMENT:
		break;
	}
	fprintf(stderr, "upstream-stub: error: wrong argument of the fault in \"%s\"\n", rule);
	return -1;
}

static int
parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
	    {"root", required_argument, NULL, 'r'},
	    {"listen", required_argument, NULL, 'l'},
	    {"log", required_argument, NULL, 'o'},
	    {"fault", required_argument, NULL, 'f'},
	    {"fault-segments", no_argument, NULL, 's'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (c == 'r')
			options->root = optarg;
		else if (c == 'l')
			options->listen = optarg;
		else if (c == 'o')
			options->log = optarg;
		else if (c == 'f' && add_fault(options->faults, optarg) == 0)
			continue;
		else if (c == 's')
			allow_segments(options->faults);
		else if (c == 'h')
			exit(fputs(usage, stdout) < 0);
		else
			return -1;
	}
	if (options->root != NULL && options->listen != NULL && optind == argc)
		return 0;
	fputs(usage, stderr);
	return -1;
}

static void
on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)w;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* Serves until SIGTERM or SIGINT. */
static void
serve(const struct server_parts *parts)
{
	struct server *server;
	ev_signal terminate, interrupt;

	ev_signal_init(&terminate, on_signal, SIGTERM);
	ev_signal_init(&interrupt, on_signal, SIGINT);
	ev_signal_start(parts->loop, &terminate);
	ev_signal_start(parts->loop, &interrupt);
	server = server_new(parts);
	printf("listening on %s\n", listen_socket_name(parts->listener));
	fflush(stdout);
	ev_run(parts->loop, 0);
	server_free(server);
	ev_signal_stop(parts->loop, &terminate);
	ev_signal_stop(parts->loop, &interrupt);
}

/* As many connections as the system allows; each may hold a file open too. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int
run(const struct options *options)
{
	struct server_parts parts = {.faults = options->faults};
	struct file_store *store;
	struct listen_socket *listener;
	int status = EXIT_FAILURE;

	store = file_store_new(options->root);
	if (store == NULL) {
		fprintf(stderr, "upstream-stub: error: %s while opening the folder %s\n",
		    strerror(errno), options->root);
		return status;
	}
	parts.log = request_log_new(options->log);
	if (parts.log == NULL) {
		fprintf(stderr, "upstream-stub: error: %s while opening the log %s\n",
		    strerror(errno), options->log);
		goto free_store;
	}
	listener = listen_socket_new(options->listen);
	if (listener == NULL)
		goto free_log;
	parts.loop = ev_default_loop(0);
	if (parts.loop == NULL)
		goto free_listener;
	parts.store = store;
	parts.listener = listener;
	serve(&parts);
	ev_loop_destroy(parts.loop);
	status = EXIT_SUCCESS;
free_listener:
	listen_socket_free(listener);
free_log:
	request_log_free(parts.log);
free_store:
	file_store_free(store);
	return status;
}

int
main(int argc, char **argv)
{
	struct options options = {.faults = faults_new()};
	int status = EXIT_USAGE;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	if (parse_options(&options, argc, argv) == 0)
		status = run(&options);
	faults_free(options.faults);
	return status;
}
