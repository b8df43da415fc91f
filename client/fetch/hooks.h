/*
 * Programs of the installation that run before and after a version takes its place.
 *
 * They are run without a shell, in `/`, with an environment of their own, nothing to read, and
 * nothing open that is spot's; what they print goes to standard error, each line with the hook's
 * name, unless spot is quiet. One that takes longer than the configuration says is ended, with all
 * that it began.
 */
#ifndef CLIENT_HOOKS_H
#define CLIENT_HOOKS_H

#include <stdbool.h>

#include "client/common/config.h"
#include "client/common/failure.h"

/* What they are told, in SPOT_PRODUCT and so on. */
struct hooks_event {
	const char *product;
	const char *old_version; /* NULL: there was none */
	const char *new_version;
	const char *folder; /* that was asked for */
	const char *staged; /* where the new version stands already; NULL: nowhere yet */
};

/* Runs the hook `before`, if there is one. False, with FAILURE filled, when it fails. */
bool hooks_run_before(
    const struct config_hooks *self, const struct hooks_event *event, struct failure *failure);

/* The same with `after`; FAILURE tells that the new version stays, and how to go back, which is
 * `spot rollback` when IS_BESIDE says that the old one lies beside it. */
bool hooks_run_after(const struct config_hooks *self, const struct hooks_event *event,
    bool is_beside, struct failure *failure);

#endif
