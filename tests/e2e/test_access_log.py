"""The access log: one JSON object a line, these keys, these values."""

import datetime
import json
import signal
import ssl

import pytest
from mirrorgate_test.client import Truncated
from mirrorgate_test.pki import SUBJECTS

SMALL = "/artifacts/step-core/small.txt"
CORE = "/artifacts/step-core/core.zip"
KEYS = """time request_id generation worker client tls cipher group resumed subject serial customer
    operation method path range status reason bytes_in bytes_out duration_ms store store_ms
    close""".split()


@pytest.fixture(scope="module")
def store(module_lab):
    return module_lab.stub(segments=True)


def logged(gate, response):
    line = gate.log_line(response.request_id)
    assert list(line) == KEYS
    return line


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_download_is_logged_with_all_there_is_to_know(gate, store, world, version):
    before = datetime.datetime.now(datetime.timezone.utc)
    with gate.connect("acme", version=version) as connection:
        response = connection.get(CORE, [("Range", "bytes=0-99999")])
        line = logged(gate, response)
        assert line["client"].startswith("127.0.0.1")
        assert line["cipher"] == connection.cipher
        if ":" in line["client"]:
            assert line["client"] == connection.local_address
    after = datetime.datetime.now(datetime.timezone.utc)
    time = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    second = datetime.timedelta(seconds=1)
    assert before - second <= time <= after + second
    assert line["generation"] == 1
    assert version in line["tls"]
    assert line["resumed"] is False
    assert line["subject"] == SUBJECTS["acme"]
    assert int(line["serial"].replace(":", ""), 16) == world.identity("acme").serial
    assert line["customer"] == "acme"
    assert line["operation"] == "download"
    assert (line["method"], line["path"], line["status"]) == ("GET", CORE, 206)
    assert "0-99999" in line["range"]
    assert not line["reason"]
    assert 40 < line["bytes_in"] < 400
    assert 100_000 <= line["bytes_out"] < 101_000
    assert line["store"] == store.address
    assert 0 <= line["store_ms"] <= line["duration_ms"] < 60_000
    assert not line["close"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("curve, group", [("prime256v1", "secp256r1"), ("secp384r1", "secp384r1")])
def test_the_group_of_the_key_exchange_is_logged(gate, version, curve, group):
    with gate.connect("acme", version=version, curve=curve) as connection:
        assert logged(gate, connection.get(SMALL))["group"] == group


def test_the_hybrid_group_comes_first_where_openssl_has_it(gate):
    with gate.connect("acme", version="1.3") as connection:
        line = logged(gate, connection.get(SMALL))
    has_hybrid = ssl.OPENSSL_VERSION_INFO >= (3, 5)
    assert line["group"] == ("X25519MLKEM768" if has_hybrid else "x25519")


def test_a_refusal_is_logged_with_its_reason_and_without_a_store(gate):
    with gate.connect("globex") as connection:
        line = logged(gate, connection.get(SMALL))
    assert (line["customer"], line["status"], line["reason"]) == ("globex", 403, "not-licensed")
    assert not line["store"] and not line["store_ms"]


def test_a_store_that_failed_is_logged_by_name(gate, store):
    line = logged(gate, gate.get("/artifacts/step-core/@status:500/small.txt"))
    assert (line["status"], line["reason"]) == (502, "store-bad-response")
    assert line["store"] == store.address


def test_an_upload_is_logged(gate):
    body = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
    with gate.connect("acme") as connection:
        fields = [("Content-Type", "application/json")]
        response = connection.request("PUT", "/snapshots/prod-1", fields, body)
        line = logged(gate, response)
    assert (line["operation"], line["method"], line["status"]) == ("snapshot", "PUT", 201)
    assert line["bytes_in"] >= len(body)


def test_a_cut_download_is_logged_with_what_was_sent_and_why(gate):
    with gate.connect("acme") as connection, pytest.raises(Truncated) as cut:
        connection.get("/artifacts/step-core/@cut-body:100000/core.zip")
    line = logged(gate, cut.value.response)
    assert line["status"] == 200
    assert line["close"]
    assert line["bytes_out"] < 110_000


@pytest.mark.parametrize(
    "raw",
    [
        b'GET /a"b\\c HTTP/1.1\r\nHost: x\r\n\r\n',
        b"GET /caf\xe9\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a\x1b[31m\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
        b'G"T / HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET / HTTP/1.1\r\nHost: x\r\nRange: "\\\x7f\r\n\r\n',
    ],
)
def test_what_a_client_wrote_cannot_break_a_line(gate, raw):
    with gate.connect("acme") as connection:
        connection.send(raw)
        response = connection.response()
    line = logged(gate, response)
    assert line["status"] == response.status
    text = gate.access_log.read_bytes()
    assert all(byte == 0x0A or byte >= 0x20 for byte in text)
    for entry in text.decode("utf-8").splitlines():
        json.loads(entry)


def test_every_request_has_one_line_and_the_lines_are_in_order(gate):
    with gate.connect("acme") as connection:
        sent = [connection.get(SMALL).request_id for _ in range(100)]
    gate.log_line(sent[-1])
    found = [line["request_id"] for line in gate.log_lines() if line["request_id"] in set(sent)]
    assert found == sent


def test_nothing_secret_is_logged(gate):
    with gate.connect("acme") as connection:
        fields = [("Authorization", "Basic c2VjcmV0"), ("Cookie", "s3cr3t")]
        response = connection.get(SMALL, fields)
        gate.log_line(response.request_id)
    for text in (gate.access_log.read_text(), gate.stderr.text()):
        assert "c2VjcmV0" not in text and "s3cr3t" not in text and "PRIVATE KEY" not in text


def test_the_log_goes_to_standard_output_when_told_so(lab, store):
    gate = lab.gateway(store, config={"log": {"access": "-"}})
    response = gate.get(SMALL)
    gate.signal(15)
    assert gate.wait_exit() == 0
    gate.stdout.join()
    [line] = [json.loads(entry) for entry in gate.stdout.since()]
    assert (line["request_id"], line["status"]) == (response.request_id, 200)


def test_without_an_access_log_the_gate_serves_counts_and_says_at_start_what_is_missing(lab):
    gate = lab.gateway(config={"log": {"access": "none"}})
    gate.wait_line("mirrorgate: warning: there is no access log .*who was refused.*")
    assert gate.get("/artifacts/step-core/small.txt").status == 200
    assert gate.get("/artifacts/step-plus/plus.zip").status == 403
    gate.signal(signal.SIGUSR1)
    gate.wait_line("mirrorgate: info: access log reopened")
    assert gate.get("/artifacts/step-core/small.txt").status == 200
    assert not (gate.folder / "none").exists() and gate.log_lines() == []
    assert not gate.stdout.text()
