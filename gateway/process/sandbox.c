/*
 * The worker's cage. The hard part is the list of system calls: what a loop of sockets, libssl
 * and malloc need, and nothing that opens a file, starts a program or listens.
 */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/sockios.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
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

static const int allowed[] = {
    /* sockets that are open, and new ones to the store */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(accept4),
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(shutdown),
    SCMP_SYS(close),
    SCMP_SYS(fcntl),
    /* the event loop */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(restart_syscall),
    /* memory, and mapping a generation's sealed files */
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrandom),
    SCMP_SYS(futex),
    /* ending, also by abort(), and with the supervisor */
    SCMP_SYS(getppid),
    SCMP_SYS(setitimer),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(tgkill),
};

static const unsigned long allowed_ioctls[] = {SIOCOUTQ, SIOCOUTQNSD, FIONBIO};

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
	log_error("cannot confine the worker: %s: %s", what, strerror(errno));
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

static bool
filter_system_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int error = filter == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < sizeof allowed / sizeof *allowed && error == 0; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < sizeof allowed_ioctls / sizeof *allowed_ioctls && error == 0; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, allowed_ioctls[i], 0));
	/* glibc and libcrypto try a few things that they do well without. */
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 0);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	errno = -error;
	return error == 0 || failed("seccomp");
}

bool
sandbox_enter(const struct sandbox_user *user)
{
	const struct rlimit no_core = {0, 0};

	if (!become(user))
		return false;
	if (!orphan_watch())
		return failed("the end with the supervisor");
	if (setrlimit(RLIMIT_CORE, &no_core) != 0)
		return failed("core dumps");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed("no_new_privs");
	if (INSTRUMENTED) {
		log_warning(
		    "built to find mistakes (sanitizer or coverage): no system call filter");
		return true;
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return failed("dumpable");
	return filter_system_calls();
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
