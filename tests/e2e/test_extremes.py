"""Files beyond 2^32 bytes, the longest names, and files that change while they are catalogued."""

import os

import pytest
from mirrorgate_test import common
from mirrorgate_test.store import write, write_sparse

from test_spot_catalogue import make, made
from test_spot_fetch import publish, tree

BEYOND = 1 << 32
SIZE = BEYOND + (60 << 20) + 7
HUGE = "artifacts/step-core/huge.img"
LONG = "n" * 251 + ".zip"  # 255 bytes: what a file system takes
CHANGER = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Before its first byte is read, the file VICTIM gets one more. */
ssize_t
read(int fd, void *bytes, size_t size)
{
	static int changed;
	ssize_t (*real)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
	const char *name = getenv("VICTIM");
	struct stat here, there;

	if (!changed && fstat(fd, &here) == 0 && stat(name, &there) == 0 &&
	    here.st_ino == there.st_ino && here.st_dev == there.st_dev) {
		changed = 1;
		int victim = open(name, O_WRONLY | (getenv("APPEND") ? O_APPEND : 0));
		if (write(victim, "X", 1) != 1)
			abort();
		close(victim);
	}
	return real(fd, bytes, size);
}
"""


# --- beyond 2^32


@pytest.fixture(scope="module", params=["stub", "nginx"])
def huge_gate(module_lab, request):
    store = module_lab.store(request.param)
    write_sparse(store.root, HUGE, SIZE)
    return module_lab.gateway(store)


def bytes_of(gate, first, last):
    with (gate.stores[0].root / HUGE).open("rb") as file:
        return os.pread(file.fileno(), last + 1 - first, first)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        (f"{BEYOND}-{BEYOND + 99}", BEYOND, BEYOND + 99),
        (f"{BEYOND - 50}-{BEYOND + 49}", BEYOND - 50, BEYOND + 49),
        (f"{SIZE - 64}-", SIZE - 64, SIZE - 1),
        (f"{SIZE - 1}-{SIZE - 1}", SIZE - 1, SIZE - 1),
        ("-64", SIZE - 64, SIZE - 1),
        (f"{SIZE - 64}-99999999999999", SIZE - 64, SIZE - 1),
    ],
)
def test_a_range_beyond_4_gib_has_the_right_bytes(huge_gate, asked, first, last):
    with huge_gate.connect() as connection:
        response = connection.request("GET", f"/{HUGE}", [("Range", f"bytes={asked}")])
    assert response.status == 206
    assert response.header("Content-Range") == f"bytes {first}-{last}/{SIZE}"
    assert response.body == bytes_of(huge_gate, first, last)


def test_a_head_says_more_than_4_gib_and_a_range_after_the_end_is_refused(huge_gate):
    with huge_gate.connect() as connection:
        assert connection.request("HEAD", f"/{HUGE}").header("Content-Length") == str(SIZE)
        response = connection.request("GET", f"/{HUGE}", [("Range", f"bytes={SIZE}-")])
    assert response.status == 416
    assert response.header("Content-Range") == f"bytes */{SIZE}"


# --- names


def test_names_of_255_bytes_go_all_the_way(lab, release):
    files = {f"{'d' * 255}/{LONG}": b"in a long folder", LONG: b"long", "empty": b""}
    stub = lab.stub()
    publish(stub.root, release, "11.0", files)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    here = spot.folder / "here"
    done = spot.run("fetch", "step-core", "--to", here)
    assert done.returncode == 0, done.stderr
    assert tree(here) == files
    # Each is replaced, and one that was edited is put aside, though no longer name would do.
    changed = {name: content + b" anew" for name, content in files.items()}
    (here / LONG).write_bytes(b"edited")
    publish(stub.root, release, "11.1", changed)
    done = spot.run("update")
    assert done.returncode == 0, done.stderr
    there = tree(here)
    assert {name: there.pop(name) for name in files} == changed
    assert list(there.values()) == [b"edited"]


# --- what a catalogue can have


@pytest.mark.parametrize("append", [True, False], ids=["longer", "other bytes"])
def test_a_file_that_changes_while_a_catalogue_is_made_is_noticed(tmp_path, release, append):
    folder = tmp_path / "10.3"
    victim = write(folder, "core.zip", b"content")
    os.utime(victim, (1, 1))
    environment = {**common.preload(tmp_path, CHANGER), "VICTIM": str(victim)}
    done = make(folder, release, environment={**environment, **({"APPEND": "1"} if append else {})})
    assert done.returncode == 1
    assert done.stderr == (
        f"spot: {folder}/core.zip: changed while it was read: let nothing write there\n"
    )
    assert not (folder / "catalogue.json").exists()
    made(folder, release)
