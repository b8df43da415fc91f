/* Owners and permissions. The hard part is the order: a new owner takes bits away (chown(2)), so
 * the permissions come last. */
#include "rights.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/value.h"

enum { READ_BITS = 0444, FILE_BITS = 0666, OWNER_BITS = 0600, MAX_ID = INT32_MAX };

bool
rights_read_mode(const char *text, struct rights *self)
{
	size_t len = strlen(text);

	if (len < 3 || len > 4 || strspn(text, "01234567") != len || (len == 4 && text[0] != '0'))
		return false;
	mode_t mode = (mode_t)strtoul(text, NULL, 8);
	if ((mode & ~(mode_t)FILE_BITS) != 0 || (mode & OWNER_BITS) != OWNER_BITS)
		return false;
	self->mode = mode;
	return true;
}

static bool
read_user(const char *text, struct rights *self, bool with_group)
{
	uint64_t number;
	/* cppcheck-suppress getpwnamCalled ; one thread */
	const struct passwd *user = getpwnam(text);

	if (user == NULL && value_number(text, MAX_ID, &number)) {
		/* cppcheck-suppress getpwuidCalled ; one thread */
		user = getpwuid((uid_t)number);
		self->user = (uid_t)number;
		if (user == NULL)
			return with_group;
	}
	if (user == NULL)
		return false;
	self->user = user->pw_uid;
	self->group = user->pw_gid;
	return true;
}

static bool
read_group(const char *text, struct rights *self)
{
	uint64_t number;
	/* cppcheck-suppress getgrnamCalled ; one thread */
	const struct group *group = getgrnam(text);

	if (group != NULL)
		self->group = group->gr_gid;
	else if (value_number(text, MAX_ID, &number))
		self->group = (gid_t)number;
	else
		return false;
	return true;
}

bool
rights_read_owner(const char *text, struct rights *self)
{
	const char *colon = strchr(text, ':');
	char *user =
	    colon != NULL ? buffer_copy(text, (size_t)(colon - text)) : buffer_strdup(text);

	self->owned =
	    read_user(user, self, colon != NULL) && (colon == NULL || read_group(colon + 1, self));
	free(user);
	return self->owned;
}

mode_t
rights_executable(const struct rights *self)
{
	return self->mode | ((self->mode & READ_BITS) >> 2);
}

bool
rights_give_link(const struct rights *self, int folder, const char *name)
{
	return !self->owned ||
	       fchownat(folder, name, self->user, self->group, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
rights_give_folder(const struct rights *self, int folder, const char *name)
{
	return rights_give_link(self, folder, name) &&
	       (self->mode == 0 || fchmodat(folder, name, rights_executable(self), 0) == 0);
}

bool
rights_give_file(const struct rights *self, int fd, int mode, bool executable)
{
	if (self->owned && fchown(fd, self->user, self->group) != 0)
		return false;
	if (mode < 0 && self->mode == 0)
		return true;
	mode_t own = executable ? rights_executable(self) : self->mode;
	return fchmod(fd, mode >= 0 ? (mode_t)mode : own) == 0;
}
