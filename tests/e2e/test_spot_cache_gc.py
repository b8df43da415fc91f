"""spot cache gc: no more than was said, and nothing that is in use."""

import fcntl
import json
import os
import pathlib
import subprocess
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.cache import Cache, sha256
from mirrorgate_test.origin import Origin, etag
from mirrorgate_test.spot import PROGRAM, answer

from test_spot_fetch import publish, tree

FILES = {f"{name}.bin": name.encode() * 1000 for name in "abcd"}
A, B, C, D = FILES.values()


@pytest.fixture(name="shop")
def origin_and_installation(lab, release):
    return installed(lab, release)


def installed(lab, release):
    """An installation that has fetched four files of 1000 bytes into one folder."""
    root = lab.new_folder("origin")
    publish(root, release, "1.0", FILES)
    origin = Origin(lab, root)
    spot = lab.spot(origin, release=str(release), tries=1)
    spot.origin, spot.cache, spot.here = origin, Cache(spot.folder / "cache"), spot.folder / "here"
    fetched(spot, spot.here)
    return spot


def fetched(spot, to, *version):
    """Fetches into TO; the files that were asked for."""
    before = len(spot.origin.asked())
    done = spot.run("fetch", "step-core", *version, "--to", to)
    assert done.returncode == 0, done.stderr
    return sorted(it.path.rpartition("/")[2] for it in spot.origin.asked()[before:])


def gc(spot, size, *options):
    done = spot.run(*options, "cache", "gc", "--max", size)
    assert done.returncode == 0, done.stderr
    return done


def test_what_was_used_longest_ago_goes_first(shop):
    for content, days in ((A, 2), (B, 4), (C, 1), (D, 3)):
        shop.cache.age(content, days)
    gc(shop, "3000")
    assert shop.cache.contents() == sorted([A, C, D])
    gc(shop, "1999")
    assert shop.cache.contents() == shop.cache.indexed() == [C]


def test_what_was_installed_from_the_cache_was_used(shop, release):
    publish(shop.origin.root, release, "1.1", {"b.bin": B, "d.bin": D})
    for content in FILES.values():
        shop.cache.age(content, 1)
    assert fetched(shop, shop.folder / "other", "1.1") == []
    gc(shop, "2000")
    assert shop.cache.contents() == [B, D]


def test_the_bound_is_exact(shop):
    gc(shop, "4000")
    assert len(shop.cache.contents()) == 4
    gc(shop, "3999")
    assert len(shop.cache.contents()) == 3
    gc(shop, "1K")
    assert len(shop.cache.contents()) == 1
    gc(shop, "1000")
    assert len(shop.cache.contents()) == 1
    gc(shop, "0")
    assert shop.cache.contents() == shop.cache.indexed() == []


def test_what_went_is_downloaded_again_and_installed_folders_stay(shop):
    gc(shop, "0")
    assert tree(shop.here) == FILES
    assert fetched(shop, shop.here) == []
    assert fetched(shop, shop.folder / "other") == sorted(FILES)


def test_gc_says_what_it_did_in_json(shop):
    assert json.loads(gc(shop, "2500", "--json").stdout) == {
        "cache": str(shop.cache.folder), "removed": 2, "removed_bytes": 2000, "kept": 2,
        "kept_bytes": 2000,
    }  # fmt: skip


def test_gc_says_nothing_when_quiet(shop):
    done = gc(shop, "0", "-q")
    assert (done.stdout, done.stderr) == ("", "")


def laid_part(cache, content, days):
    cache.lay_part(content, content[:500], etag(content))
    for path in (cache.part(content), pathlib.Path(f"{cache.part(content)}.etag")):
        os.utime(path, times=(time.time() - days * 86_400,) * 2)


def test_parts_of_more_than_a_week_go_and_younger_ones_stay(shop):
    laid_part(shop.cache, b"old" * 1000, 7.1)
    laid_part(shop.cache, b"young" * 1000, 6.9)
    gc(shop, "1G")
    young = shop.cache.part(b"young" * 1000)
    assert shop.cache.leftovers() == [young, pathlib.Path(f"{young}.etag")]
    assert len(shop.cache.contents()) == 4


def test_parts_count(shop):
    laid_part(shop.cache, b"young" * 1000, 1)
    for content in FILES.values():
        shop.cache.age(content, 2)
    gc(shop, "600")
    assert shop.cache.contents() == []
    assert shop.cache.part(b"young" * 1000).exists()
    gc(shop, "0")
    assert shop.cache.leftovers() == []


def test_a_part_that_is_gone_on_with_keeps_its_etag_however_long_that_takes(shop):
    """It was begun, and the ETag written, more than a week ago."""
    laid_part(shop.cache, b"slow" * 1000, 1)
    slow = shop.cache.part(b"slow" * 1000)
    tag = pathlib.Path(f"{slow}.etag")
    os.utime(tag, times=(time.time() - 30 * 86_400,) * 2)
    gc(shop, "1G")
    assert shop.cache.leftovers() == [slow, tag]
    gc(shop, "4500")
    assert shop.cache.leftovers() in ([slow, tag], [])


def test_what_is_no_file_among_the_parts_does_not_stop_gc(shop):
    (shop.cache.parts / "folder").mkdir()
    (shop.cache.parts / "link").symlink_to(shop.here / "a.bin")
    (shop.cache.parts / sha256(A)).mkdir()
    gc(shop, "0")
    assert shop.cache.contents() == []
    assert tree(shop.here) == FILES


def test_a_long_name_among_the_parts_does_not_stop_gc(shop):
    (shop.cache.parts / (255 * "x")).write_bytes(b"?")
    gc(shop, "0")
    assert shop.cache.leftovers() == []


def test_an_etag_without_its_part_goes(shop):
    laid_part(shop.cache, b"young" * 1000, 1)
    shop.cache.part(b"young" * 1000).unlink()
    gc(shop, "1G")
    assert shop.cache.leftovers() == []


def test_index_entries_that_lead_nowhere_go(shop):
    shop.cache.object(A).unlink()
    assert shop.cache.index(A).is_symlink()
    gc(shop, "1G")
    assert not shop.cache.index(A).is_symlink()
    assert shop.cache.indexed() == sorted([B, C, D])


def test_gc_follows_no_link_out_of_the_cache(shop):
    outside = shop.folder / "outside"
    outside.mkdir()
    (outside / sha256(b"other")).write_bytes(b"other")
    (shop.cache.folder / "sha256/zz").symlink_to(outside)
    name = sha256(b"other")
    (shop.cache.folder / "sha256" / name[:2]).symlink_to(outside)
    shop.cache.object(A).unlink()
    shop.cache.object(A).symlink_to(outside / name)
    shop.run("cache", "gc", "--max", "0")
    shop.run("cache", "verify")
    assert (outside / name).read_bytes() == b"other"


def blocked(process):
    """True when PROCESS waits for a lock."""
    locks = pathlib.Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {process.pid} " in line for line in locks)


def start(spot, *arguments):
    return subprocess.Popen(
        [PROGRAM, "-q", "-c", spot.file, *arguments], stderr=subprocess.PIPE, text=True
    )


def ended(process):
    _, error = process.communicate(timeout=60 * common.PATIENCE)
    return process.returncode, error


def test_gc_waits_for_who_has_the_cache_open(shop):
    lock = os.open(shop.cache.folder / "lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    process = start(shop, "cache", "gc", "--max", "0")
    common.wait_until(lambda: blocked(process), "gc waits")
    assert len(shop.cache.contents()) == 4
    os.close(lock)
    assert ended(process) == (0, "")
    assert shop.cache.contents() == []


@pytest.mark.parametrize(
    "arguments", [["cache", "verify"], ["fetch", "step-core", "--to", "there"]]
)
def test_others_wait_for_gc(shop, arguments):
    lock = os.open(shop.cache.folder / "lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = start(shop, *[it.replace("there", str(shop.folder / "there")) for it in arguments])
    common.wait_until(lambda: blocked(process), "it waits")
    os.close(lock)
    assert ended(process) == (0, "")


def test_gc_waits_for_a_download_and_takes_nothing_from_it(lab, release):
    root = lab.new_folder("origin")
    publish(root, release, "1.0", FILES)
    begun, go_on = [], []

    def hold(connection, content, _request):
        whole = answer("200 OK", content, ETag=etag(content))
        connection.sendall(whole[:-500])
        begun.append(True)
        common.wait_until(lambda: go_on, "the test goes on")
        connection.sendall(whole[-500:])
        return True

    spot = lab.spot(Origin(lab, root, {"d.bin": hold}), release=str(release))
    fetch = start(spot, "fetch", "step-core", "--to", spot.folder / "here")
    common.wait_until(lambda: begun, "the download has begun")
    collector = start(spot, "cache", "gc", "--max", "0")
    common.wait_until(lambda: blocked(collector), "gc waits")
    go_on.append(True)
    assert ended(fetch) == (0, "") and ended(collector) == (0, "")
    assert tree(spot.folder / "here") == FILES
    assert Cache(spot.folder / "cache").contents() == []


@pytest.mark.parametrize(
    "size",
    ["", "K", "-1", "+1", " 1", "1 ", "1 K", "1.5M", "1T", "1KB", "KK", "0x10", "1e3", "ten",
     "99999999999999999999", "18446744073709551616", "17179869184G"],
)  # fmt: skip
def test_what_is_no_size_is_a_usage_error(shop, size):
    shop.fails(2, "cache", "gc", "--max", size)
    assert len(shop.cache.contents()) == 4


@pytest.mark.parametrize(
    "arguments",
    [["cache"], ["cache", "gc"], ["cache", "gc", "10"], ["cache", "verify", "x"],
     ["cache", "clean"], ["cache", "gc", "--max", "1", "x"]],
)  # fmt: skip
def test_another_command_line_is_a_usage_error(shop, arguments):
    shop.fails(2, *arguments)
    assert len(shop.cache.contents()) == 4


def test_sizes_have_units(shop):
    for size in ("4K", "1M", "1024G", "4000"):
        gc(shop, size)
    assert len(shop.cache.contents()) == 4
