/*
 * Sealed memfds. The one hard part: kernels before 6.7 refuse shared mappings of what is sealed
 * against writing, so mappings are private; unwritten pages are the same pages all the same.
 */
#include "sealed_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool
sealed_file_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) ==
	       0;
}

int
sealed_file_new(const char *name, const char *bytes, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	while (fd >= 0 && len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n <= 0)
			goto close_fd;
		bytes += n;
		len -= (size_t)n;
	}
	if (fd >= 0 && sealed_file_seal(fd))
		return fd;
close_fd:
	if (fd >= 0)
		close(fd);
	return -1;
}

bool
sealed_file_map(int fd, struct sealed_bytes *mapped)
{
	struct stat st;

	*mapped = (struct sealed_bytes){NULL, 0};
	if (fd < 0)
		return true;
	if (fstat(fd, &st) != 0)
		return false;
	mapped->len = (size_t)st.st_size;
	if (mapped->len == 0) {
		mapped->bytes = "";
		return true;
	}
	void *bytes = mmap(NULL, mapped->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	mapped->bytes = bytes;
	return true;
}

void
sealed_file_unmap(struct sealed_bytes *mapped)
{
	union {
		const char *in;
		void *out;
	} pointer = {.in = mapped->bytes};

	if (mapped->bytes != NULL && mapped->len > 0)
		munmap(pointer.out, mapped->len);
	*mapped = (struct sealed_bytes){NULL, 0};
}

bool
sealed_file_is_same(int a, int b)
{
	struct sealed_bytes left, right = {NULL, 0};
	bool same = sealed_file_map(a, &left) && sealed_file_map(b, &right) && left.bytes != NULL &&
	            right.bytes != NULL && left.len == right.len &&
	            memcmp(left.bytes, right.bytes, left.len) == 0;

	sealed_file_unmap(&left);
	sealed_file_unmap(&right);
	return same;
}
