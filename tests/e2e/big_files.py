"""What takes long or much room of the extremes: `make test-big` runs it, no other run does.

A file of more than 4 GiB goes through the gate and arrives with spot, whole and gone on with;
a version has as many files as it may have; a product has 1,000 versions.
"""

import filecmp
import json
import os

import pytest
from mirrorgate_test import common
from mirrorgate_test.cache import Cache
from mirrorgate_test.gateway import policy
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.store import write, write_sparse

from test_download import compare_while_reading
from test_extremes import BEYOND, HUGE, SIZE
from test_spot_catalogue import make
from test_spot_fetch import BASE, FUTURE

LONG = 600  # seconds for one run of spot
FILES = 100_000
VERSIONS = [f"1.{number}" for number in range(1000)]


@pytest.fixture(name="stub")
def empty_store(lab, tmp_path):
    root = tmp_path / "store"
    (root / "snapshots").mkdir(parents=True)
    return lab.stub(root)


def catalogue(root, release, version):
    folder = root / BASE / version
    done = common.run(
        [PROGRAM, "catalogue", "make", folder, "--product", "step-core", "--version", version,
         "--expires", FUTURE, "--sign", release],
        timeout=LONG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def index(root, release):
    done = common.run(
        [PROGRAM, "catalogue", "index", root / BASE, "--product", "step-core", "--expires", FUTURE,
         "--sign", release],
        timeout=LONG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def run(spot, *arguments):
    done = spot.run(*arguments, timeout=LONG)
    assert done.returncode == 0, done.stderr
    return done


def sparse_copy(source, target, size):
    """The first SIZE bytes of SOURCE, with its holes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    common.run(["cp", "--sparse=always", source, target], timeout=LONG)
    os.truncate(target, size)


def test_more_than_4_gib_come_whole_through_the_gate(lab, stub):
    write_sparse(stub.root, HUGE, SIZE)
    with lab.gateway(stub).connect() as connection:
        assert compare_while_reading(connection, f"/{HUGE}", stub.root / HUGE) == SIZE


@pytest.mark.parametrize("there", [0, BEYOND + 12_345], ids=["whole", "gone on with"])
def test_spot_fetches_more_than_4_gib(lab, stub, release, there):
    name = f"{BASE}/11.0/huge.img"
    original = write_sparse(stub.root, name, SIZE)
    catalogue(stub.root, release, "11.0")
    index(stub.root, release)
    gate = lab.gateway(stub)
    spot = lab.spot(gate, release=str(release))
    if there:
        with gate.connect() as connection:
            tag = connection.request("HEAD", f"/{name}").header("ETag")
        lines = (original.parent / "catalogue.json").read_text()
        digest = lines.partition('"sha256":"')[2][:64]
        part = Cache(spot.folder / "cache").parts / digest
        sparse_copy(original, part, there)
        part.with_name(f"{digest}.etag").write_text(tag)
    start = stub.mark()
    run(spot, "fetch", "step-core", "--to", spot.folder / "here")
    assert filecmp.cmp(original, spot.folder / "here/huge.img", shallow=False)
    asked = [it["headers"].get("range") for it in stub.requests(start) if it["path"] == f"/{name}"]
    assert asked == ([f"bytes={there}-"] if there else [None])


def test_a_version_has_as_many_files_as_it_may_have(lab, stub, release):
    folder = stub.root / BASE / "11.0"
    for number in range(FILES):
        write(folder, f"{number % 100:02}/{number}", b"%d" % (number % 7))
    catalogue(stub.root, release, "11.0")
    index(stub.root, release)
    checked = {"folder": str(stub.root), "signer": str(release)}
    gate = lab.gateway(stub, config={"catalogues": checked})
    assert any(f"{FILES} files" in line for line in gate.stderr.since())
    spot = lab.spot(gate, release=str(release))
    here = spot.folder / "here"
    told = run(spot, "fetch", "step-core", "--to", here).stderr
    assert f"11.0: {FILES} files, of which 7 were downloaded" in told
    assert sum(len(files) for _, _, files in os.walk(here)) >= FILES
    for number in range(0, FILES, 997):
        name = f"{number % 100:02}/{number}"
        assert (here / name).read_bytes() == (folder / name).read_bytes()


def test_a_product_has_1000_versions(lab, stub, release):
    for version in VERSIONS:
        write(stub.root, f"{BASE}/{version}/core.zip", version.encode())
        catalogue(stub.root, release, version)
    index(stub.root, release)
    checked = {"folder": str(stub.root), "signer": str(release), "required": True}
    gate = lab.gateway(stub, config={"catalogues": checked}, policy=policy())
    for version in VERSIONS[::97]:
        assert gate.get(f"/{BASE}/{version}/core.zip").body == version.encode()
    spot = lab.spot(gate, release=str(release))
    listed = json.loads((stub.root / BASE / "index.json").read_text())["versions"]
    assert sorted(listed) == sorted(VERSIONS)
    for version in (VERSIONS[0], VERSIONS[-1]):
        run(spot, "fetch", "step-core", version, "--to", spot.folder / version)
        assert (spot.folder / version / "core.zip").read_bytes() == version.encode()
    mirror = lab.spot(gate, release=str(release))
    run(mirror, "mirror", mirror.folder / "copy")
    copied = [path.read_bytes().decode() for path in (mirror.folder / "copy").rglob("core.zip")]
    assert sorted(copied) == sorted(VERSIONS)


def test_one_file_more_than_there_may_be_is_refused_by_the_number(tmp_path, release):
    folder = tmp_path / "10.3"
    for number in range(FILES + 1):
        if number % 50_000 == 0:  # a file system has a limit for one file's names, too
            first = write(folder, str(number), b"")
        else:
            os.link(first, folder / str(number))
    done = make(folder, release)
    assert done.returncode == 1
    assert done.stderr == (
        f"spot: {folder}: more than {FILES} files, links and empty folders, which is the most that "
        "a catalogue may have\n"
    )
    assert not (folder / "catalogue.json").exists()
