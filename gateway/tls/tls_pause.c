/*
 * Pauses, by swapcontext(3). The hard part is what else knows of the stack: a page below it that
 * may not be touched, and AddressSanitizer, which must be told of each change.
 */
#include "tls_pause.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/buffer.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum {
	STACK = 256 * 1024, /* bytes of address space; memory is taken as it is touched */
	GUARD = 64 * 1024,  /* the largest page there is */
	SPARE_MAX = 8,
};

struct place {
	ucontext_t context;
	void *fake; /* AddressSanitizer's */
	const void *bottom;
	size_t size;
};

struct tls_pause {
	tls_pause_fn *fn;
	tls_pause_wake_fn *wake;
	void *arg;
	int result;
	bool has_ended, is_waiting, is_woken, is_cancelled;
	struct place own, caller;
	struct tls_pause *outer; /* the current one when this was run */
	struct tls_pause *next;  /* spare */
	char *stack;
};

static struct tls_pause *current, *spare;
static unsigned spare_count;

/* ---- changing stacks ---- */

static void
on_leaving(struct place *from, const struct place *to)
{
#ifdef HAS_ASAN
	__sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
#else
	(void)from, (void)to;
#endif
}

static void
on_arrived(const struct place *here, struct place *from)
{
#ifdef HAS_ASAN
	__sanitizer_finish_switch_fiber(here->fake, &from->bottom, &from->size);
#else
	(void)here, (void)from;
#endif
}

static void
change(struct place *from, struct place *to)
{
	on_leaving(from, to);
	/* cppcheck-suppress swapcontextCalled ; a thread for each would need locks everywhere */
	if (swapcontext(&from->context, &to->context) != 0)
		abort();
	on_arrived(from, to);
}

/* The life of a stack: one call after the other. */
static void
begin(unsigned high, unsigned low)
{
	struct tls_pause *self = (struct tls_pause *)((uintptr_t)high << 32 | low);

	on_arrived(&self->own, &self->caller);
	for (;;) {
		self->result = self->fn(self->arg);
		self->has_ended = true;
		change(&self->own, &self->caller);
	}
}

static struct tls_pause *
new_stack(void)
{
	struct tls_pause *self = buffer_alloc(sizeof *self);
	uintptr_t number = (uintptr_t)self;

	self->stack = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (self->stack == MAP_FAILED || mprotect(self->stack, GUARD, PROT_NONE) != 0)
		abort();
	/* cppcheck-suppress getcontextCalled ; as above */
	if (getcontext(&self->own.context) != 0)
		abort();
	self->own.bottom = self->own.context.uc_stack.ss_sp = self->stack + GUARD;
	self->own.size = self->own.context.uc_stack.ss_size = STACK;
	makecontext(&self->own.context, (void (*)(void))begin, 2, (unsigned)(number >> 32),
	    (unsigned)(number & UINT32_MAX));
	return self;
}

/* ---- calls ---- */

struct tls_pause *
tls_pause_new(tls_pause_fn *fn, tls_pause_wake_fn *wake, void *arg)
{
	struct tls_pause *self = spare;

	if (self != NULL) {
		spare = self->next;
		spare_count--;
	} else {
		self = new_stack();
	}
	self->fn = fn;
	self->wake = wake;
	self->arg = arg;
	self->has_ended = self->is_waiting = self->is_woken = self->is_cancelled = false;
	return self;
}

static void
give_back(struct tls_pause *self)
{
	if (spare_count < SPARE_MAX) {
		self->next = spare;
		spare = self;
		spare_count++;
		return;
	}
	munmap(self->stack, GUARD + STACK);
	free(self);
}

bool
tls_pause_run(struct tls_pause *self, int *result)
{
	assert(self != current && !self->has_ended);
	if (self->is_waiting && !self->is_woken)
		return false;
	self->is_waiting = self->is_woken = false;
	self->outer = current;
	current = self;
	change(&self->caller, &self->own);
	current = self->outer;
	if (!self->has_ended)
		return false;
	*result = self->result;
	give_back(self);
	return true;
}

void
tls_pause_cancel(struct tls_pause *self)
{
	int result;

	if (self == NULL)
		return;
	self->is_cancelled = self->is_woken = true;
	if (!tls_pause_run(self, &result))
		abort(); /* what is cancelled does not wait */
}

void
tls_pause_wake(struct tls_pause *self)
{
	assert(self->is_waiting && self != current);
	self->is_woken = true;
	self->wake(self->arg);
}

struct tls_pause *
tls_pause_current(void)
{
	return current;
}

bool
tls_pause_wait(struct tls_pause *self)
{
	assert(self == current);
	if (self->is_cancelled)
		return false;
	self->is_waiting = true;
	change(&self->own, &self->caller);
	return !self->is_cancelled;
}
