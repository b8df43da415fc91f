"""Whose the files of an installation are, and who may do what with them."""

import os
import shutil
import stat
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM

from test_spot_fetch import BASE, publish
from test_spot_full_disk import everything

FILES = {"bin/run": b"run", "doc/a": b"a"}
ALL = ["bin", "bin/run", "catalogue.json", "catalogue.json.p7s", "doc", "doc/a", "log"]


def release_of(root, release, version, extra=()):
    """VERSION with an executable, an empty folder and a link."""
    folder = root / BASE / version
    publish(root, release, version, {**FILES, **dict(extra)}, newest=False)
    (folder / "bin/run").chmod(0o755)
    (folder / "log").mkdir()
    (folder / "start").symlink_to("bin/run")
    publish(root, release, version, {})


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    stub = lab.stub()
    release_of(stub.root, release, "7.0")
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    return spot


def run(spot, *arguments, umask=0o022):
    return subprocess.run(
        [PROGRAM, "-c", spot.file, *arguments], umask=umask, capture_output=True, text=True,
        check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip


def fetch(spot, *more, umask=0o022):
    done = run(spot, "fetch", "step-core", "--to", spot.here, *more, umask=umask)
    assert done.returncode == 0, done.stderr


def modes(here):
    return {name: stat.S_IMODE((here / name).stat().st_mode) for name in [".", *ALL]}


def expected(file, folder, executable):
    found = dict.fromkeys([".", *ALL], file)
    return found | dict.fromkeys([".", "bin", "doc", "log"], folder) | {"bin/run": executable}


@pytest.mark.parametrize(
    ("umask", "mode", "file", "folder"),
    [
        (0o022, None, 0o644, 0o755),
        (0o077, None, 0o600, 0o700),
        (0o002, None, 0o644, 0o755),
        (0o077, "0644", 0o644, 0o755),
        (0o022, "660", 0o660, 0o770),
        (0o077, "0640", 0o640, 0o750),
        (0o000, "0600", 0o600, 0o700),
    ],
)
def test_permissions_are_those_of_the_umask_or_those_that_are_given(shop, umask, mode, file, folder):
    fetch(shop, *(["--mode", mode] if mode else []), umask=umask)
    assert modes(shop.here) == expected(file, folder, folder)


@pytest.mark.parametrize("layout", ["in-place", "versions"])
def test_the_configuration_says_it_too_and_the_command_line_counts_more(shop, layout):
    shop.file.write_text(shop.file.read_text() + f'\nmode: "0640"\nlayout: {layout}\n')
    content = shop.here / "current" if layout == "versions" else shop.here
    fetch(shop, umask=0o077)
    assert modes(content) == expected(0o640, 0o750, 0o750)
    assert stat.S_IMODE(shop.here.stat().st_mode) == 0o750
    shutil.rmtree(shop.here)
    fetch(shop, "--mode", "0600")
    assert modes(content) == expected(0o600, 0o700, 0o700)


def test_the_customers_own_permissions_stay_whatever_is_given(shop):
    fetch(shop, "--mode", "0644")
    (shop.here / "doc/a").chmod(0o604)
    (shop.here / "bin/run").chmod(0o711)
    release_of(shop.store.root, shop.release, "8.0",
               {"bin/run": b"run 8", "doc/a": b"8", "doc/b": b""})  # fmt: skip
    done = run(shop, "update", "--mode", "0640")
    assert done.returncode == 0, done.stderr
    found = modes(shop.here)
    assert (shop.here / "doc/a").read_bytes() == b"8"
    assert (found["doc/a"], found["bin/run"]) == (0o604, 0o711)
    assert stat.S_IMODE((shop.here / "doc/b").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", ["", "0", "0755", "4644", "0444", "00644", "0648", "rw", "-644", "0200"])
def test_permissions_that_make_no_sense_are_refused(shop, mode):
    done = run(shop, "fetch", "step-core", "--to", shop.here, f"--mode={mode}")
    assert done.returncode == 2 and "--mode takes permissions of files" in done.stderr
    shop.file.write_text(shop.file.read_text() + f'\nmode: "{mode}"\n')
    done = run(shop, "fetch", "step-core", "--to", shop.here)
    assert done.returncode == 3 and "`mode` must be permissions of files" in done.stderr
    assert not shop.here.exists()


@pytest.mark.parametrize("owner", ["", ":", "nobody-has-this-name", "root:no-group-has-it", "0:-1"])
def test_owners_that_are_not_known_are_refused(shop, owner):
    done = run(shop, "fetch", "step-core", "--to", shop.here, f"--owner={owner}")
    assert done.returncode == 2 and "--owner takes USER" in done.stderr
    shop.file.write_text(shop.file.read_text() + f'\nowner: "{owner}"\n')
    done = run(shop, "fetch", "step-core", "--to", shop.here)
    assert done.returncode == 3 and "`owner` must be USER" in done.stderr
    assert not shop.here.exists()


# Root of a user namespace is root for us where the test is not; it has no other users to give to.
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "-Ur"]
OWNERS = (
    [("65534:54320", 65534, 54320), ("54321:54320", 54321, 54320)] if os.geteuid() == 0
    else [("0:0", os.geteuid(), os.getegid())]
)  # fmt: skip


@pytest.mark.parametrize(("owner", "user", "group"), OWNERS)
def test_root_gives_all_to_the_owner_that_is_named(shop, owner, user, group):
    done = subprocess.run(
        [*AS_ROOT, PROGRAM, "-c", shop.file, "fetch", "step-core", "--to", shop.here, "--owner",
         owner, "--mode", "0640"],
        capture_output=True, text=True, check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in [".", "start", *ALL]:
        found = (shop.here / name).lstat()
        assert (found.st_uid, found.st_gid) == (user, group), name
    assert modes(shop.here) == expected(0o640, 0o750, 0o750)


def test_nobody_else_can_give_anything_away_and_nothing_is_changed(shop):
    """As a user of a namespace who is not root in it, where the test itself is root."""
    fetch(shop)
    before = everything(shop.here)
    not_root = ["unshare", "-U"] if os.geteuid() == 0 else []
    for folder in (shop.here, shop.folder / "other"):
        done = subprocess.run(
            [*not_root, PROGRAM, "-c", shop.file, "fetch", "step-core", "--to", folder, "--owner",
             "0:0"],
            capture_output=True, text=True, check=False, timeout=60 * common.PATIENCE,
        )  # fmt: skip
        assert done.returncode == 3 and "only root can give files to an owner" in done.stderr
    assert everything(shop.here) == before and not (shop.folder / "other").exists()
