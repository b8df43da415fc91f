"""Workers that crash, stand still, do what they must not, or lose their supervisor."""

import os
import re
import signal
import socket
import threading
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated

SMALL = "/artifacts/step-core/small.txt"
PATHS = "/artifacts/step-core/"

# A parser of requests that does what the request says; the gate calls it for each head.
BROKEN = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
says(const char *data, size_t len, const char *what)
{
	return memmem(data, len, what, strlen(what)) != NULL;
}

size_t
http_parser_execute(void *parser, const void *settings, const char *data, size_t len)
{
	static size_t (*real)(void *, const void *, const char *, size_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "http_parser_execute");
	if (says(data, len, "/step-core/abort"))
		abort();
	if (says(data, len, "/step-core/spin"))
		for (volatile int i = 0;; i = 1)
			;
	if (says(data, len, "/step-core/forbidden"))
		syscall(SYS_setsid);
	if (says(data, len, "/step-core/fault"))
		*(volatile int *)8 = 1;
	return real(parser, settings, data, len);
}
"""


@pytest.fixture
def store(lab):
    return lab.stub()


@pytest.fixture(scope="session")
def broken(tmp_path_factory):
    """Commands for sh, after which a gate does what requests say."""
    environment = common.preload(tmp_path_factory.mktemp("broken"), BROKEN)
    return "; ".join(f"export {key}='{value}'" for key, value in environment.items())


def gate_that_crashes(lab, store, config=None, **start):
    gate = lab.gateway(store, config=config or {}, **start)
    gate.crash_expected = True
    return gate


def ask(gate, what):
    """Sends the request WHAT and waits for the end of its connection, which has no answer."""
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        connection.send_request("GET", PATHS + what)
        with pytest.raises((Truncated, OSError)):
            connection.response()


def replaced(gate, victim):
    common.wait_until(lambda: gate.workers() not in ([], [victim]), "another worker")


def restarts(gate, cause):
    page = gate.get("/metrics", who="ops").body.decode()
    return int(re.search(rf'^mirrorgate_worker_restarts_total{{cause="{cause}"}} (\d+)$', page, re.M)[1])


def stack_of(gate, number):
    """The offsets in mirrorgate of the calls in the log, after the line that names the signal."""
    gate.wait_line(rf"mirrorgate: error: worker 0 ends by signal {number}, after these calls, .*")
    found = (re.fullmatch(r"mirrorgate: error: worker 0, call \d+: mirrorgate \+0x([0-9a-f]+)", line)
             for line in gate.stderr.since())  # fmt: skip
    return [match[1] for match in found if match]


def functions_at(offsets):
    done = common.run(["addr2line", "-f", "-e", common.MIRRORGATE, *(f"0x{o}" for o in offsets)])
    return done.stdout.decode().split("\n")[0::2]


def test_a_crash_is_said_with_the_signal_the_request_and_the_stack(lab, store, broken):
    gate = gate_that_crashes(lab, store, shell=broken)
    [victim] = gate.workers()
    ask(gate, "abort")
    said = gate.wait_line(
        rf"mirrorgate: error: worker 0 \(process {victim}\) was killed by signal 6"
        r", last request ([0-9a-f]{32})"
    )
    assert said[1] not in {line["request_id"] for line in gate.log_lines()[:1]}, "not the one before"
    assert "request_gate_check" in functions_at(stack_of(gate, 6))
    replaced(gate, victim)
    assert gate.get(SMALL).status == 200
    assert restarts(gate, "crashed") == 1


def test_a_fault_in_memory_is_said_with_the_stack_too(lab, store, broken):
    if common.SANITIZED:
        broken += "; export ASAN_OPTIONS=\"$ASAN_OPTIONS:handle_segv=0\""
    gate = gate_that_crashes(lab, store, shell=broken)
    [victim] = gate.workers()
    ask(gate, "fault")
    gate.wait_line(rf"mirrorgate: error: worker 0 \(process {victim}\) was killed by signal 11, .*")
    assert "request_gate_check" in functions_at(stack_of(gate, 11))
    replaced(gate, victim)
    assert gate.get(SMALL).status == 200


def test_a_system_call_that_is_not_allowed_is_said(lab, store, broken):
    """It is the kernel that ends the worker, so there is no stack. Instrumented, nothing happens."""
    gate = gate_that_crashes(lab, store, shell=broken)
    if common.INSTRUMENTED:
        assert gate.get(PATHS + "forbidden").status == 404
        return
    [victim] = gate.workers()
    ask(gate, "forbidden")
    gate.wait_line(
        rf"mirrorgate: error: worker 0 \(process {victim}\) was killed by signal 31: "
        r"a system call that is not allowed, last request [0-9a-f]{32}"
    )
    replaced(gate, victim)
    assert restarts(gate, "forbidden") == 1


def test_a_worker_whose_loop_does_not_turn_is_replaced_and_its_stack_said(lab, store, broken):
    gate = gate_that_crashes(lab, store, {"timeouts": {"worker": "3s"}}, shell=broken)
    [victim] = gate.workers()
    ask(gate, "spin")
    gate.wait_line(
        rf"mirrorgate: error: worker 0 \(process {victim}\) has not turned its loop for 3 s"
        r", last request [0-9a-f]{32}: it is replaced"
    )
    assert "request_gate_check" in functions_at(stack_of(gate, 6))
    replaced(gate, victim)
    assert gate.get(SMALL).status == 200
    assert restarts(gate, "stalled") >= 1
    page = gate.get("/metrics", who="ops").body.decode()
    assert int(re.search(r"^mirrorgate_worker_stalls_total (\d+)$", page, re.M)[1]) >= 1


def test_a_worker_that_hears_nothing_is_killed(lab, store):
    """One that is stopped runs no handler: SIGABRT is not enough."""
    gate = gate_that_crashes(lab, store, {"timeouts": {"worker": "3s"}})
    [victim] = gate.workers()
    os.kill(victim, signal.SIGSTOP)
    gate.wait_line(rf"mirrorgate: error: worker 0 \(process {victim}\) has not turned its loop .*")
    gate.wait_line(rf"mirrorgate: error: worker 0 \(process {victim}\) was killed by signal 9.*")
    replaced(gate, victim)
    assert gate.get(SMALL).status == 200


def test_a_supervisor_that_was_stopped_takes_no_worker_for_stalled(lab, store):
    gate = lab.gateway(store, config={"timeouts": {"worker": "3s"}, "workers": 2})
    before = gate.workers()
    gate.signal(signal.SIGSTOP)
    time.sleep(4)  # longer than a worker may stand still
    gate.signal(signal.SIGCONT)
    gate.reload()
    assert gate.workers() == before
    assert "has not turned" not in gate.stderr.text()


def test_processes_that_were_all_stopped_go_on(lab, store):
    """As when the machine slept."""
    gate = lab.gateway(store, config={"timeouts": {"worker": "3s"}, "workers": 2})
    before = gate.workers()
    everybody = [gate.process.pid, *before]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)  # longer than a worker may stand still
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    gate.reload()
    assert gate.workers() == before
    assert "has not turned" not in gate.stderr.text()


def test_who_ends_again_and_again_is_said_once_and_served_when_it_lives(lab, store):
    gate = gate_that_crashes(lab, store)
    for _ in range(7):
        [victim] = common.wait_until(gate.workers, "a worker")
        os.kill(victim, signal.SIGKILL)
        replaced(gate, victim)
    assert gate.get(SMALL).status == 200
    lines = gate.stderr.since()
    assert sum("was killed by signal 9" in line and "again and again" not in line for line in lines) == 3
    assert sum("is started again" in line for line in lines) == 3
    assert sum("again and again" in line for line in lines) <= 1
    assert restarts(gate, "killed") == 7


def test_a_worker_that_hangs_ends_when_the_supervisor_is_killed(lab, store, broken):
    """It cannot see the end of its channel."""
    gate = gate_that_crashes(lab, store, {"timeouts": {"worker": "1h"}}, shell=broken)
    [worker] = gate.workers()
    with gate.connect() as connection:
        connection.send_request("GET", PATHS + "spin")
        common.wait_until(lambda: state_of(worker) == "R", "the worker spins")
        os.kill(worker, signal.SIGUSR2)  # what anybody may send: not believed
        gate.process.kill()
        gate.process.wait()
        common.wait_until(lambda: not os.path.exists(f"/proc/{worker}"), "the worker ends")
    gate.process = None


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


class Newcomers:
    """Clients that make one request on a new connection each, again and again, and note what failed
    together with when it began and ended."""

    def __init__(self, gate, count):
        self.gate = gate
        self.over = threading.Event()
        self.done = 0
        self.failed = []
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def _ask(self):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                with self.gate.connect() as connection:
                    assert connection.get(SMALL).status == 200
                self.done += 1
            except (Truncated, OSError, AssertionError) as failure:
                self.failed.append((began, time.monotonic(), repr(failure)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_on_a_new_connection_fails_for_a_worker_that_is_dead(lab, store, workers):
    """Only what was under way when a worker was killed may fail: its own connections."""
    gate = gate_that_crashes(lab, store, {"workers": workers})
    kills = []
    with Newcomers(gate, 4) as clients:
        for _ in range(6):
            done = clients.done
            common.wait_until(lambda done=done: clients.done > done + 20, "requests are answered")
            now = common.wait_until(
                lambda: w if len(w := gate.workers()) == workers else None, "all workers are there"
            )
            began = time.monotonic()
            os.kill(now[0], signal.SIGKILL)
            common.wait_until(lambda pid=now[0]: pid not in gate.workers(), "the worker ends")
            kills.append((began, time.monotonic()))
        done = clients.done
        common.wait_until(lambda: clients.done > done + 20, "requests are answered")
    print(f"{clients.done} answered, {len(clients.failed)} failed with 6 kills")
    for began, ended, what in clients.failed:
        own = any(began <= kill_ended and kill_began <= ended for kill_began, kill_ended in kills)
        assert own, f"no worker ended meanwhile: {what}"


def test_sockets_of_the_service_manager_outlive_a_supervisor_that_was_killed(lab, store):
    """As systemd does with mirrorgate.socket: clients that come meanwhile wait for the next gate."""
    shell = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as passed:
        listen = [{"address": "127.0.0.1", "port": passed.getsockname()[1]}]
        gate = lab.gateway(store, config={"listen": listen}, shell=shell, stdin=passed)
        workers = gate.workers()
        gate.process.kill()
        gate.process.wait()
        common.wait_until(
            lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers end"
        )
        waiting = [gate.tcp() for _ in range(5)]
        gate.start(shell=shell, stdin=passed)
        for sock in waiting:
            with gate.over(sock) as connection:
                assert connection.get(SMALL).status == 200


def test_the_unit_starts_a_gate_that_ended_within_a_second():
    unit = (common.REPOSITORY / "packaging/debian/mirrorgate.service").read_text("utf-8")
    assert "\nRestart=on-failure\n" in unit
    assert re.search(r"^RestartSec=\d{1,3}ms$", unit, re.M)
    assert "\nRequires=mirrorgate.socket\n" in unit
