"""The stub as a process of its own, and clients of it: shared by its tests."""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import re
import select
import signal
import socket
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
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
    "artifacts/@close/x.bin": b"plain",
}
SEGMENTS_WARNING = r"upstream-stub: warning: --fault-segments: .* for tests only\n"


def wait_until(predicate, what):
    end = time.monotonic() + DEADLINE
    while not (value := predicate()):
        assert time.monotonic() < end, f"still waiting: {what}"
        select.select([], [], [], 0.005)
    return value


class Stub:
    """A running stub. Leaving the context checks that SIGTERM ends it well and quietly."""

    def __init__(self, folder, *, listen="127.0.0.1:0", faults=(), segments=False, logs=True,
                 preexec=None, end=signal.SIGTERM, noise=""):
        self.root = folder / "root"
        self.log = folder / "stub.log"
        self.end = end
        self.noise = (SEGMENTS_WARNING if segments else "") + noise
        for name, content in CONTENT.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        command = [STUB, "--root", self.root, "--listen", listen]
        command += ["--log", self.log] if logs else []
        for fault in faults:
            command += ["--fault", fault]
        command += ["--fault-segments"] if segments else []
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


# Uploads.


def stored(stub):
    base = stub.root / "snapshots"
    return {str(path.relative_to(base)): path.read_bytes()
            for path in base.rglob("*") if path.is_file()}
