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

#include "../policy/buffer.h"

enum { ROWS = 4, CELLS = 8192 };

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
	_Atomic int64_t snapshots_day;
	struct counts snapshots;
	struct counts connections[]; /* one for each worker */
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

	self->workers = workers;
	self->size = sizeof(struct shared) + workers * sizeof(struct counts);
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
enum key_kind { KEY_V4 = 1, KEY_V6, KEY_TEXT };

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

static size_t
cell(struct quota_key key, unsigned row)
{
	return mix(key.hash + row) % CELLS;
}

bool
quota_connection_open(struct quota *self, unsigned worker, struct quota_key key, uint32_t limit)
{
	uint32_t least = UINT32_MAX;

	assert(worker < self->workers);
	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t sum = 0;
		for (unsigned w = 0; w < self->workers; w++)
			sum +=
			    atomic_load(&self->shared->connections[w].cells[row][cell(key, row)]);
		least = sum < least ? sum : least;
	}
	if (limit != 0 && least >= limit)
		return false;
	for (unsigned row = 0; row < ROWS; row++)
		atomic_fetch_add(&self->shared->connections[worker].cells[row][cell(key, row)], 1);
	return true;
}

void
quota_connection_close(struct quota *self, unsigned worker, struct quota_key key)
{
	assert(worker < self->workers);
	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t before = atomic_fetch_sub(
		    &self->shared->connections[worker].cells[row][cell(key, row)], 1);
		assert(before > 0);
	}
}

void
quota_forget_worker(struct quota *self, unsigned worker)
{
	assert(worker < self->workers);
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned i = 0; i < CELLS; i++)
			atomic_store(&self->shared->connections[worker].cells[row][i], 0);
}

static uint64_t
now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * second_ns + (uint64_t)ts.tv_nsec;
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
static _Atomic uint64_t *
rate_cell(struct rates *rates, struct quota_key key)
{
	_Atomic uint64_t *best = &rates->due[0][cell(key, 0)];

	for (unsigned row = 1; row < ROWS; row++) {
		_Atomic uint64_t *other = &rates->due[row][cell(key, row)];
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

bool
quota_handshake_take(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each)
{
	uint64_t now = now_ns();

	if (per_second_each != 0) {
		uint64_t due = atomic_load(rate_cell(&self->shared->handshakes, key));
		uint64_t cost = second_ns / per_second_each;
		if ((due > now ? due : now) + cost > now + second_ns)
			return false;
	}
	if (per_second != 0 &&
	    !rate_take(&self->shared->handshakes_due, now, second_ns / per_second, second_ns))
		return false;
	if (per_second_each != 0)
		rate_charge(&self->shared->handshakes, key, now, second_ns / per_second_each);
	return true;
}

void
quota_handshake_return(
    struct quota *self, struct quota_key key, uint32_t per_second, uint32_t per_second_each)
{
	if (per_second != 0)
		atomic_fetch_sub(&self->shared->handshakes_due, second_ns / per_second);
	if (per_second_each == 0)
		return;
	for (unsigned row = 0; row < ROWS; row++)
		atomic_fetch_sub(&self->shared->handshakes.due[row][cell(key, row)],
		    second_ns / per_second_each);
}

size_t
quota_bytes_allowed(
    struct quota *self, struct quota_key key, uint64_t rate, size_t wanted, double *delay)
{
	uint64_t now = now_ns();
	uint64_t due = atomic_load(rate_cell(&self->shared->bytes, key));
	double ahead = due > now ? (double)(due - now) : 0;

	assert(rate > 0);
	/* Half the burst must be free, or every grant would be a crumb. */
	if (ahead > (double)burst_ns / 2) {
		*delay = (ahead - (double)burst_ns / 2) / 1e9;
		return 0;
	}
	double allowed = ((double)burst_ns - ahead) * (double)rate / 1e9;
	if (allowed >= (double)wanted)
		return wanted;
	return allowed < 1 ? 1 : (size_t)allowed;
}

void
quota_bytes_charge(struct quota *self, struct quota_key key, uint64_t rate, size_t n)
{
	uint64_t cost = (uint64_t)((double)n * 1e9 / (double)rate);
	rate_charge(&self->shared->bytes, key, now_ns(), cost);
}

bool
quota_snapshot_take(struct quota *self, struct quota_key key, uint32_t limit, time_t now)
{
	struct shared *shared = self->shared;
	int64_t today = now / 86400, day = atomic_load(&shared->snapshots_day);
	uint32_t least = UINT32_MAX;

	if (limit == 0)
		return true;
	if (day != today && atomic_compare_exchange_strong(&shared->snapshots_day, &day, today))
		for (unsigned row = 0; row < ROWS; row++)
			for (unsigned i = 0; i < CELLS; i++)
				atomic_store(&shared->snapshots.cells[row][i], 0);
	for (unsigned row = 0; row < ROWS; row++) {
		uint32_t count = atomic_load(&shared->snapshots.cells[row][cell(key, row)]);
		least = count < least ? count : least;
	}
	if (least >= limit)
		return false;
	for (unsigned row = 0; row < ROWS; row++)
		atomic_fetch_add(&shared->snapshots.cells[row][cell(key, row)], 1);
	return true;
}

void
quota_snapshot_return(struct quota *self, struct quota_key key, uint32_t limit, time_t now)
{
	struct shared *shared = self->shared;

	if (limit == 0 || atomic_load(&shared->snapshots_day) != now / 86400)
		return;
	for (unsigned row = 0; row < ROWS; row++) {
		_Atomic uint32_t *count = &shared->snapshots.cells[row][cell(key, row)];
		uint32_t old = atomic_load(count);
		while (old > 0 && !atomic_compare_exchange_weak(count, &old, old - 1))
			;
	}
}
