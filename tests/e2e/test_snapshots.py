"""Snapshot uploads: what is good is filed in canonical form under the caller's own name; all else
is refused and the store hears nothing.
"""

import hashlib
import json

import pytest
from mirrorgate_test.cases import snapshots
from mirrorgate_test.cases.refused import SMALL
from mirrorgate_test.cases.snapshots import COMPONENTS, JSON, content_digest, one, snapshot
from mirrorgate_test.client import curl, refusal
from mirrorgate_test.common import wait_until
from mirrorgate_test.store import write

@pytest.fixture(scope="module", params=["stub", "nginx"])
def both_stores(request, module_lab):
    return module_lab.store(request.param)


@pytest.fixture(scope="module")
def any_gate(module_lab, both_stores):
    return module_lab.gateway(both_stores)


def put(connection, body, name="prod-1", fields=JSON):
    """Uploads BODY, a value or bytes; returns the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return connection.request("PUT", f"/snapshots/{name}", fields, raw)


def canonical(system, components):
    """The one text that the store may get, written by the design's rule and by hand."""
    entries = ",".join(
        f'{{"name":"{name}","version":"{version}"}}'
        for name, version in sorted((c["name"], c["version"]) for c in components)
    )
    return f'{{"components":[{entries}],"format":"thin-snapshot/1","system":"{system}"}}\n'.encode()


def receipt_of(response, customer, name, text, components):
    digest = hashlib.sha256(text).hexdigest()
    assert response.status == 201, response.body
    assert response.header("Content-Type") == "application/json"
    assert response.json() == {
        "customer": customer,
        "name": name,
        "sha256": digest,
        "bytes": len(text),
        "components": components,
        "path": f"/snapshots/{customer}/{name}/{digest}.json",
        "request_id": response.request_id,
    }
    return f"{customer}/{name}/{digest}.json"


def test_a_snapshot_is_on_the_stores_disk_in_canonical_form(any_gate, both_stores):
    with any_gate.connect() as connection:
        response = put(connection, snapshot())
        text = canonical("prod-1", COMPONENTS)
        path = receipt_of(response, "acme", "prod-1", text, 2)
        assert both_stores.snapshots()[path] == text
        assert connection.get(SMALL).status == 200


def test_an_upload_can_be_repeated_safely(any_gate, both_stores):
    with any_gate.connect() as connection:
        first, second = (put(connection, snapshot("again"), "again") for _ in range(2))
    for response in (first, second):
        receipt_of(response, "acme", "again", canonical("again", COMPONENTS), 2)
    files = [path for path in both_stores.snapshots() if path.startswith("acme/again/")]
    assert len(files) == 1


def test_different_snapshots_never_overwrite_each_other(any_gate, both_stores):
    with any_gate.connect() as connection:
        for version in ("1", "2", "3"):
            components = [{"name": "a", "version": version}]
            assert put(connection, snapshot("many", components), "many").status == 201
    files = [path for path in both_stores.snapshots() if path.startswith("acme/many/")]
    assert len(files) == 3


def test_each_customer_files_under_its_own_name(any_gate, both_stores):
    for who in ("acme", "globex"):
        with any_gate.connect(who) as connection:
            response = put(connection, snapshot("shared"), "shared")
            path = receipt_of(response, who, "shared", canonical("shared", COMPONENTS), 2)
        assert path in both_stores.snapshots()


def test_curl_uploads_a_snapshot(any_gate, both_stores, tmp_path):
    file = tmp_path / "snapshot.json"
    file.write_text(json.dumps(snapshot("by-curl"), indent=4))
    done = curl(
        any_gate, "/snapshots/by-curl", "--fail", "--upload-file", str(file),
        "--header", "Content-Type: application/json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert both_stores.snapshots()[json.loads(done.stdout)["path"].removeprefix("/snapshots/")] == (
        canonical("by-curl", COMPONENTS)
    )


# --- one content, one text


@pytest.mark.parametrize(
    "variant",
    [
        lambda s: json.dumps(s, indent=3).encode(),
        lambda s: json.dumps(dict(reversed(list(s.items())))).encode(),
        lambda s: json.dumps({**s, "components": s["components"][::-1]}).encode(),
        lambda s: b" \t\r\n" + json.dumps(s).encode() + b"\r\n ",
        lambda s: json.dumps(s).encode().replace(b"step-core", b"step\\u002dcore"),
    ],
    ids=["indented", "keys-turned", "components-turned", "spaces-around", "escaped"],
)
def test_the_same_content_is_stored_as_the_same_text(gate, store, variant):
    with gate.connect() as connection:
        response = put(connection, variant(snapshot("same")), "same")
    path = receipt_of(response, "acme", "same", canonical("same", COMPONENTS), 2)
    assert [p for p in store.snapshots() if p.startswith("acme/same/")] == [path]


def test_an_empty_list_of_components_is_a_snapshot(gate):
    with gate.connect() as connection:
        response = put(connection, snapshot("empty", []), "empty")
    receipt_of(response, "acme", "empty", canonical("empty", []), 0)


def test_the_longest_names_are_accepted(gate):
    name, version = "a" + "B.-_" * 31 + "xyz", "9" + ".+~_-" * 12 + "abc"
    assert (len(name), len(version)) == (128, 64)
    components = [{"name": name, "version": version}]
    with gate.connect() as connection:
        response = put(connection, snapshot(name, components), name)
    receipt_of(response, "acme", name, canonical(name, components), 1)


def test_a_snapshot_of_exactly_256_kib_is_accepted(gate):
    text = json.dumps(snapshot("padded")).encode()
    with gate.connect() as connection:
        response = put(connection, text + b" " * (256 * 1024 - len(text)), "padded")
    receipt_of(response, "acme", "padded", canonical("padded", COMPONENTS), 2)


def test_a_thousand_components_are_accepted(gate):
    components = [{"name": f"c{number}", "version": "1"} for number in range(1000)]
    with gate.connect() as connection:
        response = put(connection, snapshot("long", components), "long")
    receipt_of(response, "acme", "long", canonical("long", components), 1000)


# --- refused


@pytest.mark.parametrize("case", snapshots.CASES, ids=str)
def test_what_is_no_thin_snapshot_stays_outside(bench, case):
    before = bench.store.snapshots()
    assert not case.attempt(bench, strict=True)
    assert bench.store.snapshots() == before


@pytest.mark.parametrize("value", [
    "application/json", "Application/JSON", "application/json; charset=utf-8",
    "application/json;charset=UTF-8"])  # fmt: skip
def test_json_may_say_that_it_is_utf_8(gate, value):
    with gate.connect() as connection:
        response = put(connection, snapshot("typed"), "typed", [("Content-Type", value)])
    assert response.status == 201, response.body


def test_names_that_differ_in_case_only_are_two_components(gate):
    components = one("step") + one("Step") + one("STEP")
    with gate.connect() as connection:
        response = put(connection, snapshot("cases", components), "cases")
    receipt_of(response, "acme", "cases", canonical("cases", components), 3)


@pytest.mark.parametrize("algorithms", [["sha-256"], ["sha-512"], ["sha-512", "sha-256"]])
def test_content_that_is_what_its_digest_says_is_filed(gate, algorithms):
    raw = json.dumps(snapshot("digest")).encode()
    value = ", ".join(content_digest(raw, algorithm) for algorithm in algorithms)
    with gate.connect() as connection:
        response = put(connection, raw, "digest", [*JSON, ("Content-Digest", value)])
    assert response.status == 201, response.body


def test_a_digest_of_an_old_algorithm_alone_proves_nothing_and_is_passed_over(gate):
    value = "md5=:Sd/dVLAcvNLSq16eXua5uQ==:"
    with gate.connect() as connection:
        response = put(connection, snapshot(), fields=[*JSON, ("Content-Digest", value)])
    assert response.status == 201


def test_an_upload_without_length_is_refused(gate, store):
    with gate.connect() as connection, store.untouched():
        refusal(connection.request("PUT", "/snapshots/prod-1", JSON), 411, "length-required")


def test_a_huge_length_is_refused_before_the_body_comes(gate, store):
    fields = [*JSON, ("Content-Length", str(1 << 40))]
    with gate.connect() as connection, store.untouched():
        response = connection.request("PUT", "/snapshots/prod-1", fields)
        refusal(response, 413, "snapshot-too-large")
        assert response.closes


def test_the_limits_of_the_configuration_hold(lab):
    store = lab.stub()
    gate = lab.gateway(store, config={"snapshots": {"max_bytes": "1K", "max_components": 3}})
    components = [{"name": f"c{number}", "version": "1"} for number in range(4)]
    with gate.connect() as connection:
        assert put(connection, snapshot(components=components[:3])).status == 201
        with store.untouched():
            refusal(put(connection, snapshot(components=components)), 422, "snapshot-invalid")
            response = put(connection, json.dumps(snapshot()).encode() + b" " * 1024)
            refusal(response, 413, "snapshot-too-large")


@pytest.mark.parametrize("name", [".hidden", "-x", "a" * 129, "a@b", "a~b", "a:b", "a,b", "_a"])
def test_a_name_outside_the_rule_is_refused(gate, store, name):
    with gate.connect() as connection, store.untouched():
        response = put(connection, snapshot(), name)
        assert 400 <= response.status < 500
        assert gate.log_line(response.request_id)["reason"]


@pytest.mark.parametrize(
    "path",
    [
        "/snapshots/globex/prod-1",
        "/snapshots/acme/prod-1",
        "/snapshots/prod-1/",
        "/snapshots/",
        "/snapshots",
        "/snapshots/../globex/prod-1",
        "/snapshots/..%2fglobex%2fprod-1",
        "/Snapshots/prod-1",
        "/artifacts/step-core/small.txt",
        "/licence",
        "/",
    ],
)
def test_a_put_to_any_other_path_is_refused(gate, store, path):
    before = (store.root / SMALL[1:]).read_bytes()
    with gate.connect() as connection, store.untouched():
        response = connection.request("PUT", path, JSON, json.dumps(snapshot()).encode())
        assert 400 <= response.status < 500
    assert not (store.root / "snapshots/globex").exists()
    assert (store.root / SMALL[1:]).read_bytes() == before


def test_another_customers_name_in_the_path_has_no_effect(gate, store):
    with gate.connect("acme") as connection:
        response = put(connection, snapshot("globex"), "globex")
    path = receipt_of(response, "acme", "globex", canonical("globex", COMPONENTS), 2)
    assert path in store.snapshots()
    assert not (store.root / "snapshots/globex").exists()


def test_a_snapshot_cannot_be_read_back_through_the_gate(gate, store):
    with gate.connect() as connection:
        path = put(connection, snapshot()).json()["path"]
        with store.untouched():
            assert connection.get(path).status in (403, 404, 405)


# --- how a body comes


def test_expect_100_continue_is_answered_before_the_body(gate, store):
    body = json.dumps(snapshot("expect")).encode()
    fields = [*JSON, ("Content-Length", str(len(body))), ("Expect", "100-continue")]
    with gate.connect() as connection:
        connection.send_request("PUT", "/snapshots/expect", fields)
        assert connection.read_any_head().status == 100
        connection.send(body)
        receipt_of(connection.response(), "acme", "expect", canonical("expect", COMPONENTS), 2)
        assert connection.get(SMALL).status == 200


@pytest.mark.parametrize(
    "fields, status, reason",
    [
        ([*JSON, ("Content-Length", "300000")], 413, "snapshot-too-large"),
        (
            [("Content-Type", "text/plain"), ("Content-Length", "100")],
            415,
            "unsupported-media-type",
        ),
    ],
)
def test_expect_100_continue_is_refused_before_the_body(gate, store, fields, status, reason):
    with gate.connect() as connection, store.untouched():
        response = connection.request("PUT", "/snapshots/a", [*fields, ("Expect", "100-continue")])
        assert response.interim == []
        refusal(response, status, reason)
        assert response.closes
        connection.assert_ended()


def test_a_body_that_comes_byte_by_byte_is_filed(gate):
    body = json.dumps(snapshot("drip")).encode()
    fields = [*JSON, ("Content-Length", str(len(body)))]
    with gate.connect() as connection:
        connection.send_request("PUT", "/snapshots/drip", fields)
        connection.send_slowly(body)
        receipt_of(connection.response(), "acme", "drip", canonical("drip", COMPONENTS), 2)


def test_an_upload_that_dies_halfway_leaves_nothing(gate, store):
    before = store.snapshots()
    body = json.dumps(snapshot("half")).encode()
    lines = len(gate.log_lines())
    with store.untouched():
        with gate.connect() as connection:
            fields = [*JSON, ("Content-Length", str(len(body)))]
            connection.send_request("PUT", "/snapshots/half", fields)
            connection.send(body[:-1])
        wait_for_end_of(gate, lines)
    assert store.snapshots() == before


def wait_for_end_of(gate, lines):
    wait_until(
        lambda: any(line["path"] == "/snapshots/half" for line in gate.log_lines()[lines:]),
        "the log tells of the upload that died",
    )


def test_pipelined_uploads_and_downloads_keep_their_order(gate, store):
    with gate.connect() as connection:
        for number in range(5):
            body = json.dumps(snapshot(f"p{number}")).encode()
            connection.send_request("PUT", f"/snapshots/p{number}", JSON, body)
            connection.send_request("GET", SMALL)
        for number in range(5):
            assert connection.response().json()["name"] == f"p{number}"
            assert connection.response().body == (store.root / SMALL[1:]).read_bytes()


# --- when the store does not confirm


@pytest.mark.parametrize(
    "fault, statuses",
    [
        ("status:500", {502}),
        ("status:403", {502}),
        ("garbage", {502}),
        ("silent", {504}),
        ("reset", {502, 503}),
    ],
)
def test_201_is_sent_only_after_the_store_confirmed(lab, fault, statuses):
    store = lab.stub(faults=[f"*={fault}"])
    gate = lab.gateway(store, config={"timeouts": {"store_response": "3s"}})
    with gate.connect() as connection:
        response = put(connection, snapshot())
    assert response.status in statuses
    received = b"".join(store.received().values())
    assert received.count(b"PUT /snapshots/acme/") == 1, "an upload is sent once"


def test_a_store_that_cannot_write_is_no_201(lab):
    root = lab.root()
    write(root, "snapshots/acme", b"a file where the folder should be")
    gate = lab.gateway(lab.stub(root))
    with gate.connect() as connection:
        refusal(put(connection, snapshot()), 502, "store-bad-response")
