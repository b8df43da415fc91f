/*
 * spot.yaml: nothing of trust has a default, and every mistake is reported with its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/common/config.h"
#include "client/common/lock.h"
#include "client_fixture.h"

#define PIN(letter) "sha256//" letter "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SERVERS "servers: [https://a.example]\n"
#define FILES "certificate: c.crt\nkey: c.key\nca: ca.crt\n"
#define PINS "pins: [" PIN("A") ", " PIN("B") "]\n"
#define GOOD SERVERS FILES PINS /* five lines: what is added stands on line 6 */

static struct config *
read_text(const char *text, struct problems *problems)
{
	return config_read("/etc/spot/spot.yaml", text, strlen(text), problems);
}

static struct config *
good(const char *text)
{
	struct problems *problems = problems_new();
	struct config *config = read_text(text, problems);

	if (config == NULL)
		fail_msg("%s", problems_text(problems, 0));
	assert_int_equal(problems_count(problems), 0);
	problems_free(problems);
	return config;
}

/* TEXT has one problem, "LINE: MESSAGE". */
static void
assert_refuses(const char *text, const char *expected)
{
	static const char name[] = "/etc/spot/spot.yaml:";
	struct problems *problems = problems_new();

	assert_null(read_text(text, problems));
	assert_int_equal(problems_count(problems), 1);
	const char *problem = problems_text(problems, 0);
	assert_memory_equal(problem, name, sizeof name - 1);
	assert_string_equal(problem + sizeof name - 1, expected);
	problems_free(problems);
}

static void
test_the_smallest_file_gives_every_default(void **state)
{
	struct config *config = good(GOOD);

	(void)state;
	assert_int_equal(config->server_count, 1);
	assert_string_equal(config->servers[0], "https://a.example");
	assert_string_equal(config->pins, PIN("A") ";" PIN("B"));
	assert_string_equal(config->proxy, "");
	assert_string_equal(config->cache, "/var/cache/spot");
	assert_string_equal(config->state, "/var/lib/spot");
	assert_null(config->release);
	assert_null(config->crl);
	assert_int_equal(config->crl_max_age, 24 * 60 * 60);
	assert_int_equal(config->tries, 5);
	assert_int_equal(config->connections, 4);
	assert_int_equal(config->rate, 0);
	assert_int_equal(config->lock_wait, LOCK_WAIT_SECONDS);
	assert_int_equal(config->mirror_interval, 24 * 60 * 60);
	assert_int_equal(config->max_removals.number, 10);
	assert_true(config->max_removals.is_percent);
	assert_false(config->allow_sha1);
	assert_false(config->index_required);
	config_free(config);
}

static void
test_an_index_is_required_where_the_file_says_so(void **state)
{
	struct config *config = good(GOOD "index: required\n");

	(void)state;
	assert_true(config->index_required);
	config_free(config);
	config = good(GOOD "index: once-seen\n");
	assert_false(config->index_required);
	config_free(config);
	assert_refuses(GOOD "index: optional\n", "6: `index` must be once-seen or required");
	assert_refuses(GOOD "index: ''\n", "6: `index` must be once-seen or required");
}

static void
test_file_names_start_at_the_folder_of_the_file(void **state)
{
	struct config *config = good(GOOD "release: ../r.crt\ncrl: ca.crl\ncache: /c\nstate: s\n");

	(void)state;
	assert_string_equal(config->certificate, "/etc/spot/c.crt");
	assert_string_equal(config->key, "/etc/spot/c.key");
	assert_string_equal(config->ca, "/etc/spot/ca.crt");
	assert_string_equal(config->release, "/etc/spot/../r.crt");
	assert_string_equal(config->crl, "/etc/spot/ca.crl");
	assert_string_equal(config->cache, "/c");
	assert_string_equal(config->state, "/etc/spot/s");
	config_free(config);
}

static void
test_every_scalar_is_read_into_its_own_place(void **state)
{
	struct config *config =
	    good(GOOD "proxy: http://p:3128\ntries: 100\nconnections: 16\n"
	              "rate: 2M\nallow_sha1: true\nlock_wait: 10m\n"
	              "mirror_interval: 2h\nmax_removals: 5\ncrl_max_age: 3h\n");

	(void)state;
	assert_string_equal(config->proxy, "http://p:3128");
	assert_int_equal(config->tries, 100);
	assert_int_equal(config->connections, 16);
	assert_int_equal(config->rate, 2 * 1024 * 1024);
	assert_true(config->allow_sha1);
	assert_int_equal(config->lock_wait, 600);
	assert_int_equal(config->mirror_interval, 7200);
	assert_int_equal(config->crl_max_age, 10800);
	assert_int_equal(config->max_removals.number, 5);
	assert_false(config->max_removals.is_percent);
	config_free(config);
}

static void
test_nothing_of_trust_has_a_default(void **state)
{
	(void)state;
	assert_refuses(FILES PINS, "1: `servers` is missing");
	assert_refuses(SERVERS "key: c.key\nca: ca.crt\n" PINS, "1: `certificate` is missing");
	assert_refuses(SERVERS "certificate: c.crt\nca: ca.crt\n" PINS, "1: `key` is missing");
	assert_refuses(SERVERS "certificate: c.crt\nkey: c.key\n" PINS, "1: `ca` is missing");
	assert_refuses(SERVERS FILES, "1: `pins` needs the key in use and at least one spare");
}

static void
test_a_spare_pin_is_another_key(void **state)
{
	(void)state;
	assert_refuses(SERVERS FILES "pins: [" PIN("A") "]\n",
	    "5: `pins` needs the key in use and at least one spare");
	assert_refuses(SERVERS FILES "pins: [" PIN("A") ", " PIN("A") "]\n",
	    "5: `pins[1]` is there twice: a spare is another key");
}

static void
test_what_is_no_pin_is_refused(void **state)
{
	static const char *const bad[] = {"a", "sha256//", "sha256//AAAA=",
	    "SHA256//"
	    "AA",
	    "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", PIN("A") "=", PIN("AA"),
	    "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-=", PIN("A") ";" PIN("B")};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, SERVERS FILES "pins:\n- %s\n- " PIN("B") "\n", bad[i]);
		assert_refuses(text, "6: `pins[0]` must be sha256// and the Base64 of 32 bytes");
	}
}

static void
test_what_is_no_origin_is_refused(void **state)
{
	static const char *const bad[] = {"a.example", "http://a.example", "https://", "https://a/",
	    "https://u@a", "https://a:0", "https://a:65536", "https://a:", "https://a:1x",
	    "https://A.example", "https://a b", "https://a?x", "https://[::1", "https://[::1]x"};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "servers:\n- '%s'\n" FILES PINS, bad[i]);
		assert_refuses(text, "2: `servers[0]` must be https://HOST or https://HOST:PORT");
	}
	assert_refuses(GOOD "proxy: https://p:1\n",
	    "6: `proxy` must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT");
}

static void
test_ports_and_ipv6_addresses_are_taken(void **state)
{
	struct config *config = good(
	    "servers: ['https://a:8443', 'https://[::1]', 'https://[2001:db8::1]:65535']\n" FILES
	        PINS);

	(void)state;
	assert_int_equal(config->server_count, 3);
	assert_null(config->servers[3]);
	config_free(config);
}

static void
test_values_out_of_range_are_refused_with_their_line(void **state)
{
	(void)state;
	assert_refuses(GOOD "tries: 0\n", "6: `tries` must be a number from 1 to 100");
	assert_refuses(GOOD "tries: 101\n", "6: `tries` must be a number from 1 to 100");
	assert_refuses(GOOD "connections: 17\n", "6: `connections` must be a number from 1 to 16");
	assert_refuses(GOOD "rate: 0\n", "6: `rate` must be bytes a second, such as 500K or 2M");
	assert_refuses(GOOD "allow_sha1: yes\n", "6: `allow_sha1` must be true or false");
	assert_refuses(GOOD "mirror_interval: 0d\n",
	    "6: `mirror_interval` must be a duration, such as 60s, 10m, 12h or 7d");
	assert_refuses(GOOD "max_removals: 101%\n",
	    "6: `max_removals` must be a number of versions or a percentage, such as 20 or 10%");
	assert_refuses(GOOD "lock_wait: 0s\n",
	    "6: `lock_wait` must be a duration, such as 60s, 10m, 12h or 7d");
	assert_refuses(GOOD "cache: ''\n", "6: `cache` is missing");
}

static void
test_unknown_and_repeated_keys_are_refused(void **state)
{
	struct problems *problems = problems_new();

	(void)state;
	assert_null(read_text(GOOD "pin: a\n", problems));
	assert_null(read_text(GOOD "key: other\n", problems));
	assert_int_equal(problems_count(problems), 2);
	problems_free(problems);
}

static void
test_a_file_that_is_not_there_is_a_problem(void **state)
{
	struct problems *problems = problems_new();

	(void)state;
	assert_null(config_load("/nonexistent/spot.yaml", problems));
	assert_int_equal(problems_count(problems), 1);
	problems_free(problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_smallest_file_gives_every_default),
	    cmocka_unit_test(test_an_index_is_required_where_the_file_says_so),
	    cmocka_unit_test(test_file_names_start_at_the_folder_of_the_file),
	    cmocka_unit_test(test_every_scalar_is_read_into_its_own_place),
	    cmocka_unit_test(test_nothing_of_trust_has_a_default),
	    cmocka_unit_test(test_a_spare_pin_is_another_key),
	    cmocka_unit_test(test_what_is_no_pin_is_refused),
	    cmocka_unit_test(test_what_is_no_origin_is_refused),
	    cmocka_unit_test(test_ports_and_ipv6_addresses_are_taken),
	    cmocka_unit_test(test_values_out_of_range_are_refused_with_their_line),
	    cmocka_unit_test(test_unknown_and_repeated_keys_are_refused),
	    cmocka_unit_test(test_a_file_that_is_not_there_is_a_problem),
	};
	return cmocka_run_group_tests_name("spot_config", tests, NULL, NULL);
}
