"""What comes over the wire, counted between spot and the gate: nothing twice.

The figures are also properties of the test report.
"""

import random

import pytest
from mirrorgate_test.wire import Wire

from test_spot_fetch import publish, tree

COUNT, SIZE = 200, 50_000
HANDSHAKES = 25_000  # of a few connections, with both certificates
EACH_REQUEST = 1_000  # the head of an answer, TLS records and all


def version(changed=()):
    """200 files of 50 KB; those CHANGED have another content."""
    return {
        f"lib/{n:03}.bin": random.Random(f"{n} {n in changed}").randbytes(SIZE)
        for n in range(COUNT)
    }  # fmt: skip


@pytest.fixture(name="shop")
def gate_behind_a_wire(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "11.0", version())
    wire = lab.keep(Wire(lab.gateway(stub).port))
    spot = lab.spot(wire, release=str(release))
    spot.store, spot.wire = stub, wire
    return spot


def test_each_byte_comes_once(shop, release, record_property):
    def measured(what, folder, *arguments):
        done = shop.run(*arguments)
        assert done.returncode == 0, done.stderr
        passed = shop.wire.passed()
        record_property(what, f"{passed.down} down, {passed.up} up, {passed.connections} connections")
        print(f"{what}: {passed}")
        return passed.down, tree(shop.folder / folder)

    def fetch(what, folder):
        return measured(what, folder, "fetch", "step-core", "--to", shop.folder / folder)

    catalogue = len((shop.store.root / "artifacts/step-core/catalogue.json").read_bytes())
    overhead = HANDSHAKES + catalogue + 10_000
    whole = COUNT * SIZE

    first, files = fetch("first fetch", "one")
    assert files == version()
    assert whole < first < whole * 1.01 + COUNT * EACH_REQUEST + overhead

    same, _ = fetch("the same again", "one")
    assert same < overhead
    second, files = fetch("second folder", "two")
    assert files == version()
    assert second < overhead

    publish(shop.store.root, release, "11.1", version(changed=[77]))
    update, files = measured("update of one file in both folders", "one", "update")
    assert files == tree(shop.folder / "two") == version(changed=[77])
    assert SIZE < update < SIZE * 1.01 + EACH_REQUEST + 2 * overhead
