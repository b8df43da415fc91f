"""Requests that are served, and what else must hold then: headers that pretend to be somebody, and
several requests on one connection.
"""

import contextlib
import dataclasses

from ..client import Truncated
from . import bench as benches
from .refused import SMALL, everything, excerpt
from .requests import CHUNKED, CHUNKS, HOST, JSON, OTHER, get, put, put_length

OWN_FIELDS = {"host", "x-mirrorgate-customer", "x-request-id"}


def heads_received(bench, mark):
    """The request heads that the store got since MARK: [(request line, [(name, value)])]."""
    heads = []
    for data in bench.store.received(mark).values():
        for head in data.split(b"\r\n\r\n")[:-1]:
            line, *fields = head.decode("latin-1").split("\r\n")
            pairs = [tuple(field.partition(":")[::2]) for field in fields]
            heads.append((line, [(name.strip().lower(), value.strip()) for name, value in pairs]))
    return heads


def send(connection, raw, slowly):
    """RAW in one piece, or a byte a record, as far as the other side takes it."""
    data = raw.encode("latin-1")
    pieces = [data[at : at + 1] for at in range(len(data))] if slowly else [data]
    with contextlib.suppress(OSError):
        for piece in pieces:
            connection.send(piece)


def both_ways(attempt, bench, strict):
    """Makes ATTEMPT in one piece, and for mirrorgate byte by byte too."""
    for slowly in (False, True) if strict else (False,):
        complaint = attempt(bench, strict, slowly)
        if complaint:
            return f"byte by byte: {complaint}" if slowly else complaint
    return None


@dataclasses.dataclass
class Spoofed(benches.Case):
    """A download with FIELDS, which claim something. It is served or refused; what reaches the
    store says nothing of the claim: no field but our own from mirrorgate, and from any gateway
    none with the text LIE."""

    fields: str
    lie: str = "globex"

    def attempt(self, bench, strict):
        return both_ways(self._attempt, bench, strict)

    def _attempt(self, bench, strict, slowly):
        mark = bench.store.mark()
        with bench.gate.connect("acme") as connection:
            send(connection, get(self.fields), slowly)
            try:
                status = connection.response().status if strict else None
            except (AssertionError, Truncated, OSError) as error:
                return f"{type(error).__name__}: {error}"
            if not strict:
                everything(connection)
        heads = heads_received(bench, mark)
        for line, fields in heads:
            for name, value in [("request line", line), *fields]:
                if self.lie in value or self.lie in name:
                    return f"the store got {name}: {value}"
            if "acme" not in dict(fields).get("x-mirrorgate-customer", ""):
                return "the store got no X-Mirrorgate-Customer: acme"
        if strict and (status, len(heads)) not in ((200, 1), (400, 0)):
            return f"answered {status}, {len(heads)} requests at the store"
        if strict and any({name for name, _ in fields} != OWN_FIELDS for _, fields in heads):
            return f"the store got {heads}"
        return None


CUSTOMER = "X-Mirrorgate-Customer: globex\r\n"
OURS = {
    "customer": CUSTOMER,
    "customer-twice": CUSTOMER * 2,
    "customer-lower-case": CUSTOMER.lower(),
    "customer-underscores": "X_Mirrorgate_Customer: globex\r\n",
    "customer-one-underscore": "X-Mirrorgate_Customer: globex\r\n",
    "customer-space-before-colon": "X-Mirrorgate-Customer : globex\r\n",
    "customer-folded": "X-Mirrorgate-Customer:\r\n globex\r\n",
    "customer-behind-a-bare-lf": "X-A: b\nX-Mirrorgate-Customer: globex\r\n",
    "customer-behind-a-bare-cr": "X-A: b\rX-Mirrorgate-Customer: globex\r\n",
    "connection-names-customer": "Connection: X-Mirrorgate-Customer\r\n",
    "connection-names-customer-and-host": "Connection: close, X-Mirrorgate-Customer, Host\r\n",
    "connection-names-it-twice": "Connection: keep-alive\r\nConnection: X-Mirrorgate-Customer\r\n",
    "proxy-connection-names-customer": "Proxy-Connection: X-Mirrorgate-Customer\r\n",
    "request-id": "X-Request-Id: globex\r\n",
    "trailer-announced": "Trailer: X-Mirrorgate-Customer\r\nTE: trailers\r\n" + CUSTOMER,
}
# What vendors' gateways, balancers and frameworks take for the caller, his address, the path asked
# for or the method. A gateway of another kind may hand on fields it does not know.
VENDORS = {
    "addresses": """
        X-Forwarded-For X-Forwarded-Server X-Forwarded-Proto X-Forwarded-Port X-Forwarded
        Forwarded Forwarded-For X-Real-IP X-Client-IP X-Cluster-Client-IP X-Remote-IP
        X-Remote-Addr X-Originating-IP X-Source-IP True-Client-IP CF-Connecting-IP
        CF-Connecting-IPv6 Fastly-Client-IP Akamai-Origin-Hop X-Azure-ClientIP
        X-Azure-SocketIP X-Envoy-External-Address Via
    """,
    "targets-and-methods": """
        X-Forwarded-Host X-Forwarded-Prefix X-Forwarded-Path X-Forwarded-Uri
        X-Forwarded-Method X-Host X-HTTP-Host-Override X-Original-Host X-Original-URL
        X-Original-URI X-Original-Method X-Rewrite-URL X-Request-URI X-Accel-Redirect
        X-Sendfile X-Lighttpd-Send-File X-Envoy-Original-Path X-HTTP-Method-Override
        X-HTTP-Method X-Method-Override Destination
    """,
    "certificates": """
        X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert X-Forwarded-Tls-Client-Cert-Info
        Client-Cert Client-Cert-Chain SSL-Client-Cert X-SSL-Cert X-SSL-Client-Cert
        X-SSL-Client-Verify X-SSL-Client-S-DN X-SSL-Client-DN X-SSL-Client-CN
        X-SSL-Client-Subject X-SSL-Client-Serial X-SSL-Subject X-Client-Cert
        X-Client-Cert-Subject X-Client-Certificate X-Client-Verify X-Client-DN X-Client-CN
        X-Client-SSL-Subject X-ARR-ClientCert X-Amzn-Mtls-Clientcert
        X-Amzn-Mtls-Clientcert-Subject
    """,
    "users": """
        X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Access-Token
        X-Forwarded-Preferred-Username X-Appengine-User-IP X-ProxyUser-Ip X-WEBAUTH-USER
        X-Remote-User Remote-User REMOTE_USER HTTP_REMOTE_USER X-Auth-User X-Auth-Username
        X-Authenticated-User X-Authenticated-Userid X-Auth-Request-User X-Auth-Request-Email
        X-Authentik-Username X-Token-Subject X-Userinfo X-User X-User-Id X-Username
        X-Consumer-ID X-Consumer-Username X-Consumer-Custom-ID X-Credential-Identifier
        X-Anonymous-Consumer X-Goog-Authenticated-User-Email X-Goog-IAP-JWT-Assertion
        X-Amzn-Oidc-Identity X-Amzn-Oidc-Data X-MS-CLIENT-PRINCIPAL
        X-MS-CLIENT-PRINCIPAL-NAME X-MS-TOKEN-AAD-ID-TOKEN X-Ms-Client-Principal-Id SM_USER
        SM-User SM_UNIVERSALID iv-user iv-creds OAM_REMOTE_USER Proxy-Authorization
        Authorization Cookie Lock-Token X-Tenant-Id X-Org-Id X-Customer X-Customer-Id
        X-Scope-OrgID Cf-Access-Jwt-Assertion Cf-Access-Authenticated-User-Email
        Tailscale-User-Login X-Pomerium-Jwt-Assertion X-Kubernetes-User X-Remote-Group
        X-Remote-Extra-Scope Impersonate-User Impersonate-Group
    """,
    "others": """
        WL-Proxy-SSL X-Envoy-Peer-Metadata X-ARR-SSL X-Amz-Cf-Id Proxy Max-Forwards
        X-Wap-Profile Surrogate-Capability If Translate Depth Overwrite
    """,
}


@dataclasses.dataclass
class Pipeline(benches.Case):
    """RAW holds several requests. mirrorgate answers with STATUSES, in this order, then ends the
    connection if CLOSES; the store gets the paths SENT and no other, from any gateway."""

    raw: str
    statuses: list
    sent: list
    closes: bool

    def attempt(self, bench, strict):
        return both_ways(self._attempt, bench, strict)

    def _attempt(self, bench, strict, slowly):
        mark = bench.store.mark()
        with bench.gate.connect("acme") as connection:
            send(connection, self.raw, slowly)
            complaint = None
            if strict:
                complaint = self._answers(connection, slowly)
            else:
                everything(connection)
        paths = [line.split(" ")[1] for line, _ in heads_received(bench, mark)]
        wrong = [path for path in paths if path not in self.sent]
        if wrong:
            return f"the store got {wrong}"
        if strict and not complaint and paths != self.sent:
            return f"the store got {paths}"
        return complaint

    def _answers(self, connection, slowly):
        try:
            statuses = [connection.response().status for _ in self.statuses]
            if statuses != self.statuses:
                return f"answered {statuses}"
            if self.closes:
                data, end = connection.rest()
                # A client that still sends may see a reset instead of the end.
                if data or (end != "close_notify" and not slowly):
                    return f"after the last answer: {excerpt(data)}, {end}"
        except (AssertionError, Truncated, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return None


def smuggled(name, outer, statuses, *, house=False):
    """OUTER, whose framing is in doubt, then a request that nobody may see as one."""
    raw = get() + outer + get(target=OTHER) + get(target="/artifacts/step-core/one.bin")
    return Pipeline("pipeline", name, raw, statuses, [SMALL], True, house=house)


INNER = f"GET {OTHER} HTTP/1.1\r\n{HOST}\r\n"
CL_TE = put(f"Content-Length: {len(INNER) + 5}\r\n{CHUNKED}", "0\r\n\r\n" + INNER)
TE_CL = put(f"{CHUNKED}Content-Length: 4\r\n", f"{len(INNER):x}\r\n{INNER}\r\n0\r\n\r\n")
PIPELINES = [
    Pipeline("pipeline", "allowed-and-refused-in-order",
             get() + get(target=OTHER) + get() + get(target="/healthz") + get(),
             [200, 403, 200, 403, 200], [SMALL] * 3, False),
    Pipeline("pipeline", "refusals-that-keep-the-connection",
             get(target="/artifacts//x") + get() + f"DELETE {SMALL} HTTP/1.1\r\n{HOST}\r\n" + get()
             + get(target="/artifacts/step-core/internal/secret.bin") + get(),
             [400, 200, 405, 200, 403, 200], [SMALL] * 3, False, house=True),
    Pipeline("pipeline", "a-refused-body-is-skipped-exactly",
             f"POST {SMALL} HTTP/1.1\r\n{HOST}Content-Length: {len(INNER)}\r\n\r\n{INNER}" + get(),
             [405, 200], [SMALL], False),
    Pipeline("pipeline", "a-refused-upload-is-skipped-exactly",
             f"PUT /artifacts/x HTTP/1.1\r\n{HOST}{JSON}Content-Length: {len(INNER)}\r\n\r\n{INNER}"
             + get(), [405, 200], [SMALL], False),
    Pipeline("pipeline", "after-connection-close",
             get("Connection: close\r\n") + get(target="/artifacts/step-core/one.bin"),
             [200], [SMALL], True),
    Pipeline("pipeline", "after-connection-close-in-a-list",
             get("Connection: foo, Close\r\n") + get(target="/artifacts/step-core/one.bin"),
             [200], [SMALL], True),
    Pipeline("pipeline", "after-http-1.0",
             get(version="HTTP/1.0") + get(target="/artifacts/step-core/one.bin"),
             [200], [SMALL], True),
    Pipeline("pipeline", "bytes-that-are-no-request-follow", get() + "\0\1\2\r\n\r\n" + get(),
             [200, 400], [SMALL], True),
    smuggled("cl-te", CL_TE, [200, 400]),
    smuggled("te-cl", TE_CL, [200, 400]),
    smuggled("te-te", put(f"{CHUNKED}Transfer-Encoding: x\r\n", CHUNKS), [200, 411]),
    smuggled("cl-cl", put_length(f"2\r\nContent-Length: {2 + len(INNER)}", "{}" + INNER),
             [200, 400]),
    smuggled("cl-hex", put_length("0x0", INNER), [200, 400]),
    smuggled("cl-0-by-overflow", put_length("18446744073709551616", INNER), [200, 400]),
    smuggled("cl-empty", put_length("", INNER), [200, 400]),
    smuggled("get-with-body-that-is-a-request", get(f"Content-Length: {len(INNER)}\r\n") + INNER,
             [200, 400], house=True),
    smuggled("upgrade-then-request", get("Connection: Upgrade\r\nUpgrade: h2c\r\n"), [200, 400],
             house=True),
    smuggled("lf-ends-the-head", get("X-A: b\r\n")[:-2] + "\n" + INNER, [200, 400],
             house=True),
    smuggled("expect-and-no-body", put("Content-Length: 2\r\nExpect: 200\r\n"), [200, 417],
             house=True),
]  # fmt: skip
CASES = [Spoofed("spoofed header", name, fields) for name, fields in OURS.items()]
CASES += [
    Spoofed("spoofed header", f"vendors-{name}",
            "".join(f"{field}: globex\r\n" for field in fields.split()), house=True)
    for name, fields in VENDORS.items()
] + PIPELINES  # fmt: skip
