"""spot mirror: a complete, verified copy for a store of one's own, whatever happens meanwhile."""

import contextlib
import datetime
import fcntl
import glob
import hashlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.spot import PROGRAM, answer, read_head

from test_integrity import checking
from test_spot_catalogue import issue

FUTURE = "2999-12-31"
FILES = {"core.zip": b"0123456789" * 20_000, "doc/a.txt": b"", "doc/b.txt": b"text"}
NEXT = {**FILES, "doc/b.txt": b"new text"}
LICENCE = {
    "customer": "acme",
    "licences": [
        {"product": "step-core", "paths": ["/artifacts/step-core/"], "except": [], "from": None,
         "until": None, "valid": True},
    ],
}  # fmt: skip
BESIDE = ("catalogue.json", "catalogue.json.p7s", "index.json", "index.json.p7s")


@pytest.fixture(scope="module", name="release")
def release_certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("release"), "release")


def make(*arguments):
    done = common.run([PROGRAM, "catalogue", *arguments])
    assert done.returncode == 0, done.stderr


def publish(root, release, version, files, *, product="step-core", expires=FUTURE):
    """Puts VERSION with its catalogue below ROOT, as a vendor would."""
    folder = root / "artifacts" / product / version
    for name, content in files.items():
        store.write(folder, name, content)
    make("make", folder, "--product", product, "--version", version, "--expires", expires,
         "--sign", release)  # fmt: skip


def index(root, release, *, product="step-core", expires=FUTURE):
    make("index", root / "artifacts" / product, "--product", product, "--expires", expires,
         "--sign", release)  # fmt: skip


def sign(release, file):
    """Signs FILE as a vendor's other tool would."""
    done = common.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", release, "-inkey",
         release.with_suffix(".key"), "-in", file, "-out", f"{file}.p7s"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def beside(root):
    return {name: (root / "artifacts/step-core" / name).read_bytes() for name in BESIDE}


def put_beside(root, files):
    for name, content in files.items():
        store.write(root, f"artifacts/step-core/{name}", content)


def tree(folder):
    """The files below FOLDER with their contents, but for spot's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".spot"
    }


def inodes(folder):
    """Every published file by its inode, with its digest: what must never change together."""
    return {
        path.stat().st_ino: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".spot"
    }


class Site:
    """An origin, its gateway, and a mirror of it."""

    def __init__(self, lab, release, **keys):
        self.lab, self.release = lab, release
        self.origin = lab.new_folder("origin")
        (self.origin / "snapshots").mkdir()
        self.stub = lab.stub(self.origin)
        self.gate = lab.gateway(self.stub)
        self.spot = lab.spot(self.gate, release=str(release), tries=1, **keys)
        self.folder = lab.new_folder("mirror")

    def publish(self, version, files, **how):
        publish(self.origin, self.release, version, files, **how)

    def index(self, **how):
        index(self.origin, self.release, **how)

    def withdraw(self, version, product="step-core"):
        shutil.rmtree(self.origin / "artifacts" / product / version)

    def mirror(self, *arguments, code=0, **how):
        """Runs it with --json; returns the report."""
        done = self.spot.run("-q", "--json", "mirror", self.folder, *arguments, **how)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        report = json.loads(done.stdout)
        assert report.get("exit_code", 0) == code
        return report

    def core(self, *arguments, **how):
        """The same; what it says of step-core, empty lists left out."""
        [core] = [it for it in self.mirror(*arguments, **how)["products"] if it["product"] == "step-core"]
        return {key: value for key, value in core.items() if value and key != "product"}

    def gets(self, start=0):
        """The artifacts that the origin's store was asked for."""
        return [
            request["path"] for request in self.stub.requests(start)
            if not request["path"].endswith((".json", ".p7s"))
        ]  # fmt: skip

    def published(self, *parts):
        return self.folder.joinpath("artifacts", "step-core", *parts)

    def is_complete(self):
        """The mirror holds what the origin does, to the byte."""
        return tree(self.folder) == tree(self.origin)


@pytest.fixture(name="site")
def origin_and_mirror(lab, release):
    site = Site(lab, release)
    site.publish("10.3", FILES)
    site.publish("10.4", NEXT)
    site.index()
    return site


def later(offset, **more):
    """The environment in which the clock has gone on."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": library,
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
        **more,
    }


# --- the chain


def test_from_the_origin_over_a_mirror_to_a_client_every_byte_is_right(site, lab, release):
    size = sum(len(content) for content in NEXT.values()) + len(FILES["doc/b.txt"])
    report = site.core()
    assert report == {"added": ["10.3", "10.4"], "files": 4, "bytes": size}
    assert site.is_complete()

    gate = lab.gateway(lab.stub(site.folder), config=checking(site.folder, release))
    client = lab.spot(gate, release=str(release))
    for version, files in (("10.3", FILES), (None, NEXT)):
        to = client.folder / f"to-{version}"
        done = client.run("fetch", "step-core", *([version] if version else []), "--to", to)
        assert done.returncode == 0, done.stderr
        assert {n: c for n, c in tree(to).items() if "catalogue" not in n} == files
        assert common.run([PROGRAM, "catalogue", "check", to, "--signer", release]).returncode == 0

    site.publish("10.5", {"core.zip": b"newer"})
    site.index()
    assert site.core()["added"] == ["10.5"]
    done = client.run("update")
    assert done.returncode == 0, done.stderr
    assert (client.folder / "to-None/core.zip").read_bytes() == b"newer"
    assert (client.folder / "to-10.3/core.zip").read_bytes() == b"newer"


def test_a_mirror_of_a_mirror_holds_the_same(site, lab, release):
    site.mirror()
    second = lab.spot(lab.gateway(lab.stub(site.folder)), release=str(release))
    done = second.run("mirror", second.folder / "dir")
    assert done.returncode == 0, done.stderr
    assert tree(second.folder / "dir") == tree(site.origin)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_pool_and_staging_are_the_mirror_s_own_and_the_files_can_be_read_by_all(site, umask):
    before = os.umask(umask)
    try:
        site.mirror()
    finally:
        os.umask(before)
    assert sorted(path.name for path in site.folder.iterdir()) == [".spot", "artifacts"]
    assert list((site.folder / ".spot/staging").iterdir()) == []
    assert (site.folder / ".spot").stat().st_mode & 0o777 == 0o700
    for path in (site.folder / "artifacts").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


# --- incremental


def test_a_second_run_downloads_nothing(site):
    site.mirror()
    before, start = inodes(site.folder), site.stub.mark()
    assert site.core() == {"kept": ["10.3", "10.4"]}
    assert site.gets(start) == []
    assert inodes(site.folder) == before
    assert site.core("--verify") == {"kept": ["10.3", "10.4"]}


def test_a_new_version_downloads_what_has_changed_in_it_only(site):
    site.mirror()
    site.publish("10.5", {**NEXT, "doc/c.txt": b"one more"})
    site.index()
    start = site.stub.mark()
    assert site.core() == {"kept": ["10.3", "10.4"], "added": ["10.5"], "files": 1, "bytes": 8}
    assert site.gets(start) == ["/artifacts/step-core/10.5/doc/c.txt"]
    assert site.is_complete()


def test_a_renewed_catalogue_takes_its_place_without_a_download(site):
    site.publish("10.3", FILES, expires="2998-12-31")
    site.mirror()
    site.publish("10.3", FILES)
    start = site.stub.mark()
    assert site.core() == {"kept": ["10.4"], "renewed": ["10.3"]}
    assert site.gets(start) == []
    assert site.is_complete()


def test_a_version_that_was_signed_anew_is_renewed(site):
    site.mirror()
    folder = site.origin / "artifacts/step-core/10.3"
    before = (folder / "catalogue.json.p7s").read_bytes()
    sign(site.release, folder / "catalogue.json")
    assert (folder / "catalogue.json.p7s").read_bytes() != before
    assert site.core()["renewed"] == ["10.3"]
    assert site.is_complete()


def test_one_version_is_never_two(site):
    site.mirror()
    before = tree(site.folder)
    site.publish("10.3", NEXT)
    [failed] = site.core(code=10)["failed"]
    assert failed["version"] == "10.3"
    assert failed["failure"] == "bad-catalogue" and "another catalogue" in failed["detail"]
    assert tree(site.folder) == before


# --- damage


@pytest.mark.parametrize("damage", [b"", b"text!", None, "folder", "link"])
def test_a_file_that_is_missing_or_has_another_size_is_repaired(site, damage):
    site.mirror()
    path = site.published("10.3", "doc/b.txt")
    path.unlink()
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    elif damage == "folder":
        path.mkdir()
    elif damage == "link":
        path.symlink_to("/etc/passwd")
    assert site.core()["repaired"] == ["10.3"]
    assert site.is_complete()


def test_a_damaged_byte_is_found_with_verify_and_repaired_by_exchange(site):
    site.mirror()
    path = site.published("10.3", "core.zip")
    with path.open("r+b") as file:
        file.write(b"X")
    with path.open("rb") as reader:
        assert site.core()["kept"] == ["10.3", "10.4"]
        report = site.core("--verify")
        assert sorted(report["repaired"]) == ["10.3", "10.4"]  # one object, two names
        assert report["files"] == 1
        assert reader.read(1) == b"X"  # who had it open keeps what it was
    assert site.is_complete()
    assert site.core("--verify") == {"kept": ["10.3", "10.4"]}


@pytest.mark.parametrize("name", ["catalogue.json", "catalogue.json.p7s"])
@pytest.mark.parametrize("damage", [b"{}", None])
def test_a_damaged_catalogue_or_signature_is_repaired(site, name, damage):
    site.mirror()
    path = site.published("10.3", name)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    assert site.core()["repaired"] == ["10.3"]
    assert site.is_complete()


@pytest.mark.parametrize("name", ["catalogue.json", "catalogue.json.p7s", "index.json.p7s"])
def test_what_stands_beside_the_versions_is_repaired(site, name):
    site.mirror()
    site.published(name).write_bytes(b"damaged")
    site.mirror()
    assert site.is_complete()


def test_a_damaged_pool_is_loaded_again(site):
    site.mirror()
    for path in (site.folder / ".spot/sha256").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert site.core()["repaired"] == ["10.3", "10.4"]
    assert site.is_complete()


def test_without_spot_s_own_folder_all_goes_on(site):
    site.mirror()
    shutil.rmtree(site.folder / ".spot")
    assert site.core() == {"kept": ["10.3", "10.4"]}
    site.published("10.3", "doc/b.txt").unlink()
    assert site.core()["repaired"] == ["10.3"]
    assert site.is_complete()


# --- the index


def refused(site, code, sentence, *arguments, **how):
    before = tree(site.folder)
    start = site.stub.mark()
    report = site.core(*arguments, code=code, **how)
    assert sentence in report["failed"][0]["detail"], report
    assert site.gets(start) == []
    assert tree(site.folder) == before


def test_without_an_index_nothing_is_mirrored(site):
    for name in ("index.json", "index.json.p7s"):
        (site.origin / "artifacts/step-core" / name).unlink()
    refused(site, 8, "the server has no index of step-core")


def test_an_old_index_is_refused(site):
    old = beside(site.origin)
    site.index()
    site.mirror()
    put_beside(site.origin, old)
    refused(site, 10, "the server offers index 1 of step-core, and 2 is here already")


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
    refused(site, 10, "the server offers index 1 of step-core, and 2 is here already", "--grace", "0s")
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
    text = "the server offers index 1 of step-core, and 2 is here already"
    for name, content in old.items():
        (moved / name).write_bytes(content)
    refused(site, 10, text)

    # The same is true when the old folder has left, and nothing is in the new one yet.
    for name, content in new.items():
        (moved / name).write_bytes(content)
    shutil.move(moved / "10.3", site.origin / "10.3")
    report = site.core("--grace", "0s", code=8)
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
    refused(site, 10, "is not one by the certificate")


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
    refused(site, 10, "is not one by the certificate")


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


# --- what leaves


def test_a_withdrawn_version_leaves_after_the_grace_time_only(site):
    site.mirror()
    site.withdraw("10.3")
    site.index()
    before = tree(site.folder)
    assert site.core() == {"kept": ["10.4"], "leaving": ["10.3"]}
    assert site.core(environment=later("+6d 23h".replace(" 23h", ""))) == {
        "kept": ["10.4"], "leaving": ["10.3"],
    }  # fmt: skip
    assert {**before, **tree(site.folder)}.keys() == before.keys()
    assert site.published("10.3", "core.zip").read_bytes() == FILES["core.zip"]
    assert site.core(environment=later("+8d")) == {"kept": ["10.4"], "deleted": ["10.3"]}
    assert site.is_complete()


def test_a_version_that_comes_back_begins_its_grace_time_anew(site):
    site.mirror()
    old = site.origin / "artifacts/step-core/10.3"
    aside = site.origin / "aside"
    old.rename(aside)
    site.index()
    assert site.core()["leaving"] == ["10.3"]
    aside.rename(old)
    site.index()
    assert site.core(environment=later("+6d")) == {"kept": ["10.3", "10.4"]}
    old.rename(aside)
    site.index()
    assert site.core(environment=later("+8d"))["leaving"] == ["10.3"]
    assert site.core(environment=later("+14d"))["leaving"] == ["10.3"]
    assert site.core(environment=later("+16d"))["deleted"] == ["10.3"]


def test_without_grace_a_withdrawn_version_goes_at_once_and_its_objects_with_it(site):
    site.mirror()
    site.withdraw("10.3")
    site.index()
    objects = [path for path in (site.folder / ".spot/sha256").rglob("*") if path.is_file()]
    assert len(objects) == 4
    assert site.core("--grace", "0s") == {"kept": ["10.4"], "deleted": ["10.3"]}
    assert site.is_complete()
    left = [path for path in objects if path.exists()]
    assert sorted(path.stat().st_size for path in left) == [0, 8, 200_000]


def test_what_no_version_needs_stays_in_the_pool_for_the_grace_time(site):
    site.mirror()
    name = hashlib.sha256(b"spare").hexdigest()
    spare = store.write(site.folder, f".spot/sha256/{name[:2]}/{name}", b"spare")
    part = store.write(site.folder, f".spot/parts/{name}", b"spa")
    site.mirror()
    site.mirror(environment=later("+6d"))
    assert spare.exists() and part.exists()
    site.mirror(environment=later("+8d"))
    assert not spare.exists() and not part.exists()
    assert site.core("--verify") == {"kept": ["10.3", "10.4"]}


def test_a_run_that_failed_leaves_the_pool_alone(site):
    (site.origin / "artifacts/step-core/10.4/doc/b.txt").unlink()
    site.mirror("--grace", "0s", code=8)
    site.publish("10.4", NEXT)
    start = site.stub.mark()
    site.mirror("--grace", "0s")
    assert site.gets(start) == ["/artifacts/step-core/10.4/doc/b.txt"]


def without_plus():
    """The policy in which nobody has step-plus any more."""
    data = policy(serial=2)
    for entry in data["customers"]:
        entry["products"] = [it for it in entry["products"] if it["id"] != "step-plus"]
    return data


def test_a_lost_licence_lets_the_product_leave(lab, release):
    site = Site(lab, release, who="initech")
    for product in ("step-core", "step-plus"):
        site.publish("10.3", FILES, product=product)
        site.index(product=product)
    report = site.mirror()
    assert [it["added"] for it in report["products"]] == [["10.3"], ["10.3"]]
    site.gate.reload(without_plus())
    before = tree(site.folder)

    # Nothing leaves when products are named.
    done = site.mirror("step-core", "--grace", "0s")
    assert [it["product"] for it in done["products"]] == ["step-core"]
    core, plus = site.mirror()["products"]
    assert (core["kept"], plus["product"], plus["leaving"]) == (["10.3"], "step-plus", ["10.3"])
    assert tree(site.folder) == before
    plus = site.mirror(environment=later("+8d"))["products"][1]
    assert plus["deleted"] == ["10.3"]
    assert {name.split("/")[1] for name in tree(site.folder)} == {"step-core"}
    assert not (site.folder / "artifacts/step-plus").exists()
    assert [path.name for path in (site.folder / ".spot/indexes").iterdir()] == ["step-core"]
    assert [it["product"] for it in site.mirror()["products"]] == ["step-core"]


def test_a_licence_that_cannot_be_had_deletes_nothing(site):
    site.mirror()
    before = tree(site.folder)
    site.gate.stop()
    site.spot.fails(4, "mirror", site.folder, "--grace", "0s")
    assert tree(site.folder) == before


def test_a_product_that_fails_does_not_leave(site):
    site.mirror()
    for name in ("index.json", "index.json.p7s"):
        (site.origin / "artifacts/step-core" / name).unlink()
    refused(site, 8, "no index", "--grace", "0s")


def test_nothing_is_deleted_before_the_index_is_in_place(site):
    site.mirror()
    site.withdraw("10.3")
    site.publish("10.5", {"core.zip": b"newer"})
    site.index()
    site.withdraw("10.5")
    report = site.core("--grace", "0s", code=8)
    assert "deleted" not in report and site.published("10.3", "core.zip").exists()


def test_what_a_mirror_has_not_put_there_is_left_alone(site):
    foreign = {
        "index.html": b"hello",
        "artifacts/step-core/notes.txt": b"mine",
        "artifacts/step-core/9.9/core.zip": b"by hand",
        "artifacts/step-core/9.8/catalogue.json": b"{}",
        "artifacts/step-plus/10.3/core.zip": b"another mirror's",
        "snapshots/acme/x.json": b"{}",
    }
    for name, content in foreign.items():
        store.write(site.folder, name, content)
    site.mirror()
    site.withdraw("10.3")
    site.index()
    assert site.core("--grace", "0s")["deleted"] == ["10.3"]
    assert tree(site.folder) == {**tree(site.origin), **foreign}


def test_a_folder_in_the_way_is_a_failure_of_that_version(site):
    store.write(site.folder, "artifacts/step-core/10.3/core.zip", b"by hand")
    report = site.core(code=1)
    assert report["added"] == ["10.4"]
    assert "10.3 is in the way" in report["failed"][0]["detail"]
    assert site.published("10.3", "core.zip").read_bytes() == b"by hand"


# --- products


def test_a_named_product_without_a_licence_is_refused_and_keeps_the_others_not_back(site):
    report = site.mirror("step-old", "step-core", code=7)
    old, core = report["products"]
    assert old["failed"][0]["detail"] == "there is no licence for step-old now"
    assert core["added"] == ["10.3", "10.4"]
    assert site.is_complete()


def test_the_exit_code_is_the_first_failure_s(lab, release):
    site = Site(lab, release, who="initech")
    site.publish("10.3", FILES, product="step-plus")
    site.index(product="step-plus")
    report = site.mirror(code=8)
    core, plus = report["products"]
    assert core["failed"] and plus["added"] == ["10.3"]
    assert report["failure"] == "not-found"


def test_a_product_among_the_versions_of_another_is_refused(lab, release):
    site = Site(lab, release)
    data = policy(serial=2)
    data["products"].append({"id": "step-in", "paths": ["/artifacts/step-core/10.3/in/"]})
    data["customers"] = [customer("acme", ["step-core", "step-in"])]
    site.gate.reload(data)
    site.publish("10.3", FILES)
    site.index()
    report = site.mirror(code=1)
    by_name = {it["product"]: it for it in report["products"]}
    assert by_name["step-core"]["added"] == ["10.3"]
    assert "lies among the versions of step-core" in by_name["step-in"]["failed"][0]["detail"]


def test_people_get_a_line_for_each_product(site):
    done = site.spot.run("mirror", site.folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert (
        "spot: step-core: 2 added, 0 renewed, 0 repaired, 0 kept, 0 leaving, 0 deleted, 0 failed; "
        "4 files, 195.3 KiB downloaded\n"
    ) in done.stderr
    done = site.spot.run("-q", "mirror", site.folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["mirror"],
        ["mirror", "DIR", "No Product"],
        ["mirror", "DIR", "--grace", "7"],
        ["mirror", "DIR", "--grace", "7w"],
        ["mirror", "DIR", "--grace", "-1d"],
        ["mirror", "DIR", "--grace", "1d1h"],
        ["mirror", "DIR", "--grace", ""],
        ["mirror", "DIR", "--rate", "fast"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(lab, arguments):
    server = lab.server(lambda connection, _: None)
    spot = lab.spot(server)
    folder = spot.folder / "mirror"
    assert spot.run(*[folder if it == "DIR" else it for it in arguments]).returncode == 2
    assert not folder.exists() and server.accepted == 0


def test_without_a_release_certificate_nothing_is_asked(lab):
    server = lab.server(lambda connection, _: None)
    spot = lab.spot(server)
    assert "`release`" in spot.fails(3, "mirror", spot.folder / "mirror")
    assert server.accepted == 0


# --- while it is at work


def test_two_mirrors_do_not_work_in_one_folder(site):
    site.mirror()
    lock = os.open(site.folder / ".spot/mirror.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    text = site.spot.fails(1, "mirror", site.folder)
    os.close(lock)
    assert text == f"another spot mirror is at work in {site.folder}"


@pytest.mark.parametrize("place", ["", ".spot", "artifacts"])
def test_a_file_where_a_folder_should_be_is_a_failure(site, place):
    folder = site.folder / "new"
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"in the way")
    done = site.spot.run("mirror", folder)
    assert done.returncode == 1, done.stderr
    assert path.read_bytes() == b"in the way"


def test_symbolic_links_lead_nowhere(site, tmp_path):
    (site.folder / "artifacts").symlink_to(tmp_path)
    assert site.core(code=1)["failed"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_exchange_folders_is_told_before_any_download(site, tmp_path):
    shim = tmp_path / "shim.c"
    shim.write_text(
        "#include <errno.h>\n"
        "int renameat2(int a, const char *b, int c, const char *d, unsigned e)\n"
        "{ (void)a; (void)b; (void)c; (void)d; (void)e; errno = EINVAL; return -1; }\n"
    )
    library = tmp_path / "shim.so"
    assert common.run(["gcc", "-shared", "-fPIC", "-o", library, shim]).returncode == 0
    start = site.stub.mark()
    text = site.spot.fails(
        1, "mirror", site.folder, environment=later("+0d", LD_PRELOAD=str(library))
    )
    assert "cannot exchange two folders in one step" in text
    assert site.stub.requests(start) == []


def shim(folder, source):
    """A library for LD_PRELOAD."""
    (folder / "shim.c").write_text(source)
    library = folder / "shim.so"
    done = common.run(["gcc", "-shared", "-fPIC", "-o", library, folder / "shim.c"])
    assert done.returncode == 0, done.stderr
    return str(library)


def test_a_file_that_more_versions_have_than_it_may_have_names_is_there_twice(site, tmp_path):
    """The file system allows 3 names here; ext4 allows 65,000."""
    library = shim(tmp_path, """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <sys/stat.h>
        int linkat(int a, const char *b, int c, const char *d, int e)
        {
            int (*real)(int, const char *, int, const char *, int);
            struct stat st;
            *(void **)&real = dlsym(RTLD_NEXT, "linkat");
            if (stat(b, &st) == 0 && st.st_nlink >= 3) {
                errno = EMLINK;
                return -1;
            }
            return real(a, b, c, d, e);
        }
    """)  # fmt: skip
    site.mirror()
    before, start = inodes(site.published("10.4")), site.stub.mark()
    for version in ("10.5", "10.6", "10.7"):
        site.publish(version, NEXT)
    site.index()
    report = site.core(environment=later("+0d", LD_PRELOAD=library))
    assert report == {"kept": ["10.3", "10.4"], "added": ["10.5", "10.6", "10.7"]}
    assert site.gets(start) == []
    assert site.is_complete()
    assert inodes(site.published("10.4")) == before
    assert list((site.folder / ".spot/parts").iterdir()) == []
    names = {path.stat().st_ino: path.stat().st_nlink for path in site.folder.rglob("core.zip")}
    assert sorted(names.values()) == [2, 2, 2]


class Reader:
    """Holds each published file open that it has ever seen: what it holds must never change."""

    def __init__(self, site):
        self.site, self.files = site, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for file, _ in self.files.values():
            file.close()

    def look(self):
        there = [
            pathlib.Path(folder, name)
            for folder, _, names in os.walk(self.site.published()) for name in names
        ]  # fmt: skip
        for path in there:
            with contextlib.suppress(OSError):  # gone meanwhile
                file = path.open("rb")
                inode = os.fstat(file.fileno()).st_ino
                if inode in self.files:
                    file.close()
                else:
                    self.files[inode] = file, hashlib.sha256(file.read()).digest()
        for file, digest in self.files.values():
            file.seek(0)
            assert hashlib.sha256(file.read()).digest() == digest, "changed in place"

    def versions(self, rights):
        """Each version that is published now must be one of RIGHTS, which grows meanwhile."""
        for version in self.site.published().glob("[0-9]*"):
            with contextlib.suppress(OSError):
                inode = version.stat().st_ino
                found = tree(version)
                # Only what still has its name when all was read was read as a whole.
                named = version.stat().st_ino == inode
                assert not named or found in rights, (version.name, sorted(found))


class Watcher(threading.Thread):
    """Looks at a mirror again and again while it works; RIGHTS are the versions there may be."""

    def __init__(self, site, rights):
        super().__init__()
        self.site, self.rights = site, rights
        self.looks, self.wrong, self.ended = 0, None, threading.Event()

    def run(self):
        with Reader(self.site) as reader:
            while not self.ended.is_set() and self.wrong is None:
                try:
                    reader.versions(self.rights)
                    reader.look()
                except Exception as wrong:
                    self.wrong = wrong
                self.looks += 1

    def look(self):
        """Waits until it has looked at all that is there now."""
        looks = self.looks
        common.wait_until(lambda: self.wrong or self.looks > looks + 1, "the watcher looks", 30)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        assert self.wrong is None, self.wrong


def test_readers_never_see_half_a_version_nor_a_file_change(site):
    many = {f"many/{n}.txt": b"%d" % n for n in range(30)}
    rights = []
    versions = site.origin / "artifacts/step-core"
    with Watcher(site, rights) as watcher:
        for n in range(6):
            site.publish("11", many, expires=f"299{n}-12-31")  # renewed
            site.publish(f"12.{n}", many)  # new
            if n > 0:
                site.withdraw(f"12.{n - 1}")
            site.index()
            rights += [tree(version) for version in versions.glob("[0-9]*")]
            report = site.core("--grace", "0s")
            assert report.get("renewed", []) == (["11"] if n > 0 else [])
            assert report.get("deleted", []) == ([f"12.{n - 1}"] if n > 0 else [])
            watcher.look()
    assert site.is_complete()


class Slow:
    """A server of ORIGIN that sends core.zip from where it is asked to, 100,000 bytes of it at once
    and the rest when `go` is set."""

    def __init__(self, lab, origin):
        self.origin, self.go, self.ranges = origin, threading.Event(), []
        self.server = lab.server(self.script)

    def script(self, connection, _):
        while True:
            head = read_head(connection).decode()
            path = head.split()[1]
            if path == "/licence":
                connection.sendall(answer("200 OK", json.dumps(LICENCE).encode()))
            elif path.endswith("core.zip"):
                self.send_slowly(connection, head, (self.origin / path[1:]).read_bytes())
            else:
                connection.sendall(answer("200 OK", (self.origin / path[1:]).read_bytes()))

    def send_slowly(self, connection, head, content):
        asked = re.search(r"\r\nRange: bytes=(\d+)-\r\n", head)
        begin, end = int(asked[1]) if asked else 0, len(content)
        self.ranges.append(begin)
        if asked:
            whole = answer("206 Partial Content", content[begin:], ETag='"one"',
                           Content_Range=f"bytes {begin}-{end - 1}/{end}")  # fmt: skip
        else:
            whole = answer("200 OK", content, ETag='"one"')
        connection.sendall(whole[:100_000])
        assert self.go.wait(60)
        connection.sendall(whole[100_000:])


@pytest.fixture(name="slow")
def slow_server(lab, release):
    origin = lab.new_folder("origin")
    publish(origin, release, "10.3", FILES)
    index(origin, release)
    return Slow(lab, origin)


def begun(lab, release, slow):
    """A mirror that has all but the rest of core.zip: the process, and its folder."""
    spot = lab.spot(slow.server, release=str(release), tries=1)
    folder = spot.folder / "mirror"
    process = subprocess.Popen([PROGRAM, "-q", "-c", spot.file, "mirror", folder])
    common.wait_until(
        lambda: list(folder.glob(".spot/staging/*/doc/b.txt"))
        and any(path.stat().st_size > 50_000 for path in folder.glob(".spot/parts/*")),
        "all but the rest of one file", 30,
    )  # fmt: skip
    return spot, process, folder


def test_a_slow_server_shows_readers_no_part_of_a_version(lab, release, slow):
    _, process, folder = begun(lab, release, slow)
    assert tree(folder) == {}
    slow.go.set()
    assert process.wait(60 * common.PATIENCE) == 0
    assert tree(folder) == tree(slow.origin)


def test_a_download_that_was_killed_goes_on_where_it_was(lab, release, slow):
    spot, process, folder = begun(lab, release, slow)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert tree(folder) == {}
    slow.go.set()
    done = spot.run("mirror", folder)
    assert done.returncode == 0, done.stderr
    assert tree(folder) == tree(slow.origin)
    first, second = slow.ranges
    assert first == 0 and second > 50_000


@pytest.mark.parametrize("count", [1, 40], ids=["one large file", "many small ones"])
def test_a_rate_slows_it_down(lab, release, count):
    site = Site(lab, release)
    files = {f"{n}.bin": random.Random(n).randbytes(3_000_000 // count) for n in range(count)}
    site.publish("10.3", files)
    site.index()
    began = time.monotonic()
    site.mirror("--rate", "1M")
    assert time.monotonic() - began > 2.5
    assert site.is_complete()


def test_what_a_killed_run_left_in_staging_is_taken_away(site):
    site.mirror()
    store.write(site.folder, ".spot/staging/0/doc/left.txt", b"left over")
    store.write(site.folder, ".spot/staging/7", b"left over")
    assert site.core() == {"kept": ["10.3", "10.4"]}
    assert list((site.folder / ".spot/staging").iterdir()) == []


def is_swept(site):
    """Nothing is left of what was begun, and the pool has what the versions need and no more."""
    own = site.folder / ".spot"
    linked = {path.stat().st_ino for path in site.published().rglob("*") if path.is_file()}
    objects = [path for path in (own / "sha256").rglob("*") if path.is_file()]
    left = [*(own / "staging").iterdir(), *(own / "leaving").iterdir(), *(own / "parts").iterdir()]
    return left == [] and objects and all(path.stat().st_ino in linked for path in objects)


def test_killed_at_any_moment_no_reader_sees_a_wrong_byte(site):
    """A hundred times, while versions come, are renewed and go."""
    chance = random.Random(3)
    versions = site.origin / "artifacts/step-core"
    rights, kills, whole = [], 0, 0.5
    with Reader(site) as reader:
        for n in range(400):
            site.publish(f"11.{n}", {"core.zip": FILES["core.zip"], "doc/n.txt": b"%d" % n})
            site.publish("10.9", FILES, expires=f"{2100 + n}-12-31")
            if n > 1:
                site.withdraw(f"11.{n - 2}")
            site.index()
            rights += [tree(version) for version in versions.glob("1[01].*")]
            began = time.monotonic()
            process = subprocess.Popen(
                [PROGRAM, "-q", "-c", site.spot.file, "mirror", site.folder, "--grace", "0s"],
                stderr=subprocess.DEVNULL,
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, whole))
                whole = time.monotonic() - began
            process.send_signal(signal.SIGKILL)
            kills += process.wait(60) == -signal.SIGKILL
            reader.versions(rights)
            reader.look()
            if kills == 100:
                break
    assert kills == 100
    site.mirror("--grace", "0s", "--verify")
    assert site.is_complete() and is_swept(site)


KILLER = """
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
static void step(void)
{
	static int left = -1;
	if (left < 0)
		left = atoi(getenv("KILL_AT"));
	if (--left == 0)
		kill(getpid(), SIGKILL);
}
#define STEP(name, parameters, ...) \
	int name parameters { step(); return (int)syscall(SYS_##name, __VA_ARGS__); }
STEP(fsync, (int a), a)
STEP(ftruncate, (int a, off_t b), a, b)
STEP(mkdirat, (int a, const char *b, mode_t c), a, b, c)
STEP(unlinkat, (int a, const char *b, int c), a, b, c)
STEP(symlinkat, (const char *a, int b, const char *c), a, b, c)
STEP(linkat, (int a, const char *b, int c, const char *d, int e), a, b, c, d, e)
STEP(renameat2, (int a, const char *b, int c, const char *d, unsigned e), a, b, c, d, e)
int renameat(int a, const char *b, int c, const char *d) { return renameat2(a, b, c, d, 0); }
ssize_t write(int a, const void *b, size_t c) { step(); return syscall(SYS_write, a, b, c); }
"""


def test_killed_before_each_of_its_steps_no_reader_sees_a_wrong_byte(lab, release, tmp_path):
    """One version is renewed, one repaired, one deleted and one new, and a product goes: each call
    that changes a file or a folder is the last one once."""
    source, library = tmp_path / "killer.c", tmp_path / "killer.so"
    source.write_text(KILLER)
    done = common.run(["gcc", "-shared", "-fPIC", "-o", library, source])
    assert done.returncode == 0, done.stderr
    site = Site(lab, release, who="initech")
    versions = site.origin / "artifacts/step-core"
    for version, files, until in (
        ("9.9", {"core.zip": b"old"}, FUTURE), ("10.3", FILES, "2998-12-31"), ("10.4", NEXT, FUTURE)
    ):  # fmt: skip
        site.publish(version, files, expires=until)
    site.publish("1.0", NEXT, product="step-plus")
    site.index()
    site.index(product="step-plus")
    site.mirror()
    plus = tree(site.folder / "artifacts/step-plus/1.0")
    rights = [tree(version) for version in versions.glob("[0-9]*")]
    site.published("10.4", "doc/b.txt").unlink()
    rights.append(tree(site.published("10.4")))
    before = site.folder.rename(site.folder.with_name("before"))
    site.publish("10.3", FILES)
    site.publish("10.5", {"core.zip": b"newer", "doc/a.txt": b""})
    site.withdraw("9.9")
    site.index()
    site.gate.reload(without_plus())
    shutil.rmtree(site.origin / "artifacts/step-plus")
    rights += [tree(version) for version in versions.glob("[0-9]*")]
    order = [PROGRAM, "-q", "-c", site.spot.file, "mirror", site.folder, "--grace", "0s"]
    for steps in range(1, 1000):
        assert common.run(["cp", "-a", before, site.folder]).returncode == 0
        environment = later("+0d", LD_PRELOAD=str(library), KILL_AT=str(steps))
        process = subprocess.run(order, env={**os.environ, **environment}, check=False, timeout=60)
        with Reader(site) as reader:
            reader.look()
            reader.versions(rights)
            for version in site.folder.glob("artifacts/step-plus/[0-9]*"):
                assert tree(version) == plus, steps
            if process.returncode != -signal.SIGKILL:
                break
            done = common.run(order)
            assert done.returncode == 0, (steps, done.stderr)
            reader.look()
        assert site.is_complete() and is_swept(site), steps
        shutil.rmtree(site.folder)
    assert process.returncode == 0 and steps > 50
    assert site.is_complete() and is_swept(site)
