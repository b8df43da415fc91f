"""Uploads that are no thin snapshot, or do not come as one. Other gateways cannot look into JSON: for
them these are house rules, but for the length.
"""

import base64
import dataclasses
import hashlib
import json
import socket
import struct

from ..client import Truncated, refusal
from . import bench as benches
from .refused import SMALL, everything, excerpt, first_status

JSON = (("Content-Type", "application/json"),)
COMPONENTS = [
    {"name": "step-core", "version": "10.3.1"},
    {"name": "an.Other_one-2", "version": "1.0~rc1+b.2_x-y"},
]
INVALID_ANSWER = (422, "snapshot-invalid")
WRONG_TYPE = (415, "unsupported-media-type")
UNREADABLE = (400, "malformed-request")


def snapshot(system="prod-1", components=COMPONENTS, **extra):
    return {"format": "thin-snapshot/1", "system": system, "components": components, **extra}


@dataclasses.dataclass
class Upload(benches.Case):
    """An upload of BODY, a value for JSON or bytes, with FIELDS is answered with ANSWER; nothing
    of it reaches the store, and the next request is answered correctly."""

    body: object
    answer: tuple = INVALID_ANSWER
    fields: tuple = JSON

    def attempt(self, bench, strict):
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        mark = bench.store.mark()
        with bench.gate.connect("acme") as connection:
            try:
                connection.send_request("PUT", "/snapshots/prod-1", self.fields, raw)
                complaint = self._judge(bench, connection, strict)
            except (AssertionError, Truncated, OSError) as error:
                complaint = f"{type(error).__name__}: {error}"
            seen = b"".join(bench.store.received(mark).values())
            if seen:
                return f"the store got {excerpt(seen)}"
            if strict and not complaint:
                complaint = self._next(bench, connection)
        return complaint

    def _judge(self, bench, connection, strict):
        if not strict:
            status = first_status(everything(connection))
            return f"answered {status}" if status is not None and status < 400 else None
        response = connection.response()
        if response.status != self.answer[0]:
            return f"answered {response.status} {excerpt(response.body)}"
        problem = refusal(response, *self.answer)
        self.closes = response.closes
        return None if problem["detail"].isprintable() else "the detail is not printable"

    def _next(self, bench, connection):
        if self.closes:
            return None
        same = connection.get(SMALL).body == (bench.store.root / SMALL[1:]).read_bytes()
        return None if same else "the next request is not answered correctly"


@dataclasses.dataclass
class Dying(benches.Case):
    """A client that goes away with RESET or without, when SENT bytes of its body have gone out."""

    sent: int
    reset: bool

    def attempt(self, bench, strict):
        mark = bench.store.mark()
        raw = json.dumps(snapshot("dying")).encode()
        connection = bench.gate.connect("acme")
        fields = [*JSON, ("Content-Length", str(len(raw)))]
        connection.send_request("PUT", "/snapshots/dying", fields)
        connection.send(raw[: self.sent])
        if self.reset:
            linger = struct.pack("ii", 1, 0)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
        if strict:
            with bench.gate.connect("acme") as other:
                if other.get("/licence").status != 200:
                    return "another client is not served"
        seen = b"".join(bench.store.received(mark).values())
        return f"the store got {excerpt(seen)}" if seen else None


def one(name="a", version="1", **extra):
    return [{"name": name, "version": version, **extra}]


TEXT = json.dumps(snapshot())
START = b'{"format":"thin-snapshot/1","system":"a",'
INVALID = {
    "nothing": b"",
    "not-json": b"hello",
    "half": TEXT[:-5].encode(),
    "trailing-bytes": TEXT.encode() + b"x",
    "two-documents": TEXT.encode() * 2,
    "array": [],
    "string": "x",
    "null": None,
    "number": 1,
    "missing-format": {"system": "a", "components": []},
    "missing-system": {"format": "thin-snapshot/1", "components": []},
    "missing-components": {"format": "thin-snapshot/1", "system": "a"},
    "another-format": {**snapshot(), "format": "thin-snapshot/2"},
    "format-number": {**snapshot(), "format": 1},
    "unknown-key": snapshot(extra=1),
    "key-in-another-case": {"Format": "thin-snapshot/1", "system": "a", "components": []},
    "repeated-key": START + b'"system":"b","components":[]}',
    "repeated-key-escaped": START + b'"syst\\u0065m":"b","components":[]}',
    "system-empty": snapshot(""),
    "system-number": snapshot(1),
    "system-space": snapshot("a b"),
    "system-slash": snapshot("a/b"),
    "system-dots": snapshot(".."),
    "system-leading-dot": snapshot(".a"),
    "system-129": snapshot("a" * 129),
    "system-newline": snapshot("a\n"),
    "components-object": snapshot(components={}),
    "components-null": snapshot(components=None),
    "component-string": snapshot(components=["a"]),
    "component-null": snapshot(components=[None]),
    "component-nested": snapshot(components=[one()]),
    "component-without-version": snapshot(components=[{"name": "a"}]),
    "component-without-name": snapshot(components=[{"version": "1"}]),
    "component-unknown-key": snapshot(components=one(path="/etc/passwd")),
    "component-repeated-key": START
    + b'"components":[{"name":"a","version":"1","version":"2"}]}',
    "name-repeated": snapshot(components=one() + one("b") + one(version="2")),
    "name-empty": snapshot(components=one("")),
    "name-129": snapshot(components=one("a" * 129)),
    "name-base64-end": snapshot(components=one("UEsDBBQAAAAIAA==")),
    "name-plus": snapshot(components=one("a+b")),
    "name-leading-slash": snapshot(components=one("/etc/passwd")),
    "name-dots": snapshot(components=one("a/../b")),
    "name-umlaut": snapshot(components=one("ä")),
    "name-trailing-newline": snapshot(components=one("a\n")),
    "name-nul": snapshot(components=one("a\0b")),
    "name-homoglyph": snapshot(components=one("\u0430bc")),
    "version-empty": snapshot(components=one(version="")),
    "version-65": snapshot(components=one(version="1" * 65)),
    "version-number": snapshot(components=one(version=1)),
    "version-float": snapshot(components=one(version=1.5)),
    "version-space": snapshot(components=one(version="1 2")),
    "version-slash": snapshot(components=one(version="1/2")),
    "version-leading-dot": snapshot(components=one(version=".1")),
    "bom": b"\xef\xbb\xbf" + TEXT.encode(),
    "utf-16": TEXT.encode("utf-16"),
    "nul-byte": TEXT.encode().replace(b"step-core", b"step\0core"),
    "invalid-utf-8": TEXT.encode().replace(b"step-core", b"step\xffcore"),
    "overlong-utf-8": TEXT.encode().replace(b"step-core", b"step\xc0\xadcore"),
    "lone-surrogate": TEXT.encode().replace(b"step-core", b"step\\ud800core"),
    "single-quotes": TEXT.replace('"', "'").encode(),
    "comment": b"/* x */" + TEXT.encode(),
    "trailing-comma": TEXT.replace("]}", ",]}").encode(),
    "deep": START + b'"components":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "huge-number": TEXT.replace('"10.3.1"', "1" * 5000).encode(),
    "zip": b"PK\x03\x04" + bytes(200),
    "elf": b"\x7fELF" + bytes(200),
    "only-spaces": b" " * 1000,
}
INVALID |= {
    "number-1e400": START + b'"components":[],"x":1e400}',
    "system-1e400": b'{"format":"thin-snapshot/1","system":1e400,"components":[]}',
    "version-nan": TEXT.replace('"10.3.1"', "NaN").encode(),
    "version-infinity": TEXT.replace('"10.3.1"', "Infinity").encode(),
    "version-minus-infinity": TEXT.replace('"10.3.1"', "-Infinity").encode(),
    "version-true": snapshot(components=one(version=True)),
    "version-2-63": TEXT.replace('"10.3.1"', "9223372036854775808").encode(),
    "bom-in-a-name": TEXT.encode().replace(b"step-core", b"\xef\xbb\xbfstep"),
    "surrogate-pair": TEXT.encode().replace(b"step-core", b"\\ud83d\\ude00"),
    "surrogates-turned": TEXT.encode().replace(b"step-core", b"\\ude00\\ud83d"),
    "encoded-surrogate": TEXT.encode().replace(b"step-core", b"step\xed\xa0\x80"),
    "escaped-nul": TEXT.encode().replace(b"step-core", b"step\\u0000core"),
    "control-in-a-string": TEXT.encode().replace(b"step-core", b"step\x01core"),
    "unknown-escape": TEXT.encode().replace(b"step-core", b"step\\xcore"),
    "deep-objects": START + b'"components":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    "zip-behind-json": TEXT.encode() + b"PK\x03\x04" + bytes(100),
    "json-behind-zip": b"PK\x03\x04" + bytes(100) + TEXT.encode(),
    "elf-in-a-name": TEXT.encode().replace(b"step-core", b"\x7fELF\x02\x01"),
    "base64-in-a-name": snapshot(components=one("UEsDBBQAAAAIAGd+/1k=")),
    "base64-in-a-version": snapshot(components=one(version="UEsDBBQAAAAIAGd/AA==")),
    "long-base64-in-a-name": snapshot(components=one("QUJD" * 40)),
    "script-in-a-name": snapshot(components=one("<script>alert(1)</script>")),
    "three-keys-in-a-component": snapshot(components=one(data="QUJD")),
    "too-many-components": snapshot(components=[
        {"name": f"{n:x}", "version": "1"} for n in range(10_001)]),
}
# What is over 256 KiB by its count is so by its length first.
TOO_LARGE = {"too-many-components"}


def content_digest(raw, algorithm="sha-256"):
    digest = hashlib.new(algorithm.replace("-", ""), raw).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


TYPES = {
    "none": (),
    "text": "text/plain",
    "zip": "application/zip",
    "bytes": "application/octet-stream",
    "longer": "application/jsonx",
    "shorter": "application/jso",
    "list": "text/json, application/json",
    "list-json-first": "application/json, text/plain",
    "multipart": "multipart/form-data; boundary=application/json",
    "another-word-behind": "application/json foo",
    "parameter": "application/json; version=1",
    "latin-1": "application/json; charset=iso-8859-1",
    "utf-16": "application/json; charset=utf-16",
    "charset-and-more": "application/json; charset=utf-8; x=y",
    "quoted-charset": 'application/json; charset="utf-8"',
    "semicolon": "application/json;",
    "space-inside": "application / json",
    "suffix": "application/vnd.x+json",
}
RAW = json.dumps(snapshot()).encode()
OTHER_DIGEST = content_digest(RAW + b" ")
DIGESTS = {
    "of-other-content": (OTHER_DIGEST, INVALID_ANSWER),
    "of-other-content-sha-512": (content_digest(RAW + b" ", "sha-512"), INVALID_ANSWER),
    "one-right-one-wrong": (f"{content_digest(RAW, 'sha-512')}, {OTHER_DIGEST}", INVALID_ANSWER),
    "empty": ("", UNREADABLE),
    "no-value": ("sha-256", UNREADABLE),
    "too-short": ("sha-256=:AAAA:", UNREADABLE),
    "a-string": ('sha-256="x"', UNREADABLE),
    "parameter": ("sha-256=:x:;a", UNREADABLE),
    "twice": (f"{content_digest(RAW)}\r\nContent-Digest: {content_digest(RAW)}", UNREADABLE),
}

CASES = [
    Upload("snapshot", name, body, (413, "snapshot-too-large") if name in TOO_LARGE else
           INVALID_ANSWER, house=name not in TOO_LARGE)
    for name, body in INVALID.items()
]
CASES += [
    Upload("snapshot type", name, RAW, WRONG_TYPE, (("Content-Type", value),) if value else (),
           house=True)
    for name, value in TYPES.items()
]
CASES += [
    Upload("snapshot type", "content-encoding", RAW, WRONG_TYPE,
           (*JSON, ("Content-Encoding", "gzip")), house=True),
]
CASES += [
    Upload("snapshot digest", name, RAW, answer, (*JSON, ("Content-Digest", value)), house=True)
    for name, (value, answer) in DIGESTS.items()
]
CASES += [
    Upload("snapshot size", "one-byte-too-many", RAW.ljust(256 * 1024 + 1),
           (413, "snapshot-too-large")),
    *(Dying("snapshot client", f"{'reset' if reset else 'closed'}-after-{sent}", sent, reset)
      for sent in (0, 1, 50, 100) for reset in (False, True)),
]
