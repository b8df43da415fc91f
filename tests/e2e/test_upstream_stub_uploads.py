"""The upstream stub: uploads, connections."""

import concurrent.futures
import contextlib
import functools
import hashlib
import os
import resource

import pytest
from mirrorgate_test.stub_process import (
    CONTENT, MEDIUM, TEXT, ask, get, is_open, read_all, read_exactly,
    read_until, split, stored, wait_until,
)  # fmt: skip

pytest_plugins = ["mirrorgate_test.stub_fixtures"]


def test_put_stores_the_body_and_makes_the_folders(safe):
    with safe.client() as client:
        status, _, _ = ask(client, "PUT", "/snapshots/acme/prod-1/0a.json", body=MEDIUM)
        assert (status, stored(safe)) == (201, {"acme/prod-1/0a.json": MEDIUM})
        assert ask(client, "GET", "/snapshots/acme/prod-1/0a.json")[::2] == (200, MEDIUM)


def test_put_of_the_same_content_again_is_204(stub):
    answers = [stub.ask("PUT", "/snapshots/a", body=b"same")[0] for _ in range(3)]
    assert (answers, stored(stub)) == ([201, 204, 204], {"a": b"same"})


def test_put_of_the_same_content_again_renews_its_time(stub):
    stub.ask("PUT", "/snapshots/a", body=b"same")
    file = stub.root / "snapshots/a"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert stub.ask("PUT", "/snapshots/a", body=b"same")[0] == 204
    assert file.stat().st_mtime > 1_000_000_000


def test_put_never_overwrites_other_content(stub):
    stub.ask("PUT", "/snapshots/a", body=b"first")
    file = stub.root / "snapshots/a"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    for other in (b"other", b"firs", b"first!", b""):
        assert stub.ask("PUT", "/snapshots/a", body=other)[0] == 409
    assert file.stat().st_mtime == 1_000_000_000
    assert stored(stub) == {"a": b"first"}


def test_put_of_an_empty_body_stores_an_empty_file(stub):
    assert stub.ask("PUT", "/snapshots/empty", body=b"")[0] == 201
    assert stored(stub) == {"empty": b""}


@pytest.mark.parametrize("path", ["/snapshots/", "/snapshots/../x", "/snapshots/a//b",
                                  "/snapshots/a/", "/snapshots/./a"])
def test_put_to_a_path_that_is_not_plain_stores_nothing(safe, path):
    before = sorted(safe.root.rglob("*"))
    assert safe.ask("PUT", path, body=b"x")[0] == 400
    assert sorted(safe.root.rglob("*")) == before


def test_put_does_not_follow_links_or_replace_what_is_no_file(stub, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (stub.root / "snapshots/folder").mkdir(parents=True)
    (stub.root / "snapshots/link").symlink_to(outside)
    (stub.root / "snapshots/dangling").symlink_to(outside / "new")
    stub.ask("PUT", "/snapshots/file", body=b"x")
    for path in ("link/x", "dangling", "folder", "file/x"):
        assert stub.ask("PUT", f"/snapshots/{path}", body=b"x")[0] == 409, path
    assert list(outside.iterdir()) == []
    assert stored(stub) == {"file": b"x"}


def test_put_needs_a_content_length(stub):
    head = b"PUT /snapshots/a HTTP/1.1\r\nHost: store\r\n"
    chunked = stub.talk(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
    none = stub.talk(head + b"\r\n")
    assert split(chunked)[0] == split(none)[0] == "HTTP/1.1 411 Length Required"
    assert stored(stub) == {}


def test_put_takes_one_mebibyte_and_no_more(stub):
    limit = 1024 * 1024
    assert stub.ask("PUT", "/snapshots/most", body=bytes(limit))[0] == 201
    with stub.connect() as sock:
        sock.sendall(b"PUT /snapshots/more HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n"
                     % (limit + 1))
        sock.sendall(bytes(limit + 1))
        assert split(read_all(sock))[0] == "HTTP/1.1 413 Content Too Large"
    assert stored(stub) == {"most": bytes(limit)}


def test_an_upload_that_breaks_off_stores_nothing(stub):
    stub.talk(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 10\r\n\r\nhalf")
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert (stored(stub), stub.events("request")) == ({}, [])


def test_a_client_that_expects_100_continue_gets_it_before_its_body(stub):
    with stub.connect() as sock:
        sock.sendall(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 4\r\n"
                     b"Expect: 100-continue\r\n\r\n")
        assert read_until(sock, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert read_until(sock, b"\r\n\r\n").startswith(b"HTTP/1.1 201 Created\r\n")
    assert stored(stub) == {"a": b"body"}


# Connections.


def test_a_connection_serves_many_requests_in_turn(either):
    with either.client() as client:
        for _ in range(50):
            assert ask(client, "GET", "/hello.txt")[::2] == (200, b"hello\n")
            assert ask(client, "GET", "/nothing")[0] == 404
            assert ask(client, "PUT", "/snapshots/a", body=b"x")[0] in (201, 204)
    assert {event["connection"] for event in either.events()} == {1}


def test_pipelined_requests_are_answered_in_order(either):
    paths = ["/hello.txt", "/artifacts/a/x.bin", "/nothing", "/digits"] * 200
    with either.connect() as sock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sock.sendall, b"".join(get(path) for path in paths))
        for path in paths:
            status, headers, _ = split(read_until(sock, b"\r\n\r\n"))
            body = read_exactly(sock, int(headers["Content-Length"]))
            assert body == CONTENT.get(path[1:], b"not found\n"), path
            assert ("404" in status) == (path == "/nothing")
        sent.result()
        assert is_open(sock)


def test_a_request_may_arrive_byte_by_byte(stub):
    with stub.connect() as sock:
        for byte in get("/hello.txt", "Connection: close"):
            sock.send(bytes([byte]))
        assert split(read_all(sock))[2] == b"hello\n"


def test_http_1_0_and_connection_close_end_the_connection(stub):
    with stub.connect() as sock:
        sock.sendall(b"GET /hello.txt HTTP/1.0\r\n\r\n")
        assert split(read_all(sock))[2] == b"hello\n"
    with stub.connect() as sock:
        sock.sendall(get("/hello.txt", "Connection: close"))
        _, headers, body = split(read_all(sock))
        assert (headers["Connection"], body) == ("close", b"hello\n")


def test_http_1_0_keeps_alive_when_asked_to(stub):
    with stub.connect() as sock:
        for _ in range(2):
            sock.sendall(b"GET /digits HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            _, headers, _ = split(read_until(sock, b"\r\n\r\n"))
            assert headers["Connection"] == "keep-alive"
            assert read_exactly(sock, 20) == TEXT


def test_a_half_closed_client_still_gets_its_answer(either):
    assert split(either.talk(get("/artifacts/a/x.bin")))[2] == MEDIUM


def test_300_parallel_connections_each_get_their_own_file(either):
    for n in range(300):
        (either.root / f"{n}.bin").write_bytes(b"%06d\n" % n * 20_000)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(either.connect()) for _ in range(300)]
        for n, sock in enumerate(socks):
            sock.sendall(get(f"/{n}.bin"))
        for n, sock in enumerate(socks):
            read_until(sock, b"\r\n\r\n")
            assert read_exactly(sock, 140_000) == b"%06d\n" % n * 20_000
        assert all(is_open(sock) for sock in socks)


def test_clients_that_stop_reading_do_not_hold_up_others(either):
    os.truncate(either.root / "digits", 1 << 30)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(either.connect()) for _ in range(20)]
        for sock in socks:
            sock.sendall(get("/digits"))
            assert read_exactly(sock, 15) == b"HTTP/1.1 200 OK"
        assert either.ask("GET", "/hello.txt")[::2] == (200, b"hello\n")
    wait_until(lambda: len(either.events("close")) == 21, "the end of all connections")


def test_a_sparse_gibibyte_arrives_whole(either):
    size = 1 << 30
    with (either.root / "big.bin").open("wb") as file:
        file.truncate(size)
        for offset in range(0, size, 64 << 20):
            file.seek(offset)
            file.write(hashlib.sha256(b"%d" % offset).digest())
    buffer = memoryview(bytearray(1 << 20))
    marks = 0
    with either.connect() as sock:
        sock.sendall(get("/big.bin"))
        assert split(read_until(sock, b"\r\n\r\n"))[1]["Content-Length"] == str(size)
        for offset in range(0, size, len(buffer)):
            done = 0
            while done < len(buffer):
                done += (count := sock.recv_into(buffer[done:]))
                assert count > 0
            if offset % (64 << 20) == 0:
                marks += buffer[:32] == hashlib.sha256(b"%d" % offset).digest()
    assert marks == 16


def test_a_file_cut_short_while_it_is_sent_ends_the_connection(stub):
    os.truncate(stub.root / "digits", 1 << 30)
    with stub.connect() as sock:
        sock.sendall(get("/digits"))
        read_until(sock, b"\r\n\r\n")
        os.truncate(stub.root / "digits", 20)
        assert len(read_all(sock)) < 1 << 30


def test_running_out_of_descriptors_delays_connections_and_loses_none(start):
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (24, 24))
    stub = start(preexec=limit, faults=["/hi=status:200:hi"], noise=r"(upstream-stub: warning: .*\n)*")
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(stub.connect()) for _ in range(40)]
        for sock in socks:
            sock.sendall(get("/hi"))
        warning = stub.process.stderr.readline()
        assert b"Too many open files while accepting a connection" in warning
        for sock in socks:
            assert split(read_until(sock, b"hi"))[2] == b"hi"
            sock.close()
