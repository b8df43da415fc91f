"""The folder that spot keeps artifacts in, as its manual describes it."""

import hashlib
import os
import pathlib
import re


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def sha1(content):
    return hashlib.sha1(content).hexdigest()


class Cache:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.parts = self.folder / "parts"

    def object(self, content):
        name = sha256(content)
        return self.folder / "sha256" / name[:2] / name

    def index(self, content):
        name = sha1(content)
        return self.folder / "sha1" / name[:2] / name

    def part(self, content):
        return self.parts / sha256(content)

    def lay_part(self, content, part, tag=None):
        """Lays PART where a cut download of CONTENT would be, with its ETag."""
        self.parts.mkdir(parents=True, exist_ok=True)
        self.part(content).write_bytes(part)
        if tag is not None:
            pathlib.Path(f"{self.part(content)}.etag").write_text(tag)

    def _below(self, name):
        """All that stands two levels below NAME, but for what a kill left beside an index entry."""
        found = sorted(self.folder.glob(f"{name}/*/*"))
        return [path for path in found if not re.fullmatch(r"[0-9a-f]{40}\.\d+", path.name)]

    def contents(self):
        """The contents of all objects, each of which must be what its name says; sorted."""
        found = []
        for path in self._below("sha256"):
            assert re.fullmatch("[0-9a-f]{64}", path.name), f"{path} is no object"
            assert path.is_file() and not path.is_symlink(), f"{path} is no file"
            found.append(path.read_bytes())
            assert sha256(found[-1]) == path.name == path.parent.name + path.name[2:], path
        return sorted(found)

    def indexed(self):
        """The contents that the index leads to, each by its own SHA-1; sorted."""
        found = []
        for path in self._below("sha1"):
            assert path.is_symlink(), f"{path} is no link"
            found.append(path.read_bytes())
            assert sha1(found[-1]) == path.name == path.parent.name + path.name[2:], path
            assert path.resolve() == self.object(found[-1]).resolve()
        return sorted(found)

    def leftovers(self):
        """What lies in parts/, and what else has no business in the cache."""
        known = set(self._below("sha256") + self._below("sha1"))
        files = {path for path in self.folder.rglob("*") if not path.is_dir()} - known
        homes = tuple(self.folder / name for name in ("installed", "lock", "seen"))
        return sorted(path for path in files if path not in homes and path.parent not in homes)

    def age(self, content, days):
        """Makes the object look as if it had been used DAYS ago last."""
        path = self.object(content)
        when = path.stat().st_mtime - days * 86_400
        os.utime(path, (when, when))
