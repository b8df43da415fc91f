/*
 * The networks of mirrorgate.yaml: what they contain and what they do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/un.h>

#include "gateway/config/config.h"
#include "gateway/config/config_network.h"
#include "sample.h"

static bool
contains(const struct config *config, const char *text)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const struct sockaddr *address = (const struct sockaddr *)&in;

	if (inet_pton(AF_INET, text, &in.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
		address = (const struct sockaddr *)&in6;
	}
	return config_network_contains(
	    config->listens[0].proxy_from, config->listens[0].proxy_from_count, address);
}

static struct config *
load_networks(const char *networks)
{
	char line[300];

	snprintf(line, sizeof line, "    proxy_protocol_from: [%s]", networks);
	return sample_load_line(3, line);
}

static void
test_networks_contain_their_addresses_and_no_others(void **state)
{
	struct config *config = load_networks("10.0.0.0/8, 192.0.2.16/28, \"2001:db8:80::/41\"");

	(void)state;
	assert_int_equal(config->listens[0].proxy_from_count, 3);
	assert_true(contains(config, "10.0.0.0"));
	assert_true(contains(config, "10.255.255.255"));
	assert_false(contains(config, "11.0.0.0"));
	assert_false(contains(config, "9.255.255.255"));
	assert_true(contains(config, "192.0.2.16"));
	assert_true(contains(config, "192.0.2.31"));
	assert_false(contains(config, "192.0.2.32"));
	assert_false(contains(config, "192.0.2.15"));
	assert_true(contains(config, "2001:db8:80::1"));
	assert_true(contains(config, "2001:db8:ff:ffff::"));
	assert_false(contains(config, "2001:db8:100::"));
	assert_false(contains(config, "2001:db8:7f::"));
	config_free(config);
}

static void
test_an_ipv4_mapped_address_is_the_ipv4_address(void **state)
{
	struct config *config = load_networks("10.0.0.0/8");

	(void)state;
	assert_true(contains(config, "::ffff:10.1.2.3"));
	assert_false(contains(config, "::ffff:11.1.2.3"));
	assert_false(contains(config, "::10.1.2.3"));
	config_free(config);
	config = load_networks("\"::/0\"");
	assert_true(contains(config, "2001:db8::1"));
	assert_false(contains(config, "::ffff:10.1.2.3"));
	assert_false(contains(config, "10.1.2.3"));
	config_free(config);
}

static void
test_the_widest_and_narrowest_networks(void **state)
{
	struct config *config = load_networks("0.0.0.0/0");

	(void)state;
	assert_true(contains(config, "255.255.255.255"));
	assert_true(contains(config, "::ffff:1.2.3.4"));
	assert_false(contains(config, "::1"));
	config_free(config);
	config = load_networks("10.0.0.1/32, 10.0.0.3, \"2001:db8::1/128\", \"2001:db8::3\"");
	assert_true(contains(config, "10.0.0.1"));
	assert_false(contains(config, "10.0.0.0"));
	assert_true(contains(config, "10.0.0.3"));
	assert_false(contains(config, "10.0.0.2"));
	assert_true(contains(config, "2001:db8::1"));
	assert_true(contains(config, "2001:db8::3"));
	assert_false(contains(config, "2001:db8::2"));
	config_free(config);
}

static void
test_no_network_contains_a_unix_socket(void **state)
{
	struct config *config = load_networks("0.0.0.0/0, \"::/0\"");
	const struct sockaddr_un un = {.sun_family = AF_UNIX};

	(void)state;
	assert_false(config_network_contains(config->listens[0].proxy_from,
	    config->listens[0].proxy_from_count, (const struct sockaddr *)&un));
	assert_false(config_network_contains(NULL, 0, (const struct sockaddr *)&un));
	config_free(config);
}

static void
assert_network_refused(const char *network, const char *defect)
{
	char line[200], message[300];

	snprintf(line, sizeof line, "    proxy_protocol_from: [10.0.0.0/8, \"%s\"]", network);
	snprintf(message, sizeof message, "`listen[0].proxy_protocol_from[1]` %s", defect);
	sample_refuse_line(3, line, message);
}

static void
test_what_is_no_network_is_refused(void **state)
{
	static const char syntax[] = "must be a network such as 10.0.0.0/8 or 2001:db8::/32";
	static const char beyond[] =
	    "has bits set beyond its prefix: is the address or the prefix wrong?";

	(void)state;
	assert_network_refused("", syntax);
	assert_network_refused("/8", syntax);
	assert_network_refused("10.0.0.0/", syntax);
	assert_network_refused("10.0.0.0/33", syntax);
	assert_network_refused("10.0.0.0/08", syntax);
	assert_network_refused("10.0.0.0/-1", syntax);
	assert_network_refused("10.0.0.0/8/8", syntax);
	assert_network_refused("10.0.0.0/255.0.0.0", syntax);
	assert_network_refused("10/8", syntax);
	assert_network_refused("2001:db8::/129", syntax);
	assert_network_refused("[2001:db8::]/32", syntax);
	assert_network_refused("balancer.example", syntax);
	assert_network_refused("10.0.0.1/8", beyond);
	assert_network_refused("2001:db8::1/32", beyond);
	assert_network_refused(
	    "::ffff:10.0.0.0/104", "must be written as the IPv4 network that it holds");
	sample_refuse_line(
	    3, "    proxy_protocol_from: []", "`proxy_protocol_from` must be at least 1 long");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_networks_contain_their_addresses_and_no_others),
	    cmocka_unit_test(test_an_ipv4_mapped_address_is_the_ipv4_address),
	    cmocka_unit_test(test_the_widest_and_narrowest_networks),
	    cmocka_unit_test(test_no_network_contains_a_unix_socket),
	    cmocka_unit_test(test_what_is_no_network_is_refused),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
