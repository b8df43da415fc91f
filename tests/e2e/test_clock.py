"""The machine's clock is set while the gate serves."""

import datetime
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.shifted_clock import Clock

SMALL = "/artifacts/step-core/small.txt"
HOUR = 3600
SOME = 20  # requests


@pytest.fixture
def clock(lab):
    return Clock(lab.new_folder("clock"))


@pytest.fixture
def gate(lab, clock):
    return lab.gateway(shell=clock.shell)


def asked(connection, gate):
    """The access log's line of a request, which must be answered."""
    answer = connection.get(SMALL)
    assert answer.status == 200
    return gate.log_line(answer.request_id)


def jump(connection, gate, clock, seconds):
    """Sets the clock, and asks until the gate has noticed, as its log shows. The loop looks at the
    time of day twice in a second."""

    def noticed():
        said = datetime.datetime.fromisoformat(asked(connection, gate)["time"].rstrip("Z") + "+00:00")
        return abs(said.timestamp() - time.time() - seconds) < HOUR / 2

    clock.set(seconds)
    common.wait_until(noticed, "the gate's log tells the new time")


@pytest.mark.parametrize("jumps", [[HOUR, 0], [HOUR, 2 * HOUR]])
def test_a_jump_costs_nobody_a_request_and_no_request_an_hour(gate, clock, jumps):
    with gate.connect() as connection:
        for seconds in jumps:
            jump(connection, gate, clock, seconds)
            for _ in range(SOME):
                asked(connection, gate)
    for line in gate.log_lines():
        assert 0 <= line["duration_ms"] < HOUR * 1000 / 2
        assert line["store_ms"] is None or 0 <= line["store_ms"] < HOUR * 1000 / 2


def test_a_jump_back_does_not_hold_a_reload_up(gate, clock):
    with gate.connect() as connection:
        for seconds in (HOUR, 0):
            jump(connection, gate, clock, seconds)
        gate.reload()
        asked(connection, gate)
