"""GET /readyz says whether the node should get traffic, and names every reason why not."""

import signal

from mirrorgate_test import common, crl, pki
from test_catalogues import alter
from test_integrity import FILES, checking
from test_spot_fetch import BASE, publish

CHECKS = [
    "policy", "traffic", "revocation-list", "certificate", "client-ca", "store", "catalogues",
]  # fmt: skip
MINUTE = 1 / 1440  # of a day


def readiness(gate):
    """(status, first line, the defects by name)"""
    response = gate.get("/readyz", who="probe")
    assert response.header("Content-Type") == "text/plain"
    first, *lines = response.body.decode().splitlines()
    said = dict(line.split(": ") for line in lines)
    assert list(said) == CHECKS
    return response.status, first, {name: text for name, text in said.items() if text != "ok"}


def assert_not_ready(gate, **defects):
    expected = {name.replace("_", "-"): text for name, text in defects.items()}
    assert readiness(gate) == (503, "not ready", expected)
    page = gate.get("/metrics", who="ops").body.decode()
    assert "\nmirrorgate_ready 0\n" in page


def test_a_node_at_which_all_is_well_is_ready(gate):
    assert readiness(gate) == (200, "ready", {})
    assert "\nmirrorgate_ready 1\n" in gate.get("/metrics", who="ops").body.decode()


def test_probes_of_http_1_0_without_host_are_answered(gate):
    for path, body in (("/healthz", b"ok\n"), ("/readyz", None)):
        with gate.connect("probe") as probe:
            probe.send_request("GET", path, host=None, version="1.0")
            response = probe.response()
            assert response.status == 200
            assert body in (None, response.body)
            probe.assert_ended()


def test_a_node_that_drains_is_not_ready(lab):
    gate = lab.gateway(config={"drain": {"announce": "10s"}})
    gate.signal(signal.SIGTERM)
    common.wait_until(lambda: readiness(gate)[0] == 503, "it says so")
    assert_not_ready(gate, traffic="draining")
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0


def test_a_node_whose_stores_are_gone_is_not_ready(lab):
    store = lab.stub()
    gate = lab.gateway(store)
    store.stop()
    assert gate.get("/artifacts/step-core/small.txt").status == 503
    assert_not_ready(gate, store="none is up")


def test_a_list_without_time_to_spare_is_named(lab, world):
    lists = lab.new_folder("lists")
    (lists / "short.crl").write_text(crl.make(world.authority, 1000, days=9 * MINUTE))
    gate = lab.gateway(config={"tls": {"crl": str(lists / "short.crl")}})
    assert_not_ready(gate, revocation_list="about to end")
    assert gate.get("/healthz", who="probe").status == 200
    (lists / "short.crl").write_text(crl.make(world.authority, 1001, days=30 * MINUTE))
    gate.reload()
    assert readiness(gate) == (200, "ready", {})


def test_certificates_that_are_about_to_end_are_named_each(lab, world):
    folder = lab.new_folder("certificates")
    days = (-1, 5 * MINUTE)
    ours = world.authority.folder
    short = pki.self_signed_ca(days)
    (folder / "server.crt").write_bytes((ours / "server.crt").read_bytes() + short)
    (folder / "ca.crt").write_bytes((ours / "ca.crt").read_bytes() + short)
    tls = {"certificate": str(folder / "server.crt")}
    assert_not_ready(lab.gateway(config={"tls": tls}), certificate="about to end")
    tls |= {"client_ca": str(folder / "ca.crt"), "crl": "none"}
    assert_not_ready(
        lab.gateway(config={"tls": tls}), certificate="about to end", client_ca="about to end"
    )


def test_a_node_that_trusts_no_catalogue_is_not_ready(lab, release):
    stub = lab.stub()
    for version in ("10.3", "10.4"):
        publish(stub.root, release, version, FILES)
    alter(stub.root / BASE / "10.3")
    assert readiness(lab.gateway(stub, config=checking(stub.root, release)))[0] == 200
    alter(stub.root / BASE / "10.4")
    assert_not_ready(
        lab.gateway(stub, config=checking(stub.root, release)), catalogues="none is trusted"
    )
