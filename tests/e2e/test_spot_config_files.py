"""Configuration: what a customer edited stays, and what the release has is put beside it."""

import json
import os
import shutil
import signal

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.stopper import library_that_stops

from test_spot_catalogue import check, make, refused, sign_anew
from test_spot_fetch import BASE, publish, tree
from test_spot_full_disk import everything, own, stops_everywhere

__all__ = ["library_that_stops"]  # a fixture

MARK = ("--config-files", "etc/**")
OLD = {"bin/run": b"run 7", "etc/app.conf": b"port 7", "etc/log.conf": b"quiet"}
NEW = {"bin/run": b"run 8", "etc/app.conf": b"port 8", "etc/log.conf": b"quiet"}
MINE = b"port 7777"
SPARED = {"mkdirat"}  # no folder is new


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """7.0 in a folder, and 8.0 at the store."""
    stub = lab.stub()
    publish(stub.root, release, "7.0", OLD, *MARK)
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    publish(stub.root, release, "8.0", NEW, *MARK)
    return spot


def update(spot):
    """The result in JSON, and what was said."""
    done = spot.run("--json", "update")
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)["updated"]
    return result, done.stderr


def test_what_was_edited_stays_and_the_new_one_is_put_beside_it(shop):
    (shop.here / "etc/app.conf").write_bytes(MINE)
    (shop.here / "etc/app.conf").chmod(0o600)
    result, said = update(shop)
    assert tree(shop.here) == NEW | {"etc/app.conf": MINE, "etc/app.conf.new": b"port 8"}
    assert result["beside"] == ["etc/app.conf.new"] and result["version"] == "8.0"
    assert "etc/app.conf was changed here, and stays: what 8.0 has is beside it, as" in said
    assert (shop.here / "etc/app.conf.new").stat().st_mode & 0o777 == 0o600


def test_what_was_not_edited_is_replaced(shop):
    result, said = update(shop)
    assert tree(shop.here) == NEW and result["beside"] == [] and "changed here" not in said


def test_what_was_edited_and_the_release_did_not_change_stays_without_a_word(shop):
    (shop.here / "etc/log.conf").write_bytes(b"loud")
    result, said = update(shop)
    assert tree(shop.here) == NEW | {"etc/log.conf": b"loud"}
    assert result["beside"] == [] and "changed here" not in said and "log.conf" not in said


def test_what_was_edited_is_whole_reported_and_can_be_fetched_again(shop):
    """A folder with edited configuration is the version: it is complete, and nothing is written."""
    (shop.here / "etc/app.conf").write_bytes(MINE)
    update(shop)
    before = everything(shop.here)
    result, said = update(shop)
    assert (result["kept"], result["beside"]) == (3, []) and "changed here" not in said
    assert everything(shop.here) == before
    shown = shop.run("snapshot", "prod-1", "--dry-run")
    assert json.loads(shown.stdout)["components"][0]["version"] == "8.0", shown.stderr
    done = check(shop.here, shop.release)
    assert done.returncode == 10 and "etc/app.conf is configuration, and was edited" in done.stderr
    (shop.here / "etc/app.conf").unlink()
    assert shop.run("snapshot", "prod-1", "--dry-run").returncode == 11
    update(shop)
    assert (shop.here / "etc/app.conf").read_bytes() == b"port 8"


def test_the_next_release_replaces_the_one_beside_unless_that_was_edited_too(shop):
    (shop.here / "etc/app.conf").write_bytes(MINE)
    update(shop)
    publish(shop.store.root, shop.release, "9.0", NEW | {"etc/app.conf": b"port 9"}, *MARK)
    update(shop)
    assert own(shop.here)["etc/app.conf.new"] == b"port 9"
    (shop.here / "etc/app.conf.new").write_bytes(b"half merged")
    publish(shop.store.root, shop.release, "10.0", NEW | {"etc/app.conf": b"port 10"}, *MARK)
    _, said = update(shop)
    assert own(shop.here) == NEW | {
        "etc/app.conf": MINE, "etc/app.conf.new": b"port 10", "etc/app.conf.new.orig": b"half merged",
    }  # fmt: skip
    assert "etc/app.conf.new was changed here, and is kept as app.conf.new.orig" in said


def test_a_removed_one_stays_when_it_was_edited(shop):
    (shop.here / "etc/app.conf").write_bytes(MINE)
    publish(shop.store.root, shop.release, "9.0", {"bin/run": b"run 9"})
    _, said = update(shop)
    assert tree(shop.here) == {"bin/run": b"run 9", "etc/app.conf": MINE}
    assert "etc/app.conf is left alone: 7.0 had it, 9.0 has not" in said


def test_a_link_in_its_place_and_what_was_there_before_any_version_stay_too(shop, release):
    (shop.here / "etc/app.conf").unlink()
    (shop.here / "etc/app.conf").symlink_to("../../own.conf")
    update(shop)
    assert os.readlink(shop.here / "etc/app.conf") == "../../own.conf"
    assert (shop.here / "etc/app.conf.new").read_bytes() == b"port 8"
    other = shop.folder / "other"
    (other / "etc").mkdir(parents=True)
    (other / "etc/app.conf").write_bytes(MINE)
    assert shop.run("fetch", "step-core", "--to", other).returncode == 0
    assert tree(other) == NEW | {"etc/app.conf": MINE, "etc/app.conf.new": b"port 8"}


def test_a_folder_in_its_place_or_beside_it_is_found_before_the_first_change(shop):
    (shop.here / "etc/app.conf").write_bytes(MINE)
    (shop.here / "etc/app.conf.new").mkdir()
    before = everything(shop.here)
    done = shop.run("update")
    assert done.returncode == 1 and "etc/app.conf.new is a folder; nothing was changed" in done.stderr
    assert everything(shop.here) == before


def test_what_the_new_version_no_longer_marks_is_moved_aside_as_any_file(shop):
    (shop.here / "etc/app.conf").write_bytes(MINE)
    publish(shop.store.root, shop.release, "9.0", NEW | {"etc/app.conf": b"port 9"})
    update(shop)
    assert tree(shop.here)["etc/app.conf"] == b"port 9"
    assert tree(shop.here)["etc/app.conf.orig"] == MINE


def edit(spot):
    """Edited in 7.0, with one beside it that a release before that brought."""
    (spot.here / "etc/app.conf").write_bytes(MINE)
    (spot.here / "etc/app.conf.new").write_bytes(b"port 7")


EDITED = {
    "7.0": OLD | {"etc/app.conf": MINE, "etc/app.conf.new": b"port 7"},
    "8.0": NEW | {"etc/app.conf": MINE, "etc/app.conf.new": b"port 8"},
}


def version_in(spot):
    shown = spot.run("snapshot", "prod-1", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    [version] = [it["version"] for it in json.loads(shown.stdout)["components"]]
    assert own(spot.here) == EDITED[version]
    return version


def test_killed_before_each_change_what_was_edited_stays(shop, stopper):
    edit(shop)
    offline = shop.folder / "offline.yaml"
    port = shop.file.read_text().split("127.0.0.1:")[1].split('"')[0].split("'")[0].split()[0]
    offline.write_text(shop.file.read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:1"))

    def after(number, done):
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert (shop.here / "etc/app.conf").read_bytes() == MINE
        again = common.run([PROGRAM, "-c", offline, "update"])
        assert again.returncode == 4, again.stderr
        return version_in(shop)

    seen = stops_everywhere(shop, stopper, how=lambda number: {}, after=after, spared=SPARED)
    assert set(seen) == {"7.0", "8.0"} and seen == sorted(seen), seen


def test_a_step_that_fails_leaves_what_was_edited_and_the_version_before(shop, stopper):
    edit(shop)

    def after(number, done):
        assert done.returncode in (0, 1), (number, done.stderr)
        version = version_in(shop)
        assert done.returncode == 0 or version == "7.0", (number, done.stderr)
        return version

    full = {"STOP_WITH": "28"}
    seen = stops_everywhere(shop, stopper, how=lambda number: full, after=after, spared=SPARED)
    assert "7.0" in seen


def test_a_mirror_carries_the_mark_on(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "7.0", OLD, *MARK)
    done = common.run(
        [PROGRAM, "catalogue", "index", stub.root / BASE, "--product", "step-core", "--expires",
         "2999-12-31", "--sign", release],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    done = spot.run("mirror", spot.folder / "mirror", "step-core", "--verify")
    assert done.returncode == 0, done.stderr
    version = spot.folder / "mirror" / BASE / "7.0"
    assert marked(version) == ["etc/app.conf", "etc/log.conf"]
    assert check(version, release).returncode == 0


# --- making and reading catalogues


def marked(folder):
    files = json.loads((folder / "catalogue.json").read_text())["files"]
    return [it["path"] for it in files if it.get("config")]


@pytest.mark.parametrize(
    ("patterns", "which"),
    [
        (["etc/**"], ["etc/a.conf", "etc/d/b.conf"]),
        (["etc/*"], ["etc/a.conf"]),
        (["*/*.conf", "c.ini"], ["c.ini", "etc/a.conf"]),
        (["**"], ["bin/run", "c.ini", "etc/a.conf", "etc/d/b.conf"]),
        (["*/d/**"], ["etc/d/b.conf"]),
        (["etc/[a-b].conf"], ["etc/a.conf"]),
    ],
)
def test_a_pattern_marks_files(tmp_path, release, patterns, which):
    for name in ("etc/a.conf", "etc/d/b.conf", "c.ini", "bin/run"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    done = make(tmp_path, release, *(word for it in patterns for word in ("--config-files", it)))
    assert done.returncode == 0, done.stderr
    assert marked(tmp_path) == which and check(tmp_path, release).returncode == 0


@pytest.mark.parametrize(
    ("pattern", "name", "code", "sentence"),
    [
        ("ect/**", "etc/a", 2, "--config-files ect/**: no file of the version is that"),
        ("**", "etc/a", 10, "names etc/a.new: another file has that name"),
        ("l*", "l" * 252, 10, ".new has too long a name"),
    ],
)
def test_a_pattern_that_cannot_be_right_makes_no_catalogue(
    tmp_path, release, pattern, name, code, sentence
):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for each in (name, "etc/a.new") if name == "etc/a" else (name,):
        (tmp_path / each).write_bytes(b"")
    done = make(tmp_path, release, "--config-files", pattern)
    assert done.returncode == code and sentence in done.stderr, done.stderr
    assert not (tmp_path / "catalogue.json").exists()


def test_more_patterns_than_there_may_be_are_refused(tmp_path, release):
    done = make(tmp_path, release, *["--config-files", "*"] * 65)
    assert done.returncode == 2 and "more than 64 times" in done.stderr


@pytest.mark.parametrize(
    ("mark", "defect"),
    [
        ('"config":false', "is not in the one form that a catalogue has"),
        ('"config":1', "is not in the one form that a catalogue has"),
        ('"config":true,"executable":true', "is not in the one form that a catalogue has"),
    ],
)
def test_a_mark_has_one_spelling(tmp_path, release, mark, defect):
    (tmp_path / "a").write_bytes(b"")
    make(tmp_path, release, "--config-files", "a")
    text = (tmp_path / "catalogue.json").read_text()
    assert '"config":true' in text
    (tmp_path / "catalogue.json").write_text(text.replace('"config":true', mark))
    sign_anew(tmp_path, release)
    assert defect in refused(tmp_path, release)


def test_a_signed_catalogue_whose_files_stand_in_each_others_way_changes_nothing(shop):
    """The vendor's tool makes no such one; whoever has the key could."""
    before = everything(shop.here)
    folder = shop.store.root / BASE / "9.0"
    publish(shop.store.root, shop.release, "9.0", NEW | {"etc/log.conf.new": b""})
    text = (folder / "catalogue.json").read_text().replace("catalogue/1", "catalogue/2")
    lines = [
        line.replace("}", ',"mtime":1' + (',"config":true' if "log.conf\"" in line else "") + "}", 1)
        if line.startswith('{"path"') else line
        for line in text.split("\n")
    ]  # fmt: skip
    (folder / "catalogue.json").write_text("\n".join(lines))
    sign_anew(folder, shop.release)
    for name in ("catalogue.json", "catalogue.json.p7s"):
        shutil.copy(folder / name, shop.store.root / BASE)
    done = shop.run("update")
    assert done.returncode == 10 and "names etc/log.conf.new" in done.stderr, done.stderr
    assert everything(shop.here) == before
