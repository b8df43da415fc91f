"""SIGUSR2: another program takes over, or this one goes on as if nothing had been."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse
from mirrorgate_test.upgradable import FAILED, Follower, Upgradable, adopt_orphans

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"
TIMES = 20


@pytest.fixture(autouse=True, scope="module")
def reaper():
    adopt_orphans(True)
    yield
    adopt_orphans(False)


def upgradable(lab, *, store=None, shell=None, stdin=subprocess.DEVNULL, **config):
    gate = Upgradable(lab.world, lab.new_folder("gate"), [store or lab.stub()], config=config)
    return lab.start(gate, shell=shell, stdin=stdin)


class Load:
    """Clients that ask without a pause; each failure is kept. An answer that closes is obeyed."""

    def __init__(self, gate, *, newcomers=1, stayers=1):
        self.gate, self.over = gate, threading.Event()
        self.done, self.failed = 0, []
        actions = [self._come] * newcomers + [self._stay] * stayers
        self.threads = [threading.Thread(target=self._run, args=[it]) for it in actions]

    def _run(self, action):
        while not self.over.is_set():
            try:
                action()
            except (Truncated, OSError, AssertionError) as failure:
                self.failed.append(repr(failure))

    def _ask(self, connection):
        response = connection.get(SMALL)
        assert response.status == 200
        self.done += 1
        return not response.closes

    def _come(self):
        with self.gate.connect() as connection:
            self._ask(connection)

    def _stay(self):
        with self.gate.connect() as connection:
            while not self.over.is_set() and self._ask(connection):
                pass

    def go_on(self):
        done = self.done
        common.wait_until(lambda: self.done > done + 10, "requests are answered")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_twenty_upgrades_under_load_fail_no_request(lab):
    """Each fourth is tried in vain before: a program that is none, one that ends, a configuration
    that is refused."""
    gate = upgradable(lab, workers=2)
    good = gate.config_file.read_text()
    with Load(gate) as load:
        for turn in range(TIMES):
            if turn % 4 == 0:
                gate.replace_program("garbage\n")
                gate.upgrade_fails("ended before it was ready")
            elif turn % 4 == 1:
                gate.replace_program("#!/bin/sh\nexit 0\n")
                gate.upgrade_fails("ended before it was ready")
            elif turn % 4 == 2:
                gate.config_file.write_text(good + "colour: red\n")
                gate.upgrade_fails("ended before it was ready")
                gate.config_file.write_text(good)
            gate.replace_program(common.MIRRORGATE)
            gate.upgrade()
            load.go_on()
    assert load.failed == []
    print(f"{load.done} requests answered")
    assert gate.reload(policy(2)) == 2


@pytest.mark.parametrize("before,after", [(3, 1), (1, 3)])
def test_the_number_of_workers_may_change_with_the_program(lab, before, after):
    gate = upgradable(lab, workers=before)
    with Load(gate) as load:
        for count in (after, before, after):
            gate.write_config({"workers": count, "store": {"servers": [gate.stores[0].url]}})
            gate.upgrade()
            assert len(gate.workers()) == count
            load.go_on()
    assert load.failed == []


def test_a_download_goes_on_in_the_program_that_it_began_in(lab):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 20 << 20)
    gate = upgradable(lab, store=store, drain={"timeout": "1h"})
    with gate.connect("acme", receive_buffer=16_384) as connection:
        connection.send_request("GET", IMAGE)
        pieces = connection.body_pieces(connection.read_head())
        body = bytearray(next(pieces))
        before = gate.upgrade()
        assert gate.get(SMALL).status == 200
        assert before.poll() is None
        for piece in pieces:
            body += piece
        assert body == (store.root / IMAGE[1:]).read_bytes()
    assert before.wait(timeout=common.LONG * common.PATIENCE) == 0


def test_who_rests_may_ask_once_more_and_is_told_to_go(lab):
    gate = upgradable(lab, drain={"timeout": "1h"}, timeouts={"idle": "1h", "worker": "10m"})
    with gate.connect() as used, gate.connect() as unused:
        assert used.get(SMALL).status == 200
        before = gate.upgrade()
        for connection in (used, unused):
            response = connection.get(SMALL)
            assert response.status == 200
            assert response.closes
            connection.assert_ended()
    assert before.wait(timeout=common.LONG * common.PATIENCE) == 0


@pytest.mark.parametrize("how", ["the time is over", "SIGTERM"])
def test_who_rests_for_too_long_is_ended(lab, how):
    gate = upgradable(lab, drain={"timeout": "1s" if how != "SIGTERM" else "1h"},
                      timeouts={"idle": "1h", "worker": "10m"})  # fmt: skip
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        before = gate.upgrade()
        if how == "SIGTERM":
            before.send_signal(signal.SIGTERM)
        connection.assert_ended()
    assert before.wait(timeout=common.LONG * common.PATIENCE) == 0
    assert gate.get(SMALL).status == 200


def test_a_program_that_does_not_become_ready_in_time_is_ended(lab):
    gate = upgradable(lab, timeouts={"upgrade": "1s", "worker": "10m"})
    gate.replace_program("#!/bin/sh\nexec sleep 1000\n")
    gate.upgrade_fails("was not ready within timeouts.upgrade")
    assert gate.get(SMALL).status == 200


def test_a_program_that_is_gone_is_named(lab):
    gate = upgradable(lab)
    gate.program.unlink()
    gate.upgrade_fails("ended before it was ready")
    gate.wait_line(f"mirrorgate: error: upgrade: {gate.program} cannot be started: No such .*")


def test_a_policy_that_is_refused_leaves_the_old_program(lab):
    gate = upgradable(lab)
    gate.write_policy("serial: none\n")
    gate.upgrade_fails("ended before it was ready")
    assert gate.get(SMALL).status == 200
    page = gate.get("/metrics", who="ops").body.decode()
    assert 'mirrorgate_upgrades_total{result="failed"} 1' in page
    gate.write_policy(policy())
    gate.upgrade()
    page = gate.get("/metrics", who="ops").body.decode()
    assert 'mirrorgate_upgrades_total{result="done"} 1' in page


def test_a_second_signal_meanwhile_changes_nothing(lab):
    gate = upgradable(lab, timeouts={"upgrade": "5s", "worker": "10m"})
    gate.replace_program("#!/bin/sh\nexec sleep 1000\n")
    gate.signal(signal.SIGUSR2)
    match = gate.wait_line(r"mirrorgate: info: upgrade: process (\d+) is started")
    gate.signal(signal.SIGUSR2)
    gate.wait_line(rf"mirrorgate: warning: upgrade refused: process {match[1]} is about to .*")
    gate.wait_line(FAILED % "was not ready within timeouts.upgrade")
    assert sum("is started" in line for line in gate.stderr.since()) == 1


def test_a_drain_ends_the_program_that_was_to_follow(lab):
    gate = upgradable(lab)
    gate.replace_program("#!/bin/sh\nexec sleep 1000\n")
    gate.signal(signal.SIGUSR2)
    match = gate.wait_line(r"mirrorgate: info: upgrade: process (\d+) is started")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert not os.path.exists(f"/proc/{match[1]}")


def test_a_reload_that_comes_meanwhile_is_made_up_for(lab):
    """The program that follows has read the policy before it changed."""
    gate = upgradable(lab)
    go = gate.folder / "go"
    os.mkfifo(go)
    script = f'#!/bin/sh\nread line <"{go}"\nexec "{common.MIRRORGATE}" "$@"\n'
    gate.replace_program(script)
    start = len(gate.stderr)
    gate.signal(signal.SIGUSR2)
    gate.wait_line(r"mirrorgate: info: upgrade: process (\d+) is started", start)
    gate.reload(policy(2, customers=[customer("globex", ["step-core"])]))
    go.write_text("now\n")
    match = gate.wait_line(r"mirrorgate: info: upgrade: process (\d+) has taken over", start)
    gate.retired.append(gate.process)
    gate.process = Follower(int(match[1]))
    # By the loader, which has a name of its own by then.
    gate.wait_line(r"mirrorgate: info: policy: serial 2 unchanged", start)
    gate.first_workers = gate.workers()
    assert gate.get(SMALL, who="globex").status == 200


def test_sockets_of_the_service_manager_are_handed_on(lab):
    """All workers share one, in the program that follows, too."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as passed:
        listen = [{"address": "127.0.0.1", "port": passed.getsockname()[1]}]
        gate = upgradable(
            lab, workers=2, listen=listen, stdin=passed,
            shell="exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$",
        )  # fmt: skip
    with Load(gate) as load:
        for _ in range(3):
            gate.upgrade()
            load.go_on()
    assert load.failed == []


def test_the_service_manager_is_told_of_the_new_main_process(lab):
    """By the one that it believes, before that one has its READY; and its watchdog is fed."""
    path = str(lab.new_folder("notify") / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(common.LONG * common.PATIENCE)
        told = lambda: manager.recv(4096).decode()  # noqa: E731
        gate = upgradable(lab, shell=f"export NOTIFY_SOCKET={path} WATCHDOG_USEC=60000000 WATCHDOG_PID=$$")
        assert told() == "READY=1\n"
        gate.upgrade()
        assert told() == f"MAINPID={gate.process.pid}\n"
        assert told() == "READY=1\n"
        environment = open(f"/proc/{gate.process.pid}/environ", encoding="utf-8").read().split("\0")
        assert f"WATCHDOG_PID={gate.process.pid}" in environment
        gate.signal(signal.SIGTERM)
        assert told() == "STOPPING=1\n"
        assert gate.wait_exit() == 0


def test_the_admin_socket_goes_to_the_program_that_takes_over(lab):
    gate = upgradable(lab, admin_socket="admin.sock")
    gate.upgrade()

    def status():
        done = common.run([common.MIRRORGATE, "status", "-s", gate.folder / "admin.sock"])
        assert done.returncode == 0, done.stderr

    status()
    gate.write_policy("serial: none\n")
    gate.upgrade_fails("ended before it was ready")
    status()


# --- mirrorgate upgrade


def by_command(gate, *arguments):
    return subprocess.run(
        [common.MIRRORGATE, "upgrade", "-s", gate.folder / "admin.sock", *arguments],
        capture_output=True, text=True, timeout=300 * common.PATIENCE, check=False,
    )  # fmt: skip


def took_over(gate, pid):
    gate.retired.append(gate.process)
    gate.process = Follower(pid)
    gate.first_workers = gate.workers()


def status_of(gate):
    done = common.run([common.MIRRORGATE, "status", "--json", "-s", gate.folder / "admin.sock"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_waits_until_the_new_process_serves_and_answers(lab):
    gate = upgradable(lab, admin_socket="admin.sock", workers=2)
    with Load(gate) as load:
        for _ in range(5):
            before = gate.process.pid
            done = by_command(gate)
            assert done.returncode == 0, done.stderr
            match = re.fullmatch(r"process (\d+) has taken over from (\d+)\n", done.stdout)
            assert int(match[2]) == before
            assert status_of(gate)["pid"] == int(match[1])
            took_over(gate, int(match[1]))
            load.go_on()
    assert load.failed == []


def test_the_command_answers_programs_in_json(lab):
    gate = upgradable(lab, admin_socket="admin.sock")
    before = gate.process.pid
    done = by_command(gate, "--json")
    answer = json.loads(done.stdout)
    took_over(gate, answer["pid"])
    assert done.returncode == 0
    assert answer == {"upgrade": "done", "pid": status_of(gate)["pid"], "before": before, "reason": None}


@pytest.mark.parametrize("program,why", [
    ("#!/bin/sh\nexit 0\n", "ended before it was ready"),
    ("garbage\n", "ended before it was ready"),
    ("#!/bin/sh\nexec sleep 1000\n", "was not ready within timeouts.upgrade"),
])  # fmt: skip
def test_the_command_tells_that_a_program_was_refused(lab, program, why):
    gate = upgradable(lab, admin_socket="admin.sock", timeouts={"upgrade": "1s", "worker": "10m"})
    gate.replace_program(program)
    done = by_command(gate)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"upgrade failed: process \d+ {why}; the one before, {gate.process.pid}, goes on",
                     done.stderr)  # fmt: skip
    assert gate.get(SMALL).status == 200
    assert status_of(gate)["pid"] == gate.process.pid


def test_a_policy_that_the_new_program_refuses_is_a_failure_of_the_command(lab):
    gate = upgradable(lab, admin_socket="admin.sock")
    gate.write_policy("serial: none\n")
    done = by_command(gate, "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["upgrade"], answer["reason"]) == ("failed", "ended before it was ready")
    gate.write_policy(policy())


class Hanging:
    """`mirrorgate upgrade` waits for a program, process PID, that is never ready."""

    def __init__(self, lab):
        self.gate = upgradable(lab, admin_socket="admin.sock",
                               timeouts={"upgrade": "1h", "worker": "10m"})  # fmt: skip
        self.gate.replace_program("#!/bin/sh\nexec sleep 1000\n")
        self._answers = []
        self._thread = threading.Thread(target=lambda: self._answers.append(by_command(self.gate)))
        self._thread.start()
        match = self.gate.wait_line(r"mirrorgate: info: upgrade: process (\d+) is started")
        self.pid = int(match[1])

    def answer(self):
        """What the command came to."""
        self._thread.join(300)
        [answer] = self._answers
        return answer


def test_a_second_command_meanwhile_is_refused_and_the_first_is_told_the_end(lab):
    first = Hanging(lab)
    done = by_command(first.gate)
    assert done.returncode == 1
    assert f"upgrade refused: process {first.pid} is about to take over already" in done.stderr
    os.kill(first.pid, signal.SIGKILL)
    answer = first.answer()
    assert answer.returncode == 1 and "ended before it was ready" in answer.stderr


def test_a_drain_tells_who_waits_for_an_upgrade(lab):
    asker = Hanging(lab)
    asker.gate.signal(signal.SIGTERM)
    assert asker.gate.wait_exit() == 0
    answer = asker.answer()
    assert answer.returncode == 1 and "is not waited for" in answer.stderr
