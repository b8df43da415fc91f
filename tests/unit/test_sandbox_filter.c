/*
 * Each role attempts, in a process of its own, what it may and what it may not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/process/sandbox_filter.h"

enum outcome { ALLOWED, DENIED, KILLED, FAILED };

/* Each returns what the system call does: -1 with errno set when it fails. */

static long
tcp_socket(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static long
udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static long
local_stream(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long
local_datagrams(void)
{
	return socket(AF_UNIX, SOCK_DGRAM, 0);
}

static long
packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static long
bound_socket(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};

	return bind(STDERR_FILENO, (const struct sockaddr *)&any, sizeof any) == 0 ||
	               errno == ENOTSOCK
	           ? 0
	           : -1;
}

static long
listening(void)
{
	return listen(STDERR_FILENO, 1);
}

static long
no_delay(void)
{
	int one = 1;

	return setsockopt(
	    socket(AF_INET, SOCK_STREAM, 0), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* A program in the kernel that sees every byte of the socket. */
static long
attached_filter(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	const struct sock_fprog program = {.len = 1, .filter = &all};

	return setsockopt(socket(AF_INET, SOCK_STREAM, 0), SOL_SOCKET, SO_ATTACH_FILTER, &program,
	    sizeof program);
}

static long
map(int protection)
{
	void *page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? -1 : munmap(page, 4096);
}

static long
plain_memory(void)
{
	return map(PROT_READ | PROT_WRITE);
}

static long
executable_memory(void)
{
	return map(PROT_READ | PROT_EXEC);
}

static long
memory_made_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long
signal_to_itself(void)
{
	return syscall(SYS_tgkill, getpid(), gettid(), 0);
}

static long
signal_to_the_parent(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long
signal_to_a_group(void)
{
	return kill(0, 0);
}

static long
file_for_reading(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
}

static long
link_of_a_file(void)
{
	return symlinkat("/dev/null", AT_FDCWD, "/dev/null/x");
}

static long
state_of_a_descriptor(void)
{
	struct stat status;

	return fstat(STDERR_FILENO, &status);
}

static long
state_of_a_path(void)
{
	struct stat status;

	return syscall(SYS_newfstatat, AT_FDCWD, "/dev/null", &status, 0);
}

static long
sealed_file(void)
{
	return memfd_create("file", MFD_ALLOW_SEALING);
}

static long
program(void)
{
	char *const none[] = {NULL};

	return execve("/bin/true", none, none);
}

static long
process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long
trace_of_the_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long
other_user(void)
{
	return syscall(SYS_setuid, 1);
}

static long
other_root(void)
{
	return chroot("/dev");
}

static long
own_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long
flag_of_a_descriptor(void)
{
	return fcntl(STDERR_FILENO, F_GETFD);
}

static long
lock_of_a_file(void)
{
	struct flock lock = {.l_type = F_RDLCK};

	return fcntl(STDERR_FILENO, F_GETLK, &lock);
}

static const struct attempt {
	const char *what;
	long (*make)(void);
	enum outcome worker, loader, key_holder;
} attempts[] = {
    {"a TCP socket", tcp_socket, ALLOWED, ALLOWED, KILLED},
    {"a UDP socket", udp_socket, KILLED, ALLOWED, KILLED},
    {"a local stream", local_stream, ALLOWED, ALLOWED, KILLED},
    {"local datagrams", local_datagrams, KILLED, ALLOWED, KILLED},
    {"a packet socket", packet_socket, KILLED, DENIED, KILLED},
    {"a bound socket", bound_socket, KILLED, ALLOWED, KILLED},
    {"a listening socket", listening, KILLED, DENIED, KILLED},
    {"TCP_NODELAY", no_delay, ALLOWED, DENIED, KILLED},
    {"SO_ATTACH_FILTER", attached_filter, KILLED, DENIED, KILLED},
    {"memory", plain_memory, ALLOWED, ALLOWED, ALLOWED},
    {"executable memory", executable_memory, KILLED, ALLOWED, KILLED},
    {"memory made executable", memory_made_executable, KILLED, ALLOWED, KILLED},
    {"a signal to itself", signal_to_itself, ALLOWED, ALLOWED, ALLOWED},
    {"a signal to the parent", signal_to_the_parent, KILLED, DENIED, KILLED},
    {"a signal to a group", signal_to_a_group, KILLED, DENIED, KILLED},
    {"a file for reading", file_for_reading, DENIED, ALLOWED, DENIED},
    {"a link", link_of_a_file, KILLED, DENIED, KILLED},
    {"the state of a descriptor", state_of_a_descriptor, ALLOWED, ALLOWED, ALLOWED},
    {"the state of a path", state_of_a_path, KILLED, ALLOWED, KILLED},
    {"a sealed file", sealed_file, KILLED, ALLOWED, KILLED},
    {"a program", program, KILLED, DENIED, KILLED},
    {"a process", process, KILLED, DENIED, KILLED},
    {"a trace of the parent", trace_of_the_parent, KILLED, DENIED, KILLED},
    {"another user", other_user, KILLED, DENIED, KILLED},
    {"another root", other_root, KILLED, DENIED, KILLED},
    {"a namespace", own_namespace, KILLED, DENIED, KILLED},
    {"a descriptor's flag", flag_of_a_descriptor, ALLOWED, ALLOWED, KILLED},
    {"a descriptor's lock", lock_of_a_file, KILLED, ALLOWED, KILLED},
};

/* As _exit(), before which the sanitizers' run-time library makes a call that no role may. */
static void
end_with(enum outcome outcome)
{
	(void)syscall(SYS_exit_group, outcome);
}

static void
attempt_in_role(enum sandbox_role role, long (*make)(void))
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sandbox_filter(role) != 0)
		end_with(FAILED);
	if (make() >= 0)
		end_with(ALLOWED);
	end_with(errno == EPERM ? DENIED : FAILED);
}

static enum outcome
outcome_of(enum sandbox_role role, long (*make)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		attempt_in_role(role, make);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : FAILED;
	return (enum outcome)WEXITSTATUS(status);
}

static void
assert_outcomes(enum sandbox_role role)
{
	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
		const struct attempt *attempt = &attempts[i];
		enum outcome seen = outcome_of(role, attempt->make);
		enum outcome wanted = role == SANDBOX_WORKER   ? attempt->worker
		                      : role == SANDBOX_LOADER ? attempt->loader
		                                               : attempt->key_holder;
		if (seen != wanted)
			fail_msg("%s: outcome %d, not %d", attempt->what, seen, wanted);
	}
}

static void
test_a_worker_attempts_what_it_may_not(void **state)
{
	(void)state;
	assert_outcomes(SANDBOX_WORKER);
}

static void
test_a_loader_attempts_what_it_may_not(void **state)
{
	(void)state;
	assert_outcomes(SANDBOX_LOADER);
}

static void
test_a_key_holder_attempts_what_it_may_not(void **state)
{
	(void)state;
	assert_outcomes(SANDBOX_KEY_HOLDER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_worker_attempts_what_it_may_not),
	    cmocka_unit_test(test_a_loader_attempts_what_it_may_not),
	    cmocka_unit_test(test_a_key_holder_attempts_what_it_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
