"""The upstream stub serves files, ranges and conditions as a store does."""

import email.utils
import os
import re

import pytest
from mirrorgate_test.stub_process import CONTENT, MEDIUM, TEXT, ask, get, split

pytest_plugins = ["mirrorgate_test.stub_fixtures"]


# Serving files.


def test_get_sends_the_file_with_its_metadata(either):
    status, headers, body = either.ask("GET", "/artifacts/a/x.bin")
    info = (either.root / "artifacts/a/x.bin").stat()
    assert (status, body) == (200, MEDIUM)
    assert headers["Content-Length"] == str(len(MEDIUM))
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Last-Modified"] == email.utils.formatdate(int(info.st_mtime), usegmt=True)
    assert re.fullmatch(r'"[!-~]+"', headers["ETag"])
    assert "Connection" not in headers


def test_head_is_get_without_the_body(stub):
    with stub.client() as client:
        _, expected, _ = ask(client, "GET", "/hello.txt")
        status, headers, body = ask(client, "HEAD", "/hello.txt")
    del headers["Date"], expected["Date"]
    assert (status, body, headers.items()) == (200, b"", expected.items())


def test_an_empty_file_is_sent_empty(stub):
    status, headers, body = stub.ask("GET", "/empty.bin")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")


@pytest.mark.parametrize("name, kind", [
    ("a.zip", "application/zip"), ("a.JSON", "application/json"), ("a.tar.gz", "application/gzip"),
    ("a.txt", "text/plain; charset=utf-8"), ("a", "application/octet-stream"),
])
def test_content_type_follows_from_the_suffix(stub, name, kind):
    (stub.root / name).write_bytes(b"x")
    assert stub.ask("GET", f"/{name}")[1]["Content-Type"] == kind


def test_a_query_does_not_change_the_file(stub):
    assert stub.ask("GET", "/hello.txt?a=/b")[::2] == (200, b"hello\n")


@pytest.mark.parametrize("path", ["/", "/artifacts", "/artifacts/", "/nothing", "/hello.txt/x",
                                  "/artifacts/a/", "/" + "n" * 300])
def test_what_is_no_file_is_404(safe, path):
    expected = 400 if len(path) > 256 else 404
    assert safe.ask("GET", path)[0] == expected


@pytest.mark.parametrize("path", ["/../stub.log", "/artifacts/../hello.txt", "/artifacts//a/x.bin",
                                  "/./hello.txt", "//hello.txt", "/%2e%2e/stub.log",
                                  "/artifacts%2fa/x.bin", "/hello.txt%00", "/hello%2", "/%zz",
                                  "/hello.txt%3f", "/%2"])
def test_paths_that_are_not_plain_are_400(safe, path):
    assert safe.ask("GET", path)[0] == 400


def test_a_path_is_decoded_once(safe):
    (safe.root / "a+b c%41").write_bytes(b"x")
    assert safe.ask("GET", "/%68ello.txt")[::2] == (200, b"hello\n")
    assert safe.ask("GET", "/a%2Bb%20c%2541")[::2] == (200, b"x")


def test_existing_files_are_served_however_they_are_opened(safe):
    assert safe.ask("GET", "/artifacts/a/x.bin")[::2] == (200, MEDIUM)
    assert safe.ask("GET", "/hello.txt")[::2] == (200, b"hello\n")


def test_no_symbolic_link_is_followed(safe, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (safe.root / "file-link").symlink_to("hello.txt")
    (safe.root / "out-link").symlink_to(tmp_path / "secret")
    (safe.root / "folder-link").symlink_to("artifacts")
    paths = ["/file-link", "/out-link", "/folder-link/a/x.bin"]
    assert [safe.ask("GET", path)[0] for path in paths] == [404, 404, 404]


def test_a_fifo_neither_blocks_nor_is_served(safe):
    os.mkfifo(safe.root / "fifo")
    assert safe.ask("GET", "/fifo")[0] == 404


@pytest.mark.parametrize("method, path, allow", [
    ("POST", "/hello.txt", "GET, HEAD"), ("DELETE", "/hello.txt", "GET, HEAD"),
    ("OPTIONS", "/hello.txt", "GET, HEAD"), ("PUT", "/hello.txt", "GET, HEAD"),
    ("PUT", "/snapshots", "GET, HEAD"), ("DELETE", "/snapshots/a/b", "GET, HEAD, PUT"),
])
def test_other_methods_are_405(stub, method, path, allow):
    status, headers, _ = stub.ask(method, path, body=b"x")
    assert (status, headers["Allow"]) == (405, allow)
    assert (stub.root / "hello.txt").read_bytes() == b"hello\n"


@pytest.mark.parametrize("data", [
    b"nonsense\r\n\r\n", b"GET /hello.txt\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n",
    b"GET http:// HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01\x00\x00", b"get / HTTP/1.1\r\n",
    b"GET http://store/hello.txt HTTP/1.1\r\nHost: store\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
])
def test_what_is_not_a_request_is_400_and_closes(stub, data):
    status, headers, _ = split(stub.talk(data))
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["Connection"] == "close"


@pytest.mark.parametrize("fields", [[f"X-{n}: 1" for n in range(101)], ["X: " + "x" * 100_000]])
def test_too_large_a_head_is_431_and_closes(stub, fields):
    assert split(stub.talk(get("/hello.txt", *fields)))[0].startswith("HTTP/1.1 431 ")


# Ranges.


@pytest.mark.parametrize("field, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=5-9", 5, 9), ("bytes=5-", 5, 19), ("bytes=0-99999", 0, 19),
    ("bytes=-3", 17, 19), ("bytes=-99", 0, 19), ("BYTES=19-19", 19, 19),
    ("bytes=1-99999999999999999999999", 1, 19),
])
def test_a_single_range_is_206(stub, field, first, last):
    status, headers, body = stub.ask("GET", "/digits", {"Range": field})
    assert (status, body) == (206, TEXT[first:last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/20"
    assert headers["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize("path, field", [
    ("/digits", "bytes=20-"), ("/digits", "bytes=99999999999999999999-"), ("/digits", "bytes=-0"),
    ("/empty.bin", "bytes=0-"), ("/empty.bin", "bytes=-1"),
])
def test_a_range_outside_the_file_is_416(stub, path, field):
    status, headers, _ = stub.ask("GET", path, {"Range": field})
    assert status == 416
    assert headers["Content-Range"] == f"bytes */{len(CONTENT[path[1:]])}"


@pytest.mark.parametrize("field", ["bytes=0-1,3-4", "bytes=5-1", "bytes=", "bytes=a-b", "lines=1-2",
                                   "bytes=1", "bytes=--1", "bytes=1-2x", "bytes= 1-2"])
def test_ranges_that_are_several_or_malformed_are_ignored(stub, field):
    status, headers, body = stub.ask("GET", "/digits", {"Range": field})
    assert (status, headers["Content-Range"], body) == (200, None, TEXT)


def test_head_ignores_a_range(stub):
    status, headers, _ = stub.ask("HEAD", "/digits", {"Range": "bytes=1-2"})
    assert (status, headers["Content-Length"]) == (200, "20")


def test_if_range_serves_a_part_of_this_version_only(stub):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    earlier = email.utils.formatdate(1, usegmt=True)
    answers = {
        value: stub.ask("GET", "/digits", {"Range": "bytes=1-2", "If-Range": value})[0]
        for value in (etag, date, "W/" + etag, '"other"', earlier, "nonsense")
    }
    assert list(answers.values()) == [206, 206, 200, 200, 200, 200]


# Conditions.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_that_say_not_modified_are_304(stub, method):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    for condition in ({"If-None-Match": etag}, {"If-None-Match": "*"},
                      {"If-None-Match": f'"a", W/{etag}'}, {"If-Modified-Since": date}):
        status, headers, body = stub.ask(method, "/digits", condition)
        assert (status, headers["ETag"], body) == (304, etag, b""), condition
        assert "Content-Length" not in headers


def test_conditions_that_say_modified_are_200(stub):
    _, headers, _ = stub.ask("GET", "/digits")
    etag, date = headers["ETag"], headers["Last-Modified"]
    earlier = email.utils.formatdate(1, usegmt=True)
    for condition in ({"If-None-Match": '"a", "b"'}, {"If-None-Match": etag[:-1]},
                      {"If-Modified-Since": earlier}, {"If-Modified-Since": "yesterday"},
                      {"If-None-Match": '"a"', "If-Modified-Since": date},
                      {"If-Match": etag}, {"If-Match": "*"}, {"If-Unmodified-Since": date}):
        assert stub.ask("GET", "/digits", condition)[::2] == (200, TEXT), condition


def test_preconditions_that_fail_are_412(stub):
    etag = stub.ask("GET", "/digits")[1]["ETag"]
    earlier = email.utils.formatdate(1, usegmt=True)
    for condition in ({"If-Match": '"a"'}, {"If-Match": "W/" + etag},
                      {"If-Unmodified-Since": earlier}):
        assert stub.ask("GET", "/digits", condition)[0] == 412, condition


def test_the_etag_changes_with_the_file(stub):
    path = stub.root / "digits"
    etags = {stub.ask("GET", "/digits")[1]["ETag"]}
    info = path.stat()
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    etags.add(stub.ask("GET", "/digits")[1]["ETag"])
    (stub.root / "new").write_bytes(TEXT)
    os.utime(stub.root / "new", ns=(info.st_atime_ns, info.st_mtime_ns + 1))
    (stub.root / "new").rename(path)
    etags.add(stub.ask("GET", "/digits")[1]["ETag"])
    assert len(etags) == 3
