"""spot mirror and the index: what is old, damaged or another's puts nothing in place."""

import datetime
import json
import re
import resource
import shutil
import signal
import subprocess

import pytest
from mirrorgate_test import store
from mirrorgate_test.gateway import policy
from mirrorgate_test.mirror_site import (
    FILES, NEXT, REMOVE, Site, index, later, publish, refused, sign, tree, with_two_versions,
)  # fmt: skip
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM

BESIDE = ("catalogue.json", "catalogue.json.p7s", "index.json", "index.json.p7s")


def beside(root):
    return {name: (root / "artifacts/step-core" / name).read_bytes() for name in BESIDE}


def put_beside(root, files):
    for name, content in files.items():
        store.write(root, f"artifacts/step-core/{name}", content)


@pytest.fixture(name="site")
def origin_and_mirror(lab, release):
    return with_two_versions(Site(lab, release))


def test_without_an_index_nothing_is_mirrored(site):
    for name in ("index.json", "index.json.p7s"):
        (site.origin / "artifacts/step-core" / name).unlink()
    refused(site, 8, "the server has no index of step-core")


def test_an_old_index_is_refused(site):
    old = beside(site.origin)
    site.index()
    site.mirror()
    put_beside(site.origin, old)
    refused(site, 10, "the server offers index 1 of step-core, and 2 is here already: it is behind")


def test_an_index_older_than_one_that_could_not_be_put_in_place_is_refused(site):
    """The newest version is in place by then; a server that lags behind must not take it away."""
    old = beside(site.origin)
    site.mirror()
    site.publish("10.5", FILES)
    site.publish("10.6", {"core.zip": b"newest"})
    site.index()
    new = beside(site.origin)
    site.withdraw("10.5")
    assert site.core(code=8)["added"] == ["10.6"]
    put_beside(site.origin, old)
    refused(site, 10, "the server offers index 1 of step-core, and 2 is here already: it is behind", "--grace", "0s")
    put_beside(site.origin, new)
    site.publish("10.5", FILES)
    assert site.core()["added"] == ["10.5"]
    assert site.is_complete()


def test_an_old_index_in_another_folder_of_the_product_is_refused(site):
    old = beside(site.origin)
    site.index()
    new = beside(site.origin)
    site.mirror()
    moved = site.origin / "moved/step-core"
    shutil.copytree(site.origin / "artifacts/step-core", moved)
    data = policy(serial=2)
    data["products"][0] = {"id": "step-core", "paths": ["/moved/step-core/"]}
    site.gate.reload(data)
    text = "the server offers index 1 of step-core, and 2 is here already: it is behind"
    for name, content in old.items():
        (moved / name).write_bytes(content)
    refused(site, 10, text)

    # The same is true when the old folder has left, and nothing is in the new one yet.
    for name, content in new.items():
        (moved / name).write_bytes(content)
    shutil.move(moved / "10.3", site.origin / "10.3")
    report = site.core("--grace", "0s", *REMOVE, code=8)
    assert (report["added"], report["deleted"]) == (["10.4"], ["10.3", "10.4"])
    for name, content in old.items():
        (moved / name).write_bytes(content)
    refused(site, 10, text)


def test_another_index_with_the_same_serial_is_refused(site):
    site.mirror()
    (site.origin / "artifacts/step-core/index.json").unlink()
    site.publish("10.5", {"core.zip": b"newer"})
    site.index()
    refused(site, 10, "the server offers another index 1 of step-core than the one here")


def test_a_frozen_index_expires(site):
    today = datetime.datetime.now(datetime.timezone.utc)
    until = (today + datetime.timedelta(days=1)).strftime("%Y-%m-%d")
    site.index(expires=until)
    site.mirror()
    refused(site, 10, "the index of step-core has expired", environment=later("+2d"))


def test_an_index_signed_by_another_certificate_is_refused(site, tmp_path):
    sign(issue(tmp_path, "other"), site.origin / "artifacts/step-core/index.json")
    refused(site, 10, "was made by another certificate than the one that is pinned")


def test_an_index_of_another_product_is_refused(site):
    publish(site.origin, site.release, "10.3", FILES, product="step-plus")
    index(site.origin, site.release, product="step-plus")
    for name in BESIDE:
        shutil.copy(site.origin / "artifacts/step-plus" / name, site.origin / "artifacts/step-core")
    refused(site, 10, "is the index of step-plus, not of step-core")


@pytest.mark.parametrize("name", ["index.json", "index.json.p7s"])
def test_a_damaged_index_is_refused(site, name):
    path = site.origin / "artifacts/step-core" / name
    path.write_bytes(path.read_bytes().replace(b"10.3", b"10.2")[:-1] + b" ")
    refused(site, 10, "index.json.p7s: is not a")


def test_a_version_that_the_index_names_and_nobody_has_keeps_the_others_not_back(site):
    site.withdraw("10.3")
    report = site.core(code=8)
    assert report["added"] == ["10.4"]
    assert [failed["version"] for failed in report["failed"]] == ["10.3"]
    assert site.published("catalogue.json").exists()  # clients may have the newest
    assert not site.published("index.json").exists()  # other mirrors must not look for 10.3
    site.publish("10.3", FILES)
    assert site.core()["added"] == ["10.3"]
    assert site.is_complete()


def test_a_version_with_an_expired_catalogue_is_reported_and_left_as_it_is(site):
    today = datetime.datetime.now(datetime.timezone.utc)
    until = (today + datetime.timedelta(days=1)).strftime("%Y-%m-%d")
    site.publish("9.1", {"core.zip": b"old"}, expires=until)
    site.index()
    site.mirror()
    site.publish("10.5", {"core.zip": b"newer"})
    site.index()
    report = site.core(code=10, environment=later("+2d"))
    assert report["added"] == ["10.5"] and report["kept"] == ["10.3", "10.4"]
    assert "9.1 has expired" in report["failed"][0]["detail"]
    assert site.is_complete()


@pytest.mark.parametrize("change", [b"", b"X" * 200_000, b"short"], ids=["empty", "other", "short"])
def test_wrong_bytes_never_get_a_place(site, change):
    (site.origin / "artifacts/step-core/10.4/core.zip").write_bytes(change)
    (site.origin / "artifacts/step-core/10.3/core.zip").write_bytes(change)
    report = site.core(code=9)
    assert len(report["failed"]) == 2 and "added" not in report
    assert tree(site.folder) == {}
    site.publish("10.3", FILES)
    site.publish("10.4", NEXT)
    site.index()
    site.mirror()
    assert site.is_complete()


def test_a_version_that_sha_1_alone_vouches_for_is_mirrored_on_demand_only(site):
    catalogue = site.origin / "artifacts/step-core/10.3/catalogue.json"
    catalogue.write_text(re.sub(r',"sha256":"[0-9a-f]{64}"', "", catalogue.read_text()))
    sign(site.release, catalogue)
    report = site.core(code=10)
    assert "SHA-1 alone" in report["failed"][0]["detail"] and report["added"] == ["10.4"]
    site.spot.write(site.spot.file.read_text() + "\nallow_sha1: true\n")
    assert site.core()["added"] == ["10.3"]
    assert site.is_complete()
    assert site.core("--verify") == {"kept": ["10.3", "10.4"]}


def test_a_disk_that_takes_no_more_is_reported_and_shows_readers_nothing(site):
    """No file may grow beyond 100,000 bytes: core.zip does not get there, the rest does."""
    site.publish("10.5", {"doc/c.txt": b"small"})
    site.index()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    order = [PROGRAM, "-q", "--json", "-c", site.spot.file, "mirror", site.folder]
    done = subprocess.run(order, preexec_fn=limit, capture_output=True, check=False, timeout=60)
    assert done.returncode == 1, done.stderr
    [core] = json.loads(done.stdout)["products"]
    assert [it["version"] for it in core["failed"]] == ["10.3", "10.4"]
    assert "File too large" in core["failed"][0]["detail"]
    assert {name.split("/")[2] for name in tree(site.folder)} == {
        "10.5", "catalogue.json", "catalogue.json.p7s",
    }  # fmt: skip
    site.mirror()
    assert site.is_complete()
