/*
 * A million targets from pieces that have fooled gateways, in many spellings: whatever passes the
 * gate and the policy is written to the store in the one spelling of the decoded path, and it is
 * what a second, simpler statement of the rules allows; of all else nothing is written. And a store
 * that reads what was written as nginx, Apache, Java or Windows do, decoded once, twice or not at
 * all, finds the file that was authorised or none.
 *
 * Windows is read here with its separators, code pages and spaces at a name's end. That it leaves
 * off dots, too, and does not mind case, is why mirrorgate-policy.yaml(5) asks for a store that
 * tells names apart byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/request/operation.h"
#include "gateway/store/exchange_order.h"
#include "policy_fixture.h"

enum { TARGETS = 1000000, TARGET_MAX = 1024, PIECES_MAX = 8 };
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TEXT(literal)                        \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static const char policy_text[] =
    "serial: 1\n"
    "products:\n"
    "  - {id: core, paths: [/artifacts/core/, /keys.asc], except: [/artifacts/core/internal/]}\n"
    "  - {id: plus, paths: [/artifacts/corex/]}\n"
    "customers:\n"
    "  - {id: acme, subjects: [CN=acme], products: [{id: core}]}\n"
    "  - {id: globex, subjects: [CN=globex], products: [{id: plus}]}\n";

struct target {
	char bytes[TARGET_MAX];
	size_t len;
};

static const struct {
	const char *bytes;
	size_t len;
} starts[] = {TEXT("/artifacts/core/"), TEXT("/artifacts/core"), TEXT("/artifacts/corex/"),
    TEXT("/artifacts/core/internal/"), TEXT("/artifacts/Core/"), TEXT("/keys.asc"), TEXT("/"),
    TEXT("//artifacts/core/"), TEXT("/snapshots/"), TEXT("/licence"), TEXT(""), TEXT("*"),
    TEXT("http://s/artifacts/core/")},
  pieces[] = {TEXT("a"), TEXT("b.zip"), TEXT("1.0~rc1+x"), TEXT("/"), TEXT("/"), TEXT("/x"),
      TEXT("internal"), TEXT("internal/"), TEXT("/internal/"), TEXT("artifacts"), TEXT("core"),
      TEXT("x/"), TEXT("."), TEXT(".."), TEXT("/./"), TEXT("/../"), TEXT("..."), TEXT("%2e"),
      TEXT("%2E%2e"), TEXT("%2f"), TEXT("%5c"), TEXT("%00"), TEXT("%"), TEXT("%25"), TEXT("\\"),
      TEXT("//"), TEXT(";a=b"), TEXT("?q"), TEXT("#f"), TEXT("*"), TEXT(" "), TEXT("\t"),
      TEXT("\0"), TEXT("\r\n"), TEXT("\n"), TEXT("\r"), TEXT("\xc0\xae"), TEXT("\xef\xbc\x8f"),
      TEXT("~@=:,!$&'()"), TEXT("-_"), TEXT("snapshots/acme/p/x.json"), TEXT("a b"), TEXT("%20"),
      TEXT("[x]^{1}"), TEXT("%23"), TEXT("+"), TEXT("%2b"), TEXT("%7e"), TEXT("%252e%252e"),
      TEXT("%c3%a9"), TEXT("%C3%89"), TEXT("%e6%97%a5"), TEXT("e%cc%81"), TEXT("%e9"),
      TEXT("%ef%bc%8f"), TEXT("/%e2%80%a5/"), TEXT("/%ef%bc%8e%ef%bc%8e/"), TEXT("%e2%88%95"),
      TEXT("%c2%a5"), TEXT("%ef%bc%bc"), TEXT("%u002e"), TEXT("%3b"), TEXT("%3f"), TEXT("%2a"),
      TEXT("%0a"), TEXT("%7f"), TEXT("+x"), TEXT("%e2%80%ae"), TEXT("i%6Eternal/"),
      TEXT("internal%20/"), TEXT("internal%2f"), TEXT("%2e%2e/internal/")};

static uint64_t state = 88172645463325252U;

/* xorshift64 (Marsaglia, 2003): the same targets in every run. */
static size_t
below(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % n);
}

static void
append(struct target *target, const char *bytes, size_t len)
{
	assert_true(target->len + len <= TARGET_MAX);
	memcpy(target->bytes + target->len, bytes, len);
	target->len += len;
}

/* A piece as it is or, now and then, with one of its bytes escaped. */
static void
append_spelled(struct target *target, const char *bytes, size_t len)
{
	size_t escaped = len > 0 && below(4) == 0 ? below(len) : len;

	append(target, bytes, escaped);
	if (escaped == len)
		return;
	char escape[4];
	(void)snprintf(escape, sizeof escape, below(2) ? "%%%02x" : "%%%02X",
	    (unsigned)(unsigned char)bytes[escaped]);
	append(target, escape, 3);
	append(target, bytes + escaped + 1, len - escaped - 1);
}

static void
generate(struct target *target)
{
	size_t start = below(2) ? 0 : below(COUNT(starts));

	target->len = 0;
	append_spelled(target, starts[start].bytes, starts[start].len);
	for (size_t n = below(PIECES_MAX); n > 0; n--) {
		/* Mostly harmless ones, so that many targets pass. */
		size_t piece = below(below(2) ? 12 : COUNT(pieces));
		append_spelled(target, pieces[piece].bytes, pieces[piece].len);
	}
	if (below(16) == 0)
		append(target, (char[1]){(char)below(256)}, 1);
}

static bool
begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool
has(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

static bool
is_hex(char c)
{
	return c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL;
}

/* The rules of escapes again. What is in TEXT is a path without NUL, or false is returned. */
static bool
decoded(const struct target *target, char text[TARGET_MAX + 2])
{
	size_t n = 0;

	for (size_t i = 0; i < target->len; i++) {
		const char *at = target->bytes + i;
		unsigned byte = (unsigned char)*at;
		if (byte <= ' ' || byte > '~' || byte == '#')
			return false;
		if (byte == '%') {
			if (i + 2 >= target->len || !is_hex(at[1]) || !is_hex(at[2]))
				return false;
			byte = (unsigned)strtoul((char[3]){at[1], at[2]}, NULL, 16);
			if (byte < ' ' || strchr("\x7f/\\%", (int)byte) != NULL)
				return false;
			i += 2;
		}
		text[n++] = (char)byte;
	}
	text[n] = '\0';
	return true;
}

/* Takes the characters outside ASCII that the pieces have in their one spelling out of TEXT. */
static void
drop_good_characters(const char *text, char *rest)
{
	static const char *const good[] = {"\xc3\xa9", "\xc3\x89", "\xe6\x97\xa5"};

	while (*text != '\0') {
		size_t skip = 0;
		for (size_t i = 0; i < COUNT(good); i++)
			skip = begins(text, good[i]) ? strlen(good[i]) : skip;
		if (skip == 0)
			*rest++ = *text++;
		text += skip;
	}
	*rest = '\0';
}

/* A space, perhaps with dots behind it, before a slash. */
static bool
has_space_at_end(const char *closed)
{
	for (const char *space = closed; (space = strchr(space, ' ')) != NULL; space++) {
		if (space[1 + strspn(space + 1, ".")] == '/')
			return true;
	}
	return false;
}

/* The rules again, by searching in the text with a slash added at its end. */
static bool
is_allowed(const struct target *target, char path[TARGET_MAX + 2])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                               "0123456789-._~+@=:,!$&'() #[]^{}/";
	char rest[TARGET_MAX + 2], closed[TARGET_MAX + 2];

	memset(path, 0, TARGET_MAX + 2);
	if (!decoded(target, path))
		return false;
	drop_good_characters(path, rest);
	if (strspn(rest, alphabet) != strlen(rest))
		return false;
	if (strcmp(path, "/keys.asc") == 0)
		return true;
	if (!begins(path, "/artifacts/core/") || begins(path, "/artifacts/core/internal/") ||
	    has(path, "//"))
		return false;
	size_t len = strlen(path);
	memcpy(closed, path, len);
	memcpy(closed + len, "/", 2);
	return !has(closed, "/./") && !has(closed, "/../") && !has_space_at_end(closed);
}

/* Puts TARGET to the gate and the policy; true when the store is asked, with the head in OUT. */
static bool
ask(const struct policy *policy, const struct policy_caller *caller, const struct target *target,
    struct buffer *out)
{
	struct request_gate gate = {NULL, 0};
	struct http_scan scan = {0};
	struct request request;
	struct buffer head = {0};
	enum operation operation = OPERATION_NONE;
	char room[PATH_ROOM];
	bool asked = false;

	buffer_append(&head, "GET ", 4);
	buffer_append(&head, target->bytes, target->len);
	buffer_printf(&head, " HTTP/1.1\r\nHost: s\r\n\r\n");
	if (http_scan_head(&scan, buffer_bytes(&head), buffer_size(&head)) == HTTP_SCAN_COMPLETE &&
	    request_gate_check(&gate, buffer_bytes(&head), scan.head_len, room, &request).problem ==
	        PROBLEM_NONE &&
	    operation_decide(policy, caller, &request, 1800000000, &operation).problem ==
	        PROBLEM_NONE &&
	    operation == OPERATION_DOWNLOAD) {
		struct exchange_order order = {.request = &request,
		    .path = request.path.bytes,
		    .path_len = request.path.len,
		    .customer = "acme",
		    .request_id = "1"};
		exchange_order_print(&order, out);
		asked = true;
	}
	buffer_fini(&head);
	return asked;
}

/* What stands between "GET " and the rest of the head that was written. */
static void
take_sent(const struct buffer *out, char sent[static TARGET_MAX * 3])
{
	static const char rest[] =
	    " HTTP/1.1\r\nX-Mirrorgate-Customer: acme\r\nX-Request-Id: 1\r\n";
	const char *bytes = buffer_bytes(out);
	size_t len = buffer_size(out) - 4 - (sizeof rest - 1);

	assert_in_range(len, 1, TARGET_MAX * 3 - 1);
	assert_memory_equal(bytes, "GET ", 4);
	assert_memory_equal(bytes + 4 + len, rest, sizeof rest - 1);
	memcpy(sent, bytes + 4, len);
	sent[len] = '\0';
}

/* As SigV4 signs a path: unreserved characters and "/" stay. */
static void
assert_one_spelling(const char *sent, const char *path)
{
	for (; *path != '\0'; path++) {
		char expected[4] = {*path};
		bool stays = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
		             (*path >= '0' && *path <= '9') || strchr("-._~/", *path) != NULL;
		if (!stays)
			(void)snprintf(
			    expected, sizeof expected, "%%%02X", (unsigned)(unsigned char)*path);
		assert_true(begins(sent, expected));
		sent += strlen(expected);
	}
	assert_int_equal(*sent, '\0');
}

/* --- how stores read what was sent */

/* Decodes as most do: an escape that is none stays. PLUS: "+" is a space, as in forms. */
static void
decode_leniently(char *text, bool plus)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		char c = plus && *at == '+' ? ' ' : *at;
		if (c == '%' && is_hex(at[1]) && is_hex(at[2])) {
			c = (char)strtoul((char[3]){at[1], at[2]}, NULL, 16);
			at += 2;
		}
		*to++ = c;
	}
	*to = '\0';
}

/* Takes "//", "/./" and "/x/../" out. */
static void
resolve(char *text)
{
	for (char *at = text; *at != '\0';) {
		size_t len = 1 + strcspn(at + 1, "/"), drop = 0;
		char *from = at;
		if (len == 1 && at[1] == '/')
			drop = 1;
		else if (len == 2 && at[1] == '.')
			drop = 2;
		else if (len == 3 && at[1] == '.' && at[2] == '.') {
			while (from > text && *--from != '/')
				;
			drop = (size_t)(at - from) + 3;
		}
		if (drop > 0)
			memmove(from, from + drop, strlen(from + drop) + 1);
		at = drop > 0 ? from : at + len;
	}
}

/* Tomcat: parameters of each segment are cut off, a backslash is a slash. */
static void
read_as_java(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		if (*at == ';')
			at += strcspn(at, "/");
		if (*at == '\0')
			break;
		*to++ = *at;
	}
	*to = '\0';
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '\\' ? '/' : *c;
	resolve(text);
}

static void
replace(char *text, const char *from, char to)
{
	for (char *at; (at = strstr(text, from)) != NULL;) {
		*at = to;
		memmove(at + 1, at + strlen(from), strlen(at + strlen(from)) + 1);
	}
}

/* Code pages make slashes and dots of what looks like them; spaces at a name's end are left off. */
static void
read_as_windows(char *text)
{
	replace(text, "\xef\xbc\x8f", '/');
	replace(text, "\xe2\x88\x95", '/');
	replace(text, "\xef\xbc\xbc", '/');
	replace(text, "\xc2\xa5", '/');
	replace(text, "\\", '/');
	replace(text, "\xef\xbc\x8e", '.');
	replace(text, "\xe2\x80\xa5", '.');
	for (char *space; (space = strstr(text, " /")) != NULL;)
		memmove(space, space + 1, strlen(space));
	while (*text != '\0' && text[strlen(text) - 1] == ' ')
		text[strlen(text) - 1] = '\0';
	resolve(text);
}

/* nginx and Apache resolve what they have decoded; so do the other two, with more separators. */
static void
assert_every_store_finds_it_or_nothing(const char *sent, const char *path)
{
	static void (*const readers[])(char *) = {resolve, read_as_java, read_as_windows};
	char text[TARGET_MAX * 3];

	for (size_t reader = 0; reader < COUNT(readers); reader++) {
		for (int times = 0; times <= 2; times++) {
			memcpy(text, sent, strlen(sent) + 1);
			text[strcspn(text, "?#")] = '\0';
			for (int i = 0; i < times; i++)
				decode_leniently(
				    text, times == 1 && readers[reader] == read_as_java);
			readers[reader](text);
			/* No file has a "%" in its name, as no catalogue and no policy has one. */
			if (strcmp(text, path) != 0 && !has(text, "%"))
				fail_msg("reader %zu, decoded %d times: \"%s\" for \"%s\"", reader,
				    times, text, path);
		}
	}
}

static void
assert_sent_as_authorised(const struct buffer *out, const char *path)
{
	char sent[TARGET_MAX * 3];

	take_sent(out, sent);
	assert_one_spelling(sent, path);
	assert_every_store_finds_it_or_nothing(sent, path);
}

static void
test_the_path_sent_is_the_path_authorised_or_nothing_is_sent(void **unused)
{
	(void)unused;
	struct policy *policy = opened(policy_text);
	struct policy_caller caller = policy_find_caller(policy, "CN=acme");
	size_t sent = 0;

	for (size_t i = 0; i < TARGETS; i++) {
		struct target target;
		struct buffer out = {0};
		char path[TARGET_MAX + 2];
		generate(&target);
		bool asked = ask(policy, &caller, &target, &out);
		if (asked != is_allowed(&target, path))
			fail_msg("target %zu, \"%.*s\": %s", i, (int)target.len, target.bytes,
			    asked ? "sent" : "not sent");
		if (asked)
			assert_sent_as_authorised(&out, path);
		sent += asked;
		buffer_fini(&out);
	}
	/* Both sides of the rule were seen often. */
	assert_in_range(sent, TARGETS / 20, TARGETS / 20 * 19);
	policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_path_sent_is_the_path_authorised_or_nothing_is_sent),
	};
	return cmocka_run_group_tests_name("path sent", tests, NULL, NULL);
}
