"""Every timeout of the configuration fires, at its time and with its answer.

`timeouts.min_rate` has a file of its own, because its window is 30 seconds long.
"""

import contextlib
import socket
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import timed
from mirrorgate_test.pki import SERVER_NAME
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"
HEAD = f"GET {SMALL} HTTP/1.1\r\nHost: {SERVER_NAME}\r\n".encode()
JSON = ("Content-Type", "application/json")


OTHERS = ("handshake", "request", "body", "idle", "send", "store_connect", "store_response")


def quick(**timeouts):
    """A configuration in which only TIMEOUTS are short, and the others longer than any test."""
    return {"timeouts": {**dict.fromkeys(OTHERS, "10m"), **timeouts}}


def fired(seconds, limit):
    """True when SECONDS is not less than LIMIT. How much more is the machine's affair: no other
    timeout of quick() could have been the one."""
    return seconds >= limit - 0.1


def raw_end(sock):
    """Waits until the other side closes; returns what it sent before."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(4096):
            received += data
    return received


def drip(send, data, pause=0.2):
    """Sends DATA one byte every PAUSE seconds until the other side has had enough."""
    with contextlib.suppress(OSError):
        for position in range(len(data)):
            send(data[position : position + 1])
            time.sleep(pause)


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_handshake_ends_a_client_that_does_not_finish_it(lab, hello):
    gate = lab.gateway(config=quick(handshake="1s"))
    with gate.tcp() as sock:
        sock.sendall(hello)
        received, seconds = timed(lambda: raw_end(sock))
    assert fired(seconds, 1)
    assert b"HTTP" not in received


def test_handshake_is_not_prolonged_by_dripping_bytes(lab):
    gate = lab.gateway(config=quick(handshake="1s"))

    def handshake(sock):
        drip(sock.send, b"\x16\x03\x01\x02\x00" + b"\x01\x00\x01\xfc" + bytes(16))
        raw_end(sock)

    with gate.tcp() as sock:
        _, seconds = timed(lambda: handshake(sock))
    assert fired(seconds, 1)


def test_request_ends_a_head_that_stops_halfway(lab):
    gate = lab.gateway(config=quick(request="1s"))
    [store] = gate.stores
    with gate.connect() as connection, store.untouched():
        connection.send(HEAD)
        response, seconds = timed(connection.response)
        assert fired(seconds, 1)
        refusal(response, 408, "request-timeout")
        assert response.closes
        connection.assert_ended()
    assert gate.log_line(response.request_id)["close"] == "request timeout"


def test_request_is_not_prolonged_by_dripping_bytes(lab):
    gate = lab.gateway(config=quick(request="1s"))

    def ask(connection):
        for byte in HEAD:
            if connection.readable(0.1):
                break
            connection.send(bytes([byte]))
        return connection.response()

    with gate.connect() as connection:
        response, seconds = timed(lambda: ask(connection))
        assert fired(seconds, 1)
        refusal(response, 408, "request-timeout")


def test_request_counts_anew_for_each_request(lab):
    gate = lab.gateway(config=quick(request="5s"))
    with gate.connect() as connection:
        start = time.monotonic()
        while time.monotonic() < start + 6:
            assert connection.get(SMALL).status == 200
            time.sleep(0.01)  # so that it stays below limits.requests_per_second on any machine


def test_body_ends_an_upload_that_stops_halfway(lab):
    gate = lab.gateway(config=quick(body="1s"))
    [store] = gate.stores
    with gate.connect() as connection, store.untouched():
        connection.send_request("PUT", "/snapshots/a", [JSON, ("Content-Length", "100")])
        connection.send(b'{"format":')
        response, seconds = timed(connection.response)
        assert fired(seconds, 1)
        refusal(response, 408, "request-timeout")
        assert response.closes
        connection.assert_ended()


def test_body_is_not_prolonged_by_dripping_bytes(lab):
    gate = lab.gateway(config=quick(body="1s"))
    [store] = gate.stores

    def upload(connection):
        connection.send_request("PUT", "/snapshots/a", [JSON, ("Content-Length", "100")])
        while not connection.readable(0.1):
            connection.send(b" ")
        return connection.response()

    with gate.connect() as connection, store.untouched():
        response, seconds = timed(lambda: upload(connection))
        assert fired(seconds, 1)
        refusal(response, 408, "request-timeout")
        assert response.closes
    line = gate.log_line(response.request_id)
    assert (line["reason"], line["close"]) == ("request-timeout", "request body timeout")


def test_body_counts_anew_for_each_request(lab):
    gate = lab.gateway(config=quick(body="5s"))
    body = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
    with gate.connect() as connection:
        start = time.monotonic()
        while time.monotonic() < start + 6:
            assert connection.request("PUT", "/snapshots/prod-1", [JSON], body).status == 201
            time.sleep(0.3)


def test_body_ends_a_refused_upload_whose_body_never_comes(lab):
    gate = lab.gateway(config=quick(body="1s"))
    [store] = gate.stores

    def exchange(connection):
        connection.send_request("POST", SMALL, [("Content-Length", "100")])
        with contextlib.suppress(Truncated):
            assert connection.response().status in (405, 408)
        connection.rest()

    with gate.connect() as connection, store.untouched():
        exchange(connection)


def test_idle_ends_a_connection_after_its_last_answer(lab):
    gate = lab.gateway(config=quick(idle="1s"))
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        ended, seconds = timed(connection.rest)
    assert ended == (b"", "close_notify")
    assert fired(seconds, 1)


def test_idle_ends_a_connection_that_never_asks(lab):
    gate = lab.gateway(config=quick(idle="1s", request="1s"))
    with gate.connect() as connection:
        (data, end), seconds = timed(connection.rest)
    assert fired(seconds, 1)
    assert (data, end) == (b"", "close_notify")


def test_idle_does_not_end_a_connection_that_keeps_asking(lab):
    gate = lab.gateway(config=quick(idle="5s"))
    with gate.connect() as connection:
        start = time.monotonic()
        while time.monotonic() < start + 6:
            assert connection.get(SMALL).status == 200
            time.sleep(0.3)


def test_send_cuts_a_client_that_reads_nothing(lab):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 100 << 20)
    gate = lab.gateway(store, config=quick(send="1s"))
    lines = len(gate.log_lines())
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", IMAGE)
        start = time.monotonic()
        common.wait_until(lambda: gate.log_lines()[lines:], "the transfer is cut")
        assert fired(time.monotonic() - start, 1)
        with pytest.raises(Truncated) as cut:
            connection.response()
    assert cut.value.end != "close_notify"
    [line] = gate.log_lines()[lines:]
    assert line["path"] == IMAGE and line["close"]


def test_send_does_not_cut_a_client_that_reads_slowly(lab):
    store = lab.stub()
    gate = lab.gateway(store, config=quick(send="5s"))
    received = bytearray()
    with gate.connect(receive_buffer=16_384) as connection:
        connection.send_request("GET", "/artifacts/step-core/large.bin")
        response = connection.read_head()
        start = time.monotonic()
        while time.monotonic() < start + 6:
            received += connection.read_some(20_000)
            time.sleep(0.1)
        while len(received) < response.content_length:
            piece = connection.read_some(1 << 20)
            assert piece, f"cut after {len(received)} bytes"
            received += piece
    assert received == (store.root / "artifacts/step-core/large.bin").read_bytes()


@contextlib.contextmanager
def deaf_port():
    """A port whose queue is full: connecting to it hangs, like to a host behind a black hole."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            sock = stack.enter_context(socket.socket())
            sock.settimeout(0.3)
            try:
                sock.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


@pytest.fixture
def deaf():
    with deaf_port() as port:
        yield f"http://127.0.0.1:{port}"


def test_store_connect_ends_the_wait_for_a_deaf_store(lab, deaf):
    config = {"store": {"servers": [deaf]}, **quick(store_connect="2s")}
    gate = lab.gateway(config=config)
    with gate.connect() as connection:
        response, seconds = timed(lambda: connection.get(SMALL))
        assert fired(seconds, 1)
        reasons = {503: "store-unavailable", 504: "store-timeout"}
        assert response.status in reasons
        refusal(response, response.status, reasons[response.status])
        assert not response.closes


def test_store_connect_lets_the_next_store_answer(lab, deaf):
    store = lab.stub()
    config = {"store": {"servers": [deaf, store.url]}, **quick(store_connect="2s")}
    gate = lab.gateway(store, config=config)
    assert gate.get(SMALL).status == 200


def test_store_response_ends_the_wait_for_an_answer(lab):
    gate = lab.gateway(lab.stub(segments=True), config=quick(store_response="2s"))
    with gate.connect() as connection:
        response, seconds = timed(lambda: connection.get("/artifacts/step-core/@silent/small.txt"))
        assert fired(seconds, 1)
        refusal(response, 504, "store-timeout")
        assert connection.get(SMALL).status == 200


def test_store_response_ends_an_answer_whose_head_stops_halfway(lab):
    def script(connection, _):
        store.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        connection.recv(1)

    store = lab.scripted(script)
    gate = lab.gateway(store, config=quick(store_response="2s"))
    response, seconds = timed(lambda: gate.get(SMALL))
    assert fired(seconds, 1)
    refusal(response, 504, "store-timeout")


def test_store_response_cuts_a_body_that_stops_halfway(lab):
    gate = lab.gateway(lab.stub(segments=True), config=quick(store_response="2s"))

    def download():
        with gate.connect() as connection, pytest.raises(Truncated) as cut:
            connection.get("/artifacts/step-core/@delay-body:60000/core.zip")
        return cut.value

    cut, seconds = timed(download)
    assert fired(seconds, 1)
    assert cut.end in ("eof", "reset")
    line = gate.log_line(cut.response.request_id)
    assert (line["reason"], line["close"]) == ("store-timeout", "store stopped sending")


def test_a_connect_that_closes_again_is_not_logged(lab):
    """It is what a load balancer's health check does, every second of the year."""
    gate = lab.gateway()
    for _ in range(20):
        gate.tcp().close()
    response = gate.get(SMALL)
    assert gate.log_line(response.request_id)["status"] == 200
    assert len(gate.log_lines()) == 1


def test_garbage_after_the_handshake_ends_that_connection_only(lab):
    gate = lab.gateway()
    with gate.connect() as victim, gate.connect() as other:
        victim.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
        data, end = victim.rest()
        assert data == b"" and end != "close_notify"
        assert other.get(SMALL).status == 200
