/*
 * Node-wide limits in shared memory. The hard part: several workers change one cell at a time, so
 * rates go through compare-and-swap, and counts are per worker and added up when asked.
 */
#include "quota.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/clock.h"

enum { ROWS = 4, CELLS = 8192, DAY = 86400, SHARE_UNIT = 10000, SHARE_BITS = 40 };

static const uint64_t second_ns = 1000000000;
static const uint64_t burst_ns = 100000000; /* bytes: how far a sender may run ahead */

struct counts {
	_Atomic uint32_t cells[ROWS][CELLS];
};

struct rates {
	_Atomic uint64_t due[ROWS][CELLS]; /* nanoseconds of the monotonic clock */
};

struct shared {
	_Atomic uint64_t handshakes_due;
	struct rates handshakes, bytes;
	struct rates of_callers[QUOTA_RATE_COUNT];
	_Atomic int64_t snapshots_day;
	struct counts snapshots;
	struct own {
		struct counts connections;
		_Atomic uint64_t share; /* see quota_share_set() */
	} own[];                        /* one for each worker */
};

struct quota {
	unsigned workers;
	size_t size;
	uint64_t seed;
	struct shared *shared;
};

struct quota *
quota_new(unsigned workers)
{
	struct quota *self = buffer_alloc(sizeof *self);

	assert(workers > 0);
	self->workers = workers;
	self->size = sizeof(struct shared) + workers * sizeof(struct own);
	if (getrandom(&self->seed, sizeof self->seed, 0) != (ssize_t)sizeof self->seed)
		abort();
	self->shared =
	    mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (self->shared == MAP_FAILED) {
		free(self);
		return NULL;
	}
	return self;
}

void
quota_free(struct quota *self)
{
	if (self == NULL)
		return;
	munmap(self->shared, self->size);
	free(self);
}

/* The finaliser of splitmix64: every input bit changes every output bit. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* What a key is made of; kept apart, so that a customer never shares a key with an address. */
enum key_kind { KEY_V4 = 1, KEY_V6, KEY_TEXT, KEY_TRANSFERS };

static struct quota_key
key_of(const struct quota *self, enum key_kind kind, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t hash = mix(mix(self->seed ^ len) ^ (uint64_t)kind);

	while (len > 0) {
		uint64_t word = 0;
		size_t n = len < sizeof word ? len : sizeof word;
		memcpy(&word, at, n);
		hash = mix(hash ^ word ^ self->seed);
		at += n;
		len -= n;
	}
	return (struct quota_key){hash};
}

struct quota_key
quota_address_key(const struct quota *self, const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;
		memcpy(&v6, address, sizeof v6);
		return IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)
		           ? key_of(self, KEY_V4, v6.sin6_addr.s6_addr + 12, 4)
		           : key_of(self, KEY_V6, v6.sin6_addr.s6_addr, 8);
	}
	struct sockaddr_in v4;
	assert(address->sa_family == AF_INET);
	memcpy(&v4, address, sizeof v4);
	return key_of(self, KEY_V4, &v4.sin_addr, 4);
}

struct quota_key
quota_text_key(const struct quota *self, const char *text)
{
	return key_of(self, KEY_TEXT, text, strlen(text));
}

struct quota_key
quota_transfers_key(struct quota_key customer)
{
	return (struct quota_key){mix(customer.hash ^ KEY_TRANSFERS)};
}

static size_t
cell(struct quota_key key, unsigned row)
{
	return mix(key.hash + row) % CELLS;
}

/* What all workers have counted for KEY. */
static uint32_t
connections_of(const struct quota *self, struct quota_key key)
{
	uint32_t least = UINT32_MAX;

	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t sum = 0;
		for (unsigned w = 0; w < self->workers; w++)
			sum += atomic_load(
			    &self->shared->own[w].connections.cells[row][cell(key, row)]);
		least = sum < least ? sum : least;
	}
	return least;
}

bool
quota_connection_open(struct quota *self, unsigned worker, struct quota_key key, uint32_t limit)
{
	assert(worker < self->workers);
	/* Counted first and looked at then: of two workers that do so at once, one sees the other.
	 */
	for (unsigned row = 0; row < ROWS; row++)
		atomic_fetch_add(
		    &self->shared->own[worker].connections.cells[row][cell(key, row)], 1);
	if (limit == 0 || connections_of(self, key) <= limit)
		return true;
	quota_connection_close(self, worker, key);
	return false;
}

uint32_t
quota_connection_count(const struct quota *self, struct quota_key key)
{
	return connections_of(self, key);
}

void
quota_connection_close(struct quota *self, unsigned worker, struct quota_key key)
{
	assert(worker < self->workers);
	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t before = atomic_fetch_sub(
		    &self->shared->own[worker].connections.cells[row][cell(key, row)], 1);
		assert(before > 0);
	}
}

/* Both numbers in one, so that nobody reads one of them without the other. */
void
quota_share_set(struct quota *self, unsigned worker, uint32_t connections, double holders)
{
	assert(worker < self->workers && connections < 1u << (64 - SHARE_BITS));
	atomic_store(&self->shared->own[worker].share,
	    (uint64_t)connections << SHARE_BITS | (uint64_t)(holders * SHARE_UNIT + 1));
}

double
quota_share_fair(const struct quota *self, uint64_t open)
{
	uint64_t known = 0, holders = 0;

	for (unsigned w = 0; w < self->workers; w++) {
		uint64_t share = atomic_load(&self->shared->own[w].share);
		known += share >> SHARE_BITS;
		holders += share & (((uint64_t)1 << SHARE_BITS) - 1);
	}
	if (open > known)
		holders += SHARE_UNIT;
	return holders > 0 ? (double)open * SHARE_UNIT / (double)holders : 0;
}

void
quota_forget_worker(struct quota *self, unsigned worker)
{
	assert(worker < self->workers);
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned i = 0; i < CELLS; i++)
			atomic_store(&self->shared->own[worker].connections.cells[row][i], 0);
	quota_share_set(self, worker, 0, 0);
}

/* Moves DUE forward by COST unless that runs more than BURST ahead of NOW. */
static bool
rate_take(_Atomic uint64_t *due, uint64_t now, uint64_t cost, uint64_t burst)
{
	uint64_t old = atomic_load(due), new;

	do {
		new = (old > now ? old : now) + cost;
		if (new > now + burst)
			return false;
	} while (!atomic_compare_exchange_weak(due, &old, new));
	return true;
}

/* The row whose cell is due first: it shares with the fewest others. */
static const _Atomic uint64_t *
rate_cell(const struct rates *rates, struct quota_key key)
{
	const _Atomic uint64_t *best = &rates->due[0][cell(key, 0)];

	for (unsigned row = 1; row < ROWS; row++) {
		const _Atomic uint64_t *other = &rates->due[row][cell(key, row)];
		if (atomic_load(other) < atomic_load(best))
			best = other;
	}
	return best;
}

/* Charges COST to every row of KEY, as a sketch must. */
static void
rate_charge(struct rates *rates, struct quota_key key, uint64_t now, uint64_t cost)
{
	for (unsigned row = 0; row < ROWS; row++)
		(void)rate_take(&rates->due[row][cell(key, row)], now, cost, UINT64_MAX - now);
}

static void
rate_give_back(struct rates *rates, struct quota_key key, uint64_t cost)
{
	for (unsigned row = 0; row < ROWS; row++) {
		uint64_t before = atomic_fetch_sub(&rates->due[row][cell(key, row)], cost);
		assert(before >= cost);
	}
}

/* As rate_take(), for KEY. As with connections, taken first and looked at then. */
static bool
rate_take_each(
    struct rates *rates, struct quota_key key, uint64_t now, uint64_t cost, uint64_t burst)
{
	rate_charge(rates, key, now, cost);
	if (atomic_load(rate_cell(rates, key)) <= now + burst)
		return true;
	rate_give_back(rates, key, cost);
	return false;
}

bool
quota_handshake_take(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each)
{
	uint64_t now = clock_ns();
	uint64_t cost = per_second_each != 0 ? second_ns / per_second_each : 0;

	if (cost != 0 && !rate_take_each(&self->shared->handshakes, key, now, cost, second_ns))
		return false;
	if (per_second == 0 ||
	    rate_take(&self->shared->handshakes_due, now, second_ns / per_second, second_ns))
		return true;
	if (cost != 0)
		rate_give_back(&self->shared->handshakes, key, cost);
	return false;
}

size_t
quota_bytes_take(
    struct quota *self, struct quota_key key, uint64_t rate, size_t wanted, double *delay)
{
	assert(rate > 0 && wanted > 0);
	uint64_t now = clock_ns();
	double most = (double)burst_ns / 2 * (double)rate / 1e9;
	size_t n = (double)wanted <= most ? wanted : most < 1 ? 1 : (size_t)most;

	rate_charge(&self->shared->bytes, key, now, (uint64_t)((double)n * 1e9 / (double)rate));
	uint64_t due = atomic_load(rate_cell(&self->shared->bytes, key));
	*delay = due > now + burst_ns ? (double)(due - now - burst_ns) / 1e9 : 0;
	return n;
}

static uint64_t
cost_of(struct quota_allowance allowance)
{
	assert(allowance.n > 0);
	return second_ns * allowance.seconds / allowance.n;
}

/* How far ahead of the clock one may run. */
static uint64_t
reach_of(struct quota_allowance allowance)
{
	uint64_t ahead = second_ns * allowance.ahead, cost = cost_of(allowance);
	return ahead > cost ? ahead : cost;
}

bool
quota_rate_take(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance)
{
	assert(rate < QUOTA_RATE_COUNT);
	return allowance.n == 0 || rate_take_each(&self->shared->of_callers[rate], key, clock_ns(),
	                               cost_of(allowance), reach_of(allowance));
}

void
quota_rate_return(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance)
{
	assert(rate < QUOTA_RATE_COUNT);
	if (allowance.n != 0)
		rate_give_back(&self->shared->of_callers[rate], key, cost_of(allowance));
}

void
quota_rate_charge(struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance)
{
	struct rates *rates = &self->shared->of_callers[rate];
	assert(rate < QUOTA_RATE_COUNT);
	uint64_t now = clock_ns();

	if (allowance.n == 0)
		return;
	for (unsigned row = 0; row < ROWS; row++)
		(void)rate_take(&rates->due[row][cell(key, row)], now, cost_of(allowance),
		    2 * reach_of(allowance));
}

double
quota_rate_wait(const struct quota *self, enum quota_rate rate, struct quota_key key,
    struct quota_allowance allowance)
{
	if (allowance.n == 0)
		return 0;
	uint64_t due = atomic_load(rate_cell(&self->shared->of_callers[rate], key));
	uint64_t free_at = due + cost_of(allowance), reach = clock_ns() + reach_of(allowance);
	return free_at > reach ? (double)(free_at - reach) / (double)second_ns : 0;
}

static void
uncount_snapshot(struct shared *shared, struct quota_key key)
{
	for (unsigned row = 0; row < ROWS; row++) {
		_Atomic uint32_t *count = &shared->snapshots.cells[row][cell(key, row)];
		uint32_t old = atomic_load(count);
		while (old > 0 && !atomic_compare_exchange_weak(count, &old, old - 1))
			;
	}
}

bool
quota_snapshot_take(struct quota *self, struct quota_key key, uint32_t limit, time_t now)
{
	struct shared *shared = self->shared;
	int64_t today = now / DAY, day = atomic_load(&shared->snapshots_day);
	bool another = today > day || today < day - 1; /* another worker's clock may be behind */
	uint32_t least = UINT32_MAX;

	if (limit == 0)
		return true;
	if (another && atomic_compare_exchange_strong(&shared->snapshots_day, &day, today))
		for (unsigned row = 0; row < ROWS; row++)
			for (unsigned i = 0; i < CELLS; i++)
				atomic_store(&shared->snapshots.cells[row][i], 0);
	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t before =
		    atomic_fetch_add(&shared->snapshots.cells[row][cell(key, row)], 1);
		least = before < least ? before : least;
	}
	if (least < limit)
		return true;
	uncount_snapshot(shared, key);
	return false;
}

void
quota_snapshot_return(struct quota *self, struct quota_key key, uint32_t limit, time_t now)
{
	if (limit != 0 && atomic_load(&self->shared->snapshots_day) == now / DAY)
		uncount_snapshot(self->shared, key);
}
