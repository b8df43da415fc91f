"""The strict gate: raw requests that must be refused, and with which answer.

Every case is sent in one piece and again byte by byte. Afterwards either the answer said
`Connection: close` and the connection has ended, or the next request is answered correctly: the
gateway never loses its place in the stream. The store hears of none of it.
"""

import dataclasses

import pytest
from mirrorgate_test.client import refusal
from mirrorgate_test.pki import SERVER_NAME

SMALL = "/artifacts/step-core/small.txt"
HOST = f"Host: {SERVER_NAME}\r\n"
JSON = "Content-Type: application/json\r\n"
PUT = "PUT /snapshots/prod-1 HTTP/1.1\r\n" + HOST + JSON

MALFORMED = (400, "malformed-request")
BAD_PATH = (400, "malformed-path")
NO_BODY = (400, "body-not-allowed")
NO_LENGTH = (411, "length-required")
NOT_ALLOWED = (405, "method-not-allowed")
NO_METHOD = (NOT_ALLOWED, MALFORMED, BAD_PATH)
UNKNOWN = (501, "method-unknown")
TOO_LARGE = (413, "snapshot-too-large")
EITHER = None  # the connection may stay open or not


@dataclasses.dataclass
class Case:
    """RAW, what answers it (one of several where the design leaves a choice), and whether the
    connection must be closed then (None: either)."""

    name: str
    raw: str
    answers: tuple
    closes: bool | None = True


def get(fields="", target=SMALL, version="HTTP/1.1"):
    return f"GET {target} {version}\r\n{HOST}{fields}\r\n"


def line(text):
    """A request whose request line is TEXT."""
    return f"{text}\r\n{HOST}\r\n"


def put(fields, body=""):
    return f"{PUT}{fields}\r\n{body}"


def put_length(value, body="{}"):
    return put(f"Content-Length: {value}\r\n", body)


def case(name, raw, *answers, closes=True):
    return Case(name, raw, answers, closes)


HEAD_CASES = [
    case("no-host", f"GET {SMALL} HTTP/1.1\r\n\r\n", MALFORMED),
    case("host-twice", get(HOST), MALFORMED),
    case("host-twice-different", get("Host: other.example\r\n"), MALFORMED),
    case("host-with-space", f"GET {SMALL} HTTP/1.1\r\nHost: a b\r\n\r\n", MALFORMED),
    case("host-with-path", f"GET {SMALL} HTTP/1.1\r\nHost: a/b\r\n\r\n", MALFORMED),
    case("host-with-user", f"GET {SMALL} HTTP/1.1\r\nHost: u@a\r\n\r\n", MALFORMED),
    case("bare-lf-everywhere", get().replace("\r\n", "\n"), MALFORMED),
    case("bare-lf-after-request-line", get().replace("\r\n", "\n", 1), MALFORMED),
    case("bare-lf-after-field", get("X-A: b\n"), MALFORMED),
    case("bare-cr-in-value", get("X-A: b\rX-B: c\r\n"), MALFORMED),
    case("bare-cr-after-request-line", get().replace("\r\n", "\r", 1), MALFORMED),
    case("cr-cr-lf", get("X-A: b\r\r\n"), MALFORMED),
    case("obs-fold-space", get("X-A: b\r\n c\r\n"), MALFORMED),
    case("obs-fold-tab", get("X-A: b\r\n\tc\r\n"), MALFORMED),
    case("space-before-first-field", f"GET {SMALL} HTTP/1.1\r\n {HOST}\r\n", MALFORMED),
    case("nul-in-value", get("X-A: b\0c\r\n"), MALFORMED),
    case("nul-in-name", get("X-\0A: b\r\n"), MALFORMED),
    case("control-in-value", get("X-A: b\x01c\r\n"), MALFORMED),
    case("delete-in-value", get("X-A: b\x7fc\r\n"), MALFORMED),
    case("control-first-in-value", get("X-A: \x02b\r\n"), MALFORMED),
    case("high-byte-in-value", get("X-A: caf\xe9\r\n"), MALFORMED),
    case("high-byte-in-name", get("X-\xe9: b\r\n"), MALFORMED),
    case("space-before-colon", get("X-A : b\r\n"), MALFORMED),
    case("tab-before-colon", get("X-A\t: b\r\n"), MALFORMED),
    case("space-in-name", get("X A: b\r\n"), MALFORMED),
    case("no-colon", get("X-A\r\n"), MALFORMED),
    case("empty-name", get(": b\r\n"), MALFORMED),
    case("parenthesis-in-name", get("X(A): b\r\n"), MALFORMED),
    case("upgrade", get("Connection: Upgrade\r\nUpgrade: websocket\r\n"), MALFORMED),
    case("upgrade-h2c", get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"), MALFORMED),
    case("expect-something", get("Expect: 200-ok\r\n"), (417, "expectation-failed"), closes=EITHER),
]

REQUEST_LINE_CASES = [
    case("http-0.9", f"GET {SMALL}\r\n\r\n", MALFORMED),
    case("http-1.2", get(version="HTTP/1.2"), MALFORMED),
    case("http-2.0", get(version="HTTP/2.0"), MALFORMED),
    case("http-0.9-named", get(version="HTTP/0.9"), MALFORMED),
    case("http-1.10", get(version="HTTP/1.10"), MALFORMED),
    case("http-01.1", get(version="HTTP/01.1"), MALFORMED),
    case("http-lower-case", get(version="http/1.1"), MALFORMED),
    case("http-1", get(version="HTTP/1"), MALFORMED),
    case("two-spaces", line(f"GET  {SMALL} HTTP/1.1"), MALFORMED, BAD_PATH),
    case("tab-for-space", line(f"GET\t{SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    case("space-at-end", line(f"GET {SMALL} HTTP/1.1 "), MALFORMED),
    case("space-at-start", line(f" GET {SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    case("four-words", line(f"GET {SMALL} x HTTP/1.1"), MALFORMED, BAD_PATH),
    case("http-2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED, UNKNOWN),
    case("not-http", "EHLO example.com\r\n\r\n", MALFORMED, UNKNOWN),
    case("method-with-high-byte", line(f"G\xc9T {SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    case("lower-case-method", line(f"get {SMALL} HTTP/1.1"), UNKNOWN, closes=EITHER),
    case("unknown-method", line(f"FETCH {SMALL} HTTP/1.1"), UNKNOWN, closes=EITHER),
    case("trace", line(f"TRACE {SMALL} HTTP/1.1"), *NO_METHOD, closes=EITHER),
    case("connect", line("CONNECT a.example:443 HTTP/1.1"), *NO_METHOD, closes=EITHER),
    case("connect-path", line(f"CONNECT {SMALL} HTTP/1.1"), *NO_METHOD, closes=EITHER),
    case("options-asterisk", line("OPTIONS * HTTP/1.1"), *NO_METHOD, closes=EITHER),
]

PATHS = {
    "percent-encoded-slash": "/artifacts/step-core%2Fsmall.txt",
    "percent-encoded-letter": "/artifacts/step-core/sm%61ll.txt",
    "percent-encoded-dots": "/artifacts/step-core/%2e%2e/step-plus/plus.zip",
    "double-encoded": "/artifacts/step-core/%252e%252e/x",
    "overlong-utf-8": "/artifacts/step-core/%c0%ae%c0%ae/x",
    "lone-percent": "/artifacts/step-core/%",
    "dot-dot": "/artifacts/step-core/../step-plus/plus.zip",
    "dot-dot-at-end": "/artifacts/step-core/..",
    "dot-dot-at-start": "/../artifacts/step-core/small.txt",
    "dot": "/artifacts/./step-core/small.txt",
    "dot-at-end": "/artifacts/step-core/.",
    "double-slash": "/artifacts//step-core/small.txt",
    "double-slash-at-start": "//artifacts/step-core/small.txt",
    "double-slash-at-end": "/artifacts/step-core//",
    "semicolon": "/artifacts/step-core/small.txt;v=1",
    "dot-dot-semicolon": "/artifacts/step-core/..;/step-plus/plus.zip",
    "asterisk-inside": "/artifacts/step-core/*",
    "backslash": "/artifacts/step-core\\small.txt",
    "dot-dot-backslash": "/artifacts/step-core/..\\step-plus\\plus.zip",
    "query": "/artifacts/step-core/small.txt?x=1",
    "empty-query": "/artifacts/step-core/small.txt?",
    "fragment": "/artifacts/step-core/small.txt#x",
    "quote": '/artifacts/step-core/"x"',
    "angle": "/artifacts/step-core/<x>",
    "brace": "/artifacts/step-core/{x}",
    "bar": "/artifacts/step-core/a|b",
    "caret": "/artifacts/step-core/a^b",
    "bracket": "/artifacts/step-core/[x]",
    "backtick": "/artifacts/step-core/`x`",
    "asterisk-form": "*",
    "absolute-form": f"https://{SERVER_NAME}{SMALL}",
    "absolute-form-other-host": f"http://evil.example{SMALL}",
    "authority-form": f"{SERVER_NAME}:443",
    "no-slash": "artifacts/step-core/small.txt",
    "control-byte": "/artifacts/step-core/a\x01b",
    "delete-byte": "/artifacts/step-core/a\x7fb",
    "nul-byte": "/artifacts/step-core/small.txt\0",
    "high-byte": "/artifacts/step-core/caf\xe9",
    "query-on-healthz": "/healthz?x",
    "encoded-healthz": "/health%7a",
}
# Bytes that no target may hold at all, and forms that are no path, may count as a broken request.
FORMS = {"asterisk-form", "absolute-form", "absolute-form-other-host", "authority-form", "no-slash"}
BYTES = {"control-byte", "delete-byte", "nul-byte", "high-byte"}
PATH_CASES = [
    case(f"path-{name}", get(target=target), BAD_PATH, MALFORMED, closes=EITHER)
    if name in FORMS | BYTES
    else case(f"path-{name}", get(target=target), BAD_PATH, closes=EITHER)
    for name, target in PATHS.items()
]

CHUNKED = "Transfer-Encoding: chunked\r\n"
BODY = "Content-Length: 5\r\n"
CHUNKS = "5\r\nhello\r\n0\r\n\r\n"
LENGTHS = {
    "plus": "+2",
    "minus": "-1",
    "hex": "0x2",
    "zeros": "002",
    "list": "2,2",
    "list-space": "2, 2",
    "two-words": "2 2",
    "empty": "",
    "word": "two",
    "float": "2.0",
    "underscore": "2_0",
    "trailing": "2;",
    "quotes": '"2"',
    "exponent": "2e0",
    "vertical-tab": "\x0b2",
    "2-63": "9223372036854775808",
    "2-64": "18446744073709551616",
    "2-64-and-2": "18446744073709551618",
}
LENGTH_CASES = [
    case(f"length-{name}", put_length(value), MALFORMED, *[TOO_LARGE] * name.startswith("2-6"))
    for name, value in LENGTHS.items()
]
BODY_CASES = [
    case("length-twice-same", put_length("2\r\nContent-Length: 2"), MALFORMED),
    case("length-twice-different", put_length("2\r\nContent-Length: 3", "{}x"), MALFORMED),
    case("length-twice-in-case", put_length("2\r\ncontent-length: 2"), MALFORMED),
    case("chunked-and-length", put(CHUNKED + BODY, CHUNKS), MALFORMED),
    case("length-and-chunked", put(BODY + CHUNKED, CHUNKS), MALFORMED),
    case("chunked", put(CHUNKED, CHUNKS), NO_LENGTH),
    case("chunked-http-1.0", put(CHUNKED, CHUNKS).replace("1.1", "1.0"), NO_LENGTH, MALFORMED),
    case("te-identity", put("Transfer-Encoding: identity\r\n"), NO_LENGTH),
    case("te-gzip-chunked", put("Transfer-Encoding: gzip, chunked\r\n", CHUNKS), NO_LENGTH),
    case("te-upper-case", put("TRANSFER-ENCODING: CHUNKED\r\n", CHUNKS), NO_LENGTH),
    case("te-empty", put("Transfer-Encoding:\r\n"), NO_LENGTH, MALFORMED),
    case("te-hidden-by-space", put("Transfer-Encoding : chunked\r\n", CHUNKS), MALFORMED),
    case("te-folded", put("Transfer-Encoding:\r\n chunked\r\n", CHUNKS), MALFORMED, NO_LENGTH),
    case("te-on-get", get(CHUNKED) + CHUNKS, NO_LENGTH, NO_BODY),
    case("te-on-get-and-length", get(CHUNKED + BODY) + CHUNKS, MALFORMED, NO_BODY),
    case("put-without-length", put(""), NO_LENGTH, closes=EITHER),
    case("body-on-get", get(BODY) + "hello", NO_BODY, closes=EITHER),
    case("body-on-head", get(BODY).replace("GET", "HEAD") + "hello", NO_BODY, closes=EITHER),
    case("get-as-body", get(f"Content-Length: {len(get())}\r\n") + get(), NO_BODY, closes=EITHER),
]

CASES = HEAD_CASES + REQUEST_LINE_CASES + PATH_CASES + LENGTH_CASES + BODY_CASES


@pytest.mark.parametrize("delivery", ["at-once", "byte-by-byte"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_request_is_refused_and_the_store_hears_nothing(gate, store, case, delivery):
    with gate.connect("acme") as connection:
        with store.untouched():
            raw = case.raw.encode("latin-1")
            (connection.send if delivery == "at-once" else connection.send_slowly)(raw)
            is_head = raw.startswith(b"HEAD")
            response = connection.response("HEAD" if is_head else "GET")
            check_answer(gate, response, case, is_head)
            if case.closes:
                assert response.closes, "framing in doubt must end the connection"
            if response.closes:
                check_ended(connection, delivery)
        if not response.closes:
            assert connection.get(SMALL).body == (store.root / SMALL[1:]).read_bytes()


def check_answer(gate, response, case, is_head):
    """HEAD has no body to look into: then the log has the reason."""
    if is_head:
        answer = (response.status, gate.log_line(response.request_id)["reason"])
        assert answer in case.answers
        return
    assert response.status in {status for status, _ in case.answers}, response.body
    refusal(response, response.status, {r for s, r in case.answers if s == response.status})
    if response.status == 405:
        assert response.header("Allow")


def check_ended(connection, delivery):
    """No byte after the answer; a client still sending may see a reset instead of the end."""
    data, end = connection.rest()
    assert data == b""
    assert end == "close_notify" or delivery == "byte-by-byte"


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


def filler(size):
    """Header fields of SIZE bytes together, in lines of at most 1,000."""
    lines = []
    while size > 0:
        length = size if size <= 1000 else min(1000, size - 20)
        lines.append("X-Fill: " + "x" * (length - 10) + "\r\n")
        size -= length
    return "".join(lines)


def test_a_request_line_over_8_kib_is_too_long(gate, store):
    with gate.connect() as connection, store.untouched():
        connection.send(get(target="/artifacts/step-core/" + "a" * 8192).encode())
        response = connection.response()
        refusal(response, 414, "uri-too-long")
        assert response.closes


def test_an_endless_request_line_is_cut_off(gate, store):
    with gate.connect() as connection, store.untouched():
        connection.send(b"GET /" + b"a" * 12_000)
        refusal(connection.response(), 414, "uri-too-long")


def test_headers_over_16_kib_are_too_large(gate, store):
    with gate.connect() as connection, store.untouched():
        connection.send(get(filler(16_385)).encode())
        response = connection.response()
        refusal(response, 431, "headers-too-large")
        assert response.closes


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
        response = connection.get("/artifacts/step-core/" + "a/" * 2500)
        assert response.status in (400, 414)


# --- several requests on one connection


def test_after_a_clean_refusal_pipelined_requests_go_on_in_order(gate, store):
    start = store.mark()
    plus = "/artifacts/step-plus/plus.zip"
    raw = get() + get(target=plus) + get() + get(target="/healthz") + get()
    with gate.connect() as connection:
        connection.send(raw.encode())
        statuses = [connection.response().status for _ in range(5)]
    assert statuses == [200, 403, 200, 403, 200]
    assert [request["path"] for request in store.requests(start)] == [SMALL] * 3


def test_nothing_after_a_framing_doubt_is_answered(gate, store):
    start = store.mark()
    with gate.connect() as connection:
        connection.send((get() + put(CHUNKED, CHUNKS) + get() + get()).encode())
        assert connection.response().status == 200
        refusal(connection.response(), 411, "length-required")
        connection.assert_ended()
    assert [request["path"] for request in store.requests(start)] == [SMALL]


def test_nothing_after_connection_close_is_answered(gate, store):
    start = store.mark()
    with gate.connect() as connection:
        connection.send((get("Connection: close\r\n") + get()).encode())
        assert connection.response().status == 200
        connection.assert_ended()
    assert len(store.requests(start)) == 1


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
