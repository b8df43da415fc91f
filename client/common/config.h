/*
 * spot.yaml (design, section 7, is the model): loaded through a schema, every mistake reported
 * with its line, unknown and repeated keys refused. Relative paths start at the file's folder.
 */
#ifndef CLIENT_CONFIG_H
#define CLIENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/problems.h"
#include "rights.h"
#include "share.h"

enum {
	CONFIG_MAX_SERVERS = 16,
	CONFIG_MAX_PINS = 16,
	CONFIG_MIN_PINS = 2, /* the one in use and a spare, so that a lost key locks nobody out */
	CONFIG_MAX_TRIES = 100,
	CONFIG_MAX_CONNECTIONS = 16,
	CONFIG_MAX_ARGUMENTS = 64, /* of a hook, with its program */
};

/* What is run before and after a version takes its place. */
struct config_hooks {
	char **before, **after; /* program and arguments, the end is NULL; NULL: none */
	uint64_t time;          /* seconds that each may take */
};

struct config {
	char *servers[CONFIG_MAX_SERVERS + 1]; /* "https://host[:port]"; the end is NULL */
	size_t server_count;
	char *certificate, *ca;    /* file names */
	char *key;                 /* the same; NULL: the certificate is in PKCS#12, with it */
	char *key_passphrase_file; /* NULL: the key has none */
	char *crl;                 /* file of revocation lists; NULL: none */
	uint64_t crl_max_age;      /* seconds after which the servers are asked for new ones */
	char *release;             /* the certificate that signs catalogues; NULL: none */
	char *pins;                /* "sha256//...;sha256//...", as libcurl takes them */
	char *proxy;               /* "http://host:port"; "" for none */
	char *cache;               /* folder of what is known about this machine */
	char *state;               /* folder of snapshots that wait, and of receipts */
	unsigned tries;            /* how often a request is sent at most */
	unsigned connections;      /* how many downloads at a time */
	uint64_t rate;             /* bytes a second, all downloads together; 0: no limit */
	bool allow_sha1;           /* catalogues that have nothing better are accepted */
	uint64_t mirror_interval;  /* seconds between two runs of `spot mirror`, usually */
	struct share max_removals; /* of the versions in a mirror, in one run of it */
	uint64_t low_rate;         /* bytes a second, below which a server is too slow */
	uint64_t low_time;         /* seconds over which that is measured */
	bool index_required;       /* of each product; else only of one that had one once */
	bool versions;             /* new folders have versions side by side */
	struct config_hooks hooks;
	struct rights rights; /* of what is installed */
	uint64_t lock_wait;   /* seconds that another spot's lock is waited for */

	/* Not of the file: a command that only looks sets it, and then nothing is remembered. */
	bool looks;
};

/* Loads the file NAME; NULL, with PROBLEMS filled, when anything is wrong with it. */
struct config *config_load(const char *name, struct problems *problems);

/* The same for the LEN bytes of TEXT, which stand in the file NAME. */
struct config *config_read(
    const char *name, const char *text, size_t len, struct problems *problems);
void config_free(struct config *self);

#endif
