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
from mirrorgate_test.spot import PROGRAM

from test_spot_catalogue import issue
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
        sock = socket.create_connection(("127.0.0.1", gate.port), timeout=5)
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
