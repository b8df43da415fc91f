"""Downloads held against catalogues: the gate says what the bytes are, and a store whose bytes are
others gets none of them through as complete."""

import base64
import glob
import hashlib
import re
import signal
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.client import Truncated, refusal

from test_spot_catalogue import sign_anew
from test_spot_fetch import BASE, publish

FILES = {"core.zip": bytes(range(256)) * 1200, "doc/a.txt": b"some text", "empty.bin": b""}
ZIP = f"/{BASE}/10.3/core.zip"
TEXT = f"/{BASE}/10.3/doc/a.txt"
EMPTY = f"/{BASE}/10.3/empty.bin"

DIFFERS = r"mirrorgate: error: {path}: store {address} does not give what the catalogue says: .*"


def sha256(content):
    return hashlib.sha256(content).digest()


def tag(content):
    return f'"{sha256(content).hex()}"'


def repr_digest(content):
    return f"sha-256=:{base64.b64encode(sha256(content)).decode()}:"


def checking(root, release, **keys):
    """The configuration that holds downloads against the catalogues below ROOT."""
    return {
        "catalogues": {"folder": str(root), "signer": str(release), "interval": "200ms", **keys}
    }


def metric(gate, name):
    text = gate.get("/metrics", who="ops").body.decode()
    return int(re.search(rf"^mirrorgate_{name} (\d+)$", text, re.M)[1])


def assert_as_catalogued(response, content):
    assert response.header("ETag") == tag(content)
    assert response.header("Repr-Digest") == repr_digest(content)


def assert_unchecked(response):
    assert response.status == 200
    assert response.header("Repr-Digest") is None
    assert response.header("ETag") is None or len(response.header("ETag")) < 66


def sold(lab, release, files=None, *, config=(), **start):
    """A gate before a store that holds version 10.3, with its catalogue."""
    stub = lab.stub()
    publish(stub.root, release, "10.3", files or FILES)
    return lab.gateway(stub, config={**checking(stub.root, release), **dict(config)}, **start)


@pytest.fixture(name="honest", scope="module")
def honest_gate(module_lab, release):
    return sold(module_lab, release)


@pytest.fixture(name="shop")
def own_gate(lab, release):
    return sold(lab, release)


def change(gate, path, content):
    """The store's copy of PATH becomes CONTENT; the catalogue stays."""
    store.write(gate.stores[0].root, path[1:], content)


def spoiled(content, position):
    """CONTENT with one wrong byte."""
    wrong = bytearray(content)
    wrong[position] ^= 1
    return bytes(wrong)


def assert_cut(gate, path, size, headers=()):
    """The answer is short of its Content-Length SIZE, and its end is not one that TLS confirms."""
    with gate.connect() as connection:
        connection.send_request("GET", path, headers)
        with pytest.raises(Truncated) as cut:
            connection.response()
    assert cut.value.end in ("eof", "reset")
    assert cut.value.response.content_length == size
    assert len(cut.value.response.body) < size
    line = gate.log_line(cut.value.response.request_id)
    assert line["close"] == "store's content is another"
    return cut.value.response


def assert_marked(gate, path):
    """Whatever is asked of PATH is refused, and the store is not asked."""
    with gate.stores[0].untouched(), gate.connect() as connection:
        refusal(connection.get(path), 502, "store-bad-response")
        refusal(connection.get(path, [("Range", "bytes=0-3")]), 502, "store-bad-response")
        refusal(connection.get(path, [("If-None-Match", "*")]), 502, "store-bad-response")
        assert connection.request("HEAD", path).status == 502


# --- what the gate says of an artifact


@pytest.mark.parametrize("path", [ZIP, TEXT, EMPTY])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_of_a_catalogue_comes_with_its_digest_and_an_etag_from_it(honest, path, method):
    content = FILES[path.removeprefix(f"/{BASE}/10.3/")]
    with honest.connect() as connection:
        response = connection.request(method, path)
    assert response.status == 200
    assert response.content_length == len(content)
    assert response.body == (content if method == "GET" else b"")
    assert_as_catalogued(response, content)


def test_a_part_comes_with_the_digest_of_the_whole(honest):
    response = honest.get(ZIP, [("Range", "bytes=1000-1999")])
    assert (response.status, response.body) == (206, FILES["core.zip"][1000:2000])
    assert_as_catalogued(response, FILES["core.zip"])


def test_what_no_catalogue_names_is_served_as_it_always_was(honest):
    for path in ("/artifacts/step-core/small.txt", f"/{BASE}/catalogue.json",
                 f"/{BASE}/10.3/catalogue.json.p7s"):  # fmt: skip
        assert_unchecked(honest.get(path))
    assert honest.get(f"/{BASE}/10.3/none.zip").status == 404


@pytest.mark.parametrize("segment", ["@close", "@1xx:1", "@wrong-length:-1", "@delay-head:1"])
def test_no_segment_leads_around_a_catalogue(honest, segment):
    for path in (ZIP, TEXT):
        folder, name = path.rsplit("/", 1)
        assert honest.get(f"{folder}/{segment}/{name}").status == 404
        assert honest.get(f"/{BASE}/{segment}{path.removeprefix(f'/{BASE}')}").status == 404


def test_a_file_that_the_store_has_lost_is_404(shop):
    (shop.stores[0].root / TEXT[1:]).unlink()
    refusal(shop.get(TEXT), 404, "not-found")
    change(shop, TEXT, FILES["doc/a.txt"])
    assert shop.get(TEXT).status == 200


def test_a_file_of_which_the_catalogue_knows_sha1_alone_is_served_unchecked(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    catalogue = stub.root / BASE / "10.3/catalogue.json"
    catalogue.write_text(re.sub(r',"sha256":"\w+"', "", catalogue.read_text(), count=1))
    sign_anew(catalogue.parent, release)
    gate = lab.gateway(stub, config=checking(stub.root, release))
    change(gate, ZIP, b"other")
    assert_unchecked(gate.get(ZIP))
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])


def test_the_store_cannot_say_another_etag_or_digest(lab, release):
    def script(connection, _):
        while True:
            scripted.read_head(connection)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: \"theirs\"\r\n"
                b"Repr-Digest: sha-256=:AAAA:\r\n\r\nsome text"
            )

    root = lab.root()
    publish(root, release, "10.3", FILES)
    scripted = lab.scripted(script)
    gate = lab.gateway(scripted, config=checking(root, release))
    response = gate.get(TEXT)
    assert response.body == b"some text"
    assert_as_catalogued(response, b"some text")


# --- conditions


@pytest.mark.parametrize("form", ["{tag}", "W/{tag}", '"x", {tag}', '{tag} , W/"x"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match_with_our_etag_is_answered_by_the_gate_alone(honest, form, method):
    condition = ("If-None-Match", form.format(tag=tag(FILES["core.zip"])))
    with honest.stores[0].untouched(), honest.connect() as connection:
        response = connection.request(method, ZIP, [condition, ("Range", "bytes=0-9")])
        assert (response.status, response.body) == (304, b"")
        assert response.content_length is None
        assert_as_catalogued(response, FILES["core.zip"])
        assert connection.request(method, ZIP, [condition]).status == 304


@pytest.mark.parametrize("form", ['"theirs"', 'W/"x", "y"', '"{digest}0"'])
def test_if_none_match_with_another_etag_is_not_passed_on(honest, form):
    [stub] = honest.stores
    start = stub.mark()
    condition = form.format(digest=sha256(FILES["doc/a.txt"]).hex())
    response = honest.get(TEXT, [("If-None-Match", condition)])
    assert (response.status, response.body) == (200, FILES["doc/a.txt"])
    assert "if-none-match" not in stub.requests(start)[-1]["headers"]


def test_if_range_with_our_etag_gives_the_part(honest):
    [stub] = honest.stores
    start = stub.mark()
    fields = [("Range", "bytes=10-19"), ("If-Range", tag(FILES["core.zip"]))]
    response = honest.get(ZIP, fields)
    assert (response.status, response.body) == (206, FILES["core.zip"][10:20])
    headers = stub.requests(start)[-1]["headers"]
    assert headers["range"] == "bytes=10-19" and "if-range" not in headers


@pytest.mark.parametrize("validator", ['"theirs"', "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_if_range_with_anything_else_gives_the_whole(honest, validator):
    [stub] = honest.stores
    start = stub.mark()
    response = honest.get(ZIP, [("Range", "bytes=10-19"), ("If-Range", validator)])
    assert (response.status, response.body) == (200, FILES["core.zip"])
    headers = stub.requests(start)[-1]["headers"]
    assert "range" not in headers and "if-range" not in headers
    assert honest.log_line(response.request_id)["range"] is None


def test_if_modified_since_is_the_stores_to_answer(honest):
    response = honest.get(ZIP, [("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT")])
    assert response.status == 304
    assert_as_catalogued(response, FILES["core.zip"])
    response = honest.get(ZIP, [("If-Modified-Since", "Thu, 01 Jan 2015 00:00:00 GMT")])
    assert response.status == 200


def test_a_part_beyond_the_end_is_416(honest):
    response = honest.get(TEXT, [("Range", "bytes=9-")])
    assert response.status == 416
    assert response.header("Content-Range") == "bytes */9"


def test_no_client_can_get_a_path_marked_by_asking_beyond_its_end(lab, release):
    """RFC 9110, 15.5.17, lets a store leave Content-Range out of a 416, and many do."""

    def script(connection, _):
        while True:
            asked = scripted.read_head(connection)
            if b"Range:" in asked:
                connection.sendall(
                    b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n"
                )
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome text")

    root = lab.root()
    publish(root, release, "10.3", FILES)
    scripted = lab.scripted(script)
    gate = lab.gateway(scripted, config=checking(root, release))
    assert gate.get(TEXT, [("Range", "bytes=9-")]).status == 416
    assert gate.get(TEXT, who="initech").body == b"some text"
    assert metric(gate, "integrity_failures_total") == 0


@pytest.mark.parametrize("who", ["globex", "ops"])
def test_without_a_licence_nobody_learns_what_a_catalogue_names(honest, who):
    with honest.stores[0].untouched(), honest.connect(who) as connection:
        for path in (ZIP, f"/{BASE}/10.3/none.zip"):
            for headers in ([], [("If-None-Match", "*")], [("Range", "bytes=0-3")]):
                response = connection.get(path, headers)
                assert response.status == 403
                assert response.header("ETag") is response.header("Repr-Digest") is None


# --- a store whose bytes are others


@pytest.mark.parametrize("position", [0, len(FILES["core.zip"]) // 2, -1])
@pytest.mark.parametrize("headers", [[], [("Range", "bytes=0-")]])
def test_a_wrong_byte_keeps_the_answer_from_being_complete(shop, position, headers):
    [stub] = shop.stores
    content = FILES["core.zip"]
    change(shop, ZIP, spoiled(content, position))
    start, lines = stub.mark(), len(shop.stderr)
    response = assert_cut(shop, ZIP, len(content), headers)
    line = shop.log_line(response.request_id)
    assert line["reason"] == "store-bad-response"
    assert line["store"] == stub.address
    shop.wait_line(DIFFERS.format(path=ZIP, address=re.escape(stub.address)), lines)
    assert metric(shop, "integrity_failures_total") == 1
    [used] = stub.received(start)
    common.wait_until(
        lambda: {"event": "close", "connection": used} in stub.events(start),
        "the connection of the store is given up",
    )
    assert_marked(shop, ZIP)
    assert metric(shop, "integrity_failures_total") == 1
    assert shop.get(TEXT).body == FILES["doc/a.txt"]


def test_one_wrong_byte_alone_is_not_sent(lab, release):
    gate = sold(lab, release, {"one.bin": b"1"})
    path = f"/{BASE}/10.3/one.bin"
    change(gate, path, b"2")
    assert assert_cut(gate, path, 1).body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("wrong", [b"", b"some tex", b"some text."])
def test_a_wrong_length_is_noticed_before_a_byte_goes_out(shop, method, wrong):
    [stub] = shop.stores
    change(shop, TEXT, wrong)
    start, lines = stub.mark(), len(shop.stderr)
    with shop.connect() as connection:
        response = connection.request(method, TEXT)
        assert response.status == 502
        assert response.header("Repr-Digest") is None
        line = shop.log_line(response.request_id)
        assert (line["reason"], line["store"]) == ("store-bad-response", stub.address)
        assert connection.get(ZIP).status == 200
    assert len(stub.received(start)) == 2, "the first connection is not used again"
    shop.wait_line(DIFFERS.format(path=TEXT, address=re.escape(stub.address)), lines)
    assert metric(shop, "integrity_failures_total") == 1
    assert_marked(shop, TEXT)


@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=-2", "bytes=30-"])
def test_a_part_of_an_artifact_of_another_length_is_refused(shop, asked):
    change(shop, TEXT, b"some text and more")
    refusal(shop.get(TEXT, [("Range", asked)]), 502, "store-bad-response")
    assert metric(shop, "integrity_failures_total") == 1
    assert_marked(shop, TEXT)


def test_the_bytes_of_a_part_are_not_verified(shop):
    wrong = spoiled(FILES["core.zip"], 5)
    change(shop, ZIP, wrong)
    response = shop.get(ZIP, [("Range", "bytes=0-9")])
    assert (response.status, response.body) == (206, wrong[:10])
    assert_as_catalogued(response, FILES["core.zip"])  # so who puts the parts together can tell


def test_an_empty_file_that_is_not_empty_is_refused(shop):
    change(shop, EMPTY, b"x")
    refusal(shop.get(EMPTY), 502, "store-bad-response")


def test_an_empty_file_that_should_be_something_is_refused(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    catalogue = stub.root / BASE / "10.3/catalogue.json"
    text = catalogue.read_text()
    catalogue.write_text(text.replace(sha256(b"").hex(), sha256(b"x").hex()))
    sign_anew(catalogue.parent, release)
    gate = lab.gateway(stub, config=checking(stub.root, release))
    refusal(gate.get(EMPTY), 502, "store-bad-response")
    assert gate.get(TEXT).status == 200


def test_encoded_content_is_refused(lab, release):
    def script(connection, _):
        scripted.read_head(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Encoding: gzip\r\n\r\nsome text"
        )

    root = lab.root()
    publish(root, release, "10.3", FILES)
    scripted = lab.scripted(script)
    gate = lab.gateway(scripted, config=checking(root, release))
    refusal(gate.get(TEXT), 502, "store-bad-response")
    assert metric(gate, "integrity_failures_total") == 1


def test_all_workers_know_what_one_has_found(lab, release):
    gate = sold(lab, release, config={"workers": 2})
    change(gate, ZIP, spoiled(FILES["core.zip"], 5))
    assert_cut(gate, ZIP, len(FILES["core.zip"]))
    seen = set()

    def both_were_asked():
        response = gate.get(ZIP)
        refusal(response, 502, "store-bad-response")
        seen.add(gate.log_line(response.request_id)["worker"])
        return seen == {0, 1}

    with gate.stores[0].untouched():
        common.wait_until(both_were_asked, "both workers answer")


def test_after_a_minute_the_store_is_tried_again(lab, release):
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    asan = "export ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS; "
    patient = dict.fromkeys(
        ("handshake", "request", "body", "idle", "send", "store_connect", "store_response"), "1h"
    )
    gate = sold(
        lab, release, config={"timeouts": {**patient, "min_rate": 0}},
        shell=f"{asan}export FAKETIME='+0 x20' LD_PRELOAD={library}",
    )  # fmt: skip
    change(gate, TEXT, b"none text")
    assert_cut(gate, TEXT, 9)
    began = time.monotonic()
    change(gate, TEXT, FILES["doc/a.txt"])
    refusal(gate.get(TEXT), 502, "store-bad-response")
    common.wait_until(lambda: gate.get(TEXT).status == 200, "the mark ends")
    assert time.monotonic() - began > 59 / 20 - 0.2
    gate.signal(signal.SIGQUIT)  # as in test_end_dates.py
    assert gate.wait_exit() == 0


def test_a_catalogue_of_the_new_bytes_ends_the_refusal(shop, release):
    new = spoiled(FILES["doc/a.txt"], 0)
    change(shop, TEXT, new)
    assert_cut(shop, TEXT, 9)
    assert_marked(shop, TEXT)
    start = len(shop.stderr)
    publish(shop.stores[0].root, release, "10.3", {"doc/a.txt": new})
    shop.wait_generation(start)
    common.wait_until(lambda: shop.get(TEXT).status == 200, "the new bytes are served")
    response = shop.get(TEXT)
    assert response.body == new
    assert_as_catalogued(response, new)


# --- and spot behind it


def test_spot_gets_a_version_through_a_gate_that_checks(lab, release):
    gate = sold(lab, release)
    spot = lab.spot(gate, release=str(release))
    done = spot.run("fetch", "step-core", "--to", spot.folder / "here")
    assert done.returncode == 0, done.stderr
    for name, content in FILES.items():
        assert (spot.folder / "here" / name).read_bytes() == content


def test_spot_keeps_nothing_of_what_a_lying_store_gives(lab, release):
    gate = sold(lab, release)
    change(gate, ZIP, spoiled(FILES["core.zip"], 9))
    spot = lab.spot(gate, release=str(release))
    to = spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", to)
    assert done.returncode not in (0, 1, 2), done.stderr
    assert not (to / "core.zip").exists()
