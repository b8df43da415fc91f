"""What a store may answer, and what the client may be told then.

The store of each case answers the first request with the case's bytes, and every later one, on the
same connection or another, correctly with the name of the customer who asks. So what was left over
of a bad answer shows up as another customer's.

`house` marks what RFC 9110 and 9112 let a proxy pass on.
"""

import dataclasses
import socket
import struct
import time

from ..client import Truncated, refusal
from . import bench as benches
from .refused import SMALL, excerpt

HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
GOOD = HEAD + "\r\ngood"
EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = "cut"
BAD = 502
LATE = 504
REASONS = {502: "store-bad-response", 503: "store-unavailable", 504: "store-timeout"}
SECONDS = 6  # for any answer; the gateways give the store one second


def keep(connection):
    """The store goes on."""


def close(connection):
    connection.shutdown(socket.SHUT_WR)


def drip(connection):
    """A byte now and then, for longer than any gateway should wait."""
    for _ in range(20):
        time.sleep(0.3)
        connection.sendall(b"x")


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@dataclasses.dataclass
class Answer(benches.Case):
    """The store sends RAW, then does THEN. mirrorgate's client gets one of EXPECTED: a status, or
    CUT; with 200 and 206 the body is "good". Any client gets that body, or an error, or a cut;
    statuses in ALSO count as right where the store itself sent them. LIES is never passed on."""

    raw: str
    then: object
    expected: tuple
    method: str = dataclasses.field(default="GET", kw_only=True)
    fields: tuple = dataclasses.field(default=(), kw_only=True)
    also: tuple = dataclasses.field(default=(), kw_only=True)
    lies: bytes = dataclasses.field(default=b"evil", kw_only=True)

    def attempt(self, bench, strict):
        bench.scripted.play(self._script(bench))
        started = time.monotonic()
        with bench.scripted_gate.connect("acme") as connection:
            connection.send_request(self.method, SMALL, self.fields)
            complaint = self._judge(connection, strict)
        if time.monotonic() - started > SECONDS:
            complaint = complaint or "answered late"
        return complaint or other_customer(bench)

    def _script(self, bench):
        pending = [self.raw.encode("latin-1")]

        def script(connection, _):
            while True:
                head = bench.scripted.read_head(connection)
                if pending:
                    connection.sendall(pending.pop())
                    self.then(connection)
                    continue
                name = b"initech" if b"initech" in head else b"unknown"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + name)

        return script

    def _judge(self, connection, strict):
        try:
            response = connection.any_response(self.method)
        except Truncated as cut:
            if cut.response and self.lies in str(cut.response.fields).encode():
                return f"passed on {cut.response.fields}"
            return None if CUT in self.expected or not strict else "cut"
        except TimeoutError:
            return "no answer"
        except AssertionError as error:
            return f"the client got what is no HTTP: {str(error)[:80]}"
        if self.lies in response.body + str(response.fields).encode():
            return f"passed on: {response.status} {response.fields} {excerpt(response.body)}"
        if strict:
            return self._judge_strictly(response)
        if response.status in (200, 206):
            right = response.body == b"good" or self.method == "HEAD"
            return None if right else f"{response.status} with {excerpt(response.body)}"
        right = response.status >= 400 or response.status in self.also + self.expected
        return None if right else f"answered {response.status}"

    def _judge_strictly(self, response):
        if response.status not in self.expected:
            return f"answered {response.status}"
        if response.status in REASONS:
            try:
                refusal(response, response.status, REASONS[response.status])
            except AssertionError as error:
                return f"not the problem it should be: {error}"
        elif response.status in (200, 206) and self.method == "GET" and response.body != b"good":
            return f"{response.status} with {excerpt(response.body)}"
        return None


def other_customer(bench):
    """Whoever asks next gets what is his."""
    with bench.scripted_gate.connect("initech") as connection:
        try:
            connection.send_request("GET", SMALL)
            response = connection.any_response()
        except (Truncated, AssertionError, OSError) as error:
            return f"the next customer: {type(error).__name__} {error}"
    if (response.status, response.body) != (200, b"initech"):
        return f"the next customer got {response.status} {excerpt(response.body)}"
    return None


def table(group, *rows, house=False):
    """A row is name, raw answer, what the store does then, expected..., perhaps a dictionary."""
    cases = []
    for name, raw, then, *rest in rows:
        options = {"house": house}
        if isinstance(rest[-1], dict):
            options |= rest.pop()
        cases.append(Answer(group, name, raw=raw, then=then, expected=tuple(rest), **options))
    return cases


def length(value, body="good"):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n{body}"


def field(text):
    return f"{HEAD}{text}\r\n\r\ngood"


LONG = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + "x" * 1000

ENDS = table(
    "store ends",
    ("close-before-the-answer", "", close, BAD, 503),
    ("reset-before-the-answer", "", reset, BAD, 503),
    ("close-in-the-status-line", "HTTP/1.1 20", close, BAD),
    ("close-in-the-head", "HTTP/1.1 200 OK\r\nConte", close, BAD),
    ("reset-in-the-head", "HTTP/1.1 200 OK\r\nConte", reset, BAD),
    ("close-behind-the-head", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", close, CUT, BAD),
    ("close-in-the-body", LONG, close, CUT),
    ("reset-in-the-body", LONG, reset, CUT),
    ("silent", "", keep, LATE),
    ("silent-in-the-head", "HTTP/1.1 200 OK\r\nConte", keep, LATE),
    ("head-in-drips", "HTTP/1.1 200 OK\r\nX-A: ", drip, LATE),
    ("silent-in-the-body", LONG, keep, CUT),
    ("no-length-and-reset", "HTTP/1.1 200 OK\r\n\r\n" + "x" * 1000, reset, BAD),
    ("chunked-and-close", CHUNKED + "4\r\ngood\r\n", close, BAD),
    ("chunked-and-cut-in-a-chunk", CHUNKED + "ff\r\ngood", close, BAD),
    ("close-delimited-http-1.0", "HTTP/1.0 200 OK\r\n\r\ngood", close, BAD),
) + table(
    "store ends",
    ("close-delimited", "HTTP/1.1 200 OK\r\n\r\ngood", close, BAD),
    ("correct-and-close", f"{HEAD}Connection: close\r\n\r\ngood", close, 200),
    ("correct-and-close-unannounced", GOOD, close, 200),
    house=True,
)

NO_HTTP = table(
    "store answer",
    ("garbage", "\x00\x01\x02\xff" * 64 + "\r\n\r\n", keep, BAD),
    ("http-0.9", "evil text without a head", close, BAD),
    ("another-protocol", "220 evil.example ESMTP\r\n", close, BAD),
    ("http-2.0", "HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("http-0.9-named", "HTTP/0.9 200 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("lower-case", "http/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("another-name", "ICY 200 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("status-of-two-digits", "HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("status-of-four-digits", "HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("status-of-letters", "HTTP/1.1 OK 200\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("status-negative", "HTTP/1.1 -20 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("no-space-before-the-status", "HTTP/1.1200 OK\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("space-first", " " + EVIL, keep, BAD),
    ("line-first", "\r\n" + EVIL, keep, BAD),
    ("1-mib-head", "HTTP/1.1 200 OK\r\nX-A: " + "e" * (1 << 20) + "\r\n\r\n", keep, BAD),
    ("1000-fields", "HTTP/1.1 200 OK\r\n" + "X-A: b\r\n" * 1000 + "X-B: evil\r\n\r\n", keep, BAD),
    ("endless-status-line", "HTTP/1.1 200 " + "O" * 100_000, keep, BAD),
    ("status-999", "HTTP/1.1 999 Evil\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    ("nul-in-a-value", field("ETag: \"a\0b\""), keep, BAD),
    ("bare-cr-splits", field("ETag: \"a\"\rSet-Cookie: evil=1"), keep, BAD),
    ("bare-lf-splits", field("Content-Disposition: x\nSet-Cookie: evil=1"), keep, BAD),
    ("obs-fold-splits", field("Content-Disposition: x\r\n Set-Cookie: evil=1"), keep, BAD),
    ("space-before-the-colon", field("Content-Type : evil/x"), keep, BAD),
    ("name-with-a-space", field("X evil: 1"), keep, BAD),
)
LAX = table(
    "store answer",
    ("control-in-a-value", field("ETag: \"a\x01b\""), keep, BAD),
    ("high-byte-in-a-value", field("Content-Disposition: caf\xe9"), keep, BAD),
    ("tab-in-a-value", field("Cache-Control: a\tb"), keep, BAD),
    ("no-colon", field("X-A"), keep, BAD),
    ("etag-twice", field("ETag: \"a\"\r\nETag: \"b\""), keep, BAD),
    ("no-reason-and-no-space", "HTTP/1.1 200\r\nContent-Length: 4\r\n\r\ngood", keep, BAD),
    ("http-1.2", "HTTP/1.2 200 OK\r\nContent-Length: 4\r\n\r\ngood", keep, BAD),
    ("bare-lf-everywhere", GOOD.replace("\r\n", "\n"), keep, BAD),
    ("redirect", "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n"
     "\r\n", keep, BAD),
    ("unauthorised", "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=evil\r\nContent-Length: 0"
     "\r\n\r\n", keep, BAD),
    ("error-page", "HTTP/1.1 500 Evil\r\nContent-Length: 4\r\n\r\nevil", keep, BAD),
    house=True,
)  # fmt: skip

LENGTHS = table(
    "store length",
    ("twice-different", length("4\r\nContent-Length: 5"), keep, BAD),
    ("list-different", length("4, 5"), keep, BAD),
    ("negative", length("-4"), keep, BAD),
    ("plus", length("+4"), keep, BAD),
    ("hex", length("0x4"), keep, BAD),
    ("empty", length(""), keep, BAD),
    ("word", length("four"), keep, BAD),
    ("2-64-and-4", length("18446744073709551620"), keep, BAD, {"also": ()}),
    ("2-63", length("9223372036854775808"), keep, BAD),
    ("2-32-and-4", length("4294967300"), close, CUT),
    ("te-and-length", f"{HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", keep, BAD,
     {"house": True, "lies": b"no lie"}),
    ("xchunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\nevil",
     keep, BAD),
    ("chunked-identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n4\r\nevil"
     "\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-0x", CHUNKED + "0x4\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-plus", CHUNKED + "+4\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-minus", CHUNKED + "-4\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-letters", CHUNKED + "zz\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-empty", CHUNKED + "\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-high-byte", CHUNKED + "\xb4\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-size-2-64-and-4", CHUNKED + "10000000000000004\r\nevil\r\n0\r\n\r\n", keep, BAD),
    ("chunk-without-crlf", CHUNKED + "4\r\ngoodevil0\r\n\r\n", keep, BAD),
    ("trailer-cookie", CHUNKED + "4\r\ngood\r\n0\r\nSet-Cookie: evil=1\r\n\r\n", keep, BAD),
    ("trailer-length", CHUNKED + "4\r\ngood\r\n0\r\nContent-Length: 9\r\n\r\n", keep, BAD),
) + table(
    "store length",
    ("twice-same", length("4\r\nContent-Length: 4"), keep, BAD),
    ("list-same", length("4, 4"), keep, BAD),
    ("zeros", length("004"), keep, BAD),
    ("chunked", CHUNKED + "4\r\ngood\r\n0\r\n\r\n", keep, BAD),
    ("chunk-extension", CHUNKED + "4;a=b\r\ngood\r\n0\r\n\r\n", keep, BAD),
    house=True,
)  # fmt: skip

SURPLUS = table(
    "store surplus",
    ("an-answer-behind-the-answer", GOOD + EVIL, keep, 200),
    ("bytes-behind-the-answer", GOOD + "evil" * 10, keep, 200),
    ("a-body-longer-than-said", length("4", "goodevil"), keep, 200),
    ("a-body-of-64-kib-behind-4", GOOD + "evil" * 16384, keep, 200),
    ("head-with-a-body", GOOD.replace("good", "evil"), keep, 200, {"method": "HEAD"}),
    ("204-with-a-body", "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil", keep, BAD,
     {"also": (204,)}),
    ("304-with-a-body", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 4\r\n\r\nevil",
     keep, 304, BAD, {"fields": (("If-None-Match", '"x"'),)}),
    ("100-with-a-body", "HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\nevil" + GOOD, keep,
     BAD),
)  # fmt: skip


def interim(status, count=1):
    return f"HTTP/1.1 {status} Words\r\nLink: </x>\r\n\r\n" * count


INTERIM = table(
    "store interim",
    ("100", interim(100) + GOOD, keep, 200),
    ("103", interim(103) + GOOD, keep, 200),
    ("100-and-103", interim(100, 3) + interim(103, 3) + GOOD, keep, 200),
    ("storm-of-100", interim(100, 20_000) + EVIL, keep, BAD, {"house": True}),
    ("storm-of-103", interim(103, 20_000) + EVIL, keep, BAD, {"house": True}),
    ("100-and-silence", interim(100), keep, LATE),
    ("103-and-silence", interim(103), keep, LATE),
    ("103-and-close", interim(103), close, BAD),
    ("101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nevil",
     keep, BAD),
)  # fmt: skip


def part(content_range, status="206 Partial Content"):
    return f"HTTP/1.1 {status}\r\nContent-Length: 4\r\nContent-Range: {content_range}\r\n\r\n"


RANGE = {"fields": (("Range", "bytes=0-3"),)}
RANGES = table(
    "store range",
    ("right", part("bytes 0-3/9") + "good", keep, 206, RANGE),
    ("whole-for-a-part", GOOD, keep, 200, RANGE),
    ("unsatisfiable", "HTTP/1.1 416 No\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
     keep, 416, RANGE),
    ("not-asked", part("bytes 0-3/9") + "part", keep, BAD),
    ("another-range", part("bytes 4-7/9") + "part", keep, BAD, RANGE),
    ("longer-than-its-range", part("bytes 0-2/9") + "part", keep, BAD, RANGE),
    ("beyond-the-end", part("bytes 0-3/2") + "part", keep, BAD, RANGE),
    ("backwards", part("bytes 3-0/9") + "part", keep, BAD, RANGE),
    ("overflow", part("bytes 0-18446744073709551619/9") + "part", keep, BAD, RANGE),
    ("no-content-range", "HTTP/1.1 206 P\r\nContent-Length: 4\r\n\r\npart", keep, BAD, RANGE),
    ("content-range-twice", part("bytes 0-3/9\r\nContent-Range: bytes 0-3/9") + "part", keep, BAD,
     RANGE),
    ("multipart", "HTTP/1.1 206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\n"
     "Content-Length: 4\r\n\r\npart", keep, BAD, RANGE),
    *((f"unsatisfiable-{name}", part(value, "416 No") + "evil", keep, BAD, RANGE)
      for name, value in (("part", "bytes 0-3/9"), ("unknown", "bytes */*"),
                          ("other-unit", "items */9"), ("sign", "bytes */+9"))),
    ("304-not-asked", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", keep, BAD),
    house=True,
)  # fmt: skip

HOP_BY_HOP = table(
    "store hop-by-hop",
    ("named-by-connection", field("Connection: X-Evil, keep-alive\r\nX-Evil: evil"), keep, 200),
    ("etag-named-by-connection", field('Connection: ETag\r\nETag: "evil"'), keep, BAD),
    ("type-named-by-connection", field("Connection: x, content-type\r\nContent-Type: a/evil"),
     keep, BAD),
    ("keep-alive", field("Keep-Alive: evil=5"), keep, 200),
    ("proxy-authenticate", field("Proxy-Authenticate: evil"), keep, 200, {"house": True}),
    ("proxy-connection", field("Proxy-Connection: evil"), keep, 200),
    ("trailer", field("Trailer: evil"), keep, 200),
    ("te", field("TE: evil"), keep, 200),
    ("upgrade", field("Upgrade: evil\r\nConnection: upgrade"), keep, 200),
) + table(
    "store hop-by-hop",
    *((name.lower(), field(f"{name}: evil"), keep, 200)
      for name in ("Set-Cookie", "Server", "Via", "Alt-Svc", "Refresh", "Link", "Location",
                   "X-Accel-Redirect", "Clear-Site-Data", "Access-Control-Allow-Origin",
                   "Content-Security-Policy", "X-Mirrorgate-Customer", "X-Request-Id")),
    house=True,
)  # fmt: skip

CASES = ENDS + NO_HTTP + LAX + LENGTHS + SURPLUS + INTERIM + RANGES + HOP_BY_HOP
