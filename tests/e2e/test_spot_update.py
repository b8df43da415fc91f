"""spot update: what is installed comes to its newest version, and one failure keeps no other back."""

import json

import pytest
from mirrorgate_test import store
from mirrorgate_test.gateway import policy
from mirrorgate_test.origin import Origin, status
from mirrorgate_test.release import issue
from mirrorgate_test.spot import is_artifact

from test_spot_fetch import BASE, FILES, publish, tree


@pytest.fixture(name="shop")
def gate_and_store(lab, tmp_path):
    """An installation with version 10.3 of step-core in two folders."""
    stub, release = lab.stub(), issue(tmp_path, "release")
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub)
    spot = lab.spot(gate, release=str(release), tries=1)
    spot.store, spot.gate, spot.signer = stub, gate, release
    spot.folders = [spot.folder / "one", spot.folder / "two"]
    for folder in spot.folders:
        done = spot.run("fetch", "step-core", "--to", folder)
        assert done.returncode == 0, done.stderr
    spot.gets = lambda start: [
        request["path"] for request in stub.requests(start) if is_artifact(request["path"])
    ]
    return spot


CHANGED = {**FILES, "doc/b.txt": b"new text"}


def test_each_folder_gets_the_newest_version_and_what_changed_is_loaded_once(shop):
    publish(shop.store.root, shop.signer, "10.4", CHANGED)
    start = shop.store.mark()
    done = shop.run("update")
    assert done.returncode == 0, done.stderr
    assert [tree(folder) for folder in shop.folders] == [CHANGED, CHANGED]
    assert shop.gets(start) == [f"/{BASE}/10.4/doc/b.txt"]


def test_an_update_without_news_loads_nothing_and_says_nothing_when_quiet(shop):
    start = shop.store.mark()
    done = shop.run("-q", "update", "step-core")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert shop.gets(start) == []


def test_without_anything_installed_there_is_nothing_to_do(lab):
    spot = lab.spot(lab.gateway(), tries=1)
    assert spot.run("update").returncode == 0
    assert spot.fails(1, "update", "step-core") == "step-core is not installed here"


def test_a_folder_that_fails_keeps_the_other_from_nothing(shop):
    publish(shop.store.root, shop.signer, "10.4", CHANGED)
    (shop.folders[0] / "doc/b.txt").unlink()
    (shop.folders[0] / "doc/b.txt").mkdir()
    done = shop.run("update")
    assert done.returncode == 1, done.stderr
    assert f"spot: {shop.folders[0]}: cannot write doc/b.txt" in done.stderr
    assert tree(shop.folders[1]) == CHANGED


def test_what_was_updated_is_told_beside_a_failure(shop):
    publish(shop.store.root, shop.signer, "10.4", CHANGED)
    (shop.folders[0] / "catalogue.json").write_bytes(b"damaged")
    done = shop.run("--json", "-q", "update")
    assert done.returncode == 10 and done.stderr == "", done.stderr
    report = json.loads(done.stdout)
    assert [(it["folder"], it["version"]) for it in report["updated"]] == [(str(shop.folders[1]), "10.4")]
    assert (report["failure"], report["exit_code"]) == ("bad-catalogue", 10)
    assert report["detail"].endswith("is not a catalogue")


@pytest.mark.parametrize("product", [(), ("step-core",)])
def test_a_folder_whose_catalogue_cannot_be_read_keeps_the_other_from_nothing(shop, product):
    publish(shop.store.root, shop.signer, "10.4", CHANGED)
    catalogue = shop.folders[0] / "catalogue.json"
    catalogue.write_bytes(b"damaged")
    done = shop.run("update", *product)
    assert done.returncode == 10, done.stderr
    assert f"spot: {catalogue} is not a catalogue" in done.stderr
    assert [tree(folder) for folder in shop.folders] == [FILES, CHANGED]


def test_a_folder_that_came_with_the_second_try_keeps_the_next_from_nothing(lab, tmp_path):
    root, release = lab.new_folder("origin"), issue(tmp_path, "release")
    publish(root, release, "10.3", FILES)
    origin = Origin(lab, root)
    spot = lab.spot(origin, release=str(release), tries=2)
    folders = [spot.folder / name for name in ("1", "2", "3")]
    for folder in folders:
        assert spot.run("fetch", "step-core", "--to", folder).returncode == 0
    publish(root, release, "10.4", CHANGED)
    (folders[0] / "doc/b.txt").unlink()
    (folders[0] / "doc/b.txt").mkdir()
    origin.acts["/licence"] = [None, status("503 Busy")]
    done = spot.run("update")
    assert done.returncode == 1, done.stderr
    assert "503" in done.stderr
    assert [tree(folder) for folder in folders[1:]] == [CHANGED, CHANGED]


def test_a_product_that_is_no_longer_licensed_stays_as_it_is(shop):
    publish(shop.store.root, shop.signer, "10.4", CHANGED)
    data = policy(serial=2)
    for customer in data["customers"]:
        customer["products"] = [it for it in customer["products"] if it["id"] != "step-core"]
    shop.gate.reload(data)
    done = shop.run("update")
    assert done.returncode == 7, done.stderr
    assert "there is no licence for step-core now" in done.stderr
    assert [tree(folder) for folder in shop.folders] == [FILES, FILES]


def test_an_unreachable_server_is_asked_for_one_folder_only(shop):
    shop.gate.stop()
    done = shop.run("update")
    assert done.returncode == 4, done.stderr
    assert str(shop.folders[0]) in done.stderr
    assert str(shop.folders[1]) not in done.stderr


def test_an_update_never_goes_back(shop):
    publish(shop.store.root, shop.signer, "10.2", CHANGED, newest=False)
    for name in ("catalogue.json", "catalogue.json.p7s"):
        content = (shop.store.root / BASE / "10.2" / name).read_bytes()
        store.write(shop.store.root, f"{BASE}/{name}", content)
    done = shop.run("update")
    assert done.returncode == 10, done.stderr
    assert [tree(folder) for folder in shop.folders] == [FILES, FILES]
