"""ClientHellos written by hand: what must never negotiate, and what is no hello at all."""

import dataclasses

from .. import common
from . import bench as benches

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
    with gate.tcp(timeout=common.LONG) as sock:
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


def is_fatal_alert(received):
    """One fatal alert (RFC 5246, 7.2), and not a ServerHello."""
    return received[:1] == b"\x15" and received[5:6] == b"\2"


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


@dataclasses.dataclass
class Hello(benches.Case):
    """A hello that offers nothing acceptable. mirrorgate answers with a fatal alert; no gateway
    answers with a ServerHello."""

    hellos: list

    def attempt(self, bench, strict):
        mark = bench.store.mark()
        for number, one in enumerate(self.hellos):
            received = answer_to(bench.gate, one)
            if received[:1] == b"\x16" or (strict and not is_fatal_alert(received)):
                return f"hello {number}: answered {received[:16].hex()}"
        return "the store was asked" if bench.store.received(mark) else None


@dataclasses.dataclass
class Garbage(benches.Case):
    """Bytes that are no hello end the connection at once, and not by the timeout: the gate has 10
    seconds for a handshake, we wait 5. What they are answered with is no HTTP from mirrorgate."""

    data: bytes

    def attempt(self, bench, strict):
        mark = bench.store.mark()
        received = b""
        with bench.gate.tcp(timeout=5 * common.PATIENCE) as sock:
            try:
                sock.sendall(self.data)
                while data := sock.recv(4096):
                    received += data
            except (ConnectionResetError, BrokenPipeError):
                pass
            except TimeoutError:
                return "still open after 5 s"
        if bench.store.received(mark):
            return "the store was asked"
        if strict and received[:1] not in (b"", b"\x15"):
            return f"answered {received[:40]}"
        return "answered 2xx" if received.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")) else None


def ssl_2_hello():
    body = b"\x01\x00\x02" + b"\x00\x03\x00\x00\x00\x10" + b"\x07\x00\xc0" + bytes(16)
    return (0x8000 | len(body)).to_bytes(2, "big") + body


SHA_1 = extension(13, vector(2, bytes.fromhex("02010202")))
WEAK_GROUPS = extension(10, vector(2, bytes.fromhex("00130012")))  # secp192r1, secp192k1
OLD = {"ssl-3": 0x0300, "tls-1.0": 0x0301, "tls-1.1": 0x0302}

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "ssl-2": ssl_2_hello(),
    "oversize-record": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "application-data": record(23, b"early"),
    "change-cipher-spec": record(20, b"\x01"),
    "certificate-first": record(22, b"\x0b\0\0\3\0\0\0"),
    "endless-message": record(22, b"\x01\xff\xff\xff") + record(22, bytes(16_000)) * 20,
    "empty-records": b"".join(record(22, b"") for _ in range(64)),
    "warnings": b"".join(record(21, b"\x01\x5a") for _ in range(64)),
    "fatal-alert": record(21, b"\x02\x28"),
}
# Suites that are weaker than ours but that others may still offer.
LEGACY = {"dhe", "cbc", "ecdsa-without-such-a-key"}

CASES = [
    Hello("tls", name, [hello(suites), *(hello([suite]) for suite in suites)], house=name in LEGACY)
    for name, suites in BAD_SUITES.items()
]
CASES += [
    Hello("tls", name, [hello([GOOD_SUITE, 0xC013, 0x002F], version=version)])
    for name, version in OLD.items()
]
CASES += [
    Hello("tls", "no-null-compression", [hello([GOOD_SUITE], compressions=b"\x01")]),
    Hello("tls", "sha-1-alone", [hello([GOOD_SUITE], extensions=SHA_1 + GROUPS)]),
    Hello("tls", "weak-group-alone", [hello([GOOD_SUITE], extensions=SIGNATURES + WEAK_GROUPS)]),
]
CASES += [Garbage("tls", f"garbage-{name}", data) for name, data in GARBAGE.items()]
