/* Rings of refusals. The one hard part: a reader must not show half of one and half of another, so
 * each place has a number that is odd while it is written. */
#include "last_refusals.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"

struct place {
	_Atomic uint64_t turn; /* 0: never written; odd: being written */
	struct last_refusal refusal;
};

struct ring {
	uint64_t count; /* its worker's alone */
	struct place places[LAST_REFUSALS];
};

struct last_refusals {
	unsigned workers;
	struct ring *rings;
};

struct last_refusals *
last_refusals_new(unsigned workers)
{
	struct last_refusals *self = buffer_alloc(sizeof *self);

	self->workers = workers;
	self->rings = mmap(NULL, workers * sizeof *self->rings, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self->rings != MAP_FAILED)
		return self;
	free(self);
	return NULL;
}

void
last_refusals_free(struct last_refusals *self)
{
	if (self == NULL)
		return;
	munmap(self->rings, self->workers * sizeof *self->rings);
	free(self);
}

static void
put(char *to, size_t room, const char *text)
{
	(void)snprintf(to, room, "%s", text != NULL ? text : "");
}

void
last_refusals_add(struct last_refusals *self, unsigned worker, uint64_t now, uint32_t status,
    const struct last_refusal_texts *texts)
{
	assert(worker < self->workers);
	struct ring *ring = &self->rings[worker];
	struct place *place = &ring->places[ring->count++ % LAST_REFUSALS];
	struct last_refusal *refusal = &place->refusal;
	uint64_t turn = atomic_load_explicit(&place->turn, memory_order_relaxed) | 1;

	atomic_store_explicit(&place->turn, turn, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	refusal->time = now;
	refusal->status = status;
	put(refusal->operation, sizeof refusal->operation, texts->operation);
	put(refusal->reason, sizeof refusal->reason, texts->reason);
	put(refusal->customer, sizeof refusal->customer, texts->customer);
	put(refusal->client, sizeof refusal->client, texts->client);
	atomic_store_explicit(&place->turn, turn + 1, memory_order_release);
}

/* Ends TEXT, of ROOM bytes, and leaves nothing in it that a page or a terminal would obey. */
static void
tame(char *text, size_t room)
{
	text[room - 1] = '\0';
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static bool
read_place(const struct place *place, struct last_refusal *refusal)
{
	uint64_t turn = atomic_load_explicit(&place->turn, memory_order_acquire);

	if (turn == 0 || turn % 2 != 0)
		return false;
	*refusal = place->refusal;
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&place->turn, memory_order_relaxed) != turn)
		return false;
	tame(refusal->operation, sizeof refusal->operation);
	tame(refusal->reason, sizeof refusal->reason);
	tame(refusal->customer, sizeof refusal->customer);
	tame(refusal->client, sizeof refusal->client);
	return true;
}

/* Puts REFUSAL where it belongs among the COUNT newest; returns how many there are then. */
static unsigned
insert(
    struct last_refusal newest[LAST_REFUSALS], unsigned count, const struct last_refusal *refusal)
{
	unsigned at = count < LAST_REFUSALS ? count : LAST_REFUSALS - 1;

	if (count == LAST_REFUSALS && newest[at].time >= refusal->time)
		return count;
	for (; at > 0 && newest[at - 1].time < refusal->time; at--)
		newest[at] = newest[at - 1];
	newest[at] = *refusal;
	return count < LAST_REFUSALS ? count + 1 : count;
}

unsigned
last_refusals_read(const struct last_refusals *self, struct last_refusal newest[LAST_REFUSALS])
{
	unsigned count = 0;

	for (unsigned worker = 0; worker < self->workers; worker++) {
		for (unsigned i = 0; i < LAST_REFUSALS; i++) {
			struct last_refusal refusal;
			if (read_place(&self->rings[worker].places[i], &refusal))
				count = insert(newest, count, &refusal);
		}
	}
	return count;
}
