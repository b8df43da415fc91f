"""spot mirror: what leaves, when, and how much of it at once."""

import hashlib
import json
import time

import pytest
from mirrorgate_test import store
from mirrorgate_test.mirror_site import (
    FILES, NEXT, Site, later, refused, tree, with_two_versions, without_plus,
)  # fmt: skip
from mirrorgate_test.spot import answer, read_head

DAY = 24 * 60 * 60


@pytest.fixture(name="site")
def origin_and_mirror(lab, release):
    return with_two_versions(Site(lab, release))


@pytest.fixture(name="rare")
def a_mirror_that_is_seldom_run(lab, release):
    """Time between two runs counts whole, up to half of the grace time."""
    return with_two_versions(Site(lab, release, mirror_interval="30d"))


# --- what leaves


def test_a_withdrawn_version_leaves_after_the_grace_time_only(rare):
    rare.mirror()
    rare.withdraw("10.3")
    rare.index()
    before = tree(rare.folder)
    for offset in ("+0d", "+3d", "+6d"):
        report = rare.core(environment=later(offset))
        assert report == {"kept": ["10.4"], "leaving": ["10.3"]}
    assert {**before, **tree(rare.folder)}.keys() == before.keys()
    assert rare.published("10.3", "core.zip").read_bytes() == FILES["core.zip"]
    report = rare.core(environment=later("+8d"))
    assert report == {"kept": ["10.4"], "deleted": ["10.3"]}
    assert rare.is_complete()


def test_a_version_that_comes_back_begins_its_grace_time_anew(rare):
    rare.mirror()
    old = rare.origin / "artifacts/step-core/10.3"
    aside = rare.origin / "aside"
    old.rename(aside)
    rare.index()
    assert rare.core()["leaving"] == ["10.3"]
    assert rare.core(environment=later("+3d"))["leaving"] == ["10.3"]
    aside.rename(old)
    rare.index()
    assert rare.core(environment=later("+6d")) == {"kept": ["10.3", "10.4"]}
    old.rename(aside)
    rare.index()
    for offset in ("+8d", "+11d", "+14d"):
        assert rare.core(environment=later(offset))["leaving"] == ["10.3"]
    assert rare.core(environment=later("+16d"))["deleted"] == ["10.3"]


JUMPS = {"for good": ["+20d", "+20d", "+20d"], "to and fro": ["+20d", "+0d", "+20d"]}


@pytest.mark.parametrize("offsets", JUMPS.values(), ids=JUMPS)
def test_a_clock_that_jumps_makes_nothing_due(site, offsets):
    """Two days are what a run adds at most, and seven are needed."""
    site.mirror()
    site.withdraw("10.3")
    site.index()
    for offset in ["+0d", *offsets]:
        report = site.core(environment=later(offset))
        assert report == {"kept": ["10.4"], "leaving": ["10.3"]}, offset
    assert site.published("10.3", "core.zip").read_bytes() == FILES["core.zip"]


def test_a_clock_that_was_ahead_for_a_while_adds_nothing(rare):
    rare.mirror()
    rare.withdraw("10.3")
    rare.index()
    rare.core()
    for _ in range(3):
        rare.write_missed(last=lambda last: last + 400 * DAY)
        assert rare.core()["leaving"] == ["10.3"]
        [mark] = rare.marks()
        seen, last = map(int, mark.read_text().split())
        assert seen == 0 and last < time.time() + DAY


@pytest.mark.parametrize("grace", ["1h", "7d"])
def test_one_jump_is_never_a_whole_grace_time(rare, grace):
    rare.mirror()
    rare.withdraw("10.3")
    rare.index()
    rare.core()
    rare.write_missed(last=lambda last: last - 400 * DAY)
    assert rare.core("--grace", grace)["leaving"] == ["10.3"]
    rare.write_missed(last=lambda last: last - 400 * DAY)
    assert rare.core("--grace", grace)["deleted"] == ["10.3"]


@pytest.mark.parametrize("text", ["1", "0", "", "9 ", " 9", "99999999999999999999 0", "999999 x"])
def test_what_is_no_time_makes_nothing_due(site, text):
    """The first two are what an earlier release wrote: since when."""
    site.mirror()
    site.withdraw("10.3")
    site.index()
    site.core()
    [mark] = site.marks()
    mark.write_text(text)
    assert site.core() == {"kept": ["10.4"], "leaving": ["10.3"]}
    assert mark.read_text().startswith("0 ")


def ten_versions(site, removed):
    """Ten are in the mirror, and REMOVED of them withdrawn."""
    for n in range(10):
        site.publish(f"1.{n}", {"core.zip": b"%d" % n})
    site.index()
    site.mirror()
    for n in range(removed):
        site.withdraw(f"1.{n}")
    site.index()


def test_an_index_that_loses_most_versions_removes_none_unless_told(lab, release):
    site = Site(lab, release)
    ten_versions(site, 9)
    before = tree(site.folder)
    lost = [f"1.{n}" for n in range(9)]
    for arguments, sentence in (
        ((), "a run may remove 1 of the 10 here"),
        (("--max-removals", "8"), "a run may remove 8 of the 10 here"),
        (("--max-removals", "89%"), "a run may remove 8 of the 10 here"),
        (("--max-removals", "0"), "a run may remove 0 of the 10 here"),
    ):
        report = site.core("--grace", "0s", *arguments, code=1)
        assert (report["kept"], report["leaving"]) == (["1.9"], lost), report
        [failed] = report["failed"]
        assert "9 versions of step-core would be removed, and none is" in failed["detail"]
        assert sentence in failed["detail"] and "--max-removals" in failed["detail"], failed
        after = tree(site.folder)
        assert before.keys() == after.keys()
    report = site.core("--grace", "0s", "--max-removals", "9")
    assert report == {"kept": ["1.9"], "deleted": lost}
    assert site.is_complete()


def test_a_tenth_may_go_in_a_run_and_a_configuration_may_say_other(lab, release):
    site = Site(lab, release)
    ten_versions(site, 1)
    assert site.core("--grace", "0s")["deleted"] == ["1.0"]
    site = Site(lab, release, max_removals="30%")
    ten_versions(site, 3)
    assert site.core("--grace", "0s", "--max-removals", "20%", code=1)["leaving"]
    assert site.core("--grace", "0s")["deleted"] == ["1.0", "1.1", "1.2"]
    assert site.is_complete()


def test_the_removals_of_all_products_together_are_counted(lab, release):
    site = Site(lab, release, who="initech")
    for product in ("step-core", "step-plus"):
        for version in ("1.0", "1.1"):
            site.publish(version, FILES, product=product)
        site.index(product=product)
    site.mirror()
    for product in ("step-core", "step-plus"):
        site.withdraw("1.0", product=product)
        site.index(product=product)
    core, plus = site.mirror("--grace", "0s", code=1)["products"]
    assert (core["deleted"], plus["leaving"]) == (["1.0"], ["1.0"])
    assert "a run may remove 1 of the 4 here, and this one has removed 1" in plus["failed"][0]["detail"]
    core, plus = site.mirror("--grace", "0s")["products"]
    assert plus["deleted"] == ["1.0"]
    assert site.is_complete()


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


def test_without_grace_it_is_nothing_to_do_with_the_clock(site):
    """Which is behind that of the file system, as after a step back, or by a part of a second."""
    site.mirror()
    site.withdraw("10.3")
    site.index()
    objects = [path for path in (site.folder / ".spot/sha256").rglob("*") if path.is_file()]
    behind = later("-3s")
    assert site.core("--grace", "0s", environment=behind) == {"kept": ["10.4"], "deleted": ["10.3"]}
    assert sorted(path.stat().st_size for path in objects if path.exists()) == [0, 8, 200_000]


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


@pytest.fixture(name="two")
def mirror_of_two_products(lab, release):
    """step-core and step-plus, mirrored; then the licence of step-plus is lost."""
    site = Site(lab, release, who="initech", mirror_interval="30d")
    for product in ("step-core", "step-plus"):
        site.publish("10.3", FILES, product=product)
        site.index(product=product)
    report = site.mirror()
    assert [it["added"] for it in report["products"]] == [["10.3"], ["10.3"]]
    site.gate.reload(without_plus())
    return site


def test_a_product_that_the_licence_lost_stays_and_is_named(two):
    """The licence is not signed: with no grace time, and after any, it removes nothing."""
    before = tree(two.folder)
    memory = two.folder / ".spot/indexes/step-plus"
    followed = memory.read_bytes()
    for offset in ("+0d", "+8d", "+20d"):
        core, plus = two.mirror("--grace", "0s", environment=later(offset))["products"]
        assert (core["kept"], plus["product"]) == (["10.3"], "step-plus")
        assert (plus["unlicensed"], plus["leaving"], plus["deleted"]) == (["10.3"], [], [])
    done = two.spot.run("mirror", two.folder, "--max-removals", "100%")
    assert done.returncode == 0, done.stderr
    assert (
        "step-plus: the licence does not have it below /artifacts/step-plus/ any more; it stays, "
        "1 versions, unless --remove-unlicensed is given"
    ) in done.stderr
    assert tree(two.folder) == before and memory.read_bytes() == followed


def test_a_product_that_the_licence_lost_leaves_when_that_is_asked_for(two):
    before = tree(two.folder)
    # Nothing leaves when products are named.
    done = two.mirror("step-core", "--grace", "0s")
    assert [it["product"] for it in done["products"]] == ["step-core"]
    for offset in ("+0d", "+3d", "+6d"):
        report = two.mirror("--remove-unlicensed", environment=later(offset))
        core, plus = report["products"]
        assert (core["kept"], plus["product"], plus["leaving"]) == (["10.3"], "step-plus", ["10.3"])
    assert tree(two.folder) == before
    plus = two.mirror("--remove-unlicensed", environment=later("+8d"))["products"][1]
    assert plus["deleted"] == ["10.3"]
    assert {name.split("/")[1] for name in tree(two.folder)} == {"step-core"}
    assert not (two.folder / "artifacts/step-plus").exists()
    assert [path.name for path in (two.folder / ".spot/indexes").iterdir()] == ["step-core"]
    assert [it["product"] for it in two.mirror()["products"]] == ["step-core"]


def test_an_origin_whose_licence_is_empty_removes_nothing(site, lab, release):
    """Nor does one that was told to remove what is not licensed, since that would be all."""
    site.mirror()
    before = tree(site.folder)
    empty = json.dumps({"customer": "acme", "licences": []}).encode()

    def script(connection, _):
        while read_head(connection):
            connection.sendall(answer("200 OK", empty))

    site.spot = lab.spot(lab.server(script), release=str(release), tries=1)
    assert site.core("--grace", "0s") == {"unlicensed": ["10.3", "10.4"]}
    report = site.core("--grace", "0s", "--remove-unlicensed", code=1)
    assert report["leaving"] == ["10.3", "10.4"]
    assert "2 versions of step-core would be removed, and none is" in report["failed"][0]["detail"]
    assert tree(site.folder) == before
    assert [path.name for path in (site.folder / ".spot/indexes").iterdir()] == ["step-core"]
    report = site.core("--grace", "0s", "--remove-unlicensed", "--max-removals", "2")
    assert report == {"deleted": ["10.3", "10.4"]}
    assert tree(site.folder) == {}


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
