"""A small disk that somebody else fills after the room was found enough: a version that works stays."""

import json
import os
import shutil
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.stopper import ENVIRONMENT, calls_of, library_that_stops

from test_spot_fetch import tree
from test_spot_full_disk import NEW, OLD, own, publish_program

__all__ = ["library_that_stops"]  # a fixture

# In a mount namespace of its own (and a user namespace where that is not root's): a tmpfs with the
# folder; an update during which it is filled; what is there then; and one after the filler is gone.
SCRIPT = """
set -e
here=$1 copy=$2 seen=$3 spot=$4 file=$5
mount -t tmpfs -o size=4m,mode=0755 none "$here"
cp -a "$copy"/. "$here"
mkdir "$seen"
LD_PRELOAD=$6 "$spot" -c "$file" -q update && echo 0 > "$seen/first" || echo $? > "$seen/first"
test -e "$here/filler" && echo filled > "$seen/filled"
"$spot" -c "$file" snapshot prod-1 --dry-run > "$seen/shown" || true
rm -f "$here/filler"
mkdir "$seen/after"
cp -a "$here"/. "$seen/after"
"$spot" -c "$file" -q update && echo 0 > "$seen/second" || echo $? > "$seen/second"
mkdir "$seen/end"
cp -a "$here"/. "$seen/end"
"""


@pytest.fixture(name="make")
def maker(lab, release):
    def make(layout):
        stub = lab.stub()
        publish_program(stub.root, release, "7.0", OLD)
        spot = lab.spot(lab.gateway(stub), release=str(release), tries=1, layout=layout)
        spot.here = spot.folder / "here"
        done = spot.run("fetch", "step-core", "--to", spot.here)
        assert done.returncode == 0, done.stderr
        publish_program(stub.root, release, "8.0", NEW)
        return spot

    return make


def moments(calls):
    """When it is filled: before the first and the last of what takes room, and of what moves."""
    chosen = set()
    for name in ("mkdirat", "openat", "fallocate", "write", "renameat2", "symlinkat"):
        numbers = [it.number for it in calls if it.name == name]
        chosen |= {numbers[0], numbers[len(numbers) // 2], numbers[-1]} if numbers else set()
    return sorted(chosen)


def update_while_filled(spot, stopper, copy, number):
    """Updates on the tmpfs; what is left of each run."""
    seen = spot.folder / "seen"
    shutil.rmtree(seen, ignore_errors=True)
    done = subprocess.run(
        ["unshare", "-m" if os.getuid() == 0 else "-Urm", "sh", "-c", SCRIPT, "sh", spot.here,
         copy, seen, PROGRAM, spot.file, stopper],
        env={**os.environ, **ENVIRONMENT, "STOP_AT": str(number), "STOP_IN": str(spot.here),
             "STOP_FILL": str(spot.here / "filler")},
        capture_output=True, text=True, check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (seen / "filled").exists(), (number, done.stderr)
    return seen, done.stderr


@pytest.mark.parametrize("layout", ["in-place", "versions"])
def test_a_disk_that_fills_in_the_middle_leaves_a_version_that_works(make, stopper, layout):
    spot = make(layout)
    copy = spot.folder / "copy"
    shutil.copytree(spot.here, copy, symlinks=True)
    calls = calls_of(spot, stopper)
    shutil.rmtree(spot.here)
    spot.here.mkdir()
    codes = set()
    for number in moments(calls):
        seen, said = update_while_filled(spot, stopper, copy, number)
        first = (seen / "first").read_text().strip()
        [shown] = json.loads((seen / "shown").read_text())["components"]
        within = "current" if layout == "versions" else "."
        assert own(seen / "after" / within) == {"7.0": OLD, "8.0": NEW}[shown["version"]], said
        assert (first, shown["version"]) in (("0", "8.0"), ("1", "7.0")), (number, said)
        assert first == "0" or "No space left on device" in said, (number, said)
        assert (seen / "second").read_text().strip() == "0", said
        assert tree(seen / "end" / within) == NEW
        codes.add(first)
    assert codes == {"0", "1"}
