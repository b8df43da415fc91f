/*
 * The outlook. The hard part is which files somebody has edited: what stands under a path of the
 * new version, or of the old one alone, and is of neither.
 */
#include "fetch_outlook.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "client/common/progress.h"
#include "fetch_config.h"
#include "fetch_file.h"

static void
add_text(struct fetch_texts *self, const char *text)
{
	self->texts = reallocarray(self->texts, self->count + 1, sizeof *self->texts);
	if (self->texts == NULL)
		abort();
	self->texts[self->count++] = buffer_strdup(text);
}

static void
fini_texts(struct fetch_texts *self)
{
	for (size_t i = 0; i < self->count; i++)
		free(self->texts[i]);
	free(self->texts);
}

void
fetch_outlook_fini(struct fetch_outlook *self)
{
	free(self->from);
	free(self->to);
	free(self->cut);
	fini_texts(&self->edited);
	fini_texts(&self->obstacles);
	for (size_t i = 0; i < FETCH_ROOM_DISKS; i++)
		free(self->disks[i]);
	*self = (struct fetch_outlook){0};
}

void
fetch_outlook_keep_room(struct fetch_outlook *self)
{
	for (size_t i = 0; i < self->room.count; i++) {
		assert(self->disks[i] == NULL);
		self->disks[i] = buffer_strdup(self->room.disks[i].where);
		self->room.disks[i].where = self->disks[i];
	}
}

void
fetch_outlook_add_obstacle(void *arg, const struct failure *obstacle)
{
	struct fetch_outlook *self = arg;

	add_text(&self->obstacles, obstacle->text);
}

void
fetch_outlook_look_at_rights(struct fetch_outlook *self, const char *folder)
{
	struct failure obstacle;

	if (faccessat(self->disk, ".", W_OK, AT_EACCESS) == 0)
		return;
	failure_errno(&obstacle, "write to", folder);
	fetch_outlook_add_obstacle(self, &obstacle);
}

void
fetch_outlook_add_edited(struct fetch_outlook *self, const char *path)
{
	for (size_t i = 0; i < self->edited.count; i++) {
		if (strcmp(self->edited.texts[i], path) == 0)
			return;
	}
	add_text(&self->edited, path);
}

/* ---- counting -------------------------------------------------------------------------------- */

static void
add(struct download_count *count, const struct catalogue_file *file)
{
	count->files++;
	count->bytes += file->digest.size;
}

/* What FILE, or one of these catalogues, does not have. */
static bool
is_edited(const struct fetch_view *view, const struct catalogue_file *file)
{
	return fetch_file_is_file_or_link(view->root, file->path) &&
	       !fetch_config_is_known(view->root, file, file->path, view->old, view->pending);
}

static void
count_old(struct fetch_outlook *self, const struct fetch_view *view)
{
	for (size_t i = 0; view->old != NULL && i < view->old->file_count; i++) {
		const struct catalogue_file *file = &view->old->files[i];
		if (catalogue_find(view->catalogue, file->path) != NULL)
			continue;
		if (fetch_file_is_there(view->root, file))
			add(&self->removed, file);
		else if (is_edited(view, file))
			add_text(&self->edited, file->path);
	}
}

void
fetch_outlook_count(struct fetch_outlook *self, const struct fetch_view *view)
{
	const struct catalogue *catalogue = view->catalogue;
	struct download_count new = {0};

	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		add(view->there[i] ? &self->kept : &new, file);
		if ((!view->there[i] || file->config) && is_edited(view, file))
			add_text(&self->edited, file->path);
	}
	self->cached.files = new.files > self->loaded.files ? new.files - self->loaded.files : 0;
	self->cached.bytes = new.bytes > self->loaded.bytes ? new.bytes - self->loaded.bytes : 0;
	count_old(self, view);
}

void
fetch_outlook_count_removed(struct fetch_outlook *self, int root, const struct catalogue *old)
{
	for (size_t i = 0; i < old->file_count; i++) {
		if (fetch_file_is_there(root, &old->files[i]))
			add(&self->removed, &old->files[i]);
	}
}

/* ---- printing -------------------------------------------------------------------------------- */

static void
print_count(struct buffer *out, const char *key, const struct download_count *count)
{
	json_writer_key(out, key);
	buffer_append(out, "{", 1);
	json_writer_number(out, "files", count->files);
	json_writer_number(out, "bytes", count->bytes);
	buffer_append(out, "}", 1);
}

static void
print_texts(struct buffer *out, const char *key, const struct fetch_texts *texts)
{
	json_writer_key(out, key);
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < texts->count; i++) {
		buffer_append(out, ",", i > 0);
		json_writer_string(out, texts->texts[i]);
	}
	buffer_append(out, "]", 1);
}

static void
print_bool(struct buffer *out, const char *key, bool value)
{
	json_writer_key(out, key);
	buffer_printf(out, "%s", value ? "true" : "false");
}

static void
print_limit(struct buffer *out, const char *key, uint64_t limit)
{
	if (limit == UINT64_MAX)
		json_writer_member(out, key, NULL);
	else
		json_writer_number(out, key, limit);
}

static void
print_room(struct buffer *out, const struct fetch_room_needs *room)
{
	json_writer_key(out, "room");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < room->count; i++) {
		const struct fetch_room_need *disk = &room->disks[i];
		buffer_printf(out, "%s{", i > 0 ? "," : "");
		json_writer_member(out, "folder", disk->where);
		json_writer_number(out, "needed_bytes", disk->bytes);
		print_limit(out, "free_bytes", disk->bytes_free);
		json_writer_number(out, "needed_files", disk->files);
		print_limit(out, "free_files", disk->files_free);
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "]", 1);
}

void
fetch_outlook_print_members(const struct fetch_outlook *self, struct buffer *out)
{
	json_writer_member(out, "from", self->from);
	json_writer_member(out, "to", self->to);
	json_writer_member(out, "cut", self->cut);
	print_bool(out, "complete", self->complete);
	print_bool(out, "withdrawn", self->withdrawn);
	print_count(out, "load", &self->loaded);
	print_count(out, "from_cache", &self->cached);
	print_count(out, "keep", &self->kept);
	print_count(out, "remove", &self->removed);
	print_texts(out, "edited", &self->edited);
	print_room(out, &self->room);
	print_texts(out, "obstacles", &self->obstacles);
}

static void
print_line(struct buffer *out, const char *what, const struct download_count *count)
{
	char size[PROGRESS_SIZE_MAX];

	progress_print_size(count->bytes, size);
	buffer_printf(out, "  %-11s %zu files, %s\n", what, count->files, size);
}

static void
print_disks(const struct fetch_room_needs *room, struct buffer *out)
{
	char needed[PROGRESS_SIZE_MAX], unused[PROGRESS_SIZE_MAX] = "no limit";

	for (size_t i = 0; i < room->count; i++) {
		const struct fetch_room_need *disk = &room->disks[i];
		progress_print_size(disk->bytes, needed);
		if (disk->bytes_free != UINT64_MAX)
			progress_print_size(disk->bytes_free, unused);
		buffer_printf(out, "  %-11s %s needed, %s free on the disk of %s\n", "room", needed,
		    unused, disk->where);
	}
}

void
fetch_outlook_print(
    const struct fetch_outlook *self, const char *product, const char *folder, struct buffer *out)
{
	buffer_printf(out, "%s: %s %s -> %s%s\n", folder, product,
	    self->from != NULL ? self->from : "(nothing)", self->to,
	    self->withdrawn  ? ", which was withdrawn and stays"
	    : self->complete ? ", and all is there"
	                     : "");
	if (self->cut != NULL)
		buffer_printf(out, "  %-11s a change to %s\n", "ended first", self->cut);
	print_line(out, "load", &self->loaded);
	print_line(out, "from cache", &self->cached);
	print_line(out, "keep", &self->kept);
	print_line(out, "remove", &self->removed);
	for (size_t i = 0; i < self->edited.count; i++)
		buffer_printf(out, "  %-11s %s\n", "edited", self->edited.texts[i]);
	if (!self->complete)
		print_disks(&self->room, out);
	for (size_t i = 0; i < self->obstacles.count; i++)
		buffer_printf(out, "  %-11s %s\n", "obstacle", self->obstacles.texts[i]);
}
