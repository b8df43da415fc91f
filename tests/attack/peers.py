"""nginx, HAProxy and Apache as gates on the same mirror, for comparison.

Each is configured for mirrorgate's job as a careful operator would: TLS 1.2 and 1.3 with the ECDHE
AEAD suites, a client certificate of the CA and its revocation list, the subject compared with upper
and lower case told apart, two operations and no other method, the target as it was sent held
against the path rule of the design, no body where none belongs, only the headers the store needs,
one second of patience with the store, no second try. What remains is what the program allows.
"""

import re

from mirrorgate_test import peers, pki

SEGMENT = r"[A-Za-z0-9._~+@=:,!$&'()-]+"
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
# The products of gateway.policy() that are in force today. What is denied stands first.
DENIED = ["acme:/artifacts/step-core/internal/", "initech:/artifacts/step-core/internal/"]
ALLOWED = ["acme:/artifacts/step-core/", "globex:/artifacts/step-plus/",
           "initech:/artifacts/step-core/", "initech:/artifacts/step-plus/"]  # fmt: skip
CUSTOMERS = {name: pki.SUBJECTS[name] for name in ("acme", "globex", "initech")}

NGINX = """\
  server_tokens off;
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
"""
NGINX_SERVER = """\
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
    proxy_pass_request_headers off;
    proxy_set_header Host $proxy_host;
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
"""


class Nginx(peers.Nginx):
    def gaps(self):
        subjects = [f'    "~^{re.escape(dn)}$" {name};' for name, dn in CUSTOMERS.items()]
        rules = [f'    "~^{rule}" 0;' for rule in DENIED] + [f'    "~^{r}" 1;' for r in ALLOWED]
        http = NGINX.format(
            customers="\n".join(subjects).replace("\\ ", " "), rules="\n".join(rules),
            segment=SEGMENT.replace("$", "\\$"), store=self.store,
        )  # fmt: skip
        return {"http": http, "server": NGINX_SERVER.format(name=NAME)}


HAPROXY_SETTINGS = """\
  maxconn 1000
  tune.ssl.cachesize 0
  tune.maxrewrite 1024
"""
HAPROXY_DEFAULTS = """\
  timeout connect 1s
  timeout client 30s
  timeout server 1s
  timeout http-request 10s
  timeout http-keep-alive 30s
  retries 0
  option http-buffer-request
  http-reuse safe
"""
HAPROXY_FRONTEND = """\
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
  http-request set-header Host {store}
"""
HAPROXY_BACKEND = """\
  http-response deny deny_status 502 unless { status 200 201 204 206 304 404 410 412 416 }
  http-response del-header "^(?!(content-type|content-length|content-range|content-encoding|\
content-disposition|accept-ranges|cache-control|etag|expires|last-modified|repr-digest|\
transfer-encoding|connection)\\$)" -m reg
"""


class Haproxy(peers.Haproxy):
    def gaps(self):
        customers = [f'  http-request set-var(txn.customer) str({name}) '
                     f'if {{ ssl_c_s_dn(,0,rfc2253) -m str "{subject}" }}'
                     for name, subject in CUSTOMERS.items()]
        denied = [f"  http-request deny deny_status 403 if {{ var(txn.key) -m beg {rule} }}"
                  for rule in DENIED]  # fmt: skip
        frontend = HAPROXY_FRONTEND.format(
            customers="\n".join(customers), segment=SEGMENT.replace("$", "\\$"), name=NAME,
            denied="\n".join(denied), allowed=" ".join(ALLOWED), store=self.store,
        )  # fmt: skip
        return {"settings": HAPROXY_SETTINGS, "defaults": HAPROXY_DEFAULTS, "frontend": frontend,
                "backend": HAPROXY_BACKEND}  # fmt: skip

    def command(self):
        return [self.program, "-W", *super().command()[1:]]


APACHE_SETTINGS = """\
ThreadsPerChild 32
MaxRequestWorkers 32
KeepAliveTimeout 30
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
"""
APACHE_RULES = """\
  SSLHonorCipherOrder on
  SSLCompression off
  SSLSessionTickets off
  SSLInsecureRenegotiation off
  ProxyVia Off
  ProxyTimeout 1
  ProxyPreserveHost Off
  RequestHeader unset Proxy
  RequestHeader unset Upgrade
  RequestHeader unset Trailer
  RequestHeader unset TE
  Header unset Set-Cookie
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
"""


class Apache(peers.Apache):
    modules = (*peers.Apache.modules, "reqtimeout")

    def gaps(self):
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
                    f"  RewriteRule ^(/.*)$ http://{self.store}$1 [P,NE,L]")]  # fmt: skip
        rules = APACHE_RULES.format(
            segment=SEGMENT, name=NAME, customers="\n".join(customers), denied="\n".join(denied),
            allowed="\n".join(allowed), store=self.store,
        )  # fmt: skip
        return {"settings": APACHE_SETTINGS, "proxy": "connectiontimeout=1 timeout=1 retry=0",
                "rules": rules}  # fmt: skip


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
