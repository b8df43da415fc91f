"""The access log's file: a disk that fills up, and a folder in which somebody else may write."""

import json
import os
import re
import resource
import signal

import pytest
from mirrorgate_test import common

SMALL = "/artifacts/step-core/small.txt"
LONG = f"/artifacts/{'x' * 300}"
ROOM = 1000  # bytes until the file may grow no more: a line and a part of one
UNLIMITED = resource.RLIM_INFINITY


# --- full


def limit_size(gate, size):
    for pid in gate.workers():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))


def identifiers(gate, count):
    return [gate.get(LONG).request_id for _ in range(count)]


def metrics(gate):
    """(lines lost, the id of the request that asked for it)"""
    response = gate.get("/metrics", who="ops")
    lost = re.search(r"^mirrorgate_log_lines_lost_total (\d+)$", response.body.decode(), re.M)
    return int(lost[1]), response.request_id


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_costs_whole_lines_that_are_counted_one_by_one(lab, store, workers):
    """A limit of the file's size cuts write() short and then fails it, as a full disk does."""
    gate = lab.gateway(store, config={"workers": workers})
    asked = identifiers(gate, 1)
    gate.log_line(asked[0])
    limit_size(gate, gate.access_log.stat().st_size + ROOM)
    start = len(gate.stderr)
    asked += identifiers(gate, 20)
    gate.wait_line("mirrorgate: error: cannot write the access log .*: lines are being lost", start)
    common.wait_until(lambda: not gate.access_log.read_bytes().endswith(b"\n"), "a line is torn")
    asked += identifiers(gate, 5)
    limit_size(gate, UNLIMITED)
    asked += identifiers(gate, 5)

    def accounted():
        lost, last = metrics(gate)
        asked.append(last)
        gate.log_line(last)
        seen = {line["request_id"] for line in gate.log_lines()}
        return seen, lost, lost + len(seen & set(asked)) >= len(asked)

    common.wait_until(lambda: accounted()[2], "each line is written or counted")
    seen, lost, _ = accounted()
    assert 0 < lost == len(set(asked) - seen)
    assert gate.access_log.read_bytes().endswith(b"}\n")


def test_a_line_that_a_killed_worker_has_begun_is_not_glued_to_another(lab, store):
    gate = lab.gateway(store)
    gate.crash_expected = True
    gate.log_line(gate.get(LONG).request_id)
    limit_size(gate, gate.access_log.stat().st_size + ROOM)
    identifiers(gate, 5)
    common.wait_until(lambda: not gate.access_log.read_bytes().endswith(b"\n"), "a line is torn")
    [victim] = gate.workers()
    os.kill(victim, signal.SIGKILL)
    common.wait_until(lambda: gate.workers() not in ([], [victim]), "another worker is there")
    last = gate.get(SMALL).request_id
    common.wait_until(lambda: last in gate.access_log.read_text(), "the new one writes")
    *_, torn, line = gate.access_log.read_text().splitlines()
    with pytest.raises(json.JSONDecodeError):
        json.loads(torn)
    assert json.loads(line)["request_id"] == last
    gate.access_log.write_text("")  # its lines are looked at when the gate stops


# --- opened by name


def symbolic_link(log, victim):
    log.symlink_to(victim)
    return "it is a symbolic link"


def hard_link(log, victim):
    log.hardlink_to(victim)
    return r"it has another name, too \(a hard link\).*"


def pipe_without_reader(log, _):
    os.mkfifo(log)
    return "No such device or address"


def of_somebody_else(log, _):
    log.touch()
    os.chown(log, 12_345, 12_345)
    return "it belongs to another user.*"


TRAPS = [symbolic_link, hard_link, pipe_without_reader]
if os.geteuid() == 0:  # nobody else can give a file away
    TRAPS.append(of_somebody_else)


@pytest.mark.parametrize("trap", TRAPS)
def test_what_stands_in_place_of_the_log_is_not_written_to(lab, store, trap):
    gate = lab.gateway(store)
    victim = gate.access_log.with_name("victim")
    victim.write_text("precious")
    rotated = gate.access_log.with_name("rotated")
    gate.log_line(gate.get(SMALL).request_id)
    gate.access_log.rename(rotated)
    reason = trap(gate.access_log, victim)
    start = len(gate.stderr)
    gate.signal(signal.SIGUSR1)
    gate.wait_line(f"mirrorgate: error: cannot open the access log .*: {reason}", start)
    gate.wait_line("mirrorgate: error: the access log is not reopened: .*", start)
    last = gate.get(SMALL).request_id
    common.wait_until(lambda: last in rotated.read_text(), "the file that is open is written to")
    assert victim.read_text() == "precious"
    gate.access_log.unlink()
    gate.signal(signal.SIGUSR1)
    gate.wait_line("mirrorgate: info: access log reopened", start)
    gate.log_line(gate.get(SMALL).request_id)


def test_a_gate_does_not_start_with_a_symbolic_link_for_a_log(lab, store):
    gate = lab.gateway(store)
    gate.stop()
    victim = gate.access_log.with_name("victim")
    victim.write_text("precious")
    gate.access_log.unlink()
    gate.access_log.symlink_to(victim)
    done = gate.run("--unsafe-any-port")
    assert done.returncode == 1
    assert "it is a symbolic link" in done.stderr
    assert victim.read_text() == "precious"
    gate.access_log.unlink()


def test_a_worker_that_cannot_be_given_the_new_log_is_named_and_gets_it_later(lab, store):
    gate = lab.gateway(store)
    [worker] = gate.workers()
    start = len(gate.stderr)
    refused = re.compile("mirrorgate: error: worker 0 cannot be given the new access log .*")

    def is_full():
        for _ in range(20):
            gate.signal(signal.SIGUSR1)
        return any(refused.match(line) for line in gate.stderr.since(start))

    os.kill(worker, signal.SIGSTOP)
    try:
        common.wait_until(is_full, "the channel is full", timeout=60)
        gate.access_log.rename(gate.access_log.with_name("rotated"))
        gate.signal(signal.SIGUSR1)
        common.wait_until(gate.access_log.exists, "the newest log is there")
        start = len(gate.stderr)
    finally:
        os.kill(worker, signal.SIGCONT)
    gate.wait_line("mirrorgate: info: access log reopened", start)

    def logs_anew():
        return gate.get(SMALL).request_id and gate.access_log.stat().st_size > 0

    common.wait_until(logs_anew, "the worker writes to the newest log")
    assert gate.workers() == [worker]
