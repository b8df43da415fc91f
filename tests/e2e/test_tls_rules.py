"""The TLS rules, from the wire: what never negotiates, and how a connection ends."""

import ssl
import subprocess

import pytest
from mirrorgate_test import common, pki

SMALL = "/artifacts/step-core/small.txt"
GET = f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode()

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


def vector(width, body):
    return len(body).to_bytes(width, "big") + body


def extension(kind, body):
    return kind.to_bytes(2, "big") + vector(2, body)


SIGNATURES = extension(13, vector(2, bytes.fromhex("0804080504010501")))  # RSA-PSS, RSA; SHA-256 on
GROUPS = extension(10, vector(2, bytes.fromhex("001d00170018")))
RENEGOTIATION = extension(0xFF01, b"\0")


def hello(suites, *, version=0x0303, compressions=b"\0", extensions=SIGNATURES + GROUPS):
    """A ClientHello (RFC 5246, 7.4.1.2) in its record. SUITES are numbers."""
    body = version.to_bytes(2, "big") + bytes(range(32)) + vector(1, b"")
    body += vector(2, b"".join(suite.to_bytes(2, "big") for suite in suites))
    body += vector(1, compressions) + vector(2, extensions + RENEGOTIATION)
    return record(22, b"\x01" + vector(3, body))


def record(kind, body):
    return bytes([kind]) + b"\x03\x01" + vector(2, body)


def answer_to(gate, *pieces):
    """Everything that the gate says to PIECES until it closes or has said a whole first record."""
    received = b""
    with gate.tcp(timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        try:
            while len(received) < 5 or len(received) < 5 + int.from_bytes(received[3:5], "big"):
                data = sock.recv(65536)
                if not data:
                    break
                received += data
        except ConnectionResetError:
            pass
    return received


def assert_alert(received):
    """One fatal alert (RFC 5246, 7.2), and not a ServerHello."""
    assert received[:1] == b"\x15", f"not an alert: {received[:20]!r}"
    assert received[5] == 2, "not fatal"


GOOD_SUITE = 0xC02F  # ECDHE-RSA-AES128-GCM-SHA256
BAD_SUITES = {
    "null": [0x0001, 0x0002, 0x003B, 0xC010],
    "anonymous": [0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x00A6, 0xC018, 0xC019],
    "export": [0x0003, 0x0006, 0x0008, 0x0014],
    "rc4": [0x0004, 0x0005, 0xC011],
    "des": [0x0009, 0x0015, 0x000A, 0x0016, 0xC012],
    "static-rsa": [0x002F, 0x0035, 0x003C, 0x003D, 0x009C, 0x009D],
    "static-dh": [0x0030, 0x0031, 0xC004, 0xC00E, 0xC031],
    "psk": [0x008C, 0x00A8, 0x00AA, 0xC035, 0xC037, 0xCCAB, 0xD001],
    "dhe": [0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F, 0xCCAA],
    "cbc": [0xC013, 0xC014, 0xC027, 0xC028],
    "ecdsa-without-such-a-key": [0xC02B, 0xC02C, 0xCCA9],
}


def test_a_hello_by_hand_is_answered_when_its_suite_is_good(gate):
    received = answer_to(gate, hello([GOOD_SUITE]))
    assert received[:1] == b"\x16" and received[5] == 2, "a ServerHello"


@pytest.mark.parametrize("suites", BAD_SUITES.values(), ids=BAD_SUITES.keys())
def test_a_weak_suite_never_negotiates(gate, store, suites):
    with store.untouched():
        assert_alert(answer_to(gate, hello(suites)))
        for suite in suites:
            assert_alert(answer_to(gate, hello([suite])))


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302], ids=["ssl-3", "tls-1.0", "tls-1.1"])
def test_an_old_version_never_negotiates(gate, store, version):
    with store.untouched():
        assert_alert(answer_to(gate, hello([GOOD_SUITE, 0xC013, 0x002F], version=version)))


def test_an_ssl_2_hello_never_negotiates(gate, store):
    body = b"\x01\x00\x02" + b"\x00\x03\x00\x00\x00\x10" + b"\x07\x00\xc0" + bytes(16)
    with store.untouched():
        received = answer_to(gate, (0x8000 | len(body)).to_bytes(2, "big") + body)
    assert received == b"" or received[:1] == b"\x15"


def test_no_compression_is_chosen(gate):
    received = answer_to(gate, hello([GOOD_SUITE], compressions=b"\x01\x00"))
    server_hello = received[5:]
    session = server_hello[38]
    assert server_hello[39 + session + 2] == 0, "deflate was chosen"


def test_a_hello_without_the_null_compression_is_refused(gate):
    assert_alert(answer_to(gate, hello([GOOD_SUITE], compressions=b"\x01")))


def test_sha_1_alone_is_no_signature(gate, store):
    sha1 = extension(13, vector(2, bytes.fromhex("02010202")))
    with store.untouched():
        assert_alert(answer_to(gate, hello([GOOD_SUITE], extensions=sha1 + GROUPS)))


def test_a_weak_group_alone_is_no_key_exchange(gate, store):
    weak = extension(10, vector(2, bytes.fromhex("00130012")))  # secp192r1, secp192k1
    with store.untouched():
        assert_alert(answer_to(gate, hello([GOOD_SUITE], extensions=SIGNATURES + weak)))


def fragments(data, size):
    """The handshake message in DATA, in records of SIZE bytes."""
    body = data[5:]
    return [record(22, body[at : at + size]) for at in range(0, len(body), size)]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_hello_in_fragments_is_answered(gate, size):
    received = answer_to(gate, *fragments(hello([GOOD_SUITE]), size))
    assert received[:1] == b"\x16" and received[5] == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 64,
        b"\xff" * 64,
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        record(23, b"early"),
        record(20, b"\x01"),
        record(22, b"\x0b\0\0\3\0\0\0"),
        record(22, b"\x01\xff\xff\xff") + record(22, bytes(16_000)) * 20,
        b"".join(record(22, b"") for _ in range(64)),
        b"".join(record(21, b"\x01\x5a") for _ in range(64)),
        record(21, b"\x02\x28"),
    ],
    ids=["http", "zeros", "ones", "oversize-record", "application-data", "change-cipher-spec",
         "certificate-first", "endless-message", "empty-records", "warnings", "fatal-alert"],
)
def test_garbage_in_place_of_a_hello_ends_at_once(gate, store, garbage):
    """At once, and not by the timeout: the gate has 10 seconds for a handshake, we wait 5."""
    with store.untouched(), gate.tcp(timeout=5 * common.PATIENCE) as sock:
        try:
            sock.sendall(garbage)
            received = b""
            while data := sock.recv(4096):
                received += data
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert received[:1] in (b"", b"\x15")
    assert gate.get(SMALL).status == 200


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
    done = s_client(gate, "-tls1_3", "-ign_eof", "-sess_out", session,
                    text=GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert done.stdout.count(b"HTTP/1.1 200") == 1
    assert b"Max Early Data: 0" in done.stdout
    shown = common.run(["openssl", "sess_id", "-in", session, "-text", "-noout"])
    assert b"Max Early Data: 0" in shown.stdout


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
    with store.untouched():
        for version in (0x0301, 0x0302):
            assert_alert(answer_to(gate, hello([GOOD_SUITE, 0xC013], version=version)))
        for suites in BAD_SUITES.values():
            assert_alert(answer_to(gate, hello(suites)))
        sha1 = extension(13, vector(2, bytes.fromhex("02010202")))
        assert_alert(answer_to(gate, hello([GOOD_SUITE], extensions=sha1 + GROUPS)))
    assert gate.get(SMALL).status == 200
