"""A reload that fails changes nothing: whatever is wrong with whichever file, the old generation
stays in force, one line says which file and why, and a metric goes up. What a reload refuses stops
the start with the same reason.
"""

import base64
import datetime
import fcntl
import os
import re
import signal
import sys
import termios
import textwrap

import pytest
from mirrorgate_test import common, crl, pki
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy, status_field
from mirrorgate_test.yaml import dump, line_of

SMALL = "/artifacts/step-core/small.txt"
PLUS = "/artifacts/step-plus/plus.zip"
HUGE = 100 << 20
F_GETPIPE_SZ = 1032  # <fcntl.h>
SERIAL = 10
NUMBER = 1000  # of the list in force

TLS = {
    "certificate": "server.crt",
    "key": "server.key",
    "client_ca": "ca.crt",
    "crl": "ca.crl",
    "ticket_keys": "ticket.keys",
}


class Files:
    """A generation's files, to be damaged and mended."""

    def __init__(self, gate):
        self.gate = gate
        self.paths = {"policy": gate.policy_file}
        self.paths |= {kind: gate.folder / name for kind, name in TLS.items()}
        self.good = {kind: path.read_bytes() for kind, path in self.paths.items()}

    def remove(self, kind):
        path = self.paths[kind]
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def write(self, kind, content):
        self.remove(kind)
        self.paths[kind].write_bytes(content)

    def mend(self):
        for kind, content in self.good.items():
            self.write(kind, content)


def prepare(lab, world, store, *, image=False):
    """A gateway with files of its own, all of which are good."""
    gate = lab.prepared(store, config={"tls": TLS}, policy=policy(SERIAL))
    folder = world.authority.folder
    for kind, name in TLS.items():
        if kind not in ("crl", "ticket_keys"):
            (gate.folder / name).write_bytes((folder / name).read_bytes())
    (gate.folder / "ca.crl").write_text(crl.make(world.authority, NUMBER))
    world.authority.run("ticket-keys", str(gate.folder / "ticket.keys"))
    if image:
        source = gate.folder / "source.yaml"
        gate.policy_file.rename(source)
        tool = common.BUILD / "mirrorgate-policy"
        done = common.run([tool, "compile", source, "-o", gate.policy_file])
        assert done.returncode == 0, done.stderr
    return gate


@pytest.fixture(scope="module")
def running(module_lab, world, store):
    """The file's gateway, which takes its policy as YAML, and the one that takes an image."""
    made = {}
    for image in (False, True):
        gate = prepare(module_lab, world, store, image=image)
        made[image] = module_lab.start(gate)
    return made


@pytest.fixture
def files(running, request):
    gate = running[getattr(request, "param", False)]
    files = Files(gate)
    yield files
    files.mend()
    gate.reload()


def metric(gate, name):
    body = gate.get("/metrics", who="ops").body.decode()
    return int(re.search(rf"^mirrorgate_{name} (\d+)$", body, re.MULTILINE)[1])


def serves(connection):
    """The old generation's answers: one request allowed, one refused."""
    assert connection.get(SMALL).status == 200
    refusal(connection.get(PLUS), 403, "not-licensed")


def refused_reload(files, kind, reason):
    """Reloads; asserts that nothing changed and that one line names the file of KIND and REASON."""
    gate = files.gate
    before = metric(gate, "reloads_refused_total"), metric(gate, "reloads_total")
    with gate.connect("acme") as kept:
        serves(kept)
        start = len(gate.stderr)
        gate.signal(signal.SIGHUP)
        where = re.escape(str(files.paths[kind]))
        stays = f"reload refused, generation {gate.generation} stays in force"
        line = rf"mirrorgate: error: {stays}: (.*: )?{where}(:\d+)?: (?:{reason})"
        gate.wait_line(line, start, timeout=60)
        told = [line for line in gate.stderr.since(start) if "stays in force" in line]
        assert len(told) == 1, told
        serves(kept)
    with gate.connect("acme") as new:
        serves(new)
    common.wait_until(
        lambda: metric(gate, "reloads_refused_total") == before[0] + 1, "the refusal is counted"
    )
    assert metric(gate, "reloads_total") == before[1]
    return where


def refused(files, kind, reason):
    """The same, and no gateway starts with these files."""
    where = refused_reload(files, kind, reason)
    done = files.gate.run("--unsafe-any-port")
    assert done.returncode == 1, done.stderr
    said = rf"^mirrorgate: error: (.*: )?{where}(:\d+)?: (?:{reason})"
    assert re.search(said, done.stderr, re.MULTILINE), done.stderr
    assert "live on" not in done.stderr


# --- every file, damaged in every way

UNREADABLE = {
    "policy": ".+",
    "certificate": r"certificate 1 cannot be read.*",
    "key": r"the private key cannot be read.*",
    "client_ca": r"certificate 1 cannot be read.*",
    "crl": r"CRL 1 cannot be read.*|there is no CRL of client CA 1.*",
    "ticket_keys": r"(a ticket key is 80 bytes in base64|there is no ticket key).*",
}
OF_ANOTHER_KIND = {
    "policy": "key",
    "certificate": "key",
    "key": "certificate",
    "client_ca": "crl",
    "crl": "client_ca",
    "ticket_keys": "certificate",
}


def damage(files, kind, how):
    """Damages the file of KIND; returns the reason that must be told."""
    good, path = files.good[kind], files.paths[kind]
    reason = UNREADABLE[kind]
    damaged = ".+" if kind == "policy" else "has a NUL byte: the file is damaged.*"
    files.remove(kind)
    if how == "missing":
        return "cannot open: No such file or directory.*"
    if how == "folder":
        path.mkdir()
        return "is not a regular file.*"
    if how == "fifo":
        os.mkfifo(path)
        return "is not a regular file.*"
    if how == "100-MiB":
        path.touch()
        os.truncate(path, HUGE)
        return ".+" if kind == "policy" else "is larger than 16777216 bytes.*"
    if how == "another-kind":
        path.write_bytes(files.good[OF_ANOTHER_KIND[kind]])
        return reason
    content, reason = {
        "empty": (b"", reason),
        "half-written": (good[: len(good) // 2], reason),
        "zeros": (bytes(len(good)), damaged),
        "ends-in-zeros": (good[: len(good) // 2] + bytes(len(good) // 2), damaged),
        "zeros-behind": (good + bytes(4096), damaged),
    }[how]
    path.write_bytes(content)
    return reason


WAYS = [
    "missing", "folder", "fifo", "empty", "half-written", "zeros", "ends-in-zeros", "zeros-behind",
    "100-MiB", "another-kind",
]  # fmt: skip


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", ["policy", *TLS])
def test_a_damaged_file_changes_nothing(files, kind, how):
    refused(files, kind, damage(files, kind, how))


@pytest.mark.parametrize("files", [True], ids=["image"], indirect=True)
@pytest.mark.parametrize("how", WAYS)
def test_a_damaged_policy_image_changes_nothing(files, how):
    refused(files, "policy", damage(files, "policy", how))


NO_POLICY = {
    "one-word": b"a",
    "comments": b"# " + b"x" * 97 + b"\n",
    "brackets": b"[",
    "dashes": b"- ",
    "mistakes": b"x: 1\n",
    "a-quote-that-never-ends": b'"x',
}


@pytest.mark.parametrize("piece", NO_POLICY.values(), ids=NO_POLICY.keys())
def test_100_mib_that_are_no_policy_cost_neither_time_nor_memory(files, piece):
    pid = files.gate.process.pid
    files.write("policy", piece * (HUGE // len(piece)))
    refused_reload(files, "policy", ".+")
    assert status_field(pid, "VmHWM") < HUGE * common.MEMORY_FACTOR


def test_no_line_is_lost_when_a_policy_has_more_mistakes_than_a_pipe_holds(files):
    files.write("policy", b"x: 1\n" * 5000)
    start = len(files.gate.stderr)
    with files.gate.stderr.held:
        files.gate.signal(signal.SIGHUP)
        common.wait_until(lambda: pipe_is_full(files.gate.process.stderr), "the pipe is full")
    files.gate.wait_line(".*: reload refused, .*", start)
    about = [line for line in files.gate.stderr.since(start) if "unknown key `x`" in line]
    assert len(about) == 1000 + 1, "each of the thousand that are looked for, and the summary"


def pipe_is_full(pipe):
    """True when PIPE holds so much that its writer has to wait."""
    held = fcntl.ioctl(pipe.fileno(), termios.FIONREAD, bytes(4))
    room = fcntl.fcntl(pipe.fileno(), F_GETPIPE_SZ)
    return int.from_bytes(held, sys.byteorder) > room * 3 // 4


# --- the wrong content


def badly_signed(text):
    """The PEM text of a list with the last bit of its signature turned over."""
    lines = text.splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    body = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join([lines[0], *body, lines[-1], ""])


def server_out_of_time(files, days):
    authority = files.gate.world.authority
    made = authority.forge(f"server{days[0]}", rdns=pki.acme_rdns(), days=days)
    files.write("certificate", made.cert.read_bytes())
    files.write("key", made.key.read_bytes())


LISTS = {
    "of-another-ca": (
        lambda world: (world.authority.folder.parent / "other" / "ca.crl").read_text(),
        "there is no CRL of client CA 1, .* not signed by any of the client CAs",
    ),
    "expired": (
        lambda world: crl.make(
            world.authority, NUMBER + 1, issued=crl.now() - datetime.timedelta(days=2), days=1
        ),
        "CRL 1 has expired",
    ),
    "not-yet-valid": (
        lambda world: crl.make(
            world.authority, NUMBER + 1, issued=crl.now() + datetime.timedelta(days=1)
        ),
        "CRL 1 is not valid yet",
    ),
    "badly-signed": (
        lambda world: badly_signed(crl.make(world.authority, NUMBER + 1)),
        "CRL 1 is not signed by any of the client CAs",
    ),
    "unknown-critical-extension": (
        lambda world: crl.make(world.authority, NUMBER + 1, critical=True),
        "CRL 1 has a critical extension that is not known",
    ),
}


@pytest.mark.parametrize("make, reason", LISTS.values(), ids=LISTS.keys())
def test_a_list_that_cannot_be_relied_on_changes_nothing(files, world, make, reason):
    files.write("crl", make(world).encode())
    refused(files, "crl", f"{reason}.*")


def test_a_list_with_a_lower_number_changes_nothing(files, world):
    files.write("crl", crl.make(world.authority, NUMBER - 1).encode())
    refused_reload(files, "crl", "the CRL number is lower than that of the one in force.*")


def test_a_key_of_another_certificate_changes_nothing(files):
    made = files.gate.world.authority.identities["acme"]
    files.write("key", made.key.read_bytes())
    refused(files, "key", "the private key does not match the certificate.*")


@pytest.mark.parametrize(
    "days, reason", [((-2, -1), "has expired"), ((1, 2), "is not valid yet")], ids=lambda it: it[0]
)
def test_a_server_certificate_out_of_its_time_changes_nothing(files, days, reason):
    server_out_of_time(files, days)
    refused(files, "certificate", f"the server certificate {reason}.*")


@pytest.mark.parametrize(
    "days, reason", [((-2, -1), "has expired"), ((1, 2), "is not valid yet")], ids=lambda it: it[0]
)
def test_a_client_ca_out_of_its_time_changes_nothing(files, days, reason):
    files.write("client_ca", pki.self_signed_ca(days))
    refused(files, "client_ca", f"CA certificate 1 {reason}.*")


def test_a_client_ca_that_is_no_ca_changes_nothing(files):
    leaf = files.gate.world.authority.identities["acme"].cert
    files.write("client_ca", leaf.read_bytes())
    refused(files, "client_ca", "certificate 1 is not a CA's.*")


def test_a_failing_assert_changes_nothing(files):
    claim = {"subject": pki.SUBJECTS["acme"], "download": PLUS, "expect": "allow"}
    text = dump(policy(SERIAL + 1, **{"assert": [claim]}))
    files.write("policy", text.encode())
    where = f"{files.gate.policy_file}:{line_of(text, '  - subject:')}: "
    start = len(files.gate.stderr)
    refused(files, "policy", ".*allow.*")
    assert any(f"stays in force: {where}" in line for line in files.gate.stderr.since(start))


def more_for_acme(serial):
    customers = [customer("acme", ["step-core", "step-plus"])]
    return dump(policy(serial, customers=customers)).encode()


def test_a_lower_serial_changes_nothing(files):
    files.write("policy", more_for_acme(SERIAL - 1))
    refused_reload(files, "policy", f"serial {SERIAL - 1} is lower than {SERIAL}.*")


def test_the_same_serial_with_other_content_changes_nothing(files):
    files.write("policy", more_for_acme(SERIAL))
    refused_reload(files, "policy", f"serial {SERIAL} is in force with other content.*")


# --- two lists of one second


@pytest.fixture
def revoking(lab, world):
    """A gateway of its own, whose list may grow, and two lists of one second: the higher one
    revokes Initech."""
    gate = prepare(lab, world, lab.stub())
    issued = crl.now() - datetime.timedelta(minutes=1)
    victim = world.authority.identities["initech"]
    lower = crl.make(world.authority, NUMBER + 1, issued=issued)
    higher = crl.make(world.authority, NUMBER + 2, issued=issued, revoked=[victim])
    return lab.start(gate), lower, higher


def is_refused(gate, who):
    try:
        return gate.get(SMALL, who=who).status != 200
    except (OSError, Truncated):
        return True


def install(gate, text):
    (gate.folder / TLS["crl"]).write_text(text)


def test_of_two_lists_of_one_second_the_higher_number_wins(revoking):
    gate, lower, higher = revoking
    install(gate, lower)
    gate.reload()
    assert not is_refused(gate, "initech")
    install(gate, higher)
    gate.reload()
    assert is_refused(gate, "initech") and not is_refused(gate, "acme")
    install(gate, lower)
    refused_reload(Files(gate), "crl", "the CRL number is lower than that of the one in force.*")
    assert is_refused(gate, "initech") and not is_refused(gate, "acme")


@pytest.mark.parametrize("first", ["lower", "higher"])
def test_of_two_lists_of_one_second_in_one_file_the_higher_number_wins(revoking, first):
    gate, lower, higher = revoking
    install(gate, lower + higher if first == "lower" else higher + lower)
    gate.reload()
    assert is_refused(gate, "initech") and not is_refused(gate, "acme")
    gate.reload()
    assert is_refused(gate, "initech") and not is_refused(gate, "acme")
