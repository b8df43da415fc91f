"""nginx, HAProxy and Apache as gates on the same mirror, for comparison.

Each is configured for mirrorgate's job as a careful operator would: TLS 1.2 and 1.3 with the ECDHE
AEAD suites, a client certificate of the CA and its revocation list, the subject compared with upper
and lower case told apart, two operations and no other method, the target as it was sent held
against the path rule of the design, no body where none belongs, only the headers the store needs,
one second of patience with the store, no second try. What remains is what the program allows.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from mirrorgate_test import client, common, pki

SUITES = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
SEGMENT = r"[A-Za-z0-9._~+@=:,!$&'()-]+"
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
# The products of gateway.policy() that are in force today. What is denied stands first.
DENIED = ["acme:/artifacts/step-core/internal/", "initech:/artifacts/step-core/internal/"]
ALLOWED = ["acme:/artifacts/step-core/", "globex:/artifacts/step-plus/",
           "initech:/artifacts/step-core/", "initech:/artifacts/step-plus/"]  # fmt: skip
CUSTOMERS = {name: pki.SUBJECTS[name] for name in ("acme", "globex", "initech")}
SETTLE = 1.5  # seconds after a reload
STARTS = 5  # tries to find a port that is still free when the program binds it


class Peer(client.Reachable):
    """A gate in front of STORE, with all its files in FOLDER. CRL is the revocation list's file,
    the CA's own when not given."""

    name = None

    def __init__(self, world, folder, store, crl=None):
        self.world = world
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.store = store
        self.crl = crl or world.authority.crl
        self.config = self.folder / f"{self.name}.conf"
        self.log = self.folder / "output.log"
        self.process = None
        self.start()

    @classmethod
    def version(cls):
        """What the program says of itself."""
        done = subprocess.run([cls.program, "-v"], capture_output=True, text=True, check=True)
        return re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)[0]

    def start(self):
        for _ in range(STARTS):
            with socket.create_server(("127.0.0.1", 0)) as sock:
                self.port = sock.getsockname()[1]
            self.config.write_text(self.configuration())
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            if common.wait_until(lambda: self.answers() or self.process.poll(), "a peer's start"):
                if self.process.poll() is None:
                    return
        raise AssertionError(f"{self.name} does not start:\n{self.log.read_text()}")

    def answers(self):
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
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def reload(self):
        """Has it read its files again; where that is a restart it takes connections meanwhile."""
        if subprocess.run(self.check(), capture_output=True, check=False).returncode == 0:
            self.process.send_signal(self.reload_signal)

    def server_files(self):
        folder = self.world.authority.folder
        return {"certificate": folder / "server.crt", "key": folder / "server.key",
                "ca": self.world.authority.certificate, "crl": self.crl}  # fmt: skip


NGINX = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  # Regular expressions, because map ignores the case of plain strings.
  map $ssl_client_s_dn $customer {{
    default "";
{customers}
  }}
  # The target as it was sent, before nginx decodes and merges anything.
  map $request_uri $canonical {{
    default 0;
    "~/\\.\\.?(/|$)" 0;
    "~^(/{segment})+/?$" 1;
  }}
  map "$customer:$request_uri" $licensed {{
    default 0;
{rules}
  }}
  map "$request_method:$http_content_length:$http_transfer_encoding" $framed {{
    default 0;
    "~^(GET|HEAD):0?:$" 1;
    "~^PUT:[0-9]+:$" 1;
  }}
  upstream store {{ server {store}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port} ssl;
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
    ssl_session_cache off;
    client_header_timeout 10s;
    client_body_timeout 10s;
    large_client_header_buffers 2 8k;
    client_max_body_size 256k;
    ignore_invalid_headers on;
    underscores_in_headers off;
    merge_slashes off;
    if ($request_method !~ "^(GET|HEAD|PUT)$") {{ return 405; }}
    if ($canonical = 0) {{ return 400; }}
    if ($framed = 0) {{ return 400; }}
    if ($http_upgrade) {{ return 400; }}
    if ($customer = "") {{ return 403; }}
    proxy_http_version 1.1;
    proxy_pass_request_headers off;
    proxy_set_header Host $proxy_host;
    proxy_set_header Connection "";
    proxy_set_header X-Mirrorgate-Customer $customer;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header Range $http_range;
    proxy_set_header If-Range $http_if_range;
    proxy_set_header If-None-Match $http_if_none_match;
    proxy_set_header If-Modified-Since $http_if_modified_since;
    proxy_request_buffering on;
    proxy_connect_timeout 1s;
    proxy_send_timeout 1s;
    proxy_read_timeout 1s;
    proxy_next_upstream off;
    proxy_redirect off;
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering
      X-Accel-Charset;
    proxy_hide_header Set-Cookie;
    location / {{
      if ($request_method = PUT) {{ return 405; }}
      if ($licensed = 0) {{ return 403; }}
      proxy_pass http://store;
    }}
    location ~ "^/snapshots/(?<snapshot>{name})$" {{
      if ($request_method != PUT) {{ return 405; }}
      proxy_set_header Content-Type application/json;
      proxy_set_header X-Mirrorgate-Customer $customer;
      proxy_set_header Host $proxy_host;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      proxy_pass http://store/snapshots/$customer/$snapshot;
    }}
  }}
}}
"""


class Nginx(Peer):
    name = "nginx"
    program = "/usr/sbin/nginx"
    reload_signal = signal.SIGHUP

    def configuration(self):
        subjects = [f'    "~^{re.escape(dn)}$" {name};' for name, dn in CUSTOMERS.items()]
        rules = [f'    "~^{rule}" 0;' for rule in DENIED] + [f'    "~^{r}" 1;' for r in ALLOWED]
        return NGINX.format(
            user="user root;" if os.geteuid() == 0 else "", folder=self.folder, port=self.port,
            customers="\n".join(subjects).replace("\\ ", " "), rules="\n".join(rules),
            segment=SEGMENT.replace("$", "\\$"), name=NAME, store=self.store.address,
            suites=SUITES, host=pki.SERVER_NAME, **self.server_files(),
        )  # fmt: skip

    def command(self):
        return [self.program, "-p", self.folder, "-c", self.config, "-e", self.folder / "error.log"]

    def check(self):
        return [*self.command(), "-t"]


HAPROXY = """\
global
  maxconn 1000
  tune.ssl.cachesize 0
  tune.maxrewrite 1024
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 1s
  timeout http-request 10s
  timeout http-keep-alive 30s
  retries 0
  option http-buffer-request
  http-reuse safe
frontend gate
  bind 127.0.0.1:{port} ssl crt {bundle} ca-file {ca} crl-file {crl} verify required ssl-min-ver \
TLSv1.2 no-tls-tickets alpn http/1.1 ciphers {suites}
  http-request deny deny_status 405 unless {{ method GET HEAD PUT }}
  # The target as it was sent.
  http-request deny deny_status 400 unless {{ capture.req.uri -m reg "^(/{segment})+/?\\$" }}
  http-request deny deny_status 400 if {{ capture.req.uri -m reg "/[.][.]?(/|\\$)" }}
  http-request deny deny_status 400 if {{ req.hdr_cnt(host) gt 1 }}
  http-request deny deny_status 400 if {{ req.hdr(transfer-encoding) -m found }}
  http-request deny deny_status 400 if {{ method GET HEAD }} {{ req.hdr_val(content-length) gt 0 }}
  http-request deny deny_status 400 if {{ method PUT }} !{{ req.hdr(content-length) -m found }}
  http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt 262144 }}
  http-request deny deny_status 400 if {{ req.hdr(upgrade) -m found }}
  http-request deny deny_status 400 if {{ req.hdr(expect) -m found }} \
!{{ req.fhdr(expect) -i 100-continue }}
{customers}
  http-request deny deny_status 403 unless {{ var(txn.customer) -m found }}
  http-request set-var(txn.target) capture.req.uri
  http-request set-var(txn.key) var(txn.customer),concat(:,txn.target)
  acl snapshot path -m reg ^/snapshots/{name}$
  http-request deny deny_status 405 if snapshot !{{ method PUT }}
  http-request deny deny_status 405 if !snapshot {{ method PUT }}
{denied}
  http-request deny deny_status 403 unless snapshot or {{ var(txn.key) -m beg {allowed} }}
  http-request replace-path /snapshots/(.*) /snapshots/%[var(txn.customer)]/\\1 if snapshot
  http-request del-header "^(?!(host|range|if-range|if-none-match|if-modified-since|content-type|\
content-length|connection)\\$)" -m reg
  http-request set-header X-Mirrorgate-Customer %[var(txn.customer)]
  http-request set-header X-Request-Id %[uuid()]
  http-request set-header Host {store}
  default_backend store
backend store
  http-response deny deny_status 502 unless {{ status 200 201 204 206 304 404 410 412 416 }}
  http-response del-header "^(?!(content-type|content-length|content-range|content-encoding|\
content-disposition|accept-ranges|cache-control|etag|expires|last-modified|repr-digest|\
transfer-encoding|connection)\\$)" -m reg
  server store {store}
"""


class Haproxy(Peer):
    name = "haproxy"
    program = "/usr/sbin/haproxy"
    reload_signal = signal.SIGUSR2

    def configuration(self):
        files = self.server_files()
        bundle = self.folder / "server.pem"
        bundle.write_bytes(files["certificate"].read_bytes() + files["key"].read_bytes())
        customers = [f'  http-request set-var(txn.customer) str({name}) '
                     f'if {{ ssl_c_s_dn(,0,rfc2253) -m str "{subject}" }}'
                     for name, subject in CUSTOMERS.items()]
        denied = [f"  http-request deny deny_status 403 if {{ var(txn.key) -m beg {rule} }}"
                  for rule in DENIED]  # fmt: skip
        return HAPROXY.format(
            port=self.port, bundle=bundle, customers="\n".join(customers), suites=SUITES, name=NAME,
            segment=SEGMENT.replace("$", "\\$"), denied="\n".join(denied),
            allowed=" ".join(ALLOWED), store=self.store.address,
            ca=files["ca"], crl=files["crl"],
        )  # fmt: skip

    def command(self):
        return [self.program, "-W", "-db", "-f", self.config]

    def check(self):
        return [self.program, "-c", "-f", self.config]


APACHE = """\
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ServerName {host}
Listen 127.0.0.1:{port}
ErrorLog {folder}/error.log
LogLevel warn
{user}
{modules}
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
StartServers 1
KeepAliveTimeout 30
MaxKeepAliveRequests 0
Timeout 10
RequestReadTimeout handshake=10 header=10 body=30
HttpProtocolOptions Strict RegisteredMethods Require1.0
TraceEnable off
ServerTokens Prod
LimitRequestLine 8190
LimitRequestFields 64
LimitRequestFieldSize 8190
LimitRequestBody 262144
AllowEncodedSlashes Off
MergeSlashes Off
Protocols http/1.1
SSLSessionCache none
<Directory />
  Require all denied
</Directory>
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLProtocol -all +TLSv1.2 +TLSv1.3
  SSLCipherSuite {suites}
  SSLHonorCipherOrder on
  SSLCompression off
  SSLSessionTickets off
  SSLInsecureRenegotiation off
  SSLCertificateFile {certificate}
  SSLCertificateKeyFile {key}
  SSLCACertificateFile {ca}
  SSLCARevocationFile {crl}
  SSLCARevocationCheck chain
  SSLVerifyClient require
  SSLVerifyDepth 1
  ProxyRequests Off
  ProxyAddHeaders Off
  ProxyVia Off
  ProxyTimeout 1
  ProxyPreserveHost Off
  <Proxy "http://{store}">
    Require all granted
    ProxySet connectiontimeout=1 timeout=1 retry=0
  </Proxy>
  RequestHeader unset X-Mirrorgate-Customer
  RequestHeader unset Proxy
  RequestHeader set X-Mirrorgate-Customer "%{{CUSTOMER}}e"
  RequestHeader set X-Request-Id "%{{UNIQUE_ID}}e"
  RequestHeader unset Upgrade
  RequestHeader unset Trailer
  RequestHeader unset TE
  Header unset Set-Cookie
  RewriteEngine On
  RewriteCond %{{REQUEST_METHOD}} !^(GET|HEAD|PUT)$
  RewriteRule ^ - [R=405,L]
  # The target as it was sent.
  RewriteCond %{{THE_REQUEST}} "!^[A-Z]+ (/{segment})+/? HTTP/1\\.[01]$" [OR]
  RewriteCond %{{THE_REQUEST}} "/\\.\\.?(/| )" [OR]
  RewriteCond %{{HTTP:Upgrade}} !^$
  RewriteRule ^ - [R=400,L]
  RewriteCond %{{HTTP:Transfer-Encoding}} !^$
  RewriteRule ^ - [R=411,L]
  RewriteCond %{{REQUEST_METHOD}} !=PUT
  RewriteCond %{{HTTP:Content-Length}} !^0?$
  RewriteRule ^ - [R=400,L]
  RewriteCond %{{REQUEST_METHOD}} =PUT
  RewriteCond %{{HTTP:Content-Length}} ^$
  RewriteRule ^ - [R=411,L]
{customers}
  RewriteCond %{{ENV:CUSTOMER}} ^$
  RewriteRule ^ - [F,L]
  RewriteCond %{{REQUEST_METHOD}} =PUT
  RewriteRule ^/snapshots/({name})$ http://{store}/snapshots/%{{ENV:CUSTOMER}}/$1 [P,L]
  RewriteCond %{{REQUEST_METHOD}} =PUT
  RewriteRule ^ - [R=405,L]
{denied}
{allowed}
  RewriteRule ^ - [F,L]
</VirtualHost>
"""
APACHE_MODULES = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "rewrite",
                  "headers", "reqtimeout", "unique_id")  # fmt: skip
BUILT_IN = pathlib.Path("/usr/lib/apache2/modules")


class Apache(Peer):
    name = "apache"
    program = "/usr/sbin/apache2"
    reload_signal = signal.SIGUSR1

    def configuration(self):
        modules = [f"LoadModule {m}_module {BUILT_IN}/mod_{m}.so" for m in APACHE_MODULES]
        customers = []
        for name, subject in CUSTOMERS.items():
            customers.append(f'  RewriteCond "%{{SSL:SSL_CLIENT_S_DN}}" "={subject}"')
            customers.append(f"  RewriteRule ^ - [E=CUSTOMER:{name}]")
        condition = '  RewriteCond "%{{ENV:CUSTOMER}}:%{{REQUEST_URI}}" "^{}"'.replace("{{", "{")
        condition = condition.replace("}}", "}")
        denied = [line for rule in DENIED for line in
                  (condition.replace("{}", rule), "  RewriteRule ^ - [F,L]")]
        allowed = [line for rule in ALLOWED for line in
                   (condition.replace("{}", rule),
                    f"  RewriteRule ^(/.*)$ http://{self.store.address}$1 [P,NE,L]")]  # fmt: skip
        return APACHE.format(
            folder=self.folder, port=self.port, host=pki.SERVER_NAME, suites=SUITES,
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            modules="\n".join(modules), customers="\n".join(customers), name=NAME,
            denied="\n".join(denied), allowed="\n".join(allowed), segment=SEGMENT,
            store=self.store.address, **self.server_files(),
        )  # fmt: skip

    def command(self):
        return [self.program, "-d", self.folder, "-f", self.config, "-DFOREGROUND"]

    def check(self):
        return [self.program, "-d", self.folder, "-f", self.config, "-t"]


class PeersList:
    """The revocation list of GATE, a peer, in the file CRL; see Bench.revocation."""

    def __init__(self, gate, crl):
        self.gate = gate
        self._crl = crl

    def replace(self, content):
        if content is None:
            self._crl.unlink()
        else:
            self._crl.write_bytes(content)
        self.gate.reload()
        time.sleep(SETTLE)  # none of the three says when a reload is through

    def restart(self, content):
        """Ends it and starts it with the list CONTENT; False when it does not start then."""
        self.gate.stop()
        self._crl.write_bytes(content)
        try:
            self.gate.start()
        except AssertionError:
            return False
        return True


PEERS = [Nginx, Haproxy, Apache]
