/*
 * What a worker may still do once it serves: an unprivileged user, no new privileges, no core
 * dumps, and only the system calls on a list (seccomp). Anything else kills the process, and the
 * supervisor says so and starts another.
 */
#ifndef GATEWAY_SANDBOX_H
#define GATEWAY_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

struct sandbox_user {
	bool wanted; /* false: stay who we are */
	uid_t uid;
	gid_t gid;
};

/* Looks NAME up (NULL: nobody wanted). False, with a logged reason, when there is no such user, or
 * when we are not root and so cannot become it. */
bool sandbox_find_user(const char *name, struct sandbox_user *user);

/* Applies everything to this process. False, with a logged reason, when any part fails: then the
 * process must not serve. */
bool sandbox_enter(const struct sandbox_user *user);

/* Raises the limit on open files as far as it goes. */
void sandbox_raise_file_limit(void);

#endif
