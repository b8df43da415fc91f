/*
 * That the hook `after` is due, kept in the folder from before the switch until it has run: a run
 * that is killed in between leaves it to the next. So it runs at least once, and twice when the end
 * comes while it runs.
 */
#ifndef CLIENT_HOOK_DUE_H
#define CLIENT_HOOK_DUE_H

#include "hooks.h"

/* Notes in the folder of EVENT, which the caller has locked, that `after` is due once the new
 * version is in its place; on the disk when it returns true. Nothing is noted when there is no such
 * hook. */
bool hook_due_note(
    const struct config_hooks *hooks, const struct hooks_event *event, struct failure *failure);

/* As hooks_run_after(), and then forgets that it was due, however it has ended. */
bool hook_due_run(const struct config_hooks *hooks, const struct hooks_event *event, bool is_beside,
    struct failure *failure);

/* After a switch that failed: forgets what was noted unless it was, or still may be, made. */
void hook_due_forget(const char *folder);

/* Runs what an earlier run has noted in FOLDER, which the caller has locked, if its version is in
 * place; false, with FAILURE filled, when the hook fails. */
bool hook_due_resume(const char *folder, const struct config_hooks *hooks, struct failure *failure);

#endif
