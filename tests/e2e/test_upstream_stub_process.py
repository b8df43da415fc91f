"""The upstream stub: its log, its start and its end."""

import os
import signal
import socket
import subprocess

import pytest
from mirrorgate_test.stub_process import DEADLINE, STUB, Stub, ask, get, wait_until

pytest_plugins = ["mirrorgate_test.stub_fixtures"]


# The request log.


def test_the_log_holds_every_byte_and_every_request(stub):
    data = get("/hello.txt", "X-Odd: \x80\xff\t\"\\", "X-Two: 1", "x-two: 2", "X-Empty:")
    data = data.decode().encode("latin-1")
    stub.talk(data)
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert stub.events("open") == [{"event": "open", "connection": 1}]
    received = "".join(event["data"] for event in stub.events("data"))
    assert received.encode("latin-1") == data
    assert stub.events("request") == [{
        "event": "request", "connection": 1, "method": "GET", "path": "/hello.txt",
        "target": "/hello.txt", "headers": {"host": "store", "x-odd": "\x80\xff\t\"\\", "x-two": "1, 2", "x-empty": ""},
        "body_bytes": 0,
    }]


def test_the_log_is_written_before_the_answer(stub):
    with stub.client() as client:
        for n in range(1, 101):
            ask(client, "PUT", "/snapshots/a", {"X-N": str(n)}, b"x" * 10)
            last = stub.events("request")[-1]
            assert (last["headers"]["x-n"], last["body_bytes"]) == (str(n), 10)


def test_the_log_has_what_never_became_a_request(stub):
    stub.talk(b"\x00\x01nonsense\xfe")
    wait_until(lambda: stub.events("close"), "the connection's end in the log")
    assert "".join(event["data"] for event in stub.events("data")) == "\x00\x01nonsense\xfe"
    assert stub.events("request") == []


def test_the_log_tells_connections_apart(stub):
    with stub.client() as first, stub.client() as second:
        for client, path in ((first, "/1"), (second, "/2"), (first, "/3")):
            ask(client, "GET", path)
    wait_until(lambda: len(stub.events("close")) == 2, "the connections' end in the log")
    requests = [(event["connection"], event["path"]) for event in stub.events("request")]
    assert requests == [(1, "/1"), (2, "/2"), (1, "/3")]


def test_it_works_without_a_log(start):
    assert start(logs=False).ask("GET", "/hello.txt")[0] == 200


# Starting and ending.


def run(*arguments):
    done = subprocess.run([STUB, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_with_code_0_in_the_middle_of_transfers(start, end):
    stub = start(end=end)
    os.truncate(stub.root / "digits", 1 << 30)
    sock = stub.connect()
    sock.sendall(get("/digits"))
    assert sock.recv(1) == b"H"
    stub.process.send_signal(end)
    assert stub.process.wait(DEADLINE) == 0
    sock.close()


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.9.10:0", "[::1]:0"])
def test_it_listens_on_loopback(start, listen):
    stub = start(listen=listen)
    assert stub.address.rsplit(":", 1)[0] == listen.rsplit(":", 1)[0]
    assert stub.ask("GET", "/hello.txt")[0] == 200


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0", "8080",
                                    "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x",
                                    "::1:0", "unix:", "unix:" + "p" * 108])
def test_it_refuses_to_listen_anywhere_else(tmp_path, listen):
    code, out, err = run("--root", tmp_path, "--listen", listen)
    assert (code, out) == (1, "")
    assert err.startswith("upstream-stub: error: cannot listen on ") and err.count("\n") == 1


def test_the_unix_socket_is_removed_at_the_end(tmp_path):
    with Stub(tmp_path, listen=f"unix:{tmp_path}/s") as stub:
        assert stub.address == f"unix:{tmp_path}/s"
        assert (tmp_path / "s").is_socket()
    assert not (tmp_path / "s").exists()


def test_a_stale_unix_socket_is_replaced(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "s"))
    assert start(listen=f"unix:{tmp_path}/s").ask("GET", "/hello.txt")[0] == 200


def test_a_unix_socket_in_use_is_left_alone(start, tmp_path):
    stub = start(listen=f"unix:{tmp_path}/s")
    code, _, err = run("--root", tmp_path, "--listen", stub.address)
    assert code == 1 and "Address already in use" in err
    assert stub.ask("GET", "/hello.txt")[0] == 200


def test_a_file_in_the_place_of_the_unix_socket_is_left_alone(tmp_path):
    (tmp_path / "s").write_text("precious")
    assert run("--root", tmp_path, "--listen", f"unix:{tmp_path}/s")[0] == 1
    assert (tmp_path / "s").read_text() == "precious"


@pytest.mark.parametrize("arguments", [
    [], ["--root", "."], ["--listen", "127.0.0.1:0"], ["--unknown"],
    ["--root", ".", "--listen", "127.0.0.1:0", "more"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "*=nonsense"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "reset"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "*=cut-body:x"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "/x=refuse"],
    ["--root", ".", "--listen", "127.0.0.1:0", "--fault", "/*=refuse"],
])
def test_wrong_usage_is_exit_code_2(arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "") and err != ""


def test_help_is_exit_code_0():
    code, out, err = run("--help")
    assert (code, err) == (0, "") and out.startswith("usage: upstream-stub ")


@pytest.mark.parametrize("extra", [["--root", "/nonexistent"], ["--log", "/nonexistent/log"]])
def test_what_cannot_be_opened_is_exit_code_1(tmp_path, extra):
    code, _, err = run("--root", tmp_path, "--listen", "127.0.0.1:0", *extra)
    assert code == 1 and "No such file or directory while opening" in err
