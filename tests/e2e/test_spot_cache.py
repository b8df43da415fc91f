"""The cache: content-addressed, shared, and believed in nothing."""

import os
import re
import shutil
import stat
import subprocess
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.cache import Cache
from mirrorgate_test.spot import PROGRAM, is_artifact

from test_spot_fetch import BASE, FILES, publish, tree

CORE = FILES["core.zip"]


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """An installation that has fetched 10.3 into one folder; .again() fetches it into another."""
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub)
    spot = lab.spot(gate, release=str(release), tries=1)
    spot.store, spot.gate = stub, gate
    spot.cache = Cache(spot.folder / "cache")
    spot.gets = lambda start=0: sorted(
        request["path"].removeprefix(f"/{BASE}/10.3/")
        for request in stub.requests(start) if is_artifact(request["path"])
    )  # fmt: skip

    def again(by=spot, name="again"):
        """Fetches into a folder that is new; what the store was asked for."""
        start = stub.mark()
        done = by.run("fetch", "step-core", "--to", by.folder / name)
        assert done.returncode == 0, done.stderr
        assert tree(by.folder / name) == FILES
        return spot.gets(start)

    spot.again = again
    again(name="first")
    return spot


def test_each_artifact_lies_under_its_sha256_and_an_index_leads_to_it_by_sha1(shop):
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())
    for content in FILES.values():
        assert shop.cache.object(content).read_bytes() == content
        assert os.readlink(shop.cache.index(content)).startswith("../")
    assert shop.cache.leftovers() == []


def test_what_is_installed_and_what_is_cached_are_two_files(shop):
    """Who changes an installed file in place changes no other installation."""
    assert (shop.folder / "first/core.zip").stat().st_ino != shop.cache.object(CORE).stat().st_ino
    (shop.folder / "first/core.zip").write_bytes(b"changed in place")
    assert shop.again() == []


def test_another_installation_with_the_same_cache_downloads_nothing(lab, shop, release):
    other = lab.spot(shop.gate, release=str(release), cache=str(shop.cache.folder))
    assert shop.again(other) == []


def test_another_customer_with_a_licence_downloads_nothing(lab, shop, release):
    other = lab.spot(shop.gate, who="initech", release=str(release), cache=str(shop.cache.folder))
    assert shop.again(other) == []


def test_another_customer_without_a_licence_gets_nothing_from_the_cache(lab, shop, release):
    other = lab.spot(shop.gate, who="globex", release=str(release), cache=str(shop.cache.folder))
    assert "no licence" in other.fails(7, "fetch", "step-core", "--to", other.folder / "here")
    assert not (other.folder / "here").exists() or tree(other.folder / "here") == {}


def test_the_cache_may_be_reached_through_a_symbolic_link(lab, shop, release):
    link = shop.folder / "link"
    link.symlink_to(shop.cache.folder)
    other = lab.spot(shop.gate, release=str(release), cache=str(link))
    assert shop.again(other) == []
    assert other.run("cache", "verify").returncode == 0
    assert other.run("cache", "gc", "--max", "0").returncode == 0
    assert shop.cache.contents() in ([], [b""])  # what is empty takes no room
    assert {"core.zip", "doc/b.txt"} <= set(shop.again(other, "anew"))


# --- objects that are not what their name says


def rewritten(path, _elsewhere):
    path.write_bytes(b"X" + CORE[1:])


def truncated(path, _elsewhere):
    path.write_bytes(CORE[:-1])


def extended(path, _elsewhere):
    path.write_bytes(CORE + b"X")


def emptied(path, _elsewhere):
    path.write_bytes(b"")


def linked_to_other_bytes(path, elsewhere):
    path.unlink()
    path.symlink_to(elsewhere)


def linked_to_an_endless_device(path, _elsewhere):
    path.unlink()
    path.symlink_to("/dev/zero")


def dangling(path, _elsewhere):
    path.unlink()
    path.symlink_to("nowhere")


def linked_to_itself(path, _elsewhere):
    path.unlink()
    path.symlink_to(path.name)


def fifo(path, _elsewhere):
    path.unlink()
    os.mkfifo(path)


def folder(path, _elsewhere):
    path.unlink()
    path.mkdir()


def listening_socket(path, _elsewhere):
    path.unlink()
    os.mknod(path, stat.S_IFSOCK | 0o666)


def gone(path, _elsewhere):
    path.unlink()


DAMAGES = [
    rewritten, truncated, extended, emptied, linked_to_other_bytes, linked_to_an_endless_device,
    dangling, linked_to_itself, fifo, folder, listening_socket, gone,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_object_is_downloaded_anew_and_never_installed(shop, damage):
    elsewhere = shop.folder / "elsewhere"
    elsewhere.write_bytes(b"X" + CORE[1:])
    damage(shop.cache.object(CORE), elsewhere)
    assert shop.again() == ["core.zip"]
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())
    assert elsewhere.read_bytes() == b"X" + CORE[1:]
    assert shop.again(name="third") == []


def test_a_link_to_the_right_bytes_elsewhere_is_no_object(shop):
    """Whose bytes those are, and how long they stay, is not the cache's to know."""
    elsewhere = shop.folder / "elsewhere"
    elsewhere.write_bytes(CORE)
    linked_to_other_bytes(shop.cache.object(CORE), elsewhere)
    assert shop.again() == ["core.zip"]
    assert shop.cache.contents() == sorted(FILES.values())
    assert elsewhere.read_bytes() == CORE


def wrong_object(index, cache):
    index.unlink()
    index.symlink_to(os.path.relpath(cache.object(b"text"), index.parent))


def lost(index, _cache):
    index.unlink()


def nowhere(index, _cache):
    index.unlink()
    index.symlink_to(f"../../sha256/00/{'0' * 64}")


def outside(index, cache):
    (cache.folder.parent / "outside").write_bytes(CORE)
    index.unlink()
    index.symlink_to(cache.folder.parent / "outside")


def garbage(index, _cache):
    index.unlink()
    index.write_bytes(b"garbage")


INDEX_LIES = [wrong_object, lost, nowhere, outside, garbage]


@pytest.mark.parametrize("lie", INDEX_LIES)
def test_an_index_that_lies_does_no_harm(shop, lie):
    lie(shop.cache.index(CORE), shop.cache)
    assert shop.again() == []
    assert shop.cache.contents() == sorted(FILES.values())


@pytest.mark.parametrize("lie", INDEX_LIES)
def test_a_download_sets_the_index_right(shop, lie):
    lie(shop.cache.index(CORE), shop.cache)
    shop.cache.object(CORE).unlink()
    assert shop.again() == ["core.zip"]
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())


def test_a_cache_that_lost_its_folders_makes_them_again(shop):
    shutil.rmtree(shop.cache.folder)
    assert shop.again() == sorted(FILES)
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())


# --- a disk that does not take it


LIMITED = 'trap "" XFSZ; ulimit -f 64; exec "$@"'  # in blocks of 512 bytes


def limited(spot, *arguments):
    return subprocess.run(
        ["sh", "-c", LIMITED, "sh", PROGRAM, "-c", spot.file, *arguments],
        capture_output=True, text=True, timeout=60 * common.PATIENCE, check=False,
    )  # fmt: skip


def test_a_full_disk_under_the_folder_leaves_the_file_that_was_there(shop):
    here = shop.folder / "first/core.zip"
    here.write_bytes(b"older")
    done = limited(shop, "fetch", "step-core", "--to", shop.folder / "first")
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert here.read_bytes() == b"older"
    assert shop.run("fetch", "step-core", "--to", shop.folder / "first").returncode == 0
    assert tree(shop.folder / "first") == {**FILES, "core.zip.orig": b"older"}


@pytest.mark.parametrize("place", ["/proc/nothing/cache", "/dev/null/cache"])
def test_a_cache_that_cannot_be_made_is_named(lab, shop, release, place):
    other = lab.spot(shop.gate, release=str(release), cache=place)
    assert place in other.fails(1, "fetch", "step-core", "--to", other.folder / "here")
    assert place in other.fails(1, "cache", "verify")
    assert place in other.fails(1, "cache", "gc", "--max", "0")
    assert not (other.folder / "here/catalogue.json").exists()


def test_a_file_in_the_place_of_a_folder_of_the_cache_is_a_failure_that_names_it(shop):
    shutil.rmtree(shop.cache.folder / "sha256")
    store.write(shop.cache.folder, "sha256", b"in the way")
    text = shop.fails(1, "fetch", "step-core", "--to", shop.folder / "again")
    assert "sha256" in text
    assert not (shop.folder / "again/catalogue.json").exists()


def test_two_users_of_a_group_share_a_cache(shop, lab, release):
    """As spot.yaml(5) advises: the setgid bit, and a umask of 002. Neither is root. Only root can be
    two others; anybody else is both, and has the one group."""
    many = os.geteuid() == 0
    group = 54_320 if many else os.getgid()
    cache = shop.folder / "shared"
    cache.mkdir()
    os.chown(cache, -1, group)
    cache.chmod(0o2775)

    def user(number):
        spot = lab.spot(shop.gate, release=str(release), cache=str(cache), tries=1)
        for key in ("certificate", "key", "ca", "release"):
            text = spot.file.read_text()
            path = re.search(rf"^{key}: \"?([^\"\n]+)\"?$", text, re.MULTILINE)[1]
            shutil.copy(path, spot.folder / key)
            spot.write(text.replace(path, key))
        program = shutil.copy(PROGRAM, spot.folder)  # the build may lie where no other user can go
        for path in (spot.folder, *spot.folder.iterdir()):
            os.chown(path, number if many else -1, group)

        def run(*arguments):
            start = shop.store.mark()
            done = subprocess.run(
                [program, "-c", spot.file, *arguments], capture_output=True, text=True,
                umask=0o002, timeout=60 * common.PATIENCE, check=False,
                **({"user": number, "group": group, "extra_groups": []} if many else {}),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return shop.gets(start)

        return spot.folder, run

    mine, me = user(54_321)
    yours, you = user(54_322)
    assert me("fetch", "step-core", "--to", mine / "here") == sorted(FILES)
    for content in FILES.values():
        Cache(cache).age(content, 3)
    assert you("fetch", "step-core", "--to", yours / "here") == []
    assert tree(yours / "here") == FILES
    today = time.time() - 86_400
    assert all(Cache(cache).object(it).stat().st_atime > today for it in FILES.values())
    Cache(cache).object(CORE).write_bytes(b"X" + CORE[1:])
    assert you("fetch", "step-core", "--to", yours / "again") == ["core.zip"]
    you("cache", "gc", "--max", "0")
    me("cache", "verify")
