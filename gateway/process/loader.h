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

#include "loading.h"

struct loader;

struct loader_events {
	/* A generation was built; it and the log are the receiver's. What it changes is not logged
	 * yet. False: it is not taken, as if it had not been built. */
	bool (*on_built)(void *arg, const struct loading_result *result);
	/* The process for TASK has ended; BUILT says whether on_built() was called. The reason,
	 * when not, is in the log. The next load may be started. */
	void (*on_ended)(void *arg, enum loading_task task, bool built);
};

/* Builds the first generation, and waits until it is built: in a process of its own, too, so that
 * no private key was ever in the memory of this one. NULL with every problem logged. */
struct generation *loader_first(struct config *config);

/* LOOP must be the default loop, which hears of children. USER is the workers'. */
struct loader *loader_new(struct ev_loop *loop, const struct sandbox_user *user,
    const struct loader_events *events, void *arg);
/* Kills a load under way; no event follows. */
void loader_free(struct loader *self);

/* Kills a load for TASK under way, unless it was built; no event follows. True when it did. */
bool loader_stop(struct loader *self, enum loading_task task);

bool loader_is_busy(const struct loader *self);
/* Starts to build the generation after CURRENT, whose configuration is CONFIG, as TASK says. False,
 * with the reason logged, when it cannot. Must not be called while it is busy. */
bool loader_start(struct loader *self, struct config *config, const struct generation *current,
    enum loading_task task);
/* Why the last load, or the configuration that it read, was refused, in one line; "": it was not,
 * or only the log knows. */
const char *loader_reason(const struct loader *self);
/* The file that it is about, as reload_files.h has it; none when it was not refused. */
uint32_t loader_blamed(const struct loader *self);
/* The most memory that the last load took which could say it, in bytes; 0: none has. */
uint64_t loader_memory(const struct loader *self);
/* In a process forked for something else: gives up what it has inherited of a load. */
void loader_forget(struct loader *self);

#endif
