"""Who goes first when the node is nearly full, and for whom a reserve is kept."""

import contextlib
import select

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"


def crowded(lab, most, *, reserved=None, workers=1, **acme):
    """A gate that takes MOST connections, all of whose customers are licensed for the same."""
    customers = [
        customer("acme", ["step-core"], **acme),
        customer("globex", ["step-core"]),
        customer("initech", ["step-core"]),
    ]
    limits = {"connections": most}
    if reserved is not None:
        limits["reserved_connections"] = reserved
    gate = lab.gateway(
        policy=policy(customers=customers),
        config={"limits": limits, "workers": workers, "timeouts": {"handshake": "10m"}},
    )
    write_sparse(gate.stores[0].root, LARGE[1:], 64 << 20)
    return gate


def idle(gate, stack, count, who="acme"):
    """COUNT connections of WHO, each of which has asked once."""
    connections = []
    for _ in range(count):
        connections.append(stack.enter_context(gate.connect(who)))
        assert connections[-1].get(SMALL).status == 200
    return connections


def busy(gate, stack, count, who="acme"):
    """COUNT connections of WHO, each in mid-download."""
    connections = [stack.enter_context(gate.connect(who)) for _ in range(count)]
    for connection in connections:
        connection.send_request("GET", LARGE)
        assert connection.read_any_head().status == 200
    return connections


def is_ended(sock):
    return bool(select.select([sock], [], [], 0)[0])


def is_open(connection):
    try:
        return connection.get(SMALL).status == 200
    except (OSError, Truncated):
        return False


def is_served(gate):
    try:
        return gate.get(SMALL).status == 200
    except (OSError, Truncated):
        return False


def metric(gate, name):
    lines = gate.get("/metrics", who="ops").body.decode().splitlines()
    [line] = [line for line in lines if line.startswith(f"mirrorgate_{name} ")]
    return int(line.split()[-1])


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_connection_beyond_the_customers_limit_is_closed_before_it_asks(lab, version):
    gate = crowded(lab, 100, connections=2)
    [store] = gate.stores
    with contextlib.ExitStack() as stack:
        first = idle(gate, stack, 2)
        with store.untouched():
            third = stack.enter_context(gate.connect(version=version))
            response = third.response()
            refusal(response, 429, "too-many")
            assert int(response.header("Retry-After")) > 0 and response.closes
            third.assert_ended()
        assert all(is_open(connection) for connection in first)
        assert metric(gate, 'too_many_total{limit="connections"}') == 1
    line = gate.log_line(response.request_id)
    assert (line["customer"], line["reason"], line["status"]) == ("acme", "too-many", 429)
    assert (line["close"], line["method"]) == ("customer's connection limit", None)


def test_a_customer_with_a_limit_cannot_fill_the_node(lab):
    """With connections: 2 it held 58 of 60, and others were locked out."""
    gate = crowded(lab, 60, connections=2)
    with contextlib.ExitStack() as stack:
        for _ in range(70):
            with contextlib.suppress(OSError):
                stack.enter_context(gate.connect())
        for _ in range(10):
            assert gate.get(SMALL, who="globex").status == 200


def test_idle_connections_of_whoever_has_most_go_first(lab):
    gate = crowded(lab, 20, reserved=2)
    with contextlib.ExitStack() as stack:
        most = idle(gate, stack, 12)
        few = idle(gate, stack, 3, "globex")
        late = idle(gate, stack, 6, "initech")
        assert metric(gate, "connections_crowded_out_total") >= 3
        assert most[0].rest() == (b"", "close_notify")
        assert all(is_open(connection) for connection in few + late)
        assert sum(is_open(connection) for connection in most) <= 9


def test_who_is_alone_is_replaced_by_its_own(lab):
    """A customer may take what the node has but for the reserve; then its own make room."""
    gate = crowded(lab, 10, reserved=2)
    with contextlib.ExitStack() as stack:
        all_of_it = idle(gate, stack, 30)
        assert sum(is_open(connection) for connection in all_of_it) == 8


def test_a_reserve_is_kept_for_who_has_none(lab):
    gate = crowded(lab, 12, reserved=4)
    [store] = gate.stores
    with contextlib.ExitStack() as stack:
        running = busy(gate, stack, 8)
        mark = store.mark()
        for _ in range(3):
            with gate.connect() as connection:
                refusal(connection.response(), 429, "too-many")
                connection.assert_ended()
        assert store.requests(mark) == []
        assert gate.get("/healthz", who="probe").status == 200
        assert metric(gate, 'too_many_total{limit="room"}') == 3
        assert gate.get(SMALL, who="globex").status == 200
        # One that its client has closed counts until the gate has noticed; the observer's is one, too.
        common.wait_until(lambda: metric(gate, "connections_open") <= 9, "those before have gone")
        busy(gate, stack, 2, "initech")  # half the reserve is for who has less than its share
        common.wait_until(lambda: metric(gate, "connections_open") <= 11, "the observer's has gone")
        with gate.connect("initech") as connection:
            refusal(connection.response(), 429, "too-many")
        assert metric(gate, "transfers_cut_total") == 0
        for _ in range(3):
            running.pop().close()
        common.wait_until(lambda: is_served(gate), "a download has ended")


def test_who_has_little_keeps_it_while_another_is_in_mid_request_with_much(lab):
    """Acme had nothing at rest, so Globex's idle connections went, with a request on its way."""
    gate = crowded(lab, 26, reserved=2)
    with contextlib.ExitStack() as stack:
        few = idle(gate, stack, 3, "globex")
        busy(gate, stack, 21)
        with gate.connect("initech") as other:
            assert other.get(SMALL).status == 200
            fourth = idle(gate, stack, 1, "globex")
            assert all(is_open(connection) for connection in few + fourth)
        assert 1 <= metric(gate, "transfers_cut_total") <= 3


def test_handshakes_without_end_cost_no_idle_connection(lab):
    """As fast as one may open them, so that none is older than a second."""
    gate = crowded(lab, 10, reserved=2)
    with contextlib.ExitStack() as stack:
        few = idle(gate, stack, 3, "globex")
        for _ in range(40):
            with contextlib.suppress(OSError):
                stack.enter_context(contextlib.closing(gate.tcp()))
        assert all(connection.get(SMALL).status == 200 for connection in few)
        assert gate.get(SMALL, who="initech").status == 200


def test_probes_and_observers_are_not_closed_for_room(lab):
    gate = crowded(lab, 8, reserved=3)
    with contextlib.ExitStack() as stack:
        probe, observer = (stack.enter_context(gate.connect(who)) for who in ("probe", "ops"))
        assert probe.get("/healthz").status == 200
        assert observer.get("/status").status == 200
        idle(gate, stack, 20)
        assert probe.get("/healthz").status == 200
        assert observer.get("/status").status == 200


def test_handshakes_that_do_not_go_on_make_room(lab):
    """Long before their timeout: a stranger who only connects locks nobody out."""
    gate = crowded(lab, 6, reserved=2)
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(contextlib.closing(gate.tcp()))
        common.wait_until(lambda: is_served(gate), "one of the six has to go")


def test_each_worker_makes_room(lab):
    gate = crowded(lab, 20, workers=2)
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            with contextlib.suppress(OSError):
                stack.enter_context(gate.connect())
        assert metric(gate, "connections_open") <= 20
        for who in ("probe", "ops"):
            path = "/healthz" if who == "probe" else "/status"
            assert all(gate.get(path, who=who).status == 200 for _ in range(5))
        assert all(gate.get(SMALL, who="globex").status == 200 for _ in range(5))


def test_handshakes_at_another_worker_do_not_turn_away_a_customer_with_few(lab):
    """A worker cannot end what is another's, and acme has not far more than globex. Of three
    strangers, none is the newcomer's worker's once in eight times."""
    gate = crowded(lab, 17, reserved=3, workers=2)
    with contextlib.ExitStack() as stack:
        busy(gate, stack, 9)
        few = idle(gate, stack, 3, "globex")
        strangers = [stack.enter_context(gate.tcp()) for _ in range(3)]
        for _ in range(60):
            with gate.connect("globex") as connection:
                assert connection.get(SMALL).status == 200
            strangers = [stack.enter_context(gate.tcp()) if is_ended(stranger) else stranger
                         for stranger in strangers]  # fmt: skip
        assert all(is_open(connection) for connection in few)
