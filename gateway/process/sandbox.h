/*
 * What a process may still do once it is set up. A worker: it is an unprivileged user, with no new
 * privileges, no core dumps, and only the system calls of its role (sandbox_filter.h); the
 * supervisor says which worker was ended by another, and starts it again. The key holder: the same,
 * with a shorter list. A loader: no new privileges, and the system calls of its role.
 */
#ifndef GATEWAY_SANDBOX_H
#define GATEWAY_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "sandbox_filter.h"

struct sandbox_user {
	bool wanted; /* false: stay who we are */
	uid_t uid;
	gid_t gid;
};

/* Looks NAME up (NULL: nobody wanted). False, with a logged reason, when there is no such user, or
 * when we are not root and so cannot become it. */
bool sandbox_find_user(const char *name, struct sandbox_user *user);

/* Applies everything to this process, a worker or the key holder. False, with a logged reason, when
 * any part fails: then the process must not serve. */
bool sandbox_enter(enum sandbox_role role, const struct sandbox_user *user);

/* The same for a loader, which stays who it is: it reads files that only that user may read. */
bool sandbox_enter_loader(void);

/* Raises the limit on open files as far as it goes. */
void sandbox_raise_file_limit(void);

#endif
