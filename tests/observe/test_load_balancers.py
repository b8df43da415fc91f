"""HAProxy and nginx (stream) in front of a gate: HAProxy's checks by TLS, and the PROXY headers by which
both tell who the client is."""

import signal

import pytest
from mirrorgate_test import pki
from mirrorgate_test.store import write_sparse
from watchers import Haproxy, NginxStream

SMALL = "/artifacts/step-core/small.txt"
PROXIED = {"listen": [
    {"address": "127.0.0.1", "port": 0, "proxy_protocol_from": ["127.0.0.0/8"]}
]}  # fmt: skip
IMAGE = "/artifacts/step-core/image.img"
HEADERS = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "v2-crc": "send-proxy-v2 proxy-v2-options crc32c",
    "v2-tlvs": "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority",
}


@pytest.fixture
def started(lab):
    """Starts balancers, and stops them before the gates, whose last lines they would fill."""
    running = []

    def start(kind, gate, *arguments, **options):
        running.append(kind(lab.new_folder(kind.__name__), gate, *arguments, **options))
        return running[-1]

    yield start
    for balancer in running:
        balancer.stop()


def checking(gate, who="probe"):
    """The words of a server's line for a check by TLS with the certificate of WHO."""
    identity = gate.world.identity(who)
    both = gate.folder / f"{who}.pem"
    both.write_bytes(identity.cert.read_bytes() + identity.key.read_bytes())
    authority = gate.world.authority.certificate
    return (
        f"check check-ssl check-sni {pki.SERVER_NAME} crt {both} ca-file {authority} verify required"
    )


def http_check(path, version="1.1"):
    host = f" hdr Host {pki.SERVER_NAME}" if version == "1.1" else ""
    return [
        "option httpchk",
        f"http-check send meth GET uri {path} ver HTTP/{version}{host}",
        "http-check expect status 200",
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_node_that_drains_is_taken_out(lab, started, path, version):
    gate = lab.gateway(config={"drain": {"announce": "60s"}})
    balancer = started(Haproxy, gate, checking(gate), lines=http_check(path, version))
    assert balancer.wait_status("UP")["check_code"] == "200"
    assert balancer.get(SMALL).status == 200
    gate.signal(signal.SIGTERM)
    assert balancer.wait_status("DOWN")["check_code"] == "503"
    assert gate.get(SMALL).status == 200, "who is connected already is served"
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0


def assert_named(gate, balancer):
    with balancer.connect(source="127.0.0.7") as connection:
        response = connection.get(SMALL)
    assert response.status == 200
    assert gate.log_line(response.request_id)["client"] == "127.0.0.7"


@pytest.mark.parametrize("header", HEADERS)
def test_the_client_behind_haproxy_is_known(lab, started, header):
    gate = lab.gateway(config=PROXIED)
    assert_named(gate, started(Haproxy, gate, HEADERS[header]))


def test_the_client_behind_nginx_is_known(lab, started):
    gate = lab.gateway(config=PROXIED)
    assert_named(gate, started(NginxStream, gate, "proxy_protocol on;"))


@pytest.mark.parametrize("kind", [Haproxy, NginxStream])
def test_without_the_header_the_client_is_the_balancer(lab, started, kind):
    gate = lab.gateway()
    balancer = started(kind, gate)
    with balancer.connect(source="127.0.0.7") as connection:
        response = connection.get(SMALL)
    assert gate.log_line(response.request_id)["client"] == "127.0.0.1"


@pytest.mark.parametrize("kind,sent,wanted", [
    (Haproxy, "", True), (Haproxy, "send-proxy", False), (Haproxy, "send-proxy-v2", False),
    (NginxStream, "", True), (NginxStream, "proxy_protocol on;", False),
])  # fmt: skip
def test_a_balancer_that_is_not_what_the_gate_was_told_is_refused(lab, started, kind, sent, wanted):
    """Without the header that is wanted, and with one that is not, nobody gets in."""
    store = lab.stub()
    gate = lab.gateway(store, config=PROXIED if wanted else None)
    balancer = started(kind, gate, sent)
    with pytest.raises(OSError):
        balancer.get(SMALL)
    assert store.requests() == []


def test_many_clients_behind_nginx_have_what_is_theirs(lab, started):
    """Whole files, and each line of the log with the address of who asked."""
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 8 << 20)
    gate = lab.gateway(store, config=PROXIED)
    balancer = started(NginxStream, gate, "proxy_protocol on;")
    expected = (store.root / IMAGE[1:]).read_bytes()
    open_at_once = [balancer.connect(source=f"127.0.1.{n}") for n in range(1, 21)]
    for connection in open_at_once:
        connection.send_request("GET", IMAGE)
    seen = {}
    for number, connection in enumerate(open_at_once, 1):
        with connection:
            response = connection.response()
        assert response.status == 200 and response.body == expected
        seen[response.request_id] = f"127.0.1.{number}"
    for request_id, address in seen.items():
        assert gate.log_line(request_id)["client"] == address


def test_behind_nginx_a_download_of_a_draining_gate_comes_to_its_end(lab, started):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 20 << 20)
    gate = lab.gateway(store, config={**PROXIED, "drain": {"timeout": "1h"}})
    balancer = started(NginxStream, gate, "proxy_protocol on;")
    with balancer.connect(receive_buffer=16_384) as connection:
        connection.send_request("GET", IMAGE)
        pieces = connection.body_pieces(connection.read_head())
        body = bytearray(next(pieces))
        gate.signal(signal.SIGTERM)
        gate.wait_line("mirrorgate: info: draining")
        for piece in pieces:
            body += piece
        assert body == (store.root / IMAGE[1:]).read_bytes()
    assert gate.wait_exit() == 0
