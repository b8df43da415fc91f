/*
 * Who is next. The hard part is what is remembered of whom: a holder's time must not be forgotten
 * between two requests, so a holder lives as long as it has an entry, or its turn is not charged
 * yet. Those that wait stand in a heap, the furthest behind on top.
 */
#include "fair_queue.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buffer.h"

enum { BUCKETS = 1024, FIRST_SIZE = 16 };

struct fair_holder {
	uint64_t key;
	struct fair_holder *next; /* in its bucket */
	size_t references;        /* entries, and a turn under way */
	uint64_t time;            /* what its turns have cost, and where it began */
	uint64_t order;           /* of two with the same time, who has waited longer */
	size_t place;             /* in the heap, from 1; 0: it does not wait */
	struct fair_entry *first, *last;
};

struct fair_queue {
	struct fair_holder *buckets[BUCKETS];
	struct fair_holder **heap;
	size_t waiting, size;
	struct fair_holder *served; /* whose turn it is */
	uint64_t now;               /* the time of who was served last, when its turn began */
	uint64_t orders;
};

struct fair_queue *
fair_queue_new(void)
{
	return buffer_alloc(sizeof(struct fair_queue));
}

void
fair_queue_free(struct fair_queue *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		assert(self->buckets[i] == NULL);
	free(self->heap);
	free(self);
}

/* ---- the heap ---- */

static bool
is_behind(const struct fair_holder *one, const struct fair_holder *other)
{
	return one->time != other->time ? one->time < other->time : one->order < other->order;
}

static void
put(struct fair_queue *self, struct fair_holder *holder, size_t place)
{
	self->heap[place - 1] = holder;
	holder->place = place;
}

static void
move_up(struct fair_queue *self, struct fair_holder *holder)
{
	size_t place = holder->place;

	for (; place > 1 && is_behind(holder, self->heap[place / 2 - 1]); place /= 2)
		put(self, self->heap[place / 2 - 1], place);
	put(self, holder, place);
}

static void
move_down(struct fair_queue *self, struct fair_holder *holder)
{
	size_t place = holder->place;

	for (size_t child; (child = 2 * place) <= self->waiting; place = child) {
		if (child < self->waiting && is_behind(self->heap[child], self->heap[child - 1]))
			child++;
		if (!is_behind(self->heap[child - 1], holder))
			break;
		put(self, self->heap[child - 1], place);
	}
	put(self, holder, place);
}

static void
heap_add(struct fair_queue *self, struct fair_holder *holder)
{
	if (self->waiting == self->size) {
		self->size = self->size > 0 ? 2 * self->size : FIRST_SIZE;
		self->heap = reallocarray(self->heap, self->size, sizeof(struct fair_holder *));
		if (self->heap == NULL)
			abort();
	}
	put(self, holder, ++self->waiting);
	move_up(self, holder);
}

static void
heap_remove(struct fair_queue *self, struct fair_holder *holder)
{
	struct fair_holder *last = self->heap[self->waiting - 1];
	size_t place = holder->place;

	assert(place > 0 && self->heap[place - 1] == holder);
	holder->place = 0;
	self->waiting--;
	if (last == holder)
		return;
	put(self, last, place);
	move_up(self, last);
	move_down(self, last);
}

/* ---- holders ---- */

static struct fair_holder *
find_or_make(struct fair_queue *self, uint64_t key)
{
	struct fair_holder **bucket = &self->buckets[key % BUCKETS], *holder;

	for (holder = *bucket; holder != NULL; holder = holder->next)
		if (holder->key == key)
			return holder;
	holder = buffer_alloc(sizeof *holder);
	holder->key = key;
	holder->next = *bucket;
	*bucket = holder;
	return holder;
}

static void
unreference(struct fair_queue *self, struct fair_holder *holder)
{
	if (--holder->references > 0)
		return;
	assert(holder->first == NULL && holder->place == 0);
	struct fair_holder **link = &self->buckets[holder->key % BUCKETS];
	while (*link != holder)
		link = &(*link)->next;
	*link = holder->next;
	free(holder);
}

/* ---- entries ---- */

static void
append(struct fair_queue *self, struct fair_entry *entry)
{
	struct fair_holder *holder = entry->holder;

	entry->next = NULL;
	entry->previous = holder->last;
	*(holder->last != NULL ? &holder->last->next : &holder->first) = entry;
	holder->last = entry;
	entry->waits = true;
	if (holder->place > 0)
		return;
	if (holder->time < self->now)
		holder->time = self->now;
	holder->order = self->orders++;
	heap_add(self, holder);
}

static void
take_out(struct fair_queue *self, struct fair_entry *entry)
{
	struct fair_holder *holder = entry->holder;

	*(entry->previous != NULL ? &entry->previous->next : &holder->first) = entry->next;
	*(entry->next != NULL ? &entry->next->previous : &holder->last) = entry->previous;
	entry->next = entry->previous = NULL;
	entry->waits = false;
	if (holder->first == NULL)
		heap_remove(self, holder);
}

void
fair_queue_join(struct fair_queue *self, struct fair_entry *entry, uint64_t key)
{
	struct fair_holder *holder = find_or_make(self, key);
	bool waits = entry->waits;

	holder->references++;
	fair_queue_leave(self, entry);
	entry->holder = holder;
	if (waits)
		append(self, entry);
}

void
fair_queue_leave(struct fair_queue *self, struct fair_entry *entry)
{
	if (entry->holder == NULL)
		return;
	if (entry->waits)
		take_out(self, entry);
	unreference(self, entry->holder);
	entry->holder = NULL;
}

void
fair_queue_wait(struct fair_queue *self, struct fair_entry *entry)
{
	assert(entry->holder != NULL);
	if (!entry->waits)
		append(self, entry);
}

bool
fair_queue_is_empty(const struct fair_queue *self)
{
	return self->waiting == 0;
}

struct fair_entry *
fair_queue_next(struct fair_queue *self)
{
	assert(self->served == NULL);
	if (self->waiting == 0)
		return NULL;
	struct fair_holder *holder = self->heap[0];
	struct fair_entry *entry = holder->first;
	self->now = holder->time;
	self->served = holder;
	holder->references++;
	take_out(self, entry);
	return entry;
}

void
fair_queue_charge(struct fair_queue *self, uint64_t cost)
{
	struct fair_holder *holder = self->served;

	assert(holder != NULL);
	self->served = NULL;
	holder->time += cost;
	if (holder->place > 0) {
		holder->order = self->orders++;
		move_down(self, holder);
	}
	unreference(self, holder);
}
