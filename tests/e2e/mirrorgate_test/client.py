"""A raw HTTP/1.1 client over TLS that sends what it is told and believes nothing.

It reads answers strictly, one at a time, and tells how a connection ended: `close_notify` (TLS
says: this is all), `eof` (TCP ended without that), `reset`, or an alert. An answer whose body
ends early raises Truncated, never returns. There is also curl, for what real clients do.
"""

import contextlib
import dataclasses
import json
import os
import re
import select
import socket
import ssl
import subprocess
import time

from . import common, pki

TIMEOUT = common.LONG * common.PATIENCE

_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) ([\x20-\x7e]*)")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)")


_SPARE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Socket(ssl.SSLSocket):
    """Keeps its errors to itself. Python 3.13 leaves a system's error in OpenSSL's queue, which is
    the thread's, and the next connection that is used takes it for its own."""

    def read(self, *arguments):
        with _forgetting_errors():
            return super().read(*arguments)

    def send(self, *arguments):
        with _forgetting_errors():
            return super().send(*arguments)


@contextlib.contextmanager
def _forgetting_errors():
    try:
        yield
    except ssl.SSLError:
        raise
    except OSError:
        with contextlib.suppress(ssl.SSLError):
            _SPARE.set_ciphers("none such")  # fails, and empties the queue
        raise


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    fields: list
    body: bytes = b""
    interim: list = dataclasses.field(default_factory=list)

    def header(self, name):
        """The value of the one field NAME, or None; a repeated field fails the test."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is repeated: {values}"
        return values[0] if values else None

    @property
    def names(self):
        return {name.lower() for name, _ in self.fields}

    @property
    def closes(self):
        """True when the answer announces that the connection ends after it."""
        return (self.header("Connection") or "").lower() == "close"

    @property
    def request_id(self):
        return self.header("X-Request-Id")

    @property
    def content_length(self):
        value = self.header("Content-Length")
        return None if value is None else int(value)

    def json(self):
        return json.loads(self.body)


class Truncated(Exception):
    """The answer ended before its end. END is how the connection did."""

    def __init__(self, end, response):
        super().__init__(f"the answer was cut ({end}): {response and response.status}")
        self.end = end
        self.response = response


def refusal(response, status, reason):
    """Asserts that RESPONSE is the problem REASON, complete in every part."""
    expected = reason if isinstance(reason, (set, tuple)) else {reason}
    assert response.status == status, (response.status, response.body)
    assert response.header("Content-Type") == "application/problem+json"
    assert response.request_id
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["type"] in {f"urn:mirrorgate:{name}" for name in expected}
    assert problem["status"] == status
    assert problem["request_id"] == response.request_id
    assert problem["title"] and problem["detail"]
    return problem


_contexts = {}


def tls_context(authority, identity, version=None, alpn=None, curve=None):
    """An SSLContext that trusts AUTHORITY and shows IDENTITY; VERSION is 1.2, 1.3 or None. CURVE is the
    only one that is offered."""
    key = (authority.folder, identity, version, alpn, curve)
    if key not in _contexts:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a cut must not look like close_notify
        context.load_verify_locations(authority.certificate)
        if identity:
            context.load_cert_chain(identity.cert, identity.key)
        if version:
            exact = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
            context.minimum_version = context.maximum_version = exact
        if curve:
            context.set_ecdh_curve(curve)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        context.sslsocket_class = _Socket
        _contexts[key] = context
    return _contexts[key]


def tcp_connect(port, *, source=None, receive_buffer=None, host="127.0.0.1", timeout=TIMEOUT):
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if source:
        sock.bind((source, 0))
    try:
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Reachable:
    """A gateway to connect to. Needs `world`, the certificates, and `port`, on loopback."""

    def tcp(self, **options):
        return tcp_connect(self.port, **options)

    def connect(self, who="acme", *, preface=(), version=None, alpn=None, curve=None,
                **options):
        """A TLS connection as WHO; the pieces of PREFACE go out before the handshake."""
        sock = self.tcp(**options)
        for piece in preface:
            sock.sendall(piece)
        return self.over(sock, who, version=version, alpn=alpn, curve=curve)

    def over(self, sock, who="acme", *, version=None, alpn=None, curve=None):
        """The same over the TCP connection SOCK."""
        identity = self.world.identity(who)
        return Connection(sock, tls_context(self.world.authority, identity, version, alpn,
                                            curve))

    def get(self, path, headers=(), *, who="acme"):
        """One GET on a connection of its own."""
        with self.connect(who) as connection:
            return connection.get(path, headers)


class Connection:
    """One TLS connection. Made by Reachable.connect()."""

    def __init__(self, sock, context, name=pki.SERVER_NAME):
        try:
            self.sock = context.wrap_socket(
                sock,
                server_hostname=name,
                suppress_ragged_eofs=False,
                do_handshake_on_connect=False,
            )
        except OSError:
            sock.close()
            raise
        try:
            # wrap_socket() itself says nothing of a connection that was reset already.
            self.sock.do_handshake()
        except OSError:
            self.sock.close()
            raise
        self._buffer = bytearray()
        self.end = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    @property
    def cipher(self):
        return self.sock.cipher()[0]

    @property
    def local_address(self):
        return "%s:%d" % self.sock.getsockname()

    # --- sending

    def send(self, data):
        self.sock.sendall(data)

    def send_slowly(self, data):
        """One byte a TLS record; stops when the other side has something to say already."""
        for position in range(len(data)):
            if self.readable(0):
                return
            try:
                self.sock.sendall(data[position : position + 1])
            except OSError:
                return

    def send_request(
        self, method, target, headers=(), body=None, host=pki.SERVER_NAME, version="1.1"
    ):
        """Writes one request in one piece. HEADERS are pairs; Content-Length is added to a body
        when they have none, and HOST None leaves Host out."""
        lines = [f"{method} {target} HTTP/{version}"]
        if host is not None:
            lines.append(f"Host: {host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None and not any(name.lower() == "content-length" for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def send_raw(self, data):
        """Writes DATA to the TCP connection, past TLS."""
        with socket.socket(fileno=os.dup(self.sock.fileno())) as beneath:
            beneath.sendall(data)

    # --- receiving

    def readable(self, timeout):
        """True when bytes of an answer, or the end, are there within TIMEOUT. What belongs to TLS
        alone, like the tickets after a handshake, does not count."""
        deadline = time.monotonic() + timeout
        while not self._buffer and not self.end:
            left = max(0, deadline - time.monotonic())
            if not self.sock.pending() and not select.select([self.sock], [], [], left)[0]:
                return False
            self._fill_without_waiting()
        return True

    def _fill_without_waiting(self):
        timeout = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            self._fill()
        except ssl.SSLWantReadError:
            pass
        finally:
            self.sock.settimeout(timeout)

    def _fill(self, size=65536):
        """Reads once. Returns False at the end of the connection, and notes how it ended."""
        if self.end:
            return False
        try:
            data = self.sock.recv(size)
            if data:
                self._buffer += data
                return True
            self.end = "close_notify"
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLZeroReturnError:
            self.end = "close_notify"
        except ssl.SSLEOFError:
            self.end = "eof"
        except (ConnectionResetError, BrokenPipeError):  # or OpenSSL could not say so any more
            self.end = "reset"
        except ssl.SSLError as error:
            cut = error.reason == "UNEXPECTED_EOF_WHILE_READING"
            self.end = "eof" if cut else f"alert: {error.reason}"
        return False

    def read_some(self, size):
        """At most SIZE bytes that are there or come next; b"" at the end of the connection."""
        if not self._buffer:
            self._fill(size)
        data = bytes(self._buffer[:size])
        del self._buffer[: len(data)]
        return data

    def _line(self):
        while b"\n" not in self._buffer:
            if not self._fill():
                raise Truncated(self.end, None)
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        assert line.endswith(b"\r"), f"a line of the answer ends in a bare LF: {line!r}"
        return line[:-1]

    def read_any_head(self):
        """Reads the next status line and fields, which may be those of a 1xx answer."""
        line = self._line()
        status = _STATUS_LINE.fullmatch(line)
        assert status, f"not a status line: {line!r}"
        fields = []
        while line := self._line():
            field = _FIELD.fullmatch(line)
            assert field, f"not a header field: {line!r}"
            fields.append((field[1].decode(), field[2].decode()))
        return Response(int(status[1]), status[2].decode(), fields)

    def read_head(self):
        """Reads status line and header fields of the next final answer."""
        interim = []
        while (response := self.read_any_head()).status < 200:
            interim.append(response.status)
        response.interim = interim
        return response

    def body_pieces(self, response, method="GET"):
        """Yields the body of RESPONSE as it comes; raises Truncated when it ends early."""
        assert response.header("Transfer-Encoding") is None
        left = response.content_length
        if method == "HEAD" or response.status in (204, 304):
            left = 0
        assert left is not None, "an answer without Content-Length"
        while left:
            piece = self.read_some(min(left, 1 << 20))
            if not piece:
                raise Truncated(self.end, response)
            left -= len(piece)
            yield piece

    def response(self, method="GET"):
        """Reads one complete answer."""
        response = self.read_head()
        body = bytearray()
        try:
            for piece in self.body_pieces(response, method):
                body += piece
        finally:
            response.body = bytes(body)
        return response

    def any_response(self, method="GET"):
        """Reads an answer as a client would that takes all of HTTP/1.1: in chunks too, or without
        a length, up to the end of the connection."""
        response = self.read_head()
        body = bytearray()
        try:
            for piece in self._any_body(response, method):
                body += piece
        finally:
            response.body = bytes(body)
        return response

    def _any_body(self, response, method):
        bodyless = method == "HEAD" or response.status in (204, 304)
        if response.header("Transfer-Encoding") is None or bodyless:
            if bodyless or response.content_length is not None:
                yield from self.body_pieces(response, method)
                return
            data, end = self.rest()
            yield data
            if end != "close_notify":
                raise Truncated(end, response)
            return
        assert response.header("Transfer-Encoding").lower() == "chunked"
        while (size := self._chunk_size(response)) > 0:
            yield self._exactly(size, response)
            assert self._exactly(2, response) == b"\r\n", "a chunk does not end where it should"
        while self._exactly_line(response):
            pass

    def _exactly_line(self, response):
        try:
            return self._line()
        except Truncated as cut:
            raise Truncated(cut.end, response) from None

    def _chunk_size(self, response):
        line = self._exactly_line(response)
        assert re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line), f"not the size of a chunk: {line!r}"
        return int(line, 16)

    def _exactly(self, size, response):
        data = bytearray()
        while len(data) < size:
            piece = self.read_some(size - len(data))
            if not piece:
                raise Truncated(self.end, response)
            data += piece
        return bytes(data)

    def request(self, method, target, headers=(), body=None, **options):
        self.send_request(method, target, headers, body, **options)
        return self.response(method)

    def get(self, target, headers=(), **options):
        return self.request("GET", target, headers, **options)

    def rest(self):
        """Reads until the connection ends; returns (bytes, how it ended)."""
        while self._fill():
            pass
        data = bytes(self._buffer)
        self._buffer.clear()
        return data, self.end

    def assert_ended(self):
        """The other side closes properly and says nothing more."""
        assert self.rest() == (b"", "close_notify")


def refused_by_tls(gateway, who, version):
    """True when the gateway ends the handshake of WHO without one byte of HTTP. In TLS 1.3 a
    client learns of it when it first reads."""
    try:
        connection = gateway.connect(who, version=version)
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
        return True
    with connection:
        try:
            connection.send_request("GET", "/artifacts/step-core/small.txt")
        except OSError:
            pass
        data, end = connection.rest()
        return data == b"" and end != "close_notify"


def curl(gateway, path, *arguments, who="acme", timeout=120):
    """Runs curl against GATEWAY as an administrator would; returns the finished process."""
    identity = gateway.world.identity(who)
    command = ["curl", "--silent", "--show-error", "--max-time", str(timeout)]
    command += ["--cacert", str(gateway.world.authority.certificate)]
    command += ["--resolve", f"{pki.SERVER_NAME}:{gateway.port}:127.0.0.1"]
    if identity:
        command += ["--cert", str(identity.cert), "--key", str(identity.key)]
    if path is not None:
        command.append(f"https://{pki.SERVER_NAME}:{gateway.port}{path}")
    return subprocess.run(
        [*command, *arguments], capture_output=True, timeout=timeout + 10, check=False
    )
