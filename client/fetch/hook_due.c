/*
 * The mark. The hard part is to know, from what lies there, whether the switch was made: then the
 * version that the mark names is the one in place, and no journal is left beside its catalogue.
 */
#include "hook_due.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cache/install.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "fetch_change.h"

#define MARK_NAME CATALOGUE_PART_NAME ".after"

enum { MARK_MAX_BYTES = 4096, MARK_LINES = 3 };

/* ---- the file: product, old version or nothing, new version, a line each --------------------- */

/* Writes TEXT to FD, which may be -1, and closes it; errno tells. */
static bool
write_and_close(int fd, const struct buffer *text)
{
	bool done =
	    fd >= 0 && file_write_all(fd, buffer_bytes(text), buffer_size(text)) && fsync(fd) == 0;
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
	return done;
}

bool
hook_due_note(
    const struct config_hooks *hooks, const struct hooks_event *event, struct failure *failure)
{
	struct buffer text = {0};

	if (hooks->after == NULL)
		return true;
	int folder = open(event->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buffer_printf(&text, "%s\n%s\n%s\n", event->product,
	    event->old_version != NULL ? event->old_version : "", event->new_version);
	bool done = folder >= 0 && (unlinkat(folder, MARK_NAME, 0) == 0 || errno == ENOENT) &&
	            write_and_close(openat(folder, MARK_NAME,
	                                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644),
	                &text) &&
	            fsync(folder) == 0;
	if (!done) {
		failure_errno(failure, "note that the hook `after` is due in", event->folder);
		if (folder >= 0)
			unlinkat(folder, MARK_NAME, 0);
	}
	if (folder >= 0)
		close(folder);
	buffer_fini(&text);
	return done;
}

static void
forget(const char *folder)
{
	char *name = buffer_text("%s/" MARK_NAME, folder);

	if (unlink(name) != 0 && errno != ENOENT)
		report_note("warning: %s cannot be removed: %s", name, strerror(errno));
	free(name);
}

/* Cuts TEXT into its lines; false unless there are MARK_LINES whole ones. */
static bool
cut(char *text, const char *lines[MARK_LINES])
{
	for (size_t i = 0; i < MARK_LINES; i++) {
		char *end = strchr(text, '\n');
		if (end == NULL)
			return false;
		*end = '\0';
		lines[i] = text;
		text = end + 1;
	}
	return *text == '\0';
}

/* What is noted in FOLDER, which the caller frees, as the members of EVENT; NULL when there is
 * nothing. One that was cut was written before the switch, and names no version. */
static char *
read_mark(const char *folder, struct hooks_event *event)
{
	struct failure unreadable;
	struct buffer text = {0};
	const char *lines[MARK_LINES];
	char *name = buffer_text("%s/" MARK_NAME, folder), *mark = NULL;

	if (access(name, F_OK) == 0 && file_read(name, MARK_MAX_BYTES, &text, &unreadable))
		mark = buffer_copy(buffer_bytes(&text), buffer_size(&text));
	*event = (struct hooks_event){.product = "", .new_version = "", .folder = folder};
	if (mark != NULL && cut(mark, lines)) {
		event->product = lines[0];
		event->old_version = lines[1][0] != '\0' ? lines[1] : NULL;
		event->new_version = lines[2];
	}
	buffer_fini(&text);
	free(name);
	return mark;
}

/* ---- whether it is due ----------------------------------------------------------------------- */

enum state { STATE_BEFORE, STATE_BETWEEN, STATE_AFTER };

/* Where a switch to the version of EVENT stands in CONTENT. */
static enum state
look(const char *content, const struct hooks_event *event)
{
	struct failure unreadable;
	char *journal = buffer_text("%s/" CHANGE_JOURNAL, content);
	char *name = buffer_text("%s/" CATALOGUE_NAME, content);
	bool between = access(journal, F_OK) == 0;
	struct catalogue *catalogue =
	    access(name, F_OK) == 0 ? catalogue_load_file(name, &unreadable) : NULL;
	bool after = catalogue != NULL && strcmp(catalogue->product, event->product) == 0 &&
	             strcmp(catalogue->version, event->new_version) == 0;

	catalogue_free(catalogue);
	free(name);
	free(journal);
	if (between)
		return STATE_BETWEEN;
	return after ? STATE_AFTER : STATE_BEFORE;
}

bool
hook_due_run(const struct config_hooks *hooks, const struct hooks_event *event, bool is_beside,
    struct failure *failure)
{
	if (hooks->after == NULL)
		return true;
	bool done = hooks_run_after(hooks, event, is_beside, failure);
	forget(event->folder);
	return done;
}

void
hook_due_forget(const char *folder)
{
	struct hooks_event event;
	char *mark = read_mark(folder, &event);
	char *content = install_content(folder);

	if (mark != NULL && look(content, &event) == STATE_BEFORE)
		forget(folder);
	free(content);
	free(mark);
}

bool
hook_due_resume(const char *folder, const struct config_hooks *hooks, struct failure *failure)
{
	struct hooks_event event;
	char *mark = read_mark(folder, &event);
	char *content = install_content(folder);
	bool beside = strcmp(content, folder) != 0, done = true;

	switch (mark != NULL ? look(content, &event) : STATE_BETWEEN) {
	case STATE_BEFORE:
		forget(folder);
		break;
	case STATE_BETWEEN:
		break;
	case STATE_AFTER:
		report_note("%s: the hook `after` of %s %s, which was cut, is due", folder,
		    event.product, event.new_version);
		event.staged = beside ? content : NULL;
		done = hooks_run_after(hooks, &event, beside && event.old_version != NULL, failure);
		forget(folder);
		break;
	}
	free(content);
	free(mark);
	return done;
}
