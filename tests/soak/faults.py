"""Faults at random, and that each failed request was failed by one of them.

One at a time: a worker is killed, a store is killed or stops, the disk fills, the clock jumps, the
files are loaded again, another program takes over, another customer floods. Meanwhile clients ask,
download slowly and upload. No answer that ends well has a wrong byte, no snapshot that was
acknowledged is gone, and a failed request was on a connection of the worker that was killed, or at
the store that was, or an upload to the full disk: nothing else may fail any.

The hard part is to know whose connection it was. A worker is stopped before it is killed, and its
sockets are read from /proc; which store a request was at is in the access log.
"""

import contextlib
import dataclasses
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import attacker
from mirrorgate_test import client, common
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.shifted_clock import Clock
from mirrorgate_test.store import fill
from mirrorgate_test.upgradable import Upgradable, adopt_orphans

SMALL, LARGE = "/artifacts/step-core/small.txt", "/artifacts/step-core/large.bin"
USER, FLOOD = "initech", "acme"
DISK = "128m"
LIVE = r"mirrorgate: info: generation \d+ live on 2/2 .*"
HOUR = 3600
CONFIG = {
    "workers": 2, "state_dir": "disk/state", "drain": {"timeout": "1h"},
    "limits": {"connections": 60_000, "connections_per_address": 60_000,
               "handshakes_per_second_per_address": 1_000_000},
}  # fmt: skip


class Disk:
    """A small one, with the artifacts, the snapshots, and what the gate remembers."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "disk", folder], check=True)
        fill(folder)
        (folder / "state").mkdir(mode=0o700)

    def stop(self):
        subprocess.run(["umount", self.folder], check=True)


class Store:
    """upstream-stub, which may be killed and comes back at the same address."""

    def __init__(self, root):
        self.root, self.address = pathlib.Path(root), "127.0.0.1:0"
        self.start()

    @property
    def url(self):
        return f"http://{self.address}"

    def start(self):
        self._process = subprocess.Popen(
            [common.UPSTREAM_STUB, "--root", self.root, "--listen", self.address],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        first = self._process.stdout.readline().decode()
        assert first.startswith("listening on "), "the store does not start"
        self.address = first.removeprefix("listening on ").strip()

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@dataclasses.dataclass
class Fault:
    """What was done, from when to when, and to whom; a fault that may fail nothing has nobody."""

    name: str
    begin: float
    end: float = float("inf")
    ports: frozenset = frozenset()  # of clients
    store: str = ""  # its address
    uploads: bool = False


@dataclasses.dataclass
class Failure:
    what: str
    method: str
    port: int
    begin: float
    end: float
    request_id: str


def ports_of(pid, port):
    """The clients' ports of the connections to PORT that process PID has accepted."""
    links = []
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(entry))
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    lines = pathlib.Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
    fields = [line.split() for line in lines]
    return frozenset(
        int(remote.partition(":")[2], 16)
        for _, local, remote, *rest in fields
        if rest[6] in inodes and int(local.partition(":")[2], 16) == port
    )


class Faults:
    def __init__(self, lab, tally, seed):
        self.lab, self.tally, self.chance = lab, tally, random.Random(seed)
        self.faults, self.lock = [], threading.Lock()
        self.over, self.unsettled = threading.Event(), 0
        self.serial, self.uploaded = 1, {}
        self.folder = lab.new_folder("faulty")
        self.disk = lab.keep(Disk(self.folder / "disk")).folder
        self.stores = [lab.keep(Store(self.disk)) for _ in range(2)]
        self.content = {path: (self.disk / path[1:]).read_bytes() for path in (SMALL, LARGE)}
        self.gate = self._start()

    # --- the scene

    def _start(self):
        self.clock = Clock(self.folder)
        gate = Upgradable(self.lab.world, self.folder, self.stores, config=CONFIG,
                          policy_data=self._policy())  # fmt: skip
        gate.crash_expected = True
        return self.lab.start(gate, shell=self.clock.shell)

    def _policy(self):
        products = ["step-core", "step-plus"]
        flood = customer(FLOOD, products, connections=20, rate="1M", snapshots_per_day=2)
        user = customer(USER, products, snapshots_per_day=0)
        return policy(self.serial, customers=[flood, user])

    # --- faults

    @contextlib.contextmanager
    def fault(self, name, **scope):
        made = Fault(name, time.monotonic(), **scope)
        with self.lock:
            self.faults.append(made)
        yield made
        made.end = time.monotonic()
        self.tally.count(name)

    def worker_killed(self):
        """Its connections only; whoever waits for another to accept waits."""
        pid = self.chance.choice(self.gate.workers())
        number = self.chance.choice([signal.SIGKILL, signal.SIGSEGV])
        os.kill(pid, signal.SIGSTOP)
        state = pathlib.Path(f"/proc/{pid}/stat")
        common.wait_until(lambda: ") T " in state.read_text("ascii"), "the worker has stopped")
        with self.fault("worker killed", ports=ports_of(pid, self.gate.port)):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)
            common.wait_until(
                lambda: pid not in (there := self.gate.workers()) and len(there) == 2,
                "the worker is replaced")  # fmt: skip

    def store_killed(self):
        store = self.chance.choice(self.stores)
        with self.fault("store killed", store=store.address):
            store.stop()
            time.sleep(self.chance.uniform(0, 0.5))
            store.start()
            self._wait_for_stores()

    def store_stopped(self):
        store = self.chance.choice(self.stores)
        with self.fault("store stopped"):  # for less than any timeout
            store.signal(signal.SIGSTOP)
            time.sleep(self.chance.uniform(0.2, 1))
            store.signal(signal.SIGCONT)
            self._wait_for_stores()

    def _wait_for_stores(self):
        """Until the gate believes in both again."""
        pattern = re.compile(r'mirrorgate_store_up\{[^}]*\} (\d)')
        with self._connection("ops") as observer:
            common.wait_until(
                lambda: set(pattern.findall(observer.get("/metrics").body.decode())) == {"1"},
                "all stores are up")  # fmt: skip

    def disk_full(self):
        filler = self.disk / "filler"
        failed = self.tally.counts["upload failed"]
        with self.fault("disk full", uploads=True):
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
            common.wait_until(lambda: self.tally.counts["upload failed"] > failed,
                              "an upload finds the disk full")  # fmt: skip
            start = self._hang_up()
            self.gate.wait_line(r"mirrorgate: .*(reload refused|generation \d+ live on 2/2).*", start)
            filler.unlink()
        self.gate.wait_line(LIVE, self._hang_up())

    def _hang_up(self):
        start = len(self.gate.stderr)
        self.serial += 1
        self.gate.write_policy(self._policy())
        self.gate.signal(signal.SIGHUP)
        return start

    def reloads(self):
        with self.fault("reload"):
            for _ in range(3):
                self.gate.wait_line(LIVE, self._hang_up())

    def clock_jumps(self):
        """Forward, and back to the truth: before it, the certificates are not valid yet."""
        with self.fault("clock jump"):
            for seconds in (self.chance.randint(1, HOUR), 0):
                self.clock.set(seconds)
                self._wait_for_stores()
                time.sleep(0.7)  # the loop looks at the time of day twice in a second

    def upgrade(self):
        with self.fault("upgrade"):
            self.gate.upgrade()

    def flood(self):
        with self.fault("flood"), attacker.attacked(self.gate, FLOOD):
            time.sleep(self.chance.uniform(0.5, 2))

    def run(self, seconds):
        """All of them in any order, again and again, for SECONDS, but all of them once."""
        every = [self.worker_killed, self.store_killed, self.store_stopped, self.disk_full,
                 self.reloads, self.clock_jumps, self.upgrade, self.flood]  # fmt: skip
        end = time.monotonic() + seconds
        todo = self.chance.sample(every, len(every))
        while todo or time.monotonic() < end:
            todo = todo or self.chance.sample(every, len(every))
            todo.pop()()
            common.wait_until(lambda: self.unsettled == 0, "each failure has its fault")

    # --- clients

    @contextlib.contextmanager
    def _connection(self, who=USER):
        with self.gate.connect(who) as connection:
            yield connection

    def _attempt(self, method, action):
        """Has ACTION use a new connection. It notes in ASKED which answer it waits for."""
        begin, asked, port = time.monotonic(), {}, 0
        try:
            with self.gate.tcp() as sock:
                port = sock.getsockname()[1]
                with self.gate.over(sock, USER) as connection:
                    action(connection, asked)
        except (client.Truncated, OSError, UnexpectedStatus) as error:
            what = f"{type(error).__name__}: {error}"
            self._settle(Failure(what, method, port, begin, time.monotonic(), asked.get("id")))

    def _settle(self, failure):
        with self.lock:
            self.unsettled += 1
        self.tally.count("upload failed" if failure.method == "PUT" else "request failed")
        try:
            if not self._is_explained(failure):
                self.tally.fail(f"no fault explains {failure}")
        finally:
            with self.lock:
                self.unsettled -= 1

    def _is_explained(self, failure):
        with self.lock:
            meanwhile = [fault for fault in self.faults
                         if fault.begin <= failure.end and failure.begin <= fault.end]  # fmt: skip
        if any(failure.port in fault.ports for fault in meanwhile):
            return True
        if any(fault.uploads for fault in meanwhile) and failure.method == "PUT":
            return failure.what.startswith("UnexpectedStatus: 5")
        stores = {fault.store for fault in meanwhile} - {""}
        if not stores or failure.request_id is None:
            return False
        return self.gate.log_line(failure.request_id)["store"] in stores

    def _check(self, response, asked, expected):
        asked["id"] = response.request_id
        if response.status != expected:
            raise UnexpectedStatus(f"{response.status} {response.body}")

    def _download(self, connection, asked, path, pause=0.0):
        connection.send_request("GET", path)
        response = connection.read_head()
        asked["id"] = response.request_id
        body = bytearray()
        for data in connection.body_pieces(response):
            body += data
            time.sleep(pause)
        response.body = bytes(body)
        self._check(response, asked, 200)
        self.tally.check(response.body == self.content[path], "download", f"wrong bytes of {path}")
        return not response.closes

    def stays(self):
        def ask(connection, asked):
            for path in (SMALL, LARGE, SMALL, SMALL):
                if not self._download(connection, asked, path):
                    break

        self._attempt("GET", ask)

    def comes(self):
        self._attempt("GET", lambda connection, asked: self._download(connection, asked, SMALL))

    def is_slow(self):
        self._attempt("GET", lambda connection, asked: self._download(
            connection, asked, LARGE, pause=0.02))  # fmt: skip

    def uploads(self):
        name = f"soak-{len(self.uploaded)}-{self.chance.getrandbits(64):x}"
        body = b'{"components":[],"format":"thin-snapshot/1","system":"%b"}\n' % name.encode()
        fields = [("Content-Type", "application/json")]

        def put(connection, asked):
            response = connection.request("PUT", f"/snapshots/{name}", fields, body)
            self._check(response, asked, 201)
            self.uploaded[name] = body
            self.tally.count("snapshot acknowledged")

        self._attempt("PUT", put)
        time.sleep(0.02)

    def clients(self):
        return [self.stays, self.comes, self.comes, self.is_slow, self.uploads]

    def check_snapshots(self):
        held = {path.read_bytes() for path in (self.disk / "snapshots").rglob("*") if path.is_file()}
        for name, body in self.uploaded.items():
            self.tally.check(body in held, "snapshot kept", f"{name} was acknowledged and is gone")


class UnexpectedStatus(Exception):
    """An answer that is not the one that was asked for."""


def run(lab, tally, seconds, run_loops):
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    tally.counts["SEED"] = seed  # in the environment it repeats the order of the faults
    adopt_orphans(True)
    scene = Faults(lab, tally, seed)
    run_loops(tally, scene.clients(), lambda: scene.run(seconds))
    scene.check_snapshots()
    scene.gate.stores = []  # requests were cut at the store: no audit
    for name in ("download", "snapshot kept", "worker killed", "store killed", "upgrade"):
        if not tally.counts[name]:
            tally.fail(f"{name}: there was none")
