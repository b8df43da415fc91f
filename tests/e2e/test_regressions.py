"""Defects of the past that belong to no other file: what a store says too early, whose fault a
failure is, and how the sockets and the private key are held.
"""

import contextlib
import json
import os
import random
import socket
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
JSON = [("Content-Type", "application/json")]
MIB = 1 << 20


def snapshot(count=0):
    components = [{"name": f"c{i}" + "x" * 100, "version": "1" * 60} for i in range(count)]
    return json.dumps(
        {"format": "thin-snapshot/1", "system": "s", "components": components}
    ).encode()


def put(connection, body):
    return connection.request("PUT", "/snapshots/s", JSON, body)


# --- uploads


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_store_that_confirms_an_upload_it_has_not_read_is_not_believed(lab, status):
    """Its socket does not hold the largest upload, so the gateway knows that it was not read."""

    def script(connection, _):
        store.read_head(connection)
        connection.sendall(f"HTTP/1.1 {status} Fine\r\nContent-Length: 0\r\n\r\n".encode())
        done.wait(30)

    done = threading.Event()
    store = lab.scripted(script, unix=True)
    gate = lab.gateway(store)
    with gate.connect() as connection:
        refusal(put(connection, snapshot(1350)), 502, "store-bad-response")
    done.set()
    assert len(store.heads) == 1


def test_an_upload_that_no_store_could_take_is_not_counted(lab):
    path = lab.new_folder("socket") / "store"
    later = types.SimpleNamespace(url=f"unix:{path}")
    customers = [customer("acme", ["step-core"], snapshots_per_day=2)]
    gate = lab.gateway(later, policy=policy(customers=customers))
    with gate.connect() as connection:
        for _ in range(5):
            refusal(put(connection, snapshot()), 503, "store-unavailable")
        lab.stub(listen=f"unix:{path}")
        answers = [put(connection, snapshot(count)) for count in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 429]
    refusal(answers[2], 429, "too-many")


# --- stores that fail


@pytest.mark.parametrize("good", range(3))
def test_a_request_fails_only_after_every_store_was_tried(lab, good):
    """All of them are known as failed; one is back, and nobody has noticed yet."""

    def script(connection, _):
        while True:
            store.read_head(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    folder = lab.new_folder("sockets")
    urls = [f"unix:{folder / str(number)}" for number in range(3)]
    gate = lab.gateway(*(types.SimpleNamespace(url=url) for url in urls))
    with gate.connect() as connection:
        refusal(connection.get(SMALL), 503, "store-unavailable")
        store = lab.scripted(script, unix=True)
        os.link(store.address.removeprefix("unix:"), folder / str(good))
        assert connection.get(SMALL).body == b"ok"


# --- sockets


def test_a_second_gateway_on_the_same_port_refuses_to_start(lab):
    """With SO_REUSEPORT it could, and would take half of the clients."""
    first = lab.gateway(config={"workers": 2})
    listen = [{"address": "127.0.0.1", "port": first.port}]
    for workers in (1, 2):
        second = lab.prepared(*first.stores, config={"listen": listen, "workers": workers})
        done = second.run("--unsafe-any-port")
        assert done.returncode == 1
        assert f"127.0.0.1:{first.port}: Address already in use" in done.stderr
        assert "live on" not in done.stderr
    for _ in range(10):
        assert first.get(SMALL).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_that_was_passed_in_blocking_mode_serves(lab, workers):
    shell = "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$"
    with socket.create_server(("127.0.0.1", 0)) as passed:
        assert os.get_blocking(passed.fileno())
        port = passed.getsockname()[1]
        config = {"listen": [{"address": "127.0.0.1", "port": port}], "workers": workers}
        gate = lab.gateway(config=config, shell=shell, stdin=passed)
    assert gate.port == port
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(gate.connect()) for _ in range(4)]
        for _ in range(2):
            assert all(connection.get(SMALL).status == 200 for connection in connections)
            gate.reload()


# --- the private key


def open_files(pid):
    """What the descriptors of PID lead to."""
    folder = f"/proc/{pid}/fd"
    return [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]


def test_workers_hold_no_descriptor_of_the_private_key(lab):
    """The supervisor hands it over in a memfd. Who takes over a worker shall not read it again."""
    gate = lab.gateway(config={"workers": 2})
    assert any("memfd:" in name for name in open_files(gate.process.pid)), "the test sees memfds"
    if os.geteuid() != 0 and not common.INSTRUMENTED:
        for pid in gate.workers():  # undumpable: not even their own user may look
            with pytest.raises(PermissionError):
                open_files(pid)
        return
    for _ in range(2):
        for pid in gate.workers():
            held = [name for name in open_files(pid) if "memfd:" in name or ".key" in name]
            assert held == []
        gate.reload()


# --- long answers


def download_with_pauses(gate, path, seed):
    """Reads PATH in pieces and at a pace that differ all the time; the number of its bytes."""
    chance = random.Random(seed)
    received = 0
    with gate.connect(receive_buffer=chance.choice([4096, 65_536, 262_144])) as connection:
        connection.send_request("GET", path)
        response = connection.read_head()
        while received < response.content_length:
            piece = connection.read_some(chance.randrange(1, 300_000))
            assert piece, f"cut after {received} bytes: {connection.end}"
            received += len(piece)
            if chance.random() < 0.05:
                time.sleep(chance.choice([0.001, 0.01, 0.05]))
    return received


@pytest.mark.parametrize("kind", ["stub", "nginx"])
def test_no_long_download_falls_asleep(lab, kind):
    """The store's last bytes are in memory and its connection is given back, when the client's
    turn is over or its socket full: something else must wake the download up."""
    store = lab.store(kind)
    gate = lab.gateway(store)
    sizes = [(3 + 4 * number) * MIB + number for number in range(10)]
    for size in sizes:
        write_sparse(store.root, f"artifacts/step-core/{size}", size)
    with ThreadPoolExecutor(len(sizes)) as pool:
        running = [
            pool.submit(download_with_pauses, gate, f"/artifacts/step-core/{size}", size)
            for size in sizes
        ]
        assert [each.result(60 * common.PATIENCE) for each in running] == sizes
