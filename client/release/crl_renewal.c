/*
 * Renewing revocation lists. The hard part is that none goes back: whoever writes the file holds a
 * lock, and looks once more at what has come there meanwhile.
 */
#include "crl_renewal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/common/lock.h"
#include "client/common/report.h"
#include "client/common/revocation.h"
#include "client/net/https.h"

#define CRL_PATH "/crl"

/* Sets *OLD to the lists that are there, good or not; NULL when there is no file. A damaged file
 * tells no number, and is nobody's to replace. */
static bool
read_old(const struct config *config, struct crl_set **old, struct failure *failure)
{
	*old = NULL;
	if (access(config->crl, F_OK) != 0 && errno == ENOENT)
		return true;
	*old = revocation_read(config->crl, config->ca, failure);
	if (*old != NULL)
		return true;
	struct failure why = *failure;
	return failure_set(
	    failure, why.kind, "%s; if it is damaged, remove it to have it got anew", why.text);
}

static bool
is_due(const struct config *config, const struct crl_set *old)
{
	struct stat st;
	time_t now = time(NULL), max_age = (time_t)config->crl_max_age;

	if (old == NULL || stat(config->crl, &st) != 0)
		return true;
	return st.st_mtime > now || now - st.st_mtime >= max_age ||
	       now >= crl_set_expires(old) - max_age;
}

/* ---- from the servers --------------------------------------------------------------------- */

/* Each server is asked once, and none is held against a list: see crl_renewal.h. */
static bool
ask(const struct config *config, struct buffer *text, struct failure *failure)
{
	struct config bare = *config;

	bare.crl = NULL;
	if (bare.tries > bare.server_count)
		bare.tries = (unsigned)bare.server_count;
	struct https *https = https_new(&bare, failure);
	bool done =
	    https != NULL && https_get(https, CRL_PATH, REVOCATION_MAX_BYTES, text, failure);
	https_free(https);
	return done;
}

static bool
may_follow(const struct crl_set *new, const struct crl_set *old, struct failure *failure)
{
	char error[PEM_ERROR_MAX];

	return old == NULL || crl_set_may_follow(new, old, error) ||
	       failure_set(failure, FAILURE_ANSWER, "%s", error);
}

/* Lists that are good and may follow OLD, which may be NULL; NULL with FAILURE filled. */
static struct crl_set *
get(const struct config *config, const struct crl_set *old, struct failure *failure)
{
	struct buffer text = {0};

	if (!ask(config, &text, failure))
		return NULL;
	struct crl_set *set =
	    revocation_read_text(&text, "the answer to " CRL_PATH, config->ca, failure);
	buffer_fini(&text);
	bool good = set != NULL && revocation_is_good(set, failure);
	if (!good && failure->kind == FAILURE_REVOCATION)
		failure->kind = FAILURE_ANSWER;
	if (good && may_follow(set, old, failure))
		return set;
	crl_set_free(set);
	return NULL;
}

/* ---- into the file ------------------------------------------------------------------------ */

/* A descriptor that holds the lock of the file, until it is closed; -1 with FAILURE filled. */
static int
lock_file(const char *file, struct failure *failure)
{
	const char *slash = strrchr(file, '/');
	char *folder =
	    slash == NULL ? buffer_strdup(".") : buffer_copy(file, (size_t)(slash - file) + 1);
	char *name = buffer_text("%s.lock", slash == NULL ? file : slash + 1);
	int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = folder_fd >= 0 ? lock_open(folder_fd, name) : -1;

	if (fd < 0)
		failure_errno(failure, "write", file);
	if (fd >= 0 && !lock_take(fd, LOCK_EX, file, failure)) {
		close(fd);
		fd = -1;
	}
	if (folder_fd >= 0)
		close(folder_fd);
	free(name);
	free(folder);
	return fd;
}

/* Writes SET, unless the very same lists are there: then only that they were looked at. */
static bool
put(const struct config *config, const struct crl_set *set, const struct crl_set *there,
    struct failure *failure)
{
	struct buffer text = {0};

	if (there != NULL && crl_set_is_same(set, there))
		return utimensat(AT_FDCWD, config->crl, NULL, 0) == 0 ||
		       failure_errno(failure, "touch", config->crl);
	crl_set_print(set, &text);
	bool done = file_write(config->crl, &text, failure);
	buffer_fini(&text);
	return done;
}

/* Puts *SET into the file. Where another process has put newer lists meanwhile, these stay, and
 * *SET becomes them. */
static bool
store(const struct config *config, struct crl_set **set, struct failure *failure)
{
	struct crl_set *there = NULL;
	struct failure older;
	int lock = lock_file(config->crl, failure);
	bool done = false;

	if (lock < 0)
		return false;
	if (read_old(config, &there, failure)) {
		done = true;
		if (may_follow(*set, there, &older)) {
			done = put(config, *set, there, failure);
		} else {
			crl_set_free(*set);
			*set = there;
			there = NULL;
		}
	}
	crl_set_free(there);
	close(lock);
	return done;
}

/* ------------------------------------------------------------------------------------------- */

/* OLD again, or what takes its place; OLD is then gone. Newer lists count, whether they could be
 * written or not. */
static struct crl_set *
renew(const struct config *config, struct crl_set *old)
{
	struct failure why;
	struct crl_set *set = get(config, old, &why);

	if (set == NULL) {
		report_note("warning: no newer revocation list: %s", why.text);
		return old;
	}
	if (!config->looks && !store(config, &set, &why))
		report_note("warning: a newer revocation list counts for now only: %s", why.text);
	crl_set_free(old);
	return set;
}

bool
crl_renewal_prepare(const struct config *config, struct failure *failure)
{
	struct crl_set *set = NULL;

	if (config->crl == NULL)
		return true;
	if (!read_old(config, &set, failure))
		return false;
	if (is_due(config, set))
		set = renew(config, set);
	if (set == NULL)
		return failure_set(failure, FAILURE_REVOCATION,
		    "there is no revocation list: %s does not exist, and no server gives one",
		    config->crl);
	if (!revocation_is_good(set, failure)) {
		crl_set_free(set);
		return false;
	}
	revocation_use(set);
	return true;
}

bool
crl_renewal_fetch(const struct config *config, struct crl_renewal *result, struct failure *failure)
{
	struct crl_set *old = NULL, *set = NULL;

	assert(config->crl != NULL);
	if (!read_old(config, &old, failure))
		return false;
	set = get(config, old, failure);
	bool done = set != NULL && store(config, &set, failure);
	if (done)
		*result = (struct crl_renewal){
		    old == NULL || !crl_set_is_same(set, old), crl_set_expires(set)};
	crl_set_free(set);
	crl_set_free(old);
	return done;
}
