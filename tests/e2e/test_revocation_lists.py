"""A bad revocation list at reload leaves the good one in force; the table names the ways."""

import dataclasses

import pytest
from mirrorgate_test import pki
from mirrorgate_test.cases import revocation_lists
from mirrorgate_test.cases.revocation_lists import Forge, MirrorgateList, judge, pem


@pytest.fixture(scope="module")
def listed(module_lab, world, bench, store):
    crl = module_lab.new_folder("crl") / "ca.crl"
    crl.write_bytes(world.authority.crl.read_bytes())
    gate = module_lab.prepared(store, config={"tls": {"crl": str(crl)}, "state_dir": "state"})
    (gate.folder / "state").mkdir()
    module_lab.start(gate)
    return dataclasses.replace(bench, revocation=MirrorgateList(gate, crl))


@pytest.mark.parametrize("case", revocation_lists.CASES, ids=str)
def test_a_bad_list_leaves_the_good_one_in_force(listed, case):
    assert not case.attempt(listed, strict=True)


def test_a_good_newer_list_comes_into_force(lab, world):
    crl = lab.new_folder("crl") / "ca.crl"
    crl.write_bytes(world.authority.crl.read_bytes())
    gate = lab.gateway(config={"tls": {"crl": str(crl)}})
    assert judge(gate) is None
    MirrorgateList(gate, crl).replace(pem(Forge(world.authority).list()))
    assert judge(gate) == "revoked is served"


def test_after_a_re_key_each_ca_counts_its_own_lists(lab, world):
    """Two client CAs of one name, of which the new one's numbers are far lower."""
    folder = lab.new_folder("re-key")
    successor = pki.Authority(folder / "ca", "Test CA")
    ours, theirs = Forge(world.authority), Forge(successor)
    assert ours.ca.subject == theirs.ca.subject
    cas, crl = folder / "cas.crt", folder / "ca.crl"
    cas.write_bytes(world.authority.certificate.read_bytes() + successor.certificate.read_bytes())
    old = world.authority.crl.read_bytes()
    crl.write_bytes(pem(ours.list(number=1000)) + pem(theirs.list()))
    gate = lab.gateway(config={"tls": {"crl": str(crl), "client_ca": str(cas)}})
    lists = MirrorgateList(gate, crl)
    lists.replace(crl.read_bytes())
    assert any("live on" in line for line in lists.lines), lists.lines
    lists.replace(old + pem(theirs.list(number=11)))
    assert any("CRL number is lower" in line for line in lists.lines), lists.lines
