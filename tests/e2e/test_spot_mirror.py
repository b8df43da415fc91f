"""spot mirror: a complete, verified copy for a store of one's own, whatever happens meanwhile."""

import os
import shutil

import pytest
from mirrorgate_test import common
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.mirror_site import FILES, NEXT, Site, inodes, sign, tree, with_two_versions
from mirrorgate_test.spot import PROGRAM

from test_integrity import checking


@pytest.fixture(name="site")
def origin_and_mirror(lab, release):
    return with_two_versions(Site(lab, release))


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
        "spot: step-core: 2 added, 0 renewed, 0 repaired, 0 kept, 0 leaving, 0 unlicensed, 0 deleted, "
        "0 failed; 4 files, 195.3 KiB downloaded\n"
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
        ["mirror", "DIR", "--max-removals", ""],
        ["mirror", "DIR", "--max-removals", "%"],
        ["mirror", "DIR", "--max-removals", "101%"],
        ["mirror", "DIR", "--max-removals", "-1"],
        ["mirror", "DIR", "--max-removals", "0.5%"],
        ["mirror", "DIR", "step-core", "--remove-unlicensed"],
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
