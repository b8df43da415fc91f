"""What systemd is told: ready, reloading, stopping, and that the supervisor is alive."""

import os
import signal
import socket
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.gateway import policy

class Manager:
    """The service manager's end: one message a datagram, as a dictionary."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path if path[0] != "@" else "\0" + path[1:])
        self.socket.settimeout(15 * common.PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def receive(self):
        text = self.socket.recv(4096).decode()
        assert text.endswith("\n")
        return dict(line.split("=", 1) for line in text.splitlines())

    def environment(self, more=""):
        return f"export NOTIFY_SOCKET='{self.path}' {more}"


@pytest.fixture(params=["path", "abstract"])
def manager(request, lab):
    name = str(lab.new_folder("notify") / "s")
    with Manager(name if request.param == "path" else f"@mirrorgate-{os.getpid()}-{name}") as it:
        yield it


def test_ready_reloading_and_stopping_are_told_in_their_order(lab, manager):
    gate = lab.gateway(shell=manager.environment())
    assert manager.receive() == {"READY": "1"}
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    gate.reload(policy(serial=2))
    reloading = manager.receive()
    assert reloading.pop("RELOADING") == "1"
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(reloading.pop("MONOTONIC_USEC")) <= after
    assert not reloading
    assert manager.receive() == {"READY": "1"}
    gate.signal(signal.SIGTERM)
    assert manager.receive() == {"STOPPING": "1"}
    assert gate.wait_exit() == 0


def test_a_reload_that_is_refused_ends_in_ready_too(lab, manager):
    gate = lab.gateway(shell=manager.environment())
    assert manager.receive() == {"READY": "1"}
    gate.reload_refused("serial: none\n")
    assert "RELOADING" in manager.receive()
    assert manager.receive() == {"READY": "1"}


def test_the_watchdog_is_fed_twice_in_its_time_and_not_more(lab, manager):
    lab.gateway(shell=manager.environment("WATCHDOG_USEC=400000 WATCHDOG_PID=$$"))
    seen = [manager.receive() for _ in range(6)]
    assert seen.count({"WATCHDOG": "1"}) == 5, "and READY once"
    start = time.monotonic()
    for _ in range(5):
        manager.receive()
    assert time.monotonic() - start > 0.5, "five times in about a second"


@pytest.mark.parametrize("setting", ["WATCHDOG_PID=1 WATCHDOG_USEC=100000", "WATCHDOG_USEC=-1",
                                     "WATCHDOG_USEC=1x", "WATCHDOG_USEC=0", "WATCHDOG_USEC="])
def test_a_watchdog_that_waits_for_nobody_here_is_not_fed(lab, manager, setting):
    gate = lab.gateway(shell=manager.environment(setting))
    gate.reload(policy(serial=2))
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    told = [set(manager.receive()) for _ in range(4)]
    assert told == [{"READY"}, {"RELOADING", "MONOTONIC_USEC"}, {"READY"}, {"STOPPING"}]


def test_nobody_listening_is_a_warning_and_no_more(lab):
    gate = lab.gateway(shell=f"export NOTIFY_SOCKET={lab.folder}/nobody")
    gate.wait_line("mirrorgate: warning: cannot notify the service manager")
    assert gate.get("/artifacts/step-core/small.txt").status == 200
