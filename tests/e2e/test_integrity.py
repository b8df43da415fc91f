"""Downloads held against catalogues: the gate says what the bytes are, and a store whose bytes are
others gets none of them through as complete."""

import base64
import ctypes
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.spot import PROGRAM

from test_end_dates import just_before_midnight
from test_resumption import visit_without_tickets
from test_spot_catalogue import issue, sign_anew
from test_spot_fetch import BASE, FUTURE, publish

FILES = {"core.zip": bytes(range(256)) * 1200, "doc/a.txt": b"some text", "empty.bin": b""}
ZIP = f"/{BASE}/10.3/core.zip"
TEXT = f"/{BASE}/10.3/doc/a.txt"
EMPTY = f"/{BASE}/10.3/empty.bin"
OLD_DAY = "2020-01-01"
RENAME_EXCHANGE = 2  # <linux/fs.h>
AT_FDCWD = -100

DIFFERS = r"mirrorgate: error: {path}: store {address} does not give what the catalogue says: .*"


@pytest.fixture(scope="module", name="release")
def release_certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("release"), "release")


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
        common.wait_until(both_were_asked, "both workers answer", 30)


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
    common.wait_until(lambda: gate.get(TEXT).status == 200, "the mark ends", 30)
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


# --- catalogues come and go


def until_checked(gate, path, content):
    def checked():
        response = gate.get(path)
        return response.status == 200 and response.header("ETag") == tag(content)

    common.wait_until(checked, f"{path} is checked")


def test_a_version_that_is_added_is_checked_without_sighup(shop, release):
    [stub] = shop.stores
    start = len(shop.stderr)
    publish(stub.root, release, "10.4", {"core.zip": b"newer"})
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.4/ added, now 2 valid .*", start)
    until_checked(shop, f"/{BASE}/10.4/core.zip", b"newer")
    assert_as_catalogued(shop.get(ZIP), FILES["core.zip"])
    assert metric(shop, "catalogues") == 2
    assert metric(shop, "catalogue_files") == len(FILES) + 1


def test_a_version_whose_folder_is_exchanged_is_checked_as_what_it_now_is(shop, release):
    [stub] = shop.stores
    staged = stub.root / BASE / ".staged"
    shutil.copytree(stub.root / BASE / "10.3", staged)
    store.write(staged, "doc/a.txt", b"exchanged")
    done = common.run([PROGRAM, "catalogue", "make", staged, "--product", "step-core",
                       "--version", "10.3", "--expires", FUTURE, "--sign", release])  # fmt: skip
    assert done.returncode == 0, done.stderr
    start = len(shop.stderr)
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(staged), os.fsencode(stub.root / BASE / "10.3")
    assert libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ replaced, now 1 valid .*", start)
    until_checked(shop, TEXT, b"exchanged")


def test_a_version_whose_catalogue_is_removed_is_served_unchecked(shop):
    folder = shop.stores[0].root / BASE / "10.3"
    start = len(shop.stderr)
    (folder / "catalogue.json").unlink()
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ removed, now 0 valid .*", start)
    shop.wait_generation(start)
    assert_unchecked(shop.get(TEXT))


def test_a_change_of_catalogues_reads_nothing_else(shop, release):
    """Somebody is in the middle of editing the policy, and has not said SIGHUP."""
    [stub] = shop.stores
    good = shop.policy_file.read_text()
    shop.write_policy("serial: 7\nproducts: [half")
    with shop.connect() as connection:
        assert connection.get(ZIP).status == 200
        start = len(shop.stderr)
        publish(stub.root, release, "10.4", {"core.zip": b"newer"})
        match, number = shop.wait_generation(start)
        assert (match[4], match[5]) == ("1", "0"), "the open connection goes on"
        assert not any("policy" in line for line in shop.stderr.since(start))
        assert connection.get(f"/{BASE}/10.4/core.zip").header("ETag") == tag(b"newer")
    shop.generation = number
    shop.write_policy(good)
    shop.reload()


def test_a_change_of_catalogues_leaves_tls_and_transfers_alone(lab, release):
    large = bytes(range(256)) * 16_000
    gate = sold(lab, release, {"large.bin": large})
    _, session = visit_without_tickets(gate)
    with gate.connect(receive_buffer=16_384) as connection:
        connection.send_request("GET", f"/{BASE}/10.3/large.bin")
        response = connection.read_head()
        start = len(gate.stderr)
        (gate.stores[0].root / BASE / "10.3/large.bin").unlink()  # the store goes on reading it
        publish(gate.stores[0].root, release, "10.3", {"large.bin": b"another"})
        gate.wait_generation(start)
        assert b"".join(connection.body_pieces(response)) == large
    assert visit_without_tickets(gate, session)[0], "the session's TLS context is in force"
    until_checked(gate, f"/{BASE}/10.3/large.bin", b"another")


def test_sighup_reads_catalogues_too(lab, release):
    stub = lab.stub()
    gate = lab.gateway(stub, config=checking(stub.root, release, interval="1d"))
    publish(stub.root, release, "10.4", {"core.zip": b"newer"})
    assert_unchecked(gate.get(f"/{BASE}/10.4/core.zip"))
    gate.reload()
    assert_as_catalogued(gate.get(f"/{BASE}/10.4/core.zip"), b"newer")


# --- catalogues that are not believed


def alter(folder, *_):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace('"size":9', '"size":8'))


def unsign(folder, *_):
    (folder / "catalogue.json.p7s").unlink()


def damage_signature(folder, *_):
    (folder / "catalogue.json.p7s").write_bytes(b"no signature")


def empty(folder, *_):
    (folder / "catalogue.json").write_bytes(b"")


def sign_by_another(folder, _, other):
    sign_anew(folder, other)


def reprint(folder, release, _):
    data = json.loads((folder / "catalogue.json").read_text())
    (folder / "catalogue.json").write_text(json.dumps(data))
    sign_anew(folder, release)


def rename_product(folder, release, _):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace("step-core", "step-plus"))
    sign_anew(folder, release)


def rename_version(folder, release, _):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace("10.3", "10.4"))
    sign_anew(folder, release)


def link(folder, *_):
    (folder / "catalogue.json").rename(folder / "elsewhere.json")
    (folder / "catalogue.json").symlink_to("elsewhere.json")


def link_signature(folder, *_):
    (folder / "catalogue.json.p7s").rename(folder / "elsewhere.p7s")
    (folder / "catalogue.json.p7s").symlink_to("elsewhere.p7s")


def make_folder(folder, *_):
    (folder / "catalogue.json").unlink()
    (folder / "catalogue.json").mkdir()


def make_pipe(folder, *_):
    (folder / "catalogue.json").unlink()
    os.mkfifo(folder / "catalogue.json")


DISTRUST = {
    alter: "catalogue.json.p7s: is not a signature of this content",
    unsign: "catalogue.json.p7s cannot be read: No such file or directory",
    damage_signature: "catalogue.json.p7s: is not a CMS signature in DER",
    empty: "catalogue.json.p7s: is not a signature of this content",
    sign_by_another: "was made by another certificate than the one that is pinned",
    reprint: "catalogue.json is not in the one form that a catalogue has",
    rename_product: "catalogue.json is one of the product step-plus",
    rename_version: "catalogue.json is one of version 10.4",
    link: "catalogue.json cannot be read: it is a symbolic link",
    link_signature: "catalogue.json.p7s cannot be read: it is a symbolic link",
    make_folder: "catalogue.json cannot be read",
    make_pipe: "catalogue.json cannot be read",
}


@pytest.fixture(scope="module", name="other")
def other_certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("other"), "other")


def restore(folder, release):
    for name in ("catalogue.json", "catalogue.json.p7s"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    publish(folder.parents[2], release, folder.name, FILES)


@pytest.mark.parametrize("spoil", DISTRUST, ids=lambda spoil: spoil.__name__)
def test_nothing_is_served_below_a_catalogue_that_cannot_be_trusted(shop, release, other, spoil):
    [stub] = shop.stores
    folder = stub.root / BASE / "10.3"
    publish(stub.root, release, "10.2", {"core.zip": b"older"})
    until_checked(shop, f"/{BASE}/10.2/core.zip", b"older")
    start = len(shop.stderr)
    spoil(folder, release, other)

    def refused():
        return shop.get(f"/{BASE}/10.3/catalogue.json").status == 502

    common.wait_until(refused, "the version is refused")
    reason = re.escape(DISTRUST[spoil])
    shop.wait_line(
        rf"mirrorgate: error: catalogues: nothing below /{BASE}/10\.3/ is served: .*{reason}.*", start
    )
    assert_marked(shop, TEXT)
    assert_marked(shop, f"/{BASE}/10.3/none")
    assert metric(shop, "catalogues_refused") == 1
    assert shop.get(f"/{BASE}/10.2/core.zip").body == b"older"
    checked = shop.run("-t", "--unsafe-any-port")
    assert checked.returncode == 1 and DISTRUST[spoil] in checked.stderr, checked.stderr
    shop.generation = int(shop.get("/status.json", who="ops").json()["generation"])
    shop.reload(policy(serial=2))
    assert_marked(shop, TEXT)
    restore(folder, release)
    until_checked(shop, TEXT, FILES["doc/a.txt"])
    assert metric(shop, "catalogues_refused") == 0
    assert shop.run("-t", "--unsafe-any-port").returncode == 0


def test_a_gate_starts_in_spite_of_a_catalogue_that_cannot_be_trusted(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    alter(stub.root / BASE / "10.3")
    gate = lab.gateway(stub, config=checking(stub.root, release))
    assert_marked(gate, ZIP)
    assert_unchecked(gate.get("/artifacts/step-core/small.txt"))


def test_two_products_may_share_a_folder_of_versions(lab, release):
    data = policy()
    data["products"][1]["paths"] = [f"/{BASE}/"]
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    publish(stub.root, release, "7.1", {"plus.zip": b"plus"}, product="step-plus")
    gate = lab.gateway(stub, policy=data, config=checking(stub.root, release))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    assert_as_catalogued(gate.get(f"/{BASE}/7.1/plus.zip"), b"plus")


def test_a_folder_that_goes_away_is_not_taken_for_one_without_catalogues(lab, release):
    stub = lab.stub()
    mirrored = lab.new_folder("catalogues")
    publish(mirrored, release, "10.3", FILES)
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub, config=checking(mirrored, release))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    mirrored.rename(mirrored.with_suffix(".away"))
    common.wait_until(lambda: gate.get(ZIP).status == 502, "all is refused")
    mirrored.with_suffix(".away").rename(mirrored)
    until_checked(gate, ZIP, FILES["core.zip"])


@pytest.mark.parametrize("missing", ["folder", "signer"])
def test_without_folder_or_signer_there_is_no_start(lab, release, missing):
    stub = lab.stub()
    config = checking(stub.root, release)
    config["catalogues"][missing] = "/nonexistent/file"
    gate = lab.prepared(stub, config=config)
    for flags in (["-t"], []):
        done = gate.run(*flags, "--unsafe-any-port")
        assert done.returncode == 1
        assert "/nonexistent/file: cannot open: No such file or directory" in done.stderr


def test_an_expired_catalogue_is_as_none(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    catalogue = stub.root / BASE / "10.3/catalogue.json"
    catalogue.write_text(catalogue.read_text().replace(FUTURE, OLD_DAY))
    sign_anew(catalogue.parent, release)
    gate = lab.gateway(stub, config=checking(stub.root, release))
    assert any(
        re.fullmatch(rf"mirrorgate: warning: .* /{BASE}/10\.3/ has expired \({OLD_DAY}\).*", line)
        for line in gate.stderr.since()
    )
    change(gate, TEXT, b"other")
    assert_unchecked(gate.get(TEXT))
    assert metric(gate, "catalogues_expired") == 1
    assert gate.run("-t", "--unsafe-any-port").returncode == 0


def test_a_catalogue_ends_with_its_last_day(lab, release):
    stub = lab.stub()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    publish(stub.root, release, "10.3", FILES, expires=today)
    publish(stub.root, release, "10.4", FILES)
    gate = lab.gateway(
        stub, config=checking(stub.root, release), shell=just_before_midnight(4 * common.PATIENCE)
    )
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])
    gate.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ expired, now 1 valid .*", timeout=20)
    common.wait_until(lambda: "Repr-Digest" not in str(gate.get(TEXT).fields), "it is as none")
    assert_as_catalogued(gate.get(f"/{BASE}/10.4/doc/a.txt"), FILES["doc/a.txt"])
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0


def test_the_switch_turns_it_all_off(lab, release):
    gate = sold(lab, release)
    off = lab.gateway(gate.stores[0], config=checking(gate.stores[0].root, release, check=False))
    change(gate, TEXT, b"none text")
    alter(gate.stores[0].root / BASE / "10.3")
    response = off.get(TEXT)
    assert response.body == b"none text"
    assert_unchecked(response)
    assert off.run("-t", "--unsafe-any-port").returncode == 0
