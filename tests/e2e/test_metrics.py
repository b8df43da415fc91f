"""What /metrics says of requests, handshakes, connections, stores, customers and processes."""

import json
import os
import re
import signal
import time

import pytest
from mirrorgate_test import client, common, pki
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.store import write_sparse

CORE = "/artifacts/step-core/small.txt"
MISSING = "/artifacts/step-core/missing.txt"
PLUS = "/artifacts/step-plus/small.txt"

IMAGE = "/artifacts/step-core/image.img"

_LINE = re.compile(r'mirrorgate_([a-z0-9_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)')


def scrape(gate):
    """Every series as (name, labels) -> value; a line that is no such thing fails the test."""
    series = {}
    for line in gate.get("/metrics", who="ops").body.decode().splitlines():
        if line.startswith("# "):
            continue
        name, labels, value = _LINE.fullmatch(line).groups()
        labels = frozenset(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or ""))
        assert (name, labels) not in series, f"{line} is there twice"
        series[name, labels] = float(value)
    return series


def value(gate, name, **labels):
    return scrape(gate).get((name, frozenset(labels.items())), 0)


def until(gate, expected, name, **labels):
    common.wait_until(
        lambda: value(gate, name, **labels) == expected, f"{name}{labels} is {expected}"
    )


def responses(gate, operation, status, reason=""):
    return value(gate, "responses_total", operation=operation, status=status, reason=reason)


def test_requests_are_counted_by_operation_status_and_reason(gate):
    before = responses(gate, "download", "200")
    with gate.connect() as connection:
        assert connection.get(CORE).status == 200
        assert connection.get(CORE).status == 200
        assert connection.get(CORE, [("Range", "bytes=0-1")]).status == 206
        refusal(connection.get(MISSING), 404, "not-found")
        refusal(connection.get(PLUS), 403, "not-licensed")
        assert connection.get("/licence").status == 200
    assert responses(gate, "download", "200") - before == 2
    assert responses(gate, "download", "206") == 1
    assert responses(gate, "download", "404", "not-found") == 1
    assert responses(gate, "download", "403", "not-licensed") == 1
    assert responses(gate, "licence", "200") == 1


def test_bytes_are_counted_both_ways_and_of_the_customer(lab):
    gate = lab.gateway()
    with gate.connect() as connection:
        answers = [connection.get(CORE), connection.get(MISSING)]
    read = len(answers[0].body) + len(answers[1].body)
    series = scrape(gate)
    of_acme = frozenset({("customer", "acme")})
    sent = series["sent_bytes_total", frozenset()]
    assert series["customer_sent_bytes_total", of_acme] == sent > read
    received = series["received_bytes_total", frozenset()]
    assert series["customer_received_bytes_total", of_acme] == received > 2 * len(CORE)
    assert series["customer_requests_total", of_acme] == 2
    assert series["customer_refusals_total", of_acme] == 1


def test_whoever_is_no_customer_has_no_series(lab):
    gate = lab.gateway()
    assert gate.get("/healthz", who="probe").status == 200
    refusal(gate.get(CORE, who="stranger"), 403, "unknown-subject")
    customers = {
        dict(labels)["customer"]: number
        for (name, labels), number in scrape(gate).items()
        if name == "customer_requests_total"
    }
    assert customers == {"other": 0}


def test_a_customer_is_counted_once_whichever_worker_it_meets(lab):
    gate = lab.gateway(config={"workers": 2})
    for _ in range(20):
        assert gate.get(CORE).status == 200
    assert value(gate, "customer_requests_total", customer="acme") == 20


def test_durations_are_histograms(lab):
    gate = lab.gateway()
    for _ in range(5):
        assert gate.get(CORE).status == 200
    series = scrape(gate)
    [server] = [store.address for store in gate.stores]
    for name, label in (
        ("request_duration_seconds", ("operation", "download")),
        ("request_first_byte_seconds", ("operation", "download")),
        ("store_response_seconds", ("server", server)),
    ):
        assert series[f"{name}_count", frozenset({label})] == 5
        assert series[f"{name}_bucket", frozenset({label, ("le", "+Inf")})] == 5
        assert 0 <= series[f"{name}_sum", frozenset({label})] < 60
        buckets = [
            (float(dict(labels)["le"]), number)
            for (key, labels), number in series.items()
            if key == f"{name}_bucket" and label in labels
        ]
        counts = [number for _, number in sorted(buckets)]
        assert counts == sorted(counts), "buckets are cumulative"


def test_handshakes_are_counted_by_version_group_and_resumption(lab):
    gate = lab.gateway()
    context = client.tls_context(
        gate.world.authority, gate.world.identity("acme"), "1.2", curve="secp384r1"
    )
    session = None
    for reused in (False, True):
        sock = context.wrap_socket(
            gate.tcp(), server_hostname=pki.SERVER_NAME, session=session
        )
        with sock:
            assert sock.session_reused == reused
            session = sock.session
    counted = [
        dict(labels)
        for (name, labels), number in scrape(gate).items()
        if name == "tls_handshakes_total" and ("version", "TLSv1.2") in labels and number == 1
    ]
    groups = {labels["resumed"]: labels["group"] for labels in counted}
    assert groups["false"] == "secp384r1"
    # Whether OpenSSL knows that of the session depends on its version.
    assert groups["true"] in {"secp384r1", "none"}


def test_failed_handshakes_are_counted_by_reason(lab):
    gate = lab.gateway()
    for who, reason in ((None, "no-certificate"), ("revoked", "revoked")):
        with pytest.raises((OSError, Truncated)):
            gate.get(CORE, who=who)
        until(gate, 1, "tls_handshake_failures_total", reason=reason)
    with gate.tcp() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while sock.recv(4096):
            pass
    until(gate, 1, "tls_handshake_failures_total", reason="protocol")


def test_connections_are_counted_by_state_and_by_their_end(lab):
    gate = lab.gateway()
    with gate.connect() as connection:
        assert connection.get(CORE).status == 200
        common.wait_until(
            lambda: value(gate, "connections", state="idle") >= 1, "a connection is idle"
        )
    closed = "connections_closed_total"
    reasons = ("client closed", "client closed without close_notify")
    common.wait_until(
        lambda: sum(value(gate, closed, reason=reason) for reason in reasons) >= 1, "an end"
    )


def test_a_store_that_is_gone_is_down_and_its_failures_are_counted(lab):
    store = lab.stub()
    gate = lab.gateway(store)
    assert value(gate, "store_up", server=store.address) == 1
    store.stop()
    refusal(gate.get(CORE), 503, "store-unavailable")
    assert value(gate, "store_up", server=store.address) == 0
    assert value(gate, "store_server_failures_total", server=store.address) >= 1


def test_ends_of_certificates_and_lists_are_times(gate):
    series = scrape(gate)
    for name in ("crl", "certificate", "client_ca"):
        end = series[f"{name}_expiry_timestamp_seconds", frozenset()]
        assert time.time() < end < time.time() + 100 * 365 * 86400


def test_reloads_are_counted_by_result_and_file(lab):
    gate = lab.gateway()

    def counted():
        return {
            (dict(labels)["result"], dict(labels)["file"]): number
            for (name, labels), number in scrape(gate).items()
            if name == "reload_files_total" and number
        }

    assert counted() == {}
    gate.reload(policy(serial=2))
    assert counted() == {("applied", "policy"): 1}
    gate.reload_refused(policy(serial=1))
    common.wait_until(lambda: ("refused", "policy") in counted(), "it is counted")
    start = len(gate.stderr)
    gate.write_policy(policy(serial=3))
    gate.write_config({"colour": "red"})
    gate.signal(signal.SIGHUP)
    gate.wait_generation(start)
    common.wait_until(lambda: ("refused", "configuration") in counted(), "it is counted")
    bad = gate.folder / "bad.crl"
    bad.write_text("no list")
    gate.write_config({"tls": {"crl": str(bad)}})
    gate.signal(signal.SIGHUP)
    common.wait_until(lambda: ("refused", "crl") in counted(), "it is counted")
    gate.write_config({"limits": {"connections": 30000}})
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    gate.wait_generation(start)
    assert counted() == {
        ("applied", "policy"): 2, ("applied", "configuration"): 1, ("refused", "policy"): 1,
        ("refused", "configuration"): 1, ("refused", "crl"): 1,
    }  # fmt: skip


def test_processes_tell_their_memory_and_time_by_role(lab):
    gate = lab.gateway(config={"workers": 2})
    gate.reload(policy(serial=2))
    until_known = {("worker", "0"), ("worker", "1"), ("supervisor", ""), ("loader", ""),
                   ("key_holder", "")}  # fmt: skip

    def known():
        series = scrape(gate)
        memory = {
            (dict(labels)["role"], dict(labels)["worker"]): number
            for (name, labels), number in series.items()
            if name == "process_resident_memory_bytes"
        }
        return set(memory) == until_known and all(n > 1 << 20 for n in memory.values())

    common.wait_until(known, "each process has told its memory")
    common.wait_until(
        lambda: value(gate, "process_cpu_seconds_total", role="loader", worker="") > 0,
        "the loader's time is known when it has ended",
    )


def test_a_transfer_that_goes_on_counts(lab):
    """So that a rate is true while a long download runs; each byte is counted once."""
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 32 << 20)
    gate = lab.gateway(store, config={"timeouts": {"send": "1h", "min_rate": "0"}})
    with gate.connect("acme", receive_buffer=16_384) as connection:
        connection.send_request("GET", IMAGE)
        pieces = connection.body_pieces(connection.read_head())
        taken = 0
        while taken < 8 << 20:
            taken += len(next(pieces))
        # What is still in buffers has been sent; the request is not over.
        for name in ("sent_bytes_total", "customer_sent_bytes_total"):
            labels = {"customer": "acme"} if name.startswith("customer") else {}
            common.wait_until(
                lambda: 8 << 20 <= value(gate, name, **labels) < 32 << 20, f"{name} counts"
            )
        assert responses(gate, "download", "200") == 0
        for piece in pieces:
            taken += len(piece)
    assert taken == 32 << 20
    line = gate.log_line(common.wait_until(
        lambda: [line for line in gate.log_lines() if line["path"] == IMAGE], "it is logged"
    )[0]["request_id"])  # fmt: skip
    assert value(gate, "customer_sent_bytes_total", customer="acme") == line["bytes_out"]
    assert value(gate, "customer_received_bytes_total", customer="acme") == line["bytes_in"]


def test_the_rate_of_a_long_download_is_seen_while_it_runs(lab):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 1 << 30)
    gate = lab.gateway(store, config={"admin_socket": "a.sock", "timeouts": {"min_rate": "0"}})
    with gate.connect("acme") as connection:
        connection.send_request("GET", IMAGE)
        pieces = connection.body_pieces(connection.read_head())

        def seen():
            for _ in range(64):
                next(pieces)
            done = common.run([common.MIRRORGATE, "customers", "--json", "-s", gate.folder / "a.sock"])
            return json.loads(done.stdout)["busiest"][0]["sent_bytes_per_second"] > 0

        common.wait_until(seen, "the customer has a rate")
        assert responses(gate, "download", "200") == 0


def test_a_worker_that_is_started_again_counts_on(lab):
    gate = lab.gateway()
    for _ in range(5):
        assert gate.get(CORE).status == 200
    start = len(gate.stderr)
    [worker] = gate.workers()
    gate.crash_expected = True
    os.kill(worker, signal.SIGKILL)
    gate.wait_line(".*worker 0 is started again", start)
    common.wait_until(lambda: responses(gate, "download", "200") == 5, "the counter is as it was")
