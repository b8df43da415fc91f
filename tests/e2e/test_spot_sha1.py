"""Catalogues of older tools, in which SHA-1 alone vouches for a file: only on demand."""

import os

import pytest
from mirrorgate_test import store
from mirrorgate_test.cache import Cache, sha1
from mirrorgate_test.origin import Origin, cut

import test_spot_catalogue
import test_spot_fetch
from test_spot_fetch import BASE, tree

FILES = {"core.zip": b"0123456789" * 10_000, "doc/a.txt": b"", "doc/b.txt": b"text"}
CORE, TEXT = FILES["core.zip"], FILES["doc/b.txt"]


def publish(root, release, version, files):
    """Puts VERSION with a catalogue without SHA-256 below ROOT."""
    for name, content in files.items():
        store.write(root, f"{BASE}/{version}/{name}", content)
    folder = root / BASE / version
    entries = [
        {"path": name, "size": len(content), "sha1": sha1(content)}
        for name, content in sorted(files.items())
    ]
    test_spot_catalogue.write(folder, release, entries, version=version)
    for name in ("catalogue.json", "catalogue.json.p7s"):
        store.write(root, f"{BASE}/{name}", (folder / name).read_bytes())


@pytest.fixture(name="origin")
def origin_of_an_old_catalogue(lab, release):
    root = lab.new_folder("origin")
    publish(root, release, "1.0", FILES)
    origin = Origin(lab, root)
    origin.spot = lab.spot(origin, release=str(release), tries=1, allow_sha1=True)
    origin.here = origin.spot.folder / "here"
    origin.cache = Cache(origin.spot.folder / "cache")
    return origin


def fetched(origin, folder="here", spot=None):
    """Fetches into FOLDER; the files that were asked for."""
    spot = spot or origin.spot
    before = len(origin.asked())
    done = spot.run("fetch", "step-core", "--to", spot.folder / folder)
    assert done.returncode == 0, done.stderr
    assert "warning: step-core 1.0 has files that SHA-1 alone vouches for: 3" in done.stderr
    assert tree(spot.folder / folder) == FILES
    assert origin.cache.contents() == origin.cache.indexed() == sorted(FILES.values())
    assert origin.cache.leftovers() == []
    return sorted(it.path.removeprefix(f"/{BASE}/1.0/") for it in origin.asked()[before:])


@pytest.mark.parametrize("keys", [{}, {"allow_sha1": False}])
def test_it_is_refused_unless_the_configuration_accepts_it(lab, origin, release, keys):
    spot = lab.spot(origin, release=str(release), **keys)
    text = spot.fails(10, "fetch", "step-core", "--to", spot.folder / "here")
    assert "SHA-1 alone" in text and "allow_sha1" in text
    assert origin.asked() == []


def test_it_is_accepted_on_demand_with_a_warning_each_time(origin):
    assert fetched(origin) == sorted(FILES)
    assert fetched(origin) == []


def test_a_catalogue_in_which_one_file_lacks_sha256_is_such_a_catalogue(lab, origin, release):
    folder = origin.root / BASE / "1.0"
    entries = [
        {"path": name, "size": len(content), "sha1": sha1(content)}
        | ({"sha256": "0" * 64} if name == "core.zip" else {})
        for name, content in sorted(FILES.items())
    ]
    test_spot_catalogue.write(folder, release, entries[1:], version="1.0")
    spot = lab.spot(origin, release=str(release))
    assert "SHA-1 alone" in spot.fails(10, "fetch", "step-core", "1.0", "--to", spot.folder / "x")
    test_spot_catalogue.write(folder, release, entries, version="1.0")
    assert "SHA-1 alone" in spot.fails(10, "fetch", "step-core", "1.0", "--to", spot.folder / "x")


@pytest.mark.parametrize("wrong", [b"X" + CORE[1:], CORE[:-1], CORE + b"X", b""])
def test_wrong_bytes_are_refused(origin, wrong):
    store.write(origin.root, f"{BASE}/1.0/core.zip", wrong)
    origin.spot.fails(9, "fetch", "step-core", "--to", origin.here)
    assert not (origin.here / "core.zip").exists()
    assert wrong not in origin.cache.contents() or wrong == b""


def test_what_is_cached_is_found_by_its_sha1(origin):
    fetched(origin)
    assert fetched(origin, "again") == []


def test_what_came_by_a_catalogue_with_sha256_is_found_by_its_sha1(lab, origin, release):
    test_spot_fetch.publish(origin.root, release, "1.0", FILES)
    done = origin.spot.run("fetch", "step-core", "--to", origin.here)
    assert done.returncode == 0 and "warning" not in done.stderr
    publish(origin.root, release, "1.0", FILES)
    assert fetched(origin, "again") == []


def test_a_download_that_was_cut_goes_on(origin):
    origin.acts["core.zip"] = [cut(60_000)]
    origin.spot.fails(4, "fetch", "step-core", "--to", origin.here)
    assert [path.name for path in origin.cache.leftovers()] == [
        f"sha1-{sha1(CORE)}", f"sha1-{sha1(CORE)}.etag",
    ]  # fmt: skip
    fetched(origin)
    assert [it.field("Range") for it in origin.asked("core.zip")] == [None, "bytes=60000-"]


def another(index, cache):
    """The entry leads to another object."""
    index.unlink()
    index.symlink_to(os.path.relpath(cache.object(TEXT), index.parent))


def another_of_that_size(index, cache):
    fake = b"X" + CORE[1:]
    store.write(cache.object(fake).parent, cache.object(fake).name, fake)
    index.unlink()
    index.symlink_to(os.path.relpath(cache.object(fake), index.parent))


def nowhere(index, _cache):
    index.unlink()
    index.symlink_to(f"../../sha256/00/{'0' * 64}")


def outside(index, cache):
    store.write(cache.folder.parent, "outside", b"X" + CORE[1:])
    index.unlink()
    index.symlink_to(cache.folder.parent / "outside")


def endless(index, _cache):
    index.unlink()
    index.symlink_to("/dev/zero")


def itself(index, _cache):
    index.unlink()
    index.symlink_to(index.name)


def garbage(index, _cache):
    index.unlink()
    index.write_bytes(CORE)


def folder(index, _cache):
    index.unlink()
    index.mkdir()


def gone(index, _cache):
    index.unlink()


LIES = [another, nowhere, outside, endless, itself, garbage, folder, gone]


@pytest.mark.parametrize("lie", LIES)
def test_an_index_that_lies_costs_a_download_and_no_more(origin, lie):
    fetched(origin)
    lie(origin.cache.index(CORE), origin.cache)
    assert fetched(origin, "again") == ["core.zip"]
    assert fetched(origin, "third") == []


def test_an_index_that_leads_to_an_object_of_the_same_size_is_found_out(origin):
    fetched(origin)
    another_of_that_size(origin.cache.index(CORE), origin.cache)
    done = origin.spot.run("fetch", "step-core", "--to", origin.spot.folder / "again")
    assert done.returncode == 0, done.stderr
    assert tree(origin.spot.folder / "again") == FILES
    assert origin.cache.index(CORE).resolve() == origin.cache.object(CORE).resolve()


def test_a_damaged_object_is_downloaded_anew(origin):
    fetched(origin)
    origin.cache.object(CORE).write_bytes(b"X" + CORE[1:])
    assert fetched(origin, "again") == ["core.zip"]


def test_an_update_keeps_what_is_right_by_its_sha1(origin, release):
    fetched(origin)
    changed = {**FILES, "doc/b.txt": b"new"}
    publish(origin.root, release, "1.1", changed)
    before = len(origin.asked())
    assert origin.spot.run("update").returncode == 0
    assert tree(origin.here) == changed
    assert [it.path for it in origin.asked()[before:]] == [f"/{BASE}/1.1/doc/b.txt"]


def test_damage_is_found_by_verify_too(origin):
    """An object is judged by its own name, a SHA-256, whatever its catalogue has."""
    fetched(origin)
    origin.cache.object(CORE).write_bytes(b"X" + CORE[1:])
    assert origin.spot.run("cache", "verify").returncode == 1
    assert origin.spot.run("cache", "verify").returncode == 0
    fetched(origin, "again")
