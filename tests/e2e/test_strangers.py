"""Who has no certificate, or one that is refused, costs little: time, memory, lines in the logs."""

import contextlib
import signal
import socket
import ssl
import subprocess

import pytest
import test_resumption
from mirrorgate_test import client, common, pki
from mirrorgate_test.pki import SUBJECTS

SMALL = "/artifacts/step-core/small.txt"
KIB = 1024


# --- certificates that are no use


@pytest.fixture(scope="module")
def heaped(module_lab):
    """Makes an identity: acme's certificate, followed by so many bytes of others that mean nothing."""
    world = module_lab.world
    made = []

    def make(size, who="acme"):
        identity = world.identity(who)
        junk = ssl.PEM_cert_to_DER_cert(world.other_acme.cert.read_text())
        pem = ssl.DER_cert_to_PEM_cert(junk)
        path = world.authority.folder / f"heap-{len(made)}.crt"
        path.write_text(identity.cert.read_text() + pem * (size // len(junk)))
        made.append(path)
        return pki.Identity(f"heap-{len(made)}", identity.subject, path, identity.key)

    return make


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_list_of_certificates_has_a_limit(gate, heaped, store, version):
    with store.untouched():
        with pytest.raises((OSError, client.Truncated)):
            with gate.connect(heaped(20 * KIB), version=version) as connection:
                connection.get(SMALL)
    gate.wait_line(".*excessive message size.*")
    with gate.connect(heaped(10 * KIB), version=version) as connection:
        assert connection.get(SMALL).status == 200


def test_the_limit_of_that_list_can_be_set(lab, heaped):
    gate = lab.gateway(config={"limits": {"client_certificates": "64K"}})
    with gate.connect(heaped(40 * KIB)) as connection:
        assert connection.get(SMALL).status == 200


def test_a_session_that_waits_holds_no_list_of_certificates(lab, heaped):
    """TLS 1.2 without tickets: the worker keeps the sessions itself. Before, each kept all that the
    client had sent: with lists as long as these, more than ten times as much."""
    gate = lab.gateway(config={"limits": {"client_certificates": "100K"}})
    identity = heaped(20 * KIB)
    [worker] = gate.workers()

    def visit(times):
        for _ in range(times):
            assert not test_resumption.visit_without_tickets(gate, who=identity)[0]

    visit(20)
    before = gate.private_memory()
    visit(60)
    growth = gate.private_memory() - before
    assert growth < 60 * 8 * KIB * common.MEMORY_FACTOR, growth / 60
    assert gate.workers() == [worker]


def test_sessions_that_wait_have_a_limit_in_bytes(lab):
    gate = lab.gateway(config={"tls": {"session_cache": "4K"}})
    [_, first] = test_resumption.visit_without_tickets(gate)
    assert test_resumption.visit_without_tickets(gate, first)[0]
    for _ in range(5):
        [_, last] = test_resumption.visit_without_tickets(gate)
    assert not test_resumption.visit_without_tickets(gate, first)[0], "the oldest went first"
    assert test_resumption.visit_without_tickets(gate, last)[0]


# --- handshakes that never were


def lone_bytes(gate, count, byte=b"\x16", source="127.0.0.2"):
    """COUNT connections that send one byte and go."""
    for _ in range(count):
        with gate.tcp(source=source) as sock:
            sock.sendall(byte)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""


def test_a_handshake_is_charged_when_the_hello_is_complete(lab):
    """Before, the first byte took one from the node's allowance."""
    gate = lab.gateway(config={"limits": {"handshakes_per_second": 1}})
    lone_bytes(gate, 60)
    assert gate.get(SMALL).status == 200


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_resumed_session_pays_nothing(lab, version):
    gate = lab.gateway(config={"limits": {"handshakes_per_second": 1}})
    session = test_resumption.first_session(gate, version)
    for _ in range(8):
        status, resumed, session = test_resumption.visit(gate, "acme", version, session)
        assert (status, resumed) == (200, True)


def test_a_handshake_too_many_is_counted_and_reaches_nothing(lab):
    gate = lab.gateway(config={"limits": {"handshakes_per_second_per_address": 1}})
    [store] = gate.stores
    with gate.connect("ops") as ops, store.untouched():
        refused = 0
        while not refused:
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(gate.connect(source="127.0.0.2"))
                except OSError:
                    refused += 1
        text = ops.get("/metrics").body.decode()
    assert "\nmirrorgate_handshakes_over_limit_total 1\n" in text
    gate.wait_line(".*client 127.0.0.2: too many handshakes")


# --- lines in the logs


def handshakes(gate):
    return [line for line in gate.log_lines() if line["operation"] == "handshake"]


def test_failed_handshakes_are_few_lines_with_a_count(lab):
    gate = lab.gateway()
    lone_bytes(gate, 150)
    lone_bytes(gate, 50, source="127.0.0.3")
    for _ in range(5):
        with pytest.raises((OSError, client.Truncated)):
            with gate.connect("revoked", source="127.0.0.2") as connection:
                connection.get(SMALL)
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    lines = handshakes(gate)
    counts = {}
    for line in lines:
        key = line["client"], line["reason"]
        counts.setdefault(key, []).append(line["count"])
    assert sum(counts["127.0.0.2", "client closed without close_notify"]) == 150
    assert sum(counts["127.0.0.3", "client closed without close_notify"]) == 50
    assert sum(counts["127.0.0.2", "certificate revoked"]) == 5
    # One at once and one at the end; a slow machine may see a period or two in between.
    assert len(lines) < 30
    assert counts["127.0.0.2", "certificate revoked"][0] == 1
    [first] = [line for line in lines if line["reason"] == "certificate revoked"][:1]
    assert first["subject"] == SUBJECTS["acme"]
    said = [line for line in gate.stderr.since() if "127.0.0." in line]
    assert len(said) <= len(lines) + 1


def test_more_addresses_than_are_told_apart_are_counted_as_one(lab):
    gate = lab.gateway()
    for number in range(300):
        lone_bytes(gate, 1, source=f"127.0.{1 + number // 200}.{1 + number % 200}")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert sum(line["count"] for line in handshakes(gate)) == 300
    assert any(line["client"] == "others" for line in handshakes(gate))


def self_made(world, count):
    """COUNT certificates that nobody knows, each with a serial number of its own."""
    key = world.identity("acme").key
    for number in range(count):
        cert = world.authority.folder / f"self-made-{number}.crt"
        command = ["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=a", "-out", cert]
        subprocess.run([*command, "-set_serial", str(1000 + number)], check=True)
        yield pki.Identity(cert.stem, "CN=a", cert, key)


def test_an_address_with_many_certificates_leaves_other_addresses_their_lines(lab):
    """Before, each certificate that a stranger made had a line of its own, and a place of its own
    in the table, until nobody else had one."""
    gate = lab.gateway()
    for identity in self_made(gate.world, 30):
        with pytest.raises((OSError, client.Truncated)):
            with gate.connect(identity, source="127.0.0.2") as connection:
                connection.get(SMALL)
    lone_bytes(gate, 1, source="127.0.0.3")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    lines = handshakes(gate)
    assert sum(line["count"] for line in lines) == 31
    assert any(line["client"] == "127.0.0.3" for line in lines)
    assert any(line["client"] == "others" for line in lines)


# --- request ids


def test_no_request_id_says_anything_of_another(gate):
    with gate.connect() as connection:
        ids = [int(connection.get(SMALL).request_id, 16) for _ in range(50)]
    assert len(set(ids)) == len(ids)
    highs = [number >> 64 for number in ids]
    lows = [number & (1 << 64) - 1 for number in ids]
    assert len(set(highs)) == len(highs) and len(set(lows)) == len(lows)
    assert all(abs(a - b) > 1 << 32 for a, b in zip(lows, lows[1:]))
