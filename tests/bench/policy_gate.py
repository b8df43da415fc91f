"""A gateway with a large policy: how long it takes to load, what it holds, whom it delays.

A load is over when the workers are live and the supervisor has logged what changed.
"""

import dataclasses
import json
import os
import signal
import subprocess
import time

from mirrorgate_test import common
from mirrorgate_test.gateway import status_field

LOAD_TIMEOUT = 240  # seconds, for the largest YAML
CONNECTIONS, RATE = 8, 100  # of the steady client: connections, requests a second on each
SHORTEST_WINDOW = 0.25  # seconds that count as one reload at least
TICKS = os.sysconf("SC_CLK_TCK")
STEADY_CLIENT = common.BUILD / "bench" / "steady_client"


@dataclasses.dataclass
class Load:
    start: float  # of the monotonic clock
    live: float  # seconds until all workers had it
    whole: float  # seconds until the change was logged too
    cpu: float  # seconds of the supervisor and of what it started for the load


def _cpu(pid):
    """CPU seconds of PID and of its children that ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _wait_line(gate, pattern, start):
    """Until a line of the log matches; returns when, to a few milliseconds."""
    gate.wait_line(pattern, start, LOAD_TIMEOUT)
    return time.monotonic()


def load(gate, policy):
    """Sends SIGHUP with the file POLICY in place."""
    gate.policy_file.unlink(missing_ok=True)
    gate.policy_file.symlink_to(policy)
    pid, lines = gate.process.pid, len(gate.stderr)
    cpu, start = _cpu(pid), time.monotonic()
    gate.signal(signal.SIGHUP)
    live = _wait_line(gate, r"mirrorgate: info: generation \d+ live on .*", lines) - start
    whole = _wait_line(gate, r"mirrorgate: info: policy: serial .*", lines) - start
    common.wait_until(
        lambda: not any(name.endswith("loader\n") for name in gate.children().values()), "the loader ends"
    )
    return Load(start, live, whole, _cpu(pid) - cpu)


def supervisor_memory(gate):
    names = ("VmRSS", "VmHWM", "RssAnon")
    return {name: status_field(gate.process.pid, name) for name in names}


def worker_memory(gate):
    """For each worker its fields of memory; Pss counts a page shared by two as half a page."""
    return [
        {"RssAnon": status_field(pid, "RssAnon"), "RssShmem": status_field(pid, "RssShmem"),
         **_shares(pid)}
        for pid in gate.workers()
    ]  # fmt: skip


def _shares(pid):
    """Nothing, where only root may look into a worker."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            fields = {name: value for name, _, value in (line.partition(":") for line in file)}
    except PermissionError:
        return {}
    return {name: int(fields[name].split()[0]) * 1024 for name in ("Pss", "Pss_Shmem")}


class SteadyClient:
    """GETs at a steady rate while a block runs; afterwards `samples` are (due, seconds)."""

    def __init__(self, gate, seconds):
        ca = gate.world.authority.folder
        acme = gate.world.identity("acme")
        self._command = [STEADY_CLIENT, gate.port, ca / "ca.crt", acme.cert, acme.key,
                         "/artifacts/step-core/small.txt", CONNECTIONS, RATE, seconds]
        self._seconds = seconds
        self.samples = []

    def __enter__(self):
        self._process = subprocess.Popen(list(map(str, self._command)), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, encoding="ascii")
        return self

    def __exit__(self, *_):
        output, _ = self._process.communicate("", timeout=self._seconds + 30)
        assert self._process.returncode == 0, "the steady client failed"
        for line in output.splitlines():
            due, took = line.split()
            self.samples.append((int(due) / 1e9, int(took) / 1e9))

    def within(self, windows):
        """The times of the requests that were due within WINDOWS, sorted."""
        return sorted(took for due, took in self.samples
                      if any(start <= due < end for start, end in windows))


def quantile(times, share):
    return times[min(int(len(times) * share), len(times) - 1)]


def disturbance(gate, policies):
    """Loads POLICIES one after the other under a steady load, each after a quiet time as long as
    the load before it. Returns the loads and the sorted times of requests without and with."""
    loads, quiet, busy = [], [], []
    limit = min(LOAD_TIMEOUT, 30 * len(policies)) * 2
    with SteadyClient(gate, limit) as client:
        time.sleep(1.0)  # its handshakes are no part of this
        length = 1.0
        for policy in policies:
            start = time.monotonic()
            time.sleep(length)  # the quiet time itself
            quiet.append((start, start + length))
            loads.append(load(gate, policy))
            length = max(loads[-1].whole, SHORTEST_WINDOW)
            left = loads[-1].start + length - time.monotonic()
            time.sleep(max(left, 0))
            busy.append((loads[-1].start, loads[-1].start + length))
    return loads, client.within(quiet), client.within(busy)


def look_ups(image, customers, products, rounds):
    """Nanoseconds a look-up, by kind."""
    done = subprocess.run([common.BUILD / "bench" / "policy_lookup", image, str(customers),
                           str(products), str(rounds)],
                          stdout=subprocess.PIPE, timeout=300, check=True)
    return json.loads(done.stdout)
