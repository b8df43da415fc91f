"""Connection and handshake limits, and the PROXY header that tells whose connection it is."""

import contextlib
import struct
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy, timed
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"


def attempt(gate, stack, who="acme", **options):
    """Connects and asks once, and leaves the connection open in STACK. Returns the answer, or None
    when there was none: closed, or kept waiting."""
    try:
        connection = stack.enter_context(gate.connect(who, **options))
        connection.send_request("GET", SMALL)
        return connection.response()
    except (OSError, Truncated):
        return None


def served(gate, stack, **options):
    response = attempt(gate, stack, **options)
    if response is not None and response.status != 200:
        refusal(response, 429, "too-many")
        assert int(response.header("Retry-After")) > 0
    return response is not None and response.status == 200


def in_mid_download(gate, stack, **options):
    """Whether a large download has begun; it stays where it is in STACK."""
    try:
        connection = stack.enter_context(gate.connect(**options))
        connection.send_request("GET", LARGE)
        return connection.read_any_head().status == 200
    except (OSError, Truncated):
        return False


def test_connections_limits_the_whole_node(lab):
    """Idle connections would make room; see test_room.py."""
    gate = lab.gateway(config={"limits": {"connections": 4, "reserved_connections": 0}})
    write_sparse(gate.stores[0].root, LARGE[1:], 64 << 20)
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as first:
            assert all(in_mid_download(gate, first) for _ in range(4))
            assert not served(gate, stack)
            assert not served(gate, stack, source="127.0.0.9")
        common.wait_until(lambda: served(gate, stack), "a place is free again")


def test_connections_is_not_multiplied_by_the_workers(lab):
    gate = lab.gateway(config={"workers": 2, "limits": {"connections": 4}})
    write_sparse(gate.stores[0].root, LARGE[1:], 64 << 20)
    with contextlib.ExitStack() as stack:
        assert 1 <= sum(in_mid_download(gate, stack) for _ in range(12)) <= 4


def test_connections_per_address_leaves_other_addresses_alone(lab):
    gate = lab.gateway(config={"limits": {"connections_per_address": 3}})
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as first:
            assert all(served(gate, first, source="127.0.0.2") for _ in range(3))
            assert not served(gate, stack, source="127.0.0.2")
            assert served(gate, stack, source="127.0.0.3")
        common.wait_until(lambda: served(gate, stack, source="127.0.0.2"), "a place is free again")


def test_a_customers_connections_leave_other_customers_alone(lab):
    customers = [
        customer("acme", ["step-core"], connections=2),
        customer("initech", ["step-core"]),
    ]
    gate = lab.gateway(policy=policy(customers=customers))
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as first:
            assert all(served(gate, first, who="acme") for _ in range(2))
            response = attempt(gate, stack, who="acme")
            refusal(response, 429, "too-many")
            assert int(response.header("Retry-After")) > 0
            assert gate.log_line(response.request_id)["customer"] == "acme"
            assert served(gate, stack, who="initech")
        common.wait_until(lambda: served(gate, stack, who="acme"), "a place is free again")


def burst(gate, count, **options):
    """How many of COUNT clients, one after the other, were served."""
    with contextlib.ExitStack() as stack:
        return sum(served(gate, stack, **options) for _ in range(count))


def test_handshakes_per_second_limits_the_whole_node(lab):
    gate = lab.gateway(config={"limits": {"handshakes_per_second": 2}})
    count, seconds = timed(lambda: burst(gate, 12))
    assert 1 <= count <= 2 * (seconds + 1) + 1
    with contextlib.ExitStack() as stack:
        common.wait_until(lambda: served(gate, stack), "the next second lets one in")


def test_handshakes_per_second_is_no_limit_when_0(lab):
    gate = lab.gateway(config={"limits": {"handshakes_per_second": 0}})
    assert burst(gate, 50) == 50


def test_handshakes_per_second_per_address_leaves_other_addresses_alone(lab):
    gate = lab.gateway(config={"limits": {"handshakes_per_second_per_address": 2}})
    count, seconds = timed(lambda: burst(gate, 12, source="127.0.0.2"))
    assert 1 <= count <= 2 * (seconds + 1) + 1
    with contextlib.ExitStack() as stack:
        assert served(gate, stack, source="127.0.0.3")
        common.wait_until(lambda: served(gate, stack, source="127.0.0.2"), "a second later")


def test_requests_on_one_connection_are_no_handshakes(lab):
    gate = lab.gateway(config={"limits": {"handshakes_per_second": 1}})
    with gate.connect() as connection:
        for _ in range(50):
            assert connection.get(SMALL).status == 200


# --- PROXY protocol


def proxied(lab, networks, **options):
    listen = {"address": "127.0.0.1", "port": 0, "proxy_protocol_from": networks}
    return lab.gateway(config={"listen": [listen], **options})


@pytest.fixture(scope="module")
def gate(module_lab):
    """One that wants a PROXY header, and waits for it as long as a busy machine takes."""
    return proxied(module_lab, ["10.0.0.0/8", "127.0.0.1/32"], timeouts={"handshake": "10m"})


def v2(command, family, payload):
    """A PROXY v2 header: COMMAND is 0 for LOCAL, 1 for PROXY; FAMILY the address family byte."""
    head = struct.pack("!BBH", 0x20 | command, family, len(payload))
    return b"\r\n\r\n\0\r\nQUIT\n" + head + payload


PORTS = struct.pack("!HH", 56_324, 443)
IPV4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + PORTS
IPV6 = bytes.fromhex("20010db8" + "0" * 23 + "7") + bytes(15) + b"\1" + PORTS


@pytest.mark.parametrize(
    "header, seen",
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "127.0.0.1"),
        (v2(1, 0x11, IPV4), "192.0.2.7"),
        (v2(1, 0x21, IPV6), "2001:db8::7"),
        (v2(1, 0x11, IPV4 + b"\x04\0\x05hello"), "192.0.2.7"),
        (v2(0, 0x00, b""), "127.0.0.1"),
        (v2(0, 0x11, IPV4), "127.0.0.1"),
    ],
    ids="v1-4 v1-6 v1-unknown v1-unknown-long v2-4 v2-6 v2-tlv v2-local v2-local-4".split(),
)
@pytest.mark.parametrize("delivery", ["at-once", "in-two"])
def test_a_proxy_header_names_the_client(gate, header, seen, delivery):
    pieces = [header] if delivery == "at-once" else [header[:7], header[7:]]
    with gate.connect(preface=pieces) as connection:
        response = connection.get(SMALL)
        assert response.status == 200
    address = gate.log_line(response.request_id)["client"].strip("[")
    assert address.startswith(seen)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"PROXY",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        b"PROXY TCP4 192.0.2.777 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 443\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
        v2(1, 0x11, IPV4[:-1]),
        v2(2, 0x11, IPV4),
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c" + IPV4,
        v2(1, 0x11, IPV4)[:-3],
        v2(1, 0x11, IPV4 + b"\x04\0\x06hello"),
        v2(1, 0x11, IPV4 + b"\x03\0\x04sums"),
    ],
)
def test_a_missing_or_broken_proxy_header_ends_the_connection(gate, header):
    with pytest.raises(OSError):
        gate.connect(preface=[header])
    assert gate_is_well(gate)


def gate_is_well(gate):
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
    with gate.connect(preface=[header]) as connection:
        return connection.get(SMALL).status == 200


def test_a_proxy_header_from_outside_the_network_is_refused(lab):
    gate = proxied(lab, ["10.0.0.0/8"])
    [store] = gate.stores
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
    for preface in (header, b""):
        with store.untouched(), pytest.raises(OSError):
            gate.connect(preface=[preface])


def test_a_proxy_header_nobody_asked_for_is_refused(lab):
    gate = lab.gateway()
    with pytest.raises(OSError):
        gate.connect(preface=[b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"])
    assert gate.get(SMALL).status == 200


def test_the_limit_per_address_counts_the_addresses_in_the_proxy_header(lab):
    gate = proxied(lab, ["127.0.0.0/8"], limits={"connections_per_address": 2})

    def header(last):
        return b"PROXY TCP4 192.0.2.%d 198.51.100.1 56324 443\r\n" % last

    with contextlib.ExitStack() as stack:
        assert served(gate, stack, preface=[header(1)])
        assert served(gate, stack, preface=[header(1)])
        assert not served(gate, stack, preface=[header(1)])
        assert served(gate, stack, preface=[header(2)])


def test_a_slow_proxy_header_ends_with_the_handshake_timeout(lab):
    gate = proxied(lab, ["127.0.0.1/32"], timeouts={"handshake": "1s"})
    with gate.tcp() as sock:
        sock.sendall(b"PROXY TCP4 192.0")
        start = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(100) == b""
    assert time.monotonic() - start > 0.9
