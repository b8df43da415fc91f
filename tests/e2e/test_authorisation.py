"""Who may do what: licences, roles, certificates, ports, names and methods.

Each refusal also shows that the store heard nothing of it.
"""

import socket

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from mirrorgate_test import common, pki
from mirrorgate_test.client import refusal, refused_by_tls
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.lab import Lab

CORE = "/artifacts/step-core/core.zip"
SMALL = "/artifacts/step-core/small.txt"


@pytest.mark.parametrize(
    "who, path, reason",
    [
        ("globex", CORE, "not-licensed"),
        ("acme", "/artifacts/step-plus/plus.zip", "not-licensed"),
        ("acme", "/artifacts/step-core/internal/secret.bin", "not-licensed"),
        ("acme", "/artifacts/step-core", "not-licensed"),
        ("acme", "/artifacts/step-corestep-core/core.zip", "not-licensed"),
        ("acme", "/artifacts/step-Core/core.zip", "not-licensed"),
        ("acme", "/artifacts/", "not-licensed"),
        ("acme", "/", "not-licensed"),
        ("acme", "/artifacts/step-old/old.zip", "licence-expired"),
        ("acme", "/artifacts/step-next/next.zip", "licence-not-started"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_path_without_a_licence_is_refused_and_the_connection_goes_on(
    gate, store, who, path, reason, method
):
    good = {"acme": SMALL, "globex": "/artifacts/step-plus/plus.zip"}[who]
    with gate.connect(who) as connection:
        with store.untouched():
            response = connection.request(method, path)
        if method == "GET":
            refusal(response, 403, reason)
        assert response.status == 403
        assert gate.log_line(response.request_id)["reason"] == reason
        assert not response.closes
        assert connection.get(good).status == 200


@pytest.mark.parametrize("segment", ["@close", "@1xx:1", "@extra:5", "@cut-body:100", "@", "@/@close"])
def test_no_segment_leads_around_an_exception(gate, store, segment):
    """The store that comes with the gate takes each path for what the gate takes it for."""
    secret = (store.root / "artifacts/step-core/internal/secret.bin").read_bytes()
    for path in (f"{segment}/internal/secret.bin", f"internal/{segment}/secret.bin",
                 f"{segment}/@/../internal/secret.bin"):  # fmt: skip
        response = gate.get(f"/artifacts/step-core/{path}")
        assert response.status in (400, 403, 404), path
        assert secret[:20] not in response.body


def test_an_unknown_subject_is_refused_and_the_connection_ends(gate, store):
    with gate.connect("stranger") as connection, store.untouched():
        response = connection.get(CORE)
        refusal(response, 403, "unknown-subject")
        assert response.closes
        connection.assert_ended()
    line = gate.log_line(response.request_id)
    assert line["subject"] == pki.SUBJECTS["stranger"]
    assert not line["customer"]


def test_an_unknown_subject_gets_no_route_at_all(gate, store):
    for path in ("/healthz", "/readyz", "/licence", "/status", "/metrics"):
        with gate.connect("stranger") as connection, store.untouched():
            refusal(connection.get(path), 403, "unknown-subject")


def test_a_probe_learns_that_all_is_well(gate):
    with gate.connect("probe") as connection:
        for _ in range(2):
            response = connection.get("/healthz")
            assert (response.status, response.body.strip()) == (200, b"ok")
        assert connection.request("HEAD", "/healthz").status == 200


@pytest.mark.parametrize(
    "who, path",
    [
        ("acme", "/healthz"),
        ("acme", "/readyz"),
        ("ops", "/healthz"),
        ("ops", "/readyz"),
        ("probe", "/licence"),
        ("ops", "/licence"),
        ("acme", "/status"),
        ("acme", "/status.json"),
        ("acme", "/metrics"),
        ("probe", "/status"),
        ("probe", "/status.json"),
        ("probe", "/metrics"),
        ("probe", CORE),
        ("ops", CORE),
    ],
)
def test_a_route_of_another_role_is_not_permitted(gate, store, who, path):
    with gate.connect(who) as connection, store.untouched():
        response = connection.get(path)
        refusal(response, 403, "not-permitted")
        assert not response.closes


@pytest.mark.parametrize("who", ["probe", "ops"])
def test_only_customers_file_snapshots(gate, store, who):
    with gate.connect(who) as connection, store.untouched():
        response = connection.request(
            "PUT", "/snapshots/prod-1", [("Content-Type", "application/json")], b"{}"
        )
        refusal(response, 403, "not-permitted")


def test_a_customer_sees_its_licences(gate, store):
    with store.untouched():
        response = gate.get("/licence")
    assert response.status == 200
    assert response.header("Content-Type") == "application/json"
    core = {"product": "step-core", "paths": ["/artifacts/step-core/"]}
    core |= {"except": ["/artifacts/step-core/internal/"]}
    core |= {"from": "2020-01-01", "until": "2999-12-31", "valid": True}
    old = {"product": "step-old", "paths": ["/artifacts/step-old/"], "except": []}
    old |= {"from": None, "until": "2020-12-31", "valid": False}
    later = {"product": "step-next", "paths": ["/artifacts/step-next/"], "except": []}
    later |= {"from": "2999-01-01", "until": None, "valid": False}
    assert response.json() == {"customer": "acme", "licences": [core, old, later]}


def test_a_customer_never_sees_anothers_licences(gate):
    shown = gate.get("/licence", who="globex").json()
    assert shown["customer"] == "globex"
    assert [entry["product"] for entry in shown["licences"]] == ["step-plus"]


# --- certificates


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_a_certificate_there_is_no_http(gate, store, version):
    with store.untouched():
        assert refused_by_tls(gate, None, version)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_of_another_ca_is_refused(gate, store, world, version):
    with store.untouched():
        assert refused_by_tls(gate, world.other_acme, version)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    "flaw",
    [
        {"days": (-30, -1)},
        {"days": (1, 30)},
        {"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        {"ca": True},
    ],
    ids=["expired", "not-yet-valid", "a-server-certificate", "a-ca"],
)
def test_a_flawed_certificate_of_our_ca_is_refused(gate, store, world, version, flaw):
    flawed = world.authority.forge("flawed", rdns=pki.acme_rdns(), **flaw)
    with store.untouched():
        assert not served(gate, flawed, version)


def served(gate, identity, version):
    """True when IDENTITY gets an answer other than a refusal of its certificate."""
    if refused_by_tls(gate, identity, version):
        return False
    with gate.connect(identity, version=version) as connection:
        return connection.get(SMALL).status != 403


def test_a_forged_certificate_without_flaw_is_accepted(gate, world):
    forged = world.authority.forge("flawless", rdns=pki.acme_rdns())
    assert gate.get(SMALL, who=forged).status == 200


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_on_the_crl_is_refused(revoking_gate, version):
    [store] = revoking_gate.stores
    with store.untouched():
        assert refused_by_tls(revoking_gate, "acme", version)
    assert revoking_gate.get("/artifacts/step-plus/plus.zip", who="globex").status == 200


@pytest.fixture(scope="module")
def revoking_gate(tmp_path_factory):
    authority = pki.Authority(tmp_path_factory.mktemp("revoking") / "ca", "CA that revokes")
    authority.server()
    authority.client("globex", pki.SUBJECTS["globex"])
    authority.client("acme", pki.SUBJECTS["acme"])
    authority.run("revoke", str(authority.folder), "acme")
    with Lab(pki.World(authority)) as lab:
        yield lab.gateway()


def test_a_refused_handshake_is_logged_with_what_is_known(gate, world):
    before = len(gate.log_lines())
    assert refused_by_tls(gate, world.other_acme, "1.3")

    def logged():
        return [line for line in gate.log_lines()[before:] if line["reason"]]

    line = common.wait_until(logged, "an access log line of the refused handshake")[-1]
    assert line["client"].startswith("127.0.0.1")
    assert not line["customer"] and not line["path"] and not line["status"]


def test_openssl_s_client_without_certificate_is_told_so(gate):
    done = s_client(gate, "-quiet")
    assert b"HTTP/1.1" not in done.stdout
    assert b"alert" in done.stderr


def test_openssl_s_client_with_certificate_is_served(gate, world):
    acme = world.identity("acme")
    done = s_client(gate, "-quiet", "-ign_eof", "-cert", acme.cert, "-key", acme.key)
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")


def s_client(gate, *arguments):
    request = f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\nConnection: close\r\n\r\n"
    return common.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", *arguments],
        input=request.encode(),
    )


@pytest.mark.parametrize(
    "version, suites",
    [
        ("-tls1", "ALL"),
        ("-tls1_1", "ALL"),
        ("-tls1_2", "kRSA"),
        ("-tls1_2", "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA"),
        ("-tls1_2", "aNULL:eNULL"),
        ("-tls1_2", "DHE"),
    ],
    ids=["tls-1.0", "tls-1.1", "static-rsa", "cbc", "anonymous-and-null", "finite-field-dh"],
)
def test_weak_versions_and_suites_are_never_negotiated(gate, store, world, version, suites):
    acme = world.identity("acme")
    # Level 0 lets the client offer what it would refuse to offer by itself.
    options = [version, "-cipher", f"{suites}:@SECLEVEL=0", "-cert", acme.cert, "-key", acme.key]
    with store.untouched():
        done = s_client(gate, *options)
    assert b"Cipher is (NONE)" in done.stdout, done.stdout
    assert b"HTTP/1.1" not in done.stdout


def test_a_strong_suite_of_tls_1_2_is_negotiated(gate, world):
    acme = world.identity("acme")
    suite = "ECDHE-RSA-AES128-GCM-SHA256"
    done = s_client(gate, "-tls1_2", "-cipher", suite, "-cert", acme.cert, "-key", acme.key)
    assert f"Cipher is {suite}".encode() in done.stdout


# --- plain HTTP, ports, names


def test_plain_http_gets_no_http_answer(gate, store):
    with store.untouched(), gate.tcp() as sock:
        sock.sendall(f"GET {CORE} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode())
        received = read_to_end(sock)
    assert b"HTTP" not in received
    assert len(received) <= 7, "more than one TLS alert"


def read_to_end(sock):
    received = b""
    try:
        while data := sock.recv(4096):
            received += data
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("flags", [("-t",), ()])
def test_a_port_other_than_443_is_refused(lab, store, flags):
    gate = lab.prepared(store, config={"listen": [{"address": "127.0.0.1", "port": 8443}]})
    done = gate.run(*flags)
    assert done.returncode == 1
    assert f"{gate.config_file}:" in done.stderr
    assert "443" in done.stderr
    assert "listening on" not in done.stderr


def test_port_443_is_taken_without_any_flag(lab, store):
    gate = lab.prepared(store, config={"listen": [{"address": "127.0.0.1", "port": 443}]})
    done = gate.run("-t")
    assert (done.returncode, "error" in done.stderr) == (0, False), done.stderr


def test_another_port_is_taken_with_the_flag_and_warned_about(lab, store):
    gate = lab.prepared(store, config={"listen": [{"address": "127.0.0.1", "port": 8443}]})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 0, done.stderr


def test_it_warns_at_start_about_an_unsafe_port(gate):
    warnings = [line for line in gate.stderr.since() if "mirrorgate: warning: " in line]
    assert any("unsafe-any-port" in line for line in warnings)


@pytest.fixture(scope="module")
def named_gate(module_lab, store):
    return module_lab.gateway(store, config={"server_names": [pki.SERVER_NAME, "b.example"]})


@pytest.mark.parametrize("host", [pki.SERVER_NAME, "b.example", "Updates.Example.COM"])
def test_a_host_in_server_names_is_served(named_gate, host):
    with named_gate.connect() as connection:
        assert connection.get(SMALL, host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "x" + pki.SERVER_NAME, "127.0.0.1", "example.com"]
)
def test_another_host_is_misdirected(named_gate, store, host):
    with named_gate.connect() as connection, store.untouched():
        refusal(connection.get(SMALL, host=host), 421, "misdirected")


# --- methods


@pytest.mark.parametrize(
    "method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "MKCOL"]
)
def test_other_methods_on_an_artifact_are_not_allowed(gate, store, method):
    body = b"" if method in ("PUT", "POST") else None
    with gate.connect() as connection:
        with store.untouched():
            response = connection.request(method, CORE, body=body)
            refusal(response, 405, "method-not-allowed")
        assert {word.strip() for word in response.header("Allow").split(",")} == {"GET", "HEAD"}
        assert connection.get(SMALL).status == 200, "a clean refusal keeps the connection"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_a_snapshot_can_only_be_put(gate, store, method):
    with gate.connect() as connection, store.untouched():
        response = connection.request(method, "/snapshots/prod-1")
        assert response.status == 405
        assert response.header("Allow") == "PUT"
        assert gate.log_line(response.request_id)["reason"] == "method-not-allowed"


@pytest.mark.parametrize("method", ["FOO", "get", "Get", "GETT", "put"])
def test_an_unknown_method_is_501(gate, store, method):
    with gate.connect() as connection, store.untouched():
        refusal(connection.request(method, CORE), 501, "method-unknown")


def test_a_method_override_header_changes_nothing(gate, store):
    start = store.mark()
    with gate.connect() as connection:
        headers = [("X-HTTP-Method-Override", "DELETE"), ("X-Original-URL", "/healthz")]
        assert connection.get(SMALL, headers).body == (store.root / SMALL[1:]).read_bytes()
    assert [request["method"] for request in store.requests(start)] == ["GET"]


# --- the other end


def test_a_store_that_is_down_shows_in_the_health_check(lab):
    nobody = common.free_address_of_nobody(socket.socket)
    url = "http://127.0.0.1:%d" % nobody.getsockname()[1]
    gate = lab.gateway(config={"store": {"servers": [url], "probe": "/"}})

    def answer():
        return gate.get("/healthz", who="probe")

    common.wait_until(lambda: answer().status == 503, "the health check fails")
    assert b"store-unavailable" in answer().body
    nobody.close()


def test_two_customers_with_the_same_product_are_told_apart(lab, store):
    customers = [customer(name, ["step-core"]) for name in ("acme", "initech")]
    gate = lab.gateway(store, policy=policy(customers=customers))
    for who in ("acme", "initech"):
        start = store.mark()
        assert gate.get(SMALL, who=who).status == 200
        [request] = store.requests(start)
        assert request["headers"]["x-mirrorgate-customer"] == who
    refusal(gate.get(SMALL, who="globex"), 403, "unknown-subject")
