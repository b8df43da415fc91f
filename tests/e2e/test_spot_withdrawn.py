"""What the signed index says to spot fetch, update and list: withdrawn versions, old and missing indexes."""

import datetime
import glob
import json
import os

import pytest
from mirrorgate_test import common, origin
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM, is_artifact

from test_spot_fetch import BASE, FUTURE, publish, tree

FILES = {"core.zip": b"0123456789" * 100, "doc/a.txt": b"text"}
NEWER = {**FILES, "doc/a.txt": b"new text"}


def index(root, release, *expires, environment=()):
    """Signs the index of the versions that are below ROOT."""
    done = common.run(
        ["env", *(f"{name}={value}" for name, value in dict(environment).items()), PROGRAM, "catalogue",
         "index", root / BASE, "--product", "step-core", "--sign", release, *expires],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def withdraw(root, release, version):
    """What a vendor does; the version's own folder stays on the server, as on one that lies."""
    catalogue = root / BASE / version / "catalogue.json"
    catalogue.rename(catalogue.with_name("hidden"))
    index(root, release)
    catalogue.with_name("hidden").rename(catalogue)


def show_as_newest(root, version):
    """The copies beside the versions, which a mirror that lies may choose, say VERSION."""
    for name in ("catalogue.json", "catalogue.json.p7s"):
        (root / BASE / name).write_bytes((root / BASE / version / name).read_bytes())


def saved(root):
    return [(root / BASE / name).read_bytes() for name in ("index.json", "index.json.p7s")]


def put_back(root, content):
    for name, it in zip(("index.json", "index.json.p7s"), content, strict=True):
        (root / BASE / name).write_bytes(it)


def hide(root):
    for name in ("index.json", "index.json.p7s"):
        (root / BASE / name).unlink()


@pytest.fixture(name="shop")
def origin_and_installation(lab, release):
    """A server with 10.3 and 10.4, and their index."""

    def fill(root):
        publish(root, release, "10.3", FILES)
        publish(root, release, "10.4", NEWER)
        index(root, release)

    return origin.installed(lab, release, fill, tries=1)


def fetched(shop, *arguments, to="here"):
    done = shop.spot.run("--json", "fetch", "step-core", *arguments, "--to", shop.spot.folder / to)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def refused(shop, code, *arguments, to="here", **how):
    """The fetch that ends with CODE, before any file is asked for and anything is changed."""
    folder, before = shop.spot.folder / to, len(shop.asked())
    had = tree(folder) if folder.exists() else {}
    said = shop.spot.fails(code, "fetch", "step-core", *arguments, "--to", folder, **how)
    assert len(shop.asked()) == before
    assert (tree(folder) if folder.exists() else {}) == had
    return said


def later(days):
    """An environment in which it is DAYS later, or earlier where that is negative."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": library,
        "FAKETIME": f"{days:+d}d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
    }


# --- withdrawn versions


def test_a_withdrawn_version_is_not_taken_for_the_newest(shop, release):
    withdraw(shop.root, release, "10.4")
    show_as_newest(shop.root, "10.4")
    assert fetched(shop)["version"] == "10.3"
    assert tree(shop.here) == FILES


def test_a_withdrawn_version_is_not_installed_anew(shop, release):
    withdraw(shop.root, release, "10.4")
    said = refused(shop, 8, "10.4")
    assert "version 10.4 of step-core was withdrawn, or never was" in said
    assert "10.3 is the newest" in said
    fetched(shop, "10.3")
    refused(shop, 8, "10.4")
    assert not any("/10.4/" in it.path for it in shop.requests)


@pytest.mark.parametrize("arguments", [(), ("10.4",)])
def test_a_withdrawn_version_that_is_installed_stays_with_a_warning(shop, release, arguments):
    fetched(shop)
    withdraw(shop.root, release, "10.4")
    show_as_newest(shop.root, "10.3")
    result = fetched(shop, *arguments)
    assert (result["version"], result["withdrawn"], result["kept"]) == ("10.4", True, 2)
    assert "warning: version 10.4 of step-core" in result["said"]
    assert tree(shop.here) == NEWER
    done = shop.spot.run("update")
    assert done.returncode == 0 and "has been withdrawn" in done.stderr, done.stderr
    assert tree(shop.here) == NEWER


def test_a_withdrawn_version_that_was_damaged_is_not_mended(shop, release):
    fetched(shop)
    withdraw(shop.root, release, "10.4")
    (shop.here / "core.zip").write_bytes(b"damaged")
    assert "has been withdrawn, and 10.3 can be had instead" in refused(shop, 1)
    assert fetched(shop, "10.3")["withdrawn"] is False
    assert tree(shop.here) == {**FILES, "core.zip.orig": b"damaged"}


def test_a_newer_version_replaces_a_withdrawn_one(shop, release):
    fetched(shop)
    publish(shop.root, release, "10.5", FILES)
    withdraw(shop.root, release, "10.4")
    assert shop.spot.run("update").returncode == 0
    assert tree(shop.here) == FILES
    assert shop.here.joinpath("catalogue.json").read_text().count('"10.5"') == 1


def listed(shop):
    done = shop.spot.run("--json", "list")
    assert done.returncode == 0, done.stderr
    assert all(not is_artifact(it.path) for it in shop.requests[-3:])
    rows = json.loads(done.stdout)["installed"]
    return [(it["folder"].rpartition("/")[2], it["version"], it["state"], it["newest"]) for it in rows]


def test_the_list_says_what_became_of_what_is_installed(shop, release):
    assert listed(shop) == []
    fetched(shop, "10.3", to="one")
    fetched(shop, to="two")
    assert listed(shop) == [("one", "10.3", "older", "10.4"), ("two", "10.4", "newest", "10.4")]
    withdraw(shop.root, release, "10.4")
    assert listed(shop) == [("one", "10.3", "newest", "10.3"), ("two", "10.4", "withdrawn", "10.3")]
    text = shop.spot.run("list").stdout
    assert "step-core                10.4       withdrawn  10.3 " in text, text
    hide(shop.root)
    assert listed(shop) == [("one", "10.3", "unknown", None), ("two", "10.4", "unknown", None)]
    done = shop.spot.run("list")
    assert "warning: what is newest of step-core is not known: " in done.stderr


# --- indexes that are old, wrong or not there


def test_a_mirror_that_freezes_is_noticed_when_its_index_expires(shop, release):
    today = datetime.datetime.now(datetime.timezone.utc)
    index(shop.root, release, "--expires", (today + datetime.timedelta(days=1)).strftime("%Y-%m-%d"))
    fetched(shop)
    said = refused(shop, 10, environment=later(3))
    assert "the index of step-core has expired" in said and f":{shop.port}" in said
    index(shop.root, release)
    done = shop.spot.run("fetch", "step-core", "--to", shop.here, environment=later(3))
    assert done.returncode == 0, done.stderr


def test_an_older_index_is_refused_also_for_a_new_folder(shop, release):
    old = saved(shop.root)
    publish(shop.root, release, "10.5", FILES)
    index(shop.root, release)
    fetched(shop)
    put_back(shop.root, old)
    show_as_newest(shop.root, "10.4")
    said = refused(shop, 10, to="elsewhere")
    assert "offers index 1 of step-core, and 2 is here already: it is behind" in said
    assert f"https://127.0.0.1:{shop.port}: " in said


def test_another_index_of_the_same_serial_is_refused(shop, release):
    fetched(shop)
    hide(shop.root)
    index(shop.root, release, "--expires", FUTURE)
    assert "offers another index 1 of step-core" in refused(shop, 10)


@pytest.mark.parametrize("end", ["index.json", "index.json.p7s"])
def test_an_index_that_is_damaged_or_without_signature_is_refused(shop, end):
    (shop.root / BASE / end).write_bytes(b"{}")
    assert f":{shop.port}: " in refused(shop, 10)
    (shop.root / BASE / end).unlink()
    if end == "index.json.p7s":
        assert "but not its signature" in refused(shop, 10)


def test_an_index_of_another_certificate_or_product_is_refused(shop, tmp_path, release):
    path = shop.root / BASE / "index.json"
    good = path.read_text()
    sign = lambda certificate: common.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", certificate, "-inkey",
         certificate.with_suffix(".key"), "-in", path, "-out", f"{path}.p7s"],
    )  # fmt: skip
    assert sign(issue(tmp_path, "other")).returncode == 0
    assert "was made by another certificate" in refused(shop, 10)
    path.write_text(good.replace("step-core", "step-plus"))
    assert sign(release).returncode == 0
    assert "is the index of step-plus, not of step-core" in refused(shop, 10)


def test_a_server_that_had_an_index_once_must_have_one(shop, release):
    fetched(shop)
    hide(shop.root)
    assert "has no index of step-core, of which there was one before" in refused(shop, 10)
    refused(shop, 10, "10.3", to="elsewhere")
    done = shop.spot.run("update")
    assert done.returncode == 10, done.stderr


def test_a_server_that_never_had_an_index_is_good_unless_one_is_required(lab, shop, release):
    hide(shop.root)
    assert fetched(shop)["version"] == "10.4"
    strict = lab.spot(shop, release=str(release), tries=1, index="required")
    said = strict.fails(10, "fetch", "step-core", "--to", strict.folder / "here")
    assert "`index: required`" in said
    index(shop.root, release)
    assert strict.run("fetch", "step-core", "--to", strict.folder / "here").returncode == 0


def test_what_is_no_way_to_treat_indexes_is_a_problem(lab, shop):
    spot = lab.spot(shop, index="optional")
    done = spot.run("list")
    assert done.returncode == 3 and "`index` must be once-seen or required" in done.stderr


# --- the next server


@pytest.fixture(name="two")
def installation_with_two_servers(lab, shop, release):
    """A mirror that is asked first, with the same versions, and the origin."""
    mirror = lab.new_folder("mirror")
    publish(mirror, release, "10.3", FILES)
    publish(mirror, release, "10.4", NEWER)
    shop.mirror = origin.Origin(lab, mirror)
    shop.spot = lab.spot(shop.mirror, shop, release=str(release), tries=1)
    shop.here = shop.spot.folder / "here"
    return shop


def test_a_mirror_that_is_behind_is_named_and_the_next_server_asked(two, release):
    old = saved(two.root)
    for root in (two.root, two.mirror.root):
        publish(root, release, "10.5", FILES)
    index(two.root, release)
    put_back(two.mirror.root, saved(two.root))
    fetched(two, to="one")
    put_back(two.mirror.root, old)
    asked = len(two.mirror.asked())
    result = fetched(two, to="two")
    assert result["version"] == "10.5"
    assert f"https://127.0.0.1:{two.mirror.port}: the server offers index 1 of step-core" in result["said"]
    assert "asking the next server" in result["said"]
    # No catalogue and no file came from the one that is behind.
    assert len(two.mirror.asked()) == asked
    assert two.mirror.requests[-1].path.endswith("index.json.p7s")


def test_a_mirror_without_the_index_that_others_have_is_passed_over(two, release):
    put_back(two.mirror.root, saved(two.root))
    fetched(two)
    hide(two.mirror.root)
    result = fetched(two, to="elsewhere")
    assert result["version"] == "10.4"
    assert "of which there was one before" in result["said"]


def test_a_server_without_an_index_does_not_make_up_for_one_with_a_bad_one(two):
    put_back(two.mirror.root, [b"{}", saved(two.root)[1]])
    hide(two.root)
    assert "not a signature of this content" in refused(two, 10)


def test_when_all_are_behind_the_first_is_named(two, release):
    put_back(two.mirror.root, saved(two.root))
    old = saved(two.root)
    index(two.root, release)
    put_back(two.mirror.root, saved(two.root))
    fetched(two)
    put_back(two.root, old)
    put_back(two.mirror.root, old)
    done = two.spot.run("fetch", "step-core", "--to", two.here)
    assert done.returncode == 10
    assert f"127.0.0.1:{two.mirror.port}: the server offers index 1" in done.stderr.splitlines()[-1]


# --- what is remembered


def test_what_was_seen_is_remembered_apart_from_the_folders(shop):
    fetched(shop)
    cache = shop.spot.folder / "cache"
    seen = cache / "seen/step-core"
    assert seen.read_bytes() == saved(shop.root)[0]
    assert (cache / "seen/.lock").stat().st_mode & 0o7777 == 0o600
    assert shop.spot.run("cache", "gc", "--max", "0").returncode == 0
    assert shop.spot.run("cache", "verify").returncode == 0
    assert seen.read_bytes() == saved(shop.root)[0]


def test_a_memory_that_is_damaged_is_an_error_that_says_what_to_do(shop):
    fetched(shop)
    seen = shop.spot.folder / "cache/seen/step-core"
    seen.write_bytes(b"{}")
    assert f"{seen} is damaged: remove it" in refused(shop, 1)
    seen.unlink()
    fetched(shop)
