"""Revocation: a new CRL reaches live connections, running downloads and resumed sessions, and an
old one never comes back."""

import signal
import socket
import ssl
import subprocess

import pytest
from mirrorgate_test import client, common, pki
from mirrorgate_test.client import Truncated
from mirrorgate_test.pki import SUBJECTS, Identity
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM

from test_spot_fetch import publish

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"


@pytest.fixture
def laptop(world, request):
    """A second certificate of Acme, to be revoked; each test has its own."""
    folder = world.authority.folder
    name = f"laptop-{abs(hash(request.node.nodeid)) % 10**9}"
    subject = SUBJECTS["acme"]
    arguments = ["--customer", "acme", "--subject", subject, "--name", name]
    world.authority.run("client", str(folder), *arguments)
    return Identity(name, subject, folder / f"{name}.crt", folder / f"{name}.key")


@pytest.fixture
def crl(lab, world):
    """The gateway's own copy of the CRL, as an operator would install it."""
    path = lab.new_folder("crl") / "ca.crl"
    path.write_bytes(world.authority.crl.read_bytes())
    return path


@pytest.fixture
def gate(lab, crl):
    return lab.gateway(config={"tls": {"crl": str(crl)}, "workers": 2})


def revoke(gate, crl, identity):
    gate.world.authority.run("revoke", str(gate.world.authority.folder), identity.name)
    crl.write_bytes(gate.world.authority.crl.read_bytes())
    gate.reload()


def refused(gate, identity, version=None):
    try:
        with gate.connect(identity, version=version) as connection:
            connection.get(SMALL)
    except (OSError, Truncated):
        return True
    return False


def test_a_revoked_client_is_cut_in_the_middle_of_a_download(gate, crl, laptop):
    with gate.connect(laptop, receive_buffer=16_384) as victim, gate.connect("acme") as other:
        victim.send_request("GET", LARGE)
        victim.read_head()
        assert other.get(SMALL).status == 200
        revoke(gate, crl, laptop)
        with pytest.raises(Truncated) as cut:
            drain(victim)
        assert cut.value.end != "close_notify"
        assert other.get(SMALL).status == 200, "the other certificate of the same customer goes on"
    gate.wait_line(
        "mirrorgate: info: certificate no longer accepted while sending an answer, "
        "client 127.0.0.1: certificate revoked"
    )
    assert refused(gate, laptop)


def drain(connection):
    """Reads to the end of the connection, and tells how it ended."""
    while connection.read_some(1 << 20):
        pass
    raise Truncated(connection.end, None)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_of_a_revoked_client_is_not_resumed(gate, crl, laptop, version):
    context = client.tls_context(gate.world.authority, laptop, version)

    def connect(session=None):
        sock = socket.create_connection(("127.0.0.1", gate.port), timeout=common.LONG)
        return context.wrap_socket(sock, server_hostname=pki.SERVER_NAME, session=session)

    def ask(sock):
        sock.sendall(f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode())
        return sock.recv(12)

    with connect() as first:
        assert ask(first) == b"HTTP/1.1 200"
        session = first.session
    assert session is not None
    resumed = []

    def tried():
        with connect(session) as again:
            assert ask(again) == b"HTTP/1.1 200"
            resumed.append(again.session_reused)
        return any(resumed)

    common.wait_until(tried, "the worker that holds the session is met")
    revoke(gate, crl, laptop)
    for _ in range(10):
        with pytest.raises(OSError):
            with connect(session) as late:
                if not ask(late):
                    raise ssl.SSLEOFError("closed without an answer")


def test_a_crl_with_a_lower_number_is_refused(gate, crl, laptop):
    old = crl.read_bytes()
    revoke(gate, crl, laptop)
    crl.write_bytes(old)
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    gate.wait_line(rf"mirrorgate: error: reload refused, generation 2 .*{crl}.*number.*", start)
    assert refused(gate, laptop), "the list in force still holds"
    assert gate.get(SMALL).status == 200


def test_two_crls_of_one_second_are_told_apart(gate, crl, world):
    for _ in range(2):
        world.authority.run("crl", str(world.authority.folder))
        crl.write_bytes(world.authority.crl.read_bytes())
        gate.reload()
    assert gate.get(SMALL).status == 200


def test_a_client_that_is_revoked_while_spot_fetches_is_told_so(lab, crl, laptop, tmp_path):
    """Its connections are cut; on the next try the server says why, and spot does not go on."""
    release = issue(tmp_path, "release")
    stub = lab.stub()
    publish(stub.root, release, "10.3", {f"{n}.bin": bytes(2_000_000) + b"%d" % n for n in range(3)})
    gate = lab.gateway(stub, config={"tls": {"crl": str(crl)}})
    spot = lab.spot(gate, who=laptop, release=str(release), rate="100K")
    process = subprocess.Popen(
        [PROGRAM, "-c", spot.file, "fetch", "step-core", "--to", spot.folder / "here"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    common.wait_until(
        lambda: sum(".bin" in request["path"] for request in stub.requests()) == 3,
        "three downloads have begun",
    )
    revoke(gate, crl, laptop)
    _, said = process.communicate(timeout=60 * common.PATIENCE)
    assert process.returncode == 6, said
    assert said.splitlines()[-1].endswith(f"{laptop.cert}: certificate revoked")
    assert list((spot.folder / "here").iterdir()) == []


@pytest.fixture
def stub(lab):
    return lab.stub()


@pytest.fixture
def remembering(lab, stub, crl):
    """A gate that is not started, with a state_dir, and a list of its own in CRL."""
    gate = lab.prepared(stub, config={"state_dir": "state", "tls": {"crl": str(crl)}})
    (gate.folder / "state").mkdir()
    lab.keep(gate)
    return gate


def assert_start_refused(gate, reason):
    for flags in (["-t"], []):
        done = gate.run(*flags, "--unsafe-any-port")
        assert done.returncode == 1 and reason in done.stderr, done.stderr


def test_an_older_list_is_refused_after_a_restart(remembering, stub, crl, laptop):
    old = crl.read_bytes()
    remembering.start()
    assert remembering.get(SMALL, who=laptop).status == 200
    revoke(remembering, crl, laptop)
    remembering.stop()
    reached = len(stub.requests())
    new = crl.read_bytes()
    crl.write_bytes(old)
    assert_start_refused(remembering, "ca.crl: the CRL number 0x")
    assert len(stub.requests()) == reached
    crl.write_bytes(new)
    remembering.start()
    assert refused(remembering, laptop)


def test_crl_numbers_that_are_damaged_or_cannot_be_written_refuse(remembering, crl, laptop):
    remembering.start()
    numbers = remembering.folder / "state" / "crl-numbers"
    assert numbers.stat().st_mode & 0o777 == 0o600
    remembering.stop()
    good = numbers.read_text()
    numbers.write_text(good.splitlines(True)[-1])
    assert_start_refused(remembering, "crl-numbers: is damaged")
    numbers.write_text(good)
    world = remembering.world
    world.authority.run("revoke", str(world.authority.folder), laptop.name)
    crl.write_bytes(world.authority.crl.read_bytes())
    (remembering.folder / "state" / "crl-numbers.new").mkdir()
    done = remembering.run("--unsafe-any-port")
    assert done.returncode == 1 and "CRL numbers cannot be remembered" in done.stderr, done.stderr
