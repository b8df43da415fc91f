"""A reload that comes at a bad moment: in a handshake, in an upload, a thousand times over, or when
there is not one descriptor left.
"""

import concurrent.futures
import contextlib
import os
import re
import signal
import ssl

import pytest
from mirrorgate_test import client, common, pki
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.lab import Lab

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
PLUS = "/artifacts/step-plus/plus.zip"
JSON = ("Content-Type", "application/json")
SNAPSHOT = b'{"format":"thin-snapshot/1","system":"s","components":[]}'
GENERATION = r"mirrorgate: info: generation (\d+) live on 1/1 workers: kept (\d+), cut (\d+)"


# --- in a handshake


class SlowHandshake:
    """A client that has said hello, and goes on when it is told to."""

    def __init__(self, gate, who, version):
        self.sock = gate.tcp()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        world = gate.world
        context = client.tls_context(world.authority, world.identity(who), version)
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=pki.SERVER_NAME)
        self._step(self._tls.do_handshake)
        self.sock.sendall(self._out.read())
        self._in.write(self.sock.recv(65_536))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    @staticmethod
    def _step(action):
        """Returns (True, what ACTION returns), or False when it wants more of the other side."""
        try:
            return True, action()
        except ssl.SSLWantReadError:
            return False

    def _until_done(self, action):
        while not (done := self._step(action)):
            self.sock.sendall(self._out.read())
            data = self.sock.recv(65_536)
            if not data:
                return b""
            self._in.write(data)
        self.sock.sendall(self._out.read())
        return done[1]

    def ask(self, path):
        """Ends the handshake and sends a GET; the first bytes of the answer, b"" for none."""
        request = f"GET {path} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode()
        try:
            self._until_done(self._tls.do_handshake)
            self._tls.write(request)
            self.sock.sendall(self._out.read())
            return self._until_done(lambda: self._tls.read(65_536))
        except (ssl.SSLError, ConnectionError):
            return b""


@pytest.fixture
def revoking_lab(tmp_path):
    """A laboratory whose CA is its own, to revoke with; the CRL is renewed by revoke()."""
    authority = pki.Authority(tmp_path / "ca", "CA that revokes")
    authority.server()
    for name in ("acme", "globex"):
        authority.client(name, pki.SUBJECTS[name])
    with Lab(pki.World(authority)) as lab:
        yield lab


def test_a_handshake_held_open_across_a_revocation_is_refused(revoking_lab):
    """And one whose certificate is still good is not."""
    gate = revoking_lab.gateway()
    authority = revoking_lab.world.authority
    for version in ("1.2", "1.3"):
        with SlowHandshake(gate, "globex", version) as good:
            gate.reload()
            assert good.ask(PLUS).startswith(b"HTTP/1.1 200 OK\r\n"), version
    with SlowHandshake(gate, "acme", "1.2") as old, SlowHandshake(gate, "acme", "1.3") as new:
        authority.run("revoke", str(authority.folder), "acme")
        gate.reload()
        with gate.stores[0].untouched():
            assert (old.ask(SMALL), new.ask(SMALL)) == (b"", b"")
    common.wait_until(
        lambda: len([line for line in gate.log_lines() if line["reason"]]) == 2,
        "both refusals are logged",
    )
    assert not any(line["customer"] == "acme" for line in gate.log_lines())


# --- in an upload


def begin_upload(connection, name="s"):
    """Sends all of an upload but the last byte, when the gateway has decided to take it."""
    fields = [JSON, ("Content-Length", str(len(SNAPSHOT))), ("Expect", "100-continue")]
    connection.send_request("PUT", f"/snapshots/{name}", fields)
    assert connection.read_any_head().status == 100
    connection.send(SNAPSHOT[:-1])


def moved_to(who):
    """A policy in which Acme's subject has become somebody else's."""
    acme = customer("acme", ["step-core"]) | {"subjects": ["CN=somebody else"]}
    globex = customer("globex", ["step-plus"])
    changes = {"customers": [acme, globex], "probes": [], "observers": []}
    if who in changes:
        changes[who] = [pki.SUBJECTS["acme"]]
    elif who == "globex":
        globex["subjects"] += [pki.SUBJECTS["acme"]]
    return policy(2, **changes)


@pytest.mark.parametrize("who", ["globex", "probes", "observers", "nobody"])
def test_an_upload_whose_subject_becomes_another_is_cut(lab, who):
    gate = lab.gateway()
    [store] = gate.stores
    with gate.connect("acme") as connection, store.untouched():
        begin_upload(connection)
        gate.reload(moved_to(who))
        with pytest.raises((Truncated, OSError)):
            connection.send(SNAPSHOT[-1:])
            connection.response()
        assert connection.end != "close_notify"
    assert store.snapshots() == {}


def test_an_upload_goes_on_through_a_reload_that_changes_nothing_for_it(lab):
    gate = lab.gateway()
    with gate.connect("acme") as connection:
        begin_upload(connection)
        gate.reload(policy(2))
        connection.send(SNAPSHOT[-1:])
        assert connection.response().json()["customer"] == "acme"
    assert [path.split("/")[0] for path in gate.stores[0].snapshots()] == ["acme"]


def test_an_idle_connection_whose_subject_becomes_another_is_cut(lab):
    gate = lab.gateway()
    with gate.connect("acme") as connection:
        assert connection.get(SMALL).status == 200
        gate.reload(moved_to("globex"))
        data, end = connection.rest()
        assert data == b"" and end != "close_notify"
    refusal(gate.get(SMALL, who="acme"), 403, "not-licensed")


# --- a thousand times over


HURRIED = 30  # generations, one after the other; make soak has a thousand


def live_generations(gate):
    """The numbers of the generations that went live; none of them cut anything."""
    said = [line for line in gate.stderr.since() if re.search("generation .* live", line)]
    found = [re.fullmatch(GENERATION, line) for line in said]
    assert all(match and match[3] == "0" for match in found), said
    return [int(match[1]) for match in found]


def hang_up_again(gate):
    """One of many SIGHUPs; whether their generations went live already."""
    gate.signal(signal.SIGHUP)
    return live_generations(gate)[-1] > HURRIED


def test_reloads_without_a_pause_lose_nothing(lab):
    gate = lab.gateway(config={"timeouts": {"idle": "1h"}})
    want = (gate.stores[0].root / LARGE[1:]).read_bytes()
    idle = [gate.connect("acme") for _ in range(40)]
    over = []

    def download():
        count = 0
        with gate.connect("acme") as connection:
            while not over:
                assert connection.get(LARGE).body == want
                count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor() as pool:
        downloads = [pool.submit(download) for _ in range(2)]
        try:
            common.wait_until(lambda: hang_up_again(gate), "the generations went live", 600)
        finally:
            over.append(True)
        assert all(each.result(60 * common.PATIENCE) > 0 for each in downloads)
    for connection in idle:
        assert connection.get(SMALL).status == 200
        connection.close()


def test_reloads_that_a_busy_worker_cannot_follow_do_not_cost_its_life(lab):
    """It adopts the latest when it finds the time; those before are left out."""
    gate = lab.gateway()
    [worker] = gate.workers()
    with gate.connect("acme") as connection:
        assert connection.get(SMALL).status == 200  # the worker has done its part of the handshake
        os.kill(worker, signal.SIGSTOP)
        for serial in range(2, 32):
            gate.write_policy(policy(serial))
            gate.signal(signal.SIGHUP)
            gate.wait_line(f"mirrorgate: info: policy: serial {serial - 1} -> {serial}: .*")
        assert live_generations(gate) == [1]
        os.kill(worker, signal.SIGCONT)
        gate.wait_line(GENERATION.replace("(\\d+)", "31", 1))
        assert live_generations(gate)[1:] in ([31], [2, 31])
        assert connection.get(SMALL).status == 200
    assert gate.workers() == [worker]


# --- without a descriptor

FEW = "ulimit -n 64"


@contextlib.contextmanager
def exhausted(gate):
    """Holds connections open, so many that the one worker has no descriptor for another one."""
    start = len(gate.stderr)
    with contextlib.ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(gate.tcp())
        gate.wait_line("mirrorgate: error: accepting is paused: Too many open files", start)
        yield


def test_a_reload_reaches_a_worker_that_has_no_descriptor_left(lab):
    gate = lab.gateway(shell=FEW)
    [worker] = gate.workers()
    with gate.connect("globex") as connection:
        assert connection.get(PLUS).status == 200
        with exhausted(gate):
            gate.reload(policy(2, customers=[customer("globex", ["step-core"])]))
            refusal(connection.get(PLUS), 403, "not-licensed")
    assert gate.workers() == [worker]
    assert gate.get(SMALL, who="globex").status == 200


def test_a_store_is_not_blamed_for_our_lack_of_descriptors(lab):
    gate = lab.gateway(shell=FEW)
    [store] = gate.stores
    with gate.connect("acme") as connection:
        with exhausted(gate), store.untouched():
            refusal(connection.get(SMALL), 503, "store-unavailable")
        common.wait_until(lambda: connection.get(SMALL).status == 200, "the store is asked")
    said = [line for line in gate.stderr.since() if f"connecting to store {store.address}" in line]
    assert said and all(line.startswith("mirrorgate: error: Too many open files") for line in said)
