"""An origin, its mirror, and what `spot mirror` makes of them: for its tests."""

import glob
import hashlib
import json
import os
import shutil

from mirrorgate_test import common, store
from mirrorgate_test.gateway import policy
from mirrorgate_test.spot import PROGRAM

FUTURE = "2999-12-31"
FILES = {"core.zip": b"0123456789" * 20_000, "doc/a.txt": b"", "doc/b.txt": b"text"}
NEXT = {**FILES, "doc/b.txt": b"new text"}
REMOVE = ("--remove-unlicensed", "--max-removals", "100%")


def make(*arguments):
    done = common.run([PROGRAM, "catalogue", *arguments])
    assert done.returncode == 0, done.stderr


def publish(root, release, version, files, *, product="step-core", expires=FUTURE):
    """Puts VERSION with its catalogue below ROOT, as a vendor would."""
    folder = root / "artifacts" / product / version
    for name, content in files.items():
        store.write(folder, name, content)
    make("make", folder, "--product", product, "--version", version, "--expires", expires,
         "--sign", release)  # fmt: skip


def index(root, release, *, product="step-core", expires=FUTURE):
    make("index", root / "artifacts" / product, "--product", product, "--expires", expires,
         "--sign", release)  # fmt: skip


def sign(release, file):
    """Signs FILE as a vendor's other tool would."""
    done = common.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", release, "-inkey",
         release.with_suffix(".key"), "-in", file, "-out", f"{file}.p7s"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def tree(folder):
    """The files below FOLDER with their contents, but for spot's own."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".spot"
    }


def inodes(folder):
    """Every published file by its inode, with its digest: what must never change together."""
    return {
        path.stat().st_ino: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] != ".spot"
    }


class Site:
    """An origin, its gateway, and a mirror of it."""

    def __init__(self, lab, release, **keys):
        self.lab, self.release = lab, release
        self.origin = lab.new_folder("origin")
        (self.origin / "snapshots").mkdir()
        self.stub = lab.stub(self.origin)
        self.gate = lab.gateway(self.stub)
        self.spot = lab.spot(self.gate, release=str(release), tries=1, **keys)
        self.folder = lab.new_folder("mirror")

    def publish(self, version, files, **how):
        publish(self.origin, self.release, version, files, **how)

    def index(self, **how):
        index(self.origin, self.release, **how)

    def withdraw(self, version, product="step-core"):
        shutil.rmtree(self.origin / "artifacts" / product / version)

    def mirror(self, *arguments, code=0, **how):
        """Runs it with --json; returns the report."""
        done = self.spot.run("-q", "--json", "mirror", self.folder, *arguments, **how)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        report = json.loads(done.stdout)
        assert report.get("exit_code", 0) == code
        return report

    def core(self, *arguments, **how):
        """The same; what it says of step-core, empty lists left out."""
        [core] = [it for it in self.mirror(*arguments, **how)["products"] if it["product"] == "step-core"]
        return {key: value for key, value in core.items() if value and key != "product"}

    def gets(self, start=0):
        """The artifacts that the origin's store was asked for."""
        return [
            request["path"] for request in self.stub.requests(start)
            if not request["path"].endswith((".json", ".p7s"))
        ]  # fmt: skip

    def published(self, *parts):
        return self.folder.joinpath("artifacts", "step-core", *parts)

    def marks(self):
        """What is remembered of what is missed."""
        return sorted((self.folder / ".spot/leaving").iterdir())

    def write_missed(self, last):
        """As a clock does that jumps: moves when what is missed was last counted."""
        for mark in self.marks():
            seen, when = mark.read_text().split()
            mark.write_text(f"{seen} {last(int(when))}")

    def is_complete(self):
        """The mirror holds what the origin does, to the byte."""
        return tree(self.folder) == tree(self.origin)


def with_two_versions(site):
    site.publish("10.3", FILES)
    site.publish("10.4", NEXT)
    site.index()
    return site


def later(offset, **more):
    """The environment in which the clock has gone on."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    return {
        "LD_PRELOAD": library,
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
        **more,
    }


# --- the index


def refused(site, code, sentence, *arguments, **how):
    before = tree(site.folder)
    start = site.stub.mark()
    report = site.core(*arguments, code=code, **how)
    assert sentence in report["failed"][0]["detail"], report
    assert site.gets(start) == []
    assert tree(site.folder) == before


def without_plus():
    """The policy in which nobody has step-plus any more."""
    data = policy(serial=2)
    for entry in data["customers"]:
        entry["products"] = [it for it in entry["products"] if it["id"] != "step-plus"]
    return data
