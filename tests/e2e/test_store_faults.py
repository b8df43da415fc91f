"""The store misbehaves, and the client still gets a correct answer, a clear 502, 503 or 504, or a
connection cut in a way that it can recognise; and nothing in doubt is ever used again.
"""

import socket

import threading

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated, curl, refusal
from mirrorgate_test.gateway import timed

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
IMPATIENT = {"timeouts": {"store_response": "3s", "store_connect": "3s"}}
UNCHECKED = {"store": {"eject_after": 0}}  # the store sees requests of clients alone

BAD = (502, "store-bad-response")
DOWN = (503, "store-unavailable")
LATE = (504, "store-timeout")


@pytest.fixture(scope="module")
def store(module_lab):
    return module_lab.stub(segments=True)


@pytest.fixture(scope="module")
def gate(module_lab, store):
    return module_lab.gateway(store, config=IMPATIENT)


def faulty(path, fault):
    folder, _, name = path.rpartition("/")
    return f"{folder}/@{fault}/{name}"


def refused_with(response, *answers):
    assert response.status in {status for status, _ in answers}
    refusal(response, response.status, {r for s, r in answers if s == response.status})
    if response.status == 503:
        assert int(response.header("Retry-After")) > 0


def connection_of(store, start):
    """The number of the store connection that carried the last request since START."""
    return store.requests(start)[-1]["connection"]


# --- before a byte of the answer went to the client


@pytest.mark.parametrize(
    "fault, answers",
    [
        ("status:500", [BAD]),
        ("status:302", [BAD]),
        ("status:204", [BAD]),
        ("garbage", [BAD]),
        ("huge-head:1000000", [BAD]),
        ("1xx:100000", [BAD]),
        ("reset", [BAD, DOWN]),
        ("silent", [LATE]),
        ("delay-head:5000", [LATE]),
    ],
)
def test_a_broken_answer_is_a_problem_and_its_connection_is_discarded(gate, store, fault, answers):
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        start = store.mark()
        refused_with(connection.get(faulty(SMALL, fault)), *answers)
        doubted = set(store.received(start))
        start = store.mark()
        assert connection.get(SMALL).body == (store.root / SMALL[1:]).read_bytes()
        assert connection_of(store, start) not in doubted


@pytest.mark.parametrize("fault", ["1xx:1", "1xx:3", "huge-head:1000", "delay-head:300", "close"])
def test_an_odd_but_correct_answer_is_passed_on(gate, store, fault):
    with gate.connect() as connection:
        response = connection.get(faulty(SMALL, fault))
        assert (response.status, response.interim) == (200, [])
        assert response.body == (store.root / SMALL[1:]).read_bytes()
        assert connection.get(SMALL).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_silent_store_is_answered_in_time(gate, method):
    with gate.connect() as connection:
        response, seconds = timed(lambda: connection.request(method, faulty(SMALL, "silent")))
    assert response.status == 504
    assert 0.9 < seconds


def test_a_slow_body_that_keeps_coming_is_complete(gate, store):
    path = faulty("/artifacts/step-core/core.zip", "delay-body:100")
    assert gate.get(path).body == (store.root / "artifacts/step-core/core.zip").read_bytes()


# --- in the middle of a body


@pytest.mark.parametrize(
    "fault",
    ["cut-body:1000000", "reset-body:1000000", "wrong-length:5", "delay-body:60000"],
)
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_body_that_ends_early_never_looks_complete(gate, store, fault, version):
    original = (store.root / LARGE[1:]).read_bytes()
    with gate.connect(version=version) as connection:
        connection.send_request("GET", faulty(LARGE, fault))
        with pytest.raises(Truncated) as cut:
            connection.response()
    assert cut.value.end in ("eof", "reset")
    assert cut.value.response.status == 200
    assert original.startswith(cut.value.response.body)
    line = gate.log_line(cut.value.response.request_id)
    stalled = fault.startswith(("delay-body", "wrong-length"))
    assert line["close"] == (
        "store stopped sending" if stalled else "store ended the body early"
    )
    assert line["bytes_out"] < len(original) + 1000


def test_curl_reports_a_cut_download(gate, tmp_path):
    done = curl(gate, faulty(LARGE, "cut-body:1000000"), "--output", str(tmp_path / "part"))
    assert done.returncode in (18, 56), done.stderr


@pytest.mark.parametrize("fault", ["extra:100", "wrong-length:-100", "close"])
def test_a_connection_with_bytes_after_the_answer_is_not_used_again(gate, store, fault):
    original = (store.root / SMALL[1:]).read_bytes()
    with gate.connect() as connection:
        start = store.mark()
        response = connection.get(faulty(SMALL, fault))
        assert response.status == 200 and original.startswith(response.body)
        doubted = set(store.received(start))
        # The store may write the surplus after the answer has been passed on.
        common.wait_until(
            lambda: doubted <= {e["connection"] for e in store.events(start) if e["event"] == "close"},
            "the gateway gives the doubted connection up",
        )
        start = store.mark()
        for _ in range(3):
            assert connection.get(SMALL).body == original
        assert connection_of(store, start) not in doubted


def test_a_client_that_leaves_takes_the_store_connection_with_it(gate, store):
    start = store.mark()
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", LARGE)
        assert connection.readable(10)
        [used] = store.received(start)

    def closed():
        return {"event": "close", "connection": used} in store.events(start)

    common.wait_until(closed, "the store connection, still owed a body, is closed")
    start = store.mark()
    assert gate.get(SMALL).status == 200
    assert connection_of(store, start) != used


def test_sound_connections_are_used_again(gate, store):
    start = store.mark()
    with gate.connect() as connection:
        for _ in range(20):
            assert connection.get(SMALL).status == 200
            assert connection.request("HEAD", LARGE).status == 200
            assert connection.get("/artifacts/step-core/none").status == 404
    assert len(store.received(start)) == 1


# --- a kept-alive connection that died


def heads_of(store, start, word):
    return sum(data.count(word) for data in store.received(start).values())


@pytest.fixture
def dying(lab):
    """A gateway whose store closes each connection when the second request arrives on it."""
    store = lab.stub(faults=["*=die-idle"])
    return lab.gateway(store, config=IMPATIENT)


def test_a_get_is_tried_once_more_when_a_kept_connection_died(dying):
    [store] = dying.stores
    with dying.connect() as connection:
        assert connection.get(SMALL).status == 200
        start = store.mark()
        response = connection.get(LARGE)
    assert response.body == (store.root / LARGE[1:]).read_bytes()
    assert heads_of(store, start, b"GET " + LARGE.encode()) == 2
    assert len(store.received(start)) == 2


def test_a_put_never_goes_over_a_kept_connection(dying):
    [store] = dying.stores
    body = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
    with dying.connect() as connection:
        assert connection.get(SMALL).status == 200
        start = store.mark()
        fields = [("Content-Type", "application/json")]
        assert connection.request("PUT", "/snapshots/prod-1", fields, body).status == 201
    assert heads_of(store, start, b"PUT /snapshots/acme/prod-1/") == 1
    assert len(store.snapshots()) == 1


def test_a_put_is_not_tried_again(lab):
    def script(connection, number):
        store.read_head(connection)
        connection.close()

    store = lab.scripted(script)
    gate = lab.gateway(store, config=UNCHECKED)
    body = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
    with gate.connect() as connection:
        fields = [("Content-Type", "application/json")]
        refused_with(connection.request("PUT", "/snapshots/prod-1", fields, body), BAD, DOWN)
    assert (store.accepted, len(store.heads)) == (1, 1)


def test_a_get_is_not_tried_a_third_time(lab):
    def script(connection, number):
        store.read_head(connection)
        if number == 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            store.read_head(connection)
        connection.close()

    store = lab.scripted(script)
    gate = lab.gateway(store, config=UNCHECKED)
    with gate.connect() as connection:
        assert connection.get(SMALL).body == b"ok"
        refused_with(connection.get(SMALL), BAD, DOWN)
    assert (store.accepted, len(store.heads)) == (2, 3)


def test_a_get_is_not_tried_again_once_an_answer_began(lab):
    def script(connection, number):
        store.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        store.read_head(connection)
        connection.sendall(b"HTTP/1.1 20")
        connection.close()

    store = lab.scripted(script)
    gate = lab.gateway(store, config=UNCHECKED)
    with gate.connect() as connection:
        assert connection.get(SMALL).body == b"ok"
        refused_with(connection.get(SMALL), BAD)
    assert (store.accepted, len(store.heads)) == (1, 2)


def test_bytes_that_come_unasked_on_an_idle_connection_are_nobodys_answer(lab):
    ended = threading.Event()

    def script(connection, number):
        if number == 1:
            connection.settimeout(common.LONG)
        while True:
            try:
                store.read_head(connection)
            except ConnectionResetError:
                ended.set()
                raise
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
            connection.sendall(answer + b"good")
            if number == 1:
                connection.sendall(answer + b"evil")

    store = lab.scripted(script)
    gate = lab.gateway(store)
    with gate.connect("acme") as acme, gate.connect("initech") as initech:
        assert acme.get(SMALL).body == b"good"
        assert ended.wait(common.LONG), "the gateway drops the store connection that spoke out of turn"
        for connection in (initech, acme, initech):
            assert connection.get(SMALL).body == b"good"
    assert store.accepted == 2


def test_two_answers_in_one_packet_never_cross_customers(lab):
    def script(connection, _):
        while True:
            head = store.read_head(connection)
            name = b"acme" if b"Customer: acme" in head else b"init"
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + name
            connection.sendall(answer * 2)

    store = lab.scripted(script)
    gate = lab.gateway(store)
    with gate.connect("acme") as acme, gate.connect("initech") as initech:
        for _ in range(5):
            assert acme.get(SMALL).body == b"acme"
            assert initech.get(SMALL).body == b"init"
    assert store.accepted == 10


# --- reaching the store


@pytest.fixture
def nobody():
    """The address of a port where connecting is refused."""
    with common.free_address_of_nobody(socket.socket) as sock:
        yield "http://127.0.0.1:%d" % sock.getsockname()[1]


def test_no_store_at_all_is_unavailable(lab, nobody):
    gate = lab.gateway(config={"store": {"servers": [nobody]}})
    with gate.connect() as connection:
        for _ in range(3):
            refused_with(connection.get(SMALL), DOWN)
        fields = [("Content-Type", "application/json")]
        body = b'{"format":"thin-snapshot/1","system":"a","components":[]}'
        refused_with(connection.request("PUT", "/snapshots/a", fields, body), DOWN)


def test_the_second_server_answers_when_the_first_refuses(lab, nobody):
    store = lab.stub()
    gate = lab.gateway(store, config={"store": {"servers": [nobody, store.url]}})
    with gate.connect() as connection:
        for _ in range(10):
            response = connection.get(SMALL)
            assert response.status == 200
            assert gate.log_line(response.request_id)["store"] == store.address
        body = b'{"format":"thin-snapshot/1","system":"a","components":[]}'
        fields = [("Content-Type", "application/json")]
        assert connection.request("PUT", "/snapshots/a", fields, body).status == 201


def test_a_store_that_closes_at_accept_is_a_problem(lab):
    gate = lab.gateway(lab.stub(faults=["*=refuse"]))
    with gate.connect() as connection:
        refused_with(connection.get(SMALL), BAD, DOWN)


def test_a_store_that_comes_back_is_used_again(lab):
    root = lab.root()
    path = lab.new_folder("socket") / "s"
    first = lab.stub(root, listen=f"unix:{path}")
    gate = lab.gateway(first)
    assert gate.get(SMALL).status == 200
    first.stop()
    path.unlink(missing_ok=True)
    refused_with(gate.get(SMALL), DOWN)
    lab.stub(root, listen=f"unix:{path}")
    common.wait_until(lambda: gate.get(SMALL).status == 200, "the store is used again")


def test_a_store_behind_a_unix_socket_serves_and_files(lab):
    store = lab.stub(listen=f"unix:{lab.new_folder('socket') / 's'}")
    gate = lab.gateway(store)
    with gate.connect() as connection:
        response = connection.get(LARGE)
        assert response.body == (store.root / LARGE[1:]).read_bytes()
        assert gate.log_line(response.request_id)["store"] == store.address
        body = b'{"format":"thin-snapshot/1","system":"a","components":[]}'
        fields = [("Content-Type", "application/json")]
        assert connection.request("PUT", "/snapshots/a", fields, body).status == 201
    assert {request["headers"]["host"] for request in store.requests()} == {"localhost"}


def test_messages_about_the_store_say_what_was_being_done(lab, nobody):
    gate = lab.gateway(config={"store": {"servers": [nobody]}})
    refused_with(gate.get(SMALL), DOWN)
    address = nobody.removeprefix("http://")
    gate.wait_line(rf"mirrorgate: (warning|error): .* while connecting to store {address}.*")
