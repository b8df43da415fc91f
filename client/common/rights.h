/* Whose the files of an installation are, and who may do what with them, where somebody says so. */
#ifndef CLIENT_RIGHTS_H
#define CLIENT_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

struct rights {
	mode_t mode; /* of files that are not executable; 0: what the umask leaves */
	bool owned;  /* by these; else by whoever makes them */
	uid_t user;
	gid_t group;
};

/* What the two are, for messages. */
#define RIGHTS_MODE_RULE \
	"permissions of files, such as 0644: the owner's 6 at least, and nobody may execute"
#define RIGHTS_OWNER_RULE "USER or USER:GROUP, which this machine knows"

/* Reads "0644": read and write, the owner's at least. False when it is anything else. */
bool rights_read_mode(const char *text, struct rights *self);

/* Reads "USER" or "USER:GROUP", names or numbers; without GROUP it is the user's own, which a
 * number alone must have. False when there are no such. */
bool rights_read_owner(const char *text, struct rights *self);

/* The permissions of what may be executed, or searched: where it is read. */
mode_t rights_executable(const struct rights *self);

/* Gives NAME in FOLDER, no link of which is followed, its owner, and its permissions when it is a
 * folder. False with errno set. */
bool rights_give_folder(const struct rights *self, int folder, const char *name);
bool rights_give_link(const struct rights *self, int folder, const char *name);

/* Gives the open file FD its owner, and the permissions MODE; those of SELF when that is -1. False
 * with errno set. */
bool rights_give_file(const struct rights *self, int fd, int mode, bool executable);

#endif
