/*
 * Routes and roles: every path leads to one operation, and each operation is for one role.
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
#include "policy_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define NOW "2026-06-01"

static const char policy_text[] =
    "serial: 1\n"
    "products:\n"
    "  - {id: core, paths: [/artifacts/core/, /keys.asc], except: [/artifacts/core/internal/]}\n"
    "  - {id: old, paths: [/artifacts/old/]}\n"
    "  - {id: new, paths: [/artifacts/new/]}\n"
    "  - {id: plus, paths: [/artifacts/plus/]}\n"
    "customers:\n"
    "  - id: acme\n"
    "    subjects: [CN=acme]\n"
    "    products: [{id: core}, {id: old, until: 2026-05-31}, {id: new, from: 2026-06-02}]\n"
    "  - {id: globex, subjects: [CN=globex], products: [{id: plus}]}\n"
    "probes: [CN=probe]\n"
    "observers: [CN=observer]\n";

static struct policy *policy;

static int
open_policy(void **state)
{
	(void)state;
	policy = opened(policy_text);
	return 0;
}

static int
close_policy(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static struct http_span
span(const char *text)
{
	return (struct http_span){text, strlen(text)};
}

static enum operation operation;

static struct refusal
decide(const char *subject, enum request_method method, const char *path)
{
	struct policy_caller caller = policy_find_caller(policy, subject);
	struct request request = {.method = method, .path = span(path)};

	return operation_decide(policy, &caller, &request, at(NOW), &operation);
}

static void
assert_decision(const char *subject, enum request_method method, const char *path,
    enum problem problem, enum operation expected)
{
	struct refusal refusal = decide(subject, method, path);

	if (refusal.problem != problem || operation != expected)
		fail_msg("%s, method %d, %s: %s, operation %d", subject, method, path,
		    problem_name(refusal.problem), operation);
	assert_true(problem == PROBLEM_NONE || refusal.detail != NULL);
	assert_int_equal(refusal.closes, problem == PROBLEM_UNKNOWN_SUBJECT);
}

/* What a route says to each role, by GET, HEAD and PUT. */
struct route_case {
	const char *path;
	enum operation operation;
	struct {
		enum problem get, head, put;
	} customer, probe, observer;
};

#define NO PROBLEM_NOT_PERMITTED, PROBLEM_NOT_PERMITTED, PROBLEM_NOT_PERMITTED
#define READ PROBLEM_NONE, PROBLEM_NONE, PROBLEM_METHOD_NOT_ALLOWED
#define WRITE PROBLEM_METHOD_NOT_ALLOWED, PROBLEM_METHOD_NOT_ALLOWED, PROBLEM_NONE
#define NO_READ PROBLEM_NOT_LICENSED, PROBLEM_NOT_LICENSED, PROBLEM_METHOD_NOT_ALLOWED
#define NO_ROUTE PROBLEM_NOT_PERMITTED, PROBLEM_NOT_PERMITTED, PROBLEM_METHOD_NOT_ALLOWED

static const struct route_case route_cases[] = {
    {"/licence", OPERATION_LICENCE, {READ}, {NO}, {NO}},
    {"/crl", OPERATION_CRL, {READ}, {READ}, {READ}},
    {"/healthz", OPERATION_HEALTHZ, {NO}, {READ}, {NO}},
    {"/readyz", OPERATION_READYZ, {NO}, {READ}, {NO}},
    {"/status", OPERATION_STATUS, {NO}, {NO}, {READ}},
    {"/status.json", OPERATION_STATUS_JSON, {NO}, {NO}, {READ}},
    {"/metrics", OPERATION_METRICS, {NO}, {NO}, {READ}},
    {"/snapshots/prod-1", OPERATION_SNAPSHOT, {WRITE}, {NO}, {NO}},
    {"/artifacts/core/a.zip", OPERATION_DOWNLOAD, {READ}, {NO}, {NO}},
    {"/keys.asc", OPERATION_DOWNLOAD, {READ}, {NO}, {NO}},
    {"/artifacts/plus/a.zip", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/artifacts/core/internal/a", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    /* Next to a route is no route. */
    {"/licence/", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/crl/", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/healthz/x", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/readyz/x", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/status/", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/metrics/x", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/snapshots", OPERATION_DOWNLOAD, {NO_ROUTE}, {NO}, {NO}},
    {"/Licence", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/healthzz", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/healthz.", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/metric", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
    {"/status.xml", OPERATION_DOWNLOAD, {NO_READ}, {NO}, {NO}},
};

static void
test_each_route_is_for_its_role_and_its_methods(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(route_cases); i++) {
		const struct route_case *c = &route_cases[i];
		assert_decision("CN=acme", METHOD_GET, c->path, c->customer.get, c->operation);
		assert_decision("CN=acme", METHOD_HEAD, c->path, c->customer.head, c->operation);
		assert_decision("CN=acme", METHOD_PUT, c->path, c->customer.put, c->operation);
		assert_decision("CN=probe", METHOD_GET, c->path, c->probe.get, c->operation);
		assert_decision("CN=probe", METHOD_HEAD, c->path, c->probe.head, c->operation);
		assert_decision("CN=probe", METHOD_PUT, c->path, c->probe.put, c->operation);
		assert_decision("CN=observer", METHOD_GET, c->path, c->observer.get, c->operation);
		assert_decision(
		    "CN=observer", METHOD_HEAD, c->path, c->observer.head, c->operation);
		assert_decision("CN=observer", METHOD_PUT, c->path, c->observer.put, c->operation);
	}
}

static void
test_an_unknown_subject_is_refused_everywhere_and_its_connection_ends(void **state)
{
	(void)state;
	static const char *const subjects[] = {"CN=nobody", "", "CN=Acme", "CN=acme ", "CN=acm",
	    "CN=acme,O=x", "acme", "*", "cn=acme"};

	for (size_t s = 0; s < COUNT(subjects); s++)
		for (size_t i = 0; i < COUNT(route_cases); i++)
			for (enum request_method m = METHOD_GET; m <= METHOD_PUT; m++)
				assert_decision(subjects[s], m, route_cases[i].path,
				    PROBLEM_UNKNOWN_SUBJECT, OPERATION_NONE);
}

static void
test_a_refused_licence_says_why(void **state)
{
	(void)state;
	assert_decision(
	    "CN=acme", METHOD_GET, "/artifacts/core/a", PROBLEM_NONE, OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=acme", METHOD_GET, "/artifacts/old/a", PROBLEM_LICENCE_EXPIRED, OPERATION_DOWNLOAD);
	assert_decision("CN=acme", METHOD_HEAD, "/artifacts/new/a", PROBLEM_LICENCE_NOT_STARTED,
	    OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=acme", METHOD_GET, "/artifacts/plus/a", PROBLEM_NOT_LICENSED, OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=globex", METHOD_GET, "/artifacts/plus/a", PROBLEM_NONE, OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=globex", METHOD_GET, "/artifacts/core/a", PROBLEM_NOT_LICENSED, OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=acme", METHOD_GET, "/artifacts/corex/a", PROBLEM_NOT_LICENSED, OPERATION_DOWNLOAD);
	assert_decision(
	    "CN=acme", METHOD_GET, "/keys.asc/", PROBLEM_NOT_LICENSED, OPERATION_DOWNLOAD);
}

static void
test_a_snapshot_has_a_name_and_nothing_below_it(void **state)
{
	(void)state;
	static const char *const paths[] = {"/snapshots/", "/snapshots/globex/prod-1",
	    "/snapshots/a/", "/snapshots/.hidden", "/snapshots/-a", "/snapshots/a+b",
	    "/snapshots/a@b", "/snapshots/a:b", "/snapshots/a~"};

	for (size_t i = 0; i < COUNT(paths); i++) {
		assert_decision(
		    "CN=acme", METHOD_PUT, paths[i], PROBLEM_MALFORMED_PATH, OPERATION_SNAPSHOT);
		assert_int_equal(operation_snapshot_name(span(paths[i])).len, 0);
	}
	assert_decision("CN=acme", METHOD_PUT, "/snapshots/a", PROBLEM_NONE, OPERATION_SNAPSHOT);
}

static void
test_the_snapshots_name_is_what_follows_the_route(void **state)
{
	(void)state;
	char longest[] = "/snapshots/"
	                 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	                 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

	assert_true(http_span_is(operation_snapshot_name(span("/snapshots/prod-1")), "prod-1"));
	assert_true(http_span_is(operation_snapshot_name(span("/snapshots/..x")), ""));
	assert_int_equal(operation_snapshot_name(span("/snapshot/a")).len, 0);
	assert_int_equal(operation_snapshot_name(span("/Snapshots/a")).len, 0);
	assert_int_equal(operation_snapshot_name(span("/artifacts/snapshots/a")).len, 0);
	assert_int_equal(operation_snapshot_name(span(longest)).len, 0);
	longest[sizeof longest - 2] = '\0';
	assert_int_equal(operation_snapshot_name(span(longest)).len, 128);
	/* A path ends at its length. */
	struct http_span cut = {"/snapshots/ab", 12};
	assert_true(http_span_is(operation_snapshot_name(cut), "a"));
}

static void
test_allow_names_the_methods_of_the_path(void **state)
{
	(void)state;
	assert_string_equal(operation_allowed_methods(span("/snapshots/a")), "PUT");
	assert_string_equal(operation_allowed_methods(span("/snapshots/a/b")), "PUT");
	assert_string_equal(operation_allowed_methods(span("/licence")), "GET, HEAD");
	assert_string_equal(operation_allowed_methods(span("/artifacts/core/a")), "GET, HEAD");
	assert_string_equal(operation_allowed_methods(span("/")), "GET, HEAD");
}

static void
test_every_operation_but_none_has_a_word(void **state)
{
	(void)state;
	assert_null(operation_name(OPERATION_NONE));
	assert_string_equal(operation_name(OPERATION_DOWNLOAD), "download");
	assert_string_equal(operation_name(OPERATION_SNAPSHOT), "snapshot");
	assert_string_equal(operation_name(OPERATION_LICENCE), "licence");
	assert_string_equal(operation_name(OPERATION_CRL), "crl");
	assert_string_equal(operation_name(OPERATION_HEALTHZ), "healthz");
	assert_string_equal(operation_name(OPERATION_READYZ), "readyz");
	assert_string_equal(operation_name(OPERATION_STATUS), "status");
	assert_string_equal(operation_name(OPERATION_STATUS_JSON), "status.json");
	assert_string_equal(operation_name(OPERATION_METRICS), "metrics");
}

static enum problem
redecide(const char *subject, const char *path, const char *when)
{
	struct policy_caller caller = policy_find_caller(policy, subject);

	return operation_redecide_download(policy, &caller, path, strlen(path), at(when));
}

static void
test_a_running_download_is_decided_anew(void **state)
{
	(void)state;
	assert_int_equal(redecide("CN=acme", "/artifacts/old/a", "2026-05-31"), PROBLEM_NONE);
	assert_int_equal(
	    redecide("CN=acme", "/artifacts/old/a", "2026-06-01"), PROBLEM_LICENCE_EXPIRED);
	assert_int_equal(redecide("CN=acme", "/artifacts/plus/a", NOW), PROBLEM_NOT_LICENSED);
	assert_int_equal(redecide("CN=nobody", "/artifacts/core/a", NOW), PROBLEM_UNKNOWN_SUBJECT);
	assert_int_equal(redecide("CN=probe", "/artifacts/core/a", NOW), PROBLEM_NOT_PERMITTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_route_is_for_its_role_and_its_methods),
	    cmocka_unit_test(test_an_unknown_subject_is_refused_everywhere_and_its_connection_ends),
	    cmocka_unit_test(test_a_refused_licence_says_why),
	    cmocka_unit_test(test_a_snapshot_has_a_name_and_nothing_below_it),
	    cmocka_unit_test(test_the_snapshots_name_is_what_follows_the_route),
	    cmocka_unit_test(test_allow_names_the_methods_of_the_path),
	    cmocka_unit_test(test_every_operation_but_none_has_a_word),
	    cmocka_unit_test(test_a_running_download_is_decided_anew),
	};
	return cmocka_run_group_tests_name("operation", tests, open_policy, close_policy);
}
