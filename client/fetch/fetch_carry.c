/*
 * Carrying configuration over. The hard part is that it may be done any number of times, by runs
 * that were cut: a copy has no final name before it is whole, and what is the same is left alone.
 */
#include "fetch_carry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "fetch_config.h"
#include "fetch_file.h"
#include "fetch_steps.h"

#define COPY_NAME CATALOGUE_PART_NAME ".copy"

enum { PIECE = 64 * 1024 };

/* True when FILE was edited below FROM, whether or not the release changed it. */
static bool
is_edited(const struct fetch_carry *self, const struct catalogue_file *file)
{
	return fetch_config_place(self->from, file, self->old, NULL) != FETCH_CONFIG_IN_PLACE;
}

/* ---- one copy -------------------------------------------------------------------------------- */

static bool
copy_bytes(int from, int to)
{
	char *piece = buffer_alloc(PIECE);
	ssize_t len;

	while ((len = read(from, piece, PIECE)) > 0 || (len < 0 && errno == EINTR)) {
		if (len > 0 && !file_write_all(to, piece, (size_t)len))
			break;
	}
	int saved = errno;
	free(piece);
	errno = saved;
	return len == 0;
}

/* Who may not give a file away keeps it: then the group, if that is possible, and no more. */
static bool
copy_attributes(int to, const struct stat *st)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

	if (fchown(to, st->st_uid, st->st_gid) != 0)
		(void)!fchown(to, (uid_t)-1, st->st_gid);
	return fchmod(to, st->st_mode & 0777) == 0 && futimens(to, times) == 0;
}

static bool
copy_file(const struct fetch_carry *self, int folder, const char *name, const struct stat *st)
{
	int from = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int to = from >= 0
	             ? openat(self->to, COPY_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
	             : -1;
	bool done = to >= 0 && copy_bytes(from, to) && copy_attributes(to, st) && fsync(to) == 0;
	int saved = errno;

	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	errno = saved;
	return done;
}

static bool
copy_link(const struct fetch_carry *self, int folder, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(folder, name, target, sizeof target - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	if (symlinkat(target, self->to, COPY_NAME) != 0)
		return false;
	(void)!fchownat(self->to, COPY_NAME, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
	return true;
}

/* Makes a copy of what stands at PATH, under COPY_NAME; false with errno set. */
static bool
make_copy(const struct fetch_carry *self, const char *path)
{
	const char *name;
	struct stat st;
	int folder = fetch_file_open_folder(self->from, path, &name);

	if (folder < 0)
		return false;
	(void)unlinkat(self->to, COPY_NAME, 0);
	bool done = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	            (S_ISLNK(st.st_mode) ? copy_link(self, folder, name, &st)
	                                 : copy_file(self, folder, name, &st));
	int saved = errno;
	close(folder);
	errno = saved;
	return done;
}

/* ---- its place ------------------------------------------------------------------------------- */

static bool
make_folders(const struct fetch_carry *self, const char *path)
{
	bool done = true;

	for (const char *slash = strchr(path, '/'); slash != NULL && done;
	     slash = strchr(slash + 1, '/')) {
		const char *name;
		char *above = buffer_copy(path, (size_t)(slash - path));
		int folder = fetch_file_open_folder(self->to, above, &name);
		done = folder >= 0 && (mkdirat(folder, name, 0755) == 0
		                              ? rights_give_folder(self->rights, folder, name)
		                              : errno == EEXIST);
		int saved = errno;
		if (folder >= 0)
			close(folder);
		errno = saved;
		free(above);
	}
	return done;
}

/* What was edited below TO stays under another name. */
static bool
keep_aside(const struct fetch_carry *self, const struct catalogue_file *file)
{
	struct fetch_steps steps = {.root = self->to, .stage = -1};

	if (!fetch_file_exists(self->to, file->path) ||
	    fetch_config_is_known(self->to, file, file->path, self->old, NULL))
		return true;
	const char *aside = fetch_steps_move_aside(&steps, file->path);
	if (aside != NULL)
		report_note("%s/%s was changed, too, and is kept as %s beside what %s has",
		    self->to_name, file->path, aside, self->from_name);
	bool done = aside != NULL;
	fetch_steps_fini(&steps);
	return done;
}

/* Gives the copy its place; false with errno set. */
static bool
place_copy(const struct fetch_carry *self, const struct catalogue_file *file)
{
	const char *name;

	if (!make_folders(self, file->path) || !keep_aside(self, file))
		return false;
	int folder = fetch_file_open_folder(self->to, file->path, &name);
	bool done =
	    folder >= 0 && renameat(self->to, COPY_NAME, folder, name) == 0 && fsync(folder) == 0;
	int saved = errno;
	if (folder >= 0)
		close(folder);
	errno = saved;
	return done;
}

static bool
carry(const struct fetch_carry *self, const struct catalogue_file *file, struct failure *failure)
{
	bool done = make_copy(self, file->path);
	bool same = done && fetch_file_is_same(self->to, file->path, self->to, COPY_NAME);

	done = done && (same || place_copy(self, file));
	if (!done) {
		char *what = buffer_text("%s/%s to %s", self->from_name, file->path, self->to_name);
		failure_errno(failure, "carry over", what);
		free(what);
	}
	(void)unlinkat(self->to, COPY_NAME, 0);
	if (done && !same)
		report_note("%s/%s was changed here, and is carried over to %s", self->from_name,
		    file->path, self->to_name);
	return done;
}

/* ---- all of it ------------------------------------------------------------------------------- */

bool
fetch_carry_run(const struct fetch_carry *self, struct failure *failure)
{
	bool done = true;

	for (size_t i = 0; i < self->catalogue->file_count && done; i++) {
		const struct catalogue_file *file = &self->catalogue->files[i];
		if (is_edited(self, file))
			done = carry(self, file, failure);
	}
	return done;
}

void
fetch_carry_undo(const struct fetch_carry *self)
{
	struct fetch_names *nothing = fetch_names_new(NULL);

	for (size_t i = 0; i < self->catalogue->file_count; i++) {
		const struct catalogue_file *file = &self->catalogue->files[i];
		if (!is_edited(self, file) ||
		    !fetch_file_is_same(self->from, file->path, self->to, file->path))
			continue;
		fetch_file_unlink(self->to, file->path);
		(void)fetch_file_remove(self->to, file, nothing); /* the folders */
	}
	fetch_names_free(nothing);
}

/* True when FILE of the old version was changed, and is no configuration of the new one. */
static bool
stays_behind(const struct fetch_carry *self, const struct catalogue_file *file)
{
	const struct catalogue_file *new = catalogue_find(self->catalogue, file->path);

	return (new == NULL || !new->config) &&
	       fetch_file_is_file_or_link(self->from, file->path) &&
	       !fetch_file_is_there(self->from, file);
}

void
fetch_carry_tell_others(const struct fetch_carry *self)
{
	for (size_t i = 0; i < self->old->file_count; i++) {
		if (stays_behind(self, &self->old->files[i]))
			report_note("%s/%s was changed here, and stays there: it is no "
			            "configuration of %s",
			    self->from_name, self->old->files[i].path, self->catalogue->version);
	}
}

void
fetch_carry_foresee(const struct fetch_carry *self, struct fetch_outlook *outlook)
{
	for (size_t i = 0; i < self->catalogue->file_count; i++) {
		if (is_edited(self, &self->catalogue->files[i]))
			fetch_outlook_add_edited(outlook, self->catalogue->files[i].path);
	}
	for (size_t i = 0; i < self->old->file_count; i++) {
		if (stays_behind(self, &self->old->files[i]))
			fetch_outlook_add_edited(outlook, self->old->files[i].path);
	}
}
