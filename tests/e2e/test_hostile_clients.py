"""Clients with a good certificate and bad intentions: none makes the gateway spin, hoard memory,
keep others waiting, or say to the store what it should not.
"""

import contextlib
import os
import signal
import threading

import pytest
from mirrorgate_test import common
from mirrorgate_test.cases import floods
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import MemoryWatch
from mirrorgate_test.key_updates import KeyUpdater
from mirrorgate_test.pki import SERVER_NAME

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
HOST = f"Host: {SERVER_NAME}\r\n"
LINE_MAX, FIELDS_MAX = 8192, 16_384  # bytes, of design section 4
SNAPSHOT = b'{"format":"thin-snapshot/1","system":"s","components":[]}'


def get(path):
    return f"GET {path} HTTP/1.1\r\n{HOST}\r\n".encode()


# --- a request that goes on in the memory of its own head


def smuggled(size):
    """An entity tag of SIZE bytes that ends the request early and begins another one."""
    evil = b"not a snapshot"
    text = b'"a"\r\nHost: s\r\nContent-Length: 0\r\n\r\n'
    text += b"PUT /snapshots/globex/prod-1/evil.json HTTP/1.1\r\nHost: s\r\n"
    text += b"Content-Length: %d\r\n\r\n" % len(evil) + evil
    assert len(text) <= size
    return text.ljust(size, b"!")


def test_a_condition_of_an_upload_cannot_smuggle_a_request_to_the_store(lab):
    """The tag's bytes are gone when the body has arrived; what lies in their place is the
    client's choice too."""
    store = lab.stub()
    gate = lab.gateway(store)
    fields = f"{HOST}Content-Type: application/json\r\nContent-Length: {len(SNAPSHOT)}\r\n"
    fields += "Expect: 100-continue\r\nIf-None-Match: "
    before = f"PUT /snapshots/s HTTP/1.1\r\n{fields}".encode()
    tag = smuggled(200)
    with gate.connect() as connection:
        connection.send(before + b'"' + b"a" * (len(tag) - 2) + b'"\r\n\r\n')
        assert connection.read_any_head().status == 100, "the head was judged, and let go"
        connection.send(SNAPSHOT.ljust(len(before), b"x") + tag)
        assert connection.response().status == 201
        refusal(connection.response(), 400, "malformed-request")  # what follows the body
    [sent] = store.received().values()
    head, _, body = sent.partition(b"\r\n\r\n")
    assert b"If-None-Match" not in head and b"\r\n\r\n" not in body and b"globex" not in sent
    assert len(store.requests()) == 1
    assert [path.split("/")[:2] for path in store.snapshots()] == [["acme", "s"]]


# --- heads at the limit


def longest_head(excess):
    """A head whose parts are exactly as long as they may be, or longer by EXCESS bytes, without
    the line feed that ends it."""
    ending = " HTTP/1.1"
    line = "GET /".ljust(LINE_MAX - len(ending), "a") + ending
    fields = HOST + 4 * f"A: {'b' * 3000}\r\n"
    fields += "C: ".ljust(FIELDS_MAX + excess - len(fields) - 2, "d") + "\r\n"
    assert len(line) == LINE_MAX and len(fields) == FIELDS_MAX + excess
    return f"{line}\r\n{fields}\r".encode()


@pytest.mark.parametrize("excess", [-1, 0, 1])
@pytest.mark.parametrize("split", [False, True], ids=["at-once", "in-two"])
def test_a_head_of_exactly_the_limit_that_never_ends_costs_no_time(lab, excess, split):
    gate = lab.gateway()
    head = longest_head(excess)
    with gate.connect() as connection, gate.stores[0].untouched():
        for piece in (head[:16_384], head[16_384:]) if split else (head,):
            connection.send(piece)
            gate.wait_rest()
        connection.send(b"x" * 200)
        gate.wait_rest()
        assert gate.get("/licence", who="initech").status == 200
        response = connection.response()
        assert response.status in (400, 431) and response.closes


# --- new keys without end

FLOOD = 400_000  # updates; what sockets hold is a fraction of their answers


ANY_NUMBER = {"limits": {"records_without_data": 1_000_000}}


def test_a_client_that_asks_for_new_keys_without_end_is_cut(lab):
    gate = lab.gateway()
    with KeyUpdater(gate.tcp(), gate.world.identity("acme")) as client:
        with pytest.raises(ConnectionError):
            while client.flood(500, 10.0 * common.PATIENCE):
                pass
    gate.wait_line(".*: too many TLS records without application data")
    text = gate.get("/metrics", who="ops").body.decode()
    assert "\nmirrorgate_connections_flooding_total 1\n" in text


def test_a_client_may_ask_for_new_keys_now_and_then(lab):
    gate = lab.gateway()
    with KeyUpdater(gate.tcp(), gate.world.identity("acme")) as client:
        for _ in range(10):
            client.update(5)
            client.write(get(SMALL))
            assert client.send(10.0 * common.PATIENCE)
        common.wait_until(lambda: len(gate.log_lines()) == 10, "all are answered")
        assert {line["status"] for line in gate.log_lines()} == {200}


def test_requests_in_between_earn_no_keys_without_end(lab):
    gate = lab.gateway()
    [store] = gate.stores
    with KeyUpdater(gate.tcp(), gate.world.identity("acme")) as client, store.untouched():
        with pytest.raises(ConnectionError):
            for byte in get(SMALL) * 100:
                client.update(1)
                client.write(bytes([byte]))
                assert client.send(10.0 * common.PATIENCE)
    gate.wait_line(".*: too many TLS records without application data")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_records_without_end_do_not_keep_a_handshake_busy(gate, version):
    """Each of these is legal by itself, and costs nothing to send (RFC 8446, 5)."""
    record = b"\x14\x03\x03\x00\x01\x01" if version == "1.3" else b"\x16\x03\x01\x00\x00"
    with gate.tcp() as sock, contextlib.suppress(ConnectionError):
        sock.sendall(record * 100_000)
        while sock.recv(65536):
            pass
    assert gate.get(SMALL).status == 200


def test_a_client_that_asks_for_new_keys_and_reads_nothing_is_read_no_more(lab):
    gate = lab.gateway(config=ANY_NUMBER)
    assert gate.get(SMALL).status == 200
    with KeyUpdater(gate.tcp(receive_buffer=4096), gate.world.identity("acme")) as client:
        with MemoryWatch(gate) as memory:
            assert client.flood(FLOOD, 1.0 * common.PATIENCE) < FLOOD
        gate.wait_rest()
        assert gate.get(SMALL, who="initech").status == 200
    assert memory.growth < (2 << 20) * common.MEMORY_FACTOR


def test_a_request_behind_answers_that_nobody_reads_costs_no_time(lab):
    gate = lab.gateway(config=ANY_NUMBER)
    with KeyUpdater(gate.tcp(receive_buffer=4096), gate.world.identity("acme")) as client:
        client.flood(60_000, 1.0 * common.PATIENCE)
        client.write(get(LARGE))
        client.send(1.0 * common.PATIENCE)
        gate.wait_rest()
        assert gate.get(SMALL, who="initech").status == 200


@pytest.mark.parametrize("case", floods.CASES, ids=str)
def test_what_has_no_use_has_an_end(bench, case):
    assert not case.attempt(bench, strict=True)


# --- a client that pipelines

PIPELINED = 300


def answers_in_order(connection, count):
    """Reads COUNT answers in a thread, which it returns with the list of their request ids."""
    identifiers = []

    def read():
        for _ in range(count):
            identifiers.append(connection.response().request_id)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread, identifiers


def test_others_are_served_while_a_client_pipelines(lab):
    """The requests of three clients lie waiting when the worker wakes up: one pipelines, one asked
    before it and one after it. Neither may have to wait for the whole pipeline."""
    gate = lab.gateway()
    [worker] = gate.workers()
    with gate.connect("acme") as pipeline, gate.connect("acme") as early, gate.connect() as late:
        os.kill(worker, signal.SIGSTOP)
        early.send(get("/licence"))
        pipeline.send(get("/licence") * PIPELINED)
        late.send(get("/licence"))
        thread, identifiers = answers_in_order(pipeline, PIPELINED)
        os.kill(worker, signal.SIGCONT)
        others = [connection.response().request_id for connection in (early, late)]
        thread.join(30 * common.PATIENCE)
    assert len(identifiers) == PIPELINED
    gate.log_line(identifiers[-1])
    order = [line["request_id"] for line in gate.log_lines()]
    assert [one for one in order if one in set(identifiers)] == identifiers
    assert max(map(order.index, others)) < PIPELINED // 4


# --- a subject that nobody knows


@pytest.mark.parametrize(
    "request_text, status",
    [
        (get(SMALL), 403),
        (get("/artifacts//x"), 400),
        (get("/artifacts/%41"), 400),
        (get(SMALL).replace(b"GET", b"DELETE"), 405),
        (f"POST {SMALL} HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\nab".encode(), 405),
        (get(SMALL).replace(SERVER_NAME.encode(), b"other.example"), 421),
    ],
    ids=["good", "double-slash", "percent", "delete", "post", "other-host"],
)
def test_an_unknown_subject_gets_one_answer_whatever_it_asks(lab, request_text, status):
    gate = lab.gateway(config={"server_names": [SERVER_NAME]})
    with gate.connect("stranger") as connection, gate.stores[0].untouched():
        connection.send(request_text)
        response = connection.response()
        assert response.status in (status, 403)
        assert response.closes
        connection.assert_ended()


def test_a_known_subject_may_go_on_after_such_a_refusal(lab):
    gate = lab.gateway()
    with gate.connect("acme") as connection:
        refusal(connection.get("/artifacts//x"), 400, "malformed-path")
        refusal(connection.request("POST", SMALL, body=b"ab"), 405, "method-not-allowed")
        assert connection.get(SMALL).status == 200


def test_a_client_that_leaves_without_reading_is_noticed_by_nobody_else(lab):
    """Whether it leaves or stays, nothing spins for it."""
    gate = lab.gateway()
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", LARGE)
        assert connection.readable(10)
        gate.wait_rest()
        connection.send(get(SMALL) * 1000)
        gate.wait_rest()
    gate.wait_rest()
    with gate.connect() as other:
        assert other.get(LARGE).content_length == 4_000_000
