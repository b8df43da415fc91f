/* Opening the access log. The one hard part: between a look and an open() the file may become
 * another, so what was opened is looked at; and opening must neither follow nor wait. */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/node/log.h"
#include "gateway/request/access_log.h"

enum { LOG_MODE = 0640 };

/* Why the open file FD may not be the log; NULL when it may. */
static const char *
defect_of(int fd, const struct sandbox_user *user)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (st.st_uid != 0 && st.st_uid != geteuid() && !(user->wanted && st.st_uid == user->uid))
		return "it belongs to another user: move it away, and see who may write to its "
		       "folder";
	if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		return "it has another name, too (a hard link): move it away, and see who may "
		       "write to its folder";
	return NULL;
}

int
log_file_open(const struct config *config, const struct sandbox_user *user)
{
	/* A FIFO without a reader would hold up everything else. */
	const int flags =
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	const char *path = config->access_log, *defect = NULL;

	if (path == NULL) {
		log_warning(
		    "there is no access log (log.access: none): no line tells who asked for "
		    "what, who was refused, and whose handshake failed; the metrics count "
		    "them");
		return open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	if (strcmp(path, "-") == 0)
		return access_log_standard_output();
	int fd = open(path, flags, LOG_MODE);
	if (fd < 0)
		defect = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
	else
		defect = defect_of(fd, user);
	if (defect == NULL)
		return fd;
	log_error("cannot open the access log %s: %s", path, defect);
	if (fd >= 0)
		close(fd);
	return -1;
}
