"""Every reason for which a client connection ends can happen, and the log says it.

Those that are the subject of another file are only named here; the table of close_reason.h is
read, so that a reason which nothing produces cannot stay in it.
"""

import contextlib
import re
import signal
import socket
import ssl
import struct

import pytest
from mirrorgate_test import client, common
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/image.img"

TABLE = common.REPOSITORY / "gateway/client_side/close_reason.h"
ROW = re.compile(r'X\((\w+), (CLOSE_\w+), "([^"]*)"\)')
LEVELS = {
    "CLOSE_NORMAL": "debug",
    "CLOSE_PEER_FAULT": "info",
    "CLOSE_STORE_FAULT": "warning",
    "CLOSE_OUR_FAULT": "error",
}
ELSEWHERE = {
    "CROWDED_OUT": "test_room::test_idle_connections_of_whoever_has_most_go_first",
    "HANDSHAKE_REFUSED": "test_strangers::test_failed_handshakes_are_few_lines_with_a_count",
    "REQUEST_TIMEOUT": "test_timeouts::test_request_ends_a_head_that_stops_halfway",
    "BODY_TIMEOUT": "test_timeouts::test_body_is_not_prolonged_by_dripping_bytes",
    "TOO_SLOW": "test_min_rate::test_slow_clients_are_cut_after_the_window_and_fast_ones_are_not",
    "CUSTOMER_LIMIT": "test_room::test_a_connection_beyond_the_customers_limit_is_closed_before_it_asks",
    "CERTIFICATE_ENDED": "test_end_dates::test_a_certificate_that_expires_cuts_its_connections",
    "REVOKED": "test_revocation::test_a_revoked_client_is_cut_in_the_middle_of_a_download",
    "CUT": "test_admin::test_cut_ends_a_transfer_at_once_and_the_log_says_so",
    "LICENCE_ENDED": "test_end_dates::test_a_licence_that_ends_cuts_its_downloads_and_no_others",
    "STORE_STALLED": "test_timeouts::test_store_response_cuts_a_body_that_stops_halfway",
    "STORE_WRONG": "test_integrity::test_a_wrong_byte_keeps_the_answer_from_being_complete",
}  # fmt: skip


def table():
    return {name: (level, text) for name, level, text in ROW.findall(TABLE.read_text())}


@pytest.fixture(scope="module")
def gate(module_lab):
    store = module_lab.stub()
    write_sparse(store.root, LARGE[1:], 64 << 20)
    timeouts = {"handshake": "4s", "idle": "4s", "send": "4s"}
    return module_lab.gateway(store, config={"timeouts": timeouts, "log": {"level": "debug"}})


def asked(gate):
    connection = gate.connect()
    assert connection.get(SMALL).status == 200
    return connection


def reset(sock):
    """Closes SOCK, a TLS socket or not, by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def end_well(gate, _):
    with asked(gate) as connection:
        connection.sock.unwrap()


def end_roughly(gate, _):
    asked(gate).close()


def ask_to_close(gate, _):
    with gate.connect() as connection:
        connection.get(SMALL, [("Connection", "close")])
        connection.assert_ended()


def be_refused(gate, _):
    with gate.connect() as connection:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.response().status == 400
        connection.assert_ended()


def be_idle(gate, _):
    with asked(gate) as connection:
        connection.assert_ended()


def end_by_reset(gate, _):
    reset(asked(gate).sock)


def take_nothing(gate, _):
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", LARGE)
        common.wait_until(lambda: "send timeout" in gate.stderr.text(), "it is given up")


def break_tls(gate, _):
    with asked(gate) as connection:
        connection.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
        with contextlib.suppress(OSError, ssl.SSLError):
            connection.rest()


def have_the_store_cut(_, lab):
    gate = lab.gateway(lab.stub(faults=["*=cut-body:500"]))
    with gate.connect() as connection, pytest.raises(Truncated):
        connection.get(SMALL)
    return gate


def lose_the_licence(_, lab):
    gate = lab.gateway()
    with asked(gate):
        gate.reload(policy(serial=2, customers=[customer("globex", ["step-plus"])]))
    return gate


def outlast_the_drain(_, lab):
    store = lab.stub()
    write_sparse(store.root, LARGE[1:], 64 << 20)
    gate = lab.gateway(store, config={"drain": {"timeout": "500ms"}})
    with gate.connect(receive_buffer=4096) as connection:
        connection.send_request("GET", LARGE)
        assert connection.read_any_head().status == 200
        gate.signal(signal.SIGTERM)
        assert gate.wait_exit() == 0
    return gate


def be_drained(_, lab):
    gate = lab.gateway(config={"log": {"level": "debug"}})
    with asked(gate) as connection:
        gate.signal(signal.SIGTERM)
        connection.assert_ended()
        assert gate.wait_exit() == 0
    return gate


HERE = {
    "PEER_DONE": end_well,
    "PEER_ASKED": ask_to_close,
    "REFUSED_REQUEST": be_refused,
    "IDLE_TIMEOUT": be_idle,
    "DRAINED": be_drained,
    "PEER_RESET": end_by_reset,
    "PEER_TRUNCATED": end_roughly,
    "SEND_TIMEOUT": take_nothing,
    "TLS_FAULT": break_tls,
    "WITHDRAWN": lose_the_licence,
    "STORE_TRUNCATED": have_the_store_cut,
    "DRAIN_TIMEOUT": outlast_the_drain,
}


@pytest.mark.parametrize("name", HERE)
def test_the_log_says_why_a_connection_ended(gate, lab, name):
    level, text = table()[name]
    start = len(gate.stderr)
    other = HERE[name](gate, lab)
    line = rf"mirrorgate: {LEVELS[level]}: {re.escape(text)} while [\w ']+, client 127\.0\.0\.1(: .+)?"
    if other is None:
        gate.wait_line(line, start)
    else:
        common.wait_until(
            lambda: any(re.fullmatch(line, said) for said in other.stderr.since(0)), line
        )


def whose_address_may_not(_, lab):
    listen = {"address": "127.0.0.1", "port": 0, "proxy_protocol_from": ["192.0.2.0/24"]}
    return lab.gateway(config={"listen": [listen]})


def whose_address_has_its_share(gate, lab):
    return lab.gateway(config={"limits": {"connections_per_address": 1}})


BEFORE_TLS = {
    "HANDSHAKE_TIMEOUT": lambda gate, _: gate,
    "PROXY_REFUSED": whose_address_may_not,
    "LIMIT": whose_address_has_its_share,
}


@pytest.mark.parametrize("name", BEFORE_TLS)
def test_the_access_log_says_why_a_handshake_never_was(gate, lab, name):
    text = table()[name][1]
    chosen = BEFORE_TLS[name](gate, lab)
    with chosen.tcp() as first, chosen.tcp() as second:
        for sock in (first, second):
            with contextlib.suppress(OSError):
                sock.sendall(b"\x16")
        with contextlib.suppress(OSError):
            second.recv(1)
        common.wait_until(
            lambda: any(line["close"] == text for line in chosen.log_lines()), f"{text} is logged"
        )


def test_who_closes_without_a_byte_is_counted_and_not_logged(gate):
    """PROBED is the only reason that no log has."""

    def probed():
        text = gate.get("/metrics", who="ops").body.decode()
        return int(re.search(r"^mirrorgate_connections_probed_total (\d+)$", text, re.M)[1])

    before = probed()
    client.tcp_connect(gate.port).close()
    common.wait_until(lambda: probed() == before + 1, "it is counted")
    assert table()["PROBED"][1] not in gate.stderr.text() + gate.access_log.read_text()


@pytest.mark.parametrize("end", ["close_notify", "eof", "reset"])
def test_a_handshake_and_no_more_is_counted_and_not_logged(lab, end):
    """As the checks of load balancers do."""
    gate = lab.gateway(config={"log": {"level": "debug"}})

    def checked():
        text = gate.get("/metrics", who="ops").body.decode()
        return int(re.search(r"^mirrorgate_connections_handshake_only_total (\d+)$", text, re.M)[1])

    with gate.connect("probe", version="1.2") as connection:
        if end == "close_notify":
            connection.sock.unwrap()
        elif end == "reset":
            reset(connection.sock)
    common.wait_until(lambda: checked() == 1, "it is counted")
    gate.log_line(gate.get("/metrics", who="ops").request_id)
    assert {line["operation"] for line in gate.log_lines()} == {"metrics"}
    assert table()["HANDSHAKE_ONLY"][1] not in gate.stderr.text()


def test_each_reason_of_the_table_has_a_test():
    known = {*HERE, *BEFORE_TLS, *ELSEWHERE, "PROBED", "HANDSHAKE_ONLY"}
    assert known == set(table())
    folder = common.REPOSITORY / "tests/e2e"
    for name, test in ELSEWHERE.items():
        file, function = test.split("::")
        assert f"def {function}(" in (folder / f"{file}.py").read_text(), (name, test)
