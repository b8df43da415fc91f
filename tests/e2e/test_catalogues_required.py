"""Catalogues that a folder or a product has to have, and those that are remembered."""

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.gateway import policy

from test_integrity import (
    FILES, TEXT, ZIP, assert_as_catalogued, assert_marked, assert_unchecked, checking,
)  # fmt: skip
from test_spot_catalogue import sign_anew
from test_spot_fetch import BASE, FUTURE, publish

OLD_DAY = "2020-01-01"


def test_where_catalogues_are_required_nothing_is_served_without(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    publish(stub.root, release, "10.4", FILES)
    catalogue = stub.root / BASE / "10.4/catalogue.json"
    catalogue.write_text(catalogue.read_text().replace(FUTURE, OLD_DAY))
    sign_anew(catalogue.parent, release)
    store.write(stub.root, f"{BASE}/10.5/core.zip", b"no catalogue")
    store.write(stub.root, f"{BASE}/10.3/extra.zip", b"not in it")
    gate = lab.gateway(stub, config=checking(stub.root, release, required="true"))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    for path in ("10.3/catalogue.json", "10.3/catalogue.json.p7s", "catalogue.json"):
        assert gate.get(f"/{BASE}/{path}").status == 200
    for path in ("10.3/extra.zip", "10.3/doc/catalogue.json", "10.4/core.zip", "10.5/core.zip",
                 "10.5/catalogue.json", "other/x"):  # fmt: skip
        assert_marked(gate, f"/{BASE}/{path}")


def test_a_product_of_the_policy_may_require_catalogues_from_its_reload_on(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    store.write(stub.root, f"{BASE}/10.5/core.zip", b"no catalogue")
    gate = lab.gateway(stub, config=checking(stub.root, release, interval="1d"))
    assert_unchecked(gate.get(f"/{BASE}/10.5/core.zip"))
    data = policy(serial=2)
    data["products"][0]["catalogue"] = "required"
    gate.reload(data)
    assert_marked(gate, f"/{BASE}/10.5/core.zip")
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    gate.reload(policy(serial=3))
    assert_unchecked(gate.get(f"/{BASE}/10.5/core.zip"))


def test_a_gate_that_checks_no_catalogues_refuses_a_policy_that_requires_them(lab):
    gate = lab.gateway()
    data = policy(serial=2)
    data["products"][0]["catalogue"] = "required"
    data["products"][0]["paths"] = [f"/{BASE}/"]
    lines = gate.reload_refused(data)
    assert any("has `catalogue: required`, and this gate checks none" in line for line in lines)


def test_a_good_catalogue_that_is_gone_is_missed_after_a_restart(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub, config={**checking(stub.root, release), "state_dir": "."})
    state = gate.folder / "good-catalogues"
    common.wait_until(state.exists, "it is remembered")
    assert state.read_text() == f"/{BASE}/10.3/\ncount 1\n"
    gate.stop()
    (stub.root / BASE / "10.3/catalogue.json").unlink()
    gate.start()
    assert any("has had a good catalogue, which is gone" in line for line in gate.stderr.since())
    assert_marked(gate, TEXT)
    gate.stop()
    state.unlink()
    gate.start()
    assert_unchecked(gate.get(TEXT))


@pytest.mark.parametrize("text", ["", "count 1\n", "/a/b/\ncount 2\n", "/a/b\ncount 1\n", "/a/b/\n"])
def test_without_a_whole_memory_of_good_catalogues_there_is_no_start(lab, release, text):
    stub = lab.stub()
    gate = lab.prepared(stub, config={**checking(stub.root, release), "state_dir": "."})
    (gate.folder / "good-catalogues").write_text(text)
    done = gate.run("--unsafe-any-port")
    assert done.returncode == 1
    assert "good-catalogues: is damaged" in done.stderr
