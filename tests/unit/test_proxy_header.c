/*
 * PROXY headers, versions 1 and 2: who is named, how many bytes are used, and what is refused.
 *
 * Each header is delivered in one piece and byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "gateway/client_side/proxy_header.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(literal) (literal), sizeof(literal) - 1
#define V2 "\r\n\r\n\0\r\nQUIT\n"

static struct sockaddr_storage client;

/* Reads from memory that ends with the last byte. */
static enum proxy_header_result
read_exact(const char *bytes, size_t len, size_t *used)
{
	char *exact = malloc(len);

	assert_non_null(exact);
	memcpy(exact, bytes, len);
	enum proxy_header_result result = proxy_header_read(exact, len, used, &client);
	free(exact);
	return result;
}

/* The result for the first bytes that give one, which must be that for all of them. */
static enum proxy_header_result
read_header(const char *bytes, size_t len, size_t *used)
{
	enum proxy_header_result result = PROXY_HEADER_INCOMPLETE;
	size_t drip_used = 0, n;

	for (n = 1; n <= len && result == PROXY_HEADER_INCOMPLETE; n++) {
		client = (struct sockaddr_storage){0};
		result = read_exact(bytes, n, &drip_used);
	}
	client = (struct sockaddr_storage){0};
	assert_int_equal(read_exact(bytes, len, used), result);
	if (result == PROXY_HEADER_COMPLETE) {
		assert_int_equal(drip_used, *used);
		assert_int_equal(n - 1, *used);
	}
	return result;
}

static void
assert_complete(const char *bytes, size_t len, size_t expected)
{
	size_t used = 0;

	if (read_header(bytes, len, &used) != PROXY_HEADER_COMPLETE)
		fail_msg("not complete: %.*s", (int)len, bytes);
	assert_int_equal(used, expected);
}

static void
assert_refused(const char *bytes, size_t len)
{
	size_t used = 0;

	if (read_header(bytes, len, &used) != PROXY_HEADER_REFUSED)
		fail_msg("not refused: %.*s", (int)len, bytes);
}

/* The client must be ADDRESS and PORT; ADDRESS NULL: none was named. */
static void
assert_client(const char *address, unsigned port)
{
	char text[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&client;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&client;

	if (address == NULL) {
		assert_int_equal(client.ss_family, AF_UNSPEC);
	} else if (strchr(address, ':') == NULL) {
		assert_int_equal(client.ss_family, AF_INET);
		assert_string_equal(inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text), address);
		assert_int_equal(ntohs(v4->sin_port), port);
	} else {
		assert_int_equal(client.ss_family, AF_INET6);
		assert_string_equal(
		    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text), address);
		assert_int_equal(ntohs(v6->sin6_port), port);
	}
}

static void
test_version_1_names_the_client(void **state)
{
	(void)state;
	assert_complete(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 51234 443\r\n"), 42);
	assert_client("192.0.2.1", 51234);
	assert_complete(BYTES("PROXY TCP6 2001:db8::1 ::1 65535 443\r\n"), 38);
	assert_client("2001:db8::1", 65535);
	assert_complete(BYTES("PROXY TCP4 255.255.255.255 0.0.0.0 0 1\r\n\x16\x03\x01"), 40);
	assert_client("255.255.255.255", 0);
}

static void
test_version_1_unknown_names_nobody(void **state)
{
	(void)state;
	assert_complete(BYTES("PROXY UNKNOWN\r\n"), 15);
	assert_client(NULL, 0);
	assert_complete(BYTES("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nrest"), 35);
	assert_client(NULL, 0);
}

static void
test_version_1_is_read_as_strictly_as_it_is_written(void **state)
{
	(void)state;
	static const char *const words[] = {"", " ", "TCP4", "TCP4 ", "TCP4 192.0.2.1",
	    "TCP4 192.0.2.1 192.0.2.2", "TCP4 192.0.2.1 192.0.2.2 1", "TCP4 192.0.2.1 192.0.2.2 1 ",
	    "TCP4 192.0.2.1 192.0.2.2 1 2 ", "TCP4 192.0.2.1 192.0.2.2 1 2 3",
	    "TCP4  192.0.2.1 192.0.2.2 1 2", " TCP4 192.0.2.1 192.0.2.2 1 2",
	    "TCP4\t192.0.2.1 192.0.2.2 1 2", "tcp4 192.0.2.1 192.0.2.2 1 2",
	    "TCP5 192.0.2.1 192.0.2.2 1 2", "UDP4 192.0.2.1 192.0.2.2 1 2", "UNKNOWNX", "unknown",
	    "TCP4 2001:db8::1 ::1 1 2", "TCP6 192.0.2.1 192.0.2.2 1 2", "TCP4 192.0.2.1 ::1 1 2",
	    "TCP4 192.0.2.256 192.0.2.2 1 2", "TCP4 192.0.2 192.0.2.2 1 2",
	    "TCP4 192.0.02.1 192.0.2.2 1 2", "TCP4 0xc0.0.2.1 192.0.2.2 1 2",
	    "TCP4 192.0.2.1 x 1 2", "TCP6 2001:db8::g ::1 1 2", "TCP6 [::1] ::1 1 2",
	    "TCP6 fe80::1%eth0 ::1 1 2", "TCP4 192.0.2.1 192.0.2.2 65536 2",
	    "TCP4 192.0.2.1 192.0.2.2 1 65536", "TCP4 192.0.2.1 192.0.2.2 01 2",
	    "TCP4 192.0.2.1 192.0.2.2 -1 2", "TCP4 192.0.2.1 192.0.2.2 +1 2",
	    "TCP4 192.0.2.1 192.0.2.2 1x 2", "TCP4 192.0.2.1 192.0.2.2 4294967297 2",
	    "TCP4 192.0.2.1\r 192.0.2.2 1 2"};

	for (size_t i = 0; i < COUNT(words); i++) {
		char text[256];
		int len = snprintf(text, sizeof text, "PROXY %s\r\n", words[i]);
		assert_refused(text, (size_t)len);
	}
}

static void
test_version_1_ends_with_cr_lf_within_107_bytes(void **state)
{
	(void)state;
	char longest[256];

	assert_refused(BYTES("PROXY UNKNOWN\n"));
	assert_refused(BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"));
	assert_refused(BYTES("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"));
	assert_refused(BYTES("PROXY \r\n"));
	assert_refused(BYTES("PROXY\r\n"));
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "PROXY UNKNOWN ", 14);
	memcpy(longest + 105, "\r\n", 2);
	assert_complete(longest, 107, 107);
	memcpy(longest + 105, "x\r\n", 3);
	assert_refused(longest, 108);
	memset(longest + 105, 'x', 3);
	assert_refused(longest, sizeof longest);
}

static void
test_what_begins_like_neither_version_is_refused_at_once(void **state)
{
	(void)state;
	static const char *const texts[] = {"\x16\x03\x01", "GET / HTTP/1.1\r\n", "proxy TCP4",
	    "PROXYTCP4", " PROXY", "\r\nPROXY", "x"};

	for (size_t i = 0; i < COUNT(texts); i++)
		assert_refused(texts[i], strlen(texts[i]));
	assert_refused(BYTES("\r\n\r\n\0\r\nQUIT\r"));
	assert_refused(BYTES("\0"));
}

static void
test_version_2_names_the_client(void **state)
{
	(void)state;
	assert_complete(BYTES(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb"), 28);
	assert_client("192.0.2.1", 51234);
	assert_complete(BYTES(V2 "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
	                         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xff\xff\x01\xbb"
	                         "tls"),
	    52);
	assert_client("2001:db8::1", 65535);
}

static void
test_version_2_extensions_are_skipped(void **state)
{
	(void)state;
	assert_complete(BYTES(V2 "\x21\x11\0\x11\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb\x04\0\2ab"
	                         "tls"),
	    33);
	assert_client("192.0.2.1", 51234);
}

static void
test_version_2_local_names_nobody(void **state)
{
	(void)state;
	assert_complete(BYTES(V2 "\x20\x00\0\0"), 16);
	assert_client(NULL, 0);
	assert_complete(BYTES(V2 "\x20\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb"), 28);
	assert_client(NULL, 0);
}

static void
test_version_2_in_another_form_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {{BYTES(V2 "\x11\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x31\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x22\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x2f\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x00\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x12\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x10\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x31\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x21\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb")},
	    {BYTES(V2 "\x21\x11\0\x0b\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01")},
	    {BYTES(V2 "\x21\x11\0\0")}, {BYTES(V2 "\x21\x11\xff\xff")},
	    {BYTES(V2 "\x21\x11\x07\xf1")}, {BYTES(V2 "\x20\x00\x07\xf1")}};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_refused(cases[i].bytes, cases[i].len);
}

/* Addresses, a field of another kind, a CRC32c and one more field. The sum is that of a program of
 * its own, which knows 0xe3069283 for "123456789" (RFC 3720, B.4, has more). */
#define SUMMED(command, sum)                                        \
	V2 command "\x11\0\x1c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb" \
	           "\x04\0\2\x61\x62\x03\0\4" sum "\x20\0\1x"

static void
test_version_2_has_the_checksum_that_it_tells(void **state)
{
	(void)state;
	char bytes[] = SUMMED("\x21", "\x81\x29\x46\xd4");
	const size_t whole = sizeof bytes - 1;
	size_t used;

	assert_complete(bytes, whole, whole);
	assert_client("192.0.2.1", 51234);
	assert_refused(BYTES(SUMMED("\x21", "\x81\x29\x46\xd5")));
	assert_refused(BYTES(SUMMED("\x21", "\xd4\x46\x29\x81")));
	assert_refused(BYTES(SUMMED("\x21", "\0\0\0\0")));
	for (size_t i = 16; i < whole; i++) /* whatever was changed on the way */
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] = (char)(bytes[i] ^ 1 << bit);
			/* A field that is no checksum any more is none that is wrong. */
			bool summed = i < 29 || i == 31 || i == 32 || i > 35;
			assert_true(
			    !summed || read_exact(bytes, whole, &used) == PROXY_HEADER_REFUSED);
			bytes[i] = (char)(bytes[i] ^ 1 << bit);
		}
}

static void
test_version_2_of_the_balancer_itself_has_the_checksum_that_it_tells(void **state)
{
	(void)state;
	assert_complete(BYTES(V2 "\x20\x11\0\x13\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb"
	                         "\x03\0\4\x06\x3e\x96\x1d"),
	    35);
	assert_client(NULL, 0);
	assert_refused(BYTES(V2 "\x20\x11\0\x13\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb"
	                        "\x03\0\4\x06\x3e\x96\x1c"));
}

static void
test_version_2_fields_fill_the_header(void **state)
{
	(void)state;
#define WITH(len, fields) V2 "\x21\x11\0" len "\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb" fields
	assert_refused(BYTES(WITH("\x0d", "\x04")));
	assert_refused(BYTES(WITH("\x0e", "\x04\0")));
	assert_refused(BYTES(WITH("\x0f", "\x04\0\1")));
	assert_refused(BYTES(WITH("\x10", "\x04\xff\xff"
	                                  "a")));
	assert_refused(BYTES(WITH("\x12", "\x03\0\3"
	                                  "abc")));
	assert_refused(BYTES(WITH("\x14", "\x03\0\5"
	                                  "abcde")));
	assert_complete(BYTES(WITH("\x0f", "\x04\0\0")), 31);
#undef WITH
}

static void
test_version_2_takes_up_to_2048_bytes(void **state)
{
	(void)state;
	char bytes[PROXY_HEADER_MAX + 1] = V2 "\x20\x00\x07\xf0";
	size_t used;

	assert_complete(bytes, sizeof bytes, PROXY_HEADER_MAX);
	assert_int_equal(read_exact(bytes, PROXY_HEADER_MAX - 1, &used), PROXY_HEADER_INCOMPLETE);
}

static void
test_random_headers_are_judged_alike_however_they_arrive(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
	} good[] = {{BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 51234 443\r\n\x16\x03")},
	    {BYTES("PROXY UNKNOWN\r\n\x16\x03")},
	    {BYTES(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xc8\x22\x01\xbb\x16\x03")},
	    {BYTES(V2 "\x20\x00\0\0\x16\x03")}};
	uint64_t seed = 9;
	size_t results[PROXY_HEADER_REFUSED + 1] = {0};

	for (int i = 0; i < 50000; i++) {
		char bytes[64];
		size_t kind = random_below(&seed, COUNT(good)), used = 0;
		memcpy(bytes, good[kind].bytes, good[kind].len);
		for (size_t n = random_below(&seed, 3); n > 0; n--)
			bytes[random_below(&seed, good[kind].len)] = (char)random_below(&seed, 256);
		enum proxy_header_result result = read_header(bytes, good[kind].len, &used);
		assert_true(result != PROXY_HEADER_COMPLETE || used <= good[kind].len);
		results[result]++;
	}
	for (size_t i = 0; i < COUNT(results); i++)
		assert_true(results[i] > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_version_1_names_the_client),
	    cmocka_unit_test(test_version_1_unknown_names_nobody),
	    cmocka_unit_test(test_version_1_is_read_as_strictly_as_it_is_written),
	    cmocka_unit_test(test_version_1_ends_with_cr_lf_within_107_bytes),
	    cmocka_unit_test(test_what_begins_like_neither_version_is_refused_at_once),
	    cmocka_unit_test(test_version_2_names_the_client),
	    cmocka_unit_test(test_version_2_extensions_are_skipped),
	    cmocka_unit_test(test_version_2_local_names_nobody),
	    cmocka_unit_test(test_version_2_in_another_form_is_refused),
	    cmocka_unit_test(test_version_2_has_the_checksum_that_it_tells),
	    cmocka_unit_test(test_version_2_of_the_balancer_itself_has_the_checksum_that_it_tells),
	    cmocka_unit_test(test_version_2_fields_fill_the_header),
	    cmocka_unit_test(test_version_2_takes_up_to_2048_bytes),
	    cmocka_unit_test(test_random_headers_are_judged_alike_however_they_arrive),
	};
	return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
