/*
 * From policy.yaml to an image in a memfd: load, check, write, open again, run the asserts.
 */
#include "policy_compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/yaml_source.h"
#include "policy_check.h"
#include "policy_file.h"
#include "policy_lines.h"
#include "policy_verify.h"
#include "policy_write.h"

static int
new_memfd(const char *name, struct problems *problems)
{
	int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		problems_add(
		    problems, name, 0, "cannot make a file in memory: %s", strerror(errno));
	return fd;
}

/* Opens the image at FD for a last look. */
static struct policy *
open_image(int fd, const char *name, struct problems *problems)
{
	static const char in_error[] = "image";
	char error[POLICY_ERROR_MAX];
	struct policy *policy = policy_open(fd, in_error, error);
	if (policy == NULL)
		problems_add(problems, name, 0, "%s", error + strlen(in_error) + strlen(": "));
	return policy;
}

/* tinycdb begins with a table of 32-bit offsets, YAML text has no NUL. */
static bool
looks_like_image(const char *bytes, size_t len)
{
	return memchr(bytes, '\0', len < 2048 ? len : 2048) != NULL;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, bytes, len);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		bytes += written;
		len -= (size_t)written;
	}
	return 0;
}

static int
copy_image(const char *name, const char *bytes, size_t len, struct problems *problems)
{
	int fd = new_memfd(name, problems);
	if (fd < 0)
		return -1;
	struct policy *policy = NULL;
	if (write_all(fd, bytes, len) != 0)
		problems_add(problems, name, 0, "cannot copy: %s", strerror(errno));
	else
		policy = open_image(fd, name, problems);
	const char *defect = policy != NULL ? policy_verify(policy) : NULL;
	if (defect != NULL)
		problems_add(problems, name, 0, "is not an image of a policy: %s", defect);
	bool good = policy != NULL && defect == NULL;
	policy_free(policy);
	if (good)
		return fd;
	close(fd);
	return -1;
}

static enum policy_verdict
decide(const struct policy *policy, const struct policy_file_assert *entry)
{
	struct policy_caller caller =
	    entry->issuer != NULL ? policy_find_certified(policy, entry->subject, entry->issuer)
	                          : policy_find_caller(policy, entry->subject);
	if (entry->download != NULL)
		return policy_decide_download(
		    policy, &caller, entry->download, strlen(entry->download), entry->time)
		    .verdict;
	return policy_decide_snapshot(policy, &caller, entry->snapshot, strlen(entry->snapshot))
	    .verdict;
}

static void
run_asserts(const struct policy *policy, const struct policy_file *file, const char *name,
    const struct yaml_source *source, struct problems *problems)
{
	for (uint32_t i = 0; i < file->assert_count; i++) {
		const struct policy_file_assert *entry = &file->asserts[i];
		enum policy_verdict verdict = decide(policy, entry);
		if (verdict == entry->verdict)
			continue;
		problems_add(problems, name, yaml_source_line(source, "assert[%u]", i),
		    "assert failed: %s %s by \"%s\" gives %s, not %s",
		    entry->download != NULL ? "download" : "snapshot",
		    entry->download != NULL ? entry->download : entry->snapshot, entry->subject,
		    policy_verdict_name(verdict), entry->expect);
	}
}

/* Writes FILE into a new memfd and tries the asserts on what was written. */
static int
write_image(const struct policy_file *file, const char *name, const struct yaml_source *source,
    struct problems *problems)
{
	size_t before = problems_count(problems);
	int fd = new_memfd(name, problems);
	if (fd < 0)
		return -1;
	if (policy_write(file, fd) != 0) {
		problems_add(problems, name, 0, "cannot write the image: %s", strerror(errno));
		goto close_fd;
	}
	struct policy *policy = open_image(fd, name, problems);
	if (policy != NULL)
		run_asserts(policy, file, name, source, problems);
	policy_free(policy);
	if (problems_count(problems) > before)
		goto close_fd;
	return fd;

close_fd:
	close(fd);
	return -1;
}

/* With *LINES when LINES is not NULL. */
static int
compile(const char *name, const char *text, size_t len, time_t now, struct problems *problems,
    struct policy_lines **lines)
{
	if (looks_like_image(text, len))
		return copy_image(name, text, len, problems);
	size_t before = problems_count(problems);
	struct yaml_source *source;
	struct policy_file *file = policy_file_load(name, text, len, &source, problems);
	if (file == NULL)
		return -1;
	policy_check(file, name, source, now, problems);
	int fd = -1;
	if (problems_count(problems) == before)
		fd = write_image(file, name, source, problems);
	if (fd >= 0 && lines != NULL) {
		*lines = policy_lines_new(file, source);
		return fd;
	}
	policy_file_free(file);
	yaml_source_free(source);
	return fd;
}

int
policy_compile_text(
    const char *name, const char *text, size_t len, time_t now, struct problems *problems)
{
	return compile(name, text, len, now, problems, NULL);
}

static int
compile_file(const char *name, time_t now, struct problems *problems, struct policy_lines **lines)
{
	size_t len;
	char *text = yaml_source_read_file(name, POLICY_FILE_MAX, &len, problems);
	if (text == NULL)
		return -1;
	int fd = compile(name, text, len, now, problems, lines);
	free(text);
	return fd;
}

int
policy_compile(const char *name, time_t now, struct problems *problems)
{
	return compile_file(name, now, problems, NULL);
}

int
policy_compile_with_lines(
    const char *name, time_t now, struct problems *problems, struct policy_lines **lines)
{
	*lines = NULL;
	return compile_file(name, now, problems, lines);
}
