"""The artifact stores behind the gateway: upstream-stub, nginx, and a script of our own.

All listen on loopback with a port that nobody else has. All tell afterwards what they received:
the stub every byte, nginx its access log, the scripted store whatever its script noted.
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import subprocess
import threading

from . import common

CONTENT = {
    "artifacts/step-core/core.zip": 300_000,
    "artifacts/step-core/10.3/core.zip": 70_001,
    "artifacts/step-core/small.txt": 1_000,
    "artifacts/step-core/one.bin": 1,
    "artifacts/step-core/empty.bin": 0,
    "artifacts/step-core/large.bin": 4_000_000,
    "artifacts/step-core/internal/secret.bin": 500,
    "artifacts/step-plus/plus.zip": 50_000,
    "artifacts/step-old/old.zip": 500,
    "artifacts/step-next/next.zip": 500,
}


def fill(root):
    """Writes the sample artifacts below ROOT: random bytes, the same in every run."""
    for name, size in CONTENT.items():
        write(root, name, random.Random(name).randbytes(size))
    (pathlib.Path(root) / "snapshots").mkdir(exist_ok=True)


def write(root, name, content):
    path = pathlib.Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_sparse(root, name, size):
    """A file of SIZE bytes, nearly all of them holes, with a different mark every 8 MiB and at the
    end, so that a piece left out, doubled or moved is noticed."""
    path = write(root, name, b"")
    with path.open("r+b") as file:
        file.truncate(size)
        for offset in [*range(0, size, 8 << 20), size - 64]:
            file.seek(offset)
            file.write(random.Random(offset).randbytes(64))
    return path


class Store:
    """What tests see of any store: where it listens, what it holds, what it was asked."""

    scheme = "http"

    def __init__(self, root, folder, address):
        self.root = pathlib.Path(root)
        self.folder = pathlib.Path(folder)
        self.address = address
        self.log = self.folder / f"store-{id(self)}.log"

    @property
    def url(self):
        """As mirrorgate.yaml names it."""
        is_unix = self.address.startswith("unix:")
        return self.address if is_unix else f"{self.scheme}://{self.address}"

    def _text(self, start):
        """The log from byte START on, without an unfinished last line."""
        if not self.log.exists():
            return b""
        with self.log.open("rb") as file:
            file.seek(start)
            text = file.read()
        return text[: text.rfind(b"\n") + 1]

    def events(self, start=0):
        """The log's events since START, a mark()."""
        return [json.loads(line) for line in self._text(start).splitlines()]

    def mark(self):
        """The place in the log where events to come will stand."""
        return len(self._text(0))

    def requests(self, start=0):
        return [event for event in self.events(start) if event["event"] == "request"]

    def received(self, start=0):
        """Every byte that came in since START, by connection."""
        connections = {}
        for event in self.events(start):
            if event["event"] == "data":
                data = connections.setdefault(event["connection"], bytearray())
                data += event["data"].encode("latin-1")
        return {number: bytes(data) for number, data in connections.items()}

    @contextlib.contextmanager
    def untouched(self):
        """Asserts that nothing at all reached the store meanwhile."""
        start = self.mark()
        yield
        seen = [event for event in self.events(start) if event["event"] in ("data", "request")]
        assert seen == [], "this reached the store"

    def snapshots(self):
        """The files below /snapshots/, as a dictionary from path to content."""
        base = self.root / "snapshots"
        return {
            str(path.relative_to(base)): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }


class UpstreamStub(Store):
    """The store that comes with the gateway, with its faults. With SEGMENTS a path can ask for
    them, and else it is as operators run it."""

    def __init__(self, root, folder, *, listen="127.0.0.1:0", faults=(), segments=False):
        super().__init__(root, folder, "")
        arguments = [common.UPSTREAM_STUB, "--root", root, "--listen", listen, "--log", self.log]
        for fault in faults:
            arguments += ["--fault", fault]
        arguments += ["--fault-segments"] if segments else []
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        first = self.process.stdout.readline().decode()
        assert first.startswith("listening on "), first + self._complaint()
        self.address = first.removeprefix("listening on ").strip()
        self.stderr = common.Lines(self.process.stderr)

    def _complaint(self):
        self.process.kill()
        return self.process.stderr.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=common.LONG * common.PATIENCE)
        self.process.stdout.close()
        self.stderr.join()
        for trace in ("Sanitizer", "runtime error:"):
            assert trace not in self.stderr.text(), self.stderr.text()


_NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
  types {{ }}
  default_type application/octet-stream;
  sendfile on;
  keepalive_timeout 60s;
  keepalive_requests 1000000;
  log_format requests escape=json '{{"event":"request","connection":$connection,'
    '"method":"$request_method","path":"$uri","headers":{{"host":"$http_host",'
    '"x-mirrorgate-customer":"$http_x_mirrorgate_customer",'
    '"x-request-id":"$http_x_request_id"}},"tls":"$ssl_protocol",'
    '"resumed":"$ssl_session_reused","client":"$ssl_client_s_dn"}}';
  access_log {log} requests;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {address}{tls};
    root {root};
    location / {{ }}
    location ~ /snapshots/ {{ dav_methods PUT; create_full_put_path on; client_max_body_size 1m; }}
  }}
}}
"""


def _nginx_tls(identity, clients):
    lines = f" ssl;\n    ssl_certificate {identity.cert};\n    ssl_certificate_key {identity.key}"
    if clients:
        lines += f";\n    ssl_client_certificate {clients};\n    ssl_verify_client on"
    return lines


class Nginx(Store):
    """Debian's nginx with its WebDAV module, as an operator would run it behind the gateway.
    With IDENTITY, its certificate, it speaks TLS; with CLIENTS, a CA file, it asks for a certificate
    of that CA; LINES are more of its server's."""

    def __init__(self, root, folder, *, identity=None, clients=None, lines=""):
        super().__init__(root, folder, "")
        self.scheme = "https" if identity else "http"
        # nginx takes over sockets whose numbers it finds in its environment; so the kernel
        # chooses the port, and nobody can take it between the choice and the start.
        listener = socket.create_server(("127.0.0.1", 0), backlog=511)
        self.address = "127.0.0.1:%d" % listener.getsockname()[1]
        config = self.folder / "nginx.conf"
        config.write_text(
            _NGINX.format(
                user="user root;" if os.geteuid() == 0 else "",
                folder=self.folder,
                log=self.log,
                address=self.address,
                tls=_nginx_tls(identity, clients) + lines if identity else "",
                root=self.root,
            )
        )
        self.process = subprocess.Popen(
            ["/usr/sbin/nginx", "-p", self.folder, "-c", config, "-e", self.folder / "error.log"],
            env={**os.environ, "NGINX": f"{listener.fileno()};"},
            pass_fds=[listener.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        listener.close()
        common.wait_until(self._answers, "nginx answers")

    def _answers(self):
        complaints = self.folder / "error.log"
        assert self.process.poll() is None, complaints.read_text()
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=common.LONG) as sock:
            sock.settimeout(0.2)
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                return sock.recv(1) == b"H"
            except TimeoutError:
                return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=common.LONG)


class ScriptedStore:
    """A store that does exactly what the test says: SCRIPT(connection, number) runs in a thread for
    each connection accepted, numbered from 1. `heads` are the request heads read with read_head.
    It listens on the Unix socket PATH, or on a port of loopback."""

    def __init__(self, script, path=None):
        self._script = script
        if path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(128)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._connections = []
        self.heads = []
        name = self._listener.getsockname()
        self.address = f"unix:{name}" if path else "127.0.0.1:%d" % name[1]
        self.url = self.address if path else f"http://{self.address}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def accepted(self):
        return len(self._connections)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(30)
            self._connections.append(connection)
            threading.Thread(
                target=self._serve, args=(connection, len(self._connections)), daemon=True
            ).start()

    def play(self, script):
        """From now on each connection accepted gets SCRIPT, numbered from 1 again; the
        connections of the script before are closed, and their heads forgotten."""
        for connection in self._connections:
            _shut(connection)
        self._connections = []
        self.heads = []
        self._script = script

    @contextlib.contextmanager
    def refusing(self):
        """Meanwhile connecting to its port is refused."""
        address = self._listener.getsockname()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(address)
        yield
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _serve(self, connection, number):
        with contextlib.suppress(OSError):
            self._script(connection, number)

    def read_head(self, connection):
        """Reads one request head, without body; OSError when the gateway closes instead."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                raise ConnectionResetError
            head += byte
        self.heads.append(head)
        return head

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


class TlsStore(ScriptedStore):
    """The same over TLS: SCRIPT gets the connection after the handshake. CONTEXT is the server's.
    `resumed` says of each handshake that was completed whether it was a resumption."""

    def __init__(self, script, context):
        self._context = context
        self.resumed = []
        super().__init__(script)
        self.url = f"https://{self.address}"

    def _serve(self, connection, number):
        with contextlib.suppress(OSError), self._context.wrap_socket(
            connection,
            server_side=True,
            suppress_ragged_eofs=False,
            do_handshake_on_connect=False,
        ) as tls:
            try:
                tls.do_handshake()
            except OSError:
                # What has come in by now must be read, or the reset would overtake the alert.
                tls.shutdown(socket.SHUT_WR)
                while socket.socket.recv(tls, 65536):
                    pass
                raise
            self.resumed.append(tls.session_reused)
            self._script(tls, number)


def tls_context(identity, clients=None):
    """A server's, with the certificate of IDENTITY; CLIENTS is a CA file whose clients it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.cert, identity.key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _shut(connection):
    """Ends CONNECTION for a thread that still reads from it, too."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
