"""A bad revocation list at reload leaves the good one in force; the table names the ways."""

import dataclasses

import pytest
from mirrorgate_test.cases import revocation_lists
from mirrorgate_test.cases.revocation_lists import Forge, MirrorgateList, judge, pem


@pytest.fixture(scope="module")
def listed(module_lab, world, bench, store):
    crl = module_lab.new_folder("crl") / "ca.crl"
    crl.write_bytes(world.authority.crl.read_bytes())
    gate = module_lab.gateway(store, config={"tls": {"crl": str(crl)}})
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
