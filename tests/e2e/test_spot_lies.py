"""Servers that send without end, without sense or without hurry: each answer of a fetch in turn."""

import glob
import gzip
import json
import os
import re
import subprocess
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.cache import Cache
from mirrorgate_test.origin import cut, etag, installed, sends, status
from mirrorgate_test.spot import PROGRAM, answer

import test_spot_catalogue
from test_spot_fetch import BASE, publish, tree

FILES = {"core.zip": b"0123456789" * 20_000, "other.bin": b"other" * 100}
MIB = 1024 * 1024
PLACES = ["/licence", "catalogue.json", "catalogue.json.p7s", "core.zip"]


@pytest.fixture(name="serve")
def origin_and_installation(lab, release):
    def make(acts=(), **keys):
        origin = installed(
            lab, release, lambda root: publish(root, release, "1.0", FILES), acts, **keys
        )
        return origin

    return make


def fails(origin, *codes, **how):
    """The fetch that must end with one of CODES and leave nothing wrong behind; its sentence."""
    done = origin.spot.run("fetch", "step-core", "--to", origin.here, **how)
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert not (origin.here / "catalogue.json").exists()
    assert tree(origin.here).items() <= FILES.items()
    assert Cache(origin.spot.folder / "cache").contents() in ([], [FILES["other.bin"]])
    return done.stderr


class Flood:
    """Sends HEAD and then PIECE again and again until the client has enough; `sent` counts."""

    def __init__(self, head, piece):
        self.head, self.piece, self.sent = head, piece, 0

    def __call__(self, connection, _content, _request):
        connection.sendall(self.head)
        while True:
            connection.sendall(self.piece)
            self.sent += len(self.piece)
            assert self.sent < 256 * MIB, "nobody ends this"


FLOODS = {
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + 1024 * b"x" + b"\r\n"),
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", 1024 * b"x"),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n", 1024 * b"x"),
    "one chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7ffffffffffffff\r\n", 1024 * b"x"),
    "an error": (b"HTTP/1.1 500 Broken\r\n\r\n", 1024 * b"x"),
    "a refusal": (b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"400\r\n" + 1024 * b"x" + b"\r\n"),
    "fields": (b"HTTP/1.1 200 OK\r\n", b"X-Field: " + 1000 * b"x" + b"\r\n"),
    "one field": (b"HTTP/1.1 200 OK\r\nX-Field: ", 1024 * b"x"),
    "status line": (b"HTTP/1.1 200 ", 1024 * b"x"),
    "100": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 40),
    "103": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" * 20),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Field: " + 1000 * b"x" + b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("flood", FLOODS)
def test_an_answer_without_end_is_ended(serve, place, flood):
    act = Flood(*FLOODS[flood])
    origin = serve({place: act})
    fails(origin, 4, 7, 9)
    # Buffers of both ends, and what a catalogue may have at most; twice, for there are two tries.
    assert act.sent < 100 * MIB


@pytest.mark.parametrize("place", PLACES)
def test_an_answer_of_http_0_9_is_none(serve, place):
    fails(serve({place: sends(lambda content: content)}), 4, 9)


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_inflated(serve, place):
    """A gigabyte of zeros in a megabyte; it is not asked for, and not unpacked either."""
    bomb = gzip.compress(bytes(64 * MIB))
    act = sends(lambda _: answer("200 OK", bomb, Content_Encoding="gzip", ETag='"x"'))
    origin = serve({place: act})
    fails(origin, 9, 10)
    assert all(request.field("Accept-Encoding") is None for request in origin.requests)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: bogus\r\n\r\nabc",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\nContent-Range: bytes 0-2/3\r\n\r\nabc",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"\0\r\n\r\n",
        b"",
    ],
)  # fmt: skip
def test_an_answer_without_sense_is_a_failure(serve, place, head):
    fails(serve({place: sends(lambda _: head)}), 4, 7, 8, 9, 10)


@pytest.mark.parametrize("place", PLACES)
def test_no_redirect_is_followed(lab, serve, place):
    elsewhere = lab.server(lambda connection, _: None)
    there = f"https://127.0.0.1:{elsewhere.port}/x"
    for line in ("301 Moved", "302 Found", "303 Other", "307 Temporary", "308 Permanent"):
        fails(serve({place: status(line, Location=there)}), 9)
    assert elsewhere.accepted == 0


@pytest.mark.parametrize("place", PLACES[:3])
def test_what_follows_an_answer_is_not_taken_for_the_next(serve, place):
    """The next request would get it, were the connection used again."""
    def act(connection, content, _request):
        forged = answer("200 OK", b'{"customer":"evil","licences":[]}')
        connection.sendall(answer("200 OK", content) + forged)
        return True

    origin = serve({place: act})
    done = origin.spot.run("fetch", "step-core", "--to", origin.here)
    assert done.returncode == 0, done.stderr
    assert tree(origin.here) == FILES


def test_chunks_are_as_good_as_a_length(serve):
    def act(connection, content, _request):
        if content is None:  # there is no index
            connection.sendall(answer("404 Not Found"))
            return True
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))
        return True

    origin = serve({"": act})
    assert origin.spot.run("fetch", "step-core", "--to", origin.here).returncode == 0
    assert tree(origin.here) == FILES


# --- without hurry


def stall(connection, content, _request):
    """Half of the answer, and then nothing."""
    whole = answer("200 OK", content, ETag=etag(content))
    connection.sendall(whole[: len(whole) - len(content) // 2 - 1])
    connection.recv(1)


def drip_fields(connection, _content, _request):
    """A header without end, a byte at a time."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_content(connection, content, _request):
    """The answer, a few bytes a second, also on the fast clock."""
    whole = answer("200 OK", content, ETag=etag(content))
    connection.sendall(whole[: len(whole) - len(content)])
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


def fast_clock():
    """An environment in which time goes twenty times as fast."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"+0 x{20 // common.PATIENCE}",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
    }


def test_who_takes_a_connection_and_says_nothing_is_given_up_before_that(lab):
    """The handshake has a timeout of its own, which is shorter."""
    hellos = []

    def silent(connection, _number):
        hellos.append(connection.recv(1))
        while connection.recv(65536):
            pass

    server = lab.scripted(silent)
    spot = lab.spot(tries=1, servers=[f"https://{server.address}"])
    said = spot.fails(4, "list", environment=fast_clock())
    assert re.search("cannot be reached: (SSL connection timeout|Connection timed out)", said)
    assert hellos == [b"\x16"]  # a TLS handshake had begun


@pytest.mark.parametrize("act", [stall, drip_fields, drip_content])
@pytest.mark.parametrize("place", ["/licence", "core.zip"])
def test_who_sends_next_to_nothing_for_a_minute_is_given_up(serve, place, act):
    origin = serve({place: act}, tries=1)
    begun = time.monotonic()
    said = fails(origin, 4, environment=fast_clock())
    assert "is too slow" in said
    assert time.monotonic() - begun > 2


# --- catalogues that are signed, and lie nevertheless


@pytest.mark.parametrize(
    "paths",
    [["../evil"], ["/tmp/evil"], ["a/../../evil"], ["./evil"], ["doc//evil"], ["doc/"], [".."],
     ["catalogue.json"], [".spot.part"], [".spot.part.json"], ["Doc/a", "doc/a"], ["a", "a/b"],
     ["x\\y"], ["evil\n"], ["%2e%2e/evil"]],
)  # fmt: skip
def test_a_path_that_leads_astray_is_asked_for_nowhere(serve, release, paths):
    origin = serve()
    files = [test_spot_catalogue.entry(path) for path in sorted(paths)]
    test_spot_catalogue.write(origin.root / BASE, release, files, version="1.1")
    before = len(origin.requests)
    fails(origin, 10)
    assert origin.asked() == []
    assert len(origin.requests) <= before + 4
    assert sorted(path.name for path in origin.spot.folder.iterdir()) == [
        "cache", "here", "spot.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 199_999, 200_001, 2**40, 2**62])
def test_a_size_that_is_not_the_files_is_found_out(serve, release, size):
    """Also one that is larger than any disk: nothing is loaded of it."""
    origin = serve()
    entry = test_spot_catalogue.entry(
        "core.zip", size=size, sha1=test_spot_catalogue.hashlib.sha1(FILES["core.zip"]).hexdigest(),
        sha256=test_spot_catalogue.hashlib.sha256(FILES["core.zip"]).hexdigest(),
    )  # fmt: skip
    folder = origin.root / BASE / "1.0"
    test_spot_catalogue.write(folder, release, [entry], version="1.0")
    for name in ("catalogue.json", "catalogue.json.p7s"):
        store.write(origin.root, f"{BASE}/{name}", (folder / name).read_bytes())
    if size < 2**40:
        fails(origin, 4, 9)
    else:
        assert "on the disk" in fails(origin, 1)
        assert origin.asked("core.zip") == []


def test_a_licence_for_another_ones_folder_is_no_way_out(serve):
    """A server's licence names the folder of the product: it must be one of a path."""
    for path in ("/../", "/a/../b/", "//evil.example/", "/a /", "https://evil.example/", "", "/x"):
        value = {
            "customer": "acme",
            "licences": [{"product": "step-core", "paths": [path], "except": [], "from": None,
                          "until": None, "valid": True}],
        }  # fmt: skip
        origin = serve({"/licence": sends(lambda _, value=value: answer("200 OK", json.dumps(value).encode()))})
        fails(origin, 7, 8, 9, 10)
        assert origin.asked() == []


def test_a_file_that_lies_once_is_given_another_chance_and_one_that_lies_always_is_not(serve):
    wrong = sends(lambda content: answer("200 OK", b"X" + content[1:]))
    assert "not the catalogue's" in fails(serve({"core.zip": wrong}, tries=3), 9)
    origin = serve({"core.zip": [wrong, cut(5)]}, tries=3)
    assert origin.spot.run("fetch", "step-core", "--to", origin.here).returncode == 0
    assert tree(origin.here) == FILES


def test_memory_stays_small_whatever_is_sent(serve):
    """An artifact of 40 MB, and a flood: neither is held in memory."""
    act = Flood(*FLOODS["no length"])
    origin = serve({"core.zip": act}, tries=1)
    limit = "" if common.SANITIZED else "ulimit -v 300000; "  # KiB; shadow memory is reserved
    done = subprocess.run(
        ["sh", "-c", limit + 'exec "$@"', "sh", PROGRAM, "-c", origin.spot.file, "fetch",
         "step-core", "--to", origin.here],
        capture_output=True, text=True, timeout=60 * common.PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
