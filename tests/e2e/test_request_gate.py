"""The strict gate: requests that must be refused, by the tables of mirrorgate_test.cases; what is
fine must pass; the limits; several requests on one connection.

Every case of the tables is sent in one piece and again byte by byte. Afterwards either the answer
said `Connection: close` and the connection has ended, or the next request is answered correctly:
the gateway never loses its place in the stream. The store hears of none of it.
"""

import pytest
from mirrorgate_test.cases import paths, pipelines, requests
from mirrorgate_test.cases.requests import CHUNKED, CHUNKS, HOST, SMALL, filler, get, put
from mirrorgate_test.client import refusal
from mirrorgate_test.pki import SERVER_NAME


@pytest.mark.parametrize("case", requests.CASES + paths.CASES + pipelines.CASES, ids=str)
def test_a_bad_request_is_refused_and_the_store_hears_nothing(bench, case):
    assert not case.attempt(bench, strict=True)


# --- what is fine must pass


@pytest.mark.parametrize(
    "raw",
    [
        get(),
        get("X-Anything: goes\r\n"),
        get("X-Empty:\r\n"),
        get("X-No-Space:b\r\n"),
        get("connection: keep-alive\r\n"),
        f"GET {SMALL} HTTP/1.1\r\nhost: {SERVER_NAME}\r\n\r\n",
        f"GET {SMALL} HTTP/1.1\r\nHOST: {SERVER_NAME}:443\r\n\r\n",
        f"GET {SMALL} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        f"GET {SMALL} HTTP/1.0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("delivery", ["at-once", "byte-by-byte"])
def test_an_ordinary_request_is_served(gate, store, raw, delivery):
    with gate.connect("acme") as connection:
        send = connection.send if delivery == "at-once" else connection.send_slowly
        send(raw.encode("latin-1"))
        response = connection.response()
        assert response.status == 200
        assert response.body == (store.root / SMALL[1:]).read_bytes()


def test_every_character_of_the_path_rule_is_served(gate, store):
    name = "AZaz09-._~+@=:,!$&'()"
    (store.root / "artifacts/step-core" / name).write_bytes(b"odd name")
    assert gate.get(f"/artifacts/step-core/{name}").body == b"odd name"


def test_the_path_that_was_authorised_is_the_path_that_is_sent(gate, store):
    start = store.mark()
    paths = [f"/artifacts/step-core/{name}" for name in ("..a", "a..", "...", "~", "a:b", "a&b")]
    with gate.connect() as connection:
        for path in paths:
            assert connection.get(path).status == 404
    assert [request["path"] for request in store.requests(start)] == paths


# --- sizes


def test_an_endless_request_line_is_cut_off(gate, store):
    with gate.connect() as connection, store.untouched():
        connection.send(b"GET /" + b"a" * 12_000)
        refusal(connection.response(), 414, "uri-too-long")


def test_headers_just_under_16_kib_are_served(gate):
    with gate.connect() as connection:
        connection.send(get(filler(16_384 - len(HOST) - 2)).encode())
        assert connection.response().status == 200


def test_64_fields_are_served_and_65_are_too_many(gate, store):
    with gate.connect() as connection:
        connection.send(get("X-A: b\r\n" * 63).encode())
        assert connection.response().status == 200
        with store.untouched():
            connection.send(get("X-A: b\r\n" * 64).encode())
            refusal(connection.response(), 431, "headers-too-large")


def test_a_path_over_4096_bytes_is_refused(gate, store):
    with gate.connect() as connection, store.untouched():
        for path in ("/artifacts/step-core/".ljust(4097, "a"), "/" + "a/" * 2500):
            response = connection.get(path)
            refusal(response, 414, "uri-too-long")
            assert not response.closes


# --- several requests on one connection


def test_nothing_after_a_framing_doubt_is_answered(gate, store):
    start = store.mark()
    with gate.connect() as connection:
        connection.send((get() + put(CHUNKED, CHUNKS) + get() + get()).encode())
        assert connection.response().status == 200
        refusal(connection.response(), 411, "length-required")
        connection.assert_ended()
    assert [request["path"] for request in store.requests(start)] == [SMALL]


def test_a_refused_body_up_to_256_kib_is_thrown_away(gate, store):
    body = b"x" * (256 * 1024)
    with gate.connect() as connection:
        with store.untouched():
            refusal(connection.request("POST", SMALL, body=body), 405, "method-not-allowed")
        assert connection.get(SMALL).status == 200


def test_a_refused_body_over_256_kib_ends_the_connection_after_the_answer(gate, store):
    body = b"x" * (256 * 1024 + 1)
    with gate.connect() as connection, store.untouched():
        connection.send_request("POST", SMALL, body=body)
        response = connection.response()
        refusal(response, 405, "method-not-allowed")
        assert response.closes
        connection.assert_ended()


def test_a_client_that_asks_before_a_refused_body_need_not_send_it(gate, store):
    fields = [("Content-Length", "1000"), ("Expect", "100-continue")]
    with gate.connect() as connection, store.untouched():
        response = connection.request("POST", SMALL, fields)
        refusal(response, 405, "method-not-allowed")
        assert response.interim == []
        assert response.closes
        connection.assert_ended()
