"""One customer asks at a steady rate, beside what others do: one certificate at its worst, and many
slow clients at once."""

import contextlib
import multiprocessing
import os
import subprocess
import time

import attacker
from mirrorgate_test import client, common
from mirrorgate_test.gateway import customer, policy
from tally import Loop

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
TRIES, FIRST_PAUSE = 5, 0.5  # and seconds, as spot tries again
STEADY_CLIENT = common.BUILD / "bench" / "steady_client"
VICTIM, ATTACKER = "globex", "acme"
STEADY_CONNECTIONS, STEADY_RATE = 4, 25
MOST = 2.0  # times that another customer's p99 may grow
LONG_ENOUGH = 60  # seconds, below which figures of so few requests are only shown


def steady(gate, tally, seconds):
    """Milliseconds that each of Globex's requests took; every one of them must be answered."""
    identity, authority = gate.world.identity(VICTIM), gate.world.authority
    words = [STEADY_CLIENT, gate.port, authority.certificate, identity.cert, identity.key,
             SMALL, STEADY_CONNECTIONS, STEADY_RATE, seconds]  # fmt: skip
    asking = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds + 0.5)
    said, complaint = asking.communicate(timeout=60)
    tally.check(asking.returncode == 0, "steady client", complaint)
    times = [int(line.split()[1]) / 1e6 for line in said.splitlines()]
    tally.counts["requests of another customer"] += len(times)
    return times


def compare(tally, quiet, busy, seconds):
    """The p99 of BUSY against that of QUIET, which are steady()'s."""
    before, during = (sorted(times)[len(times) * 99 // 100] for times in (quiet, busy))
    tally.counts["p99 of another customer, ms"] = round(before, 2)
    tally.counts["p99 of another customer meanwhile, ms"] = round(during, 2)
    if seconds >= LONG_ENOUGH:
        tally.check(during < MOST * before, "p99", f"{during / before:.1f} times")


class Attack:
    """Acme attacks; Globex asks at a steady rate, and opens connections now and then."""

    def __init__(self, lab, tally):
        self.tally = tally
        limits = {"connections": 60}
        base = policy(1)
        greedy = customer("acme", ["step-core"], connections=20, rate="1M", snapshots_per_day=2)
        honest = customer(VICTIM, ["step-core", "step-plus"])
        self.gate = lab.gateway(config={"limits": limits, "workers": 2},
                                policy={**base, "customers": [greedy, honest]})  # fmt: skip
        self.content = (self.gate.stores[0].root / SMALL[1:]).read_bytes()

    def visit(self):
        """A new connection. On a full node it may be one too many while nobody knows whose it is: it
        is tried again then, as spot does, and counted. Once it is known it is never one too many: the
        log would tell."""
        for tries_left in reversed(range(TRIES)):
            try:
                with self.gate.connect(VICTIM) as connection:
                    response = connection.get(SMALL)
                break
            except (OSError, client.Truncated):  # by TLS 1.3 its own handshake ends before the gate's
                if tries_left == 0:
                    raise
                self.tally.count("new connection of another customer, tried again")
                time.sleep(FIRST_PAUSE * 2 ** (TRIES - 1 - tries_left))
        good = response.status == 200 and response.body == self.content
        self.tally.check(good, "new connection of another customer", f"status {response.status}")
        time.sleep(0.2)

    def run(self, seconds):
        """Quiet, attacked, quiet again."""
        part = max(3, seconds // 4)
        visitor = Loop(self.tally, self.visit)
        quiet = steady(self.gate, self.tally, part)
        with attacker.attacked(self.gate, ATTACKER) as goes_on:
            attacked = steady(self.gate, self.tally, seconds)
            self.tally.check(goes_on(), "attack", "it ended by itself")
        quiet += steady(self.gate, self.tally, part)
        visitor.stop()
        compare(self.tally, quiet, attacked, seconds)
        lines = self.gate.log_lines()
        refused = [line for line in lines if line["customer"] == VICTIM and line["status"] != 200]
        self.tally.check(not refused, "log of another customer", refused[:3])
        refused = sum(line["customer"] == ATTACKER and line["status"] == 429 for line in lines)
        self.tally.check(refused, "429 of the attacker", "there was none")
        self.gate.stores = []  # transfers were cut: no audit


# --- many, slow and idle

SLOW = {"handshake": 2000, "head": 2000, "reader": 2000, "upload": 500}
IDLE = 10_000
IDLE_HOLDERS = 4
STAYS = 20 << 20  # bytes, at most, when all have gone
PATIENT = {
    "workers": 2,
    "timeouts": {name: "10m" for name in ("handshake", "request", "body", "idle", "send", "worker")},
    "limits": {"connections": 60_000, "connections_per_address": 60_000,
               "handshakes_per_second_per_address": 1_000_000, "transfers_per_customer": 60_000},
}  # fmt: skip


def stalled_handshake(gate):
    sock = gate.tcp()
    sock.sendall(b"\x16\x03\x01")
    return sock, None


def slow_head(gate):
    connection = gate.connect(ATTACKER)
    connection.send(b"GET /artifacts/")
    return connection, lambda: connection.send(b"a")


def slow_reader(gate):
    connection = gate.connect(ATTACKER, receive_buffer=4096)
    connection.send_request("GET", LARGE)
    return connection, lambda: connection.read_some(512)


def slow_upload(gate):
    connection = gate.connect(ATTACKER)
    fields = [("Content-Type", "application/json"), ("Content-Length", "200000")]
    connection.send_request("PUT", "/snapshots/slow", fields)
    return connection, lambda: connection.send(b" ")


def idle_connection(gate):
    connection = gate.connect(ATTACKER)
    assert connection.get(SMALL).status == 200
    return connection, None


KINDS = {"handshake": stalled_handshake, "head": slow_head, "reader": slow_reader,
         "upload": slow_upload}  # fmt: skip


def hold(gate, make, count, ready):
    """COUNT connections, until this process is ended: each does a little, about once a second."""
    os.nice(19)
    held = [make(gate) for _ in range(count)]
    ready.set()
    while True:
        for _, action in held:
            if action is not None:
                with contextlib.suppress(OSError, client.Truncated):
                    action()
        time.sleep(1)


@contextlib.contextmanager
def held(gate, orders):
    """The connections of ORDERS, (make, count), while the block runs."""
    fork = multiprocessing.get_context("fork")
    ready = [fork.Event() for _ in orders]
    running = [fork.Process(target=hold, args=(gate, *order, event), daemon=True)
               for order, event in zip(orders, ready)]  # fmt: skip
    for process in running:
        process.start()
    try:
        common.wait_until(
            lambda: all(event.is_set() for event in ready)
            or not all(process.is_alive() for process in running),
            "the connections are there", timeout=600)  # fmt: skip
        assert all(process.is_alive() for process in running), "connections were refused"
        yield
    finally:
        for process in running:
            process.kill()
            process.join()


class Many:
    """Slow clients of all kinds at once beside another customer; then idle ones; then nobody."""

    def __init__(self, lab, tally):
        self.tally = tally
        greedy = customer(ATTACKER, ["step-core"], snapshots_per_day=0)
        honest = customer(VICTIM, ["step-core"])
        self.gate = lab.gateway(config=PATIENT, policy={**policy(1), "customers": [greedy, honest]})

    def _has_gone(self, before):
        """Waits until the memory of all that have gone is given back."""
        try:
            common.wait_until(lambda: self.gate.private_memory() < before + STAYS, "memory is given back")
        except AssertionError:
            pass
        left = self.gate.private_memory() - before
        self.tally.check(left < STAYS, "memory after all have gone", f"{left} bytes stay")

    def run(self, seconds):
        share = 1 if seconds >= LONG_ENOUGH else 10
        part = max(3, seconds // 4)
        quiet = steady(self.gate, self.tally, part)
        before = self.gate.private_memory()
        orders = [(KINDS[kind], count // share) for kind, count in SLOW.items()]
        with held(self.gate, orders):
            self.tally.counts["slow connections"] = sum(count for _, count in orders)
            busy = steady(self.gate, self.tally, seconds)
        self._has_gone(before)
        quiet += steady(self.gate, self.tally, part)
        compare(self.tally, quiet, busy, seconds)
        count = IDLE // share // IDLE_HOLDERS
        before = self.gate.private_memory()
        with held(self.gate, [(idle_connection, count)] * IDLE_HOLDERS):
            grown = self.gate.private_memory() - before
            self.tally.counts["idle connections"] = count * IDLE_HOLDERS
            self.tally.counts["KiB for each idle one"] = round(grown / count / IDLE_HOLDERS / 1024, 1)
        self._has_gone(before)
        self.gate.stores = []  # transfers were cut: no audit
