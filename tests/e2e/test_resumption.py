"""Resumption: a session saves a handshake on any worker and any node with the same ticket keys, and
never more than that. Whoever may not come in now gets no request through with an old session.
"""

import contextlib
import signal
import socket
import ssl
import time

import pytest
from mirrorgate_test import client, common, pki
from mirrorgate_test.gateway import policy

SMALL = "/artifacts/step-core/small.txt"
TWO_WORKERS = {"workers": 2}

both_versions = pytest.mark.parametrize("version", ["1.2", "1.3"])


@contextlib.contextmanager
def opened(gate, who, version, session=None):
    context = client.tls_context(gate.world.authority, gate.world.identity(who), version)
    sock = socket.create_connection(("127.0.0.1", gate.port), timeout=common.LONG)
    with context.wrap_socket(sock, server_hostname=pki.SERVER_NAME, session=session) as tls:
        yield tls


def ask(tls):
    """The status of one GET; OSError when the connection ends instead."""
    tls.sendall(f"GET {SMALL} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode())
    answer = tls.recv(4096)
    if not answer:
        raise ssl.SSLEOFError("closed without an answer")
    return int(answer.split()[1])


def visit(gate, who, version, session=None):
    """One connection with one GET: (status, whether it was resumed, the session to go on with)."""
    with opened(gate, who, version, session) as tls:
        status = ask(tls)
        return status, tls.session_reused, tls.session


def first_session(gate, version, who="acme"):
    status, reused, session = visit(gate, who, version)
    assert (status, reused) == (200, False)
    assert session is not None
    return session


def assert_never_served(gate, who, version, session):
    """Several tries, for several workers: none gets an answer, and the store hears nothing."""
    [store] = gate.stores
    with store.untouched():
        for _ in range(6):
            with pytest.raises(OSError) as refused:
                visit(gate, who, version, session)
            assert not isinstance(refused.value, ssl.SSLCertVerificationError), "our own doing"


def ticket_keys(lab, *arguments):
    path = lab.new_folder("keys") / "ticket.keys"
    rotate(lab, path, *arguments)
    return path


def rotate(lab, path, *arguments):
    lab.world.authority.run("ticket-keys", str(path), *arguments)


def node(lab, keys=None, **tls):
    """A node of a fleet: its own store and two workers."""
    settings = {"ticket_keys": str(keys)} if keys else {}
    return lab.gateway(config={**TWO_WORKERS, "tls": {**settings, **tls}})


# --- where a session is resumed


@both_versions
def test_a_session_is_resumed_by_any_worker(lab, version):
    gate = node(lab)
    session = first_session(gate, version)
    for _ in range(12):
        status, reused, session = visit(gate, "acme", version, session)
        assert (status, reused) == (200, True)
    common.wait_until(
        lambda: len({line["worker"] for line in gate.log_lines() if line["resumed"]}) == 2,
        "both workers resumed it",
    )


def test_a_client_that_uses_each_ticket_once_resumes_every_time(lab):
    gate = node(lab)
    session = first_session(gate, "1.3")
    tickets = {session.id}
    for _ in range(8):
        status, reused, session = visit(gate, "acme", "1.3", session)
        assert (status, reused) == (200, True)
        assert session.id not in tickets, "there was no new ticket"
        tickets.add(session.id)


@both_versions
def test_a_session_outlives_a_reload_that_changes_nothing_about_clients(lab, version):
    gate = node(lab)
    session = first_session(gate, version)
    gate.reload(policy(serial=2))
    for _ in range(4):
        assert visit(gate, "acme", version, session)[:2] == (200, True)


@both_versions
def test_shared_keys_resume_on_another_node_and_after_a_restart(lab, version):
    keys = ticket_keys(lab)
    session = first_session(node(lab, keys), version)
    assert visit(node(lab, keys), "acme", version, session)[:2] == (200, True)


@both_versions
def test_other_keys_mean_a_full_handshake(lab, version):
    session = first_session(node(lab), version)
    for other in (node(lab), node(lab, ticket_keys(lab))):
        assert visit(other, "acme", version, session)[:2] == (200, False)


def visit_without_tickets(gate, session=None, who="acme", status=200):
    """As visit(), by a client whose sessions stay in the worker's memory."""
    identity = gate.world.identity(who) if isinstance(who, str) else who
    context = client.tls_context(gate.world.authority, identity, "1.2", ("http/1.1",))
    context.options |= ssl.OP_NO_TICKET
    sock = socket.create_connection(("127.0.0.1", gate.port), timeout=common.LONG)
    with context.wrap_socket(sock, server_hostname=pki.SERVER_NAME, session=session) as tls:
        assert ask(tls) == status
        assert not tls.session.has_ticket
        return tls.session_reused, tls.session


def test_a_client_without_tickets_is_resumed_by_its_session_id(lab):
    gate = lab.gateway()
    reused, session = visit_without_tickets(gate)
    assert not reused
    assert visit_without_tickets(gate, session)[0]


def test_a_worker_forgets_its_sessions_only_when_something_of_tls_has_changed(lab):
    keys = ticket_keys(lab)
    gate = lab.gateway(config={"tls": {"ticket_keys": str(keys)}})
    _, session = visit_without_tickets(gate)
    gate.reload(policy(serial=2))
    assert visit_without_tickets(gate, session)[0], "only the policy changed"
    rotate(lab, keys)
    gate.reload(policy(serial=3))
    assert not visit_without_tickets(gate, session)[0], "there are new keys"


# --- keys that change


@both_versions
def test_rotation_keeps_older_tickets_good_until_their_key_is_gone(lab, version):
    keys = ticket_keys(lab)
    gate = node(lab, keys)
    old = first_session(gate, version)
    rotate(lab, keys)
    assert len(keys.read_text().split()) == 2
    gate.reload(policy(serial=2))
    status, reused, renewed = visit(gate, "acme", version, old)
    assert (status, reused) == (200, True)
    rotate(lab, keys, "--keep", "2")
    gate.reload(policy(serial=3))
    assert visit(gate, "acme", version, old)[:2] == (200, False), "its key is gone"
    assert visit(gate, "acme", version, renewed)[:2] == (200, True), "it was renewed in time"


ZEROS = "A" * 106 + "A="


@pytest.mark.parametrize(
    "text, reason",
    [
        (ZEROS, ":1: .*all zeros.*"),
        ("# no key\n", ": there is no ticket key.*"),
        ("", ": .*(empty|no ticket key).*"),
        ("secret\n", ":1: a ticket key is 80 bytes.*"),
        ("twice", ":2: .*twice.*"),
        (None, ": .*No such file.*"),
    ],
    ids=["zeros", "only-a-comment", "empty", "too-short", "twice", "missing"],
)
def test_bad_key_files_stop_the_start_and_leave_the_old_generation(lab, text, reason):
    keys = ticket_keys(lab)
    gate = node(lab, keys)
    if text is None:
        keys.unlink()
    else:
        keys.write_text(keys.read_text() * 2 if text == "twice" else text)
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    gate.wait_line(rf"mirrorgate: error: reload refused, generation 1 .*{keys}{reason}", start)
    assert gate.get(SMALL).status == 200
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    assert str(keys) in done.stderr


def test_ticket_keys_are_readable_by_their_owner_only_and_counted(lab):
    keys = ticket_keys(lab)
    assert keys.stat().st_mode & 0o777 == 0o600
    for count in (2, 3, 3):
        newest = keys.read_text().split()[0]
        rotate(lab, keys)
        assert keys.read_text().split()[1] == newest
        assert len(set(keys.read_text().split())) == count


def test_a_file_that_holds_no_ticket_keys_is_left_alone(lab):
    path = lab.new_folder("keys") / "other"
    path.write_text("precious\n")
    done = common.run([common.PKI, "ticket-keys", path])
    assert done.returncode == 1
    assert b"no ticket key" in done.stderr
    assert path.read_text() == "precious\n"


# --- who must not come in with an old session


@pytest.fixture
def fleet(lab, tmp_path):
    """A CA of its own, and a function that makes nodes which share ticket keys and its files."""
    authority = pki.Authority(tmp_path / "ca", "Fleet CA")
    authority.server()
    authority.client("acme", pki.SUBJECTS["acme"])
    authority.client("initech", pki.SUBJECTS["initech"])
    lab.world = pki.World(authority)
    return lab, authority, ticket_keys(lab)


@both_versions
def test_a_revoked_client_resumes_on_no_node(fleet, version):
    lab, authority, keys = fleet
    gate = node(lab, keys)
    session = first_session(gate, version)
    authority.run("revoke", str(authority.folder), "acme")
    gate.reload(policy(serial=2))
    assert_never_served(gate, "acme", version, session)
    assert_never_served(node(lab, keys), "acme", version, session)
    assert visit(gate, "initech", version)[0] == 200


@both_versions
def test_a_client_of_a_replaced_ca_resumes_on_no_node(fleet, tmp_path, version):
    lab, authority, keys = fleet
    gate = node(lab, keys)
    session = first_session(gate, version)
    other = pki.Authority(tmp_path / "next", "Next CA")
    for name in ("ca.crt", "ca.crl"):
        (authority.folder / name).write_bytes((other.folder / name).read_bytes())
    gate.reload(policy(serial=2))
    # The client's context was made before, and trusts the CA that the server still has.
    assert_never_served(gate, "acme", version, session)
    assert_never_served(node(lab, keys), "acme", version, session)


@both_versions
def test_an_expired_client_resumes_on_no_node(fleet, version):
    lab, authority, keys = fleet
    gate = node(lab, keys)
    second = 1 / 86400
    short = authority.forge("short", rdns=pki.acme_rdns(), days=(-1, 4 * second))
    ends = time.monotonic() + 5
    session = first_session(gate, version, short)
    assert visit(gate, short, version, session)[:2] == (200, True)
    common.wait_until(lambda: time.monotonic() > ends, "the certificate has expired")
    assert_never_served(gate, short, version, session)
    assert_never_served(node(lab, keys), short, version, session)


@both_versions
def test_a_resumed_connection_is_verified_again_by_a_new_list(fleet, version):
    lab, authority, _ = fleet
    gate = lab.gateway()
    with contextlib.ExitStack() as stack:
        revoked, other = [
            stack.enter_context(opened(gate, who, version, first_session(gate, version, who)))
            for who in ("acme", "initech")
        ]
        for tls in (revoked, other):
            assert (ask(tls), tls.session_reused) == (200, True)
        authority.run("revoke", str(authority.folder), "acme")
        gate.reload(policy(serial=2))
        [store] = gate.stores
        with store.untouched(), pytest.raises(OSError):
            ask(revoked)
        assert ask(other) == 200


@both_versions
def test_a_withdrawn_subject_gets_no_request_through(fleet, version):
    lab, _, keys = fleet
    gate = node(lab, keys)
    session = first_session(gate, version)
    gate.reload({**policy(serial=2), "customers": policy()["customers"][1:]})
    [store] = gate.stores
    with store.untouched():
        for _ in range(4):
            assert visit(gate, "acme", version, session)[0] == 403


def test_a_withdrawn_subject_gets_no_request_through_by_its_session_id(fleet):
    lab, _, _ = fleet
    gate = lab.gateway()
    _, session = visit_without_tickets(gate)
    gate.reload({**policy(serial=2), "customers": policy()["customers"][1:]})
    [store] = gate.stores
    with store.untouched():
        reused, _ = visit_without_tickets(gate, session, status=403)
    assert reused, "or this shows nothing: the worker has kept the session"


def test_a_revoked_client_gets_no_request_through_by_its_session_id(fleet):
    lab, authority, _ = fleet
    gate = lab.gateway()
    _, session = visit_without_tickets(gate)
    authority.run("revoke", str(authority.folder), "acme")
    gate.reload(policy(serial=2))
    [store] = gate.stores
    with store.untouched(), pytest.raises(OSError):
        visit_without_tickets(gate, session)


def test_an_expired_client_gets_no_request_through_by_its_session_id(fleet):
    lab, authority, _ = fleet
    gate = lab.gateway()
    short = authority.forge("short", rdns=pki.acme_rdns(), days=(-1, 4 / 86400))
    ends = time.monotonic() + 5
    _, session = visit_without_tickets(gate, who=short)
    assert visit_without_tickets(gate, session, short)[0]
    gate.reload(policy(serial=2))  # the worker keeps the session
    common.wait_until(lambda: time.monotonic() > ends, "the certificate has expired")
    [store] = gate.stores
    with store.untouched(), pytest.raises(OSError):
        visit_without_tickets(gate, session, short)


@both_versions
def test_the_lifetime_counts_from_the_full_handshake_however_often_it_is_renewed(lab, version):
    gate = node(lab, session_lifetime="3s")
    session = first_session(gate, version)
    start = time.monotonic()
    renewals = 0

    def resumed_no_more():
        nonlocal session, renewals
        status, reused, session = visit(gate, "acme", version, session)
        assert status == 200, "a session that is too old costs a handshake, not the service"
        renewals += reused
        return not reused

    common.wait_until(resumed_no_more, "the session is too old")
    assert renewals > 3
    assert time.monotonic() - start > 1


def test_tickets_used_once_end_with_the_session_and_say_when(lab):
    lifetime = 5
    gate = node(lab, session_lifetime=f"{lifetime}s")
    session = first_session(gate, "1.3")
    assert session.ticket_lifetime_hint == lifetime
    tickets, hints, start = {session.id}, [lifetime], time.monotonic()

    def resumed_no_more():
        nonlocal session
        status, reused, session = visit(gate, "acme", "1.3", session)
        assert status == 200, "a session that is too old costs a handshake, not the service"
        if reused:
            assert session.id not in tickets, "there was no new ticket"
            tickets.add(session.id)
            hints.append(session.ticket_lifetime_hint)
        return not reused

    common.wait_until(resumed_no_more, "the session is too old")
    assert len(tickets) > 2
    assert hints == sorted(hints, reverse=True) and hints[-1] < lifetime, hints
    assert time.monotonic() - start > 1
    assert session.ticket_lifetime_hint == lifetime, "a full handshake begins anew"
    assert visit(gate, "acme", "1.3", session)[1]
