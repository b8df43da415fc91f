"""Start, drain, stop, worker crashes and log rotation."""

import os
import pwd
import signal
import socket

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import customer, open_port_closed, policy, status_field, timed
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"
SIZE = 20 << 20


@pytest.fixture
def store(lab):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], SIZE)
    return store


def begin_download(gate, **options):
    """A connection in the middle of IMAGE: the head and a piece were read, the rest waits."""
    connection = gate.connect("acme", receive_buffer=16_384, **options)
    connection.send_request("GET", IMAGE)
    pieces = connection.body_pieces(connection.read_head())
    return connection, pieces, bytearray(next(pieces))


def test_sigterm_lets_a_running_download_end_and_takes_no_new_client(lab, store):
    gate = lab.gateway(store, config={"drain": {"timeout": "30s"}})
    connection, pieces, body = begin_download(gate)
    gate.signal(signal.SIGTERM)
    common.wait_until(lambda: open_port_closed(gate.port), "new connections are refused")
    assert gate.process.poll() is None
    for piece in pieces:
        body += piece
    assert body == (store.root / IMAGE[1:]).read_bytes()
    connection.assert_ended()
    assert gate.wait_exit() == 0


def test_sigterm_closes_idle_connections_at_once(lab, store):
    gate = lab.gateway(store, config={"drain": {"timeout": "1h"}})
    with gate.connect() as used, gate.connect() as unused:
        assert used.get(SMALL).status == 200
        gate.signal(signal.SIGTERM)
        used.assert_ended()
        unused.assert_ended()
    assert gate.wait_exit() == 0


def test_sigint_drains_too(lab, store):
    gate = lab.gateway(store)
    gate.signal(signal.SIGINT)
    assert gate.wait_exit() == 0


def test_a_drain_ends_after_its_timeout(lab, store):
    gate = lab.gateway(store, config={"drain": {"timeout": "1s"}})
    connection, pieces, _ = begin_download(gate)
    gate.signal(signal.SIGTERM)
    code, seconds = timed(gate.wait_exit)
    assert code == 0
    assert 0.9 < seconds
    with pytest.raises(Truncated) as cut:
        list(pieces)
    assert cut.value.end != "close_notify"
    connection.close()


def test_a_drain_is_announced_before_clients_are_refused(lab, store):
    gate = lab.gateway(store, config={"drain": {"announce": "5s", "timeout": "10s"}})
    with gate.connect("probe") as probe:
        assert probe.get("/healthz").status == 200
    gate.signal(signal.SIGTERM)

    def draining():
        response = gate.get("/healthz", who="probe")
        return response.status == 503 and b"draining" in response.body

    common.wait_until(draining, "the health check announces it")
    assert gate.get(SMALL).status == 200, "work is still taken while it is announced"
    common.wait_until(lambda: open_port_closed(gate.port), "new connections are refused")
    assert gate.wait_exit() == 0


def test_who_asks_while_a_drain_is_announced_is_told_to_go(lab, store):
    """What comes after that on the connection would meet its end: at rest, connections are closed."""
    gate = lab.gateway(store, config={"drain": {"announce": "1h", "timeout": "1h"}})
    with gate.connect() as connection:
        assert not connection.get(SMALL).closes
        gate.signal(signal.SIGTERM)
        common.wait_until(lambda: gate.get("/healthz", who="probe").status == 503, "it is announced")
        response = connection.get(SMALL)
        assert response.status == 200 and response.closes
        connection.assert_ended()
    assert gate.get(SMALL).status == 200
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0


def test_sigquit_stops_at_once(lab, store):
    gate = lab.gateway(store, config={"drain": {"timeout": "1h", "announce": "1h"}})
    connection, pieces, _ = begin_download(gate)
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0
    with pytest.raises(Truncated) as cut:
        list(pieces)
    assert cut.value.end != "close_notify"
    connection.close()
    assert open_port_closed(gate.port)


def test_no_process_is_left_behind(lab, store):
    gate = lab.gateway(store, config={"workers": 2})
    children = list(gate.children())
    assert len(children) >= 2
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert [pid for pid in children if os.path.exists(f"/proc/{pid}")] == []


def test_workers_end_when_the_supervisor_is_killed(lab, store):
    gate = lab.gateway(store, config={"workers": 2})
    workers = gate.workers()
    gate.process.kill()
    gate.process.wait()
    common.wait_until(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers end"
    )
    assert open_port_closed(gate.port)
    gate.process = None


def test_sigusr1_reopens_the_access_log(lab, store):
    gate = lab.gateway(store, config={"workers": 2})

    def both_workers_write():
        gate.get(SMALL)
        return len({line["worker"] for line in gate.log_lines()}) == 2

    common.wait_until(both_workers_write, "both workers write into the log")
    before = gate.log_lines()[0]["request_id"]
    rotated = gate.access_log.with_suffix(".1")
    gate.access_log.rename(rotated)
    gate.signal(signal.SIGUSR1)
    common.wait_until(gate.access_log.exists, "the new log appears")

    common.wait_until(both_workers_write, "both workers write into the new log")
    size = rotated.stat().st_size
    gate.log_line(gate.get(SMALL).request_id)
    assert rotated.stat().st_size == size
    assert before in rotated.read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced_and_serves(lab, store, workers):
    gate = lab.gateway(store, config={"workers": workers})
    gate.crash_expected = True
    victim = gate.workers()[0]
    os.kill(victim, signal.SIGKILL)

    def replaced():
        now = gate.workers()
        return len(now) == workers and victim not in now

    common.wait_until(replaced, "another worker takes its place")
    for _ in range(10):
        assert gate.get(SMALL).status == 200
    assert any("worker" in line and str(victim) in line for line in gate.stderr.since())


def test_connections_queued_while_a_worker_is_dead_are_served_by_the_next(lab, store):
    gate = lab.gateway(store)
    gate.crash_expected = True
    [victim] = gate.workers()
    os.kill(victim, signal.SIGSTOP)
    waiting = [gate.tcp() for _ in range(5)]
    os.kill(victim, signal.SIGKILL)
    common.wait_until(lambda: gate.workers() not in ([], [victim]), "a new worker")
    for sock in waiting:
        with gate.over(sock) as connection:
            assert connection.get(SMALL).status == 200


def test_a_new_worker_has_the_policy_of_the_last_reload(lab, store):
    gate = lab.gateway(store)
    gate.crash_expected = True
    gate.reload(policy(2, customers=[customer("globex", ["step-core"])]))
    [victim] = gate.workers()
    os.kill(victim, signal.SIGKILL)
    common.wait_until(lambda: gate.workers() not in ([], [victim]), "a new worker")
    assert gate.get(SMALL, who="globex").status == 200
    assert gate.get(SMALL, who="acme").status == 403


def test_workers_run_without_privileges(lab, store):
    """As root they become the configured user; anybody else is that user already."""
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    gate = lab.gateway(store, config={"user": user, "workers": 2})
    entry = pwd.getpwnam(user)
    for pid in gate.workers():
        assert status_field(pid, "Uid") == entry.pw_uid
        assert status_field(pid, "Gid") == entry.pw_gid
        assert status_field(pid, "NoNewPrivs") == 1
        assert status_field(pid, "Seccomp") == (0 if common.INSTRUMENTED else 2)
    assert ("no system call filter" in gate.stderr.text()) == common.INSTRUMENTED
    assert gate.get(SMALL).status == 200


def test_the_private_key_file_may_be_unreadable_for_the_workers(lab, store):
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    gate = lab.gateway(store, config={"user": user})
    key = gate.world.authority.folder / "server.key"
    assert key.stat().st_mode & 0o077 == 0
    assert gate.get(SMALL).status == 200


def test_it_listens_on_several_addresses(lab, store):
    listens = [{"address": address, "port": 0} for address in ("127.0.0.1", "127.0.0.2")]
    listens.append({"address": "[::1]", "port": 0})
    gate = lab.gateway(store, config={"listen": listens, "workers": 2})
    assert len(gate.ports) == 3
    for host, port in zip(("127.0.0.1", "127.0.0.2"), gate.ports):
        with socket.create_connection((host, port), timeout=common.LONG) as sock:
            with gate.over(sock) as connection:
                assert connection.get(SMALL).status == 200
    with socket.create_connection(("::1", gate.ports[2]), timeout=common.LONG) as sock:
        with gate.over(sock) as connection:
            response = connection.get(SMALL)
            assert response.status == 200
    assert "::1" in gate.log_line(response.request_id)["client"]


def test_every_address_of_ipv6_is_every_address_of_ipv4_too(lab, store):
    """And a client of IPv4 is one, to networks and in the log."""
    gate = lab.gateway(store, config={"listen": [{"address": "[::]", "port": 0}]})
    with socket.create_connection(("127.0.0.1", gate.port), timeout=common.LONG) as sock:
        with gate.over(sock) as connection:
            response = connection.get(SMALL)
            assert response.status == 200
            line = gate.log_line(response.request_id)
            assert line["client"].startswith("127.0.0.1")
    with socket.create_connection(("::1", gate.port), timeout=common.LONG) as sock:
        with gate.over(sock) as connection:
            assert connection.get(SMALL).status == 200


def test_an_entry_of_ipv4_keeps_its_port_from_that_of_ipv6(lab, store):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    listens = [{"address": "0.0.0.0", "port": port}, {"address": "[::]", "port": port}]
    gate = lab.gateway(store, config={"listen": listens})
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, port), timeout=common.LONG) as sock:
            with gate.over(sock) as connection:
                assert connection.get(SMALL).status == 200


def test_server_names_may_be_addresses(lab, store):
    gate = lab.gateway(store, config={"server_names": ["192.0.2.1", "2001:DB8::1"]})
    start = store.mark()
    hosts = {"192.0.2.1": 200, "192.0.2.1:443": 200, "[2001:db8::1]": 200, "[2001:DB8:0:0::1]:443": 200,
             "192.0.2.2": 421, "[2001:db8::2]": 421, "updates.example.com": 421}  # fmt: skip
    with gate.connect() as connection:
        for host, status in hosts.items():
            connection.send(f"GET {SMALL} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert connection.response().status == status, host
    assert len(store.requests(start)) == list(hosts.values()).count(200)


def test_a_port_in_use_stops_the_start_and_is_named(lab, store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gate = lab.prepared(store, config={"listen": [{"address": "127.0.0.1", "port": port}]})
        done = gate.run("--unsafe-any-port")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
