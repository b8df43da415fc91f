/*
 * The cages. The hard part is their order: no root, then no other privileges, then no other system
 * calls, among which are those before.
 */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/node/log.h"
#include "orphan.h"

/* The run-time libraries of the sanitizers and of gcov make system calls of their own. The Makefile
 * defines MIRRORGATE_COVERAGE for a build that measures coverage. */
#if defined(__SANITIZE_ADDRESS__) || defined(MIRRORGATE_COVERAGE)
#define INSTRUMENTED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED 1
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED 0
#endif

bool
sandbox_find_user(const char *name, struct sandbox_user *user)
{
	*user = (struct sandbox_user){.wanted = name != NULL};
	if (name == NULL) {
		if (geteuid() == 0)
			log_warning("no `user` is configured: workers run as root");
		return true;
	}
	/* cppcheck-suppress getpwnamCalled ; one thread */
	const struct passwd *entry = getpwnam(name);
	if (entry == NULL) {
		log_error("user %s does not exist: create it, or change `user`", name);
		return false;
	}
	user->uid = entry->pw_uid;
	user->gid = entry->pw_gid;
	if (geteuid() == user->uid) {
		user->wanted = false;
		return true;
	}
	if (geteuid() == 0)
		return true;
	log_error("only root can run workers as %s: start as root, or leave `user` out", name);
	return false;
}

static bool
failed(const char *what)
{
	log_error("cannot confine this process: %s: %s", what, strerror(errno));
	return false;
}

static bool
become(const struct sandbox_user *user)
{
	if (!user->wanted)
		return true;
	if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		return failed("changing user");
	if (setuid(0) == 0)
		return failed("root came back");
	return true;
}

/* No new privileges, and only the system calls of ROLE. */
static bool
confine(enum sandbox_role role)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed("no_new_privs");
	if (INSTRUMENTED)
		return true;
	int error = sandbox_filter(role);
	errno = -error;
	return error == 0 || failed("seccomp");
}

bool
sandbox_enter(enum sandbox_role role, const struct sandbox_user *user)
{
	const struct rlimit no_core = {0, 0};

	if (!become(user))
		return false;
	if (!orphan_watch())
		return failed("the end with the supervisor");
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return failed("core dumps");
	if (INSTRUMENTED)
		log_warning(
		    "built to find mistakes (sanitizer or coverage): no system call filter");
	else if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed("dumpable");
	return confine(role);
}

bool
sandbox_enter_loader(void)
{
	return confine(SANDBOX_LOADER);
}

void
sandbox_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}
