/*
 * A worker's pulse, as the supervisor reads it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/node/pulse.h"

static void
test_beats_of_another_process_are_seen(void **state)
{
	struct pulse *pulse = pulse_new();
	uint64_t before = pulse_beats(pulse);
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		pulse_beat(pulse);
		pulse_work_on(pulse, "0123456789abcdef0123456789abcdef");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(pulse_beats(pulse) != before);
	char request[PULSE_REQUEST_LEN + 1];
	pulse_request(pulse, request);
	assert_string_equal(request, "0123456789abcdef0123456789abcdef");
	pulse_free(pulse);
}

static void
test_no_request_is_an_empty_text_also_after_it_was_forgotten(void **state)
{
	struct pulse *pulse = pulse_new();
	char request[PULSE_REQUEST_LEN + 1];

	(void)state;
	pulse_request(pulse, request);
	assert_string_equal(request, "");
	pulse_work_on(pulse, "0123456789abcdef0123456789abcdef");
	pulse_forget(pulse);
	pulse_request(pulse, request);
	assert_string_equal(request, "");
	pulse_free(pulse);
}

static void
test_what_no_id_can_have_is_not_printed(void **state)
{
	struct pulse *pulse = pulse_new();
	char request[PULSE_REQUEST_LEN + 1];

	(void)state;
	pulse_work_on(pulse, "a\n\r\x1b[31m%s\"\xff\x80z0123456789abcdef01234");
	pulse_request(pulse, request);
	assert_string_equal(request, "a????31m?s???z0123456789abcdef01");
	pulse_free(pulse);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_beats_of_another_process_are_seen),
	    cmocka_unit_test(test_no_request_is_an_empty_text_also_after_it_was_forgotten),
	    cmocka_unit_test(test_what_no_id_can_have_is_not_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
