"""Versions side by side, a link that is exchanged, and the way back."""

import errno
import json
import os
import shutil
import signal

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.stopper import calls_of, choose, library_that_stops, stopped_at

from test_spot_fetch import publish, tree
from test_spot_full_disk import NEW, OLD, own, publish_program

__all__ = ["library_that_stops"]  # a fixture

NEXT = {"bin/run": b"run 9"}


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """Version 7.0 in a folder, and 8.0 at the store."""
    stub = lab.stub()
    publish_program(stub.root, release, "7.0", OLD)
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1, layout="versions")
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    spot.current, spot.previous = spot.here / "current", spot.here / "previous"
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    publish_program(stub.root, release, "8.0", NEW)
    return spot


def update(spot):
    done = spot.run("update")
    assert done.returncode == 0, done.stderr
    return done


def shown(spot):
    done = spot.run("snapshot", "prod-1", "--dry-run")
    assert done.returncode == 0, done.stderr
    return [it["version"] for it in json.loads(done.stdout)["components"]]


def test_versions_lie_side_by_side_and_the_one_before_stays(shop, release):
    assert os.readlink(shop.current) == "7.0" and tree(shop.current) == OLD
    assert shown(shop) == ["7.0"]
    update(shop)
    assert os.readlink(shop.current) == "8.0" and tree(shop.current) == NEW
    assert os.readlink(shop.previous) == "7.0" and tree(shop.previous) == OLD
    assert shown(shop) == ["8.0"]
    publish(shop.store.root, release, "9.0", NEXT)
    (shop.here / "mine").write_bytes(b"my own")
    update(shop)
    assert sorted(path.name for path in shop.here.iterdir()) == [
        "8.0", "9.0", "current", "mine", "previous",
    ]  # fmt: skip
    assert tree(shop.current) == NEXT and tree(shop.previous) == NEW
    update(shop)
    assert os.readlink(shop.previous) == "8.0"


def test_a_rollback_goes_back_without_a_server_and_forward_again(shop):
    update(shop)
    start = shop.store.mark()
    done = shop.run("--json", "rollback", shop.here)
    assert json.loads(done.stdout) == {"folder": str(shop.here), "version": "7.0"}
    assert tree(shop.current) == OLD and tree(shop.previous) == NEW
    assert shown(shop) == ["7.0"]
    assert shop.run("rollback", shop.here).returncode == 0
    assert tree(shop.current) == NEW
    assert shop.store.requests(start) == []


def test_nothing_goes_back_to_what_is_not_whole_or_not_there(shop):
    assert "has no version but 7.0" in shop.fails(1, "rollback", shop.here)
    update(shop)
    (shop.previous / "bin/run").write_bytes(b"run X")
    assert "does not hold step-core 7.0 whole" in shop.fails(11, "rollback", shop.here)
    assert os.readlink(shop.current) == "8.0"
    assert "cannot open" in shop.fails(1, "rollback", shop.folder / "nowhere")
    assert "has no versions side by side" in shop.fails(1, "rollback", shop.folder)


def test_a_folder_that_was_filled_in_place_stays_so(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "7.0", OLD)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    here = spot.folder / "here"
    assert spot.run("fetch", "step-core", "--to", here).returncode == 0
    spot.file.write_text(spot.file.read_text() + "layout: versions\n")
    publish(stub.root, release, "8.0", NEW)
    assert "is installed in place, and stays so" in update(spot).stderr
    assert tree(here) == NEW and not (here / "current").exists()
    spot.file.write_text(spot.file.read_text().replace("layout: versions", "layout: sideways"))
    assert "`layout` must be in-place or versions" in spot.run("list").stderr


STAGING = {"openat", "fchmod", "fallocate", "write", "futimens", "fsync", "mkdirat", "renameat2"}
SAMPLE = 16  # of the calls before the links are changed; after that, all


def stops_everywhere(shop, stopper, how, after):
    """Updates from 7.0 again and again, stopped at another call each time, and calls AFTER with the
    process; returns which version was current then."""
    calls = calls_of(shop, stopper)
    switch = [it.path.endswith("/.spot.part.link") for it in calls].index(True)
    names = {it.name for it in calls[:switch]}
    assert STAGING <= names, names
    assert {"symlinkat", "renameat2", "fsync", "unlinkat"} <= {it.name for it in calls[switch:]}
    seen = []
    for number in choose(calls, switch, SAMPLE):
        common.run(["rm", "-rf", shop.here / "8.0", shop.previous, shop.current])
        shop.current.symlink_to("7.0")
        done = stopped_at(shop, stopper, number, how(number))
        [version] = shown(shop)
        assert os.readlink(shop.current) == version
        assert own(shop.current) == {"7.0": OLD, "8.0": NEW}[version]
        seen.append(version)
        after(number, done, version)
    return seen


def test_killed_before_each_step_there_is_one_version_or_the_other(shop, stopper):
    def after(number, done, version):
        assert done.returncode == -signal.SIGKILL, done.stderr
        if number % 4 == 0:
            ends(shop)

    seen = stops_everywhere(shop, stopper, lambda number: {}, after)
    assert set(seen) == {"7.0", "8.0"} and seen == sorted(seen), seen


def ends(shop):
    update(shop)
    assert tree(shop.current) == NEW
    assert sorted(path.name for path in shop.here.iterdir()) in (
        ["7.0", "8.0", "current", "previous"], ["7.0", "8.0", "current"],
    )  # fmt: skip


def test_a_step_that_fails_leaves_the_version_before_or_is_none_that_counts(shop, stopper):
    def how(number):
        return {"STOP_WITH": str(int(errno.ENOSPC if number % 2 else errno.EIO))}

    def after(number, done, version):
        assert done.returncode == {"7.0": 1, "8.0": 0}[version], (number, done.stderr)
        if number % 4 == 0:
            ends(shop)

    seen = stops_everywhere(shop, stopper, how, after)
    assert {"7.0", "8.0"} == set(seen) and seen.count("7.0") > 8, seen


def test_a_file_that_is_mended_in_the_current_version_is_ended_without_a_server(shop, stopper):
    """Killed once the journal is there; and no link leads the next run to another's folder."""
    offline = shop.folder / "offline.yaml"
    port = shop.file.read_text().split("127.0.0.1:")[1].split('"')[0].split("'")[0].split()[0]
    offline.write_text(shop.file.read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:1"))
    update(shop)
    (shop.current / "bin/run").unlink()
    number = 1
    while not (shop.current / ".spot.part.json").exists():
        assert stopped_at(shop, stopper, number).returncode == -signal.SIGKILL
        number += 1
    cut = shop.folder / "cut"
    shutil.copytree(shop.current, cut, symlinks=True)
    mine = shop.folder / "mine"
    mine.mkdir()
    (mine / "current").symlink_to(cut)
    assert common.run([PROGRAM, "-c", offline, "fetch", "step-core", "--to", mine]).returncode == 4
    assert (cut / ".spot.part.json").exists() and not (cut / "bin/run").exists()
    assert common.run([PROGRAM, "-c", offline, "update"]).returncode == 4
    assert own(shop.current) == NEW and not (shop.current / ".spot.part.json").exists()
