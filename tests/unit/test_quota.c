/*
 * Node-wide limits: counts that several workers share, and rates.
 *
 * Rates run on the real clock. A test never assumes how long it took: it counts what it got and
 * compares that with the time that has passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quota_fixture.h"

static struct quota_key
key_number(int number)
{
	char text[16];

	(void)snprintf(text, sizeof text, "key-%d", number);
	return key(text);
}

static uint64_t
address_hash(const char *text, unsigned port)
{
	struct sockaddr_storage address = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
	}
	return quota_address_key(quota, (const struct sockaddr *)&address).hash;
}

static void
test_an_ipv4_address_is_one_key_whatever_its_port_and_form(void **state)
{
	(void)state;
	assert_true(address_hash("192.0.2.1", 1) == address_hash("192.0.2.1", 2));
	assert_true(address_hash("192.0.2.1", 1) == address_hash("::ffff:192.0.2.1", 1));
	assert_true(address_hash("192.0.2.1", 1) != address_hash("192.0.2.2", 1));
	assert_true(address_hash("192.0.2.1", 1) != address_hash("1.2.0.192", 1));
}

static void
test_an_ipv6_network_of_64_bits_is_one_key(void **state)
{
	(void)state;
	assert_true(address_hash("2001:db8::1", 1) == address_hash("2001:db8::ffff:1", 2));
	assert_true(address_hash("2001:db8::1", 1) != address_hash("2001:db8:0:1::1", 1));
	assert_true(address_hash("2001:db8::1", 1) != address_hash("2001:db9::1", 1));
}

static void
test_texts_have_keys_of_their_own(void **state)
{
	(void)state;
	assert_true(key("acme").hash == key("acme").hash);
	assert_true(key("acme").hash != key("acmf").hash);
	assert_true(key("acme").hash != key("acme-1").hash);
	assert_true(key("a").hash != key("").hash);
	assert_true(key("aaaaaaaa").hash != key("aaaaaaaaaaaaaaaa").hash);
}

static void
test_keys_are_different_in_each_run(void **state)
{
	(void)state;
	struct quota *other = quota_new(1);

	assert_non_null(other);
	assert_true(quota_text_key(other, "acme").hash != key("acme").hash);
	quota_free(other);
}

static void
test_connections_are_counted_up_to_the_limit(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(quota_connection_open(quota, 0, key("a"), 5));
	assert_false(quota_connection_open(quota, 0, key("a"), 5));
	assert_true(quota_connection_open(quota, 0, key("a"), 6));
	assert_true(quota_connection_open(quota, 0, key("b"), 5));
}

static void
test_a_refused_connection_is_not_counted_and_a_closed_one_no_longer(void **state)
{
	(void)state;
	assert_true(quota_connection_open(quota, 0, key("a"), 1));
	for (int i = 0; i < 100; i++)
		assert_false(quota_connection_open(quota, 0, key("a"), 1));
	quota_connection_close(quota, 0, key("a"));
	assert_true(quota_connection_open(quota, 0, key("a"), 1));
	assert_false(quota_connection_open(quota, 0, key("a"), 1));
}

static void
test_without_a_limit_connections_are_counted_all_the_same(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(quota_connection_open(quota, 0, key("a"), 0));
	assert_false(quota_connection_open(quota, 0, key("a"), 1000));
	assert_true(quota_connection_open(quota, 0, key("a"), 1001));
}

static void
test_the_limit_holds_over_all_workers(void **state)
{
	(void)state;
	for (unsigned worker = 0; worker < WORKERS; worker++)
		assert_true(quota_connection_open(quota, worker, key("a"), WORKERS));
	for (unsigned worker = 0; worker < WORKERS; worker++)
		assert_false(quota_connection_open(quota, worker, key("a"), WORKERS));
	quota_connection_close(quota, 1, key("a"));
	assert_true(quota_connection_open(quota, 2, key("a"), WORKERS));
}

static void
test_a_worker_that_died_takes_its_connections_along(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(quota_connection_open(quota, 0, key("a"), 4));
		assert_true(quota_connection_open(quota, 1, key("a"), 4));
	}
	quota_forget_worker(quota, 1);
	assert_false(quota_connection_open(quota, 0, key("a"), 2));
	assert_true(quota_connection_open(quota, 0, key("a"), 3));
	quota_forget_worker(quota, 0);
	assert_true(quota_connection_open(quota, 2, key("a"), 1));
}

enum { TURNS = 20000 };

/* Takes and gives back the only place there is, TURNS times, and looks who else has it. */
static void
take_turns(unsigned worker, _Atomic int *holders)
{
	for (int i = 0; i < TURNS; i++) {
		if (!quota_connection_open(quota, worker, key("a"), 1))
			continue;
		if (atomic_fetch_add(holders, 1) != 0)
			_exit(1);
		atomic_fetch_sub(holders, 1);
		quota_connection_close(quota, worker, key("a"));
	}
	_exit(0);
}

static void
test_workers_that_ask_at_once_never_take_more_than_the_limit(void **state)
{
	pid_t children[WORKERS];
	int status;
	(void)state;
	_Atomic int *holders =
	    mmap(NULL, sizeof *holders, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(holders != MAP_FAILED);
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		children[worker] = fork();
		assert_true(children[worker] >= 0);
		if (children[worker] == 0)
			take_turns(worker, holders);
	}
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		assert_int_equal(waitpid(children[worker], &status, 0), children[worker]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	munmap(holders, sizeof *holders);
}

static void
test_what_another_process_counts_is_seen(void **state)
{
	(void)state;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(quota_connection_open(quota, 1, key("a"), 1) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_false(quota_connection_open(quota, 0, key("a"), 1));
}

static void
test_among_many_keys_none_is_counted_too_low(void **state)
{
	(void)state;
	enum { KEYS = 20000 };

	for (int i = 0; i < KEYS; i++)
		assert_true(quota_connection_open(quota, 0, key_number(i), 0));
	for (int i = 0; i < KEYS; i++)
		assert_false(quota_connection_open(quota, 0, key_number(i), 1));
	for (int i = 0; i < KEYS; i += 2)
		quota_connection_close(quota, 0, key_number(i));
	for (int i = 1; i < KEYS; i += 2)
		assert_false(quota_connection_open(quota, 0, key_number(i), 1));
	for (int i = 1; i < KEYS; i += 2)
		quota_connection_close(quota, 0, key_number(i));
	for (int i = 0; i < KEYS; i++)
		assert_true(quota_connection_open(quota, 0, key("last"), (uint32_t)i + 1));
}

/* Takes handshakes TRIES times; returns how often it got one. */
static unsigned
take_handshakes(struct quota_key from, unsigned tries, uint32_t node, uint32_t each)
{
	unsigned got = 0;

	while (tries-- > 0)
		got += quota_handshake_take(quota, from, node, each);
	return got;
}

static void
test_handshakes_are_held_to_their_rate(void **state)
{
	(void)state;
	static const struct {
		uint32_t node, each;
	} limits[] = {{10, 0}, {0, 10}, {10, 20}, {20, 10}};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		quota_free(quota);
		quota = quota_new(WORKERS);
		double start = clock_seconds();
		unsigned got = take_handshakes(key("a"), 100000, limits[i].node, limits[i].each);
		double elapsed = clock_seconds() - start;
		assert_true(got >= 10);
		assert_true(got <= 10 + 10 * elapsed + 1);
	}
}

enum { HOUR_KEYS = 5000 };

/* Takes one of each key, of which there is one in an hour. */
static void
take_each(_Atomic int *taken)
{
	const struct quota_allowance one = {.n = 1, .seconds = 3600, .ahead = 3600};

	for (int i = 0; i < HOUR_KEYS; i++)
		if (quota_rate_take(quota, QUOTA_REQUESTS, key_number(i), one))
			atomic_fetch_add(&taken[i], 1);
}

static void
test_workers_that_take_at_once_never_take_one_twice(void **state)
{
	pid_t children[WORKERS];
	int status;
	(void)state;
	_Atomic int *taken = mmap(NULL, HOUR_KEYS * sizeof *taken, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(taken != MAP_FAILED);
	for (unsigned worker = 0; worker < WORKERS; worker++) {
		children[worker] = fork();
		assert_true(children[worker] >= 0);
		if (children[worker] == 0) {
			take_each(taken);
			_exit(0);
		}
	}
	for (unsigned worker = 0; worker < WORKERS; worker++)
		assert_int_equal(waitpid(children[worker], &status, 0), children[worker]);
	for (int i = 0; i < HOUR_KEYS; i++)
		assert_true(atomic_load(&taken[i]) <= 1);
	munmap(taken, HOUR_KEYS * sizeof *taken);
}

static void
test_without_a_limit_every_handshake_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(take_handshakes(key("a"), 100000, 0, 0), 100000);
	assert_int_equal(take_handshakes(key("a"), 1, 1, 1), 1);
}

static void
test_the_allowance_of_handshakes_refills(void **state)
{
	(void)state;
	double start = clock_seconds();

	while (take_handshakes(key("a"), 1, 0, 20) > 0)
		assert_true(clock_seconds() - start < DEADLINE);
	start = clock_seconds();
	while (take_handshakes(key("a"), 1, 0, 20) == 0) {
		assert_true(clock_seconds() - start < DEADLINE);
		sched_yield();
	}
}

static void
test_a_handshake_refused_for_its_address_takes_nothing_from_the_node(void **state)
{
	(void)state;
	assert_int_equal(take_handshakes(key("a"), 1, 10, 1), 1);
	take_handshakes(key("a"), 10000, 10, 1);
	for (int i = 0; i < 7; i++)
		assert_true(quota_handshake_take(quota, key_number(i), 10, 1));
}

static void
test_a_handshake_refused_for_the_node_takes_nothing_from_its_address(void **state)
{
	(void)state;
	double start = clock_seconds();
	take_handshakes(key("a"), 1000, 5, 0);
	unsigned got = take_handshakes(key("b"), 1000, 5, 500);
	double elapsed = clock_seconds() - start;
	assert_true(got <= 5 * elapsed + 1);
	/* Of the 500 that b may have at once, it used only those it got. */
	assert_true(take_handshakes(key("b"), 499 - got, 0, 500) == 499 - got);
}

static void
test_a_sender_is_held_to_its_rate(void **state)
{
	(void)state;
	const uint64_t rate = 1000000;
	const double start = clock_seconds();
	uint64_t sent = 0;
	double delay;

	/* Each piece at the time it is told: a tenth of a second ahead, and no more. */
	do {
		sent += quota_bytes_take(quota, key("a"), rate, 65536, &delay);
		double at = clock_seconds() - start + delay;
		assert_true((double)sent <= (double)rate * (at + 0.1) + 2);
	} while (delay < 0.2);
	assert_true(sent >= rate / 10 + rate / 5);
}

static void
test_a_sender_takes_half_a_burst_at_most(void **state)
{
	(void)state;
	double delay;

	/* Neither crumbs, for a sender that is ahead, nor more than others would wait for. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(quota_bytes_take(quota, key("a"), 1000000, 262144, &delay), 50000);
	assert_int_equal(quota_bytes_take(quota, key("a"), 1000000, 7, &delay), 7);
	assert_int_equal(quota_bytes_take(quota, key("slow"), 1, 262144, &delay), 1);
}

static void
test_who_asks_first_sends_first(void **state)
{
	(void)state;
	double start = clock_seconds(), delays[6];

	/* Two at once, the others each half a burst after the one before. */
	for (int i = 0; i < 6; i++)
		assert_int_equal(quota_bytes_take(quota, key("a"), 1000, 100, &delays[i]), 50);
	double elapsed = clock_seconds() - start;
	for (int i = 0; i < 6; i++) {
		double wait = i < 2 ? 0 : 0.05 * (i - 1);
		assert_true(delays[i] <= wait + 1e-6);
		assert_true(delays[i] >= wait - elapsed - 1e-6);
	}
	assert_int_equal(quota_bytes_take(quota, key("b"), 1000, 50, &delays[0]), 50);
	assert_true(delays[0] == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    QUOTA_TEST(test_an_ipv4_address_is_one_key_whatever_its_port_and_form),
	    QUOTA_TEST(test_an_ipv6_network_of_64_bits_is_one_key),
	    QUOTA_TEST(test_texts_have_keys_of_their_own),
	    QUOTA_TEST(test_keys_are_different_in_each_run),
	    QUOTA_TEST(test_connections_are_counted_up_to_the_limit),
	    QUOTA_TEST(test_a_refused_connection_is_not_counted_and_a_closed_one_no_longer),
	    QUOTA_TEST(test_without_a_limit_connections_are_counted_all_the_same),
	    QUOTA_TEST(test_the_limit_holds_over_all_workers),
	    QUOTA_TEST(test_a_worker_that_died_takes_its_connections_along),
	    QUOTA_TEST(test_workers_that_ask_at_once_never_take_more_than_the_limit),
	    QUOTA_TEST(test_what_another_process_counts_is_seen),
	    QUOTA_TEST(test_among_many_keys_none_is_counted_too_low),
	    QUOTA_TEST(test_handshakes_are_held_to_their_rate),
	    QUOTA_TEST(test_workers_that_take_at_once_never_take_one_twice),
	    QUOTA_TEST(test_without_a_limit_every_handshake_is_allowed),
	    QUOTA_TEST(test_the_allowance_of_handshakes_refills),
	    QUOTA_TEST(test_a_handshake_refused_for_its_address_takes_nothing_from_the_node),
	    QUOTA_TEST(test_a_handshake_refused_for_the_node_takes_nothing_from_its_address),
	    QUOTA_TEST(test_a_sender_is_held_to_its_rate),
	    QUOTA_TEST(test_a_sender_takes_half_a_burst_at_most),
	    QUOTA_TEST(test_who_asks_first_sends_first),
	};
	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
