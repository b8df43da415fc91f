"""Subjects that are bound to an issuer: with several client CAs, none of them can name the customers
of another."""

import pytest
from mirrorgate_test import client, pki
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.pki import SUBJECTS

from test_resumption import visit

SMALL = "/artifacts/step-core/small.txt"
OURS = "CN=Test CA"


@pytest.fixture(scope="module")
def partner(tmp_path_factory):
    """A second client CA, of a partner; it certifies a client with acme's subject, and an observer."""
    made = pki.Authority(tmp_path_factory.mktemp("partner") / "ca", "Partner CA")
    made.client("acme", SUBJECTS["acme"])
    made.client("ops", SUBJECTS["ops"])
    return made


@pytest.fixture
def stub(lab):
    return lab.stub()


@pytest.fixture
def gate(lab, world, stub, partner):
    """A gate with both CAs, whose policy has no issuer."""
    gate = lab.prepared(stub)
    for name in ("certificate", "crl"):
        both = getattr(world.authority, name).read_bytes() + getattr(partner, name).read_bytes()
        (gate.folder / name).write_bytes(both)
    tls = {"client_ca": str(gate.folder / "certificate"), "crl": str(gate.folder / "crl")}
    gate.write_config({"tls": tls})
    return lab.start(gate)


def bound(serial=2):
    return policy(serial, customers=[customer("acme", ["step-core"], issuer=OURS)])


def test_without_an_issuer_any_ca_names_any_customer_and_the_log_warns(gate, partner):
    assert gate.get(SMALL, who=partner.identities["acme"]).status == 200
    warning = r"mirrorgate: warning: policy: any of the 2 client CAs can certify customer acme, .*"
    line = gate.wait_line(warning)[0]
    assert "CN=Test CA; CN=Partner CA" in line and "and others" in line
    assert "can certify customer acme" in gate.run("-t", "--unsafe-any-port").stderr
    gate.write_policy(policy(2, issuer=OURS))
    start = len(gate.stderr)
    gate.reload()
    assert not any("can certify" in line for line in gate.stderr.since(start))
    assert "can certify" not in gate.run("-t", "--unsafe-any-port").stderr


def test_a_subject_of_another_issuer_is_unknown(gate, stub, partner):
    gate.write_policy(bound())
    gate.reload()
    reached = len(stub.requests())
    refusal(gate.get(SMALL, who=partner.identities["acme"]), 403, "unknown-subject")
    assert len(stub.requests()) == reached
    assert gate.get(SMALL).status == 200


def test_the_issuer_of_the_whole_policy_binds_observers(gate, partner):
    assert gate.get("/status.json", who=partner.identities["ops"]).status == 200
    gate.write_policy(policy(2, issuer=OURS))
    gate.reload()
    refusal(gate.get("/status.json", who=partner.identities["ops"]), 403, "unknown-subject")
    assert gate.get("/status.json", who="ops").status == 200


def test_a_connection_that_the_new_policy_no_longer_knows_is_closed(gate, partner):
    with gate.connect(partner.identities["acme"]) as theirs, gate.connect() as ours:
        assert theirs.get(SMALL).status == ours.get(SMALL).status == 200
        gate.write_policy(bound())
        gate.reload()
        with pytest.raises((OSError, client.Truncated)):
            theirs.get(SMALL)
        assert ours.get(SMALL).status == 200


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_resumed_session_has_the_issuer_of_its_certificate(gate, stub, partner, version):
    gate.write_policy(bound())
    gate.reload()
    reached = len(stub.requests())
    for who, expected in ((partner.identities["acme"], 403), ("acme", 200)):
        assert len(stub.requests()) == reached
        _, _, session = visit(gate, who, version)
        status, reused, _ = visit(gate, who, version, session)
        assert (status, reused) == (expected, True)
