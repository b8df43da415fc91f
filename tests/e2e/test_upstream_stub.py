#!/usr/bin/python3
"""upstream-stub: the plain artifact store serves, stores, logs, and misbehaves as asked.

This file starts the stub by itself and needs nothing else of the project. Files below the root are
made for each test; nothing sleeps, what has to come is awaited with a deadline.
"""

import concurrent.futures
import contextlib
import ctypes
import email.utils
import functools
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUB = pathlib.Path(os.environ.get("MIRRORGATE_BUILD", ROOT / "build")) / "upstream-stub"
DEADLINE = 30

TEXT = b"0123456789abcdefghij"
MEDIUM = b"".join(b"%015d\n" % n for n in range(16384))  # 256 KiB, no two lines alike
CONTENT = {
    "hello.txt": b"hello\n",
    "digits": TEXT,
    "empty.bin": b"",
    "artifacts/a/x.bin": MEDIUM,
    "artifacts/@scope/x.bin": b"scoped",
}


def wait_until(predicate, what):
    end = time.monotonic() + DEADLINE
    while not (value := predicate()):
        assert time.monotonic() < end, f"still waiting: {what}"
        select.select([], [], [], 0.005)
    return value


class Stub:
    """A running stub. Leaving the context checks that SIGTERM ends it well and quietly."""

    def __init__(self, folder, *, listen="127.0.0.1:0", faults=(), logs=True, preexec=None,
                 end=signal.SIGTERM, noise=""):
        self.root = folder / "root"
        self.log = folder / "stub.log"
        self.end = end
        self.noise = noise
        for name, content in CONTENT.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        command = [STUB, "--root", self.root, "--listen", listen]
        command += ["--log", self.log] if logs else []
        for fault in faults:
            command += ["--fault", fault]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=preexec)
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"listening on (\S+)\n", line)
        assert match, (line, self.process.stderr.read())
        self.address = match.group(1)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.send_signal(self.end)
        out, err = self.process.communicate(timeout=DEADLINE)
        if kind is None:
            assert (self.process.returncode, out) == (0, b"")
            assert re.fullmatch(self.noise, err.decode()), err.decode()

    def connect(self):
        if self.address.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(DEADLINE)
            sock.connect(self.address[len("unix:"):])
            return sock
        host, port = self.address.rsplit(":", 1)
        sock = socket.create_connection((host.strip("[]"), int(port)), timeout=DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def client(self):
        """A kept-alive http.client connection."""
        client = http.client.HTTPConnection("store")
        client.sock = self.connect()
        client.auto_open = 0
        return contextlib.closing(client)

    def ask(self, method, path, headers=None, body=None):
        """One request on a connection of its own: status, headers, body."""
        with self.client() as client:
            return ask(client, method, path, headers, body)

    def talk(self, data):
        """Sends raw bytes, no more of them, and reads until the stub closes."""
        with self.connect() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return read_all(sock)

    def events(self, kind=None):
        """The log so far; a last line that is still being written does not count."""
        lines = self.log.read_text("utf-8").split("\n")[:-1]
        events = [json.loads(line) for line in lines]
        return [event for event in events if kind in (None, event["event"])]


def ask(client, method, path, headers=None, body=None):
    client.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    client.putheader("Host", "store")
    for name, value in (headers or {}).items():
        client.putheader(name, value)
    if body is not None:
        client.putheader("Content-Length", str(len(body)))
    client.endheaders(body)
    response = client.getresponse()
    return response.status, response.headers, response.read()


def get(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: store", *fields, "", ""]).encode()


def read_all(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def read_until(sock, end):
    data = b""
    while not data.endswith(end):
        piece = sock.recv(1)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


def read_exactly(sock, length):
    data = bytearray()
    while len(data) < length:
        piece = sock.recv(min(1 << 20, length - len(data)))
        assert piece, f"closed after {len(data)} of {length} bytes"
        data += piece
    return bytes(data)


def is_open(sock):
    """True when the stub has neither closed nor sent anything."""
    return not select.select([sock], [], [], 0)[0]


def split(answer):
    """Status line, header fields and the rest of one raw answer."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return lines[0], dict(line.split(": ", 1) for line in lines[1:]), rest


def deny_openat2():
    """In the child: openat2() fails with ENOSYS from now on, as in many sandboxes."""
    openat2, enosys = 437, 38
    code = b"".join(struct.pack("HBBI", *row) for row in (
        (0x20, 0, 0, 0),                    # load the system call's number
        (0x15, 0, 1, openat2),              # equal? else skip one
        (0x06, 0, 0, 0x00050000 | enosys),  # SECCOMP_RET_ERRNO
        (0x06, 0, 0, 0x7FFF0000),           # SECCOMP_RET_ALLOW
    ))
    keep = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(keep))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0  # PR_SET_SECCOMP


@pytest.fixture
def start(tmp_path):
    """Starts stubs; the context of the last one ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Stub(tmp_path, **options))


@pytest.fixture
def stub(start):
    return start()


@pytest.fixture(params=["tcp", "unix"])
def either(request, start, tmp_path):
    """A stub on TCP, and one on a Unix socket."""
    return start(listen="127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/s")


@pytest.fixture(params=["openat2", "walk"])
def safe(request, start):
    """A stub that opens files by openat2(), and one that may not."""
    return start(preexec=deny_openat2 if request.param == "walk" else None)


# Serving files.


def test_get_sends_the_file_with_its_metadata(either):
    status, headers, body = either.ask("GET", "/artifacts/a/x.bin")
    info = (either.root / "artifacts/a/x.bin").stat()
    assert (status, body) == (200, MEDIUM)
    assert headers["Content-Length"] == str(len(MEDIUM))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Last-Modified"] == email.utils.formatdate(int(info.st_mtime), usegmt=True)
    assert re.fullmatch(r'"[!-~]+"', headers["ETag"])
    assert "Connection" not in headers


def test_head_is_get_without_the_body(stub):
    with stub.client() as client:
        _, expected, _ = ask(client, "GET", "/hello.txt")
        status, headers, body = ask(client, "HEAD", "/hello.txt")
    del headers["Date"], expected["Date"]
    assert (status, body, headers.items()) == (200, b"", expected.items())


def test_an_empty_file_is_sent_empty(stub):
    status, headers, body = stub.ask("GET", "/empty.bin")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")


@pytest.mark.parametrize("name, kind", [
    ("a.zip", "application/zip"), ("a.JSON", "application/json"), ("a.tar.gz", "application/gzip"),
    ("a.txt", "text/plain; charset=utf-8"), ("a", "application/octet-stream"),
])
def test_content_type_follows_from_the_suffix(stub, name, kind):
    (stub.root / name).write_bytes(b"x")
    assert stub.ask("GET", f"/{name}")[1]["Content-Type"] == kind


def test_a_query_does_not_change_the_file(stub):
    assert stub.ask("GET", "/hello.txt?a=/b")[::2] == (200, b"hello\n")


@pytest.mark.parametrize("path", ["/", "/artifacts", "/artifacts/", "/nothing", "/hello.txt/x",
                                  "/artifacts/a/", "/%68ello.txt", "/" + "n" * 300])
def test_what_is_no_file_is_404(safe, path):
    expected = 400 if len(path) > 256 else 404
    assert safe.ask("GET", path)[0] == expected


@pytest.mark.parametrize("path", ["/../stub.log", "/artifacts/../hello.txt", "/artifacts//a/x.bin",
                                  "/./hello.txt", "//hello.txt"])
def test_paths_that_are_not_plain_are_400(safe, path):
    assert safe.ask("GET", path)[0] == 400


def test_existing_files_are_served_however_they_are_opened(safe):
    assert safe.ask("GET", "/artifacts/a/x.bin")[::2] == (200, MEDIUM)
    assert safe.ask("GET", "/hello.txt")[::2] == (200, b"hello\n")


def test_no_symbolic_link_is_followed(safe, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (safe.root / "file-link").symlink_to("hello.txt")
    (safe.root / "out-link").symlink_to(tmp_path / "secret")
    (safe.root / "folder-link").symlink_to("artifacts")
    paths = ["/file-link", "/out-link", "/folder-link/a/x.bin"]
    assert [safe.ask("GET", path)[0] for path in paths] == [404, 404, 404]


def test_a_fifo_neither_blocks_nor_is_served(safe):
    os.mkfifo(safe.root / "fifo")
    assert safe.ask("GET", "/fifo")[0] == 404


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/hello.txt", "GET, HEAD"), ("DELETE", "/hello.txt", "GET, HEAD"),
    ("OPTIONS", "/hello.txt", "GET, HEAD"), ("PUT", "/hello.txt", "GET, HEAD"),
    ("PUT", "/snapshots", "GET, HEAD"), ("DELETE", "/snapshots/a/b", "GET, HEAD, PUT"),
])
def test_other_methods_are_405(stub, method, path, allow):
    status, headers, _ = stub.ask(method, path, body=b"x")
    assert (status, headers["Allow"]) == (405, allow)
    assert (stub.root / "hello.txt").read_bytes() == b"hello\n"


@pytest.mark.parametrize("data", [
    b"nonsense\r\n\r\n", b"GET /hello.txt\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n",
    b"GET http:// HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\x00\x00", b"get / HTTP/1.1\r\n",
    b"GET http://store/hello.txt HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
])
def test_what_is_not_a_request_is_400_and_closes(stub, data):
    status, headers, _ = split(stub.talk(data))
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["Connection"] == "close"


@pytest.mark.parametrize("fields", [[f"X-{n}: 1" for n in range(101)], ["X: " + "x" * 100_000]])
def test_too_large_a_head_is_431_and_closes(stub, fields):
    assert split(stub.talk(get("/hello.txt", *fields)))[0].startswith("HTTP/1.1 431 ")


# Ranges.


@pytest.mark.parametrize("field, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=5-", 5, 19), ("bytes=0-99999", 0, 19),
    ("bytes=-3", 17, 19), ("bytes=-99", 0, 19), ("BYTES=19-19", 19, 19),
    ("bytes=1-99999999999999999999999", 1, 19),
])
def test_a_single_range_is_206(stub, field, first, last):
    status, headers, body = stub.ask("GET", "/digits", {"Range": field})
    assert (status, body) == (206, TEXT[first:last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/20"
    assert headers["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("path, field", [
    ("/digits", "bytes=20-"), ("/digits", "bytes=99999999999999999999-"), ("/digits", "bytes=-0"),
    ("/empty.bin", "bytes=0-"), ("/empty.bin", "bytes=-1"),
])
def test_a_range_outside_the_file_is_416(stub, path, field):
    status, headers, _ = stub.ask("GET", path, {"Range": field})
    assert status == 416
    assert headers["Content-Range"] == f"bytes */{len(CONTENT[path[1:]])}"


@pytest.mark.parametrize("field", ["bytes=0-1,3-4", "bytes=5-1", "bytes=", "bytes=a-b", "lines=1-2",
                                   "bytes=1", "bytes=--1", "bytes=1-2x", "bytes= 1-2"])
def test_ranges_that_are_several_or_malformed_are_ignored(stub, field):
    status, headers, body = stub.ask("GET", "/digits", {"Range": field})
    assert (status, headers["Content-Range"], body) == (200, None, TEXT)


def test_head_ignores_a_range(stub):
    status, headers, _ = stub.ask("HEAD", "/digits", {"Range": "bytes=1-2"})
    assert (status, headers["Content-Length"]) == (200, "20")


def test_if_range_serves_a_part_of_this_version_only(stub):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    earlier = email.utils.formatdate(1, usegmt=True)
    answers = {
        value: stub.ask("GET", "/digits", {"Range": "bytes=1-2", "If-Range": value})[0]
        for value in (etag, date, "W/" + etag, '"other"', earlier, "nonsense")
    }
    assert list(answers.values()) == [206, 206, 200, 200, 200, 200]


# Conditions.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_that_say_not_modified_are_304(stub, method):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    for condition in ({"If-None-Match": etag}, {"If-None-Match": "*"},
                      {"If-None-Match": f'"a", W/{etag}'}, {"If-Modified-Since": date}):
        status, headers, body = stub.ask(method, "/digits", condition)
        assert (status, headers["ETag"], body) == (304, etag, b""), condition
        assert "Content-Length" not in headers


def test_conditions_that_say_modified_are_200(stub):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    earlier = email.utils.formatdate(1, usegmt=True)
    for condition in ({"If-None-Match": '"a", "b"'}, {"If-None-Match": etag[:-1]},
                      {"If-Modified-Since": earlier}, {"If-Modified-Since": "yesterday"},
                      {"If-None-Match": '"a"', "If-Modified-Since": date},
                      {"If-Match": etag}, {"If-Match": "*"}, {"If-Unmodified-Since": date}):
        assert stub.ask("GET", "/digits", condition)[::2] == (200, TEXT), condition


def test_preconditions_that_fail_are_412(stub):
    etag = stub.ask("GET", "/digits")[1]["ETag"]
    earlier = email.utils.formatdate(1, usegmt=True)
    for condition in ({"If-Match": '"a"'}, {"If-Match": "W/" + etag},
                      {"If-Unmodified-Since": earlier}):
        assert stub.ask("GET", "/digits", condition)[0] == 412, condition


def test_the_etag_changes_with_the_file(stub):
    path = stub.root / "digits"
    etags = {stub.ask("GET", "/digits")[1]["ETag"]}
    info = path.stat()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    etags.add(stub.ask("GET", "/digits")[1]["ETag"])
    (stub.root / "new").write_bytes(TEXT)
    os.utime(stub.root / "new", ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    (stub.root / "new").rename(path)
    etags.add(stub.ask("GET", "/digits")[1]["ETag"])
    assert len(etags) == 3


# Uploads.


def stored(stub):
    base = stub.root / "snapshots"
    return {str(path.relative_to(base)): path.read_bytes()
            for path in base.rglob("*") if path.is_file()}


def test_put_stores_the_body_and_makes_the_folders(safe):
    with safe.client() as client:
        status, _, _ = ask(client, "PUT", "/snapshots/acme/prod-1/0a.json", body=MEDIUM)
        assert (status, stored(safe)) == (201, {"acme/prod-1/0a.json": MEDIUM})
        assert ask(client, "GET", "/snapshots/acme/prod-1/0a.json")[::2] == (200, MEDIUM)


def test_put_of_the_same_content_again_is_204(stub):
    answers = [stub.ask("PUT", "/snapshots/a", body=b"same")[0] for _ in range(3)]
    assert (answers, stored(stub)) == ([201, 204, 204], {"a": b"same"})


def test_put_never_overwrites_other_content(stub):
    stub.ask("PUT", "/snapshots/a", body=b"first")
    for other in (b"other", b"firs", b"first!", b""):
        assert stub.ask("PUT", "/snapshots/a", body=other)[0] == 409
    assert stored(stub) == {"a": b"first"}


def test_put_of_an_empty_body_stores_an_empty_file(stub):
    assert stub.ask("PUT", "/snapshots/empty", body=b"")[0] == 201
    assert stored(stub) == {"empty": b""}


@pytest.mark.parametrize("path", ["/snapshots/", "/snapshots/../x", "/snapshots/a//b",
                                  "/snapshots/a/", "/snapshots/./a"])
def test_put_to_a_path_that_is_not_plain_stores_nothing(safe, path):
    before = sorted(safe.root.rglob("*"))
    assert safe.ask("PUT", path, body=b"x")[0] == 400
    assert sorted(safe.root.rglob("*")) == before


def test_put_does_not_follow_links_or_replace_what_is_no_file(stub, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (stub.root / "snapshots/folder").mkdir(parents=True)
    (stub.root / "snapshots/link").symlink_to(outside)
    (stub.root / "snapshots/dangling").symlink_to(outside / "new")
    stub.ask("PUT", "/snapshots/file", body=b"x")
    for path in ("link/x", "dangling", "folder", "file/x"):
        assert stub.ask("PUT", f"/snapshots/{path}", body=b"x")[0] == 409, path
    assert list(outside.iterdir()) == []
    assert stored(stub) == {"file": b"x"}


def test_put_needs_a_content_length(stub):
    head = b"PUT /snapshots/a HTTP/1.1\r\nHost: store\r\n"
    chunked = stub.talk(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    none = stub.talk(head + b"\r\n")
    assert split(chunked)[0] == split(none)[0] == "HTTP/1.1 411 Length Required"
    assert stored(stub) == {}


def test_put_takes_one_mebibyte_and_no_more(stub):
    limit = 1024 * 1024
    assert stub.ask("PUT", "/snapshots/most", body=bytes(limit))[0] == 201
    with stub.connect() as sock:
        sock.sendall(b"PUT /snapshots/more HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n"
                     % (limit + 1))
        sock.sendall(bytes(limit + 1))
        assert split(read_all(sock))[0] == "HTTP/1.1 413 Content Too Large"
    assert stored(stub) == {"most": bytes(limit)}


def test_an_upload_that_breaks_off_stores_nothing(stub):
    stub.talk(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 10\r\n\r\nhalf")
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert (stored(stub), stub.events("request")) == ({}, [])


def test_a_client_that_expects_100_continue_gets_it_before_its_body(stub):
    with stub.connect() as sock:
        sock.sendall(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n"
                     b"Expect: 100-continue\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 201 Created\r\n")
    assert stored(stub) == {"a": b"body"}


# Connections.


def test_a_connection_serves_many_requests_in_turn(either):
    with either.client() as client:
        for _ in range(50):
            assert ask(client, "GET", "/hello.txt")[::2] == (200, b"hello\n")
            assert ask(client, "GET", "/nothing")[0] == 404
            assert ask(client, "PUT", "/snapshots/a", body=b"x")[0] in (201, 204)
    assert {event["connection"] for event in either.events()} == {1}


def test_pipelined_requests_are_answered_in_order(either):
    paths = ["/hello.txt", "/artifacts/a/x.bin", "/nothing", "/digits"] * 200
    with either.connect() as sock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sock.sendall, b"".join(get(path) for path in paths))
        for path in paths:
            status, headers, _ = split(read_until(sock, b"\r\n\r\n"))
            body = read_exactly(sock, int(headers["Content-Length"]))
            assert body == CONTENT.get(path[1:], b"not found\n"), path
            assert ("404" in status) == (path == "/nothing")
        sent.result()
        assert is_open(sock)


def test_a_request_may_arrive_byte_by_byte(stub):
    with stub.connect() as sock:
        for byte in get("/hello.txt", "Connection: close"):
            sock.send(bytes([byte]))
        assert split(read_all(sock))[2] == b"hello\n"


def test_http_1_0_and_connection_close_end_the_connection(stub):
    with stub.connect() as sock:
        sock.sendall(b"GET /hello.txt HTTP/1.0\r\n\r\n")
        assert split(read_all(sock))[2] == b"hello\n"
    with stub.connect() as sock:
        sock.sendall(get("/hello.txt", "Connection: close"))
        _, headers, body = split(read_all(sock))
        assert (headers["Connection"], body) == ("close", b"hello\n")


def test_http_1_0_keeps_alive_when_asked_to(stub):
    with stub.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /digits HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            _, headers, _ = split(read_until(sock, b"\r\n\r\n"))
            assert headers["Connection"] == "keep-alive"
            assert read_exactly(sock, 20) == TEXT


def test_a_half_closed_client_still_gets_its_answer(either):
    assert split(either.talk(get("/artifacts/a/x.bin")))[2] == MEDIUM


def test_300_parallel_connections_each_get_their_own_file(either):
    for n in range(300):
        (either.root / f"{n}.bin").write_bytes(b"%06d\n" % n * 20_000)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(either.connect()) for _ in range(300)]
        for n, sock in enumerate(socks):
            sock.sendall(get(f"/{n}.bin"))
        for n, sock in enumerate(socks):
            read_until(sock, b"\r\n\r\n")
            assert read_exactly(sock, 140_000) == b"%06d\n" % n * 20_000
        assert all(is_open(sock) for sock in socks)


def test_clients_that_stop_reading_do_not_hold_up_others(either):
    os.truncate(either.root / "digits", 1 << 30)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(either.connect()) for _ in range(20)]
        for sock in socks:
            sock.sendall(get("/digits"))
            assert read_exactly(sock, 15) == b"HTTP/1.1 200 OK"
        assert either.ask("GET", "/hello.txt")[::2] == (200, b"hello\n")
    wait_until(lambda: len(either.events("close")) == 21, "the end of all connections")


def test_a_sparse_gibibyte_arrives_whole(either):
    size = 1 << 30
    with (either.root / "big.bin").open("wb") as file:
        file.truncate(size)
        for offset in range(0, size, 64 << 20):
            file.seek(offset)
            file.write(hashlib.sha256(b"%d" % offset).digest())
    buffer = memoryview(bytearray(1 << 20))
    marks = 0
    with either.connect() as sock:
        sock.sendall(get("/big.bin"))
        assert split(read_until(sock, b"\r\n\r\n"))[1]["Content-Length"] == str(size)
        for offset in range(0, size, len(buffer)):
            done = 0
            while done < len(buffer):
                done += (count := sock.recv_into(buffer[done:]))
                assert count > 0
            if offset % (64 << 20) == 0:
                marks += buffer[:32] == hashlib.sha256(b"%d" % offset).digest()
    assert marks == 16


def test_a_file_cut_short_while_it_is_sent_ends_the_connection(stub):
    os.truncate(stub.root / "digits", 1 << 30)
    with stub.connect() as sock:
        sock.sendall(get("/digits"))
        read_until(sock, b"\r\n\r\n")
        os.truncate(stub.root / "digits", 20)
        assert len(read_all(sock)) < 1 << 30


def test_running_out_of_descriptors_delays_connections_and_loses_none(start):
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (24, 24))
    stub = start(preexec=limit, noise=r"(upstream-stub: warning: .*\n)*")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(stub.connect()) for _ in range(40)]
        for sock in socks:
            sock.sendall(get("/@status:200:hi/"))
        warning = stub.process.stderr.readline()
        assert b"Too many open files while accepting a connection" in warning
        for sock in socks:
            assert split(read_until(sock, b"hi"))[2] == b"hi"
            sock.close()


# Faults.


def fault_by(how, start, kind, path):
    """A stub with that fault, and the path to ask for."""
    if how == "segment":
        folder, name = path.rsplit("/", 1)
        return start(), f"{folder}/@{kind}/{name}"
    return start(faults=[f"{'*' if how == 'star' else path}={kind}"]), path


hows = pytest.mark.parametrize("how", ["segment", "path", "star"])


@hows
def test_fault_status_replaces_the_answer(start, how):
    stub, path = fault_by(how, start, "status:503", "/hello.txt")
    with stub.client() as client:
        for _ in range(2):
            status, headers, body = ask(client, "GET", path)
            assert (status, headers["Content-Length"], body) == (503, "0", b"")


def test_fault_status_may_carry_a_text(stub):
    assert stub.ask("GET", "/@status:418:a=b:c/x")[::2] == (418, b"a=b:c")


def test_fault_status_keeps_an_upload_from_being_stored(start):
    stub = start(faults=["*=status:500"])
    assert stub.ask("PUT", "/snapshots/a", body=b"x")[0] == 500
    assert stored(stub) == {}


@hows
def test_fault_cut_body_closes_after_n_bytes(start, how):
    stub, path = fault_by(how, start, "cut-body:100000", "/artifacts/a/x.bin")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, body = split(read_all(sock))
    assert (headers["Content-Length"], body) == (str(len(MEDIUM)), MEDIUM[:100_000])


def test_fault_cut_body_may_cut_at_once_and_small_texts_too(stub):
    with stub.connect() as sock:
        sock.sendall(get("/@cut-body:0/hello.txt"))
        assert split(read_all(sock))[2] == b""
    with stub.connect() as sock:
        sock.sendall(get("/@cut-body:3/nothing"))
        assert split(read_all(sock))[2] == b"not"


@hows
def test_fault_reset_resets_instead_of_an_answer(start, how):
    stub, path = fault_by(how, start, "reset", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert [event["event"] for event in stub.events()] == ["open", "data", "request", "close"]


@hows
@pytest.mark.parametrize("length", [0, 10, 262144, 5_000_000])
def test_fault_reset_body_resets_after_exactly_n_bytes(start, how, length):
    stub, path = fault_by(how, start, f"reset-body:{length}", "/digits")
    os.truncate(stub.root / "digits", 10_000_000)
    with stub.connect() as sock:
        sock.sendall(get(path))
        read_until(sock, b"\r\n\r\n")
        read_exactly(sock, length)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@hows
@pytest.mark.parametrize("delta, said", [(5, "11"), (-2, "4"), (-100, "0")])
def test_fault_wrong_length_is_off_and_the_body_is_not(start, how, delta, said):
    stub, path = fault_by(how, start, f"wrong-length:{delta}", "/hello.txt")
    _, headers, body = split(stub.talk(get(path)))
    assert (headers["Content-Length"], body) == (said, b"hello\n")


@hows
def test_fault_garbage_is_not_http(start, how):
    stub, path = fault_by(how, start, "garbage", "/hello.txt")
    answer = stub.talk(get(path))
    assert answer and not answer.startswith(b"H")


@hows
def test_fault_extra_follows_the_response(start, how):
    stub, path = fault_by(how, start, "extra:70000", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        assert split(read_until(sock, b"\r\n\r\n"))[1]["Content-Length"] == "6"
        assert read_exactly(sock, 70_006) == b"hello\n" + b"X" * 70_000
        assert is_open(sock)


@hows
def test_fault_1xx_comes_before_the_answer(start, how):
    stub, path = fault_by(how, start, "1xx:1000", "/hello.txt")
    answer = stub.talk(get(path))
    hints, final, rest = answer.rpartition(b"HTTP/1.1 200 OK\r\n")
    assert hints.count(b"HTTP/1.1 103 Early Hints\r\n") == hints.count(b"\r\n\r\n") == 1000
    assert final and rest.endswith(b"\r\n\r\nhello\n")


@hows
def test_fault_huge_head_adds_a_field_of_n_bytes(start, how):
    stub, path = fault_by(how, start, "huge-head:300000", "/hello.txt")
    _, headers, body = split(stub.talk(get(path)))
    assert (headers["X-Huge"], body) == ("a" * 300_000, b"hello\n")


@hows
def test_fault_silent_never_answers(start, how):
    stub, path = fault_by(how, start, "silent", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path) + get("/hello.txt"))
        wait_until(lambda: stub.events("request"), "the request in the log")
        assert is_open(sock)
    wait_until(lambda: stub.events("close"), "the connection's end in the log")


def test_a_silent_connection_that_was_flooded_still_notices_the_end(stub):
    with stub.connect() as sock:
        sock.sendall(get("/@silent/x") + bytes(1_000_000))
    wait_until(lambda: stub.events("close"), "the connection's end in the log")


@hows
def test_fault_close_says_so_and_closes(start, how):
    stub, path = fault_by(how, start, "close", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, body = split(read_all(sock))
        assert (headers["Connection"], body) == ("close", b"hello\n")


@hows
def test_fault_die_idle_closes_when_the_next_request_arrives(start, how):
    stub, path = fault_by(how, start, "die-idle", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, _ = split(read_until(sock, b"\r\n\r\n"))
        assert (headers.get("Connection"), read_exactly(sock, 6)) == (None, b"hello\n")
        assert is_open(sock)
        sock.sendall(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\nx")
        assert sock.recv(1) == b""
    assert [event["method"] for event in stub.events("request")] == ["GET", "PUT"]
    assert stored(stub) == {}


@hows
def test_fault_raw_sends_the_bytes_of_a_file(start, how):
    stub, path = fault_by(how, start, "raw:answer", "/hello.txt")
    (stub.root / "answer").write_bytes(b"HTTP/1.1 200 OK\nodd")
    with stub.connect() as sock:
        for _ in range(2):
            sock.sendall(get(path))
            assert read_exactly(sock, 19) == b"HTTP/1.1 200 OK\nodd"
        assert is_open(sock)


def test_fault_raw_on_the_command_line_may_name_a_file_in_a_folder(start):
    stub = start(faults=["/x=raw:artifacts/a/x.bin"])
    assert stub.talk(get("/x")) == MEDIUM


def test_fault_raw_without_its_file_is_500(stub):
    assert stub.ask("GET", "/@raw:nothing/hello.txt")[0] == 500


@hows
def test_fault_delay_head_holds_the_whole_answer_back(start, how):
    stub, path = fault_by(how, start, "delay-head:300", "/hello.txt")
    begin = time.monotonic()
    with stub.connect() as sock:
        sock.sendall(get(path))
        assert sock.recv(1) == b"H"
        assert 0.3 <= time.monotonic() - begin < 5


@hows
def test_fault_delay_body_pauses_between_pieces_of_16_kib(start, how):
    stub, path = fault_by(how, start, "delay-body:20", "/artifacts/a/x.bin")
    begin = time.monotonic()
    assert stub.ask("GET", path)[::2] == (200, MEDIUM)
    pauses = len(MEDIUM) // (16 * 1024) - 1
    assert pauses * 0.02 <= time.monotonic() - begin < 10


@pytest.mark.parametrize("kind", ["delay-head:3600000", "delay-body:3600000"])
def test_a_delayed_answer_is_given_up_when_the_client_leaves(stub, kind):
    with stub.connect() as sock:
        sock.sendall(get(f"/artifacts/a/@{kind}/x.bin"))
        wait_until(lambda: stub.events("request"), "the request in the log")
        assert stub.ask("GET", "/hello.txt")[0] == 200
    wait_until(lambda: len(stub.events("close")) == 2, "the connections' end in the log")


def test_fault_refuse_closes_every_connection_at_accept(start):
    stub = start(faults=["*=refuse"])
    for _ in range(3):
        with stub.connect() as sock:
            assert sock.recv(1) == b""
    assert [event["event"] for event in stub.events()] == ["open", "close"] * 3


def test_a_fault_concerns_its_own_path_only(start):
    stub = start(faults=["/hello.txt=status:500", "/artifacts/*=status:410"])
    paths = ["/hello.txt", "/hello.txt?q", "/digits", "/artifacts/a/x.bin", "/artifacts"]
    assert [stub.ask("GET", path)[0] for path in paths] == [500, 500, 200, 410, 404]


def test_a_path_with_an_equals_sign_can_have_a_fault(start):
    stub = start(faults=["/a=b/x=status:410"])
    assert stub.ask("GET", "/a=b/x")[0] == 410


def test_faults_add_up(start):
    stub = start(faults=["*=1xx:1", "/artifacts/a/x.bin=huge-head:5"])
    answer = stub.talk(get("/artifacts/a/x.bin"))
    assert answer.startswith(b"HTTP/1.1 103 ") and b"\r\nX-Huge: aaaaa\r\n" in answer
    answer = stub.talk(get("/@wrong-length:1/@cut-body:2/hello.txt"))
    assert b"Content-Length: 7\r\n" in answer and answer.endswith(b"\r\n\r\nhe")


def test_segments_of_unknown_kind_belong_to_the_path(stub):
    assert stub.ask("GET", "/artifacts/@scope/x.bin")[::2] == (200, b"scoped")
    assert stub.ask("GET", "/artifacts/@other/a/x.bin")[0] == 404


@pytest.mark.parametrize("kind", [
    "cut-body", "cut-body:", "cut-body:x", "cut-body:-1", "reset:1", "status:99", "status:1000",
    "status:abc", "status", "status:500x", "raw", "raw:", "1xx:100001", "refuse",
    "delay-head:99999999999999999999",
])
def test_a_fault_with_a_wrong_argument_is_400(stub, kind):
    assert stub.ask("GET", f"/@{kind}/hello.txt")[::2] == (400, b"bad fault in the path\n")


# The request log.


def test_the_log_holds_every_byte_and_every_request(stub):
    data = get("/hello.txt", "X-Odd: \x80\xff\t\"\\", "X-Two: 1", "x-two: 2", "X-Empty:")
    data = data.decode().encode("latin-1")
    stub.talk(data)
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert stub.events("open") == [{"event": "open", "connection": 1}]
    received = "".join(event["data"] for event in stub.events("data"))
    assert received.encode("latin-1") == data
    assert stub.events("request") == [{
        "event": "request", "connection": 1, "method": "GET", "path": "/hello.txt",
        "headers": {"host": "store", "x-odd": "\x80\xff\t\"\\", "x-two": "1, 2", "x-empty": ""},
        "body_bytes": 0,
    }]


def test_the_log_is_written_before_the_answer(stub):
    with stub.client() as client:
        for n in range(1, 101):
            ask(client, "PUT", "/snapshots/a", {"X-N": str(n)}, b"x" * 10)
            last = stub.events("request")[-1]
            assert (last["headers"]["x-n"], last["body_bytes"]) == (str(n), 10)


def test_the_log_has_what_never_became_a_request(stub):
    stub.talk(b"\x00\x01nonsense\xfe")
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert "".join(event["data"] for event in stub.events("data")) == "\x00\x01nonsense\xfe"
    assert stub.events("request") == []


def test_the_log_tells_connections_apart(stub):
    with stub.client() as first, stub.client() as second:
        for client, path in ((first, "/1"), (second, "/2"), (first, "/3")):
            ask(client, "GET", path)
    wait_until(lambda: len(stub.events("close")) == 2, "the connections' end in the log")
    requests = [(event["connection"], event["path"]) for event in stub.events("request")]
    assert requests == [(1, "/1"), (2, "/2"), (1, "/3")]


def test_it_works_without_a_log(start):
    assert start(logs=False).ask("GET", "/hello.txt")[0] == 200


# Starting and ending.


def run(*arguments):
    done = subprocess.run([STUB, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_code_0_in_the_middle_of_transfers(start, end):
    stub = start(end=end)
    os.truncate(stub.root / "digits", 1 << 30)
    sock = stub.connect()
    sock.sendall(get("/digits"))
    assert sock.recv(1) == b"H"
    stub.process.send_signal(end)
    assert stub.process.wait(DEADLINE) == 0
    sock.close()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.9.10:0", "[::1]:0"])
def test_it_listens_on_loopback(start, listen):
    stub = start(listen=listen)
    assert stub.address.rsplit(":", 1)[0] == listen.rsplit(":", 1)[0]
    assert stub.ask("GET", "/hello.txt")[0] == 200


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0", "8080",
                                    "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
                                    "::1:0", "unix:", "unix:" + "p" * 108])
def test_it_refuses_to_listen_anywhere_else(tmp_path, listen):
    code, out, err = run("--root", tmp_path, "--listen", listen)
    assert (code, out) == (1, "")
    assert err.startswith("upstream-stub: error: cannot listen on ") and err.count("\n") == 1


def test_the_unix_socket_is_removed_at_the_end(tmp_path):
    with Stub(tmp_path, listen=f"unix:{tmp_path}/s") as stub:
        assert stub.address == f"unix:{tmp_path}/s"
        assert (tmp_path / "s").is_socket()
    assert not (tmp_path / "s").exists()


def test_a_stale_unix_socket_is_replaced(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    assert start(listen=f"unix:{tmp_path}/s").ask("GET", "/hello.txt")[0] == 200


def test_a_unix_socket_in_use_is_left_alone(start, tmp_path):
    stub = start(listen=f"unix:{tmp_path}/s")
    code, _, err = run("--root", tmp_path, "--listen", stub.address)
    assert code == 1 and "Address already in use" in err
    assert stub.ask("GET", "/hello.txt")[0] == 200


def test_a_file_in_the_place_of_the_unix_socket_is_left_alone(tmp_path):
    (tmp_path / "s").write_text("precious")
    assert run("--root", tmp_path, "--listen", f"unix:{tmp_path}/s")[0] == 1
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("arguments", [
    [], ["--root", "."], ["--listen", "127.0.0.1:0"], ["--unknown"],
    ["--root", ".", "--listen", "127.0.0.1:0", "more"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "*=nonsense"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "reset"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "*=cut-body:x"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "/x=refuse"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "/*=refuse"],
])
def test_wrong_usage_is_exit_code_2(arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and err != ""


def test_help_is_exit_code_0():
    code, out, err = run("--help")
    assert (code, err) == (0, "") and out.startswith("usage: upstream-stub ")


@pytest.mark.parametrize("extra", [["--root", "/nonexistent"], ["--log", "/nonexistent/log"]])
def test_what_cannot_be_opened_is_exit_code_1(tmp_path, extra):
    code, _, err = run("--root", tmp_path, "--listen", "127.0.0.1:0", *extra)
    assert code == 1 and "No such file or directory while opening" in err
