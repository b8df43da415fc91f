/*
 * The lists. A worker's is short and has rules for arguments, for it reads what strangers send. The
 * key holder's has nothing that is new: it reads and writes what it was given. A
 * loader's is what reading files, asking for a name's address and handing over sealed files take.
 * The hard part are the modules that the C library loads to look a name up: they are not ours, and
 * may try more; a loader is told EPERM, where a worker is ended.
 */
#include "sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* A call, and what its arguments must be. A call that is here twice may be either. */
struct rule {
	int call;
	unsigned count; /* of the conditions */
	struct scmp_arg_cmp conditions[2];
};

/* Arguments are int: what lies in the upper half of the register is nobody's. */
#define INT_MASK 0xffffffffU
#define ARG_IS(arg, value)                                   \
	{                                                    \
		(arg), SCMP_CMP_MASKED_EQ, INT_MASK, (value) \
	}
#define ARG_LACKS(arg, bits)                         \
	{                                            \
		(arg), SCMP_CMP_MASKED_EQ, (bits), 0 \
	}
#define ARG_HAS(arg, bits)                                \
	{                                                 \
		(arg), SCMP_CMP_MASKED_EQ, (bits), (bits) \
	}
#define TYPE_IS(arg, type)                             \
	{                                              \
		(arg), SCMP_CMP_MASKED_EQ, 0xf, (type) \
	} /* above it are flags */

#define ANY(name)                      \
	{                              \
		.call = SCMP_SYS(name) \
	}
#define IF(name, ...)                                                             \
	{                                                                         \
		.call = SCMP_SYS(name), .count = 1, .conditions = { __VA_ARGS__ } \
	}
#define IF_BOTH(name, ...)                                                        \
	{                                                                         \
		.call = SCMP_SYS(name), .count = 2, .conditions = { __VA_ARGS__ } \
	}

/* What is open, memory, time, and the end. */
static const struct rule every[] = {
    ANY(read),
    ANY(write),
    ANY(recvfrom),
    ANY(sendto),
    ANY(recvmsg),
    ANY(close),
    ANY(poll),
    ANY(ppoll),
    ANY(clock_gettime),
    ANY(gettimeofday),
    ANY(time),
    ANY(restart_syscall),
    ANY(munmap),
    ANY(mremap),
    ANY(madvise),
    ANY(brk),
    ANY(fstat),
    ANY(lseek),
    ANY(sysinfo),
    ANY(getrandom),
    ANY(futex),
    ANY(getppid),
    ANY(setitimer),
    ANY(exit),
    ANY(exit_group),
    ANY(rt_sigreturn),
    ANY(rt_sigprocmask),
    ANY(rt_sigaction),
    ANY(getpid),
    ANY(gettid),
};

/* What a worker and a loader may, besides. */
static const struct rule both[] = {
    ANY(sendmsg),
    ANY(connect),
    ANY(getsockopt),
    ANY(getsockname),
    ANY(getpeername),
    ANY(shutdown),
    ANY(clock_nanosleep),
};

/* No socket that it was not given, and no file. */
static const struct rule of_key_holder[] = {
    IF(mmap, ARG_LACKS(2, PROT_EXEC)),
    IF(mprotect, ARG_LACKS(2, PROT_EXEC)),
    IF(newfstatat, ARG_HAS(3, AT_EMPTY_PATH)),
};

static const struct rule of_worker[] = {
    /* new connections from clients, and to stores; a path that connect() takes is the only one */
    ANY(accept4),
    IF_BOTH(socket, ARG_IS(0, AF_UNIX), TYPE_IS(1, SOCK_STREAM)),
    IF_BOTH(socket, ARG_IS(0, AF_INET), TYPE_IS(1, SOCK_STREAM)),
    IF_BOTH(socket, ARG_IS(0, AF_INET6), TYPE_IS(1, SOCK_STREAM)),
    IF_BOTH(setsockopt, ARG_IS(1, IPPROTO_TCP), ARG_IS(2, TCP_NODELAY)),
    IF_BOTH(setsockopt, ARG_IS(1, IPPROTO_TCP), ARG_IS(2, TCP_NOTSENT_LOWAT)),
    IF(ioctl, ARG_IS(1, SIOCOUTQ)),
    IF(ioctl, ARG_IS(1, SIOCOUTQNSD)),
    IF(ioctl, ARG_IS(1, FIONBIO)),
    IF(fcntl, ARG_IS(1, F_GETFD)),
    IF(fcntl, ARG_IS(1, F_SETFD)),
    IF(fcntl, ARG_IS(1, F_GETFL)),
    IF(fcntl, ARG_IS(1, F_SETFL)),
    IF(fcntl, ARG_IS(1, F_DUPFD_CLOEXEC)),
    /* the event loop */
    ANY(epoll_wait),
    ANY(epoll_pwait),
    ANY(epoll_ctl),
    ANY(epoll_create1),
    ANY(eventfd2),
    ANY(timerfd_create),
    ANY(timerfd_settime),
    /* memory that is no program, and a generation's sealed files */
    IF(mmap, ARG_LACKS(2, PROT_EXEC)),
    IF(mprotect, ARG_LACKS(2, PROT_EXEC)),
    IF(newfstatat, ARG_HAS(3, AT_EMPTY_PATH)),
};

static const struct rule of_loader[] = {
    /* files: read, written down beside their old version and moved over it */
    ANY(open),
    ANY(openat),
    ANY(newfstatat),
    ANY(stat),
    ANY(lstat),
    ANY(statx),
    ANY(access),
    ANY(faccessat),
    ANY(faccessat2),
    ANY(getdents64),
    ANY(readlink),
    ANY(readlinkat),
    ANY(getcwd),
    ANY(readv),
    ANY(writev),
    ANY(pread64),
    ANY(pwrite64),
    ANY(rename),
    ANY(renameat),
    ANY(renameat2),
    ANY(unlink),
    ANY(unlinkat),
    ANY(fsync),
    ANY(fdatasync),
    ANY(ftruncate),
    ANY(fchmod),
    ANY(fchown),
    ANY(flock),
    ANY(statfs),
    ANY(fstatfs),
    ANY(fadvise64),
    ANY(fcntl),
    ANY(memfd_create),
    /* memory; what looks a name up may be a library that is loaded for it */
    ANY(mmap),
    ANY(mprotect),
    /* asking for a name's address */
    IF(socket, ARG_IS(0, AF_INET)),
    IF(socket, ARG_IS(0, AF_INET6)),
    IF(socket, ARG_IS(0, AF_UNIX)),
    IF(socket, ARG_IS(0, AF_NETLINK)),
    ANY(bind),
    ANY(sendmmsg),
    ANY(recvmmsg),
    IF(setsockopt, ARG_IS(1, SOL_IP)),
    IF(setsockopt, ARG_IS(1, SOL_IPV6)),
    IF(ioctl, ARG_IS(1, FIONREAD)),
    ANY(select),
    ANY(pselect6),
    ANY(nanosleep),
    ANY(uname),
    /* who and where it is */
    ANY(getuid),
    ANY(geteuid),
    ANY(getgid),
    ANY(getegid),
    ANY(getrusage),
    ANY(sched_getaffinity),
    ANY(sched_yield),
    ANY(sigaltstack),
    ANY(rseq),
    ANY(set_robust_list),
};

static int
allow(scmp_filter_ctx filter, const struct rule *rules, size_t count)
{
	int error = 0;

	for (size_t i = 0; i < count && error == 0; i++)
		error = seccomp_rule_add_array(
		    filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].count, rules[i].conditions);
	return error;
}

/* Signals to itself alone: abort() and raise() send them. */
static int
allow_own_signals(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp itself = ARG_IS(0, (scmp_datum_t)getpid());

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &itself);
}

/* glibc and libcrypto try a few files that they do well without. */
static int
deny_files(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(openat), 0);
}

/* What ROLE may that not every other may, too. */
static int
allow_role(scmp_filter_ctx filter, enum sandbox_role role)
{
	int error = 0;

	if (role != SANDBOX_KEY_HOLDER)
		error = allow(filter, both, sizeof both / sizeof *both);
	if (error == 0 && role != SANDBOX_LOADER)
		error = deny_files(filter);
	if (error != 0)
		return error;
	switch (role) {
	case SANDBOX_WORKER:
		return allow(filter, of_worker, sizeof of_worker / sizeof *of_worker);
	case SANDBOX_LOADER:
		return allow(filter, of_loader, sizeof of_loader / sizeof *of_loader);
	case SANDBOX_KEY_HOLDER:
		return allow(filter, of_key_holder, sizeof of_key_holder / sizeof *of_key_holder);
	}
	return -EINVAL;
}

int
sandbox_filter(enum sandbox_role role)
{
	scmp_filter_ctx filter =
	    seccomp_init(role == SANDBOX_LOADER ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
	int error = filter == NULL ? -ENOMEM : 0;

	if (error == 0)
		error = allow(filter, every, sizeof every / sizeof *every);
	if (error == 0)
		error = allow_own_signals(filter);
	if (error == 0)
		error = allow_role(filter, role);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
