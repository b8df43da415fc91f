/* A worker's pulse. The one hard part: the supervisor may read in the middle of a write, and gets
 * half of one id and half of another at worst, but no end of the text that is not there. */
#include "pulse.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

struct pulse {
	_Atomic uint64_t beats;
	volatile char request[PULSE_REQUEST_LEN];
};

struct pulse *
pulse_new(void)
{
	struct pulse *self =
	    mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		return NULL;
	return self;
}

void
pulse_free(struct pulse *self)
{
	if (self != NULL)
		munmap(self, sizeof *self);
}

void
pulse_beat(struct pulse *self)
{
	atomic_fetch_add_explicit(&self->beats, 1, memory_order_relaxed);
}

uint64_t
pulse_beats(const struct pulse *self)
{
	return atomic_load_explicit(&self->beats, memory_order_relaxed);
}

void
pulse_work_on(struct pulse *self, const char *request)
{
	for (size_t i = 0; i < PULSE_REQUEST_LEN; i++)
		self->request[i] = request[i];
}

void
pulse_request(const struct pulse *self, char request[PULSE_REQUEST_LEN + 1])
{
	size_t len = 0;

	for (; len < PULSE_REQUEST_LEN; len++) {
		unsigned char byte = (unsigned char)self->request[len];
		if (byte == '\0')
			break;
		request[len] = '?';
		if (isascii(byte) && isalnum(byte))
			request[len] = (char)byte;
	}
	request[len] = '\0';
}

void
pulse_forget(struct pulse *self)
{
	self->request[0] = '\0';
}
