/* Messages with descriptors. The one hard part is SCM_RIGHTS: a place without a descriptor is
 * not sent, and a bit mask says which places they belong to. */
#include "channel.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct packet {
	struct channel_message message;
	uint32_t present; /* bit I: fds[I] was sent */
};

union control {
	char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
	struct cmsghdr align;
};

bool
channel_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;
}

bool
channel_send(int end, const struct channel_message *message)
{
	struct packet packet = {.message = *message};
	union control control = {0};
	struct iovec part = {&packet, sizeof packet};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	int fds[CHANNEL_MAX_FDS];
	unsigned count = 0;

	assert(message->fd_count <= CHANNEL_MAX_FDS);
	for (unsigned i = 0; i < message->fd_count; i++) {
		if (message->fds[i] < 0)
			continue;
		fds[count++] = message->fds[i];
		packet.present |= 1u << i;
	}
	if (count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	}
	return sendmsg(end, &header, MSG_NOSIGNAL) == (ssize_t)sizeof packet;
}

enum channel_result
channel_receive(int end, struct channel_message *message)
{
	struct packet packet;
	union control control;
	struct iovec part = {&packet, sizeof packet};
	struct msghdr header = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	int fds[CHANNEL_MAX_FDS];
	unsigned count = 0, used = 0;

	ssize_t n = recvmsg(end, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return CHANNEL_NOTHING;
	if (n != (ssize_t)sizeof packet)
		return CHANNEL_ENDED;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		count = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (count > CHANNEL_MAX_FDS)
			abort(); /* the kernel wrote past what it was given */
		memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
	}
	*message = packet.message;
	message->text[CHANNEL_TEXT_MAX - 1] = '\0';
	for (unsigned i = 0; i < CHANNEL_MAX_FDS; i++) {
		bool present = (packet.present >> i & 1) != 0 && used < count;
		message->fds[i] = present ? fds[used++] : -1;
	}
	bool complete = (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0 && used == count &&
	                (unsigned)__builtin_popcount(packet.present) == count;
	if (complete)
		return CHANNEL_RECEIVED;
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	return CHANNEL_BROKEN;
}
