"""A licensed client downloads: whole, in part, conditionally, in parallel, from either store."""

import email.utils
import hashlib
import os
import pathlib

import pytest
from mirrorgate_test import client
from mirrorgate_test.client import curl, refusal
from mirrorgate_test.gateway import MemoryWatch
from mirrorgate_test.common import MEMORY_FACTOR, wait_until
from mirrorgate_test.store import write, write_sparse

CORE = "/artifacts/step-core/core.zip"
SMALL = "/artifacts/step-core/small.txt"
GIB = 1 << 30


@pytest.fixture(scope="module", params=["stub", "nginx"])
def store(request, module_lab):
    return module_lab.store(request.param)


@pytest.fixture(scope="module")
def gate(module_lab, store):
    # 200 clients that begin at once on a busy machine: the last is still to be served.
    return module_lab.gateway(store, config={"timeouts": {"handshake": "2m"}})


def content(store, path):
    return (store.root / path[1:]).read_bytes()


@pytest.fixture
def connection(gate):
    with gate.connect("acme") as connection:
        yield connection


@pytest.mark.parametrize(
    "path",
    [CORE, SMALL, "/artifacts/step-core/one.bin", "/artifacts/step-core/10.3/core.zip"],
)
def test_get_returns_exactly_the_file_in_the_store(connection, store, path):
    response = connection.get(path)
    assert response.status == 200
    assert response.body == content(store, path)
    assert response.header("Accept-Ranges") == "bytes"
    assert not response.closes


def test_an_empty_file_is_an_empty_body_and_the_connection_goes_on(connection):
    response = connection.get("/artifacts/step-core/empty.bin")
    assert (response.status, response.content_length, response.body) == (200, 0, b"")
    assert connection.get(SMALL).status == 200


def test_head_tells_the_length_and_sends_no_body(connection, store):
    response = connection.request("HEAD", CORE)
    assert (response.status, response.content_length) == (200, len(content(store, CORE)))
    assert connection.get(SMALL).body == content(store, SMALL), "bytes followed the HEAD answer"


def test_head_and_get_agree_on_every_field(connection):
    head, get = connection.request("HEAD", CORE), connection.get(CORE)
    own = {"x-request-id", "date"}
    fields = [
        {name.lower(): value for name, value in response.fields if name.lower() not in own}
        for response in (head, get)
    ]
    assert fields[0] == fields[1]
    assert {"etag", "last-modified", "content-type"} <= set(fields[0])


@pytest.mark.parametrize(
    "wanted, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-1999", 1000, 1999),
        ("bytes=299999-", 299_999, 299_999),
        ("bytes=100000-", 100_000, 299_999),
        ("bytes=-100", 299_900, 299_999),
        ("bytes=0-999999", 0, 299_999),
        ("bytes=-999999", 0, 299_999),
    ],
)
def test_one_range_is_answered_with_that_part(connection, store, wanted, first, last):
    response = connection.get(CORE, [("Range", wanted)])
    assert response.status == 206
    assert response.header("Content-Range") == f"bytes {first}-{last}/300000"
    assert response.body == content(store, CORE)[first : last + 1]
    assert connection.get(SMALL).status == 200


@pytest.mark.parametrize("wanted", ["bytes=300000-", "bytes=400000-500000"])
def test_a_range_beyond_the_end_is_416_and_tells_the_length(connection, store, wanted):
    response = connection.get(CORE, [("Range", wanted)])
    assert response.status == 416
    assert response.header("Content-Range") == "bytes */300000"
    assert connection.get(SMALL).body == content(store, SMALL)


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-9", "bytes=0-1, -5", "lines=1-2"])
def test_several_ranges_and_other_units_are_ignored(connection, store, wanted):
    response = connection.get(CORE, [("Range", wanted)])
    assert response.status == 200
    assert response.body == content(store, CORE)


def test_if_none_match_with_the_current_etag_is_304_without_body(connection):
    etag = connection.get(CORE).header("ETag")
    response = connection.get(CORE, [("If-None-Match", etag)])
    assert (response.status, response.body) == (304, b"")
    assert response.header("ETag") == etag
    assert connection.get(SMALL).status == 200


def test_if_none_match_with_another_etag_is_the_file(connection, store):
    response = connection.get(CORE, [("If-None-Match", '"somethingelse"')])
    assert (response.status, response.body) == (200, content(store, CORE))


def test_if_modified_since_is_304_only_for_the_current_date(connection):
    modified = connection.get(CORE).header("Last-Modified")
    assert connection.get(CORE, [("If-Modified-Since", modified)]).status == 304
    older = email.utils.formatdate(1_000_000_000, usegmt=True)
    assert connection.get(CORE, [("If-Modified-Since", older)]).status == 200


def test_if_range_resumes_the_same_file_and_restarts_another(connection, store):
    etag = connection.get(CORE).header("ETag")
    same = connection.get(CORE, [("Range", "bytes=100-"), ("If-Range", etag)])
    assert (same.status, same.body) == (206, content(store, CORE)[100:])
    other = connection.get(CORE, [("Range", "bytes=100-"), ("If-Range", '"other"')])
    assert (other.status, other.body) == (200, content(store, CORE))


def test_a_file_the_store_does_not_have_is_not_found(connection):
    response = connection.get("/artifacts/step-core/nothing.zip")
    refusal(response, 404, "not-found")
    assert not response.closes
    assert connection.request("HEAD", "/artifacts/step-core/nothing.zip").status == 404
    assert connection.get(SMALL).status == 200


def test_a_thousand_requests_share_one_connection(connection, store):
    expected = content(store, SMALL)
    for _ in range(1000):
        assert connection.get(SMALL).body == expected


def test_pipelined_requests_are_answered_in_order(connection, store):
    paths = [SMALL, CORE, "/artifacts/step-core/one.bin", "/artifacts/step-core/nothing.zip", CORE]
    paths *= 4
    head = f" HTTP/1.1\r\nHost: {client.pki.SERVER_NAME}\r\n\r\n"
    connection.send("".join(f"GET {path}{head}" for path in paths).encode())
    for path in paths:
        response = connection.response()
        if path.endswith("nothing.zip"):
            assert response.status == 404
        else:
            assert (response.status, response.body) == (200, content(store, path))


def test_connection_close_is_honoured_after_a_complete_answer(connection, store):
    response = connection.get(CORE, [("Connection", "close")])
    assert response.body == content(store, CORE)
    assert response.closes
    connection.assert_ended()


def test_http_1_0_gets_the_file_and_the_end_of_the_connection(connection, store):
    response = connection.get(CORE, host=None, version="1.0")
    assert (response.status, response.body) == (200, content(store, CORE))
    connection.assert_ended()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_both_tls_versions_download(gate, store, version):
    with gate.connect("acme", version=version) as connection:
        assert connection.sock.version() == f"TLSv{version}"
        assert connection.get(CORE).body == content(store, CORE)


def test_another_customer_downloads_what_it_is_licensed_for(gate, store):
    path = "/artifacts/step-plus/plus.zip"
    response = gate.get(path, who="globex")
    assert (response.status, response.body) == (200, content(store, path))


def test_curl_resumes_a_broken_download(gate, store, tmp_path):
    part = tmp_path / "core.zip"
    part.write_bytes(content(store, CORE)[:123_456])
    done = curl(gate, CORE, "--fail", "--continue-at", "-", "--output", str(part))
    assert done.returncode == 0, done.stderr
    assert part.read_bytes() == content(store, CORE)
    wait_until(
        lambda: any(line["range"] == "bytes=123456-" for line in gate.log_lines()),
        "the resumed download is logged",
    )


def test_200_parallel_downloads_of_different_files_are_byte_identical(gate, store, tmp_path):
    arguments = ["--fail", "--parallel", "--parallel-immediate", "--parallel-max", "200"]
    for number in range(200):
        path = f"artifacts/step-core/many/{number}.bin"
        write(store.root, path, os.urandom(200_000 + number))
        url = f"https://{client.pki.SERVER_NAME}:{gate.port}/{path}"
        arguments += ["--output", str(tmp_path / str(number)), url]
    done = curl(gate, None, *arguments)
    assert done.returncode == 0, done.stderr
    for number in range(200):
        original = content(store, f"/artifacts/step-core/many/{number}.bin")
        assert (tmp_path / str(number)).read_bytes() == original, number


@pytest.fixture(scope="module")
def huge(store):
    write_sparse(store.root, "artifacts/step-core/huge.img", GIB)
    return "/artifacts/step-core/huge.img"


def compare_while_reading(connection, path, original):
    """Downloads PATH, compares each piece with ORIGINAL at once, and returns its length."""
    connection.send_request("GET", path)
    response = connection.read_head()
    assert response.status == 200
    offset = 0
    with pathlib.Path(original).open("rb") as file:
        for piece in connection.body_pieces(response):
            assert os.pread(file.fileno(), len(piece), offset) == piece, f"differs after {offset}"
            offset += len(piece)
    return offset


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_download_of_1_gib_is_byte_identical_and_takes_no_memory(gate, store, huge, version):
    with gate.connect("acme", version=version) as connection:
        # The worker's buffers and libssl's tables exist after a first download of this kind.
        assert connection.get("/artifacts/step-core/large.bin").status == 200
        with MemoryWatch(gate) as memory:
            length = compare_while_reading(connection, huge, store.root / huge[1:])
    assert length == GIB
    assert memory.growth < MEMORY_FACTOR * (1 << 20)


def test_curl_reads_1_gib_with_the_right_sha256(gate, store, huge, tmp_path):
    done = curl(gate, huge, "--fail", "--output", str(tmp_path / "huge"))
    assert done.returncode == 0, done.stderr
    digests = []
    for path in (tmp_path / "huge", store.root / huge[1:]):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    (tmp_path / "huge").unlink()
    assert digests[0] == digests[1]
