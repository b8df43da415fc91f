/*
 * What a load does: reads the configuration and all files that it names, builds the generation
 * after the one in force, and says what has changed. loader.h has the process in which it does.
 */
#ifndef GATEWAY_LOADING_H
#define GATEWAY_LOADING_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/generation/generation.h"
#include "sandbox.h"

/* For a reader of standard error, when a file has a thousand mistakes. */
enum { LOADING_LOG_PATIENCE = 1000 }; /* milliseconds */

/* Builds the first generation, in this process, and makes state_dir remember it when REMEMBERED;
 * NULL after logging every problem. */
struct generation *loading_first(struct config *config, bool remembered);

enum loading_task {
	/* Every file is read again, but for the catalogues: the configuration first, which says
	 * what else. When that is refused, for itself or for what it names, the files are those of
	 * the one in force: a revocation does not wait until it is mended. */
	LOADING_EVERYTHING,
	LOADING_CATALOGUES, /* the catalogues are, and all else is as it was */
	LOADING_STORES,     /* the stores' names are looked up; nothing is built while they stay */
};

struct loading_result {
	struct generation *next;
	uint32_t changed; /* files, see reload_files.h */
	int access_log;   /* opened, when its name has changed; else -1 */
	/* The configuration has not changed, for what mirrorgate.yaml holds now is refused. */
	bool is_refused;
};

/* Builds the generation after CURRENT, whose configuration is CONFIG, as TASK says, and sends it,
 * or why it is refused, through CHANNEL. Logs every problem, and what a generation that was sent
 * changes. USER is the workers'. Returns the exit status of the process. */
int loading_run(struct config *config, const struct generation *current,
    const struct sandbox_user *user, enum loading_task task, int channel);

#endif
