"""The upstream stub: faults that are asked for."""

import os
import time

import pytest
from mirrorgate_test.stub_process import (
    MEDIUM, ask, get, is_open, read_all, read_exactly, read_until, split, stored,
    wait_until,
)  # fmt: skip

pytest_plugins = ["mirrorgate_test.stub_fixtures"]


@pytest.fixture
def faulty(start):
    """A stub whose paths can ask for faults."""
    return start(segments=True)


# Faults.


def fault_by(how, start, kind, path):
    """A stub with that fault, and the path to ask for."""
    if how == "segment":
        folder, name = path.rsplit("/", 1)
        return start(segments=True), f"{folder}/@{kind}/{name}"
    return start(faults=[f"{'*' if how == 'star' else path}={kind}"]), path


hows = pytest.mark.parametrize("how", ["segment", "path", "star"])


@hows
def test_fault_status_replaces_the_answer(start, how):
    stub, path = fault_by(how, start, "status:503", "/hello.txt")
    with stub.client() as client:
        for _ in range(2):
            status, headers, body = ask(client, "GET", path)
            assert (status, headers["Content-Length"], body) == (503, "0", b"")


def test_fault_status_may_carry_a_text(faulty):
    assert faulty.ask("GET", "/@status:418:a=b:c/x")[::2] == (418, b"a=b:c")


def test_fault_status_keeps_an_upload_from_being_stored(start):
    stub = start(faults=["*=status:500"])
    assert stub.ask("PUT", "/snapshots/a", body=b"x")[0] == 500
    assert stored(stub) == {}


@hows
def test_fault_cut_body_closes_after_n_bytes(start, how):
    stub, path = fault_by(how, start, "cut-body:100000", "/artifacts/a/x.bin")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, body = split(read_all(sock))
    assert (headers["Content-Length"], body) == (str(len(MEDIUM)), MEDIUM[:100_000])


def test_fault_cut_body_may_cut_at_once_and_small_texts_too(faulty):
    with faulty.connect() as sock:
        sock.sendall(get("/@cut-body:0/hello.txt"))
        assert split(read_all(sock))[2] == b""
    with faulty.connect() as sock:
        sock.sendall(get("/@cut-body:3/nothing"))
        assert split(read_all(sock))[2] == b"not"


@hows
def test_fault_reset_resets_instead_of_an_answer(start, how):
    stub, path = fault_by(how, start, "reset", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert [event["event"] for event in stub.events()] == ["open", "data", "request", "close"]


@hows
@pytest.mark.parametrize("length", [0, 10, 262144, 5_000_000])
def test_fault_reset_body_resets_after_exactly_n_bytes(start, how, length):
    stub, path = fault_by(how, start, f"reset-body:{length}", "/digits")
    os.truncate(stub.root / "digits", 10_000_000)
    with stub.connect() as sock:
        sock.sendall(get(path))
        read_until(sock, b"\r\n\r\n")
        read_exactly(sock, length)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@hows
@pytest.mark.parametrize("delta, said", [(5, "11"), (-2, "4"), (-100, "0")])
def test_fault_wrong_length_is_off_and_the_body_is_not(start, how, delta, said):
    stub, path = fault_by(how, start, f"wrong-length:{delta}", "/hello.txt")
    _, headers, body = split(stub.talk(get(path)))
    assert (headers["Content-Length"], body) == (said, b"hello\n")


@hows
def test_fault_garbage_is_not_http(start, how):
    stub, path = fault_by(how, start, "garbage", "/hello.txt")
    answer = stub.talk(get(path))
    assert answer and not answer.startswith(b"H")


@hows
def test_fault_extra_follows_the_response(start, how):
    stub, path = fault_by(how, start, "extra:70000", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        assert split(read_until(sock, b"\r\n\r\n"))[1]["Content-Length"] == "6"
        assert read_exactly(sock, 70_006) == b"hello\n" + b"X" * 70_000
        assert is_open(sock)


@hows
def test_fault_1xx_comes_before_the_answer(start, how):
    stub, path = fault_by(how, start, "1xx:1000", "/hello.txt")
    answer = stub.talk(get(path))
    hints, final, rest = answer.rpartition(b"HTTP/1.1 200 OK\r\n")
    assert hints.count(b"HTTP/1.1 103 Early Hints\r\n") == hints.count(b"\r\n\r\n") == 1000
    assert final and rest.endswith(b"\r\n\r\nhello\n")


@hows
def test_fault_huge_head_adds_a_field_of_n_bytes(start, how):
    stub, path = fault_by(how, start, "huge-head:300000", "/hello.txt")
    _, headers, body = split(stub.talk(get(path)))
    assert (headers["X-Huge"], body) == ("a" * 300_000, b"hello\n")


@hows
def test_fault_silent_never_answers(start, how):
    stub, path = fault_by(how, start, "silent", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path) + get("/hello.txt"))
        wait_until(lambda: stub.events("request"), "the request in the log")
        assert is_open(sock)
    wait_until(lambda: stub.events("close"), "the connection's end in the log")


def test_a_silent_connection_that_was_flooded_still_notices_the_end(faulty):
    with faulty.connect() as sock:
        sock.sendall(get("/@silent/x") + bytes(1_000_000))
    wait_until(lambda: faulty.events("close"), "the connection's end in the log")


@hows
def test_fault_close_says_so_and_closes(start, how):
    stub, path = fault_by(how, start, "close", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, body = split(read_all(sock))
        assert (headers["Connection"], body) == ("close", b"hello\n")


@hows
def test_fault_die_idle_closes_when_the_next_request_arrives(start, how):
    stub, path = fault_by(how, start, "die-idle", "/hello.txt")
    with stub.connect() as sock:
        sock.sendall(get(path))
        _, headers, _ = split(read_until(sock, b"\r\n\r\n"))
        assert (headers.get("Connection"), read_exactly(sock, 6)) == (None, b"hello\n")
        assert is_open(sock)
        sock.sendall(b"PUT /snapshots/a HTTP/1.1\r\nHost: s\r\nContent-Length: 1\r\n\r\nx")
        assert sock.recv(1) == b""
    assert [event["method"] for event in stub.events("request")] == ["GET", "PUT"]
    assert stored(stub) == {}


@hows
def test_fault_raw_sends_the_bytes_of_a_file(start, how):
    stub, path = fault_by(how, start, "raw:answer", "/hello.txt")
    (stub.root / "answer").write_bytes(b"HTTP/1.1 200 OK\nodd")
    with stub.connect() as sock:
        for _ in range(2):
            sock.sendall(get(path))
            assert read_exactly(sock, 19) == b"HTTP/1.1 200 OK\nodd"
        assert is_open(sock)


def test_fault_raw_on_the_command_line_may_name_a_file_in_a_folder(start):
    stub = start(faults=["/x=raw:artifacts/a/x.bin"])
    assert stub.talk(get("/x")) == MEDIUM


def test_fault_raw_without_its_file_is_500(faulty):
    assert faulty.ask("GET", "/@raw:nothing/hello.txt")[0] == 500


@hows
def test_fault_delay_head_holds_the_whole_answer_back(start, how):
    stub, path = fault_by(how, start, "delay-head:300", "/hello.txt")
    begin = time.monotonic()
    with stub.connect() as sock:
        sock.sendall(get(path))
        assert sock.recv(1) == b"H"
        assert time.monotonic() - begin >= 0.3


@hows
def test_fault_delay_body_pauses_between_pieces_of_16_kib(start, how):
    stub, path = fault_by(how, start, "delay-body:20", "/artifacts/a/x.bin")
    begin = time.monotonic()
    assert stub.ask("GET", path)[::2] == (200, MEDIUM)
    pauses = len(MEDIUM) // (16 * 1024) - 1
    assert time.monotonic() - begin >= pauses * 0.02


@pytest.mark.parametrize("kind", ["delay-head:3600000", "delay-body:3600000"])
def test_a_delayed_answer_is_given_up_when_the_client_leaves(faulty, kind):
    with faulty.connect() as sock:
        sock.sendall(get(f"/artifacts/a/@{kind}/x.bin"))
        wait_until(lambda: faulty.events("request"), "the request in the log")
        assert faulty.ask("GET", "/hello.txt")[0] == 200
    wait_until(lambda: len(faulty.events("close")) == 2, "the connections' end in the log")


def test_fault_refuse_closes_every_connection_at_accept(start):
    stub = start(faults=["*=refuse"])
    for _ in range(3):
        with stub.connect() as sock:
            assert sock.recv(1) == b""
    assert [event["event"] for event in stub.events()] == ["open", "close"] * 3


def test_a_fault_concerns_its_own_path_only(start):
    stub = start(faults=["/hello.txt=status:500", "/artifacts/*=status:410"])
    paths = ["/hello.txt", "/hello.txt?q", "/digits", "/artifacts/a/x.bin", "/artifacts"]
    assert [stub.ask("GET", path)[0] for path in paths] == [500, 500, 200, 410, 404]


def test_a_path_with_an_equals_sign_can_have_a_fault(start):
    stub = start(faults=["/a=b/x=status:410"])
    assert stub.ask("GET", "/a=b/x")[0] == 410


def test_faults_add_up(start):
    stub = start(segments=True, faults=["*=1xx:1", "/artifacts/a/x.bin=huge-head:5"])
    answer = stub.talk(get("/artifacts/a/x.bin"))
    assert answer.startswith(b"HTTP/1.1 103 ") and b"\r\nX-Huge: aaaaa\r\n" in answer
    answer = stub.talk(get("/@wrong-length:1/@cut-body:2/hello.txt"))
    assert b"Content-Length: 7\r\n" in answer and answer.endswith(b"\r\n\r\nhe")


def test_segments_of_unknown_kind_belong_to_the_path(faulty):
    assert faulty.ask("GET", "/artifacts/@scope/x.bin")[::2] == (200, b"scoped")
    assert faulty.ask("GET", "/artifacts/@other/a/x.bin")[0] == 404


@pytest.mark.parametrize("kind", ["close", "reset", "status:410", "delay-head:3600000", "raw:hello.txt",
                                  "cut-body:x", "refuse", "1xx:9", ""])
def test_without_the_option_a_fault_in_a_path_is_a_plain_name(stub, kind):
    assert stub.ask("GET", f"/@{kind}/hello.txt")[::2] == (404, b"not found\n")
    assert stub.ask("GET", f"/artifacts/a/@{kind}/x.bin")[0] == 404
    assert stub.ask("GET", "/artifacts/@close/x.bin")[::2] == (200, b"plain")
    assert stub.ask("PUT", f"/snapshots/@{kind}", body=b"x")[0] == 201
    assert list(stored(stub)) == [f"@{kind}"]


@pytest.mark.parametrize("kind", [
    "cut-body", "cut-body:", "cut-body:x", "cut-body:-1", "reset:1", "status:99", "status:1000",
    "status:abc", "status", "status:500x", "raw", "raw:", "1xx:100001", "refuse",
    "delay-head:99999999999999999999",
])
def test_a_fault_with_a_wrong_argument_is_400(faulty, kind):
    assert faulty.ask("GET", f"/@{kind}/hello.txt")[::2] == (400, b"bad fault in the path\n")
