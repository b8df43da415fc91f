/*
 * A table of names without locks. The hard part: two workers may meet one customer at the same
 * moment, and there must not be two rows of it. A row is claimed by the hash of its name, and read
 * when its name is complete; who comes in between counts that connection as one of the rest.
 */
#include "customer_rows.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "policy/policy.h"

struct row {
	_Atomic uint64_t hash; /* 0: free */
	atomic_bool complete;
	char name[POLICY_ID_MAX + 1];
};

struct customer_rows {
	struct row rows[CUSTOMER_ROWS_MAX];
};

struct customer_rows *
customer_rows_new(void)
{
	void *map = mmap(NULL, sizeof(struct customer_rows), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	return map;
}

void
customer_rows_free(struct customer_rows *self)
{
	if (self != NULL)
		munmap(self, sizeof *self);
}

/* FNV-1a, never 0. Ids come from the policy: nobody aims at a neighbour's row. */
static uint64_t
hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash != 0 ? hash : 1;
}

/* Makes a free ROW that of CUSTOMER. False: another worker was faster, and *FOUND is whose it is.
 */
static bool
claim(struct row *row, uint64_t *found, uint64_t hash, const char *customer)
{
	if (!atomic_compare_exchange_strong(&row->hash, found, hash))
		return false;
	(void)snprintf(row->name, sizeof row->name, "%s", customer);
	atomic_store_explicit(&row->complete, true, memory_order_release);
	return true;
}

unsigned
customer_rows_find(struct customer_rows *self, const char *customer)
{
	uint64_t hash = hash_of(customer);

	if (strcmp(customer, CUSTOMER_ROWS_OTHER_NAME) == 0)
		return CUSTOMER_ROWS_OTHER;
	for (unsigned i = 0; i < CUSTOMER_ROWS_MAX; i++) {
		unsigned at = (unsigned)((hash + i) % CUSTOMER_ROWS_MAX);
		struct row *row = &self->rows[at];
		uint64_t found = atomic_load_explicit(&row->hash, memory_order_acquire);
		if (found == 0 && claim(row, &found, hash, customer))
			return at;
		if (found != hash)
			continue;
		if (!atomic_load_explicit(&row->complete, memory_order_acquire))
			return CUSTOMER_ROWS_OTHER;
		if (strcmp(row->name, customer) == 0)
			return at;
	}
	return CUSTOMER_ROWS_OTHER;
}

const char *
customer_rows_name(const struct customer_rows *self, unsigned row)
{
	assert(row < CUSTOMER_ROWS_MAX);
	if (!atomic_load_explicit(&self->rows[row].complete, memory_order_acquire))
		return NULL;
	return self->rows[row].name;
}
