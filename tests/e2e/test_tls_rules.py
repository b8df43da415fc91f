"""The TLS rules, from the wire: what never negotiates, and how a connection ends."""

import ctypes
import ssl
import subprocess

import pytest
from mirrorgate_test import common, pki
from mirrorgate_test.cases import tls
from mirrorgate_test.cases.tls import GOOD_SUITE, answer_to, hello, record
from mirrorgate_test.gateway import timed
from mirrorgate_test.key_updates import KeyUpdater

SMALL = "/artifacts/step-core/small.txt"
GET = f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode()
LAST_GET = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

both_versions = pytest.mark.parametrize("version", ["1.2", "1.3"])


# --- ALPN (RFC 7301)


@both_versions
@pytest.mark.parametrize("offer", [("http/1.1",), ("h2", "http/1.1"), ("x", "http/1.1", "h2")])
def test_http_1_1_is_the_only_protocol_chosen(gate, version, offer):
    with gate.connect(version=version, alpn=offer) as connection:
        assert connection.sock.selected_alpn_protocol() == "http/1.1"
        assert connection.get(SMALL).status == 200


@both_versions
def test_a_client_without_alpn_is_served(gate, version):
    with gate.connect(version=version) as connection:
        assert connection.sock.selected_alpn_protocol() is None
        assert connection.get(SMALL).status == 200


@both_versions
@pytest.mark.parametrize("offer", [("h2",), ("http/1.0",), ("HTTP/1.1",), ("http/1.1 ",)])
def test_no_common_protocol_is_an_alert(gate, store, version, offer):
    with store.untouched(), pytest.raises(ssl.SSLError, match="no application protocol"):
        gate.connect(version=version, alpn=offer)


# --- hellos written by hand


@pytest.mark.parametrize("case", tls.CASES, ids=str)
def test_what_must_not_negotiate_does_not(bench, case):
    assert not case.attempt(bench, strict=True)
    assert bench.gate.get(SMALL).status == 200


def test_a_hello_by_hand_is_answered_when_its_suite_is_good(gate):
    received = answer_to(gate, hello([GOOD_SUITE]))
    assert received[:1] == b"\x16" and received[5] == 2, "a ServerHello"


def test_no_compression_is_chosen(gate):
    received = answer_to(gate, hello([GOOD_SUITE], compressions=b"\x01\x00"))
    server_hello = received[5:]
    session = server_hello[38]
    assert server_hello[39 + session + 2] == 0, "deflate was chosen"


def fragments(data, size):
    """The handshake message in DATA, in records of SIZE bytes."""
    body = data[5:]
    return [record(22, body[at : at + size]) for at in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_hello_in_fragments_is_answered(gate, size):
    received = answer_to(gate, *fragments(hello([GOOD_SUITE]), size))
    assert received[:1] == b"\x16" and received[5] == 2


# --- what a handshake may not be followed by


def s_client(gate, *arguments, text):
    acme = gate.world.identity("acme")
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-cert", acme.cert,
         "-key", acme.key, *arguments],
        input=text, capture_output=True, timeout=30 * common.PATIENCE, check=False,
    )  # fmt: skip


def test_a_client_cannot_renegotiate(gate, store):
    with store.untouched():
        done = s_client(gate, "-tls1_2", text=b"R\n")
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr, done.stderr


def test_tickets_allow_no_early_data(gate, tmp_path):
    session = tmp_path / "session"
    done = s_client(gate, "-tls1_3", "-ign_eof", "-sess_out", session, text=LAST_GET)
    assert done.stdout.count(b"HTTP/1.1 200") == 1
    assert b"Max Early Data: 0" in done.stdout
    shown = common.run(["openssl", "sess_id", "-in", session, "-text", "-noout"])
    assert b"Max Early Data: 0" in shown.stdout


def allow_early_data(session):
    """Makes a client believe that the SESSION of this file allows early data."""
    libssl, libcrypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
    libcrypto.BIO_new_file.restype = ctypes.c_void_p
    libssl.PEM_read_bio_SSL_SESSION.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libcrypto.BIO_new_file(str(session).encode(), b"r"))
    read = ctypes.c_void_p(libssl.PEM_read_bio_SSL_SESSION(file, None, None, None))
    libcrypto.BIO_free(file)
    assert libssl.SSL_SESSION_set_max_early_data(read, 16_384) == 1
    file = ctypes.c_void_p(libcrypto.BIO_new_file(str(session).encode(), b"w"))
    assert libssl.PEM_write_bio_SSL_SESSION(file, read) == 1
    libcrypto.BIO_free(file)
    libssl.SSL_SESSION_free(read)


def test_early_data_that_comes_all_the_same_is_not_heard(gate, store, tmp_path):
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(GET)
    s_client(gate, "-tls1_3", "-ign_eof", "-sess_out", session, text=LAST_GET)
    allow_early_data(session)
    options = ["-tls1_3", "-sess_in", session, "-early_data", early]
    with store.untouched():
        done = s_client(gate, *options, text=b"Q\n")
    assert b"Early data was rejected" in done.stdout, done.stdout
    assert b"Reused, TLSv1.3" in done.stdout and b"HTTP/1.1" not in done.stdout
    start = store.mark()
    done = s_client(gate, *options, "-ign_eof", text=LAST_GET)
    assert done.stdout.count(b"HTTP/1.1 200") == 1, "the request after it, and no other"
    assert len(store.requests(start)) == 1


# --- how a connection ends; what a cut answer ends with is in test_store_faults.py


@both_versions
@pytest.mark.parametrize("http, fields", [("1.1", [("Connection", "close")]), ("1.0", [])])
@pytest.mark.parametrize("path", [SMALL, "/artifacts/step-core/large.bin", "/artifacts//x"])
def test_close_notify_follows_a_complete_answer(gate, version, http, fields, path):
    with gate.connect(version=version) as connection:
        assert connection.get(path, fields, version=http).status in (200, 400)
        connection.assert_ended()


@pytest.fixture(scope="module")
def hasty(module_lab, store):
    """A gate that waits for a request for three seconds."""
    return module_lab.gateway(store, config={"timeouts": {"idle": "3s", "request": "3s"}})


@both_versions
def test_close_notify_ends_an_idle_connection(hasty, version):
    with hasty.connect(version=version) as connection:
        assert connection.get(SMALL).status == 200
        connection.assert_ended()


def test_half_a_key_update_ends_by_the_timeout(hasty, store):
    with KeyUpdater(hasty.tcp(), hasty.world.identity("acme")) as client, store.untouched():
        client.ask_by_half()
        ended, seconds = timed(lambda: client.wait_end(common.LONG))
    assert ended and seconds > 0.5
    assert hasty.get(SMALL).status == 200


def test_half_a_key_update_and_a_closed_connection_harm_nobody(gate, store):
    with KeyUpdater(gate.tcp(), gate.world.identity("acme")) as client, store.untouched():
        client.ask_by_half()
    gate.wait_rest()
    assert gate.get(SMALL).status == 200


# --- whatever the system says


WEAK_SYSTEM = """\
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
MinProtocol = TLSv1
CipherString = ALL:eNULL:@SECLEVEL=0
Options = UnsafeLegacyRenegotiation,Compression
"""


def test_a_system_default_loosens_nothing(lab):
    weak = lab.new_folder("etc") / "openssl.cnf"
    weak.write_text(WEAK_SYSTEM)
    gate = lab.gateway(shell=f"export OPENSSL_CONF={weak}")
    [store] = gate.stores
    weak = {"tls-1.0", "tls-1.1", "sha-1-alone", *tls.BAD_SUITES}
    with store.untouched():
        for case in tls.CASES:
            if case.name in weak:
                for one in case.hellos:
                    assert tls.is_fatal_alert(answer_to(gate, one)), case.name
    assert gate.get(SMALL).status == 200
