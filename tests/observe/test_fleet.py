"""A fleet at work: no request of a client that is allowed fails while its nodes are restarted, upgraded,
drained or given another policy one by one; what a node takes with it when it is killed is answered by
another. Sessions are resumed on any.
"""

import contextlib
import re
import signal
import time

import pytest
import test_upgrade
from fleet import Fleet
from mirrorgate_test import client, common, pki
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse
from test_upgrade import Load

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"
TRIES, FIRST_PAUSE = 5, 0.5  # and seconds, as spot tries again
SIZE = 8 << 20  # more than all buffers on the way take

reaper = test_upgrade.reaper  # an upgraded gate is nobody's child


@pytest.fixture(scope="module")
def fleet(module_lab):
    made = Fleet(module_lab)
    yield made
    for gate in made.gates:  # each would announce its drain, one after the other
        gate.signal(signal.SIGQUIT)
        assert gate.wait_exit() == 0


@pytest.fixture
def load(fleet):
    """Clients that come anew and clients that stay; at the end, none of their requests has failed."""
    with Load(fleet, newcomers=2, stayers=2) as load:
        load.go_on()
        yield load
        load.go_on()
    assert load.failed == []


class Insisting(Load):
    """Who has no answer asks again, as often and after as long a pause as spot does."""

    def _run(self, action):
        while not self.over.is_set():
            try:
                action()
            except (Truncated, OSError):
                self._insist()

    def _insist(self):
        for tries in range(1, TRIES):
            time.sleep(FIRST_PAUSE * 2 ** (tries - 1))
            try:
                self._come()
                return
            except (Truncated, OSError) as failure:
                last = failure
            except AssertionError as failure:  # an answer that is wrong is not asked for again
                last = failure
                break
        self.failed.append(repr(last))


def visit(fleet, version, stack, session=None):
    """One GET on a connection that STACK keeps: (the gate that answered, whether the session was resumed,
    the session to go on with)."""
    context = client.tls_context(fleet.world.authority, fleet.world.identity("acme"), version)
    tls = context.wrap_socket(fleet.tcp(), server_hostname=pki.SERVER_NAME, session=session)
    stack.enter_context(tls)
    tls.sendall(f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode())
    answer = tls.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200")
    request_id = re.search(rb"(?i)^x-request-id: (\S+)", answer, re.M)[1].decode()
    gate, line = fleet.answered(request_id)
    assert line["resumed"] == tls.session_reused
    return gate, tls.session_reused, tls.session


def assert_resumed_on_all(fleet, version):
    """One session, from the gate that made it to each of the three. Its connections stay, for the
    balancer gives the next to the gate that has the fewest, and other clients stay with theirs."""
    with contextlib.ExitStack() as stack:
        first, reused, session = visit(fleet, version, stack)
        assert not reused
        seen = {first.name}

        def everywhere():
            nonlocal session
            gate, reused, session = visit(fleet, version, stack, session)
            assert reused, f"not resumed on {gate.name}"
            seen.add(gate.name)
            return len(seen) == len(fleet.gates)

        common.wait_until(everywhere, "all gates resume the session")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_session_is_resumed_on_every_node(fleet, version):
    assert_resumed_on_all(fleet, version)


def test_the_nodes_know_who_the_clients_are(fleet):
    response = fleet.get(SMALL)
    assert fleet.answered(response.request_id)[1]["client"] == "192.0.2.41"


def begin_downloads(fleet, count):
    """COUNT downloads that stand still after their first piece: (connection, head, pieces, body)."""
    write_sparse(fleet.root, IMAGE[1:], SIZE)
    begun = []
    for _ in range(count):
        connection = fleet.connect(receive_buffer=16_384)
        connection.send_request("GET", IMAGE)
        head = connection.read_head()
        pieces = connection.body_pieces(head)
        begun.append((connection, head, pieces, bytearray(next(pieces))))
    return begun


def end_downloads(fleet, begun):
    """Takes the rest; returns the gates that they were from."""
    expected = (fleet.root / IMAGE[1:]).read_bytes()
    for connection, _, pieces, body in begun:
        for piece in pieces:
            body += piece
        assert body == expected
        connection.close()
    return [fleet.answered(head.request_id)[0] for _, head, _, _ in begun]


def test_a_rolling_restart_fails_no_request(fleet, load):
    """Nor does it cut what is under way on the node that drains."""
    begun = begin_downloads(fleet, 12)
    for gate in fleet.gates:
        gate.signal(signal.SIGTERM)
        fleet.wait_status(gate, "DOWN")
        load.go_on()
        if begun:
            common.wait_until(lambda it=gate: not fleet.takes_connections(it), "it only drains")
            assert gate.process.poll() is None
            assert gate in end_downloads(fleet, begun)
            begun = []
        assert gate.wait_exit() == 0
        gate.start()
        fleet.wait_status(gate, "UP")
        load.go_on()
    assert_resumed_on_all(fleet, "1.3")


def test_a_rolling_upgrade_fails_no_request(fleet, load):
    for gate in fleet.gates:
        gate.upgrade()
        load.go_on()
        fleet.wait_status(gate, "UP")
    assert_resumed_on_all(fleet, "1.3")


def test_a_policy_that_is_rolled_out_node_by_node_fails_no_request(fleet, load):
    """Who is new in it is served by the nodes that have it, and refused by the others."""
    changed = policy(2, customers=[customer("acme", ["step-core"]), customer("globex", ["step-core"])])
    for count, gate in enumerate(fleet.gates, 1):
        assert gate.reload(changed) == 2
        assert "cut 0" in gate.stderr.text()
        load.go_on()
        having = set(fleet.gates[:count])
        for _ in range(6):
            response = fleet.get(SMALL, who="globex")
            assert response.status == (200 if fleet.answered(response.request_id)[0] in having else 403)
    assert fleet.get(SMALL, who="globex").status == 200


def test_a_node_that_is_killed_costs_no_request_of_who_tries_again(fleet):
    gate = fleet.gates[1]
    with Insisting(fleet, newcomers=2, stayers=2) as load:
        load.go_on()
        gate.kill()
        fleet.wait_status(gate, "DOWN")
        load.go_on()
        gate.start()
        fleet.wait_status(gate, "UP")
        load.go_on()
    assert load.failed == []
    assert_resumed_on_all(fleet, "1.3")


def test_a_balancer_that_is_killed_is_replaced_by_the_other(fleet):
    first = fleet.wait_balancer()
    [second] = [balancer for balancer in fleet.balancers if balancer is not first]
    with contextlib.ExitStack() as stack:
        _, _, session = visit(fleet, "1.3", stack)
    first.haproxy.process.kill()
    first.haproxy.process.wait()
    common.wait_until(second.has_address, "the other one has the clients' address")
    assert fleet.wait_balancer() is second
    with contextlib.ExitStack() as stack:
        _, reused, _ = visit(fleet, "1.3", stack, session)
    assert reused
    first.start_haproxy()
    assert fleet.get(SMALL).status == 200


def test_the_store_is_for_the_gates_alone(fleet):
    """Whoever else asks it, a client for instance, is refused."""
    done = fleet.clients.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://192.0.2.31:8080{SMALL}")
    assert done == "403"
