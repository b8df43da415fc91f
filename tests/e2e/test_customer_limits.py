"""What one customer's certificate can take: requests, refusals, snapshots."""

import contextlib
import json
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.cases.requests import get
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
JSON = [("Content-Type", "application/json")]


def snapshot(system="s"):
    return json.dumps({"format": "thin-snapshot/1", "system": system, "components": []}).encode()


def put(connection, body, name="s"):
    return connection.request("PUT", f"/snapshots/{name}", JSON, body)


def limited(lab, *stores, config=None, **limits):
    """A gate at which acme has LIMITS."""
    customers = [
        customer("acme", ["step-core"], **limits),
        customer("globex", ["step-core"]),
        customer("initech", ["step-core"]),
    ]
    return lab.gateway(*stores, config=config, policy=policy(customers=customers))


def too_many(gate, limit):
    """How many requests the gate has answered 429 because of LIMIT, by its metrics."""
    name = f'mirrorgate_too_many_total{{limit="{limit}"}} '
    lines = gate.get("/metrics", who="ops").body.decode().splitlines()
    [line] = [line for line in lines if line.startswith(name)]
    return int(line.removeprefix(name))


# --- requests_per_second, and refusals


def ask(connection, count, path=SMALL):
    """COUNT requests at once; their answers."""
    connection.send(get(target=path).encode() * count)
    return [connection.response() for _ in range(count)]


def split(answers):
    """How many were served, and those that were one too many."""
    refused = [answer for answer in answers if answer.status == 429]
    for answer in refused:
        refusal(answer, 429, "too-many")
        assert int(answer.header("Retry-After")) > 0
        assert not answer.closes
    return len(answers) - len(refused), refused


def test_requests_per_second_of_a_customer_hold_over_its_connections(lab):
    gate = limited(lab, requests_per_second=4, config={"workers": 2})
    [store] = gate.stores
    mark, start = store.mark(), time.monotonic()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(gate.connect()) for _ in range(6)]
        answers = [answer for connection in connections for answer in ask(connection, 10)]
        served, refused = split(answers)
        assert 4 <= served <= 4 * (time.monotonic() - start + 1)
        assert len(store.requests(mark)) == served, "what was refused did not reach the store"
        with gate.connect("globex") as other:
            assert all(answer.status == 200 for answer in ask(other, 20)), "others are not held"
        common.wait_until(lambda: connections[0].get(SMALL).status == 200, "a second later")
    assert gate.log_line(refused[0].request_id)["reason"] == "too-many"
    assert too_many(gate, "customer_requests") >= len(refused)


def test_refusals_count_as_requests_of_the_customer(lab):
    gate = limited(lab, requests_per_second=4)
    with gate.connect() as connection:
        statuses = {answer.status for answer in ask(connection, 30, "/artifacts/step-plus/x")}
    assert statuses == {403, 429}


def test_requests_per_second_of_a_connection_leave_another_alone(lab):
    gate = lab.gateway(config={"limits": {"requests_per_second": 10}})
    with gate.connect() as connection, gate.connect() as other:
        start = time.monotonic()
        served, refused = split(ask(connection, 100))
        assert 10 <= served <= 10 * (time.monotonic() - start + 1)
        assert other.get(SMALL).status == 200
    assert too_many(gate, "connection_requests") == len(refused)


def test_who_is_refused_without_end_is_slowed_down(lab):
    """By default: 1,000 refusals at once, then 100 a second, 429s among them."""
    gate = lab.gateway()
    [store] = gate.stores
    start = time.monotonic()
    with gate.connect() as connection, gate.connect() as other, store.untouched():
        answers = ask(connection, 1100, "/artifacts/step-plus/x")
        assert time.monotonic() - start > 0.5, "the last hundred took about a second"
    assert {answer.status for answer in answers[:1000]} == {403}
    _, refused = split(answers)
    assert len(refused) > 10
    assert too_many(gate, "refusals") == len(refused)
    with gate.connect() as connection, gate.connect() as other:
        ask(connection, 10, "/artifacts/step-plus/x")
        assert all(answer.status == 200 for answer in ask(other, 50)), "who asks well is served"


def test_connections_of_one_customer_share_its_refusals(lab):
    gate = lab.gateway(config={"workers": 2, "limits": {"refusals_per_second": 20}})
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(gate.connect()) for _ in range(4)]
        for connection in connections:
            connection.send(get(target="/artifacts/step-plus/x").encode() * 60)
        for connection in connections:
            for _ in range(60):
                connection.response()
        assert 4 * 60 <= 200 + 20 * (time.monotonic() - start) + len(connections) + 1
        with gate.connect("globex") as other:
            assert {answer.status for answer in ask(other, 50)} == {403}, "globex has its own"


# --- snapshots_per_day


def read_upload(store, connection):
    """Reads one whole PUT off CONNECTION; leaves the gate's own questions unanswered."""
    head = store.read_head(connection)
    if not head.startswith(b"PUT "):
        raise ConnectionResetError
    left = int(head.lower().split(b"content-length:")[1].split()[0])
    while left > 0:
        left -= len(connection.recv(left))


def test_an_upload_whose_client_leaves_when_the_store_has_it_counts(lab):
    """Or a certificate could fill the store's disk: the count was given back, the file stayed."""
    whole = []

    def script(connection, _):
        while True:
            read_upload(store, connection)
            whole.append(connection)

    store = lab.scripted(script)
    gate = limited(lab, store, snapshots_per_day=2)
    for count in (1, 2):
        with gate.connect() as connection:
            connection.send_request(
                "PUT", "/snapshots/s", [*JSON, ("Content-Length", str(len(snapshot())))]
            )
            connection.send(snapshot())
            common.wait_until(lambda: len(whole) == count, "the store has the whole upload")
    common.wait_until(lambda: len(gate.log_lines()) == 2, "the gate knows that they have left")
    with gate.connect() as connection:
        response = put(connection, snapshot())
    refusal(response, 429, "too-many")
    assert int(response.header("Retry-After")) > 0
    assert len(store.heads) == 2, "nothing more reached the store"


@pytest.mark.parametrize("status", [403, 500, 507])
def test_an_upload_that_the_store_refuses_does_not_count(lab, status):
    def script(connection, _):
        read_upload(store, connection)
        uploads = sum(head.startswith(b"PUT ") for head in store.heads)
        answer = "201 Created" if uploads > 4 else f"{status} No"
        connection.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    store = lab.scripted(script)
    gate = limited(lab, store, snapshots_per_day=1)
    with gate.connect() as connection:
        for _ in range(4):
            refusal(put(connection, snapshot()), 502, "store-bad-response")
        assert put(connection, snapshot()).status == 201
        refusal(put(connection, snapshot()), 429, "too-many")


def test_snapshots_per_day_is_100_when_the_policy_does_not_say(lab):
    gate = limited(lab)
    with gate.connect() as connection:
        answers = [put(connection, snapshot(f"s{n}"), f"s{n}") for n in range(101)]
    assert [answer.status for answer in answers[:100]] == [201] * 100
    refusal(answers[100], 429, "too-many")
    assert len(gate.stores[0].snapshots()) == 100
    assert "without limit" not in gate.stderr.text()


def test_snapshots_per_day_0_is_no_limit_and_the_gate_warns(lab):
    gate = limited(lab, snapshots_per_day=0)
    warning = "warning: policy: acme may file snapshots without limit (snapshots_per_day: 0)"
    assert warning in gate.stderr.text()
    with gate.connect() as connection:
        for n in range(110):
            assert put(connection, snapshot(f"s{n}"), f"s{n}").status == 201
    start = len(gate.stderr.text())
    data = policy(2, customers=[customer("acme", ["step-core"], snapshots_per_day=0)])
    gate.reload(data)
    common.wait_until(lambda: warning in gate.stderr.text()[start:], "a reload warns, too")


# --- snapshots that are not valid


def test_invalid_snapshots_have_a_budget_of_their_own(lab):
    """To find out costs milliseconds: who may file one a day may be wrong ten times an hour."""
    gate = limited(lab, snapshots_per_day=1)
    [store] = gate.stores
    with gate.connect() as connection, store.untouched():
        answers = [put(connection, b"[" * 100_000) for _ in range(30)]
        assert [answer.status for answer in answers] == [422] * 10 + [429] * 20
        refusal(answers[10], 429, "too-many")
        assert 0 < int(answers[10].header("Retry-After")) <= 361
        refusal(put(connection, snapshot()), 429, "too-many")
    assert too_many(gate, "failed_snapshots") == 21
    with gate.connect("globex") as connection:
        assert put(connection, snapshot()).status == 201, "others are not held"


def test_failed_snapshots_per_hour_are_those_of_the_configuration(lab):
    gate = lab.gateway(config={"limits": {"failed_snapshots_per_hour": 3}})
    with gate.connect() as connection:
        answers = [put(connection, b"{}") for _ in range(5)]
        assert [answer.status for answer in answers] == [422, 422, 422, 429, 429]


def test_valid_snapshots_take_nothing_from_that_budget(lab):
    gate = lab.gateway(config={"limits": {"failed_snapshots_per_hour": 1}})
    with gate.connect() as connection:
        assert [put(connection, snapshot()).status for _ in range(5)] == [201] * 5
        assert [put(connection, b"{}").status for _ in range(2)] == [422, 429]


def test_uploads_that_come_at_once_share_that_budget(lab):
    """None of their bodies has come when the first is found invalid."""
    gate = lab.gateway(config={"limits": {"failed_snapshots_per_hour": 2}})
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(gate.connect()) for _ in range(6)]
        for connection in connections:
            fields = [*JSON, ("Content-Length", "2"), ("Expect", "100-continue")]
            connection.send_request("PUT", "/snapshots/s", fields)
            assert connection.read_any_head().status == 100
        for connection in connections:
            connection.send(b"{}")
        statuses = [connection.response().status for connection in connections]
    assert sorted(statuses) == [422] * 2 + [429] * 4


# --- transfers


def stalled(gate, stack, path=LARGE):
    """Asks for PATH on a connection of STACK and reads no more than the head of the answer."""
    connection = stack.enter_context(gate.connect())
    connection.send_request("GET", path)
    return connection, connection.read_any_head().status


@pytest.mark.parametrize("limits", [{}, {"rate": "64K"}])
def test_transfers_of_a_customer_without_connections_are_bounded(lab, limits):
    """Each holds a connection of the store, for as long as its client or its rate is slow."""
    config = {"limits": {"transfers_per_customer": 3}, "workers": 2}
    gate = limited(lab, config=config, **limits)
    [store] = gate.stores
    write_sparse(store.root, LARGE[1:], 64 << 20)
    with contextlib.ExitStack() as first:
        assert [stalled(gate, first)[1] for _ in range(3)] == [200] * 3
        mark = store.mark()
        with gate.connect() as connection:
            response = connection.get(SMALL)
            refusal(response, 429, "too-many")
            assert int(response.header("Retry-After")) > 0
            assert connection.get("/licence").status == 200, "the store is not asked for that"
            refusal(put(connection, snapshot()), 429, "too-many")
        assert store.requests(mark) == []
        assert gate.get(SMALL, who="globex").status == 200, "others are not held"
    common.wait_until(lambda: gate.get(SMALL).status == 200, "a transfer has ended")
    assert too_many(gate, "transfers") >= 2


def test_a_small_answer_is_not_passed_by_large_ones_of_its_customer(lab):
    """Who waits for the customer's rate is served in the order of asking, in whichever worker."""
    gate = limited(lab, config={"workers": 2}, rate="64K")
    write_sparse(gate.stores[0].root, LARGE[1:], 64 << 20)
    with contextlib.ExitStack() as stack:
        assert [stalled(gate, stack)[1] for _ in range(4)] == [200] * 4
        assert [gate.get(SMALL).status for _ in range(20)] == [200] * 20


def test_a_customer_with_connections_may_have_as_many_transfers(lab):
    gate = limited(lab, config={"limits": {"transfers_per_customer": 1}}, connections=3)
    write_sparse(gate.stores[0].root, LARGE[1:], 64 << 20)
    with contextlib.ExitStack() as stack:
        assert [stalled(gate, stack)[1] for _ in range(3)] == [200] * 3
