"""What one client may send without end, or without use: each piece is legal and costs the gateway
more than the client.

No RFC says where to stop, so all of these are rules of mirrorgate's own. What is asked is only that
the gateway stops at all within a number that no honest client comes near, and then serves others.
"""

import contextlib
import dataclasses
import ssl

from .. import pki
from ..key_updates import KeyUpdater
from . import bench as benches
from .refused import SMALL, everything, first_status
from .requests import get

CERTIFICATES = 92 * 1024  # bytes; OpenSSL's own limit is 100 KiB
UPDATES = 5000
REFUSALS = 1500  # below nobody's needs, and above what mirrorgate lets come at once
BATCH = 100
STATUS = b"HTTP/1.1 "
PATIENCE = 5  # seconds for a gateway to take what it is sent, or to end the connection


@dataclasses.dataclass
class Flood(benches.Case):
    def attempt(self, bench, strict):
        complaint = self.flood(bench, strict)
        with bench.gate.connect("initech") as other:
            if other.get(SMALL).status != 200:
                complaint = complaint or "another customer is not served then"
        return complaint

    def flood(self, bench, strict):
        raise NotImplementedError


@dataclasses.dataclass
class LongList(Flood):
    """A good certificate, followed by many that mean nothing."""

    version: str

    def flood(self, bench, strict):
        identity = bench.world.identity("acme")
        junk = bench.world.other_acme.cert.read_text()
        times = CERTIFICATES // len(ssl.PEM_cert_to_DER_cert(junk))
        path = bench.folder / f"long-list-{self.version}-{strict}.crt"
        path.write_text(identity.cert.read_text() + junk * times)
        long = pki.Identity(path.stem, identity.subject, path, identity.key)
        mark = bench.store.mark()
        try:
            with bench.gate.connect(long, version=self.version) as connection:
                connection.send_request("GET", SMALL)
                status = first_status(everything(connection))
        except OSError:
            status = None
        if status == 200 or bench.store.received(mark):
            return f"{CERTIFICATES >> 10} KiB of certificates are taken"
        return None


@dataclasses.dataclass
class KeyUpdates(Flood):
    """New keys, asked for again and again without a byte of data (RFC 8446, 4.6.3)."""

    def flood(self, bench, strict):
        with KeyUpdater(bench.gate.tcp(), bench.world.identity("acme")) as client:
            try:
                done = client.flood(UPDATES, PATIENCE)
                if done == UPDATES and not client.wait_end(1):
                    return f"{done} KeyUpdates without data do not end the connection"
            except ConnectionError:
                pass
        return None


@dataclasses.dataclass
class Refusals(Flood):
    """Requests that are refused, on one connection and without a pause."""

    raw: str

    def flood(self, bench, strict):
        mark = bench.store.mark()
        statuses = []
        with (bench.limited_gate or bench.gate).connect("acme") as connection:
            while len(statuses) < REFUSALS and 429 not in statuses:
                answers = ask(connection, self.raw.encode() * BATCH)
                statuses += answers
                if len(answers) < BATCH:
                    break
        if bench.store.received(mark):
            return "the store got one"
        if any(status < 400 for status in statuses):
            return f"answered {min(statuses)}"
        if len(statuses) < REFUSALS or 429 in statuses:
            return None
        return f"{REFUSALS} refusals of one client at once, {sorted(set(statuses))}, and it goes on"


def ask(connection, requests):
    """Sends BATCH requests; returns the statuses of the answers, which are fewer when the gateway
    ends the connection or says nothing for PATIENCE seconds. Whatever else stands in an answer is
    not looked at."""
    data = b""
    with contextlib.suppress(OSError):
        connection.send(requests)
        while data.count(STATUS) < BATCH and connection.readable(PATIENCE):
            piece = connection.read_some(65536)
            if not piece:
                break
            data += piece
    return [int(after[:3]) for after in data.split(STATUS)[1:]]


CASES = [LongList("flood", f"certificates-tls-{version}", version, house=True)
         for version in ("1.2", "1.3")]  # fmt: skip
CASES += [
    KeyUpdates("flood", "key-updates", house=True),
]
CASES += [
    Refusals("flood", name, raw, house=True)
    for name, raw in {
        "not-licensed": get(target="/artifacts/step-plus/plus.zip"),
        "bad-paths": get(target="/artifacts//step-core/small.txt"),
        "long-paths": get(target="/" + "a" * 5000),
        "methods": get().replace("GET", "DELETE", 1),
    }.items()
]
