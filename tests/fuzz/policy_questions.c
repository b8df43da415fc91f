/*
 * Every question the gateway asks a policy. The hard part is to see what a policy reads beyond
 * its image: the kernel pads a mapping to a page. So mmap() is wrapped by the linker, and a
 * private read-only mapping of a file, which is what policy_open() makes, is in truth a copy that
 * ends right before a page without access.
 */
#include "policy_questions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/path.h"
#include "fuzz.h"
#include "policy/policy_compile.h"

enum { PAGE = 4096, LIVE_MAX = 8 };

/* The copies that are mapped now; NULL: a free place. */
static void *copies[LIVE_MAX];

static void **
find_copy(const void *address)
{
	for (size_t i = 0; i < LIVE_MAX; i++) {
		if (copies[i] == address)
			return &copies[i];
	}
	return NULL;
}

static size_t
whole_pages(size_t len)
{
	return (len + PAGE - 1) / PAGE * PAGE;
}

/* The names that the linker's --wrap prescribes. */
void *__real_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t len);
int __wrap_munmap(void *address, size_t len);

void *
__wrap_mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (fd < 0 || protection != PROT_READ || flags != MAP_PRIVATE)
		return __real_mmap(address, len, protection, flags, fd, offset);
	size_t size = whole_pages(len);
	char *pages = __real_mmap(
	    NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void **place = find_copy(NULL);
	if (pages == MAP_FAILED || place == NULL)
		abort();
	*place = pages + size - len;
	if (pread(fd, *place, len, offset) != (ssize_t)len ||
	    mprotect(pages, size, PROT_READ) != 0 || mprotect(pages + size, PAGE, PROT_NONE) != 0)
		abort();
	return *place;
}

int
__wrap_munmap(void *address, size_t len)
{
	void **place = find_copy(address);
	if (place == NULL)
		return __real_munmap(address, len);
	*place = NULL;
	size_t size = whole_pages(len);
	return __real_munmap((char *)address - (size - len), size + PAGE);
}

int
policy_questions_memfd(const void *bytes, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	return fd;
}

struct policy *
policy_questions_compile(const char *text)
{
	struct problems *problems = problems_new();
	char error[POLICY_ERROR_MAX];
	int fd = policy_compile_text("fuzz", text, strlen(text), POLICY_QUESTIONS_NOW, problems);

	problems_print(problems, stderr);
	FUZZ_REQUIRE(fd >= 0);
	problems_free(problems);
	struct policy *policy = policy_open(fd, "fuzz", error);
	FUZZ_REQUIRE(policy != NULL);
	close(fd);
	return policy;
}

/* Reads every text to its end. */
static void
read_licence(const struct policy_licence *licence, void *arg)
{
	size_t *bytes = arg;
	*bytes += strlen(licence->product) + strlen(licence->from) + strlen(licence->until);
	for (size_t i = 0; licence->paths[i] != NULL; i++)
		*bytes += strlen(licence->paths[i]);
	for (size_t i = 0; licence->except[i] != NULL; i++)
		*bytes += strlen(licence->except[i]);
}

static void
ask_downloads(const struct policy *policy, const struct policy_caller *caller)
{
	static const char *const paths[] = {"/core/x", "/core/internal/x", "/core/tools/x",
	    "/keys.asc", "/tools/a/b/c", "/a", "/a/b", "/", "/metrics", "/snapshots/x", "/core//x",
	    "/core/../x", "core/x", ""};

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		size_t len = strlen(paths[i]);
		struct policy_decision decision =
		    policy_decide_download(policy, caller, paths[i], len, POLICY_QUESTIONS_NOW);
		FUZZ_REQUIRE(strlen(decision.product) <= POLICY_ID_MAX);
		FUZZ_REQUIRE(decision.verdict <= POLICY_NOT_PERMITTED);
		if (decision.verdict != POLICY_ALLOW)
			continue;
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_CUSTOMER);
		FUZZ_REQUIRE(path_defect(paths[i], len) == NULL);
		FUZZ_REQUIRE(!path_is_reserved(paths[i], len));
		FUZZ_REQUIRE(decision.ends == 0 || decision.ends > POLICY_QUESTIONS_NOW);
	}
}

static void
ask_snapshots(const struct policy *policy, const struct policy_caller *caller)
{
	struct policy_decision good = policy_decide_snapshot(policy, caller, "prod-1", 6);
	struct policy_decision bad = policy_decide_snapshot(policy, caller, "../x", 4);

	FUZZ_REQUIRE((good.verdict == POLICY_ALLOW) == (caller->role == POLICY_ROLE_CUSTOMER));
	FUZZ_REQUIRE(bad.verdict != POLICY_ALLOW);
}

void
policy_questions_ask(const struct policy *policy)
{
	static const char *const subjects[] = {
	    "CN=acme", "CN=globex", "CN=probe", "CN=ops", "CN=a", "CN=x", ""};
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
		struct policy_caller caller = policy_find_caller(policy, subjects[i]);
		FUZZ_REQUIRE(caller.role <= POLICY_ROLE_OBSERVER);
		FUZZ_REQUIRE(strlen(caller.customer) <= POLICY_ID_MAX);
		ask_downloads(policy, &caller);
		ask_snapshots(policy, &caller);
		policy_each_licence(policy, &caller, POLICY_QUESTIONS_NOW, read_licence, &bytes);
	}
	(void)bytes;
	(void)policy_serial(policy);
	(void)policy_customer_count(policy);
}
