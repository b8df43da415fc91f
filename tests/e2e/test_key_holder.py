"""The process that has the private key: nobody else has it in memory, and it is never in the way."""

import base64
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from mirrorgate_test import common
from mirrorgate_test.gateway import status_field
from mirrorgate_test.pki import Authority

SMALL = "/artifacts/step-core/small.txt"

# Reads all that process PID has mapped, and prints which of the needles are there. A program of its
# own, since only root may look into a process that is not dumpable.
SEARCH = r"""
import os, re, sys
pid, needles = sys.argv[1], [bytes.fromhex(text) for text in sys.stdin.read().split()]
found, seen = set(), 0
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
    for line in maps.read().splitlines():
        start, end = (int(text, 16) for text in re.match(r"(\w+)-(\w+) r", line).groups()) \
            if re.match(r"\w+-\w+ r", line) else (0, 0)
        if start == end or line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
            continue
        if end - start > 1 << 33:
            continue  # the shadow of AddressSanitizer, which holds nothing of the program's
        left = b""
        for place in range(start, end, 1 << 22):
            try:
                piece = os.pread(memory.fileno(), min(1 << 22, end - place), place)
            except OSError:
                break  # nothing is there: an unreadable page of a file, or a shadow
            seen += len(piece)
            found |= {i for i, needle in enumerate(needles) if needle in left + piece}
            left = piece[-4096:]
for name in os.listdir(f"/proc/{pid}/fd"):
    try:
        if os.readlink(f"/proc/{pid}/fd/{name}").startswith("/memfd:"):
            text = open(f"/proc/{pid}/fd/{name}", "rb").read()
            found |= {1000 + i for i, needle in enumerate(needles) if needle in text}
    except OSError:
        pass
assert seen > 1 << 20, seen
print(*sorted(found))
"""


def needles_of(file):
    """What KEY looks like in memory: its secret numbers in both orders of bytes, which DER has too,
    and the lines of its text."""
    text = pathlib.Path(file).read_bytes()
    numbers = serialization.load_pem_private_key(text, None).private_numbers()
    secret = [numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp]
    needles = [number.to_bytes((number.bit_length() + 7) // 8, order)
               for number in secret for order in ("big", "little")]  # fmt: skip
    lines = [line for line in text.split(b"\n") if line and not line.startswith(b"--")]
    # Not the first ones, which name the algorithm, and hold the public numbers.
    return needles + lines[len(lines) // 2 :] + [base64.b64decode(b"".join(lines))[-400:]]


def found_in(pid, needles):
    """Which NEEDLES are in the memory of PID, by number; those in its open memfds from 1000 on."""
    command = [sys.executable, "-c", SEARCH, str(pid)]
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command]
    text = "\n".join(needle.hex() for needle in needles)
    done = subprocess.run(command, input=text, capture_output=True, text=True,
                          timeout=common.LONG * common.PATIENCE, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def holder_of(gate):
    holders = [pid for pid, name in gate.children().items() if name.endswith("key-holder\n")]
    return holders[0] if len(holders) == 1 else None


def freeze(pid):
    os.kill(pid, signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{pid}/stat")
    common.wait_until(lambda: ") T " in stat.read_text(), "the process stands still")


def counter(gate, series):
    page = gate.get("/metrics", who="ops").body.decode()
    return int(re.search(rf"^mirrorgate_{re.escape(series)} (\d+)$", page, re.M)[1])


@pytest.fixture
def store(lab):
    return lab.stub()


class Waiting:
    """A request on a connection of its own, in a thread."""

    def __init__(self, gate):
        self.status = None
        self.thread = threading.Thread(target=self._run, args=(gate,), daemon=True)
        self.thread.start()

    def _run(self, gate):
        self.status = gate.get(SMALL).status

    def end(self):
        self.thread.join(common.LONG)
        assert not self.thread.is_alive()
        return self.status


def server_files(world, folder):
    """A new certificate and key of the same CA in FOLDER, as a `tls` section."""
    shutil.copytree(world.authority.folder, folder)
    Authority(folder, None).run("renew", str(folder), "server")
    return {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")}


def served(gate):
    """The server's certificate, DER."""
    with gate.connect() as connection:
        return connection.sock.getpeercert(binary_form=True)


def test_no_key_is_in_the_memory_of_a_worker_or_the_supervisor(lab, world, store, tmp_path):
    old = server_files(world, tmp_path / "old")
    new = server_files(world, tmp_path / "new")
    gate = lab.gateway(store, config={"workers": 2, "tls": old})
    needles = {"old": needles_of(old["key"]), "new": needles_of(new["key"])}
    everything = needles["old"] + needles["new"]

    def assert_clean():
        for pid in gate.workers():
            assert found_in(pid, everything) == [], f"a key in worker {pid}"
        in_supervisor = found_in(gate.process.pid, everything)
        assert all(number >= 1000 for number in in_supervisor), "only files that it never reads"

    assert gate.get(SMALL).status == 200
    assert_clean()
    assert found_in(holder_of(gate), needles["old"]), "the search would find one"
    for name in ("certificate", "key"):
        shutil.copy(new[name], old[name])
    gate.reload()
    assert served(gate) == ssl.PEM_cert_to_DER_cert(pathlib.Path(new["certificate"]).read_text())
    assert_clean()
    assert found_in(holder_of(gate), needles["new"])
    # A worker that is started later has it neither.
    gate.crash_expected = True
    [first, _] = before = gate.workers()
    os.kill(first, signal.SIGKILL)
    common.wait_until(lambda: len(gate.workers()) == 2 and gate.workers() != before, "both workers")
    for _ in range(8):
        assert gate.get(SMALL).status == 200
    assert_clean()


def test_a_key_that_was_replaced_is_forgotten(lab, world, store, tmp_path):
    old = server_files(world, tmp_path / "old")
    new = server_files(world, tmp_path / "new")
    # AddressSanitizer keeps what is freed for long, and has an option instead of mallopt(3).
    shell = 'export ASAN_OPTIONS="$ASAN_OPTIONS:max_free_fill_size=1048576"'
    gate = lab.gateway(store, config={"tls": old, "timeouts": {"handshake": "1s"}}, shell=shell)
    secret = needles_of(old["key"])
    assert found_in(holder_of(gate), secret)
    for name in ("certificate", "key"):
        shutil.copy(new[name], old[name])
    gate.reload()
    common.wait_until(lambda: not found_in(holder_of(gate), secret), "the old key is forgotten")
    assert gate.get(SMALL).status == 200


def test_each_handshake_is_signed_by_the_holder_and_no_resumption(lab, store):
    gate = lab.gateway(store)
    before = counter(gate, 'signatures_total{result="done"}')
    for version in ("1.2", "1.3"):
        with gate.connect(version=version) as connection:
            assert connection.get(SMALL).status == 200
    assert counter(gate, 'signatures_total{result="done"}') == before + 3, "with this page's own"
    assert counter(gate, 'signatures_total{result="refused"}') == 0
    page = gate.get("/metrics", who="ops").body.decode()
    assert re.search(r'^mirrorgate_process_cpu_seconds_total\{role="key_holder",worker=""\}', page, re.M)
    common.wait_until(
        lambda: re.search(
            r'^mirrorgate_process_resident_memory_bytes\{role="key_holder",worker=""\} [1-9]',
            gate.get("/metrics", who="ops").body.decode(), re.M),
        "its memory is known")  # fmt: skip


def test_a_signature_that_does_not_come_holds_up_nobody_else(lab, store):
    gate = lab.gateway(store)
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        freeze(holder_of(gate))
        waiting = [Waiting(gate) for _ in range(40)]  # more than may be asked for at once
        for _ in range(20):
            assert connection.get(SMALL).status == 200
        assert all(one.status is None for one in waiting)
        os.kill(holder_of(gate), signal.SIGCONT)
        assert [one.end() for one in waiting] == [200] * 40
    assert counter(gate, 'signatures_total{result="limit"}') == 0, "the worker knows the limit"


def test_a_handshake_whose_signature_does_not_come_times_out(lab, store):
    gate = lab.gateway(store, config={"timeouts": {"handshake": "1s"}})
    before = len(store.requests())
    freeze(holder_of(gate))
    with pytest.raises(OSError):
        gate.get(SMALL)
    assert len(store.requests()) == before
    os.kill(holder_of(gate), signal.SIGCONT)
    assert gate.get(SMALL).status == 200, "the answer to who has gone does no harm"


def test_another_holder_answers_what_one_was_asked_that_was_killed(lab, store):
    gate = lab.gateway(store, config={"workers": 2})
    workers, victim = gate.workers(), holder_of(gate)
    with gate.connect() as connection:
        freeze(victim)
        waiting = [Waiting(gate) for _ in range(8)]
        assert connection.get(SMALL).status == 200
        os.kill(victim, signal.SIGKILL)
        gate.wait_line(rf"mirrorgate: error: the key holder \(process {victim}\) was killed by signal 9")
        assert [one.end() for one in waiting] == [200] * 8
        assert connection.get(SMALL).status == 200
    assert gate.workers() == workers
    assert holder_of(gate) != victim
    assert counter(gate, "key_holder_restarts_total") == 1


def test_the_holder_is_confined(lab, store):
    gate = lab.gateway(store)
    assert gate.get(SMALL).status == 200
    pid = holder_of(gate)
    if not common.INSTRUMENTED:
        assert status_field(pid, "Seccomp") == 2
        assert status_field(pid, "NoNewPrivs") == 1
    script = f"cd /proc/{pid}/fd && for fd in *; do echo $fd $(readlink $fd); done"
    command = ["sh", "-c", script] if os.geteuid() == 0 else ["sudo", "-n", "sh", "-c", script]
    lines = [line.split() for line in common.run(command).stdout.decode().splitlines()]
    kinds = sorted(re.sub(r":.*", "", name) for fd, name in lines if int(fd) > 2)
    assert kinds == [f"/proc/{pid}/statm", "socket", "socket"], "the supervisor's, the worker's"


def test_the_holder_ends_with_the_supervisor(lab, store):
    gate = lab.gateway(store)
    pid = holder_of(gate)
    gate.process.kill()
    gate.process.wait()
    common.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the holder ends")
    gate.process = None
