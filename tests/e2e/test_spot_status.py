"""spot status: what is installed, what is newer, and when what it needs ends; servers or not."""

import datetime
import json
import shutil

import pytest
from mirrorgate_test.gateway import policy
from mirrorgate_test.pki import acme_rdns

from test_spot_fetch import publish
from test_spot_plan import state
from test_spot_withdrawn import index, later

FILES = {"bin/run": b"run", "etc/core.conf": b"a=1"}


def day(days):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (now + datetime.timedelta(days=days)).strftime("%Y-%m-%d")


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """Version 7.0 in a folder, and 8.0 at the store."""
    stub = lab.stub()
    publish(stub.root, release, "7.0", FILES, "--config-files", "etc/*", expires=day(100))
    index(stub.root, release, "--expires-in", "20d")
    gate = lab.gateway(stub)
    spot = lab.spot(gate, release=str(release), tries=1)
    spot.store, spot.gate, spot.here = stub, gate, spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    publish(stub.root, release, "8.0", FILES)
    index(stub.root, release, "--expires", day(30))
    return spot


def status(spot, *folders, code=0, environment=()):
    before = state(spot.folder)
    done = spot.run("--json", "status", *folders, environment=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert state(spot.folder) == before
    report = json.loads(done.stdout)
    assert report.get("exit_code", 0) == code
    return report


def test_what_is_installed_what_is_newer_and_when_all_ends(shop):
    report = status(shop)
    assert report["servers"] == {"answer": True, "failure": None, "detail": None}
    [here] = report["installed"]
    assert here == {
        "folder": str(shop.here), "product": "step-core", "version": "7.0", "state": "older",
        "whole": True, "missing": 0, "catalogue_until": day(100), "newest": "8.0",
        "index_until": day(30), "index_from": "server", "licensed": True,
        "licence_until": "2999-12-31",
    }  # fmt: skip
    assert shop.run("update").returncode == 0
    [here] = status(shop)["installed"]
    assert (here["version"], here["state"]) == ("8.0", "newest")


def test_the_end_of_the_client_certificate_is_told(lab, world, shop):
    own = world.authority.forge("status", rdns=acme_rdns(), days=(-1, 10))
    spot = lab.spot(shop.gate, certificate=str(own.cert), key=str(own.key))
    certificate = status(spot)["certificate"]
    assert certificate["file"] == str(own.cert) and certificate["days"] in (9, 10)
    assert certificate["ends"][:10] in (day(9), day(10))
    assert f"certificate  ends on {certificate['ends']}" in spot.run("status").stdout


def test_without_a_server_the_last_index_counts_and_nothing_fails(shop):
    shop.gate.stop()
    report = status(shop)
    assert report["servers"]["answer"] is False
    assert report["servers"]["failure"] == "unreachable"
    [here] = report["installed"]
    assert (here["newest"], here["state"], here["index_from"]) == ("7.0", "newest", "memory")
    assert here["whole"] and here["licensed"] is None
    text = shop.run("status")
    assert text.returncode == 0 and "cannot be reached" in text.stdout, text.stderr


def test_a_licence_that_is_not_there_any_more_is_told(lab, shop):
    data = policy(serial=2)
    data["customers"][0]["products"] = [{"id": "step-core", "until": day(-2)}]
    shop.gate.reload(data)
    [here] = status(shop)["installed"]
    assert here["licensed"] is False and here["index_from"] == "memory"


@pytest.mark.parametrize("damage", [None, b"run and more"])
def test_what_lacks_a_file_is_not_whole(shop, damage):
    path = shop.here / "bin/run"
    path.unlink() if damage is None else path.write_bytes(damage)
    report = status(shop, code=1)
    [here] = report["installed"]
    assert (here["whole"], here["missing"]) == (False, 1)
    assert "does not hold step-core 7.0 whole: 1 files are missing" in report["detail"]
    text = shop.run("status")
    assert text.returncode == 1 and " no " in text.stdout, text.stdout


def test_configuration_that_was_edited_is_whole(shop):
    (shop.here / "etc/core.conf").write_bytes(b"mine and longer")
    assert status(shop)["installed"][0]["whole"]


def test_folders_that_are_named_are_those_that_are_shown(shop):
    copy, empty = shop.folder / "copy", shop.folder / "empty"
    shutil.copytree(shop.here, copy)
    empty.mkdir()
    [shown] = status(shop, copy)["installed"]
    assert (shown["folder"], shown["version"]) == (str(copy), "7.0")
    report = status(shop, copy, empty, code=1)
    assert [it["product"] for it in report["installed"]] == ["step-core", None]
    assert f"{empty}/catalogue.json" in report["detail"]


def test_a_server_that_is_not_trusted_is_a_failure_and_the_rest_is_told(shop):
    text = shop.file.read_text()
    [right] = [it for it in text.replace('"', " ").split() if it.startswith("sha256//")][:1]
    shop.file.write_text(text.replace(right, "sha256//" + "A" * 43 + "="))
    report = status(shop, code=5)
    assert (report["servers"]["failure"], report["failure"]) == ("untrusted-server",) * 2
    [here] = report["installed"]
    assert here["whole"] and here["index_from"] == "memory"


def test_an_index_that_ended_is_no_news(shop, release):
    index(shop.store.root, release, "--expires", day(2))
    report = status(shop, code=10, environment=later(5))
    assert "the index of step-core has expired" in report["detail"]
    [here] = report["installed"]
    assert (here["newest"], here["index_from"]) == ("7.0", "memory")
