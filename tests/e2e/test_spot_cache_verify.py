"""spot cache verify: what is damaged is found, and repaired where that can be done."""

import json
import os
import re

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.cache import sha1, sha256

from test_spot_cache_gc import FILES, A, B, C, D, fetched, gc, installed
from test_spot_fetch import tree


@pytest.fixture(name="shop")
def origin_and_installation(lab, release):
    return installed(lab, release)


def verify(spot, code, *options):
    done = spot.run(*options, "cache", "verify")
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def damaged(spot):
    """How many damaged objects were repaired, and how many taken away."""
    said = json.loads(verify(spot, 1, "--json").stdout)
    assert (said["failure"], said["exit_code"]) == ("local", 1)
    match = re.search(r": (\d+) repaired from installed files, (\d+) taken away", said["detail"])
    return int(match[1]), int(match[2])


def test_a_cache_that_is_right_is_exit_code_0(shop):
    done = verify(shop, 0)
    assert "4" in done.stderr + done.stdout
    assert verify(shop, 0, "-q").stderr == ""
    assert json.loads(verify(shop, 0, "--json").stdout) == {
        "cache": str(shop.cache.folder), "objects": 4, "bytes": 4000,
    }  # fmt: skip


def rewritten(path):
    path.write_bytes(b"X" + path.read_bytes()[1:])


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def extended(path):
    path.write_bytes(path.read_bytes() + b"X")


def linked(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [rewritten, truncated, extended, linked, fifo, folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_again_from_an_installed_file(shop, damage):
    damage(shop.cache.object(A))
    assert damaged(shop) == (1, 0)
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())
    verify(shop, 0)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_here_and_there_is_taken_away_and_downloaded_again(shop, damage):
    damage(shop.cache.object(A))
    (shop.here / "a.bin").write_bytes(b"X" + A[1:])
    assert damaged(shop) == (0, 1)
    assert shop.cache.contents() == shop.cache.indexed() == sorted([B, C, D])
    verify(shop, 0)
    assert fetched(shop, shop.here) == ["a.bin"]
    assert tree(shop.here) == {**FILES, "a.bin.orig": b"X" + A[1:]}


def test_an_installed_file_is_read_where_the_folder_is_now_only(shop):
    """A link in the place of the folder's file leads nowhere; nor does a folder that is gone."""
    rewritten(shop.cache.object(A))
    (shop.folder / "elsewhere").write_bytes(A)
    (shop.here / "a.bin").unlink()
    (shop.here / "a.bin").symlink_to(shop.folder / "elsewhere")
    assert damaged(shop) == (0, 1)


def test_what_may_not_be_read_is_not_damaged(shop, tmp_path):
    """The object of another user, say."""
    source = f"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <string.h>
        #include <sys/types.h>
        int openat(int a, const char *b, int c, mode_t d)
        {{
            int (*real)(int, const char *, int, mode_t);
            *(void **)&real = dlsym(RTLD_NEXT, "openat");
            if (strstr(b, "{sha256(A)}") == NULL)
                return real(a, b, c, d);
            errno = EACCES;
            return -1;
        }}
    """
    text = shop.fails(1, "cache", "verify", environment=common.preload(tmp_path, source))
    assert text.startswith("cannot open ") and text.endswith(": Permission denied")
    assert A in shop.cache.contents()


def test_what_is_damaged_is_named(shop):
    rewritten(shop.cache.object(A))
    assert sha256(A) in verify(shop, 1).stderr


def test_the_index_is_right_afterwards(shop):
    for content, target in ((A, None), (B, f"../../sha256/{sha256(C)[:2]}/{sha256(C)}"), (C, "x")):
        shop.cache.index(content).unlink()
        if target:
            shop.cache.index(content).symlink_to(target)
    shop.cache.index(D).unlink()
    shop.cache.index(D).write_bytes(D)
    stray = shop.cache.folder / "sha1/00" / ("0" * 40)
    stray.parent.mkdir(exist_ok=True)
    stray.symlink_to(f"../../sha256/{sha256(A)[:2]}/{sha256(A)}")
    shop.run("cache", "verify")
    assert shop.cache.contents() == shop.cache.indexed() == sorted(FILES.values())
    verify(shop, 0)


def test_an_object_that_lies_under_a_name_of_another_length_is_left_alone(shop):
    """It is never looked up, so it can do no harm; whose it is, spot does not know."""
    place = shop.cache.object(A).parent
    strange = [place / name for name in ("README", sha1(A), sha256(A).upper(), "0" * 64)]
    for path in strange:
        path.write_bytes(A)
    verify(shop, 0)
    gc(shop, "4000")
    assert all(path.read_bytes() == A for path in strange)


def test_a_broken_installation_keeps_no_other_from_repairing(shop):
    """The record of one folder is damaged, the catalogue of another is none."""
    fetched(shop, shop.folder / "aaa")
    (shop.folder / "aaa/catalogue.json").write_bytes(b"{}")
    store.write(shop.cache.folder, "installed/" + "0" * 64, b"/nowhere")
    rewritten(shop.cache.object(A))
    assert damaged(shop) == (1, 0)
    assert shop.cache.contents() == sorted(FILES.values())


@pytest.mark.parametrize("content", [A + b"X", A[:-1], b""], ids=["longer", "shorter", "empty"])
def test_an_installed_file_of_another_length_leaves_nothing_in_parts(shop, content):
    rewritten(shop.cache.object(A))
    (shop.here / "a.bin").write_bytes(content)
    assert damaged(shop) == (0, 1)
    assert shop.cache.leftovers() == []


def test_a_cache_that_is_not_there_yet_is_right(lab, shop, release):
    other = lab.spot(shop.origin, release=str(release))
    verify(other, 0)
    gc(other, "0")
