/*
 * Builds generations in a process of its own, one at a time.
 *
 * A large policy takes seconds and hundreds of megabytes to compile. Meanwhile the supervisor goes
 * on with its work, and the memory is gone afterwards. The process logs every problem itself, and
 * then what the new policy and the new catalogues change.
 */
#ifndef GATEWAY_LOADER_H
#define GATEWAY_LOADER_H

#include <ev.h>

#include "generation.h"

/* Builds the first generation, in this process, and makes state_dir remember it when REMEMBERED;
 * NULL after logging every problem. */
struct generation *loader_build_first(const struct config *config, bool remembered);

struct loader;

enum loader_task {
	LOADER_EVERYTHING, /* every file is read again */
	LOADER_CATALOGUES, /* the catalogues are, and all else is as it was */
};

struct loader_events {
	/* A generation was built, and is the receiver's. What it changes is not logged yet. */
	void (*on_built)(void *arg, struct generation *next);
	/* The process has ended; BUILT says whether on_built() was called. The reason, when not, is
	 * in the log. The next load may be started. */
	void (*on_ended)(void *arg, bool built);
};

/* LOOP must be the default loop, which hears of children. CONFIG is borrowed. */
struct loader *loader_new(struct ev_loop *loop, const struct config *config,
    const struct loader_events *events, void *arg);
/* Kills a load under way; no event follows. */
void loader_free(struct loader *self);

bool loader_is_busy(const struct loader *self);
/* Starts to build the generation after CURRENT, as TASK says. False, with the reason logged, when
 * it cannot. Must not be called while it is busy. */
bool loader_start(struct loader *self, const struct generation *current, enum loader_task task);
/* In a process forked for something else: gives up what it has inherited of a load. */
void loader_forget(struct loader *self);

#endif
