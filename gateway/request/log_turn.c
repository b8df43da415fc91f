/* Turns at the access log. The one hard part: a worker may be killed in its turn, so the turn says
 * whose it is, and whether a line is torn stands beside it. */
#include "log_turn.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

enum { NOBODY = 0 }; /* worker I is I + 1 */

struct log_turn {
	_Atomic unsigned holder;
	_Atomic bool torn;
};

struct log_turn *
log_turn_new(void)
{
	struct log_turn *self =
	    mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		return NULL;
	return self;
}

void
log_turn_free(struct log_turn *self)
{
	if (self != NULL)
		munmap(self, sizeof *self);
}

bool
log_turn_take(struct log_turn *self, unsigned worker)
{
	unsigned holder = NOBODY;

	return atomic_compare_exchange_strong(&self->holder, &holder, worker + 1) ||
	       holder == worker + 1;
}

void
log_turn_give(struct log_turn *self, unsigned worker)
{
	/* No assertion that the turn is ours: another worker, a compromised one, may write here. */
	unsigned holder = worker + 1;

	(void)atomic_compare_exchange_strong(&self->holder, &holder, NOBODY);
}

bool
log_turn_is_torn(const struct log_turn *self)
{
	return atomic_load(&self->torn);
}

void
log_turn_set_torn(struct log_turn *self, bool torn)
{
	atomic_store(&self->torn, torn);
}
