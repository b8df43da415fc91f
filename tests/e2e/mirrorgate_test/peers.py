"""nginx, HAProxy and Apache as gates: how each is configured, started, checked and ended.

TLS 1.2 and 1.3 with the ECDHE AEAD suites, a client certificate of the CA that is in no revocation
list, the customer's name and an identifier of the request for the store. What one decides of a
request, and how large it is built, says who uses it: tests/attack/peers.py and
tests/bench/gate_peers.py fill the gaps of the three configurations by gaps().
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess

from . import client, common, pki

SUITES = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
STARTS = 5  # tries to find a port that is still free when the program binds it
OLD_SECONDS = 5  # for processes that a reload has replaced
NGINX_USER = "user root;" if os.geteuid() == 0 else ""
APACHE_USER = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


class Peer(client.Reachable):
    """A gate with the certificates of WORLD in front of STORE, a host and port; all its files are in
    FOLDER. CRL is the revocation list's file, the CA's own when not given; PREFIX is a command that
    runs the program."""

    name = program = reload_signal = None

    def __init__(self, world, folder, store, *, crl=None, prefix=()):
        self.world, self.store, self.prefix = world, store, prefix
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.crl = crl or world.authority.crl
        self.config = self.folder / "config"
        self.log = self.folder / "output.log"
        self.process = None
        self.start()

    @classmethod
    def version(cls):
        """What the program says of itself."""
        done = subprocess.run([cls.program, "-v"], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)[0]

    def gaps(self):
        """What the gaps of the program's configuration hold, by name."""
        raise NotImplementedError

    def configuration(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def check(self):
        """The command that tries the configuration."""
        raise NotImplementedError

    def start(self):
        for _ in range(STARTS):
            with socket.create_server(("127.0.0.1", 0)) as sock:
                self.port = sock.getsockname()[1]
            self.config.write_text(self.configuration())
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [*self.prefix, *self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            if common.wait_until(lambda: self.listens() or not self.alive, "a peer's start"):
                if self.alive:
                    return
        raise AssertionError(f"{self.name} does not start:\n{self.log.read_text()}")

    def listens(self):
        try:
            self.tcp().close()
            return True
        except OSError:
            return False

    @property
    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pids(self):
        """Of the program and all its children."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(fields[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def reload(self):
        """Has it read its files again, if it finds them good, and returns when its processes are new
        ones: none of the three says when a reload is through. An old one may wait for a client."""
        if subprocess.run(self.check(), capture_output=True, check=False).returncode != 0:
            return
        old = set(self.pids()) - {self.process.pid}
        self.process.send_signal(self.reload_signal)
        common.wait_until(lambda: not self.alive or set(self.pids()[1:]) - old, "a peer's reload")
        with contextlib.suppress(AssertionError):
            common.wait_until(lambda: not self.alive or not set(self.pids()) & old,
                              "the end of its old processes", OLD_SECONDS)

    def files(self):
        """What every configuration names."""
        folder = self.world.authority.folder
        return {"folder": self.folder, "port": self.port, "store": self.store,
                "certificate": folder / "server.crt", "key": folder / "server.key",
                "ca": self.world.authority.certificate, "crl": self.crl,
                "suites": SUITES, "host": pki.SERVER_NAME}  # fmt: skip


NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{http}
}}
"""
NGINX_GATE = """\
{http}
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    server_name {host};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_client_certificate {ca};
    ssl_crl {crl};
    ssl_verify_client on;
    ssl_verify_depth 1;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers {suites};
    ssl_session_tickets off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header X-Mirrorgate-Customer $customer;
    proxy_set_header X-Request-Id $request_id;
{server}
  }}
"""


class Nginx(Peer):
    """Gaps: `http`, which sets $customer, and `server`."""

    name = "nginx"
    program = "/usr/sbin/nginx"
    reload_signal = signal.SIGHUP

    def http(self):
        return NGINX_GATE.format(**self.files(), **self.gaps())

    def configuration(self):
        return NGINX.format(user=NGINX_USER, folder=self.folder, http=self.http())

    def command(self):
        return [self.program, "-p", self.folder, "-c", self.config, "-e", self.folder / "error.log"]

    def check(self):
        return [*self.command(), "-t"]


HAPROXY = """\
global
{settings}
defaults
  mode http
{defaults}
frontend gate
  bind 127.0.0.1:{port} ssl crt {bundle} ca-file {ca} crl-file {crl} verify required ssl-min-ver \
TLSv1.2 no-tls-tickets alpn http/1.1 ciphers {suites}
{frontend}
  http-request set-header X-Mirrorgate-Customer %[var(txn.customer)]
  http-request set-header X-Request-Id %[uuid()]
  default_backend store
backend store
{backend}
  server store {store}
"""


class Haproxy(Peer):
    """Gaps: `settings`, `defaults`, `frontend`, which sets txn.customer, and `backend`."""

    name = "haproxy"
    program = "/usr/sbin/haproxy"
    reload_signal = signal.SIGUSR2

    def configuration(self):
        files = self.files()
        bundle = self.folder / "server.pem"
        bundle.write_bytes(files["certificate"].read_bytes() + files["key"].read_bytes())
        return HAPROXY.format(bundle=bundle, **files, **self.gaps())

    def command(self):
        return [self.program, "-db", "-f", self.config]

    def check(self):
        return [self.program, "-c", "-f", self.config]


APACHE = """\
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ServerName {host}
Listen 127.0.0.1:{port}
ErrorLog {folder}/error.log
LogLevel error
{user}
{modules}
ServerLimit 1
StartServers 1
MaxKeepAliveRequests 0
{settings}
<Directory />
  Require all denied
</Directory>
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLProtocol -all +TLSv1.2 +TLSv1.3
  SSLCipherSuite {suites}
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
  SSLCACertificateFile {ca}
  SSLCARevocationFile {crl}
  SSLCARevocationCheck chain
  SSLVerifyClient require
  SSLVerifyDepth 1
  ProxyRequests Off
  ProxyAddHeaders Off
  <Proxy "http://{store}">
    Require all granted
    ProxySet {proxy}
  </Proxy>
  RequestHeader set X-Mirrorgate-Customer "%{{CUSTOMER}}e"
  RequestHeader set X-Request-Id "%{{UNIQUE_ID}}e"
  RewriteEngine On
{rules}
  RewriteRule ^ - [F,L]
</VirtualHost>
"""


class Apache(Peer):
    """Gaps: `settings`, `proxy` and `rules`, which set CUSTOMER; beside the `modules` named here."""

    name = "apache"
    program = "/usr/sbin/apache2"
    reload_signal = signal.SIGUSR1
    modules = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "rewrite", "headers",
               "unique_id")  # fmt: skip

    def configuration(self):
        modules = "\n".join(f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so"
                            for name in self.modules)  # fmt: skip
        return APACHE.format(user=APACHE_USER, modules=modules, **self.files(), **self.gaps())

    def command(self):
        return [self.program, "-d", self.folder, "-f", self.config, "-DFOREGROUND"]

    def check(self):
        return [*self.command()[:-1], "-t"]
