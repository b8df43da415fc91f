/*
 * What bringing a version would do, found by what would bring it, and nothing is changed.
 */
#ifndef CLIENT_FETCH_OUTLOOK_H
#define CLIENT_FETCH_OUTLOOK_H

#include "base/buffer.h"
#include "fetch_names.h"
#include "fetch_room.h"

struct fetch_texts {
	char **texts;
	size_t count;
};

struct fetch_outlook {
	int disk;        /* an open folder on the disk of the version; the caller's */
	char *from, *to; /* versions; NULL: nothing is there */
	char *cut;       /* a change to this version was cut, and is ended first; or NULL */
	bool withdrawn;  /* TO stays, since it is there, and the index does not name it */
	bool complete;   /* all is there: nothing would be changed */
	struct download_count kept;           /* right where they are */
	struct download_count loaded, cached; /* would come from a server, and from the cache */
	struct download_count removed;
	struct fetch_texts
	    edited; /* files that were changed here, and would be kept or put aside */
	struct fetch_texts obstacles;
	struct fetch_room_needs room;
	char *disks[FETCH_ROOM_DISKS]; /* the folders that ROOM names */
};

/* Zeroed, it has nothing. */
void fetch_outlook_fini(struct fetch_outlook *self);

/* One more thing because of which it would be refused; ARG is the outlook. */
void fetch_outlook_add_obstacle(void *arg, const struct failure *obstacle);

/* The same when FOLDER, of which the disk is known, cannot be written to. */
void fetch_outlook_look_at_rights(struct fetch_outlook *self, const char *folder);

/* One more file that was changed and would be kept or put aside. */
void fetch_outlook_add_edited(struct fetch_outlook *self, const char *path);

/* Makes the names of folders in ROOM, which was measured once, the outlook's own. */
void fetch_outlook_keep_room(struct fetch_outlook *self);

/* What it is counted from. */
struct fetch_view {
	int root;                                          /* -1: the folder is not there */
	const struct catalogue *catalogue, *old, *pending; /* as in fetch_change.h */
	const bool *there; /* for each file of the catalogue: it is right where it is */
};

/* Fills in what is kept, comes from the cache, is removed and was edited. What is loaded is known.
 */
void fetch_outlook_count(struct fetch_outlook *self, const struct fetch_view *view);

/* Adds to what is removed the files of OLD, of which the folder is ROOT. */
void fetch_outlook_count_removed(struct fetch_outlook *self, int root, const struct catalogue *old);

/* Appends it as the members of a JSON object; as lines for people, FOLDER being where it is. */
void fetch_outlook_print_members(const struct fetch_outlook *self, struct buffer *out);
void fetch_outlook_print(
    const struct fetch_outlook *self, const char *product, const char *folder, struct buffer *out);

#endif
