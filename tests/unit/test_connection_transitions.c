/*
 * Which state of a connection may follow which, all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/client_side/connection_transitions.h"

/* Written down a second time, as a picture: a line for each state, a column for each that may
 * follow, in the order of the enum. */
static const char *const picture[] = {
    [CONN_PROXY_HEADER] = ".x......x",
    [CONN_HANDSHAKE] = "..x...x.x",
    [CONN_IDLE] = "...x.xx.x",
    [CONN_READ_HEAD] = "....xxx.x",
    [CONN_READ_BODY] = ".....x..x",
    [CONN_ANSWER] = "..x...x.x",
    [CONN_CLOSING] = ".......xx",
    [CONN_LINGER] = "........x",
    [CONN_CLOSED] = ".........",
};

static void
test_each_transition_is_allowed_or_refused_as_in_the_picture(void **state)
{
	(void)state;
	assert_int_equal(sizeof picture / sizeof *picture, CONN_CLOSED + 1);
	for (enum state from = 0; from <= CONN_CLOSED; from++)
		for (enum state to = 0; to <= CONN_CLOSED; to++)
			if (connection_transitions_allow(from, to) != (picture[from][to] == 'x'))
				fail_msg("from %d to %d", (int)from, (int)to);
}

static void
test_nothing_but_the_end_of_a_handshake_lets_a_request_in(void **state)
{
	(void)state;
	for (enum state to = CONN_READ_HEAD; to <= CONN_ANSWER; to++) {
		assert_false(connection_transitions_allow(CONN_PROXY_HEADER, to));
		assert_false(connection_transitions_allow(CONN_HANDSHAKE, to));
	}
	for (enum state from = CONN_IDLE; from <= CONN_CLOSED; from++) {
		assert_false(connection_transitions_allow(from, CONN_PROXY_HEADER));
		assert_false(connection_transitions_allow(from, CONN_HANDSHAKE));
	}
}

static void
test_the_clients_clock_runs_only_while_nothing_else_is_waited_for(void **state)
{
	(void)state;
	for (enum outgoing out = OUT_READY; out <= OUT_LAST; out++) {
		bool clients = out == OUT_FULL || out == OUT_BLOCKED || out == OUT_LAST;
		assert_int_equal(connection_transitions_run_clock(out), clients);
		bool held = out == OUT_RATE || out == OUT_FULL || out == OUT_BLOCKED;
		assert_int_equal(connection_transitions_hold_store(out), held);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_transition_is_allowed_or_refused_as_in_the_picture),
	    cmocka_unit_test(test_nothing_but_the_end_of_a_handshake_lets_a_request_in),
	    cmocka_unit_test(test_the_clients_clock_runs_only_while_nothing_else_is_waited_for),
	};

	return cmocka_run_group_tests_name("connection_transitions", tests, NULL, NULL);
}
