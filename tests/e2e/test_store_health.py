"""Which servers of the store are passed over, and who may say so.

Two servers: one is well, the other one is not. Clients hardly notice; and no client makes the gate
pass over a server that is well, whatever it asks for.
"""

import re
import threading

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import timed
from mirrorgate_test.store import write

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
BODY = b'{"format":"thin-snapshot/1","system":"prod-1","components":[]}'
JSON = [("Content-Type", "application/json")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
QUICK = {"timeouts": {"store_response": "4s", "store_connect": "4s"}}
PASSED_OVER = r"mirrorgate: warning: store {} is passed over for {} s: .*"


def choosy(lab):
    """A store that is well and ends each connection: so each request chooses a server anew."""
    return lab.stub(faults=["*=close"])


def configured(*servers, eject_time="1h", **keys):
    store = {"servers": [server.url for server in servers], "eject_time": eject_time, **keys}
    return {"store": store, **QUICK}


def ejections(gate, server):
    """How often SERVER was ejected, and how many workers pass it over."""
    text = gate.get("/metrics", who="ops").body.decode()
    label = re.escape(f'{{server="{server.address}"}}')
    return tuple(
        int(re.search(rf"^mirrorgate_store_{name}{label} (\d+)$", text, re.M)[1])
        for name in ("ejections_total", "passed_over")
    )


def upload(connection):
    return connection.request("PUT", "/snapshots/prod-1", JSON, BODY)


def answering(lab, answer):
    """A store that reads a head and then does ANSWER(connection, head), as often as it is asked."""

    def script(connection, _):
        while True:
            answer(connection, made.read_head(connection))

    made = lab.scripted(script)
    return made


def saying(text):
    return lambda connection, _: connection.sendall(text)


def never(connection, _):
    connection.recv(1)  # the gateway gives it up


def hang_up(connection, _):
    connection.close()


def status(line, body=b"no"):
    return saying(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (line, len(body), body))


UNWELL = {
    "never-answers": never,
    "closes": hang_up,
    "is-no-http": saying(b"220 mail.example ESMTP\r\n\r\n"),
    "500": status(b"500 Oops"),
    "503": status(b"503 Busy"),
}


@pytest.mark.parametrize("fault", UNWELL.values(), ids=UNWELL.keys())
def test_a_server_that_is_not_well_is_passed_over_and_no_download_fails(lab, fault):
    """Without a probe, and with one customer only."""
    well, unwell = choosy(lab), answering(lab, fault)
    gate = lab.gateway(well, config=configured(well, unwell))
    with gate.connect() as connection:
        for _ in range(3):
            assert connection.get(SMALL).body == (well.root / SMALL[1:]).read_bytes()
            assert connection.request("HEAD", SMALL).status == 200
        common.wait_until(lambda: ejections(gate, unwell) == (1, 1), "it is passed over")
        assert ejections(gate, well) == (0, 0)
        asked = len(unwell.heads)
        for _ in range(10):
            assert upload(connection).status == 201
            assert connection.get(SMALL).status == 200
        assert len(unwell.heads) == asked
    gate.wait_line(PASSED_OVER.format(re.escape(unwell.address), 3600))


@pytest.mark.parametrize("fault", [never, hang_up], ids=["never-answers", "closes"])
def test_uploads_alone_find_out_too_and_none_is_sent_twice(lab, fault):
    well, unwell = lab.stub(), answering(lab, fault)
    gate = lab.gateway(well, config=configured(well, unwell))
    with gate.connect() as connection:
        failed = 0
        for _ in range(12):
            response = upload(connection)
            failed += response.status != 201
            if response.status != 201:
                refusal(response, response.status, {"store-bad-response", "store-timeout"})
        common.wait_until(lambda: ejections(gate, unwell) == (1, 1), "it is passed over")
        for _ in range(4):
            assert upload(connection).status == 201
    uploads = [head for head in unwell.heads if head.startswith(b"PUT ")]
    assert len(uploads) == failed <= 3
    filed = [request for request in well.requests() if request["method"] == "PUT"]
    assert len(filed) == 12 - failed + 4


def test_a_download_does_not_wait_for_a_server_that_turns_out_to_be_dead(lab):
    """The whole time for an answer is an hour; the gate's own question is answered sooner."""
    well, dead = lab.stub(), answering(lab, never)
    config = configured(dead, well)
    config["timeouts"] = {"store_response": "1h", "store_connect": "1s"}
    gate = lab.gateway(well, config=config)
    response, seconds = timed(lambda: gate.get(SMALL))
    assert response.status == 200
    assert gate.log_line(response.request_id)["store"] == well.address
    assert 1.9 < seconds < 60
    assert ejections(gate, dead) == (1, 1)


def test_an_answer_that_ends_in_the_middle_of_its_head_is_asked_of_another(lab):
    def half(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        connection.close()

    well, torn = lab.stub(), answering(lab, half)
    gate = lab.gateway(well, config=configured(torn, well))
    response = gate.get(SMALL)
    assert response.body == (well.root / SMALL[1:]).read_bytes()


def test_a_body_that_began_is_not_asked_of_another(lab):
    def cut(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nstart")
        connection.close()

    well, torn = lab.stub(), answering(lab, cut)
    gate = lab.gateway(well, config=configured(torn, well))
    with gate.connect() as connection, pytest.raises(Truncated):
        connection.get(SMALL)
    assert well.requests() == []
    assert ejections(gate, torn) == (0, 0), "nor do one customer's word and the head damn it"
    gate = lab.gateway(well, config=configured(torn, eject_after=2))
    for who in ("acme", "initech"):
        with gate.connect(who) as connection, pytest.raises(Truncated):
            connection.get(SMALL)
    assert ejections(gate, torn) == (1, 1)


# --- what a client could ask for

FINE = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
NEVER_COUNT = {
    "301": status(b"301 Moved\r\nLocation: /x"),
    "401": status(b"401 Who"),
    "403": status(b"403 No"),
    "400": status(b"400 What"),
    "501": status(b"501 Not so"),
    "505": status(b"505 Not that"),
    "204": saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304-unasked": saying(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "other-part": saying(b"HTTP/1.1 206 Part\r\nContent-Length: 2\r\n"
                         b"Content-Range: bytes 7-8/9\r\n\r\nab"),
    "odd-range": saying(b"HTTP/1.1 206 Part\r\nContent-Length: 2\r\n"
                        b"Content-Range: pages 1-2/9\r\n\r\nab"),
    "odd-416": saying(b"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: none\r\n\r\n"),
    "chunked": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "no-length": saying(b"HTTP/1.1 200 OK\r\n\r\nab"),
    "echoed-path": saying(b"HTTP/1.1 301 Moved\r\n" + b"Link: %s\r\n" % (b"x" * 4000) * 5 + b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("odd", NEVER_COUNT.values(), ids=NEVER_COUNT.keys())
def test_an_answer_that_may_not_pass_never_counts(lab, odd):
    """Two customers get it, again and again; the gate does not even ask the server itself."""
    fine = answering(lab, status(b"404 None\r\nConnection: close"))
    server = answering(lab, odd)
    gate = lab.gateway(fine, config=configured(server, fine))
    with gate.connect("acme") as acme, gate.connect("initech") as initech:
        for _ in range(8):
            for connection in (acme, initech):
                response = connection.get(SMALL, [("Range", "bytes=0-1")])
                assert response.status in (404, 502)
    assert ejections(gate, server) == ejections(gate, fine) == (0, 0)
    assert sum(SMALL.encode() in head for head in server.heads) == len(server.heads) == 8


@pytest.mark.parametrize("code", [301, 403])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_redirect_or_a_refusal_for_a_path_is_not_found_and_in_the_log(lab, code, method):
    """As nginx speaks of a folder and S3 of a key that is not there. Nothing of it gets out."""
    odd = status(b"%d Odd\r\nLocation: http://10.0.0.1/internal" % code)
    gate = lab.gateway(answering(lab, odd))
    with gate.connect() as connection:
        for _ in range(2):
            response = connection.request(method, SMALL)
            assert response.status == 404 and response.header("Location") is None
            assert b"10.0.0.1" not in response.body
            line = gate.log_line(response.request_id)
            assert (line["reason"], line["store_status"]) == ("not-found", code)


def test_other_redirects_and_refusals_stay_bad_answers(lab):
    for text in (b"302 Found\r\nLocation: /x", b"307 There\r\nLocation: /x", b"401 Who"):
        gate = lab.gateway(answering(lab, status(text)))
        with gate.connect() as connection:
            refusal(connection.get(SMALL), 502, "store-bad-response")


FAULTS = {"silent": "silent", "reset": "reset", "garbage": "garbage", "500": "status:500"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_no_customer_ejects_a_server_by_asking_for_what_it_fails_at(lab, fault):
    """Only that path fails, on both servers, and only one customer asks, with and without ranges;
    another one is served by both all the time."""
    servers = [lab.stub(faults=[f"{LARGE}={fault}"]) for _ in range(2)]
    config = configured(*servers)
    config["timeouts"] = {"store_response": "2s"}
    gate = lab.gateway(servers[0], config=config)
    with gate.connect("acme") as acme, gate.connect("initech") as initech:
        for i in range(4):
            fields = [("Range", f"bytes={i}-")] if i % 2 else [("If-None-Match", '"x"')]
            assert acme.get(LARGE, fields).status in (502, 504)
        for server in servers:
            assert ejections(gate, server) == (0, 0)
        assert initech.get(SMALL).status == 200


TWICE = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"


@pytest.mark.parametrize("fault", ["status:500", "silent", "raw:twice"])
def test_several_customers_who_agree_eject_a_server(lab, fault):
    """It answers the gate's own question, so nothing else would."""
    well, broken = choosy(lab), lab.stub(faults=[f"/artifacts/*={fault}"])
    write(broken.root, "twice", TWICE)
    config = configured(well, broken)
    config["timeouts"] = {"store_response": "2s"}
    gate = lab.gateway(well, broken, config=config)
    with gate.connect("acme") as acme, gate.connect("initech") as initech:

        def ejected():
            """While the gate's own question is out, requests go elsewhere; so ask on."""
            assert acme.get(SMALL).status == initech.get(SMALL).status == 200
            return ejections(gate, broken) == (1, 1)

        common.wait_until(ejected, "it is passed over")
    gate.wait_line(rf".*{re.escape(broken.address)} is passed over for 3600 s: 3 failures in a row.*")


def test_uploads_count_alone_for_nobody_else_says_what_is_in_them(lab):
    well, full = choosy(lab), lab.stub(faults=["/snapshots/*=status:507"])
    gate = lab.gateway(well, full, config=configured(well, full))
    answers = []
    with gate.connect() as connection:

        def ejected():
            answers.append(upload(connection).status)
            return ejections(gate, full) == (1, 1)

        common.wait_until(ejected, "it is passed over")
        assert answers.count(502) == 3 and set(answers) == {201, 502}
        assert [upload(connection).status for _ in range(4)] == [201] * 4


def test_a_store_that_loses_patience_with_a_slow_client_is_not_blamed(lab):
    def impatient(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        connection.settimeout(0.3)
        try:
            connection.sendall(bytes(100_000_000))
        except TimeoutError:
            gave_up.release()
        connection.close()

    gave_up = threading.Semaphore(0)
    store = answering(lab, impatient)
    gate = lab.gateway(store, config=configured(store, eject_after=1))
    for who in ("acme", "initech"):
        with gate.connect(who, receive_buffer=4096) as connection:
            connection.send_request("GET", SMALL)
            assert connection.readable(10)
            assert gave_up.acquire(timeout=common.LONG)
    assert ejections(gate, store) == (0, 0)


# --- how it ends


def test_a_server_that_is_well_again_is_used_again_and_else_is_left_alone_for_longer(lab):
    well, patient = choosy(lab), answering(lab, hang_up)
    gate = lab.gateway(well, config=configured(well, patient, eject_time="200ms"))
    with gate.connect() as connection:
        for _ in range(4):
            assert connection.get(SMALL).status == 200
        for seconds in ("0.2", "0.4", "0.8"):
            gate.wait_line(PASSED_OVER.format(re.escape(patient.address), seconds))
        assert ejections(gate, patient) == (1, 1), "it was out all the time"
        patient.play(saying_all(patient, OK))
        gate.wait_line(rf"mirrorgate: info: store {re.escape(patient.address)} is back")
        assert ejections(gate, patient) == (1, 0)
        assert {upload(connection).status for _ in range(4)} == {201}
    assert sum(head.startswith(b"PUT ") for head in patient.heads) == 2


def saying_all(store, text):
    def script(connection, _):
        while True:
            head = store.read_head(connection)
            if head.startswith(b"PUT "):
                connection.recv(65536)
            connection.sendall(text)

    return script


def test_when_no_server_is_well_they_are_asked_all_the_same(lab):
    servers = [answering(lab, hang_up), answering(lab, never)]
    config = configured(*servers)
    config["timeouts"] = {"store_response": "2s", "store_connect": "2s"}
    gate = lab.gateway(servers[0], config=config)
    with gate.connect() as connection, gate.connect("probe") as probe:
        assert probe.get("/healthz").status == 200
        for _ in range(3):
            assert connection.get(SMALL).status in (502, 504)

        def all_out():
            return [ejections(gate, server) for server in servers] == [(1, 1)] * 2

        common.wait_until(all_out, "both are passed over")
        refusal_text = probe.get("/healthz")
        assert (refusal_text.status, refusal_text.body) == (503, b"store-unavailable\n")
        servers[1].play(saying_all(servers[1], OK))
        assert connection.get(SMALL).body == b"ok", "the first try after it is well finds it"
        assert ejections(gate, servers[1]) == (1, 0)
        assert probe.get("/healthz").status == 200


def test_eject_after_0_passes_over_nobody_but_downloads_are_tried_again(lab):
    well, unwell = choosy(lab), answering(lab, hang_up)
    gate = lab.gateway(well, config=configured(well, unwell, eject_after=0))
    with gate.connect("acme") as acme, gate.connect("initech") as initech:
        for _ in range(6):
            assert acme.get(SMALL).status == initech.get(SMALL).status == 200
    assert ejections(gate, unwell) == (0, 0)
    assert unwell.heads and all(SMALL.encode() in head for head in unwell.heads)


def test_one_request_keeps_no_more_than_three_servers_busy(lab):
    servers = [answering(lab, hang_up) for _ in range(5)]
    gate = lab.gateway(servers[0], config=configured(*servers, eject_after=0))
    refusal(gate.get(SMALL), 502, "store-bad-response")
    assert sum(len(server.heads) for server in servers) == 3


def test_status_json_names_each_server(lab):
    servers = [lab.stub(), lab.stub()]
    gate = lab.gateway(*servers, config=configured(*servers))
    assert gate.get("/status.json", who="ops").json()["stores"] == [
        {"server": server.address, "ejections": 0, "passed_over": 0} for server in servers
    ]
