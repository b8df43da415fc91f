"""Files as they were released: executables, links, empty folders, times, and what customers change."""

import json
import os
import socket
import stat

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM

from test_spot_catalogue import check, make, refused, sign_anew
from test_spot_fetch import BASE, publish, tree

WHEN = 1_600_000_000
FILES = {"bin/run": b"#!/bin/sh\necho started\n", "doc/a.txt": b"text"}


def rich(root, version):
    """What VERSION has besides FILES: an executable, two links, an empty folder, a time."""
    folder = root / BASE / version
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content + version.encode())
        os.utime(folder / name, (WHEN, WHEN))
    (folder / "bin/run").chmod(0o755)
    (folder / "log/old").mkdir(parents=True, exist_ok=True)
    for link, target in (("start", "bin/run"), ("doc/run", "../bin/run")):
        if not (folder / link).is_symlink():
            (folder / link).symlink_to(target)


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    stub = lab.stub()
    rich(stub.root, "7.0")
    publish(stub.root, release, "7.0", {})
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    return spot


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def update(spot):
    done = spot.run("update")
    assert done.returncode == 0, done.stderr
    return done.stderr


def is_as_released(here, version):
    assert os.access(here / "bin/run", os.X_OK) and not os.access(here / "doc/a.txt", os.X_OK)
    assert os.readlink(here / "start") == "bin/run"
    assert os.readlink(here / "doc/run") == "../bin/run"
    assert (here / "start").read_bytes() == FILES["bin/run"] + version.encode()
    assert list((here / "log/old").iterdir()) == []
    assert {(here / name).stat().st_mtime for name in FILES} == {WHEN}


def test_a_version_arrives_as_it_was_released(shop):
    is_as_released(shop.here, "7.0")
    assert check(shop.here, shop.release).returncode == 0
    assert shop.run("snapshot", "prod-1", "--dry-run").returncode == 0


def test_an_update_changes_and_removes_links_and_folders(shop):
    rich(shop.store.root, "8.0")
    folder = shop.store.root / BASE / "8.0"
    (folder / "start").unlink()
    (folder / "log/old").rmdir()
    (folder / "log/new").mkdir()
    (folder / "doc/run").unlink()
    (folder / "doc/run").symlink_to("a.txt")
    publish(shop.store.root, shop.release, "8.0", {})
    update(shop)
    assert not (shop.here / "start").is_symlink() and not (shop.here / "log/old").exists()
    assert (shop.here / "log/new").is_dir() and os.readlink(shop.here / "doc/run") == "a.txt"
    assert check(shop.here, shop.release).returncode == 0


def test_the_customers_own_permissions_stay_unless_the_release_changes_them(shop):
    (shop.here / "bin/run").chmod(0o700)
    (shop.here / "doc/a.txt").chmod(0o755)
    rich(shop.store.root, "8.0")
    publish(shop.store.root, shop.release, "8.0", {})
    update(shop)
    assert (mode(shop.here / "bin/run"), mode(shop.here / "doc/a.txt")) == (0o700, 0o755)
    rich(shop.store.root, "9.0")
    (shop.store.root / BASE / "9.0/bin/run").chmod(0o644)
    publish(shop.store.root, shop.release, "9.0", {})
    update(shop)
    assert not os.access(shop.here / "bin/run", os.X_OK)
    assert mode(shop.here / "doc/a.txt") == 0o755


def test_what_the_customer_changed_is_kept_beside_the_new_one_and_named(shop):
    for own in (b"mine", b"mine again"):
        (shop.here / "doc/a.txt").write_bytes(own)
        version = "8.0" if own == b"mine" else "9.0"
        rich(shop.store.root, version)
        publish(shop.store.root, shop.release, version, {})
        assert "doc/a.txt was changed here, and is kept as a.txt.orig" in update(shop)
        assert (shop.here / "doc/a.txt").read_bytes() == b"text" + version.encode()
    assert (shop.here / "doc/a.txt.orig").read_bytes() == b"mine"
    assert (shop.here / "doc/a.txt.orig.1").read_bytes() == b"mine again"


def test_an_installation_of_the_first_form_gets_its_executables_with_the_next(lab, release):
    """7.0 has the same bytes, but its catalogue does not say that they are a program."""
    stub = lab.stub()
    publish(stub.root, release, "7.0", FILES)
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    here = spot.folder / "here"
    assert spot.run("fetch", "step-core", "--to", here).returncode == 0
    assert not os.access(here / "bin/run", os.X_OK)
    publish(stub.root, release, "8.0", FILES, newest=False)
    (stub.root / BASE / "8.0/bin/run").chmod(0o755)
    publish(stub.root, release, "8.0", FILES)
    update(spot)
    assert os.access(here / "bin/run", os.X_OK) and tree(here) == FILES


def test_old_catalogues_stay_what_they_were(tmp_path, release):
    (tmp_path / "a").write_bytes(b"")
    make(tmp_path, release)
    assert json.loads((tmp_path / "catalogue.json").read_text())["format"] == "catalogue/1"
    assert check(tmp_path, release).returncode == 0


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../x", "..", "b/../../x", "a//b", "", "./a", "../s/../../x"]
)
def test_a_link_that_could_leave_the_version_is_refused(tmp_path, release, target):
    """By the vendor's tool, and by everybody else when the catalogue was signed all the same."""
    link = {"path": "s", "target": target}
    if target:
        (tmp_path / "s").symlink_to(target)
        done = make(tmp_path, release)
        assert done.returncode == 1 and "symbolic link" in done.stderr, done.stderr
        (tmp_path / "s").unlink()
    head = {"format": "catalogue/2", "product": "step-core", "version": "1", "expires": "2999-12-31"}
    text = json.dumps(head, separators=(",", ":"))[:-1] + ',"files":[\n'
    text += json.dumps(link, separators=(",", ":")) + "\n]}\n"
    (tmp_path / "catalogue.json").write_text(text)
    sign_anew(tmp_path, release)
    assert "is not a catalogue" in refused(tmp_path, release)


def test_a_signed_link_that_leaves_the_version_is_not_fetched(shop):
    """An insider with the key makes what no tool of ours does."""
    rich(shop.store.root, "8.0")
    publish(shop.store.root, shop.release, "8.0", {})
    folder, before = shop.store.root / BASE / "8.0", tree(shop.here)
    text = (folder / "catalogue.json").read_text()
    assert '"target":"../bin/run"' in text
    (folder / "catalogue.json").write_text(text.replace('"../bin/run"', '"../../run"'))
    sign_anew(folder, shop.release)
    for name in ("catalogue.json", "catalogue.json.p7s"):
        (shop.store.root / BASE / name).write_bytes((folder / name).read_bytes())
    assert "is not a catalogue" in shop.run("update").stderr
    assert tree(shop.here) == before and not list(shop.here.glob(".spot*"))


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3) if os.getuid() == 0 else 0)


@pytest.mark.parametrize("make_special", [fifo, unix_socket, device])
def test_a_special_file_in_a_files_place_is_kept_and_never_opened(shop, make_special):
    (shop.here / "doc/a.txt").unlink()
    make_special(shop.here / "doc/a.txt")
    kind = stat.S_IFMT((shop.here / "doc/a.txt").lstat().st_mode)
    assert shop.run("snapshot", "prod-1", "--dry-run").returncode == 11
    rich(shop.store.root, "8.0")
    publish(shop.store.root, shop.release, "8.0", {})
    assert "doc/a.txt was changed here, and is kept as a.txt.orig" in update(shop)
    is_as_released(shop.here, "8.0")
    assert stat.S_IFMT((shop.here / "doc/a.txt.orig").lstat().st_mode) == kind


@pytest.mark.parametrize("bit", [stat.S_ISUID, stat.S_ISGID])
def test_setuid_and_setgid_files_get_no_catalogue(tmp_path, release, bit):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "a").chmod(0o755 | bit)
    done = make(tmp_path, release)
    assert done.returncode == 1 and "setuid or setgid" in done.stderr
    assert not (tmp_path / "catalogue.json").exists()


def test_a_mirror_has_links_and_empty_folders_too(lab, release):
    stub = lab.stub()
    rich(stub.root, "7.0")
    publish(stub.root, release, "7.0", {})
    done = common.run(
        [PROGRAM, "catalogue", "index", stub.root / BASE, "--product", "step-core", "--expires",
         "2999-12-31", "--sign", release],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    for _ in range(2):
        done = spot.run("mirror", spot.folder / "mirror", "step-core", "--verify")
        assert done.returncode == 0, done.stderr
        version = spot.folder / "mirror" / BASE / "7.0"
        assert os.readlink(version / "start") == "bin/run" and (version / "log/old").is_dir()
    assert check(version, release).returncode == 0
