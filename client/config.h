/*
 * spot.yaml (design, section 7, is the model): loaded through a schema, every mistake reported
 * with its line, unknown and repeated keys refused. Relative paths start at the file's folder.
 */
#ifndef CLIENT_CONFIG_H
#define CLIENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../policy/problems.h"

enum {
	CONFIG_MAX_SERVERS = 16,
	CONFIG_MAX_PINS = 16,
	CONFIG_MIN_PINS = 2, /* the one in use and a spare, so that a lost key locks nobody out */
	CONFIG_MAX_TRIES = 100,
	CONFIG_MAX_CONNECTIONS = 16,
};

struct config {
	char *servers[CONFIG_MAX_SERVERS + 1]; /* "https://host[:port]"; the end is NULL */
	size_t server_count;
	char *certificate, *key, *ca; /* file names */
	char *release;                /* the certificate that signs catalogues; NULL: none */
	char *pins;                   /* "sha256//...;sha256//...", as libcurl takes them */
	char *proxy;                  /* "http://host:port"; "" for none */
	char *cache;                  /* folder of what is known about this machine */
	char *state;                  /* folder of snapshots that wait, and of receipts */
	unsigned tries;               /* how often a request is sent at most */
	unsigned connections;         /* how many downloads at a time */
	uint64_t rate;                /* bytes a second, all downloads together; 0: no limit */
	bool allow_sha1;              /* catalogues that have nothing better are accepted */
};

/* Loads the file NAME; NULL, with PROBLEMS filled, when anything is wrong with it. */
struct config *config_load(const char *name, struct problems *problems);
void config_free(struct config *self);

#endif
