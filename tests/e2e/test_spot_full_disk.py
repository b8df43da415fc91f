"""An installation is one version or the other: full disks, obstacles, kills, what is reported."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.stopper import calls_of, choose, library_that_stops, stopped_at

from test_spot_fetch import BASE, publish, tree

__all__ = ["library_that_stops"]  # a fixture

OLD = {"lib/core.so": random.Random(1).randbytes(300_000), "bin/run": b"run 7", "turn": b"file"}
NEW = {"lib/core-8.so": random.Random(2).randbytes(600_000), "bin/run": b"run 8", "turn/x": b"in"}


def publish_program(root, release, version, files):
    """With bin/run as an executable: the catalogue tells times, too."""
    store.write(root, f"{BASE}/{version}/bin/run", b"")
    (root / BASE / version / "bin/run").chmod(0o755)
    publish(root, release, version, files)


# So many that they are brought to the disk in one go, where the file system can.
MANY_OLD, MANY_NEW = (
    {**files, **{f"many/{n}": f"{version} {n}".encode() for n in range(18)}}
    for version, files in (("7.0", OLD), ("8.0", NEW))
)


def shop_with(lab, release, old, new):
    """Version 7.0 in a folder, and 8.0 at the store."""
    stub = lab.stub()
    publish_program(stub.root, release, "7.0", old)
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    spot.versions = {"7.0": old, "8.0": new}
    spot.shown = lambda: [
        it["version"] for it in json.loads(snapshot(spot).stdout)["components"]
    ]
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    publish_program(stub.root, release, "8.0", new)
    return spot


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    return shop_with(lab, release, OLD, NEW)


@pytest.fixture(name="large_shop")
def gate_and_store_of_many(lab, release):
    return shop_with(lab, release, MANY_OLD, MANY_NEW)


def snapshot(spot):
    return spot.run("snapshot", "prod-1", "--dry-run")


def everything(folder):
    """All below FOLDER, also folders and links, with contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }  # fmt: skip


def is_new(spot):
    done = spot.run("update")
    assert done.returncode == 0, done.stderr
    assert tree(spot.here) == spot.versions["8.0"]
    assert {path.name for path in spot.here.iterdir()} - {"many"} == {
        "bin", "catalogue.json", "catalogue.json.p7s", "lib", "turn",
    }  # fmt: skip
    assert spot.shown() == ["8.0"]


# The update runs in a mount namespace of its own, and of a user namespace where that is not root's,
# so that anybody may make the small disk, whose options are the first word.
ON_A_DISK = """
set -e
mount -t tmpfs -o "$1",mode=0755 none "$2"
cp -a "$3"/. "$2"
test -z "$6" || mount -o remount,bind,ro "$2"
code=0
folder=$2 old=$3 spot=$4 file=$5
shift 6
"$spot" -c "$file" "$@" || code=$?
find "$old" -mindepth 1 -delete
cp -a "$folder"/. "$old"
exit $code
"""


def update_on_a_disk(spot, options, read_only=False, command=("update",)):
    """Updates a copy of the folder on a tmpfs of its own; returns the process, and the copy."""
    copy = spot.folder / "copy"
    shutil.copytree(spot.here, copy, symlinks=True)
    done = subprocess.run(
        ["unshare", "-m" if os.getuid() == 0 else "-Urm", "sh", "-c", ON_A_DISK, "sh",
         options, spot.here, copy, PROGRAM, spot.file, "ro" if read_only else "", *command],
        capture_output=True, text=True, check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip
    return done, copy


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("size=500k", "8.0 needs 6"),
        ("size=8m,nr_inodes=16", "files and folders more"),
    ],
)
def test_an_update_on_a_full_disk_leaves_the_old_version_whole(shop, options, sentence):
    """The disk has room for the old version, and not for the new, not even in its place: that is
    known before anything is loaded."""
    before = everything(shop.here)
    start = shop.store.mark()
    done, copy = update_on_a_disk(shop, options)
    assert done.returncode == 1, done.stderr
    assert sentence in done.stderr and "No space left on device" in done.stderr, done.stderr
    assert f"{shop.here} is as it was before" in done.stderr, done.stderr
    assert everything(copy) == before
    asked = [it["path"] for it in shop.store.requests(start)]
    assert not [path for path in asked if not path.endswith((".json", ".p7s"))], asked
    assert shop.shown() == ["7.0"]
    is_new(shop)


def test_what_is_complete_is_good_on_a_read_only_disk(shop):
    is_new(shop)
    before = everything(shop.here)
    done, copy = update_on_a_disk(shop, "size=8m", read_only=True)
    assert done.returncode == 0, done.stderr
    assert everything(copy) == before


def test_an_update_of_a_read_only_disk_leaves_the_old_version_whole(shop):
    before = everything(shop.here)
    done, copy = update_on_a_disk(shop, "size=8m", read_only=True)
    assert done.returncode == 1, done.stderr
    assert "Read-only file system" in done.stderr, done.stderr
    assert everything(copy) == before


def test_an_update_that_may_write_no_large_file_leaves_the_old_version_whole(shop):
    """The new library is in the cache already; 500,000 bytes of it can be written, then no more."""
    other = shop.folder / "other"
    assert shop.run("fetch", "step-core", "8.0", "--to", other).returncode == 0
    shutil.rmtree(other)
    before = everything(shop.here)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    done = subprocess.run(
        [PROGRAM, "-c", shop.file, "update"], preexec_fn=limit, capture_output=True, text=True,
        check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr and "is as it was before" in done.stderr, done.stderr
    assert everything(shop.here) == before
    is_new(shop)


def own_file(here, outside):
    (here / "turn").write_bytes(b"my own")
    return "turn is no folder"


def own_folder(here, outside):
    (here / "lib/core-8.so/mine").mkdir(parents=True)
    return "lib/core-8.so is a folder"


def linked_folder(here, outside):
    shutil.rmtree(here / "bin")
    outside.mkdir()
    (here / "bin").symlink_to(outside)
    return "bin is a symbolic link"


@pytest.mark.parametrize("make", [own_file, own_folder, linked_folder])
def test_what_is_in_the_way_is_found_before_the_first_change(shop, make):
    sentence = make(shop.here, shop.folder / "outside")
    before = everything(shop.here)
    text = shop.fails(1, "fetch", "step-core", "--to", shop.here)
    assert sentence in text and "nothing was changed" in text
    assert everything(shop.here) == before
    if (shop.folder / "outside").exists():
        assert not list((shop.folder / "outside").iterdir())


@pytest.mark.parametrize("damage", [None, b"", b"run X", b"run 7 and more"])
def test_a_snapshot_tells_of_nothing_that_is_not_whole(shop, damage):
    path = shop.here / "bin/run"
    path.unlink() if damage is None else path.write_bytes(damage)
    start = shop.store.mark()
    done = shop.run("snapshot", "prod-1")
    assert (done.returncode, done.stdout) == (11, ""), done.stderr
    assert f"{path} is missing, or is not what step-core 7.0 has" in done.stderr
    assert shop.store.requests(start) == []
    assert not list(shop.folder.glob("state/outgoing/*"))


# What an update does to the folder, at least, before its journal is in place and from then on.
STAGING = {"openat", "fchmod", "fallocate", "write", "futimens", "fsync", "mkdirat"}
CHANGING = {"renameat2", "fsync", "unlinkat"}
SAMPLE = 12  # of the calls before the journal; after it, all


def begins(calls):
    """The index of the call by which the change begins."""
    return [it.path.endswith("/.spot.part.json") for it in calls].index(True)


def stops_everywhere(shop, stopper, *, how, after, spared=frozenset()):
    """Updates a copy of 7.0 again and again, stopped at another call each time, and calls AFTER
    with the process; returns what that returned. The new files are in the cache. SPARED are the
    calls that are not made for these versions."""
    other, copy = shop.folder / "other", shop.folder / "copy"
    assert shop.run("fetch", "step-core", "8.0", "--to", other).returncode == 0
    shutil.rmtree(other)
    shutil.copytree(shop.here, copy, symlinks=True)
    calls = calls_of(shop, stopper)
    switch = begins(calls)
    assert STAGING - {it.name for it in calls[:switch]} <= spared, calls
    assert CHANGING <= {it.name for it in calls[switch:]}, calls
    seen = []
    for number in choose(calls, switch, SAMPLE):
        shutil.rmtree(shop.here)
        shutil.copytree(copy, shop.here, symlinks=True)
        seen.append(after(number, stopped_at(shop, stopper, number, how(number))))
    return seen


def own(folder):
    return {path: text for path, text in tree(folder).items() if not path.startswith(".spot")}


def version_in(shop):
    """What is whole in the folder, and reported; nothing else is there."""
    shown = snapshot(shop)
    assert shown.returncode == 0, shown.stderr
    [version] = [it["version"] for it in json.loads(shown.stdout)["components"]]
    assert own(shop.here) == shop.versions[version]
    return version


def is_ended_without_a_server(shop, stopper, spared=frozenset()):
    offline = shop.folder / "offline.yaml"
    port = shop.file.read_text().split("127.0.0.1:")[1].split('"')[0].split("'")[0].split()[0]
    offline.write_text(shop.file.read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:1"))

    def after(number, done):
        assert done.returncode == -signal.SIGKILL, done.stderr
        shown = snapshot(shop)
        assert shown.returncode in (0, 11), shown.stderr
        again = common.run([PROGRAM, "-c", offline, "update"])
        assert again.returncode == 4, again.stderr
        version = version_in(shop)
        if shown.returncode == 0:  # it was true
            [told] = json.loads(shown.stdout)["components"]
            assert told["version"] in ("7.0", version)
        if number % 16 == 0:
            is_new(shop)
        return version

    seen = stops_everywhere(shop, stopper, how=lambda number: {}, after=after, spared=spared)
    assert set(seen) == {"7.0", "8.0"} and seen == sorted(seen), seen
    assert seen.count("8.0") > 8, seen


def test_killed_before_each_change_the_next_run_ends_it_without_a_server(shop, stopper):
    is_ended_without_a_server(shop, stopper)


def test_killed_before_each_change_of_many_files_the_next_run_ends_it(large_shop, stopper):
    is_ended_without_a_server(large_shop, stopper, spared={"fsync"})


def one_version_stays(shop, stopper, spared=frozenset()):
    def how(number):
        return {"STOP_WITH": str(int(errno.ENOSPC if number % 2 else errno.EIO))}

    def after(number, done):
        assert done.returncode in (0, 1), (number, done.stderr)
        version = version_in(shop)
        if done.returncode:
            told = ("is as it was before", "cannot open", "cannot lock")
            assert version == "7.0" and any(it in done.stderr for it in told), (number, done.stderr)
        if number % 16 == 0:
            is_new(shop)
        return version

    seen = stops_everywhere(shop, stopper, how=how, after=after, spared=spared)
    assert seen.count("7.0") > 8, seen


def test_a_step_that_fails_leaves_one_version_whole(shop, stopper):
    one_version_stays(shop, stopper)


def test_a_step_that_fails_among_many_files_leaves_one_version_whole(large_shop, stopper):
    one_version_stays(large_shop, stopper, spared={"fsync"})


def test_what_many_files_need_is_on_the_disk_before_the_name_that_counts(large_shop, stopper):
    """All bytes before the journal, all names before the catalogue."""
    calls = calls_of(large_shop, stopper)
    moves = {it.path: n for n, it in enumerate(calls) if it.name == "renameat2"}
    journal, catalogue = (
        moves[f"{large_shop.here}/{name}"] for name in (".spot.part.json", "catalogue.json")
    )
    before = [it.name for it in calls[:journal]]
    between = [it.name for it in calls[journal:catalogue]]
    assert {"write", "fallocate"} <= set(before)
    assert between.count("renameat2") > len(MANY_NEW), between
    if "syncfs" not in before:  # a file system that takes no batch
        assert min(before.count("fsync"), between.count("fsync")) > len(MANY_NEW)
        return
    assert before[-1] == between[-1] == "syncfs", calls
