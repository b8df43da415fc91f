"""spot mirror while it is at work: killed, slowed, watched by readers."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.mirror_site import (
    FILES, FUTURE, NEXT, REMOVE, Site, index, inodes, later, publish, tree, with_two_versions,
    without_plus,
)  # fmt: skip
from mirrorgate_test.spot import PROGRAM, answer, read_head

LICENCE = {
    "customer": "acme",
    "licences": [
        {"product": "step-core", "paths": ["/artifacts/step-core/"], "except": [], "from": None,
         "until": None, "valid": True},
    ],
}  # fmt: skip


@pytest.fixture(name="site")
def origin_and_mirror(lab, release):
    return with_two_versions(Site(lab, release))


# --- while it is at work


def test_two_mirrors_do_not_work_in_one_folder(site):
    site.mirror()
    lock = os.open(site.folder / ".spot/mirror.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    text = site.spot.fails(1, "mirror", site.folder)
    os.close(lock)
    assert text.startswith(f"another spot mirror is at work in {site.folder}")


@pytest.mark.parametrize("place", ["", ".spot", "artifacts"])
def test_a_file_where_a_folder_should_be_is_a_failure(site, place):
    folder = site.folder / "new"
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"in the way")
    done = site.spot.run("mirror", folder)
    assert done.returncode == 1, done.stderr
    assert path.read_bytes() == b"in the way"


def test_symbolic_links_lead_nowhere(site, tmp_path):
    (site.folder / "artifacts").symlink_to(tmp_path)
    assert site.core(code=1)["failed"]
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_cannot_exchange_folders_is_told_before_any_download(site, tmp_path):
    shim = tmp_path / "shim.c"
    shim.write_text(
        "#include <errno.h>\n"
        "int renameat2(int a, const char *b, int c, const char *d, unsigned e)\n"
        "{ (void)a; (void)b; (void)c; (void)d; (void)e; errno = EINVAL; return -1; }\n"
    )
    library = tmp_path / "shim.so"
    assert common.run(["gcc", "-shared", "-fPIC", "-o", library, shim]).returncode == 0
    start = site.stub.mark()
    text = site.spot.fails(
        1, "mirror", site.folder, environment=later("+0d", LD_PRELOAD=str(library))
    )
    assert "cannot exchange two folders in one step" in text
    assert site.stub.requests(start) == []


def shim(folder, source):
    """A library for LD_PRELOAD."""
    (folder / "shim.c").write_text(source)
    library = folder / "shim.so"
    done = common.run(["gcc", "-shared", "-fPIC", "-o", library, folder / "shim.c"])
    assert done.returncode == 0, done.stderr
    return str(library)


def test_a_file_that_more_versions_have_than_it_may_have_names_is_there_twice(site, tmp_path):
    """The file system allows 3 names here; ext4 allows 65,000."""
    library = shim(tmp_path, """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <sys/stat.h>
        int linkat(int a, const char *b, int c, const char *d, int e)
        {
            int (*real)(int, const char *, int, const char *, int);
            struct stat st;
            *(void **)&real = dlsym(RTLD_NEXT, "linkat");
            if (stat(b, &st) == 0 && st.st_nlink >= 3) {
                errno = EMLINK;
                return -1;
            }
            return real(a, b, c, d, e);
        }
    """)  # fmt: skip
    site.mirror()
    before, start = inodes(site.published("10.4")), site.stub.mark()
    for version in ("10.5", "10.6", "10.7"):
        site.publish(version, NEXT)
    site.index()
    report = site.core(environment=later("+0d", LD_PRELOAD=library))
    assert report == {"kept": ["10.3", "10.4"], "added": ["10.5", "10.6", "10.7"]}
    assert site.gets(start) == []
    assert site.is_complete()
    assert inodes(site.published("10.4")) == before
    assert list((site.folder / ".spot/parts").iterdir()) == []
    names = {path.stat().st_ino: path.stat().st_nlink for path in site.folder.rglob("core.zip")}
    assert sorted(names.values()) == [2, 2, 2]


class Reader:
    """Holds each published file open that it has ever seen: what it holds must never change."""

    def __init__(self, site):
        self.site, self.files = site, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for file, _ in self.files.values():
            file.close()

    def look(self):
        there = [
            pathlib.Path(folder, name)
            for folder, _, names in os.walk(self.site.published()) for name in names
        ]  # fmt: skip
        for path in there:
            with contextlib.suppress(OSError):  # gone meanwhile
                file = path.open("rb")
                inode = os.fstat(file.fileno()).st_ino
                if inode in self.files:
                    file.close()
                else:
                    self.files[inode] = file, hashlib.sha256(file.read()).digest()
        for file, digest in self.files.values():
            file.seek(0)
            assert hashlib.sha256(file.read()).digest() == digest, "changed in place"

    def versions(self, rights):
        """Each version that is published now must be one of RIGHTS, which grows meanwhile."""
        for version in self.site.published().glob("[0-9]*"):
            with contextlib.suppress(OSError):
                inode = version.stat().st_ino
                found = tree(version)
                # Only what still has its name when all was read was read as a whole.
                named = version.stat().st_ino == inode
                assert not named or found in rights, (version.name, sorted(found))


class Watcher(threading.Thread):
    """Looks at a mirror again and again while it works; RIGHTS are the versions there may be."""

    def __init__(self, site, rights):
        super().__init__()
        self.site, self.rights = site, rights
        self.looks, self.wrong, self.ended = 0, None, threading.Event()

    def run(self):
        with Reader(self.site) as reader:
            while not self.ended.is_set() and self.wrong is None:
                try:
                    reader.versions(self.rights)
                    reader.look()
                except Exception as wrong:
                    self.wrong = wrong
                self.looks += 1

    def look(self):
        """Waits until it has looked at all that is there now."""
        looks = self.looks
        common.wait_until(lambda: self.wrong or self.looks > looks + 1, "the watcher looks")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        assert self.wrong is None, self.wrong


def test_readers_never_see_half_a_version_nor_a_file_change(site):
    many = {f"many/{n}.txt": b"%d" % n for n in range(30)}
    rights = []
    versions = site.origin / "artifacts/step-core"
    with Watcher(site, rights) as watcher:
        for n in range(6):
            site.publish("11", many, expires=f"299{n}-12-31")  # renewed
            site.publish(f"12.{n}", many)  # new
            if n > 0:
                site.withdraw(f"12.{n - 1}")
            site.index()
            rights += [tree(version) for version in versions.glob("[0-9]*")]
            report = site.core("--grace", "0s")
            assert report.get("renewed", []) == (["11"] if n > 0 else [])
            assert report.get("deleted", []) == ([f"12.{n - 1}"] if n > 0 else [])
            watcher.look()
    assert site.is_complete()


class Slow:
    """A server of ORIGIN that sends core.zip from where it is asked to, 100,000 bytes of it at once
    and the rest when `go` is set."""

    def __init__(self, lab, origin):
        self.origin, self.go, self.ranges = origin, threading.Event(), []
        self.server = lab.server(self.script)

    def script(self, connection, _):
        while True:
            head = read_head(connection).decode()
            path = head.split()[1]
            if path == "/licence":
                connection.sendall(answer("200 OK", json.dumps(LICENCE).encode()))
            elif path.endswith("core.zip"):
                self.send_slowly(connection, head, (self.origin / path[1:]).read_bytes())
            else:
                connection.sendall(answer("200 OK", (self.origin / path[1:]).read_bytes()))

    def send_slowly(self, connection, head, content):
        asked = re.search(r"\r\nRange: bytes=(\d+)-\r\n", head)
        begin, end = int(asked[1]) if asked else 0, len(content)
        self.ranges.append(begin)
        if asked:
            whole = answer("206 Partial Content", content[begin:], ETag='"one"',
                           Content_Range=f"bytes {begin}-{end - 1}/{end}")  # fmt: skip
        else:
            whole = answer("200 OK", content, ETag='"one"')
        connection.sendall(whole[:100_000])
        assert self.go.wait(60)
        connection.sendall(whole[100_000:])


@pytest.fixture(name="slow")
def slow_server(lab, release):
    origin = lab.new_folder("origin")
    publish(origin, release, "10.3", FILES)
    index(origin, release)
    return Slow(lab, origin)


def begun(lab, release, slow):
    """A mirror that has all but the rest of core.zip: the process, and its folder."""
    spot = lab.spot(slow.server, release=str(release), tries=1)
    folder = spot.folder / "mirror"
    process = subprocess.Popen([PROGRAM, "-q", "-c", spot.file, "mirror", folder])
    small = {hashlib.sha256(FILES[name]).hexdigest() for name in FILES if name != "core.zip"}

    def has_the_others():
        objects = {path.parent.name + path.name for path in folder.glob(".spot/sha256/*/*")}
        sizes = [path.stat().st_size for path in folder.glob(".spot/parts/*")]
        return small <= objects | {name[2:] for name in objects} and max(sizes, default=0) > 50_000

    common.wait_until(has_the_others, "all but the rest of one file")
    return spot, process, folder


def test_a_slow_server_shows_readers_no_part_of_a_version(lab, release, slow):
    _, process, folder = begun(lab, release, slow)
    assert tree(folder) == {}
    slow.go.set()
    assert process.wait(60 * common.PATIENCE) == 0
    assert tree(folder) == tree(slow.origin)


def test_a_download_that_was_killed_goes_on_where_it_was(lab, release, slow):
    spot, process, folder = begun(lab, release, slow)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert tree(folder) == {}
    slow.go.set()
    done = spot.run("mirror", folder)
    assert done.returncode == 0, done.stderr
    assert tree(folder) == tree(slow.origin)
    first, second = slow.ranges
    assert first == 0 and second > 50_000


@pytest.mark.parametrize("count", [1, 40], ids=["one large file", "many small ones"])
def test_a_rate_slows_it_down(lab, release, count):
    site = Site(lab, release)
    files = {f"{n}.bin": random.Random(n).randbytes(3_000_000 // count) for n in range(count)}
    site.publish("10.3", files)
    site.index()
    began = time.monotonic()
    site.mirror("--rate", "1M")
    assert time.monotonic() - began > 2.5
    assert site.is_complete()


def test_what_a_killed_run_left_in_staging_is_taken_away(site):
    site.mirror()
    store.write(site.folder, ".spot/staging/0/doc/left.txt", b"left over")
    store.write(site.folder, ".spot/staging/7", b"left over")
    assert site.core() == {"kept": ["10.3", "10.4"]}
    assert list((site.folder / ".spot/staging").iterdir()) == []


def is_swept(site):
    """Nothing is left of what was begun, and the pool has what the versions need and no more."""
    own = site.folder / ".spot"
    linked = {path.stat().st_ino for path in site.published().rglob("*") if path.is_file()}
    objects = [path for path in (own / "sha256").rglob("*") if path.is_file()]
    left = [*(own / "staging").iterdir(), *(own / "leaving").iterdir(), *(own / "parts").iterdir()]
    return left == [] and objects and all(path.stat().st_ino in linked for path in objects)


KILLS = 25 if common.INSTRUMENTED else 100


def test_killed_at_any_moment_no_reader_sees_a_wrong_byte(site):
    """Again and again, while versions come, are renewed and go."""
    chance = random.Random(3)
    versions = site.origin / "artifacts/step-core"
    rights, kills, whole = [], 0, 0.5
    with Reader(site) as reader:
        for n in range(400):
            site.publish(f"11.{n}", {"core.zip": FILES["core.zip"], "doc/n.txt": b"%d" % n})
            site.publish("10.9", FILES, expires=f"{2100 + n}-12-31")
            if n > 1:
                site.withdraw(f"11.{n - 2}")
            site.index()
            rights += [tree(version) for version in versions.glob("1[01].*")]
            began = time.monotonic()
            process = subprocess.Popen(
                [PROGRAM, "-q", "-c", site.spot.file, "mirror", site.folder, "--grace", "0s",
                 "--max-removals", "100%"],
                stderr=subprocess.DEVNULL,
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0, whole))
                whole = time.monotonic() - began
            process.send_signal(signal.SIGKILL)
            kills += process.wait(60) == -signal.SIGKILL
            reader.versions(rights)
            reader.look()
            if kills == KILLS:
                break
    assert kills == KILLS
    site.mirror("--grace", "0s", "--verify", "--max-removals", "100%")
    assert site.is_complete() and is_swept(site)


STRIDE = 4 if common.INSTRUMENTED else 1
KILLER = """
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
static void step(void)
{
	static int left = -1;
	if (left < 0)
		left = atoi(getenv("KILL_AT"));
	if (--left == 0)
		kill(getpid(), SIGKILL);
}
#define STEP(name, parameters, ...) \
	int name parameters { step(); return (int)syscall(SYS_##name, __VA_ARGS__); }
STEP(fsync, (int a), a)
STEP(ftruncate, (int a, off_t b), a, b)
STEP(mkdirat, (int a, const char *b, mode_t c), a, b, c)
STEP(unlinkat, (int a, const char *b, int c), a, b, c)
STEP(symlinkat, (const char *a, int b, const char *c), a, b, c)
STEP(linkat, (int a, const char *b, int c, const char *d, int e), a, b, c, d, e)
STEP(renameat2, (int a, const char *b, int c, const char *d, unsigned e), a, b, c, d, e)
int renameat(int a, const char *b, int c, const char *d) { return renameat2(a, b, c, d, 0); }
ssize_t write(int a, const void *b, size_t c) { step(); return syscall(SYS_write, a, b, c); }
"""


def test_killed_before_each_of_its_steps_no_reader_sees_a_wrong_byte(lab, release, tmp_path):
    """One version is renewed, one repaired, one deleted and one new, and a product goes: each call
    that changes a file or a folder is the last one once."""
    source, library = tmp_path / "killer.c", tmp_path / "killer.so"
    source.write_text(KILLER)
    done = common.run(["gcc", "-shared", "-fPIC", "-o", library, source])
    assert done.returncode == 0, done.stderr
    site = Site(lab, release, who="initech")
    versions = site.origin / "artifacts/step-core"
    for version, files, until in (
        ("9.9", {"core.zip": b"old"}, FUTURE), ("10.3", FILES, "2998-12-31"), ("10.4", NEXT, FUTURE)
    ):  # fmt: skip
        site.publish(version, files, expires=until)
    site.publish("1.0", NEXT, product="step-plus")
    site.index()
    site.index(product="step-plus")
    site.mirror()
    plus = tree(site.folder / "artifacts/step-plus/1.0")
    rights = [tree(version) for version in versions.glob("[0-9]*")]
    site.published("10.4", "doc/b.txt").unlink()
    rights.append(tree(site.published("10.4")))
    before = site.folder.rename(site.folder.with_name("before"))
    site.publish("10.3", FILES)
    site.publish("10.5", {"core.zip": b"newer", "doc/a.txt": b""})
    site.withdraw("9.9")
    site.index()
    site.gate.reload(without_plus())
    shutil.rmtree(site.origin / "artifacts/step-plus")
    rights += [tree(version) for version in versions.glob("[0-9]*")]
    order = [PROGRAM, "-q", "-c", site.spot.file, "mirror", site.folder, "--grace", "0s", *REMOVE]
    for steps in range(1, 1000, STRIDE):
        assert common.run(["cp", "-a", before, site.folder]).returncode == 0
        environment = later("+0d", LD_PRELOAD=str(library), KILL_AT=str(steps))
        process = subprocess.run(order, env={**os.environ, **environment}, check=False, timeout=60)
        with Reader(site) as reader:
            reader.look()
            reader.versions(rights)
            for version in site.folder.glob("artifacts/step-plus/[0-9]*"):
                assert tree(version) == plus, steps
            if process.returncode != -signal.SIGKILL:
                break
            done = common.run(order)
            assert done.returncode == 0, (steps, done.stderr)
            reader.look()
        assert site.is_complete() and is_swept(site), steps
        shutil.rmtree(site.folder)
    assert process.returncode == 0 and steps > 50
    assert site.is_complete() and is_swept(site)
