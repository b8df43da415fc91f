"""Whom spot talks to, and how it says that it does not, or that nobody wants to talk to it."""

import base64
import contextlib
import glob
import os
import socket
import ssl
import threading

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mirrorgate_test import common
from mirrorgate_test.pki import SUBJECTS, Authority, Identity, acme_rdns
from mirrorgate_test.release import issue
from mirrorgate_test.spot import SPARE_PIN, answer, pin, read_head

from test_spot_fetch import publish, tree

LICENCE = b'{"customer":"acme","licences":[]}'
LOOSE = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = loose
[loose]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""
SERVER_USAGE = (ExtendedKeyUsageOID.SERVER_AUTH,)


def licence(connection, _number):
    """A server that answers whatever it is asked with an empty licence, once a connection."""
    read_head(connection)
    connection.sendall(answer("200 OK", LICENCE))


@pytest.fixture(name="stranger", scope="module")
def strange_server(tmp_path_factory):
    """The server of another CA, with the same names."""
    authority = Authority(tmp_path_factory.mktemp("stranger") / "ca", "Another CA")
    authority.server()
    folder = authority.folder
    return Identity("server", "", folder / "server.crt", folder / "server.key")


def test_the_vendors_server_with_a_pinned_key_is_trusted(lab):
    server = lab.server(licence)
    done = lab.spot(server).run("list")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_spare_pin_is_enough(lab, world):
    pins = [SPARE_PIN, pin(world.authority.folder / "server.crt")]
    assert lab.spot(lab.server(licence), pins=pins).run("list").returncode == 0


def test_another_key_with_a_valid_chain_is_refused_before_the_request(lab, world):
    requests = []
    server = lab.server(lambda connection, _: requests.append(connection.recv(1)))
    pins = [SPARE_PIN, pin(world.identity("globex").cert)]
    text = lab.spot(server, pins=pins).fails(5, "list")
    assert text == f"https://127.0.0.1:{server.port} is not trusted: its public key is none of the pins"
    assert server.accepted == 1
    assert requests in ([], [b""])


def test_a_pinned_key_with_another_name_is_refused(lab, world):
    other = world.authority.forge(
        "other-host", rdns=[(NameOID.COMMON_NAME, "other.example.com")], usages=SERVER_USAGE
    )
    server = lab.server(licence, other)
    text = lab.spot(server, pins=[pin(other.cert), SPARE_PIN]).fails(5, "list")
    assert "is not trusted" in text and "for this name" in text
    assert server.accepted == 1


def test_a_pinned_key_from_another_ca_is_refused(lab, stranger):
    server = lab.server(licence, stranger)
    text = lab.spot(server, pins=[pin(stranger.cert), SPARE_PIN]).fails(5, "list")
    assert "is not trusted" in text
    assert server.accepted == 1


def test_the_ca_stores_of_the_environment_have_no_say(lab, stranger):
    ca = stranger.cert.parent / "ca.crt"
    environment = {"SSL_CERT_FILE": ca, "SSL_CERT_DIR": ca.parent, "CURL_CA_BUNDLE": ca}
    server = lab.server(licence, stranger)
    spot = lab.spot(server, pins=[pin(stranger.cert), SPARE_PIN])
    assert "is not trusted" in spot.fails(5, "list", environment=environment)


def test_a_certificate_of_a_client_is_no_server(lab, world):
    client = world.authority.forge("posing", rdns=[(NameOID.COMMON_NAME, "127.0.0.1")])
    spot = lab.spot(lab.server(licence, client), pins=[pin(client.cert), SPARE_PIN])
    assert "is not trusted" in spot.fails(5, "list")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_tls_1_1_is_refused_even_when_the_system_allows_it(lab):
    server = lab.server(licence, highest=ssl.TLSVersion.TLSv1_1)
    spot = lab.spot(server)
    loose = spot.folder / "openssl.cnf"
    loose.write_text(LOOSE)
    text = spot.fails(5, "list", environment={"OPENSSL_CONF": loose})
    assert "TLS failed" in text
    assert server.accepted == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_refuses_the_client_certificate_is_asked_once(lab, world, stranger, version):
    server = lab.server(licence, clients=stranger.cert.parent / "ca.crt", highest=version)
    text = lab.spot(server).fails(6, "list")
    certificate = world.identity("acme").cert
    assert text == (
        f"https://127.0.0.1:{server.port} refuses this client's certificate, {certificate}: "
        "unknown CA"
    )
    assert server.accepted == 1


def test_a_revoked_client_is_told_so_by_the_gate(lab, world):
    folder = world.authority.folder
    world.authority.run(
        "client", str(folder), "--customer", "acme", "--subject", SUBJECTS["acme"],
        "--name", "spot-revoked",
    )  # fmt: skip
    revoked = Identity(
        "spot-revoked", SUBJECTS["acme"], folder / "spot-revoked.crt", folder / "spot-revoked.key"
    )
    world.authority.run("revoke", str(folder), "spot-revoked")
    gate = lab.gateway()
    text = lab.spot(gate, who=revoked).fails(6, "list")
    assert text.endswith("spot-revoked.crt: certificate revoked")
    gate.wait_line(r".*handshake refused .*: certificate revoked.*")


def test_a_redirect_is_not_followed(lab):
    elsewhere = lab.server(licence)

    def redirect(connection, _):
        read_head(connection)
        connection.sendall(
            answer("302 Found", Location=f"https://127.0.0.1:{elsewhere.port}/licence")
        )

    text = lab.spot(lab.server(redirect)).fails(9, "list")
    assert text.endswith("answers 302 to /licence: redirects are not followed")
    assert elsewhere.accepted == 0


def test_a_server_without_tls_gets_no_request(lab):
    received = []

    def plain(connection, _):
        received.append(connection.recv(65536))
        connection.sendall(answer("200 OK", LICENCE))

    store = lab.scripted(plain)
    store.port = int(store.address.rpartition(":")[2])
    lab.spot(store).fails(5, "list")
    assert b"HTTP" not in received[0]


def test_proxies_of_the_environment_are_not_used(lab):
    proxy = lab.scripted(lambda connection, _: None)
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    environment = dict.fromkeys(names, proxy.url)
    spot = lab.spot(lab.server(licence))
    assert spot.run("list", environment=environment).returncode == 0
    assert proxy.accepted == 0


def connecting_proxy(lab, server):
    """A proxy that connects to SERVER whatever it is asked for, and keeps the heads."""

    def forward(source, target):
        with contextlib.suppress(OSError):  # either end may be gone first
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def connect(connection, _):
        proxy.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as behind:
            back = threading.Thread(target=forward, args=(behind, connection), daemon=True)
            back.start()
            forward(connection, behind)
            back.join()

    proxy = lab.scripted(connect)
    return proxy


def test_a_proxy_of_the_configuration_is_asked_to_connect(lab):
    server = lab.server(licence)
    proxy = connecting_proxy(lab, server)
    done = lab.spot(server, proxy=proxy.url).run("list", environment={"no_proxy": "*"})
    assert done.returncode == 0, done.stderr
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % server.port)


def test_a_proxy_gets_user_and_password_and_nobody_else_does(lab):
    server = lab.server(licence)
    proxy = connecting_proxy(lab, server)
    url = proxy.url.replace("http://", "http://our%40name:s%2Fec%3Aret@")
    done = lab.spot(server, proxy=url).run("--verbose", "list")
    assert done.returncode == 0, done.stderr
    secret = base64.b64encode(b"our@name:s/ec:ret")
    assert [head.count(b"Proxy-Authorization: Basic " + secret) for head in proxy.heads] == [1]
    assert b"uthorization" not in b"".join(server.heads)
    assert "ret" not in done.stdout + done.stderr.replace("certificate", "")


def test_a_version_and_a_snapshot_pass_through_a_proxy_too(lab, tmp_path):
    release = issue(tmp_path, "release")
    stub = lab.stub(lab.new_folder("origin"))
    files = {f"{n}.bin": bytes([n]) * 300_000 for n in range(6)}
    publish(stub.root, release, "10.3", files)
    gate = lab.gateway(stub)
    proxy = connecting_proxy(lab, gate)
    spot = lab.spot(gate, proxy=proxy.url, release=str(release), connections=3)
    done = spot.run("fetch", "step-core", "--to", spot.folder / "here")
    assert done.returncode == 0, done.stderr
    assert tree(spot.folder / "here") == files
    assert 1 <= len(proxy.heads) <= 3, "one for each connection that was needed"
    assert spot.run("snapshot", "prod-1").returncode == 0
    assert len(stub.snapshots()) == 1
    assert all(head.startswith(b"CONNECT 127.0.0.1:%d " % gate.port) for head in proxy.heads)


def test_a_proxy_that_does_not_connect_is_told_of_and_gets_no_request(lab):
    server = lab.server(licence)

    def refuse(connection, _):
        proxy.read_head(connection)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        after.append(connection.recv(1))

    after = []
    proxy = lab.scripted(refuse)
    said = lab.spot(server, proxy=proxy.url, tries=1).fails(4, "list")
    assert "cannot be reached" in said and "403" in said
    assert server.accepted == 0
    common.wait_until(lambda: after == [b""], "the proxy has seen the end")


@pytest.mark.parametrize(("days", "warned"), [(10, True), (28, True), (40, False)])
def test_a_certificate_that_ends_soon_is_told_of_on_each_run(lab, world, days, warned):
    own = world.authority.forge(f"ending{days}", rdns=acme_rdns(), days=(-1, days))
    spot = lab.spot(lab.gateway(), certificate=str(own.cert), key=str(own.key))
    for _ in range(2):
        done = spot.run("list")
        assert done.returncode == 0, done.stderr
        sentences = [f"{own.cert}, ends in {left} days" for left in (days - 1, days)]
        assert any(sentence in done.stderr for sentence in sentences) == warned, done.stderr
    assert spot.run("-q", "list").stderr == ""


@pytest.mark.parametrize("clock", ["-20y", "+20y"])
def test_a_wrong_clock_is_named_as_the_cause(lab, clock):
    spot = lab.spot(lab.gateway())
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    wrong = {
        "LD_PRELOAD": library,
        "FAKETIME": clock,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
    }
    text = spot.fails(5, "list", environment=wrong)
    assert "if this machine's clock, which says 20" in text and text.endswith("is the cause")
