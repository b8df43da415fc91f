/*
 * A million targets from pieces that have fooled gateways: whatever passes the gate and the policy
 * is written to the store byte for byte as it came, and it is what a second, simpler statement of
 * the rules allows; of all else nothing is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../gateway/exchange_order.h"
#include "../../gateway/operation.h"
#include "policy_fixture.h"

enum { TARGETS = 1000000, TARGET_MAX = 512, PIECES_MAX = 8 };
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
      TEXT("~@=:,!$&'()"), TEXT("-_"), TEXT("snapshots/acme/p/x.json")};

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

static void
generate(struct target *target)
{
	size_t start = below(2) ? 0 : below(COUNT(starts));

	target->len = 0;
	append(target, starts[start].bytes, starts[start].len);
	for (size_t n = below(PIECES_MAX); n > 0; n--) {
		/* Mostly harmless ones, so that many targets pass. */
		size_t piece = below(below(2) ? 12 : COUNT(pieces));
		append(target, pieces[piece].bytes, pieces[piece].len);
	}
	if (below(16) == 0)
		append(target, (char[1]){(char)below(256)}, 1);
}

static bool
begins(const struct target *target, const char *text)
{
	return target->len >= strlen(text) && memcmp(target->bytes, text, strlen(text)) == 0;
}

static bool
has(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

/* The rules again, by searching in the text with a slash added at its end. */
static bool
is_allowed(const struct target *target)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                               "0123456789-._~+@=:,!$&'()/";
	char text[TARGET_MAX + 2];

	memcpy(text, target->bytes, target->len);
	text[target->len] = '\0';
	if (strspn(text, alphabet) != target->len)
		return false;
	if (strcmp(text, "/keys.asc") == 0)
		return true;
	if (!begins(target, "/artifacts/core/") || begins(target, "/artifacts/core/internal/") ||
	    has(text, "//"))
		return false;
	text[target->len] = '/';
	text[target->len + 1] = '\0';
	return !has(text, "/./") && !has(text, "/../");
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
	bool asked = false;

	buffer_append(&head, "GET ", 4);
	buffer_append(&head, target->bytes, target->len);
	buffer_printf(&head, " HTTP/1.1\r\nHost: s\r\n\r\n");
	if (http_scan_head(&scan, buffer_bytes(&head), buffer_size(&head)) == HTTP_SCAN_COMPLETE &&
	    request_gate_check(&gate, buffer_bytes(&head), scan.head_len, &request).problem ==
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

static void
assert_sent_as_it_came(const struct target *target, struct buffer *out)
{
	static const char rest[] =
	    " HTTP/1.1\r\nX-Mirrorgate-Customer: acme\r\nX-Request-Id: 1\r\n";
	const char *sent = buffer_bytes(out);

	assert_int_equal(buffer_size(out), 4 + target->len + sizeof rest - 1);
	assert_memory_equal(sent, "GET ", 4);
	assert_memory_equal(sent + 4, target->bytes, target->len);
	assert_memory_equal(sent + 4 + target->len, rest, sizeof rest - 1);
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
		generate(&target);
		bool asked = ask(policy, &caller, &target, &out);
		if (asked != is_allowed(&target))
			fail_msg("target %zu, \"%.*s\": %s", i, (int)target.len, target.bytes,
			    asked ? "sent" : "not sent");
		if (asked)
			assert_sent_as_it_came(&target, &out);
		sent += asked;
		buffer_fini(&out);
	}
	/* Both sides of the rule were seen often. */
	assert_in_range(sent, TARGETS / 20, TARGETS / 20 * 19);
	policy_unref(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_path_sent_is_the_path_authorised_or_nothing_is_sent),
	};
	return cmocka_run_group_tests_name("path sent", tests, NULL, NULL);
}
