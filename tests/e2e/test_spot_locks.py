"""Locks of spot: who can take them, how long they are waited for, and what is said of it."""

import contextlib
import fcntl
import os
import pathlib
import subprocess

import pytest
from mirrorgate_test import common, origin
from mirrorgate_test.spot import PROGRAM, answer

from test_spot_fetch import publish

CORE = b"core" * 1000


@pytest.fixture(name="shop")
def origin_and_installation(lab, release):
    def fill(root):
        publish(root, release, "1.0", {"core.bin": CORE})

    made = origin.installed(lab, release, fill, lock_wait="1s")
    made.spot.origin = made
    return made.spot


def mode(path):
    return pathlib.Path(path).stat().st_mode & 0o7777


@contextlib.contextmanager
def held(path, how=fcntl.LOCK_EX):
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, how)
    yield
    os.close(lock)


def fetch(spot, to="here"):
    done = spot.run("fetch", "step-core", "--to", spot.folder / to)
    assert done.returncode == 0, done.stderr


def snapshot(spot):
    list_ = spot.folder / "list"
    list_.write_text("step-core 1.0\n")
    return ["snapshot", "prod-1", "--from", list_]


def test_lock_files_are_their_owners_only(shop):
    before = os.umask(0o022)
    try:
        fetch(shop)
        shop.run(*snapshot(shop))
    finally:
        os.umask(before)
    for name in ("cache/lock", "state/lock", "state/adding"):
        assert mode(shop.folder / name) == 0o600, name
    assert mode(shop.folder / "cache/parts") & 0o007 == 0


def test_lock_files_of_an_older_spot_are_tightened(shop):
    for folder, name in (("cache", "lock"), ("state", "lock"), ("state", "adding")):
        (shop.folder / folder).mkdir(exist_ok=True)
        (shop.folder / folder).chmod(0o755)  # whatever the umask
        (shop.folder / folder / name).touch()
        (shop.folder / folder / name).chmod(0o644)
    (shop.folder / "cache/parts").mkdir()
    (shop.folder / "cache/parts").chmod(0o755)
    fetch(shop)
    shop.run(*snapshot(shop))
    for name in ("cache/lock", "state/lock", "state/adding"):
        assert mode(shop.folder / name) == 0o600, name
    assert mode(shop.folder / "cache/parts") == 0o750


def test_a_group_that_may_write_to_the_cache_may_lock_it(shop):
    cache = shop.folder / "cache"
    cache.mkdir()
    group = 54_320 if os.geteuid() == 0 else os.getgid()
    os.chown(cache, -1, group)
    cache.chmod(0o2775)
    (cache / "lock").touch()
    (cache / "lock").chmod(0o644)
    fetch(shop)
    assert mode(cache / "lock") == 0o660
    assert (cache / "lock").stat().st_gid == group
    assert mode(cache / "parts") & 0o007 == 0


def test_a_lock_that_is_no_file_is_refused(shop):
    (shop.folder / "cache").mkdir()
    os.mkfifo(shop.folder / "cache/lock")
    assert "lock" in shop.fails(1, "cache", "verify")


@pytest.mark.parametrize("how", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_who_holds_the_cache_for_ever_is_named_and_not_waited_for(shop, how):
    fetch(shop)
    with held(shop.folder / "cache/lock", how):
        said = shop.fails(1, "cache", "gc", "--max", "0")
    assert f"process {os.getpid()} (" in said and "lock_wait" in said, said
    assert (shop.folder / "here/core.bin").read_bytes() == CORE
    assert next((shop.folder / "cache/sha256").glob("*/*")).read_bytes() == CORE


@pytest.mark.parametrize("name", ["lock", "adding"])
def test_who_holds_the_snapshots_for_ever_is_named_and_not_waited_for(shop, name):
    (shop.folder / "state").mkdir()
    (shop.folder / "state" / name).touch()
    with held(shop.folder / "state" / name):
        assert f"process {os.getpid()} (" in shop.fails(1, *snapshot(shop))


def test_nobody_who_can_read_outgoing_keeps_a_snapshot_from_being_written(shop):
    (shop.folder / "state/outgoing").mkdir(parents=True)
    with held(shop.folder / "state/outgoing"):
        shop.run(*snapshot(shop))
    assert len(list((shop.folder / "state/outgoing").iterdir())) == 1


def test_who_holds_a_download_for_ever_is_not_waited_for(shop):
    fetch(shop)
    item = next((shop.folder / "cache/sha256").glob("*/*"))
    key = item.name
    item.unlink()
    part = shop.folder / "cache/parts" / key
    part.touch()
    with held(part):
        said = shop.fails(1, "fetch", "step-core", "--to", shop.folder / "there")
    assert "/artifacts/step-core/1.0/core.bin" in said and "lock_wait" in said
    assert not (shop.folder / "there/core.bin").exists()


def test_who_works_in_the_folder_is_named_and_not_waited_for_without_end(shop):
    fetch(shop)
    lock = shop.folder / "here/.spot.part.lock"
    lock.touch()
    with held(lock):
        said = shop.fails(1, "fetch", "step-core", "--to", shop.folder / "here")
    assert f"process {os.getpid()} (" in said and "lock_wait" in said, said
    assert str(shop.folder / "here") in said
    fetch(shop)
    assert not lock.exists()


def test_nobody_who_can_only_read_the_folder_keeps_a_version_from_it(shop):
    fetch(shop)
    (shop.folder / "here/core.bin").unlink()
    with held(shop.folder / "here"), held(shop.folder / "here/catalogue.json"):
        fetch(shop)
        assert shop.run("update").returncode == 0
    assert (shop.folder / "here/core.bin").read_bytes() == CORE


def test_the_lock_of_a_folder_is_its_owner_s_only_and_goes_with_its_holder(shop):
    seen = []
    folder = shop.folder / "there"

    def look(connection, content, _request):
        seen.append((folder / ".spot.part.lock").stat())
        connection.sendall(answer("200 OK", content, ETag=origin.etag(content)))

    shop.origin.acts["core.bin"] = [look]
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 54_321, -1)
    fetch(shop, "there")
    assert [it.st_mode & 0o7777 for it in seen] == [0o600]
    assert seen[0].st_uid == folder.stat().st_uid
    assert sorted(os.listdir(folder)) == ["catalogue.json", "catalogue.json.p7s", "core.bin"]


def test_several_at_once_bring_the_version_one_after_the_other(shop):
    """Each waits for the one before; the name of the lock changes hands, and nobody is left out."""
    shop.write(shop.file.read_text().replace("1s", "60s"))
    runs = [
        subprocess.Popen(
            [PROGRAM, "-c", shop.file, "fetch", "step-core", "--to", shop.folder / "here"],
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for run in runs:
        _, said = run.communicate(timeout=60 * common.PATIENCE)
        assert run.returncode == 0, said
    assert sorted(os.listdir(shop.folder / "here")) == ["catalogue.json", "catalogue.json.p7s", "core.bin"]


@pytest.mark.parametrize("value", ["0s", "1", "-1s", "10 m", "1w", "", "99999999999d", "m"])
def test_what_is_no_wait_is_a_problem_with_its_line(shop, value):
    file = shop.file.read_text().replace("1s", f'"{value}"')
    shop.write(file)
    done = shop.run("cache", "verify")
    assert done.returncode == 3 and "`lock_wait` must be a duration" in done.stderr, done.stderr


def test_no_secret_of_a_connection_is_written_whatever_the_environment_says(shop):
    log = shop.folder / "keys.log"
    log.write_text("")
    environment = {"SSLKEYLOGFILE": str(log)}
    done = shop.run("fetch", "step-core", "--to", shop.folder / "x", environment=environment)
    assert done.returncode == 0, done.stderr
    assert log.read_text() == ""
    log.unlink()
    assert shop.run("list", environment=environment).returncode == 0
    assert not log.exists()
