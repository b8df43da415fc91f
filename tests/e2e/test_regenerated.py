"""Nothing a client sent is copied to the store, and nothing else of the store to the client.

The stub logs every byte it received, so these tests compare whole request heads; the answers come
from files that hold a complete response.
"""

import re

import pytest
from mirrorgate_test.client import refusal
from mirrorgate_test.store import write

SMALL = "/artifacts/step-core/small.txt"
MINIMAL = {"host", "x-mirrorgate-customer", "x-request-id"}

SPOOFED = [
    ("X-Mirrorgate-Customer", "globex"),
    ("X-Request-Id", "chosen-by-the-client"),
    ("X-Forwarded-For", "192.0.2.1"),
    ("X-Forwarded-Host", "evil.example"),
    ("Forwarded", "for=192.0.2.1"),
    ("X-Real-IP", "192.0.2.1"),
    ("X-SSL-Client-Verify", "SUCCESS"),
    ("X-Client-Cert-Subject", "CN=globex-prod"),
    ("X-Original-URL", "/artifacts/step-plus/plus.zip"),
    ("X-Rewrite-URL", "/artifacts/step-plus/plus.zip"),
    ("Authorization", "Basic YTpi"),
    ("Cookie", "a=b"),
    ("User-Agent", "spot/1.0"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "gzip"),
    ("Connection", "keep-alive, X-Mirrorgate-Customer, Host"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("TE", "trailers"),
    ("Via", "1.1 evil"),
    ("Referer", "https://evil.example/"),
    ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("If-Match", '"x"'),
]


@pytest.fixture(scope="module")
def store(module_lab):
    return module_lab.stub(segments=True)


def heads(store, start):
    """The request heads that the store received, as (request line, {lower-case name: value})."""
    found = []
    for data in store.received(start).values():
        for head in data.split(b"\r\n\r\n")[:-1]:
            line, *fields = head.decode("ascii").split("\r\n")
            pairs = [field.split(": ", 1) for field in fields]
            names = [name.lower() for name, _ in pairs]
            assert len(names) == len(set(names)), head
            found.append((line, dict(zip(names, (value for _, value in pairs)))))
    return found


def the_head(store, start):
    [head] = heads(store, start)
    return head


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_store_receives_only_what_the_decision_holds(gate, store, method):
    start = store.mark()
    with gate.connect("acme") as connection:
        response = connection.request(method, SMALL, SPOOFED)
    assert response.status == 200
    line, fields = the_head(store, start)
    assert line == f"{method} {SMALL} HTTP/1.1"
    assert fields == {
        "host": store.address,
        "x-mirrorgate-customer": "acme",
        "x-request-id": response.request_id,
    }


def test_request_ids_are_ours_and_never_repeat(gate, store):
    start = store.mark()
    with gate.connect("acme") as connection:
        answered = [connection.get(SMALL, SPOOFED).request_id for _ in range(50)]
    assert len(set(answered)) == 50
    assert "chosen-by-the-client" not in answered
    assert [fields["x-request-id"] for _, fields in heads(store, start)] == answered


@pytest.mark.parametrize(
    "sent, received",
    [
        ([("Range", "bytes=0-9")], {"range": "bytes=0-9"}),
        ([("Range", "bytes=5-")], {"range": "bytes=5-"}),
        ([("Range", "bytes=-5")], {"range": "bytes=-5"}),
        ([("Range", "bytes=007-009")], {"range": "bytes=7-9"}),
        ([("Range", "bytes=0-1,3-4")], {}),
        ([("Range", "bytes=abc")], {}),
        ([("Range", "items=0-1")], {}),
        ([("Range", "bytes=9-0")], {}),
        ([("Range", "bytes=0-18446744073709551616")], {}),
        ([("If-None-Match", '"abc"')], {"if-none-match": '"abc"'}),
        ([("If-None-Match", "*")], {"if-none-match": "*"}),
        (
            [("If-Range", '"abc"'), ("Range", "bytes=0-9")],
            {"range": "bytes=0-9", "if-range": '"abc"'},
        ),
        ([("If-Range", '"abc"')], {}),
        (
            [("If-Modified-Since", "Thu, 01 Jan 2015 00:00:00 GMT")],
            {"if-modified-since": "Thu, 01 Jan 2015 00:00:00 GMT"},
        ),
        ([("If-Modified-Since", "yesterday")], {}),
    ],
)
def test_conditions_and_ranges_are_parsed_and_written_anew(gate, store, sent, received):
    start = store.mark()
    with gate.connect("acme") as connection:
        assert connection.get(SMALL, sent).status in (200, 206, 304)
    _, fields = the_head(store, start)
    assert {name: value for name, value in fields.items() if name not in MINIMAL} == received


def test_a_snapshot_reaches_the_store_under_our_head_only(gate, store):
    start = store.mark()
    body = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
    with gate.connect("acme") as connection:
        fields = [("Content-Type", "application/json"), *SPOOFED]
        response = connection.request("PUT", "/snapshots/prod-1", fields, body)
    assert response.status == 201
    [data] = store.received(start).values()
    head, _, stored = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    assert re.fullmatch(r"PUT /snapshots/acme/prod-1/[0-9a-f]{64}\.json HTTP/1\.1", line)
    fields = dict(entry.split(": ", 1) for entry in lines)
    fields = {name.lower(): value for name, value in fields.items()}
    assert fields.pop("content-type", "application/json") == "application/json"
    assert fields == {
        "host": store.address,
        "x-mirrorgate-customer": "acme",
        "x-request-id": response.request_id,
        "content-length": str(len(stored)),
    }


# --- the way back

PASSED = {
    "Content-Type": "application/zip",
    "Content-Encoding": "gzip",
    "Content-Disposition": 'attachment; filename="x.zip"',
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=60",
    "ETag": '"abc"',
    "Expires": "Thu, 01 Jan 2037 00:00:00 GMT",
    "Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT",
    "Repr-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
}
HELD_BACK = {
    "Server": "secret-store/0.1",
    "X-Powered-By": "magic",
    "Set-Cookie": "session=1",
    "Location": "https://evil.example/",
    "Link": "</x>; rel=preload",
    "Via": "1.1 store",
    "Age": "5",
    "Vary": "*",
    "Alt-Svc": 'h2="evil.example:443"',
    "Access-Control-Allow-Origin": "*",
    "Refresh": "0; url=https://evil.example/",
    "Content-Location": "/other",
    "Clear-Site-Data": '"*"',
    "Connection": "keep-alive",
    "Keep-Alive": "timeout=5",
    "X-Request-Id": "chosen-by-the-store",
    "X-Accel-Redirect": "/internal",
}
OWN = {"date", "connection", "x-request-id", "content-length"}


def canned(store, name, head, body=b""):
    """Has the stub answer with HEAD and BODY; returns the path to ask for."""
    write(store.root, name, head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return f"/artifacts/step-core/@raw:{name}/x"


def fields_text(fields):
    return "".join(f"\n{name}: {value}" for name, value in fields.items())


def test_the_client_gets_only_the_fields_that_pass(gate, store):
    head = "HTTP/1.1 200 OK\nContent-Length: 5" + fields_text(PASSED | HELD_BACK)
    response = gate.get(canned(store, "all-fields", head, b"hello"))
    assert (response.status, response.body) == (200, b"hello")
    got = {name.lower(): value for name, value in response.fields}
    assert {name: value for name, value in got.items() if name not in OWN} == {
        name.lower(): value for name, value in PASSED.items()
    }
    assert response.request_id != "chosen-by-the-store"


def test_the_reason_phrase_of_the_store_is_not_copied(gate, store):
    response = gate.get(canned(store, "phrase", "HTTP/1.1 200 Bought\nContent-Length: 0"))
    assert (response.status, response.reason) == (200, "OK")


def test_a_part_passes_with_its_content_range(gate, store):
    head = "HTTP/1.1 206 Partial Content\nContent-Length: 5\nContent-Range: bytes 0-4/10"
    path = canned(store, "part", head, b"hello")
    response = gate.get(path, [("Range", "bytes=0-4")])
    assert (response.status, response.body) == (206, b"hello")
    assert response.header("Content-Range") == "bytes 0-4/10"


@pytest.mark.parametrize("status, reason", [(404, "not-found"), (410, None), (412, None)])
def test_statuses_that_pass(gate, store, status, reason):
    head = f"HTTP/1.1 {status} Some Words\nContent-Length: 5\nContent-Type: text/html\nServer: s"
    response = gate.get(canned(store, f"status-{status}", head, b"hello"))
    assert response.status == status
    assert response.header("Server") is None
    if reason:
        refusal(response, status, reason)


OTHER_STATUSES = [201, 202, 203, 204, 207, 300, 301, 302, 303, 307, 308]
OTHER_STATUSES += [400, 401, 403, 405, 407, 418, 429, 500, 502, 503, 999]


@pytest.mark.parametrize("status", OTHER_STATUSES)
def test_no_other_status_is_passed_on(gate, store, status):
    head = f"HTTP/1.1 {status} Words\nContent-Length: 0\nLocation: https://evil.example/"
    head += '\nWWW-Authenticate: Basic realm="x"'
    response = gate.get(canned(store, f"status-{status}", head))
    if status in (301, 403):  # as nginx and S3 answer for what they do not have
        refusal(response, 404, "not-found")
    else:
        refusal(response, 502, "store-bad-response")
    assert response.header("Location") is None
    assert response.header("WWW-Authenticate") is None


@pytest.mark.parametrize(
    "name, head",
    [
        ("chunked", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked"),
        ("chunked-and-length", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5"),
        ("no-length", "HTTP/1.1 200 OK\nConnection: close"),
        ("two-lengths", "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6"),
        ("negative-length", "HTTP/1.1 200 OK\nContent-Length: -5"),
        ("huge-length", "HTTP/1.1 200 OK\nContent-Length: 18446744073709551621"),
        ("word-length", "HTTP/1.1 200 OK\nContent-Length: five"),
        ("obs-fold", "HTTP/1.1 200 OK\nContent-Length: 5\nETag: a\n b"),
        ("http-2", "HTTP/2.0 200 OK\nContent-Length: 5"),
        ("no-version", "ICY 200 OK\nContent-Length: 5"),
        ("bad-name", "HTTP/1.1 200 OK\nContent-Length: 5\nX Y: z"),
        ("unasked-part", "HTTP/1.1 206 Part\nContent-Length: 5\nContent-Range: bytes 0-4/9"),
        ("switching", "HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade"),
    ],
)
def test_an_answer_that_is_not_plain_http_is_a_bad_response(gate, store, name, head):
    response = gate.get(canned(store, name, head, b"5\r\nhello\r\n0\r\n\r\n"))
    refusal(response, 502, "store-bad-response")


def test_an_escape_in_a_passed_field_never_reaches_the_client(gate, store):
    head = "HTTP/1.1 200 OK\nContent-Length: 5\nETag: \"a\x00b\"\nContent-Type: text/\x1b[31m"
    response = gate.get(canned(store, "control-bytes", head, b"hello"))
    refusal(response, 502, "store-bad-response")
