/*
 * The addresses of mirrorgate.yaml: listens and stores.
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

#include "gateway/config/config.h"
#include "gateway/config/config_address.h"
#include "sample.h"

enum { ANSWERS_MAX = 20 };

/* What our getaddrinfo() answers with; one piece of memory. */
struct answer {
	struct addrinfo info[ANSWERS_MAX];
	struct sockaddr_in in[ANSWERS_MAX];
	struct sockaddr_in6 in6[ANSWERS_MAX];
	size_t count;
};

static struct addrinfo *
next_answer(struct answer *answer, int family)
{
	struct addrinfo *info = &answer->info[answer->count];

	assert_in_range(answer->count, 0, ANSWERS_MAX - 1);
	if (answer->count > 0)
		info[-1].ai_next = info;
	info->ai_family = family;
	return info;
}

static void
answer_ipv4(struct answer *answer, const char *address)
{
	struct addrinfo *info = next_answer(answer, AF_INET);
	struct sockaddr_in *in = &answer->in[answer->count++];

	in->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
	info->ai_addr = (struct sockaddr *)in;
}

static void
answer_ipv6(struct answer *answer, const char *address)
{
	struct addrinfo *info = next_answer(answer, AF_INET6);
	struct sockaddr_in6 *in6 = &answer->in6[answer->count++];

	in6->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
	info->ai_addr = (struct sockaddr *)in6;
}

static void
answer_many(struct answer *answer)
{
	char address[INET_ADDRSTRLEN];

	for (int i = 1; i <= ANSWERS_MAX; i++) {
		snprintf(address, sizeof address, "192.0.2.%d", i);
		answer_ipv4(answer, address);
	}
}

static const char *both_addresses[] = {"192.0.2.8", "192.0.2.8", "2001:db8::8"};

static void
answer_both(struct answer *answer)
{
	for (size_t i = 0; i < 3; i++)
		if (strchr(both_addresses[i], ':') != NULL)
			answer_ipv6(answer, both_addresses[i]);
		else
			answer_ipv4(answer, both_addresses[i]);
}

static bool
fill(struct answer *answer, const char *name)
{
	if (strcmp(name, "store.example") == 0)
		answer_ipv4(answer, "192.0.2.7");
	else if (strcmp(name, "six.example") == 0)
		answer_ipv6(answer, "2001:db8::7");
	else if (strcmp(name, "both.example") == 0)
		answer_both(answer);
	else if (strcmp(name, "many.example") == 0)
		answer_many(answer);
	return answer->count > 0;
}

/* In place of the C library's: knows some hosts, and one that only a silent name server knows. */
int
getaddrinfo(
    const char *name, const char *service, const struct addrinfo *req, struct addrinfo **pai)
{
	struct answer *answer;

	assert_null(service);
	assert_non_null(req);
	if (strcmp(name, "silent.example") == 0)
		return EAI_AGAIN;
	answer = calloc(1, sizeof *answer);
	assert_non_null(answer);
	if (!fill(answer, name)) {
		free(answer);
		return EAI_NONAME;
	}
	*pai = answer->info;
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
	assert_ipv4(&config->stores[0].endpoints.all[0].address, "10.1.2.3", 8080);
	assert_int_equal(config->stores[0].endpoints.all[0].len, sizeof(struct sockaddr_in));
	assert_string_equal(config->stores[0].name, "10.1.2.3:8080");
	assert_string_equal(config->stores[0].host, "10.1.2.3:8080");
	assert_ipv6(&config->stores[1].endpoints.all[0].address, "2001:db8::1", 81);
	assert_int_equal(config->stores[1].endpoints.all[0].len, sizeof(struct sockaddr_in6));
	assert_string_equal(config->stores[1].host, "[2001:db8::1]:81");
	assert_ipv4(&config->stores[2].endpoints.all[0].address, "192.0.2.7", 82);
	assert_string_equal(config->stores[2].name, "store.example:82");
	assert_string_equal(config->stores[2].host, "store.example:82");
	assert_ipv6(&config->stores[3].endpoints.all[0].address, "2001:db8::7", 83);
	config_free(config);
}

static void
test_a_store_has_all_addresses_of_its_name_once_each(void **state)
{
	struct config *config = sample_load_line(
	    11, "  servers: [\"http://both.example:82\", \"http://many.example:83\"]");
	const struct config_endpoints *both = &config->stores[0].endpoints;

	(void)state;
	assert_true(config->stores[0].is_name);
	assert_int_equal(both->count, 2);
	assert_ipv4(&both->all[0].address, "192.0.2.8", 82);
	assert_ipv6(&both->all[1].address, "2001:db8::8", 82);
	assert_int_equal(config->stores[1].endpoints.count, CONFIG_ENDPOINTS_MAX);
	config_free(config);
}

static void
test_a_name_is_looked_up_again(void **state)
{
	struct config *config = sample_load_line(11, "  servers: [\"http://both.example:82\"]");
	const struct config_store *store = &config->stores[0];
	struct config_endpoints found;
	char text[100];

	(void)state;
	both_addresses[0] = "2001:db8::8";
	both_addresses[2] = "192.0.2.8";
	assert_null(config_address_look_up(store, &found));
	assert_true(config_address_same(&found, &store->endpoints));
	config_address_print(&found, text, sizeof text);
	assert_string_equal(text, "[2001:db8::8]:82, 192.0.2.8:82");
	config_address_print(&found, text, 20);
	assert_string_equal(text, "[2001:db8::8]:82...");

	both_addresses[0] = "192.0.2.9";
	assert_null(config_address_look_up(store, &found));
	assert_ipv4(&found.all[0].address, "192.0.2.9", 82);
	assert_false(config_address_same(&found, &store->endpoints));
	config_free(config);
	both_addresses[0] = "192.0.2.8";
	both_addresses[2] = "2001:db8::8";
}

static void
test_an_address_is_never_looked_up(void **state)
{
	struct config *config =
	    sample_load_line(11, "  servers: [\"http://10.1.2.3:80\", \"unix:/run/store.sock\"]");

	(void)state;
	assert_false(config->stores[0].is_name);
	assert_false(config->stores[1].is_name);
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
	memcpy(&un, &config->stores[0].endpoints.all[0].address, sizeof un);
	assert_int_equal(un.sun_family, AF_UNIX);
	assert_string_equal(un.sun_path, "/run/store.sock");
	assert_string_equal(config->stores[0].name, "unix:/run/store.sock");
	assert_string_equal(config->stores[0].host, "localhost");
	memcpy(&un, &config->stores[1].endpoints.all[0].address, sizeof un);
	sample_in_folder(un.sun_path, "s/o.sock");
	config_free(config);
}

static void
assert_store_refused(const char *url, const char *defect)
{
	char line[400], message[400];

	snprintf(line, sizeof line, "  servers: [\"%s\"]", url);
	snprintf(message, sizeof message, "`store.servers[0]` %s", defect);
	sample_refuse_line(11, line, message);
}

static void
test_store_urls_have_host_port_and_perhaps_a_base(void **state)
{
	static const char port[] =
	    "must have a port from 1 to 65535 after its host: http://HOST:PORT";
	static const char end[] = "must have no query and no fragment";
	static const char kind[] =
	    "must be http://HOST:PORT/BASE, https://HOST:PORT/BASE or unix:PATH";

	(void)state;
	assert_store_refused("http://a", port);
	assert_store_refused("http://", port);
	assert_store_refused("http://a:", port);
	assert_store_refused("http://a:0", port);
	assert_store_refused("http://a:65536", port);
	assert_store_refused("http://a:080", port);
	assert_store_refused("http://a:http", port);
	assert_store_refused("http://a/b:80", port);
	assert_store_refused("http://a:80?x", end);
	assert_store_refused("http://a:80/b#x", end);
	assert_store_refused("http://me:pw@a:80", "must not hold a user name or password");
	assert_store_refused("127.0.0.1:80", kind);
	assert_store_refused("ftp://a:80", kind);
	assert_store_refused("HTTP://a:80", kind);
	assert_store_refused("", kind);
}

static void
test_a_base_goes_before_every_path(void **state)
{
	struct config *config = sample_load_line(11,
	    "  servers: [\"http://10.1.2.3:80/a b/:c@d\", \"http://10.1.2.3:80\",\n"
	    "    \"http://store.example:80/x:1\", \"http://store.example:80/y\"]");
	struct config_endpoints found;

	(void)state;
	assert_string_equal(config->stores[0].base, "/a b/:c@d");
	assert_string_equal(config->stores[0].name, "10.1.2.3:80/a b/:c@d");
	assert_string_equal(config->stores[0].host, "10.1.2.3:80");
	assert_string_equal(config->stores[1].base, "");
	assert_string_equal(config->stores[2].host, "store.example:80");
	assert_null(config_address_look_up(&config->stores[2], &found));
	assert_ipv4(&found.all[0].address, "192.0.2.7", 80);
	config_free(config);
	config = sample_load_line(11, "  servers: [\"unix:/run/store.sock\"]");
	assert_string_equal(config->stores[0].base, "");
	config_free(config);
}

static void
test_stores_over_tls_must_be_named(void **state)
{
	struct config *config = sample_load_line(11,
	    "  servers: [\"https://10.1.2.3:443/x\", \"https://[2001:db8::1]:443\",\n"
	    "    \"https://store.example:8443\", \"http://store.example:80\"]\n  ca: ca.crt");
	struct config_endpoints found;

	(void)state;
	assert_string_equal(config->stores[0].name, "https://10.1.2.3:443/x");
	assert_string_equal(config->stores[0].host, "10.1.2.3:443");
	assert_string_equal(config->stores[0].base, "/x");
	assert_string_equal(config->stores[0].tls_name, "10.1.2.3");
	assert_string_equal(config->stores[1].tls_name, "2001:db8::1");
	assert_string_equal(config->stores[2].tls_name, "store.example");
	assert_null(config->stores[3].tls_name);
	assert_null(config_address_look_up(&config->stores[2], &found));
	assert_ipv4(&found.all[0].address, "192.0.2.7", 8443);
	config_free(config);
}

static void
test_a_base_is_a_path_in_canonical_form(void **state)
{
	static const char form[] = "must have a path in canonical form after its port";
	char url[1100] = "http://10.1.2.3:80/";

	(void)state;
	assert_store_refused("http://10.1.2.3:80/", "must not end in /");
	assert_store_refused("http://10.1.2.3:80/a/", "must not end in /");
	assert_store_refused("http://10.1.2.3:80/a/../b", form);
	assert_store_refused("http://10.1.2.3:80/a//b", form);
	assert_store_refused("http://10.1.2.3:80/a%20b", form);
	assert_store_refused("http://10.1.2.3:80/a;b", form);
	assert_store_refused("http://10.1.2.3:80/a\\r\\nX:y", form);
	memset(url + strlen(url), 'p', 1024);
	assert_string_equal(
	    config_address_store(url, "", NULL, NULL), "has a path of more than 1024 bytes");
}

static void
test_a_host_field_is_a_name_or_an_address(void **state)
{
	static const char *const good[] = {"store.example", "store.example:8080", "10.1.2.3",
	    "10.1.2.3:80", "[2001:db8::1]", "[2001:db8::1]:443", "a"};
	static const char *const bad[] = {"", ":", ":80", "a:", "a:0", "a:65536", "a b", "a_b",
	    "2001:db8::1", "[2001:db8::1", "[2001:db8::1]x", "[a]", "[10.1.2.3]", "127.1", "a/b",
	    "me@a", "a\r\nX: y", "[]", "a:80:80"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(config_address_host(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_string_equal(config_address_host(bad[i]),
		    "must be a host name or an address, with or without a port");
	assert_string_equal(config_address_host("[::ffff:1.2.3.4]"),
	    "must be written as the IPv4 address that it holds");
}

static void
test_store_hosts_are_addresses_or_names_that_resolve(void **state)
{
	static const char host[] =
	    "has neither a host name nor an address between \"//\" and the port";

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
	assert_int_equal(config->stores[0].endpoints.all[0].len, sizeof(struct sockaddr_un));
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
	    cmocka_unit_test(test_a_store_has_all_addresses_of_its_name_once_each),
	    cmocka_unit_test(test_a_name_is_looked_up_again),
	    cmocka_unit_test(test_an_address_is_never_looked_up),
	    cmocka_unit_test(test_stores_are_unix_sockets),
	    cmocka_unit_test(test_a_base_goes_before_every_path),
	    cmocka_unit_test(test_stores_over_tls_must_be_named),
	    cmocka_unit_test(test_a_base_is_a_path_in_canonical_form),
	    cmocka_unit_test(test_a_host_field_is_a_name_or_an_address),
	    cmocka_unit_test(test_store_urls_have_host_port_and_perhaps_a_base),
	    cmocka_unit_test(test_store_hosts_are_addresses_or_names_that_resolve),
	    cmocka_unit_test(test_unix_socket_paths_must_fit),
	    cmocka_unit_test(test_a_store_is_named_once),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
