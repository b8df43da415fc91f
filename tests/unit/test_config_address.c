/*
 * The addresses of mirrorgate.yaml: listens, networks and stores.
 *
 * Host names are resolved by a getaddrinfo() of our own, so that no test asks a name server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "../../gateway/config.h"
#include "sample.h"

/* What our getaddrinfo() answers with; one piece of memory. */
struct answer {
	struct addrinfo info;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static void
answer_ipv4(struct answer *answer, const char *address)
{
	answer->in.sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, address, &answer->in.sin_addr), 1);
	answer->info.ai_family = AF_INET;
	answer->info.ai_addr = (struct sockaddr *)&answer->in;
}

static void
answer_ipv6(struct answer *answer, const char *address)
{
	answer->in6.sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, address, &answer->in6.sin6_addr), 1);
	answer->info.ai_family = AF_INET6;
	answer->info.ai_addr = (struct sockaddr *)&answer->in6;
}

/* In place of the C library's: knows two hosts, and one that only a silent name server knows. */
int
getaddrinfo(
    const char *name, const char *service, const struct addrinfo *req, struct addrinfo **pai)
{
	struct answer *answer;

	assert_null(service);
	assert_non_null(req);
	if (strcmp(name, "silent.example") == 0)
		return EAI_AGAIN;
	if (strcmp(name, "store.example") != 0 && strcmp(name, "six.example") != 0)
		return EAI_NONAME;
	answer = calloc(1, sizeof *answer);
	assert_non_null(answer);
	if (strcmp(name, "store.example") == 0)
		answer_ipv4(answer, "192.0.2.7");
	else
		answer_ipv6(answer, "2001:db8::7");
	*pai = &answer->info;
	return 0;
}

void
freeaddrinfo(struct addrinfo *ai)
{
	free(ai);
}

static void
assert_ipv4(const struct sockaddr_storage *address, const char *host, uint16_t port)
{
	struct sockaddr_in in;
	char text[INET_ADDRSTRLEN];

	assert_int_equal(address->ss_family, AF_INET);
	memcpy(&in, address, sizeof in);
	assert_string_equal(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text), host);
	assert_int_equal(ntohs(in.sin_port), port);
}

static void
assert_ipv6(const struct sockaddr_storage *address, const char *host, uint16_t port)
{
	struct sockaddr_in6 in6;
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(address->ss_family, AF_INET6);
	memcpy(&in6, address, sizeof in6);
	assert_string_equal(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text), host);
	assert_int_equal(ntohs(in6.sin6_port), port);
}

static void
test_only_port_443_without_the_unsafe_flag(void **state)
{
	static const char needs_flag[] =
	    "`listen[0].port` must be 443; any other port needs --unsafe-any-port";
	struct config *config;

	(void)state;
	sample_refuse_line(3, "    port: 8443", needs_flag);
	sample_refuse_line(3, "    port: 80", needs_flag);
	sample_refuse_line(3, "    port: 0", needs_flag);
	config = sample_load_line(3, "    # port left out");
	assert_ipv4(&config->listens[0].address, "127.0.0.1", 443);
	config_free(config);
}

static void
test_any_port_with_the_unsafe_flag(void **state)
{
	struct config *config = sample_load(sample_text(3, "    port: 0", ""), true);

	(void)state;
	assert_ipv4(&config->listens[0].address, "127.0.0.1", 0);
	config_free(config);
	config = sample_load(sample_text(3, "    port: 65535", ""), true);
	assert_ipv4(&config->listens[0].address, "127.0.0.1", 65535);
	assert_string_equal(config->listens[0].text, "127.0.0.1:65535");
	config_free(config);
	sample_refuse(sample_text(3, "    port: 65536", ""), true,
	    "3: `listen[0].port` must be a port number\n");
	sample_refuse(sample_text(3, "    port: 0x1bb", ""), true,
	    "3: `listen[0].port` must be a port number\n");
	sample_refuse(sample_text(3, "    port: -1", ""), true,
	    "3: `listen[0].port` must be a port number\n");
	sample_refuse(sample_text(3, "    port: 0443", ""), true,
	    "3: `listen[0].port` must be a port number\n");
}

static void
test_ipv6_listens_with_and_without_brackets(void **state)
{
	static const char *const lines[] = {"  - address: \"[::]\"", "  - address: \"::\""};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct config *config = sample_load_line(2, lines[i]);

		assert_ipv6(&config->listens[0].address, "::", 443);
		assert_int_equal(config->listens[0].address_len, sizeof(struct sockaddr_in6));
		assert_string_equal(config->listens[0].text, "[::]:443");
		config_free(config);
	}
}

static void
test_what_is_no_numeric_address_is_refused(void **state)
{
	static const char *const wrong[] = {"localhost", "127.1", "1.2.3.4.5", "[127.0.0.1]",
	    "'[::1'", "'::1]'", "fe80::1%eth0", "'*'", "''", "'[]'", "127.0.0.1:443"};
	char line[100];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line, "  - address: \"%s\"", wrong[i]);
		sample_refuse_line(2, line,
		    "`listen[0].address` must be a numeric address such as 0.0.0.0 or [::]");
	}
	sample_refuse_line(2, "  - address: \"::ffff:127.0.0.1\"",
	    "`listen[0].address` must be written as the IPv4 address that it holds");
}

static void
test_two_listens_may_not_share_an_address(void **state)
{
	const char *text = sample_text(3, "    port: 443\n  - address: \"127.0.0.1\"", "");
	struct config *config;

	(void)state;
	sample_refuse(text, false, "4: `listen[1].address` repeats 127.0.0.1:443\n");
	sample_refuse(sample_text(2, "  - address: \"::1\"\n  - address: \"[0:0::1]\"", ""), false,
	    "3: `listen[1].address` repeats [::1]:443\n");
	config =
	    sample_load(sample_text(3, "    port: 0\n  - {address: 127.0.0.1, port: 0}", ""), true);
	assert_int_equal(config->listen_count, 2);
	config_free(config);
	config = sample_load(
	    sample_text(3, "    port: 443\n  - {address: 127.0.0.1, port: 444}", ""), true);
	assert_ipv4(&config->listens[1].address, "127.0.0.1", 444);
	config_free(config);
}

static void
test_a_listen_needs_its_address(void **state)
{
	(void)state;
	sample_refuse(sample_text(2, "  -", ""), false, "3: missing key `listen[0].address`\n");
}

static void
test_stores_are_http_servers(void **state)
{
	struct config *config = sample_load_line(11,
	    "  servers: [\"http://10.1.2.3:8080\", \"http://[2001:db8::1]:81\",\n"
	    "    \"http://store.example:82\", \"http://six.example:83\"]");

	(void)state;
	assert_int_equal(config->store_count, 4);
	assert_ipv4(&config->stores[0].address, "10.1.2.3", 8080);
	assert_int_equal(config->stores[0].address_len, sizeof(struct sockaddr_in));
	assert_string_equal(config->stores[0].name, "10.1.2.3:8080");
	assert_string_equal(config->stores[0].host, "10.1.2.3:8080");
	assert_ipv6(&config->stores[1].address, "2001:db8::1", 81);
	assert_int_equal(config->stores[1].address_len, sizeof(struct sockaddr_in6));
	assert_string_equal(config->stores[1].host, "[2001:db8::1]:81");
	assert_ipv4(&config->stores[2].address, "192.0.2.7", 82);
	assert_string_equal(config->stores[2].name, "store.example:82");
	assert_string_equal(config->stores[2].host, "store.example:82");
	assert_ipv6(&config->stores[3].address, "2001:db8::7", 83);
	config_free(config);
}

static void
test_stores_are_unix_sockets(void **state)
{
	struct config *config =
	    sample_load_line(11, "  servers: [\"unix:/run/store.sock\", \"unix:s/o.sock\"]");
	struct sockaddr_un un;

	(void)state;
	assert_int_equal(config->store_count, 2);
	memcpy(&un, &config->stores[0].address, sizeof un);
	assert_int_equal(un.sun_family, AF_UNIX);
	assert_string_equal(un.sun_path, "/run/store.sock");
	assert_string_equal(config->stores[0].name, "unix:/run/store.sock");
	assert_string_equal(config->stores[0].host, "localhost");
	memcpy(&un, &config->stores[1].address, sizeof un);
	sample_in_folder(un.sun_path, "s/o.sock");
	config_free(config);
}

static void
assert_store_refused(const char *url, const char *defect)
{
	char line[300], message[400];

	snprintf(line, sizeof line, "  servers: [\"%s\"]", url);
	snprintf(message, sizeof message, "`store.servers[0]` %s", defect);
	sample_refuse_line(11, line, message);
}

static void
test_store_urls_have_no_more_than_host_and_port(void **state)
{
	static const char port[] = "must end in a port from 1 to 65535: http://HOST:PORT";
	static const char path[] = "must end after the port: no path, not even /";
	static const char kind[] = "must be http://HOST:PORT or unix:PATH";

	(void)state;
	assert_store_refused("http://a", port);
	assert_store_refused("http://", port);
	assert_store_refused("http://a:", port);
	assert_store_refused("http://a:0", port);
	assert_store_refused("http://a:65536", port);
	assert_store_refused("http://a:080", port);
	assert_store_refused("http://a:http", port);
	assert_store_refused("http://a:80/", path);
	assert_store_refused("http://a:80?x", path);
	assert_store_refused("http://a:80#x", path);
	assert_store_refused("http://me:pw@a:80", "must not hold a user name or password");
	assert_store_refused("127.0.0.1:80", kind);
	assert_store_refused("ftp://a:80", kind);
	assert_store_refused("HTTP://a:80", kind);
	assert_store_refused("", kind);
}

static void
test_store_hosts_are_addresses_or_names_that_resolve(void **state)
{
	static const char host[] =
	    "has neither a host name nor an address between \"http://\" and the port";

	(void)state;
	assert_store_refused("http://:80", host);
	assert_store_refused("http://a_b:80", host);
	assert_store_refused("http://a b:80", host);
	assert_store_refused("http://a\\r\\nX:80", host);
	assert_store_refused("http://127.1:80", host);
	assert_store_refused("http://1.2.3.256:80", host);
	assert_store_refused("http://0x7f.0x1:80", host);
	assert_store_refused("http://[1.2.3.4]:80", host);
	assert_store_refused("http://[fe80::1%lo]:80", host);
	assert_store_refused(
	    "http://::1:80", "must have its IPv6 address in brackets: http://[::1]:8080");
	assert_store_refused(
	    "http://[::ffff:1.2.3.4]:80", "must be written as the IPv4 address that it holds");
	assert_store_refused("http://unknown.example:80", "names a host that nobody knows");
	assert_store_refused("http://silent.example:80",
	    "names a host that cannot be resolved now: the name servers do not answer");
}

static void
test_unix_socket_paths_must_fit(void **state)
{
	char url[300], path[200];
	struct config *config;

	(void)state;
	memset(path, 'p', sizeof path);
	path[0] = '/';
	path[108] = '\0';
	snprintf(url, sizeof url, "unix:%s", path);
	assert_store_refused(url, "has a path that is too long for a Unix socket (107 bytes)");
	path[107] = '\0';
	snprintf(url, sizeof url, "  servers: [\"unix:%s\"]", path);
	config = sample_load_line(11, url);
	assert_int_equal(config->stores[0].address_len, sizeof(struct sockaddr_un));
	config_free(config);
	assert_store_refused("unix:", "must name a file, not be empty");
	assert_store_refused("unix:/a\\tb", "must not hold control characters");
}

static void
test_a_store_is_named_once(void **state)
{
	(void)state;
	sample_refuse_line(11, "  servers: [\"http://127.0.0.1:80\", \"http://127.0.0.1:80\"]",
	    "`store.servers[1]` repeats 127.0.0.1:80");
}

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
	    cmocka_unit_test(test_only_port_443_without_the_unsafe_flag),
	    cmocka_unit_test(test_any_port_with_the_unsafe_flag),
	    cmocka_unit_test(test_ipv6_listens_with_and_without_brackets),
	    cmocka_unit_test(test_what_is_no_numeric_address_is_refused),
	    cmocka_unit_test(test_two_listens_may_not_share_an_address),
	    cmocka_unit_test(test_a_listen_needs_its_address),
	    cmocka_unit_test(test_stores_are_http_servers),
	    cmocka_unit_test(test_stores_are_unix_sockets),
	    cmocka_unit_test(test_store_urls_have_no_more_than_host_and_port),
	    cmocka_unit_test(test_store_hosts_are_addresses_or_names_that_resolve),
	    cmocka_unit_test(test_unix_socket_paths_must_fit),
	    cmocka_unit_test(test_a_store_is_named_once),
	    cmocka_unit_test(test_networks_contain_their_addresses_and_no_others),
	    cmocka_unit_test(test_an_ipv4_mapped_address_is_the_ipv4_address),
	    cmocka_unit_test(test_the_widest_and_narrowest_networks),
	    cmocka_unit_test(test_no_network_contains_a_unix_socket),
	    cmocka_unit_test(test_what_is_no_network_is_refused),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
