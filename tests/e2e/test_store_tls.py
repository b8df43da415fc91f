"""HTTPS to the store: whom the gate believes there, as whom it comes, and what it makes of a store
that is not whom it should be. Real nginx for what must work; a store of a script for what must not.
"""

import hashlib
import re
import signal
import socket
import ssl
import subprocess

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mirrorgate_test import common, pki
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.key_updates import KeyUpdater
from mirrorgate_test.spot import SPARE_PIN, pin
from mirrorgate_test.store import tls_context, write

from test_config_reload import reload_with
from test_integrity import FILES, ZIP, checking, metric
from test_snapshots import put
from test_spot_fetch import publish
from test_store_access import SNAPSHOT, wait_counted
from test_store_names import NOBODY, Names

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
NAME = "store.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The stores' own CA, and the certificate of the store at 127.0.0.1."""
    authority = pki.Authority(tmp_path_factory.mktemp("stores") / "ca", "Store CA")
    authority.run("server", str(authority.folder), NAME, "127.0.0.1")
    return authority


@pytest.fixture(scope="module")
def identity(stores):
    return pki.Identity("store", "", stores.folder / "server.crt", stores.folder / "server.key")


@pytest.fixture(scope="module")
def ours(stores):
    """The gate's certificate for the store."""
    stores.run("client", str(stores.folder), "--customer", "gate", "--subject", "CN=gate,O=Mirror",
               "--name", "gate")  # fmt: skip
    return stores.known("gate", "CN=gate,O=Mirror")


def believing(stores, *servers, **keys):
    """The configuration of a gate that believes STORES' CA, in front of SERVERS."""
    store = {"servers": [server.url for server in servers], "ca": str(stores.certificate), **keys}
    return {"store": store, "timeouts": {"store_connect": "20s"}}


def answering(answer=OK):
    """A script that gives the same ANSWER as often as it is asked."""

    def script(connection, _):
        while read_head(connection):
            connection.sendall(answer)

    return script


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        head += byte
    return head


def logged(nginx, count):
    """The COUNT requests over TLS; nginx logs one when its answer is out."""

    def found():
        requests = [request for request in nginx.requests() if request["tls"]]
        return requests if len(requests) >= count else None

    requests = common.wait_until(found, f"{count} requests in the log")
    assert len(requests) == count
    return requests


def unreachable(gate, store, why):
    """A request is 503, and the log says WHY. The store has not completed a handshake, and so has
    not got a byte of a request."""
    before = len(getattr(store, "resumed", ()))
    refusal(gate.get(SMALL), 503, "store-unavailable")
    assert len(getattr(store, "resumed", ())) == before
    gate.wait_line(
        f"mirrorgate: warning: TLS: (?:{why}) while connecting to store https://{store.address}"
    )


# ---- what works, with nginx


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_downloads_and_snapshots_go_over_tls(lab, stores, identity, protocol):
    nginx = lab.nginx(identity=identity, lines=f";\n    ssl_protocols {protocol}")
    gate = lab.gateway(nginx, config=believing(stores, nginx))
    write(nginx.root, LARGE[1:], bytes(range(256)) * (3 << 12))
    with gate.connect() as connection:
        for path in SMALL, LARGE:
            assert connection.get(path).body == (nginx.root / path[1:]).read_bytes()
        part = connection.get(LARGE, [("Range", "bytes=70000-2000000")])
        assert part.status == 206
        assert part.body == (nginx.root / LARGE[1:]).read_bytes()[70000:2000001]
        assert connection.request("HEAD", LARGE).content_length == 3 << 20
        assert connection.get("/artifacts/step-core/missing").status == 404
        assert put(connection, SNAPSHOT).status == 201
    requests = logged(nginx, 6)
    assert {request["tls"] for request in requests} == {protocol}
    assert requests[-1]["path"].startswith("/snapshots/acme/prod-1/")


def test_a_connection_over_tls_is_kept_alive(lab, stores, identity):
    nginx = lab.nginx(identity=identity)
    gate = lab.gateway(nginx, config=believing(stores, nginx))
    for _ in range(5):
        assert gate.get(SMALL).status == 200
    assert len({request["connection"] for request in logged(nginx, 5)}) == 1
    assert metric(gate, "store_reuses_total") == 4


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_sessions_are_resumed(lab, stores, identity, protocol):
    nginx = lab.nginx(identity=identity, lines=f";\n    ssl_protocols {protocol};\n"
                      "    ssl_session_cache shared:s:1m;\n    keepalive_timeout 0")  # fmt: skip
    gate = lab.gateway(nginx, config=believing(stores, nginx))
    for _ in range(5):
        assert gate.get(SMALL).status == 200
    resumed = [request["resumed"] for request in logged(nginx, 5)]
    assert resumed == [".", "r", "r", "r", "r"]


def test_the_gate_comes_with_its_own_certificate(lab, stores, identity, ours):
    nginx = lab.nginx(identity=identity, clients=stores.certificate)
    keys = {"certificate": str(ours.cert), "key": str(ours.key)}
    gate = lab.gateway(nginx, config=believing(stores, nginx, **keys))
    assert gate.get(SMALL).status == 200
    assert [request["client"] for request in logged(nginx, 1)] == ["CN=gate,O=Mirror"]


def test_a_probe_goes_over_tls(lab, stores, identity):
    nginx = lab.nginx(identity=identity)
    lab.gateway(nginx, config=believing(stores, nginx, probe=SMALL))
    common.wait_until(
        lambda: [request for request in nginx.requests() if request["path"] == SMALL], "a probe"
    )
    [probe, *_] = [request for request in nginx.requests() if request["path"] == SMALL]
    assert probe["tls"] and probe["headers"]["x-request-id"] == ""


def test_a_base_a_host_and_credentials_go_over_tls_too(lab, stores, identity):
    seen = []

    def script(connection, _):
        seen.append(read_head(connection))
        connection.sendall(OK)

    store = lab.tls_scripted(script, tls_context(identity))
    config = believing(stores, store, host="artifacts.example")
    config["store"]["servers"] = [f"{store.url}/mirror"]
    gate = lab.prepared(store)
    (gate.folder / "secret").write_text("bearer abc")
    (gate.folder / "secret").chmod(0o600)
    config["store"]["credentials"] = "secret"
    gate.write_config(config)
    lab.start(gate)
    assert gate.get(SMALL).body == b"ok"
    assert seen[0].startswith(f"GET /mirror{SMALL} HTTP/1.1\r\n".encode())
    assert b"\r\nHost: artifacts.example\r\nAuthorization: Bearer abc\r\n" in seen[0]


@pytest.mark.parametrize("name", [None, NAME])
def test_the_name_is_that_of_the_url_or_the_one_given(lab, stores, identity, name):
    """Only a name is told to the server, so that it can choose its certificate."""
    told = []
    context = tls_context(identity)
    context.sni_callback = lambda _, asked, __: told.append(asked)
    store = lab.tls_scripted(answering(), context)
    keys = {"name": name} if name else {}
    gate = lab.gateway(store, config=believing(stores, store, **keys))
    assert gate.get(SMALL).body == b"ok"
    assert told == [name]


@pytest.mark.parametrize("pins", [1, 2])
def test_a_pinned_key_is_believed(lab, stores, identity, pins):
    nginx = lab.nginx(identity=identity)
    keys = {"pins": [SPARE_PIN, pin(identity.cert)][-pins:]}
    gate = lab.gateway(nginx, config=believing(stores, nginx, **keys))
    assert gate.get(SMALL).status == 200


# ---- who is not believed


def test_another_ca_is_not_believed(lab, world, identity):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.gateway(store, config=believing(world.authority, store))
    unreachable(gate, store, "unable to get local issuer certificate")
    assert store.resumed == []


def test_the_systems_cas_are_not_asked(lab, world, identity, stores):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.gateway(
        store,
        config=believing(world.authority, store),
        shell=f"export SSL_CERT_FILE={stores.certificate}",
    )
    unreachable(gate, store, "unable to get local issuer certificate")


def test_another_name_is_not_believed(lab, stores, identity):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store, name="other.example"))
    unreachable(gate, store, "hostname mismatch")
    assert store.resumed == []


def test_a_subject_stands_in_for_no_name(lab, stores):
    """A certificate without alternative names is for nobody."""
    named = stores.forge(
        "named", rdns=[(NameOID.COMMON_NAME, NAME)], usages=(ExtendedKeyUsageOID.SERVER_AUTH,)
    )
    store = lab.tls_scripted(answering(), tls_context(named))
    gate = lab.gateway(store, config=believing(stores, store, name=NAME))
    unreachable(gate, store, "hostname mismatch")


def test_a_certificate_that_has_expired_is_not_believed(lab, stores):
    expired = stores.forge(
        "expired", rdns=[(NameOID.COMMON_NAME, NAME)], days=(-20, -1), hosts=[NAME],
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
    )  # fmt: skip
    store = lab.tls_scripted(answering(), tls_context(expired))
    gate = lab.gateway(store, config=believing(stores, store, name=NAME))
    unreachable(gate, store, "certificate has expired")


def test_a_clients_certificate_is_no_servers(lab, stores, ours):
    store = lab.tls_scripted(answering(), tls_context(ours))
    gate = lab.gateway(store, config=believing(stores, store))
    unreachable(gate, store, "unsuitable certificate purpose")


def test_another_key_than_the_pinned_is_not_believed(lab, stores, identity):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store, pins=[SPARE_PIN]))
    unreachable(gate, store, "its public key is none of the pins")
    assert store.resumed == []


def test_plain_http_on_the_port_is_not_believed(lab, stores):
    store = lab.scripted(lambda connection, _: (connection.recv(1), connection.sendall(OK)))
    config = believing(stores, store)
    config["store"]["servers"] = [f"https://{store.address}"]
    gate = lab.gateway(store, config=config)
    unreachable(gate, store, "wrong version number|packet length too long")


def test_a_server_that_hangs_up_in_the_handshake_is_unreachable(lab, stores):
    store = lab.scripted(lambda connection, _: (connection.recv(1), connection.close()))
    config = believing(stores, store)
    config["store"]["servers"] = [f"https://{store.address}"]
    gate = lab.gateway(store, config=config)
    unreachable(gate, store, "connection closed without close_notify|Connection reset by peer")


def test_a_server_that_says_nothing_in_the_handshake_is_given_up(lab, stores):
    store = lab.scripted(lambda connection, _: connection.recv(1 << 20) and connection.recv(1))
    config = believing(stores, store)
    config["store"]["servers"] = [f"https://{store.address}"]
    config["timeouts"]["store_connect"] = "100ms"
    gate = lab.gateway(store, config=config)
    refusal(gate.get(SMALL), 503, "store-unavailable")
    gate.wait_line(
        f"mirrorgate: warning: timeout while connecting to store https://{store.address}"
    )


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_older_tls_is_not_spoken(lab, stores, identity, version):
    context = tls_context(identity)
    context.minimum_version = getattr(ssl.TLSVersion, version)
    context.maximum_version = getattr(ssl.TLSVersion, version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    store = lab.tls_scripted(answering(), context)
    gate = lab.gateway(store, config=believing(stores, store))
    unreachable(gate, store, ".*(alert protocol version|unsupported protocol)")
    assert store.resumed == []


def test_a_store_that_wants_a_certificate_and_gets_none_gets_no_request(lab, stores, identity):
    """In TLS 1.3 it says so only after the handshake, which is over for the gate by then."""
    context = tls_context(identity, stores.certificate)
    store = lab.tls_scripted(answering(), context)
    gate = lab.gateway(store, config=believing(stores, store))
    refusal(gate.get(SMALL), 502, "store-bad-response")
    gate.wait_line(
        f".*TLS: tlsv13 alert certificate required while .* store https://{store.address}: "
        f"GET {SMALL}"
    )
    assert store.resumed == []


def test_another_server_is_asked_when_one_is_not_believed(lab, stores, identity):
    well = lab.nginx(identity=identity)
    named = stores.forge(
        "wrong", rdns=[(NameOID.COMMON_NAME, NAME)], usages=(ExtendedKeyUsageOID.SERVER_AUTH,)
    )
    store = lab.tls_scripted(answering(), tls_context(named))
    gate = lab.gateway(store, well, config=believing(stores, store, well))
    for _ in range(4):
        assert gate.get(SMALL).body == (well.root / SMALL[1:]).read_bytes()
    assert store.resumed == []


# ---- answers


def cutting(answer, farewell):
    """Gives ANSWER and ends: with close_notify (FAREWELL), or without."""

    def script(connection, _):
        if read_head(connection):
            connection.sendall(answer)
            if farewell:
                connection.unwrap()
            else:
                socket.socket.shutdown(connection, socket.SHUT_WR)
                while socket.socket.recv(connection, 65536):
                    pass

    return script


@pytest.mark.parametrize("farewell", [True, False])
def test_an_answer_that_is_cut_is_cut_for_the_client(lab, stores, identity, farewell):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50
    store = lab.tls_scripted(cutting(answer, farewell), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    with pytest.raises(Truncated), gate.connect() as connection:
        connection.get(SMALL)
    why = "connection closed" if farewell else "TLS: connection closed without close_notify"
    gate.wait_line(f".*: {why}, 50 bytes missing, while reading the body from .*")


@pytest.mark.parametrize("farewell", [True, False])
def test_a_whole_answer_with_a_length_is_whole_however_its_connection_ends(
    lab, stores, identity, farewell
):
    store = lab.tls_scripted(cutting(OK, farewell), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    for _ in range(3):
        assert gate.get(SMALL).body == b"ok"


@pytest.mark.parametrize("farewell", [True, False])
def test_a_connection_that_ends_before_an_answer_is_no_answer(lab, stores, identity, farewell):
    store = lab.tls_scripted(cutting(b"HTTP/1.1 200 OK\r\n", farewell), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    refusal(gate.get(SMALL), 502, "store-bad-response")
    why = "connection closed" if farewell else "TLS: connection closed without close_notify"
    gate.wait_line(f".*: {why} while waiting for the answer of store .*")


def test_an_answer_without_a_length_ends_only_by_close_notify(lab, stores, identity, release):
    """Though every byte is there, and is what the catalogue says: who cuts must not choose the end."""
    root = lab.root()
    publish(root, release, "10.3", FILES)
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + FILES["core.zip"]
    ends = {"farewell": False}

    def script(connection, number):
        cutting(answer, ends["farewell"])(connection, number)

    store = lab.tls_scripted(script, tls_context(identity))
    gate = lab.gateway(store, config={**believing(stores, store), **checking(root, release)})
    with pytest.raises(Truncated) as cut, gate.connect() as connection:
        connection.get(ZIP)
    assert len(cut.value.response.body) < len(FILES["core.zip"])
    gate.wait_line(".*: TLS: connection closed without close_notify, 1 bytes missing, while .*")
    ends["farewell"] = True
    assert gate.get(ZIP).body == FILES["core.zip"]


@pytest.mark.parametrize("size", [1, 16384, 65536, 1 << 20])
def test_bodies_of_every_size_arrive_and_leave_the_connection_usable(
    lab, stores, identity, size
):
    """Also where they fill records and buffers to the last byte."""
    body = hashlib.shake_256(b"body").digest(size)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
    store = lab.tls_scripted(answering(answer), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    with gate.connect() as connection:
        for _ in range(6):
            assert connection.get(SMALL).body == body


def test_a_slow_client_gets_all_that_tls_has_read_ahead(lab, stores, identity):
    """The store has sent all and is silent: no event of its socket will come for what is left."""
    body = hashlib.shake_256(b"slow").digest(8 << 20)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    store = lab.tls_scripted(answering(answer), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", SMALL)
        assert connection.response().body == body


def test_more_than_the_length_is_not_taken_and_ends_the_connection(lab, stores, identity):
    store = lab.tls_scripted(answering(OK + b"HTTP/1.1 200 OK\r\n"), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    for _ in range(4):
        assert gate.get(SMALL).body == b"ok"
    assert len(store.resumed) == 4


def test_a_store_that_sends_before_it_is_asked_is_not_asked_on_that_connection(
    lab, stores, identity
):
    def script(connection, number):
        while read_head(connection):
            connection.sendall(OK)
            if number == 1:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")

    store = lab.tls_scripted(script, tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    for _ in range(6):
        assert gate.get(SMALL).body == b"ok"


def test_a_store_that_sends_records_without_data_is_cut(lab, stores, identity):
    """Each costs a worker something and does nothing for anybody."""
    cut = []

    def script(connection, _):
        with KeyUpdater(connection, identity, accepts=True) as updater:
            try:
                updater.flood(1 << 20, common.LONG)
            except OSError:
                cut.append(True)

    store = lab.scripted(script)
    config = believing(stores, store)
    config["store"]["servers"] = [f"https://{store.address}"]
    gate = lab.gateway(store, config=config)
    refusal(gate.get(SMALL), 502, "store-bad-response")
    gate.wait_line(
        ".*: TLS: too many records without application data while waiting for the answer of .*"
    )
    common.wait_until(lambda: cut, "the store is cut")


def test_a_store_that_wants_another_handshake_does_not_get_one(lab, stores, identity):
    """Renegotiation (TLS 1.2): what was verified must not change under a request."""
    server = subprocess.Popen(
        ["openssl", "s_server", "-tls1_2", "-accept", "127.0.0.1:0", "-naccept", "1",
         "-cert", identity.cert, "-key", identity.key],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with server:
        said = common.Lines(server.stdout)
        accepts = common.wait_until(
            lambda: re.search(r"ACCEPT 127.0.0.1:(\d+)", said.text()), "it listens"
        )
        url = f"https://127.0.0.1:{accepts[1]}"
        gate = lab.gateway(
            config={**believing(stores), "store": {"servers": [url], "ca": str(stores.certificate)}}
        )
        with gate.connect() as connection:
            connection.send_request("GET", SMALL)
            common.wait_until(lambda: f"GET {SMALL} HTTP/1.1" in said.text(), "it is asked")
            server.stdin.write(b"R\n")
            server.stdin.flush()
            refusal(connection.response(), 502, "store-bad-response")
        gate.wait_line(f".*TLS: .* while waiting for the answer of store {url}: GET {SMALL}")
        server.stdin.close()
        server.wait(timeout=common.LONG * common.PATIENCE)
        said.join()
    assert said.text().count("CIPHER is") == 1


# ---- changes


def test_a_reload_changes_whom_the_gate_believes(lab, world, stores, identity):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.gateway(store, config=believing(stores, store))
    assert gate.get(SMALL).body == b"ok"
    reload_with(gate, **believing(world.authority, store))
    unreachable(gate, store, "unable to get local issuer certificate")
    reload_with(gate, **believing(stores, store, pins=[SPARE_PIN]))
    unreachable(gate, store, "its public key is none of the pins")
    reload_with(gate, **believing(stores, store, pins=[pin(identity.cert)]))
    assert gate.get(SMALL).body == b"ok"


def test_other_content_of_the_ca_file_is_taken_up(lab, world, stores, identity):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.prepared(store)
    own = gate.folder / "store-ca.crt"
    own.write_bytes(stores.certificate.read_bytes())
    gate.write_config(believing(stores, store, ca=str(own)))
    lab.start(gate)
    assert gate.get(SMALL).body == b"ok"
    own.write_bytes(world.authority.certificate.read_bytes())
    gate.reload()
    unreachable(gate, store, "unable to get local issuer certificate")
    wait_counted(gate, "applied", "store_ca")


def test_a_reload_without_a_change_keeps_session_and_connections(lab, stores, identity):
    nginx = lab.nginx(identity=identity)
    gate = lab.gateway(nginx, config=believing(stores, nginx))
    for _ in range(3):
        assert gate.get(SMALL).status == 200
        gate.reload()
    assert metric(gate, "store_connects_total") == 1


BAD = {
    "no CA": ("ca", None, "missing key `store.ca`"),
    "no such CA": ("ca", "nowhere", ".*/nowhere: cannot open: No such file or directory"),
    "no certificate in it": ("ca", "policy.yaml", ".*policy.yaml: .*"),
    "no key": ("certificate", "policy.yaml", "missing key `store.key`"),
    "no certificate": ("key", "policy.yaml", "missing key `store.certificate`"),
    "an address as name": ("name", "127.0.0.1", "`store.name` must be a host name"),
    "a short pin": ("pins", ["sha256//abc="],
                    r"`store.pins\[0\]` must be sha256// and the base64 of 32 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("key, value, reason", BAD.values(), ids=BAD)
def test_a_configuration_that_is_not_whole_stops_the_start(
    lab, stores, identity, key, value, reason
):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.prepared(store)
    config = believing(stores, store)
    config["store"][key] = value
    gate.write_config(config)
    finished = gate.run("-t", "--unsafe-any-port")
    assert finished.returncode != 0
    assert re.search(rf"^mirrorgate: error: .*{reason}$", finished.stderr, re.M), finished.stderr
    assert store.accepted == 0


@pytest.mark.parametrize("key, value", [
    ("ca", "ca.crt"), ("name", NAME), ("pins", [SPARE_PIN]),
])  # fmt: skip
def test_what_is_for_https_is_refused_without_it(lab, key, value):
    gate = lab.prepared(lab.stub())
    gate.write_config({"store": {key: value}})
    finished = gate.run("-t", "--unsafe-any-port")
    assert finished.returncode != 0
    assert f"`store.{key}` is for https:// servers, and there is none" in finished.stderr


def test_a_key_that_any_user_may_read_is_refused(lab, stores, identity, ours):
    store = lab.tls_scripted(answering(), tls_context(identity))
    gate = lab.prepared(store)
    key = gate.folder / "store.key"
    key.write_bytes(ours.key.read_bytes())
    key.chmod(0o644)
    gate.write_config(believing(stores, store, certificate=str(ours.cert), key=str(key)))
    finished = gate.run("-t", "--unsafe-any-port")
    assert f"{key}: may be read or written by any user: chmod o= it" in finished.stderr
    key.chmod(0o640)
    assert gate.run("-t", "--unsafe-any-port").returncode == 0
    key.write_bytes(identity.key.read_bytes())
    finished = gate.run("-t", "--unsafe-any-port")
    assert f"{ours.cert}: the certificate for the store cannot be used" in finished.stderr


def test_a_name_is_looked_up_again_for_a_store_over_tls(lab, stores, identity, tmp_path):
    store = lab.tls_scripted(answering(), tls_context(identity))
    names = Names(lab, tmp_path)
    port = store.address.rpartition(":")[2]
    names.lead_to(NOBODY)
    config = believing(stores, store, name=NAME)
    config["store"]["servers"] = [f"https://store.test:{port}"]
    gate = lab.gateway(store, config=config, shell=names.shell)
    refusal(gate.get(SMALL), 503, "store-unavailable")
    names.lead_to("127.0.0.1")
    gate.signal(signal.SIGHUP)  # it may as well have looked by itself already
    gate.wait_line(
        f"mirrorgate: info: store https://store.test:{port} is now at 127.0.0.1:{port}"
    )
    common.wait_until(lambda: gate.get(SMALL).body == b"ok", "the store at its other address")
