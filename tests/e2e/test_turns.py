"""Whose turn it is when a worker has much to do: customer by customer, whatever each asks for."""

import contextlib
import os
import signal

from mirrorgate_test import common

PLUS = "/artifacts/step-plus/plus.zip"  # for which acme has no licence


@contextlib.contextmanager
def stopped(gate):
    """The worker does nothing in the block; then all that has come meanwhile is there at once."""
    [worker] = gate.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def order(gate, count):
    """The customers of the last COUNT requests, in the order in which they were answered."""
    common.wait_until(lambda: len(gate.log_lines()) >= count, "all are in the log")
    return [line["customer"] for line in gate.log_lines()][-count:]


def test_one_request_does_not_wait_for_fifty_of_another_customer(lab):
    """It was answered when the loop happened to come to it: here after half of them."""
    gate = lab.gateway(config={"workers": 1})
    with contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(gate.connect("acme")) for _ in range(50)]
        small = stack.enter_context(gate.connect("globex"))
        with stopped(gate):
            for connection in greedy[:25]:
                connection.send_request("GET", PLUS)
            small.send_request("GET", "/licence")
            for connection in greedy[25:]:
                connection.send_request("GET", PLUS)
        assert small.response().status == 200
        assert {connection.response().status for connection in greedy} == {403}
    assert order(gate, 51).index("globex") <= 2


def test_each_of_many_connections_of_one_customer_has_its_turn(lab):
    """Within one customer it is first come, first served; nobody is left out."""
    gate = lab.gateway(config={"workers": 1})
    with contextlib.ExitStack() as stack:
        all_of_it = [stack.enter_context(gate.connect("acme")) for _ in range(20)]
        for _ in range(3):
            with stopped(gate):
                for connection in all_of_it:
                    for _ in range(5):  # more than are answered in one turn
                        connection.send_request("GET", "/licence")
            for connection in all_of_it:
                assert [connection.response().status for _ in range(5)] == [200] * 5
