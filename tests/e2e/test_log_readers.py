"""Who reads the logs may go away or stall: the gate serves on, and no line comes out broken."""

import contextlib
import fcntl
import json
import os
import re
import socket

import pytest
from mirrorgate_test import common
from mirrorgate_test.pki import SERVER_NAME

SMALL = "/artifacts/step-core/small.txt"
REQUEST = f"GET /artifacts/{'x' * 4000} HTTP/1.1\r\nHost: {SERVER_NAME}\r\n\r\n".encode()
TO_STDOUT = {"log": {"access": "-"}}
WAITING = 100  # such lines: more than a pipe or socket below takes, fewer than the gate keeps
TOO_MANY = 500  # such lines: more than the gate keeps for a reader that stalls
BATCH = 10  # requests sent at once


def pipe():
    """The ends (to read, to write) of a pipe that holds a few lines."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    return open(read, "rb"), open(write, "wb")


def stream():
    """The same, of a socket, which is what systemd gives to a service."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with ours:
        return ours.makefile("rb"), theirs


@pytest.fixture(params=[pipe, stream])
def ends(request):
    with contextlib.ExitStack() as stack:
        read, write = request.param()
        yield stack.enter_context(read), stack.enter_context(write)


def started(lab, ends):
    """A gateway that logs into the second of ENDS, which is then its alone."""
    gate = lab.gateway(config=TO_STDOUT, stdout=ends[1])
    ends[1].close()
    return gate


def ask(gate, count):
    """COUNT requests on one connection, BATCH at a time, all of which are answered; their ids."""
    identifiers = []
    with gate.connect("acme") as connection:
        while len(identifiers) < count:
            connection.send(REQUEST * BATCH)
            identifiers += [connection.response().request_id for _ in range(BATCH)]
    return identifiers


def lines_lost(gate):
    text = gate.get("/metrics", who="ops").body.decode()
    return int(re.search(r"^mirrorgate_log_lines_lost_total (\d+)$", text, re.MULTILINE)[1])


def test_a_log_whose_reader_is_gone_costs_lines_and_nothing_else(lab, ends):
    ends[0].close()
    gate = started(lab, ends)
    [worker] = gate.workers()
    with gate.connect("acme") as connection:
        for _ in range(3):
            start = lines_lost(gate)
            assert connection.get(SMALL).status == 200
            common.wait_until(lambda: lines_lost(gate) > start, "the lost line is counted")
    assert gate.workers() == [worker]
    gate.wait_line("mirrorgate: error: cannot write the access log .*lines are being lost")


def test_a_log_whose_reader_stalls_is_complete_when_it_goes_on(lab, ends):
    gate = started(lab, ends)
    identifiers = ask(gate, WAITING)
    assert gate.get(SMALL).status == 200
    lines = [json.loads(ends[0].readline()) for _ in range(WAITING)]
    assert [line["request_id"] for line in lines] == identifiers
    assert lines_lost(gate) == 0


def test_a_log_whose_reader_stalls_for_long_loses_whole_lines_and_counts_them(lab, ends):
    gate = started(lab, ends)
    identifiers = ask(gate, TOO_MANY)
    lost = lines_lost(gate)
    assert 0 < lost < TOO_MANY
    seen = [json.loads(ends[0].readline())["request_id"] for _ in range(TOO_MANY - lost)]
    assert seen == identifiers[: len(seen)], "what was kept is what came first"
    gate.wait_rest()
    last = ask(gate, BATCH)[-1]
    identifier = None
    while identifier != last:
        identifier = json.loads(ends[0].readline())["request_id"]


def test_operational_messages_that_nobody_reads_do_not_stop_the_gate(lab):
    gate = lab.gateway()
    fcntl.fcntl(gate.process.stderr, fcntl.F_SETPIPE_SZ, 8192)
    with gate.stderr.held:
        for _ in range(300):  # each ends without close_notify, and that is a line
            gate.connect("acme").close()
        assert gate.get(SMALL).status == 200
    before = len(gate.stderr)
    gate.connect("acme").close()
    gate.wait_line("mirrorgate: info: client closed without close_notify .*", before)
    fcntl.fcntl(gate.process.stderr, fcntl.F_SETPIPE_SZ, 65_536)
