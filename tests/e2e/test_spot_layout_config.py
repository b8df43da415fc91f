"""Versions side by side: what a customer edited is in the next one, too; what was cut goes."""

import json
import os
import signal

import pytest
from mirrorgate_test import common
from mirrorgate_test.stopper import calls_of, choose, library_that_stops, stopped_at

from test_spot_config_files import MARK, MINE, NEW, OLD, update
from test_spot_fetch import publish, tree

__all__ = ["library_that_stops"]  # a fixture

CONF = "etc/app.conf"


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """7.0 in a folder with versions side by side, and 8.0 at the store."""
    stub = lab.stub()
    publish(stub.root, release, "7.0", OLD, *MARK)
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1, layout="versions")
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    spot.current, spot.previous = spot.here / "current", spot.here / "previous"
    spot.publish = lambda version, files: publish(stub.root, release, version, files, *MARK)
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    spot.publish("8.0", NEW)
    return spot


def edit(spot, content=MINE):
    (spot.current / CONF).write_bytes(content)


def test_what_was_edited_is_in_the_next_version_with_the_new_one_beside_it(shop):
    edit(shop)
    (shop.current / CONF).chmod(0o640)
    os.utime(shop.current / CONF, (1_000_000_000, 1_000_000_000))
    result, said = update(shop)
    assert os.readlink(shop.current) == "8.0" and result["beside"] == [CONF + ".new"]
    assert tree(shop.current) == NEW | {CONF: MINE, CONF + ".new": b"port 8"}
    there = (shop.current / CONF).stat()
    assert (there.st_mode & 0o777, there.st_mtime) == (0o640, 1_000_000_000)
    assert f"7.0/{CONF} was changed here, and is carried over to {shop.here}/8.0" in said
    assert "what 8.0 has is beside it, as etc/app.conf.new" in said
    assert tree(shop.previous) == OLD | {CONF: MINE}
    result, said = update(shop)
    assert (result["kept"], result["beside"]) == (3, []) and "changed here" not in said
    shown = shop.run("snapshot", "prod-1", "--dry-run")
    assert json.loads(shown.stdout)["components"][0]["version"] == "8.0", shown.stderr


def test_what_the_release_did_not_change_is_carried_over_with_nothing_beside_it(shop):
    (shop.current / "etc/log.conf").write_bytes(b"loud")
    result, _ = update(shop)
    assert tree(shop.current) == NEW | {"etc/log.conf": b"loud"} and result["beside"] == []


def test_what_was_not_edited_is_the_new_versions(shop):
    _, said = update(shop)
    assert tree(shop.current) == NEW and "changed here" not in said


def test_a_link_in_its_place_is_carried_over(shop):
    (shop.current / CONF).unlink()
    (shop.current / CONF).symlink_to("/etc/own.conf")
    update(shop)
    assert os.readlink(shop.current / CONF) == "/etc/own.conf"


def test_a_rollback_finds_the_configuration_as_it_was_and_goes_forward_again(shop):
    edit(shop)
    update(shop)
    edit(shop, b"port 8888")
    assert shop.run("rollback", shop.here).returncode == 0
    assert tree(shop.current) == OLD | {CONF: MINE}
    assert shop.run("rollback", shop.here).returncode == 0
    assert tree(shop.current)[CONF] == b"port 8888"


def test_an_update_after_a_rollback_brings_what_was_edited_since_and_loses_nothing(shop):
    edit(shop)
    update(shop)
    edit(shop, b"port 8888")
    assert shop.run("rollback", shop.here).returncode == 0
    edit(shop, b"port 9999")
    _, said = update(shop)
    assert tree(shop.current) == NEW | {
        CONF: b"port 9999", CONF + ".orig": b"port 8888", CONF + ".new": b"port 8",
    }  # fmt: skip
    assert "was changed, too, and is kept as app.conf.orig" in said


def test_a_plan_tells_of_it_and_of_what_stays_behind(shop):
    edit(shop)
    (shop.current / "bin/run").write_bytes(b"run X")
    done = shop.run("--json", "plan")
    [plan] = json.loads(done.stdout)["planned"]
    assert sorted(plan["edited"]) == ["bin/run", CONF], plan
    assert not (shop.here / "8.0").exists()
    _, said = update(shop)
    assert "7.0/bin/run was changed here, and stays there: it is no configuration of 8.0" in said
    assert (shop.current / "bin/run").read_bytes() == b"run 8"
    assert (shop.previous / "bin/run").read_bytes() == b"run X"


def test_permissions_that_somebody_changed_are_in_the_next_version(shop):
    (shop.current / "bin/run").chmod(0o600)
    update(shop)
    assert (shop.current / "bin/run").read_bytes() == b"run 8"
    assert (shop.current / "bin/run").stat().st_mode & 0o777 == 0o600


def test_old_versions_go_with_what_the_current_one_has_as_well(shop):
    edit(shop)
    update(shop)
    shop.publish("9.0", NEW | {CONF: b"port 9"})
    update(shop)
    assert sorted(it.name for it in shop.here.iterdir()) == ["8.0", "9.0", "current", "previous"]
    edit(shop, b"port 9999")
    shop.publish("10.0", NEW | {CONF: b"port 10"})
    update(shop)
    edit(shop, b"port 10000")
    shop.publish("11.0", NEW | {CONF: b"port 11"})
    _, said = update(shop)
    assert tree(shop.here / "9.0") == {CONF: b"port 9999"}
    assert f"{shop.here}/9.0 is left alone" in said


def test_what_cannot_be_carried_over_leaves_the_version_before(shop):
    edit(shop)
    (shop.here / "8.0").mkdir()
    (shop.here / "8.0/etc").write_bytes(b"my own")
    text = shop.fails(1, "fetch", "step-core", "--to", shop.here)
    assert f"cannot carry over {shop.here}/7.0/{CONF} to {shop.here}/8.0: Not a directory" in text
    assert os.readlink(shop.current) == "7.0" and (shop.here / "8.0/etc").read_bytes() == b"my own"
    assert tree(shop.current) == OLD | {CONF: MINE}


def test_a_folder_of_somebody_in_its_place_is_kept_under_another_name(shop):
    edit(shop)
    (shop.here / "8.0" / CONF).mkdir(parents=True)
    (shop.here / "8.0" / CONF / "mine").write_bytes(b"my own")
    _, said = update(shop)
    assert "was changed, too, and is kept as app.conf.orig" in said
    assert tree(shop.current)[CONF + ".orig/mine"] == b"my own" and tree(shop.current)[CONF] == MINE


def test_a_version_that_was_cut_and_is_no_longer_wanted_goes(shop, stopper):
    """8.0 is cut while it is staged; then there is 9.0."""
    number = 1
    while not list(shop.here.glob("8.0/.spot.part/*")):
        stopped_at(shop, stopper, number)
        number += 1
        assert number < 100
    shop.publish("9.0", NEW)
    update(shop)
    assert sorted(it.name for it in shop.here.iterdir()) == ["7.0", "9.0", "current", "previous"]


@pytest.mark.parametrize("edited", [False, True])
def test_a_version_that_fails_leaves_no_empty_folder_and_no_copy(shop, edited):
    if edited:
        edit(shop)
    for path in shop.store.root.rglob("8.0/bin/run"):
        path.unlink()
    assert shop.run("update").returncode == 8
    assert sorted(it.name for it in shop.here.iterdir()) == ["7.0", "current"]
    assert tree(shop.current) == OLD | ({CONF: MINE} if edited else {})


def test_killed_at_any_step_what_was_edited_is_in_the_version_that_is_current(shop, stopper):
    edit(shop)
    want = {
        "7.0": OLD | {CONF: MINE},
        "8.0": NEW | {CONF: MINE, CONF + ".new": b"port 8"},
    }
    calls = calls_of(shop, stopper)
    first = [it.path.endswith("/.spot.part.copy") for it in calls].index(True)
    last = [it.path.endswith("/.spot.part.json") for it in calls].index(True)
    switch = [it.path.endswith("/.spot.part.link") for it in calls].index(True)
    seen = []
    for number in sorted({*choose(calls[:last], first, 1), *choose(calls, switch, 8)}):
        common.run(["rm", "-rf", shop.current, shop.previous, shop.here / "8.0"])
        shop.current.symlink_to("7.0")
        done = stopped_at(shop, stopper, number)
        assert done.returncode == -signal.SIGKILL, done.stderr
        version = os.readlink(shop.current)
        seen.append(version)
        assert tree(shop.current) == want[version], number
        if number % 4 == 0:  # the next run ends it
            update(shop)
            assert tree(shop.current) == want["8.0"]
    assert set(seen) == {"7.0", "8.0"} and seen == sorted(seen), seen
