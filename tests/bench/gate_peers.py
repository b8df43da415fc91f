"""mirrorgate, nginx, HAProxy and Apache, each set up for the same job as well as it can be.

All of them: one worker, TLS 1.2 and 1.3, a client certificate of the CA that is in no revocation
list, the customer found by its subject among 1,000, and the first two segments of the path looked up
among what that customer may read. Kept connections to the store. Sessions are resumed: on the server
where that is the program's faster way (nginx, HAProxy, Apache).
"""

import os
import pathlib
import re
import socket
import subprocess
import time

import gate_world
from mirrorgate_test import common, pki, yaml

SUITES = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"
START_SECONDS = 20
USER = "user root;" if os.geteuid() == 0 else ""  # nginx's
APACHE_MODULES = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "rewrite", "headers",
                  "unique_id", "socache_shmcb")  # fmt: skip


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Program:
    """A server on a port of its own, bound to the processor CPU."""

    name = program = None

    def __init__(self, world, folder, store, cpu):
        self.world, self.store, self.port = world, store, free_port()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.config = self.folder / "config"
        self.config.write_text(self.configuration())
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(cpu), *self.command()],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._wait()

    @classmethod
    def version(cls):
        done = subprocess.run([cls.program, "-v"], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)[0]

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{self.name} does not start:\n{(self.folder / 'output').read_text()}")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
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

    def tables(self, line):
        """LINE for each customer and each product they may read."""
        return "\n".join(
            line.format(customer=gate_world.customer(n), product=product)
            for n in range(gate_world.CUSTOMERS)
            for product in ("bench", gate_world.product(n))
        )

    def subjects(self, line):
        return "\n".join(
            line.format(customer=gate_world.customer(n), subject=gate_world.subject(n))
            for n in range(gate_world.CUSTOMERS)
        )

    def files(self):
        folder = self.world.authority.folder
        return {"folder": self.folder, "port": self.port, "certificate": folder / "server.crt",
                "key": folder / "server.key", "ca": folder / "ca.crt", "crl": folder / "ca.crl",
                "suites": SUITES, "host": pki.SERVER_NAME, "user": USER}  # fmt: skip


class Mirrorgate(Program):
    name = "mirrorgate"
    program = common.MIRRORGATE
    access = "access.log"

    @classmethod
    def version(cls):
        done = subprocess.run([cls.program, "-V"], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", done.stdout)[0]

    def configuration(self):
        files = self.files()
        (self.folder / "policy.yaml").write_text(yaml.dump(self.world.policy()))
        return yaml.dump({
            "listen": [{"address": "127.0.0.1", "port": self.port}],
            "workers": 1,
            "tls": {"certificate": str(files["certificate"]), "key": str(files["key"]),
                    "client_ca": str(files["ca"]), "crl": str(files["crl"])},
            "limits": {"handshakes_per_second": 1000000,
                       "handshakes_per_second_per_address": 1000000},
            "policy": "policy.yaml",
            "store": {"servers": [f"http://127.0.0.1:{self.store}"]},
            "log": {"access": self.access},
        })  # fmt: skip

    def command(self):
        return [self.program, "-c", self.config, "--unsafe-any-port"]


class MirrorgateWithoutLog(Mirrorgate):
    name = "mirrorgate, no log"
    access = "none"


NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map_hash_max_size 8192; map_hash_bucket_size 128;
  map $ssl_client_s_dn $customer {{ default "";
{customers}
  }}
  map "$customer:$product" $licensed {{ default 0;
{licences}
  }}
  upstream store {{ server 127.0.0.1:{store}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl backlog=1024;
    server_name {host};
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_client_certificate {ca}; ssl_crl {crl}; ssl_verify_client on; ssl_verify_depth 1;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {suites};
    ssl_session_tickets off; ssl_session_cache shared:sessions:16m; ssl_session_timeout 1h;
    ssl_conf_command NumTickets 1;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header X-Mirrorgate-Customer $customer;
    proxy_set_header X-Request-Id $request_id;
    proxy_buffer_size 16k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;
    proxy_max_temp_file_size 0;
    location ~ ^/artifacts/(?<product>[^/]+)/ {{
      if ($licensed = 0) {{ return 403; }}
      proxy_pass http://store;
    }}
    location / {{ return 403; }}
  }}
}}
"""


class Nginx(Program):
    name = "nginx"
    program = "/usr/sbin/nginx"

    def configuration(self):
        return NGINX.format(
            customers=self.subjects('"{subject}" {customer};'),
            licences=self.tables('"{customer}:{product}" 1;'), store=self.store, **self.files()
        )  # fmt: skip

    def command(self):
        return [self.program, "-p", self.folder, "-c", self.config, "-e", self.folder / "error.log"]


HAPROXY = """\
global
  maxconn 4000
  nbthread 1
  tune.bufsize 65536
  tune.ssl.lifetime 3600
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-keep-alive 600s
  http-reuse always
frontend gate
  bind 127.0.0.1:{port} ssl crt {folder}/server.pem ca-file {ca} crl-file {crl} verify required \
ssl-min-ver TLSv1.2 no-tls-tickets alpn http/1.1 ciphers {suites}
  http-request set-var(txn.customer) ssl_c_s_dn(,0,rfc2253),map_str({folder}/customers)
  http-request deny deny_status 403 unless {{ var(txn.customer) -m found }}
  http-request set-var(txn.product) path,field(3,/)
  http-request set-var(txn.key) var(txn.customer),concat(:,txn.product)
  http-request deny deny_status 403 unless {{ path_beg /artifacts/ }} \
{{ var(txn.key),map_str({folder}/licences) -m found }}
  http-request set-header X-Mirrorgate-Customer %[var(txn.customer)]
  http-request set-header X-Request-Id %[uuid()]
  default_backend store
backend store
  server store 127.0.0.1:{store}
"""


class Haproxy(Program):
    name = "haproxy"
    program = "/usr/sbin/haproxy"

    def configuration(self):
        files = self.files()
        (self.folder / "server.pem").write_bytes(
            files["certificate"].read_bytes() + files["key"].read_bytes()
        )
        (self.folder / "customers").write_text(self.subjects("{subject} {customer}") + "\n")
        (self.folder / "licences").write_text(self.tables("{customer}:{product} 1") + "\n")
        return HAPROXY.format(store=self.store, **files)

    def command(self):
        return [self.program, "-db", "-f", self.config]


APACHE = """\
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ServerName {host}
Listen 127.0.0.1:{port}
ErrorLog {folder}/error.log
LogLevel error
{modules}
{user}
ServerLimit 1
StartServers 1
ThreadLimit 256
ThreadsPerChild 256
MaxRequestWorkers 256
KeepAliveTimeout 600
MaxKeepAliveRequests 0
Timeout 60
SSLSessionCache shmcb:{folder}/sessions(16777216)
SSLSessionCacheTimeout 3600
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
  <Proxy "http://127.0.0.1:{store}">
    Require all granted
    ProxySet enablereuse=on
  </Proxy>
  RequestHeader set X-Mirrorgate-Customer "%{{CUSTOMER}}e"
  RequestHeader set X-Request-Id "%{{UNIQUE_ID}}e"
  RewriteEngine On
  RewriteMap customers "txt:{folder}/customers"
  RewriteMap licences "txt:{folder}/licences"
  RewriteRule ^/artifacts/([^/]+)/ - [E=PRODUCT:$1]
  RewriteRule ^ - [E=CUSTOMER:${{customers:%{{SSL:SSL_CLIENT_S_DN}}}}]
  RewriteCond ${{licences:%{{ENV:CUSTOMER}}:%{{ENV:PRODUCT}}|0}} =1
  RewriteRule ^/(.*) http://127.0.0.1:{store}/$1 [P,L]
  RewriteRule ^ - [F,L]
</VirtualHost>
"""


class Apache(Program):
    name = "apache"
    program = "/usr/sbin/apache2"

    def configuration(self):
        modules = "\n".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so"
                            for m in APACHE_MODULES)  # fmt: skip
        (self.folder / "customers").write_text(self.subjects("{subject} {customer}") + "\n")
        (self.folder / "licences").write_text(self.tables("{customer}:{product} 1") + "\n")
        files = self.files()
        files["user"] = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        return APACHE.format(modules=modules, store=self.store, **files)

    def command(self):
        return [self.program, "-d", self.folder, "-f", self.config, "-DFOREGROUND"]


STORE = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on; open_file_cache max=100;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


class Store(Nginx):
    """Not one of those that are compared: what they all ask."""

    name = "store"

    def configuration(self):
        return STORE.format(folder=self.folder, port=self.port, root=self.world.root, user=USER)


GATES = [Mirrorgate, MirrorgateWithoutLog, Nginx, Haproxy, Apache]
