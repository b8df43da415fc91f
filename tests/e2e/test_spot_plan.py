"""spot plan: what an update would do, told by the update itself, and nothing is changed."""

import json
import os
import shutil

import pytest
from mirrorgate_test.stopper import library_that_stops, stopped_at

from test_spot_fetch import publish, tree
from test_spot_full_disk import update_on_a_disk
from test_spot_withdrawn import index

__all__ = ["library_that_stops"]  # a fixture

OLD = {"lib/core.so": b"7" * 300_000, "bin/run": b"run 7", "etc/core.conf": b"a=1", "gone": b"old"}
NEW = {"lib/core.so": b"8" * 600_000, "bin/run": b"run 7", "etc/core.conf": b"a=2", "new": b"new"}


def make_shop(lab, release, **keys):
    stub = lab.stub()
    publish(stub.root, release, "7.0", OLD)
    index(stub.root, release, "--expires-in", "20d")
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1, **keys)
    spot.store, spot.here = stub, spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    publish(stub.root, release, "8.0", NEW)
    index(stub.root, release, "--expires-in", "20d")
    return spot


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """Version 7.0 in a folder, and 8.0 at the store."""
    return make_shop(lab, release)


def state(folder):
    """All below FOLDER: what it is, when it was changed last, and what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        st = path.lstat()
        text = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        found[str(path)] = (st.st_mode, st.st_ino, st.st_mtime_ns, st.st_ctime_ns, text)
    return found


def planned(spot, *arguments, code=0):
    """The plan of the only folder, after which all is as it was before."""
    before = state(spot.folder)
    start = spot.store.mark()
    done = spot.run("--json", "plan", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert state(spot.folder) == before
    asked = [it["path"] for it in spot.store.requests(start)]
    assert not [path for path in asked if not path.endswith((".json", ".p7s"))], asked
    report = json.loads(done.stdout)
    assert report.get("exit_code", 0) == code
    [plan] = report["planned"]
    assert plan["product"] == "step-core"
    return plan


def count(*contents):
    return {"files": len(contents), "bytes": sum(map(len, contents))}


def test_a_plan_tells_what_the_update_then_does_and_changes_nothing(shop):
    plan = planned(shop)
    assert (plan["from"], plan["to"], plan["complete"]) == ("7.0", "8.0", False)
    assert plan["load"] == count(NEW["lib/core.so"], NEW["etc/core.conf"], NEW["new"])
    assert plan["from_cache"] == count()
    assert plan["keep"] == count(NEW["bin/run"])
    assert plan["remove"] == count(OLD["gone"])
    assert plan["edited"] == plan["obstacles"] == []
    [disk] = plan["room"]
    assert 2 * 600_000 <= disk["needed_bytes"] < 2 * 700_000 < disk["free_bytes"]
    done = shop.run("--json", "update")
    [updated] = json.loads(done.stdout)["updated"]
    assert updated["downloaded"] == plan["load"]["files"]
    assert updated["downloaded_bytes"] == plan["load"]["bytes"]
    assert updated["removed"] == plan["remove"]["files"]
    assert updated["kept"] == plan["keep"]["files"]
    assert tree(shop.here) == NEW


def test_what_the_cache_has_and_what_is_half_there_is_not_loaded(shop):
    other = shop.folder / "other"
    assert shop.run("fetch", "step-core", "8.0", "--to", other).returncode == 0
    shutil.rmtree(other)
    plan = planned(shop)
    assert plan["load"] == count()
    assert plan["from_cache"] == count(NEW["lib/core.so"], NEW["etc/core.conf"], NEW["new"])
    [damaged] = [
        it for it in shop.folder.glob("cache/sha256/*/*") if it.read_bytes() == NEW["lib/core.so"]
    ]
    damaged.write_bytes(b"9" * 600_000)
    assert planned(shop)["load"] == count(NEW["lib/core.so"])
    assert damaged.exists()


def test_edited_files_are_named_and_then_kept(shop):
    (shop.here / "etc/core.conf").write_bytes(b"a=mine")
    (shop.here / "gone").write_bytes(b"mine")
    (shop.here / "new").write_bytes(b"my own")
    (shop.here / "note").write_bytes(b"nobody's")
    plan = planned(shop)
    assert sorted(plan["edited"]) == ["etc/core.conf", "gone", "new"]
    assert plan["remove"] == count()
    assert shop.run("update").returncode == 0
    here = set(tree(shop.here).values())
    assert {b"a=mine", b"mine", b"my own", b"nobody's"} <= here


def test_edited_configuration_is_named_and_stays(shop, release):
    for version, files in (("7.0", OLD), ("8.0", NEW)):
        publish(shop.store.root, release, version, files, "--config-files", "etc/*")
    index(shop.store.root, release, "--expires-in", "20d")
    assert shop.run("fetch", "step-core", "7.0", "--to", shop.folder / "there").returncode == 0
    conf = shop.folder / "there/etc/core.conf"
    conf.write_bytes(b"a=mine")
    for to in ("7.0", "8.0"):
        before = state(shop.folder)
        plan = json.loads(
            shop.run("--json", "plan", "step-core", to, "--to", conf.parents[1]).stdout
        )["planned"][0]
        assert (plan["edited"], plan["complete"]) == (["etc/core.conf"], to == "7.0")
        assert state(shop.folder) == before
    assert shop.run("fetch", "step-core", "--to", conf.parents[1]).returncode == 0
    assert conf.read_bytes() == b"a=mine"
    assert conf.with_name("core.conf.new").read_bytes() == NEW["etc/core.conf"]


def test_after_the_update_nothing_is_planned(shop):
    assert shop.run("update").returncode == 0
    plan = planned(shop)
    assert (plan["from"], plan["to"], plan["complete"]) == ("8.0", "8.0", True)
    assert plan["keep"] == count(*NEW.values())
    assert plan["load"] == plan["from_cache"] == plan["remove"] == count()
    done = shop.run("plan")
    assert f"{shop.here}: step-core 8.0 -> 8.0, and all is there\n" in done.stdout


def test_a_fetch_into_a_folder_that_is_not_there_is_planned_and_the_folder_not_made(shop):
    there = shop.folder / "there"
    plan = planned(shop, "step-core", "--to", there)
    assert (plan["from"], plan["to"]) == (None, "8.0")
    assert plan["from_cache"] == count(NEW["bin/run"])
    assert not there.exists()
    assert planned(shop, "step-core", "7.0", "--to", there)["load"] == count()
    assert "cannot open" in shop.run("plan", "step-core", "--to", there / "below").stderr
    before = state(shop.folder)
    assert shop.fails(1, "fetch", "step-core", "--to", there / "below").startswith("cannot open")
    assert state(shop.folder).keys() == before.keys()


def test_a_machine_that_has_nothing_yet_has_no_cache_after_a_plan(lab, shop, release):
    fresh = lab.spot(lab.gateway(shop.store), release=str(release), tries=1)
    fresh.store = shop.store
    assert planned(fresh, "step-core", "--to", fresh.folder / "here")["load"] == count(*NEW.values())
    assert not (fresh.folder / "cache").exists()


def test_a_version_that_is_named_is_planned_where_the_product_is(shop):
    assert shop.run("update").returncode == 0
    plan = planned(shop, "step-core", "7.0")
    assert (plan["from"], plan["to"]) == ("8.0", "7.0")
    assert shop.fails(1, "plan", "step-plus") == "step-plus is not installed here"
    assert shop.run("--json", "plan", "step-core", "6.0").returncode == 8
    assert shop.run("plan", "--to", shop.here).returncode == 2


def test_every_obstacle_is_named_with_the_exit_code_of_the_update(shop):
    shutil.rmtree(shop.here / "lib")
    (shop.here / "lib").write_bytes(b"my own")
    (shop.here / "new").mkdir()
    (shop.here / "new/mine").write_bytes(b"mine")
    plan = planned(shop, code=1)
    sentences = sorted(it.split(": ")[0] for it in plan["obstacles"])
    assert sentences == ["cannot write lib/core.so", "cannot write new"]
    before = state(shop.here)
    assert shop.run("update").returncode == 1
    assert state(shop.here).keys() == before.keys()
    text = shop.run("plan")
    assert text.returncode == 1 and text.stdout.count("obstacle") == 2, text.stdout
    assert "cannot write lib/core.so" in text.stderr


@pytest.mark.parametrize(
    ("options", "read_only", "sentence"),
    [
        ("size=500k", False, "No space left on device"),
        ("size=8m,nr_inodes=16", False, "files and folders more"),
        ("size=8m", True, "Read-only file system"),
    ],
)
def test_a_disk_that_would_refuse_the_update_is_an_obstacle(shop, options, read_only, sentence):
    done, _ = update_on_a_disk(shop, options, read_only, ["--json", "plan"])
    assert done.returncode == 1, done.stdout + done.stderr
    report = json.loads(done.stdout)
    [obstacle] = report["planned"][0]["obstacles"]
    assert sentence in obstacle and report["detail"] == obstacle


def test_who_may_only_read_gets_a_plan_of_what_is_complete(shop):
    assert shop.run("update").returncode == 0
    done, _ = update_on_a_disk(shop, "size=8m", True, ["--json", "plan"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["planned"][0]["complete"]


def test_versions_side_by_side_are_planned_with_the_one_that_goes(lab, release):
    spot = make_shop(lab, release, layout="versions")
    plan = planned(spot)
    assert (plan["from"], plan["to"]) == ("7.0", "8.0")
    assert plan["load"] == count(NEW["lib/core.so"], NEW["etc/core.conf"], NEW["new"])
    assert plan["from_cache"] == count(NEW["bin/run"])
    assert plan["remove"] == plan["keep"] == count()
    assert spot.run("update").returncode == 0
    publish(spot.store.root, release, "9.0", NEW)
    index(spot.store.root, release, "--expires-in", "20d")
    plan = planned(spot)
    assert (plan["from"], plan["to"]) == ("8.0", "9.0")
    assert plan["remove"] == count(*OLD.values())
    assert spot.run("update").returncode == 0
    assert sorted(os.listdir(spot.here)) == ["8.0", "9.0", "current", "previous"]
    assert planned(spot)["complete"]


def test_a_withdrawn_version_is_planned_to_stay(shop, release):
    assert shop.run("update").returncode == 0
    shutil.rmtree(shop.store.root / "artifacts/step-core/8.0")
    index(shop.store.root, release, "--expires-in", "20d")
    plan = planned(shop)
    assert (plan["to"], plan["withdrawn"], plan["complete"]) == ("8.0", True, True)


def test_no_older_index_is_believed_by_a_plan(shop):
    assert shop.run("update").returncode == 0
    folder = shop.store.root / "artifacts/step-core"
    memory = shop.folder / "cache/seen/step-core"
    newer = json.loads(memory.read_text())
    newer["serial"] += 5
    memory.write_text(json.dumps(newer, separators=(",", ":")) + "\n")
    before = state(shop.folder)
    done = shop.run("--json", "plan")
    assert done.returncode == 10, done.stdout + done.stderr
    assert "it is behind" in json.loads(done.stdout)["detail"]
    assert state(shop.folder) == before and folder.exists()


def test_without_a_server_there_is_no_plan(shop):
    shop.store.stop()
    assert shop.run("plan").returncode == 4


def test_a_change_that_was_cut_is_told_of_and_left_to_the_update(shop, stopper):
    number = 1
    while not (shop.here / ".spot.part.json").exists():
        assert stopped_at(shop, stopper, number).returncode < 0
        number += 5
    plan = planned(shop)
    assert (plan["from"], plan["cut"], plan["to"]) == ("7.0", "8.0", "8.0")
    assert not plan["complete"] and plan["obstacles"] == []
    assert shop.run("update").returncode == 0
    assert tree(shop.here) == NEW
    assert planned(shop)["cut"] is None
