"""SIGKILL at any moment: what stands under a final name is whole, and the next run ends the work."""

import random
import shutil
import subprocess
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.cache import Cache, sha1
from mirrorgate_test.spot import PROGRAM

from test_spot_fetch import BASE, publish, tree

# Fewer where each takes several times as long; the release build is killed as often as it takes.
SHARE = 4 if common.INSTRUMENTED else 1
KILLS = 100 // SHARE  # of fetch
KILLS_OF_UPDATES = 24 // SHARE
KILLS_OF_OTHERS = 100 // SHARE  # gc and verify
# What is killed by chance goes on until it has been killed often enough, at each moment that matters.
RUNS = 1000


def content(name, size):
    return random.Random(name).randbytes(size)


# Sizes at which downloading, copying and renaming all take a while: a few larger files that both
# versions have, some that change, many small ones, and some that only one of the two has.
SHARED = {f"shared/{n}.bin": content(f"shared {n}", 400_000) for n in range(4)}
OLD, NEW = (
    SHARED
    | {f"changing/{n}.bin": content(f"{which} {n}", 300_000) for n in range(8)}
    | {f"small/{n}.txt": content(f"{which} small {n}", 500) for n in range(20)}
    | {f"only-{which}/{n}.txt": content(f"{which} only {n}", 500) for n in range(4)}
    for which in ("old", "new")
)
VERSIONS = {"11.0": OLD, "11.1": NEW}


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """A gate with two versions, and an installation of the older one."""
    stub = lab.stub()
    for version, files in VERSIONS.items():
        publish(stub.root, release, version, files)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
    spot.cache = Cache(spot.folder / "cache")
    done = spot.run("fetch", "step-core", "11.0", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    assert tree(spot.here) == OLD
    return spot


def start(spot, *arguments):
    return subprocess.Popen(
        [PROGRAM, "-q", "-c", spot.file, *arguments], stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


class Killer:
    """Kills what it runs at a moment of the time that takes, which it learns: a run that ended
    before was shorter, one that did not was longer than was thought."""

    def __init__(self, spot, seed, whole):
        self.spot, self.chance, self.whole = spot, random.Random(seed), whole
        self.kills = 0

    def run(self, *arguments):
        """True when it was killed."""
        process = start(self.spot, *arguments)
        time.sleep(self.chance.uniform(0, self.whole))
        process.kill()
        killed = process.wait(60) != 0
        self.kills += killed
        self.whole *= 1.02 if killed else 0.95
        return killed


def timed(spot, *arguments):
    begun = time.monotonic()
    done = spot.run(*arguments)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begun


def check(spot, folder):
    """Nothing that has a final name is anything but the old or the new version's; what was seen."""
    seen = {
        path: whole for path, whole in tree(folder).items() if not path.startswith(".spot.part")
    }
    for path, whole in seen.items():
        assert whole in (OLD.get(path), NEW.get(path)), path
    known = set(OLD.values()) | set(NEW.values())
    assert set(spot.cache.contents()) <= known
    for path in spot.cache.folder.glob("sha1/*/*"):
        if path.exists():  # gc takes the objects first, and then the entries
            assert sha1(path.read_bytes()) == path.name.partition(".")[0], path
    return seen


def forget(spot, chance):
    """Has a part of what was cached be downloaded again."""
    for path in sorted(spot.cache.folder.glob("sha256/*/*")):
        if chance.random() < 0.4:
            path.unlink()
    for path in spot.cache.folder.glob("sha1/*/*"):
        if not path.exists():
            path.unlink()


def completes(spot, version):
    """One last run ends it all: the right tree, and nothing left over in the folder."""
    done = spot.run("fetch", "step-core", version, "--to", spot.here)
    assert done.returncode == 0, done.stderr
    assert tree(spot.here) == VERSIONS[version]
    assert sorted(path.name for path in spot.here.iterdir() if path.is_file()) == [
        "catalogue.json", "catalogue.json.p7s",
    ]  # fmt: skip
    assert spot.run("catalogue", "check", spot.here, "--signer", spot.release).returncode == 0
    check(spot, spot.here)


def all_is_well(spot):
    """Both versions arrive; and what was left in parts/ is used up once all is wanted again."""
    for version in ("11.1", "11.0"):
        completes(spot, version)
    for folder in (spot.here, spot.cache.folder / "sha256", spot.cache.folder / "sha1"):
        shutil.rmtree(folder)
    for version in ("11.1", "11.0"):
        completes(spot, version)
    assert spot.cache.leftovers() == []
    assert spot.cache.contents() == spot.cache.indexed()


def test_a_fetch_killed_at_any_moment_leaves_nothing_half_done(shop):
    to = ["--to", shop.here]
    killer = Killer(shop, 7, timed(shop, "fetch", "step-core", "11.1", *to))
    moments = dict.fromkeys(["nothing yet", "downloading", "copying", "between versions"], 0)
    version, runs = "11.1", 0

    def has_seen_all():
        late = moments["copying"] + moments["between versions"]
        return moments["downloading"] >= 5 and late >= 5

    while killer.kills < KILLS or not has_seen_all():
        runs += 1
        assert runs < RUNS, (moments, killer.kills)
        # Half of the time it goes on with what was killed before, else it turns back.
        if killer.chance.random() < 0.5:
            version = "11.0" if version == "11.1" else "11.1"
        forget(shop, killer.chance)
        alive = killer.run("fetch", "step-core", version, *to)
        seen = check(shop, shop.here)
        if not alive:
            assert seen == VERSIONS[version]
        elif (shop.here / ".spot.part").exists():
            moments["copying"] += 1
        elif (shop.here / ".spot.part.json").exists():
            moments["between versions"] += 1
        elif any(shop.cache.parts.iterdir()):
            moments["downloading"] += 1
        else:
            moments["nothing yet"] += 1
    print(moments, f"{runs} runs")
    all_is_well(shop)


def test_an_update_killed_at_any_moment_is_ended_by_the_next(shop):
    """Two folders each time, to which the older version is put back from a copy."""
    other, copy = shop.folder / "other", shop.folder / "copy"
    timed(shop, "fetch", "step-core", "11.0", "--to", other)
    shutil.copytree(shop.here, copy)
    killer = Killer(shop, 8, timed(shop, "update"))
    for runs in range(RUNS):
        if runs >= KILLS_OF_UPDATES and killer.kills >= KILLS_OF_UPDATES // 4:
            break
        for folder in (shop.here, other):
            shutil.rmtree(folder)
            shutil.copytree(copy, folder)
        forget(shop, killer.chance)
        killer.run("update")
        check(shop, shop.here)
        check(shop, other)
        done = shop.run("update")
        assert done.returncode == 0, done.stderr
        assert tree(shop.here) == tree(other) == NEW
        assert not list(shop.here.glob(".spot*")) and not list(other.glob(".spot*"))
    assert killer.kills >= KILLS_OF_UPDATES // 4, f"in {runs} runs"
    all_is_well(shop)


def test_gc_and_verify_killed_at_any_moment_harm_nobody(shop):
    """While they are killed, others fetch through the same cache, and get what they want."""
    size = sum(map(len, {*OLD.values(), *NEW.values()}))
    timed(shop, "fetch", "step-core", "11.1", "--to", shop.folder / "new")
    killers = {
        "gc": Killer(shop, 9, timed(shop, "cache", "gc", "--max", str(size))),
        "verify": Killer(shop, 10, timed(shop, "cache", "verify")),
    }
    for n in range(RUNS):
        rarest = min(killer.kills for killer in killers.values())
        if n >= KILLS_OF_OTHERS and rarest >= KILLS_OF_OTHERS // 8:
            break
        # Something to do for each: objects are missing, and one is damaged.
        timed(shop, "fetch", "step-core", "11.1", "--to", shop.folder / "new")
        damaged = killers["verify"].chance.choice(sorted(shop.cache.folder.glob("sha256/*/*")))
        damaged.write_bytes(b"damaged")
        folder = shop.folder / f"reader{n}"
        reader = start(shop, "fetch", "step-core", "11.1", "--to", folder) if n % 4 == 0 else None
        if n % 2:
            killers["gc"].run("cache", "gc", "--max", str(size // 3))
        else:
            killers["verify"].run("cache", "verify")
        if reader:
            assert reader.wait(60 * common.PATIENCE) == 0
            assert tree(folder) == NEW
            shutil.rmtree(folder)
        if damaged.exists() and damaged.read_bytes() == b"damaged":
            damaged.unlink()  # the kill was there first
        check(shop, shop.here)
    assert rarest >= KILLS_OF_OTHERS // 8, f"in {n} runs"
    assert shop.run("cache", "gc", "--max", "1G").returncode == 0
    assert shop.run("cache", "verify").returncode == 0
    all_is_well(shop)


def test_a_signature_that_is_newer_than_its_catalogue_is_mended(shop):
    """What a kill between the last two renames leaves, as far as these two go."""
    signature = shop.store.root / BASE / "11.1/catalogue.json.p7s"
    (shop.here / "catalogue.json.p7s").write_bytes(signature.read_bytes())
    assert shop.run("snapshot", "prod-1", "--dry-run").returncode == 0
    assert shop.run("update").returncode == 0
    completes(shop, "11.1")
