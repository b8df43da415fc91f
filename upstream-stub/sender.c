/*
 * Sending: head, body, tail. The body goes from the file to the socket by sendfile(). The one
 * hard part is to leave at any point and to go on there: each part keeps its own count.
 */
#include "sender.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "bytes.h"
#include "faults.h"
#include "reply.h"

static enum sender_result
result_of_failure(void)
{
	return errno == EAGAIN ? SENDER_BLOCKED : SENDER_BROKEN;
}

static enum sender_result
send_bytes(int fd, const struct bytes *b, size_t *sent, int flags)
{
	while (*sent < b->len) {
		ssize_t n = send(fd, b->data + *sent, b->len - *sent, flags | MSG_NOSIGNAL);

		if (n < 0)
			return result_of_failure();
		*sent += (size_t)n;
	}
	return SENDER_DONE;
}

static ssize_t
send_piece(struct sender *s, int fd, struct reply *reply, size_t len)
{
	ssize_t n;

	if (reply->file >= 0)
		return sendfile(fd, reply->file, &reply->offset, len);
	n = send(fd, reply->text.data + s->text_sent, len, MSG_NOSIGNAL);
	if (n > 0)
		s->text_sent += (size_t)n;
	return n;
}

static enum sender_result
send_body(struct sender *s, int fd, struct reply *reply, uint64_t budget, bool slow)
{
	while (reply->body_left > 0) {
		uint64_t len = reply->body_left < budget ? reply->body_left : budget;
		ssize_t n;

		if (slow && s->piece_sent == FAULTS_DELAY_PIECE) {
			s->piece_sent = 0;
			return SENDER_PAUSED;
		}
		if (slow && len > FAULTS_DELAY_PIECE - s->piece_sent)
			len = FAULTS_DELAY_PIECE - s->piece_sent;
		if (len == 0)
			return SENDER_BLOCKED;
		n = send_piece(s, fd, reply, (size_t)len);
		if (n < 0)
			return result_of_failure();
		if (n == 0)
			return SENDER_BROKEN;
		reply->body_left -= (uint64_t)n;
		budget -= (uint64_t)n;
		s->piece_sent += (uint64_t)n;
	}
	return SENDER_DONE;
}

enum sender_result
sender_send(struct sender *s, int fd, struct reply *reply, uint64_t budget, bool slow)
{
	bool head_is_all = reply->body_left == 0 && reply->tail.len == 0;
	enum sender_result result;

	result = send_bytes(fd, &reply->head, &s->head_sent, head_is_all ? 0 : MSG_MORE);
	if (result == SENDER_DONE)
		result = send_body(s, fd, reply, budget, slow);
	if (result == SENDER_DONE)
		result = send_bytes(fd, &reply->tail, &s->tail_sent, 0);
	return result;
}
