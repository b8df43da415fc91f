/*
 * The keys of mirrorgate.yaml with a single value: every default, what each accepts and refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/config/config.h"
#include "sample.h"

static void
assert_double(double value, double expected)
{
	assert_true(value > expected - 1e-9 && value < expected + 1e-9);
}

static void
test_the_smallest_file_gives_every_default(void **state)
{
	struct config *config = sample_load_added("");

	(void)state;
	assert_string_equal(config->file, sample_file);
	assert_int_equal(config->listen_count, 1);
	assert_int_equal(config->listens[0].proxy_from_count, 0);
	assert_int_equal(config->workers, 0);
	assert_null(config->user);
	assert_int_equal(config->server_name_count, 0);
	assert_int_equal(config->tls.ciphers, CONFIG_CIPHERS_DEFAULT);
	assert_null(config->tls.ticket_keys);
	assert_double(config->tls.session_lifetime, 3600);
	assert_null(config->policy_signer);
	assert_null(config->state_dir);
	assert_null(config->admin_socket);
	assert_null(config->probe);
	assert_int_equal(config->snapshot_max_bytes, 256 * 1024);
	assert_int_equal(config->snapshot_max_components, 10000);
	assert_double(config->drain_announce, 0);
	assert_double(config->drain_timeout, 60);
	assert_string_equal(config->access_log, "-");
	assert_int_equal(config->log_level, CONFIG_LOG_INFO);
	assert_false(config->audit);
	assert_null(config->audit_key);
	config_free(config);
}

static void
test_limits_and_timeouts_have_the_defaults_of_the_design(void **state)
{
	struct config *config = sample_load_added("");

	(void)state;
	assert_int_equal(config->limits.connections, 20000);
	assert_int_equal(config->limits.reserved_connections, 1000);
	assert_int_equal(config->limits.connections_per_address, 1000);
	assert_int_equal(config->limits.requests_per_second, 5000);
	assert_int_equal(config->limits.refusals_per_second, 100);
	assert_int_equal(config->limits.transfers_per_customer, 256);
	assert_int_equal(config->limits.failed_snapshots_per_hour, 100);
	assert_int_equal(config->limits.handshakes_per_second, 0);
	assert_int_equal(config->limits.handshakes_per_second_per_address, 2000);
	assert_int_equal(config->limits.client_certificates, 16384);
	assert_int_equal(config->limits.records_without_data, 64);
	assert_int_equal(config->tls.session_cache, 16 << 20);
	assert_double(config->timeouts.handshake, 10);
	assert_double(config->timeouts.request, 10);
	assert_double(config->timeouts.body, 30);
	assert_double(config->timeouts.idle, 60);
	assert_double(config->timeouts.send, 30);
	assert_int_equal(config->timeouts.min_rate, 1024);
	assert_double(config->timeouts.store_connect, 3);
	assert_double(config->timeouts.store_response, 30);
	assert_double(config->timeouts.worker, 10);
	assert_double(config->timeouts.upgrade, 60);
	assert_int_equal(config->store_eject_after, 3);
	assert_double(config->store_eject_time, 10);
	config_free(config);
}

static void
test_every_scalar_is_read_into_its_own_place(void **state)
{
	struct config *config = sample_load_added(
	    "workers: 3\n"
	    "user: gate\n"
	    "snapshots: {max_bytes: 100K, max_components: 11}\n"
	    "limits: {connections: 12, connections_per_address: 13, handshakes_per_second: 14,\n"
	    "  handshakes_per_second_per_address: 15, reserved_connections: 3,\n"
	    "  requests_per_second: 31, refusals_per_second: 32, transfers_per_customer: 33,\n"
	    "  failed_snapshots_per_hour: 34}\n"
	    "timeouts: {handshake: 16s, request: 17s, body: 18s, idle: 19s, send: 20s,\n"
	    "  min_rate: 21, store_connect: 22s, store_response: 23s, worker: 26s, upgrade: 27s}\n"
	    "drain: {announce: 24s, timeout: 25s}\n"
	    "log: {access: access.log, level: debug, audit: true, audit_key: audit.key}\n");

	(void)state;
	assert_int_equal(config->workers, 3);
	assert_string_equal(config->user, "gate");
	assert_int_equal(config->snapshot_max_bytes, 100 * 1024);
	assert_int_equal(config->snapshot_max_components, 11);
	assert_int_equal(config->limits.connections, 12);
	assert_int_equal(config->limits.connections_per_address, 13);
	assert_int_equal(config->limits.handshakes_per_second, 14);
	assert_int_equal(config->limits.handshakes_per_second_per_address, 15);
	assert_int_equal(config->limits.reserved_connections, 3);
	assert_int_equal(config->limits.requests_per_second, 31);
	assert_int_equal(config->limits.refusals_per_second, 32);
	assert_int_equal(config->limits.transfers_per_customer, 33);
	assert_int_equal(config->limits.failed_snapshots_per_hour, 34);
	assert_double(config->timeouts.handshake, 16);
	assert_double(config->timeouts.request, 17);
	assert_double(config->timeouts.body, 18);
	assert_double(config->timeouts.idle, 19);
	assert_double(config->timeouts.send, 20);
	assert_int_equal(config->timeouts.min_rate, 21);
	assert_double(config->timeouts.store_connect, 22);
	assert_double(config->timeouts.store_response, 23);
	assert_double(config->timeouts.worker, 26);
	assert_double(config->timeouts.upgrade, 27);
	assert_double(config->drain_announce, 24);
	assert_double(config->drain_timeout, 25);
	sample_in_folder(config->access_log, "access.log");
	assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
	assert_true(config->audit);
	sample_in_folder(config->audit_key, "audit.key");
	config_free(config);
}

static void
test_workers_are_auto_or_a_number(void **state)
{
	struct config *config = sample_load_added("workers: auto");

	(void)state;
	assert_int_equal(config->workers, 0);
	config_free(config);
	config = sample_load_added("workers: 256");
	assert_int_equal(config->workers, 256);
	config_free(config);
	sample_refuse_added(
	    "workers: 257", "`workers` must be auto or a whole number from 1 to 256, not \"257\"");
	sample_refuse_added(
	    "workers: 0", "`workers` must be auto or a whole number from 1 to 256, not \"0\"");
	sample_refuse_added("workers: Auto",
	    "`workers` must be auto or a whole number from 1 to 256, not \"Auto\"");
}

static void
test_users_have_plain_names(void **state)
{
	(void)state;
	sample_refuse_added("user: \"\"", "`user` must be the name of a user");
	sample_refuse_added("user: -x", "`user` must be the name of a user");
	sample_refuse_added("user: \"a b\"", "`user` must be the name of a user");
	sample_refuse_added("user: a:b", "`user` must be the name of a user");
	sample_refuse_added("user: ../a", "`user` must be the name of a user");
	sample_refuse_added(
	    "user: a12345678901234567890123456789012", "`user` must be the name of a user");
}

static void
assert_idle(const char *text, double expected)
{
	char line[100];
	struct config *config;

	snprintf(line, sizeof line, "timeouts: {idle: %s}", text);
	config = sample_load_added(line);
	assert_double(config->timeouts.idle, expected);
	config_free(config);
}

static void
test_durations_have_five_units(void **state)
{
	(void)state;
	assert_idle("1ms", 0.001);
	assert_idle("1500ms", 1.5);
	assert_idle("7s", 7);
	assert_idle("2m", 120);
	assert_idle("3h", 10800);
	assert_idle("1d", 86400);
}

static void
test_what_is_no_duration_is_refused(void **state)
{
	static const char *const wrong[] = {"", "10", "s", "0s", "0", "010s", "1.5s", "-1s", "+1s",
	    "1 s", "10S", "1w", "10ss", "1d1h", "2d", "99999999999999999999s",
	    "9223372036854775807d", "1us"};
	char line[100], message[200];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line, "timeouts: {idle: \"%s\"}", wrong[i]);
		snprintf(message, sizeof message,
		    "`timeouts.idle` must be a duration with its unit from 1ms to 1d, not \"%s\"",
		    wrong[i]);
		sample_refuse_added(line, message);
	}
}

static void
test_every_timeout_refuses_zero(void **state)
{
	static const char *const keys[] = {
	    "handshake", "request", "body", "idle", "send", "store_connect", "store_response"};
	char line[100], message[200];

	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		snprintf(line, sizeof line, "timeouts: {%s: 0s}", keys[i]);
		snprintf(message, sizeof message,
		    "`timeouts.%s` must be a duration with its unit from 1ms to 1d, not \"0s\"",
		    keys[i]);
		sample_refuse_added(line, message);
	}
}

static void
test_a_worker_has_three_seconds_for_a_turn_at_least(void **state)
{
	(void)state;
	sample_refuse_added("timeouts: {worker: 2s}",
	    "`timeouts.worker` must be a duration with its unit from 3s to 1d, not \"2s\"");
}

static void
test_an_upgrade_has_a_second_at_least(void **state)
{
	(void)state;
	sample_refuse_added("timeouts: {upgrade: 999ms}",
	    "`timeouts.upgrade` must be a duration with its unit from 1s to 1d, not \"999ms\"");
}

static void
test_drain_times_may_be_zero_but_not_endless(void **state)
{
	struct config *config = sample_load_added("drain: {announce: 0s, timeout: 0ms}");

	(void)state;
	assert_double(config->drain_announce, 0);
	assert_double(config->drain_timeout, 0);
	config_free(config);
	sample_refuse_added("drain: {announce: 25h}",
	    "`drain.announce` must be a duration with its unit from 0s to 1d, not \"25h\"");
	sample_refuse_added("drain: {timeout: never}",
	    "`drain.timeout` must be a duration with its unit from 0s to 1d, not \"never\"");
}

static void
test_a_session_lives_a_day_at_most(void **state)
{
	struct config *config = sample_load_line(8, "  crl: none\n  session_lifetime: 24h");

	(void)state;
	assert_double(config->tls.session_lifetime, 86400);
	config_free(config);
	sample_refuse(sample_text(8, "  crl: none\n  session_lifetime: 1441m", ""), false,
	    "9: `tls.session_lifetime` must be a duration with its unit from 1s to 24h, not "
	    "\"1441m\"\n");
	sample_refuse(sample_text(8, "  crl: none\n  session_lifetime: 999ms", ""), false,
	    "9: `tls.session_lifetime` must be a duration with its unit from 1s to 24h, not "
	    "\"999ms\"\n");
}

static void
assert_min_rate(const char *text, uint64_t expected)
{
	char line[100];
	struct config *config;

	snprintf(line, sizeof line, "timeouts: {min_rate: %s}", text);
	config = sample_load_added(line);
	assert_int_equal(config->timeouts.min_rate, expected);
	config_free(config);
}

static void
test_sizes_count_in_1024(void **state)
{
	(void)state;
	assert_min_rate("0", 0);
	assert_min_rate("1000", 1000);
	assert_min_rate("2K", 2048);
	assert_min_rate("3M", 3145728);
	assert_min_rate("1G", 1073741824);
}

static void
test_what_is_no_size_is_refused(void **state)
{
	static const char *const wrong[] = {"", "K", "1k", "1T", "1KB", "1.5K", "-1", "01", "0x10",
	    "1 K", "2G", "8589934592G", "18446744073709551616", "17179869184G"};
	char line[100], message[200];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line, "timeouts: {min_rate: \"%s\"}", wrong[i]);
		snprintf(message, sizeof message,
		    "`timeouts.min_rate` must be a size from 0 to 1G, not \"%s\"", wrong[i]);
		sample_refuse_added(line, message);
	}
}

static void
test_the_design_is_the_ceiling_of_the_snapshot_limits(void **state)
{
	struct config *config = sample_load_added("snapshots: {max_bytes: 1, max_components: 1}");

	(void)state;
	assert_int_equal(config->snapshot_max_bytes, 1);
	assert_int_equal(config->snapshot_max_components, 1);
	config_free(config);
	sample_refuse_added("snapshots: {max_bytes: 262145}",
	    "`snapshots.max_bytes` must be a size from 1 to 256K, not \"262145\"");
	sample_refuse_added("snapshots: {max_bytes: 0}",
	    "`snapshots.max_bytes` must be a size from 1 to 256K, not \"0\"");
	sample_refuse_added("snapshots: {max_components: 10001}",
	    "`snapshots.max_components` must be a whole number from 1 to 10000, not \"10001\"");
	sample_refuse_added("snapshots: {max_components: 0}",
	    "`snapshots.max_components` must be a whole number from 1 to 10000, not \"0\"");
	sample_refuse_added("snapshots: {max_components: 1K}",
	    "`snapshots.max_components` must be a whole number from 1 to 10000, not \"1K\"");
}

static void
test_limits_are_at_least_one_where_zero_is_not_no_limit(void **state)
{
	(void)state;
	sample_refuse_added("limits: {connections: 0}",
	    "`limits.connections` must be a whole number from 1 to 1000000, not \"0\"");
	sample_refuse_added("limits: {connections: 5, reserved_connections: 5}",
	    "`limits.reserved_connections` must be less than `limits.connections`, not \"5\"");
	sample_refuse_added("limits: {reserved_connections: some}",
	    "`limits.reserved_connections` must be auto or a whole number from 0 to 1000000, "
	    "not \"some\"");
	sample_refuse_added("limits: {connections_per_address: 0}",
	    "`limits.connections_per_address` must be a whole number from 1 to 1000000, not \"0\"");
	sample_refuse_added("limits: {handshakes_per_second: 1000001}",
	    "`limits.handshakes_per_second` must be a whole number from 0 to 1000000, not "
	    "\"1000001\"");
	sample_refuse_added("limits: {handshakes_per_second_per_address: none}",
	    "`limits.handshakes_per_second_per_address` must be a whole number from 0 to 1000000, "
	    "not \"none\"");
}

static void
test_ciphers_and_log_levels_are_words(void **state)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	struct config *config = sample_load_line(8, "  crl: none\n  ciphers: high");
	char line[100];

	(void)state;
	assert_int_equal(config->tls.ciphers, CONFIG_CIPHERS_HIGH);
	config_free(config);
	config = sample_load_line(8, "  crl: none\n  ciphers: default");
	assert_int_equal(config->tls.ciphers, CONFIG_CIPHERS_DEFAULT);
	config_free(config);
	for (int i = 0; i < 4; i++) {
		snprintf(line, sizeof line, "log: {level: %s}", levels[i]);
		config = sample_load_added(line);
		assert_int_equal(config->log_level, i);
		config_free(config);
	}
	sample_refuse(sample_text(8, "  crl: none\n  ciphers: HIGH:!aNULL", ""), false,
	    "9: `tls.ciphers` must be default or high\n");
	sample_refuse_added(
	    "log: {level: Info}", "`log.level` must be error, warning, info or debug");
}

static void
test_the_access_log_is_standard_output_or_a_file_or_not_wanted(void **state)
{
	struct config *config = sample_load_added("log: {access: \"-\"}");

	(void)state;
	assert_string_equal(config->access_log, "-");
	config_free(config);
	config = sample_load_added("log: {access: /var/log/gate}");
	assert_string_equal(config->access_log, "/var/log/gate");
	config_free(config);
	config = sample_load_added("log: {access: none}");
	assert_null(config->access_log);
	config_free(config);
	config = sample_load_added("log: {level: info}");
	assert_string_equal(config->access_log, "-");
	config_free(config);
}

static void
test_all_store_servers_may_have_one_host_and_credentials(void **state)
{
	struct config *config =
	    sample_load_line(10, "store:\n  host: store.example:81\n  credentials: secret");

	(void)state;
	assert_string_equal(config->store_host, "store.example:81");
	assert_string_equal(config->stores[0].host, "store.example:81");
	sample_in_folder(config->store_credentials, "secret");
	config_free(config);
	sample_refuse(sample_text(10, "store:\n  host: \"a b\"\n  credentials: \"\"", ""), false,
	    "11: `store.host` must be a host name or an address, with or without a port\n"
	    "12: `store.credentials` must name a file, not be empty\n");
}

#define PIN "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static void
test_tls_to_the_store_has_keys_of_its_own(void **state)
{
	struct config *config =
	    sample_load_line(11, "  servers: [\"https://10.1.2.3:443\", \"http://10.1.2.3:80\"]\n"
	                         "  ca: ca.crt\n  name: store.example\n  certificate: c\n  key: k\n"
	                         "  pins: [\"" PIN "\", \"" PIN "\"]");

	(void)state;
	sample_in_folder(config->store_ca, "ca.crt");
	sample_in_folder(config->store_certificate, "c");
	sample_in_folder(config->store_key, "k");
	assert_string_equal(config->stores[0].tls_name, "store.example");
	assert_null(config->stores[1].tls_name);
	assert_string_equal(config->store_pins, PIN " " PIN);
	config_free(config);
}

static void
test_a_pin_has_one_form(void **state)
{
	static const char *const wrong[] = {"", "sha256//",
	    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	    "sha1//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
	    "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF==",
	    "sha256//47DEQpj8HBSa-_TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
	char line[300];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(line, sizeof line,
		    "  servers: [\"https://10.1.2.3:443\"]\n  ca: c\n  pins: [\"%s\"]", wrong[i]);
		sample_refuse(sample_text(11, line, ""), false,
		    "13: `store.pins[0]` must be sha256// and the base64 of 32 bytes\n");
	}
}

static void
test_what_is_for_tls_to_the_store_is_there_whole_or_not_at_all(void **state)
{
	(void)state;
	sample_refuse(sample_text(11, "  servers: [\"https://10.1.2.3:443\"]\n  key: k", ""), false,
	    "11: missing key `store.ca`\n11: missing key `store.certificate`\n");
	sample_refuse(sample_text(10, "store:\n  ca: c\n  pins: [\"" PIN "\"]", ""), false,
	    "11: `store.ca` is for https:// servers, and there is none\n"
	    "12: `store.pins` is for https:// servers, and there is none\n");
	sample_refuse(
	    sample_text(11, "  servers: [\"https://10.1.2.3:443\"]\n  ca: c\n  name: \"a:1\"", ""),
	    false, "13: `store.name` must be a host name\n");
}

static void
test_a_store_server_is_passed_over_for_a_while_or_never(void **state)
{
	struct config *config =
	    sample_load_line(10, "store:\n  eject_after: 0\n  eject_time: 250ms");

	(void)state;
	assert_int_equal(config->store_eject_after, 0);
	assert_double(config->store_eject_time, 0.25);
	config_free(config);
	sample_refuse(sample_text(10, "store:\n  eject_after: 1001", ""), false,
	    "11: `store.eject_after` must be a whole number from 0 to 1000, not \"1001\"\n");
	sample_refuse(sample_text(10, "store:\n  eject_time: 0s", ""), false,
	    "11: `store.eject_time` must be a duration with its unit from 100ms to 1h, not "
	    "\"0s\"\n");
}

static void
test_the_probe_is_a_canonical_path(void **state)
{
	struct config *config = sample_load_line(10, "store:\n  probe: /artifacts/.well-known/up");

	(void)state;
	assert_string_equal(config->probe, "/artifacts/.well-known/up");
	config_free(config);
	for (size_t i = 0; i < 4; i++) {
		static const char *const wrong[] = {"up", "/a/../b", "/a?b", "/a%20b"};
		struct problems *problems = problems_new();
		char line[100], text[200];

		snprintf(line, sizeof line, "store:\n  probe: %s", wrong[i]);
		sample_write(sample_text(10, line, ""));
		assert_null(config_load(sample_file, false, problems));
		assert_int_equal(problems_count(problems), 1);
		snprintf(text, sizeof text,
		    "%s:11: `store.probe` must be a path in canonical form: ", sample_file);
		assert_memory_equal(problems_text(problems, 0), text, strlen(text));
		problems_free(problems);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_smallest_file_gives_every_default),
	    cmocka_unit_test(test_limits_and_timeouts_have_the_defaults_of_the_design),
	    cmocka_unit_test(test_every_scalar_is_read_into_its_own_place),
	    cmocka_unit_test(test_workers_are_auto_or_a_number),
	    cmocka_unit_test(test_users_have_plain_names),
	    cmocka_unit_test(test_durations_have_five_units),
	    cmocka_unit_test(test_what_is_no_duration_is_refused),
	    cmocka_unit_test(test_every_timeout_refuses_zero),
	    cmocka_unit_test(test_a_worker_has_three_seconds_for_a_turn_at_least),
	    cmocka_unit_test(test_an_upgrade_has_a_second_at_least),
	    cmocka_unit_test(test_drain_times_may_be_zero_but_not_endless),
	    cmocka_unit_test(test_a_session_lives_a_day_at_most),
	    cmocka_unit_test(test_sizes_count_in_1024),
	    cmocka_unit_test(test_what_is_no_size_is_refused),
	    cmocka_unit_test(test_the_design_is_the_ceiling_of_the_snapshot_limits),
	    cmocka_unit_test(test_limits_are_at_least_one_where_zero_is_not_no_limit),
	    cmocka_unit_test(test_ciphers_and_log_levels_are_words),
	    cmocka_unit_test(test_the_access_log_is_standard_output_or_a_file_or_not_wanted),
	    cmocka_unit_test(test_all_store_servers_may_have_one_host_and_credentials),
	    cmocka_unit_test(test_tls_to_the_store_has_keys_of_its_own),
	    cmocka_unit_test(test_a_pin_has_one_form),
	    cmocka_unit_test(test_what_is_for_tls_to_the_store_is_there_whole_or_not_at_all),
	    cmocka_unit_test(test_a_store_server_is_passed_over_for_a_while_or_never),
	    cmocka_unit_test(test_the_probe_is_a_canonical_path),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
