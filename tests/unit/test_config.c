/*
 * mirrorgate.yaml as a whole: what is required, paths, names, keys that must not be there, and that
 * one run reports every problem with its line. The tests of single values are in
 * test_config_scalars.c, those of addresses in test_config_address.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "sample.h"

static void
test_relative_paths_start_at_the_folder_of_the_file(void **state)
{
	struct config *config = sample_load_line(6, "  key: /etc/keys/server.key");

	(void)state;
	sample_in_folder(config->tls.certificate, "server.crt");
	assert_string_equal(config->tls.key, "/etc/keys/server.key");
	sample_in_folder(config->tls.client_ca, "ca.crt");
	sample_in_folder(config->tls.crl, "ca.crl");
	sample_in_folder(config->policy, "policy.yaml");
	config_free(config);
	config = sample_load_line(9, "policy: ../policy/today.yaml");
	sample_in_folder(config->policy, "../policy/today.yaml");
	config_free(config);
}

static void
test_a_file_named_without_folder_leaves_relative_paths_alone(void **state)
{
	struct problems *problems = problems_new();
	struct config *config;
	char before[4096];

	(void)state;
	sample_write(sample_text(0, NULL, ""));
	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(sample_folder), 0);
	config = config_load("mirrorgate.yaml", false, problems);
	assert_int_equal(chdir(before), 0);
	assert_non_null(config);
	assert_string_equal(config->policy, "policy.yaml");
	config_free(config);
	problems_free(problems);
}

static void
test_the_word_none_means_no_crl_and_a_path_can_still_be_called_so(void **state)
{
	struct config *config = sample_load_line(8, "  crl: none");

	(void)state;
	assert_null(config->tls.crl);
	config_free(config);
	config = sample_load_line(8, "  crl: ./none");
	sample_in_folder(config->tls.crl, "./none");
	config_free(config);
	sample_refuse_line(8, "  crl: \"\"", "`tls.crl` must name a file, not be empty");
}

static void
test_paths_that_no_file_can_have_are_refused(void **state)
{
	char line[5000], too_long[4097];

	(void)state;
	sample_refuse_line(
	    5, "  certificate: \"a\\nb\"", "`tls.certificate` must not hold control characters");
	memset(too_long, 'a', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	snprintf(line, sizeof line, "policy: %s", too_long);
	sample_refuse_line(9, line, "`policy` is longer than a path may be");
	sample_refuse_added("log: {access: \"\"}", "`log.access` must name a file, not be empty");
}

static void
test_what_is_required_is_missed_by_name(void **state)
{
	(void)state;
	sample_refuse("workers: auto\n", false,
	    "1: missing key `listen`\n"
	    "1: missing key `tls.certificate`\n"
	    "1: missing key `tls.key`\n"
	    "1: missing key `tls.client_ca`\n"
	    "1: missing key `tls.crl`\n"
	    "1: missing key `policy`\n"
	    "1: missing key `store.servers`\n");
	sample_refuse(
	    sample_text(11, "  probe: /", ""), false, "11: missing key `store.servers`\n");
	sample_refuse(
	    sample_text(11, "  servers: []", ""), false, "11: `servers` must be at least 1 long\n");
}

static void
test_problems_of_all_parts_are_reported_in_one_run(void **state)
{
	(void)state;
	sample_refuse("listen:\n"
	              "  - address: nowhere\n"
	              "    port: 8443\n"
	              "workers: none\n"
	              "colour: red\n"
	              "server_names: [a_b]\n"
	              "tls: {certificate: c, key: k, client_ca: a, ciphers: weak}\n"
	              "policy: \"\"\n"
	              "store:\n"
	              "  servers:\n"
	              "    - ftp://store:443\n"
	              "timeouts:\n"
	              "  idle: 0s\n"
	              "admin_socket: \"\"\n",
	    false,
	    "2: `listen[0].address` must be a numeric address such as 0.0.0.0 or [::]\n"
	    "3: `listen[0].port` must be 443; any other port needs --unsafe-any-port\n"
	    "4: `workers` must be auto or a whole number from 1 to 256, not \"none\"\n"
	    "5: unknown key `colour`; here may stand: listen, workers, user, server_names, tls, "
	    "policy, policy_signer, state_dir, admin_socket, store, catalogues, snapshots, limits, "
	    "timeouts, "
	    "drain, log\n"
	    "6: `server_names[0]` must be a host name or an IP address without port, such as "
	    "updates.example.com\n"
	    "7: missing key `tls.crl`\n"
	    "7: `tls.ciphers` must be default or high\n"
	    "8: `policy` must name a file, not be empty\n"
	    "11: `store.servers[0]` must be http://HOST:PORT/BASE, https://HOST:PORT/BASE or "
	    "unix:PATH\n"
	    "13: `timeouts.idle` must be a duration with its unit from 1ms to 1d, not \"0s\"\n"
	    "14: `admin_socket` must name a file, not be empty\n");
}

static void
test_unknown_and_repeated_keys_are_refused_with_their_line(void **state)
{
	(void)state;
	sample_refuse_added(
	    "drain: {annonce: 5s}", "unknown key `annonce`; here may stand: announce, timeout");
	sample_refuse(sample_text(0, NULL, "policy: other.yaml"), false,
	    "12: repeated key `policy`; it stands on line 9 already\n");
}

static void
test_the_path_of_a_socket_is_short(void **state)
{
	char text[160];

	(void)state;
	(void)snprintf(text, sizeof text, "admin_socket: /%0107d", 0);
	sample_refuse_added(
	    text, "`admin_socket` must have at most 107 bytes with its folder, not 108");
	(void)snprintf(text, sizeof text, "admin_socket: /%0106d", 0);
	config_free(sample_load_added(text));
}

static void
test_a_file_that_cannot_be_read_is_a_problem(void **state)
{
	struct problems *problems = problems_new();

	(void)state;
	assert_null(config_load("/nonexistent/mirrorgate.yaml", false, problems));
	assert_int_equal(problems_count(problems), 1);
	assert_null(config_load(sample_folder, false, problems));
	assert_int_equal(problems_count(problems), 2);
	problems_free(problems);
}

static void
test_problems_from_before_do_not_spoil_a_good_file(void **state)
{
	struct problems *problems = problems_new();
	struct config *config;

	(void)state;
	problems_add(problems, "other", 1, "wrong");
	sample_write(sample_text(0, NULL, ""));
	config = config_load(sample_file, false, problems);
	assert_non_null(config);
	assert_int_equal(problems_count(problems), 1);
	config_free(config);
	problems_free(problems);
}

static void
test_server_names_become_lower_case(void **state)
{
	struct config *config = sample_load_added("server_names: [Updates.Example.COM, b-2]");

	(void)state;
	assert_int_equal(config->server_name_count, 2);
	assert_string_equal(config->server_names[0], "updates.example.com");
	assert_string_equal(config->server_names[1], "b-2");
	config_free(config);
}

static void
test_server_names_may_be_addresses(void **state)
{
	struct config *config =
	    sample_load_added("server_names: [192.0.2.1, \"[2001:DB8:0:0::1]\", \"2001:db8::2\"]");

	(void)state;
	assert_int_equal(config->server_name_count, 3);
	assert_string_equal(config->server_names[0], "192.0.2.1");
	assert_string_equal(config->server_names[1], "[2001:db8::1]");
	assert_string_equal(config->server_names[2], "[2001:db8::2]");
	config_free(config);
	sample_refuse_added(
	    "server_names: [\"::1\", \"[0::1]\"]", "`server_names[1]` repeats a name of this list");
}

static void
test_server_names_must_be_host_names(void **state)
{
	static const char *const wrong[] = {"", "a..b", ".a", "a.", "-a", "a-", "a_b", "a b",
	    "*.example.com", "a:443", "[::1", "[::1]:443", "[192.0.2.1]", "192.0.2.256", "1.2.3",
	    "fe80::1%lo", "a/b", "caf\xc3\xa9",
	    "a123456789b123456789c123456789d123456789e123456789f123456789g123"};
	char line[200], message[200];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line, "server_names: [good, \"%s\"]", wrong[i]);
		snprintf(message, sizeof message,
		    "`server_names[1]` must be a host name or an IP address without "
		    "port, such as updates.example.com");
		sample_refuse_added(line, message);
	}
	sample_refuse_added(
	    "server_names: [a, b, A]", "`server_names[2]` repeats a name of this list");
	sample_refuse_added("server_names: []", "`server_names` must be at least 1 long");
}

static void
test_catalogues_are_checked_when_their_folder_and_signer_are_named(void **state)
{
	(void)state;
	struct config *config = sample_load_added("catalogues: {folder: store, signer: r.crt}");
	sample_in_folder(config->catalogues.folder, "store");
	sample_in_folder(config->catalogues.signer, "r.crt");
	assert_true(config_checks_catalogues(config));
	assert_true(config->catalogues.interval == 10);
	config_free(config);
	config = sample_load_added(
	    "catalogues: {folder: /s, signer: r.crt, check: false, interval: 2m}");
	assert_string_equal(config->catalogues.folder, "/s");
	assert_false(config_checks_catalogues(config));
	assert_true(config->catalogues.interval == 120);
	config_free(config);
	config = sample_load_added("");
	assert_false(config_checks_catalogues(config));
	config_free(config);
}

static void
test_catalogues_that_are_half_configured_are_refused(void **state)
{
	(void)state;
	sample_refuse_added("catalogues: {folder: store}", "missing key `catalogues.signer`");
	sample_refuse_added("catalogues: {signer: r.crt}", "missing key `catalogues.folder`");
	sample_refuse(sample_text(0, NULL, "catalogues: {check: false}"), false,
	    "12: missing key `catalogues.folder`\n12: missing key `catalogues.signer`\n");
	sample_refuse_added("catalogues: {folder: s, signer: r, check: no}",
	    "`catalogues.check` must be true or false");
	sample_refuse_added("catalogues: {folder: s, signer: \"\"}",
	    "`catalogues.signer` must name a file, not be empty");
	sample_refuse_added("catalogues: {folder: s, signer: r, interval: 10ms}",
	    "`catalogues.interval` must be a duration with its unit from 100ms to 1d, not "
	    "\"10ms\"");
	sample_refuse_added("catalogues: {folder: s, signer: r, signed: x}",
	    "unknown key `signed`; here may stand: folder, signer, check, required, interval, "
	    "max_bytes, max_time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_relative_paths_start_at_the_folder_of_the_file),
	    cmocka_unit_test(test_a_file_named_without_folder_leaves_relative_paths_alone),
	    cmocka_unit_test(test_the_word_none_means_no_crl_and_a_path_can_still_be_called_so),
	    cmocka_unit_test(test_paths_that_no_file_can_have_are_refused),
	    cmocka_unit_test(test_what_is_required_is_missed_by_name),
	    cmocka_unit_test(test_problems_of_all_parts_are_reported_in_one_run),
	    cmocka_unit_test(test_unknown_and_repeated_keys_are_refused_with_their_line),
	    cmocka_unit_test(test_the_path_of_a_socket_is_short),
	    cmocka_unit_test(test_a_file_that_cannot_be_read_is_a_problem),
	    cmocka_unit_test(test_problems_from_before_do_not_spoil_a_good_file),
	    cmocka_unit_test(test_server_names_become_lower_case),
	    cmocka_unit_test(test_server_names_may_be_addresses),
	    cmocka_unit_test(test_server_names_must_be_host_names),
	    cmocka_unit_test(test_catalogues_are_checked_when_their_folder_and_signer_are_named),
	    cmocka_unit_test(test_catalogues_that_are_half_configured_are_refused),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
