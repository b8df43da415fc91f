"""What an installation runs before and after a version takes its place."""

import json
import os
import shlex
import shutil
import signal
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM
from mirrorgate_test.stopper import calls_of, choose, library_that_stops, stopped_at

from test_spot_fetch import publish, tree
from test_spot_full_disk import everything, own

__all__ = ["library_that_stops"]  # a fixture

OLD, NEW = {"bin/run": b"run 7", "old": b"7"}, {"bin/run": b"run 8", "new": b"8"}
SECRET = "hunter2"


def note_down(log):
    """A hook that tells in LOG, a line of JSON each, what it was told and sees."""
    script = log.with_suffix(".py")
    script.write_text(
        "import json, os, pathlib, sys\n"
        "fds = [os.readlink('/proc/self/fd/' + fd) for fd in os.listdir('/proc/self/fd')\n"
        "       if os.path.exists('/proc/self/fd/' + fd)]\n"
        "seen = {'arguments': sys.argv[1:], 'environment': dict(os.environ), 'open': fds,\n"
        "        'cwd': os.getcwd(), 'input': sys.stdin.read(), 'run': None}\n"
        "for name in ('bin/run', 'current/bin/run'):\n"
        "    path = pathlib.Path(os.environ['SPOT_FOLDER'], name)\n"
        "    seen['run'] = path.read_text() if path.exists() else seen['run']\n"
        f"with open({str(log)!r}, 'a') as out:\n"
        "    print(json.dumps(seen), file=out)\n"
        "print('said\\nand more', end='')\n"
    )
    return ["/usr/bin/python3", str(script)]


@pytest.fixture(name="place")
def gate_and_store(lab, release):
    """Makes an installation of 7.0 with the hooks that it is told, and 8.0 at the store."""

    def make(before=None, after=None, layout="in-place", **more):
        stub = lab.stub()
        publish(stub.root, release, "7.0", OLD)
        spot = lab.spot(lab.gateway(stub), release=str(release), tries=1, layout=layout)
        plain = spot.file.read_text()
        spot.store, spot.release, spot.here = stub, release, spot.folder / "here"
        spot.log = spot.folder / "log"
        done = spot.run("fetch", "step-core", "--to", spot.here)
        assert done.returncode == 0, done.stderr
        publish(stub.root, release, "8.0", NEW)
        hooks = {"before": before, "after": after, **more}
        text = {key: value for key, value in hooks.items() if value is not None}
        spot.file.write_text(plain.rstrip("\n") + "\nhooks: " + json.dumps(text) + "\n")
        spot.content = spot.here / "current" if layout == "versions" else spot.here
        spot.seen = lambda: (
            [json.loads(line) for line in spot.log.read_text().splitlines()]
            if spot.log.exists() else []
        )  # fmt: skip
        return spot

    return make


def both(place, **how):
    spot = place(**how)
    words = note_down(spot.log)
    text = spot.file.read_text().split("\nhooks: ")[0]
    hooks = {"before": [*words, "before", "a b;$HOME"], "after": [*words, "after"]}
    spot.file.write_text(text + "\nhooks: " + json.dumps(hooks) + "\n")
    return spot


def told(seen):
    return {key: value for key, value in seen["environment"].items() if key.startswith("SPOT_")}


def test_both_run_around_the_change_with_both_versions_and_nothing_else(place):
    spot = both(place)
    done = spot.run("update", environment={"SECRET": SECRET, "SPOT_OTHER": SECRET})
    assert done.returncode == 0, done.stderr
    before, after = spot.seen()
    assert (before["arguments"], after["arguments"]) == (["before", "a b;$HOME"], ["after"])
    assert (before["run"], after["run"]) == ("run 7", "run 8")
    for seen in (before, after):
        assert told(seen) == {
            "SPOT_PRODUCT": "step-core", "SPOT_OLD_VERSION": "7.0", "SPOT_NEW_VERSION": "8.0",
            "SPOT_FOLDER": str(spot.here),
        }  # fmt: skip
        assert set(seen["environment"]) - set(told(seen)) <= {"PATH", "LC_CTYPE"}  # Python's own
        assert seen["cwd"] == "/" and seen["input"] == ""
        assert not [it for it in seen["open"] if "spot" in it or "socket" in it or ".key" in it], seen
    for line in ("before hook: said", "before hook: and more", "after hook: said"):
        assert f"spot: {line}\n" in done.stderr


def test_nothing_runs_when_nothing_changes_and_both_when_a_file_is_mended(place):
    spot = both(place)
    assert spot.run("update").returncode == 0
    spot.log.unlink()
    assert spot.run("update").returncode == 0 and spot.seen() == []
    (spot.here / "new").unlink()
    assert spot.run("update").returncode == 0
    assert [told(it)["SPOT_OLD_VERSION"] for it in spot.seen()] == ["8.0", "8.0"]


def test_a_first_version_has_none_before_it_and_a_folder_from_here_is_named_in_full(place):
    spot = both(place)
    done = subprocess.run(
        [PROGRAM, "-q", "-c", spot.file, "fetch", "step-core", "--to", "other"], cwd=spot.folder,
        capture_output=True, text=True, check=False, timeout=60 * common.PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [told(it)["SPOT_OLD_VERSION"] for it in spot.seen()] == ["", ""]
    assert [told(it)["SPOT_FOLDER"] for it in spot.seen()] == [str(spot.folder / "other")] * 2


def test_versions_side_by_side_show_the_new_one_and_a_rollback_runs_both(place):
    spot = both(place, layout="versions")
    assert spot.run("update").returncode == 0
    before, after = spot.seen()
    assert (before["run"], after["run"]) == ("run 7", "run 8")
    assert told(before)["SPOT_STAGED"] == told(after)["SPOT_STAGED"] == str(spot.here / "8.0")
    spot.log.unlink()
    assert spot.run("rollback", spot.here).returncode == 0
    before, after = spot.seen()
    assert (before["run"], after["run"]) == ("run 8", "run 7")
    assert told(after) == {
        "SPOT_PRODUCT": "step-core", "SPOT_OLD_VERSION": "8.0", "SPOT_NEW_VERSION": "7.0",
        "SPOT_FOLDER": str(spot.here), "SPOT_STAGED": str(spot.here / "7.0"),
    }  # fmt: skip


FAILURES = [
    (["/bin/false"], "(/bin/false) ended with status 1"),
    (["/bin/sh", "-c", "kill -9 $$"], "was ended by signal 9"),
    (["/does/not/exist"], "(/does/not/exist) ended with status 127"),
    (["/bin/sleep", "600"], "took longer than 1 seconds, and was ended"),
    (["/bin/sh", "-c", "trap '' TERM; yes & yes"], "took longer than 1 seconds, and was ended"),
]


@pytest.mark.parametrize(("hook", "sentence"), FAILURES)
@pytest.mark.parametrize("layout", ["in-place", "versions"])
def test_one_that_fails_before_the_change_stops_it(place, hook, sentence, layout):
    if "trap" in str(hook) and layout == "versions":
        hook = ["/bin/false"]
        sentence = "ended with status 1"
    spot = place(before=hook, after=["/bin/touch", "/nowhere/at/all"], layout=layout, time="1s")
    before = everything(spot.content)
    done = spot.run("-q", "--json", "update")
    assert done.returncode == 13, (done.stdout, done.stderr)
    result = json.loads(done.stdout)
    assert (result["failure"], result["exit_code"]) == ("hook-before", 13)
    assert sentence in result["detail"] and "is as it was before" in result["detail"], result
    assert everything(spot.content) == before and not list(spot.here.glob(".spot*"))
    shown = spot.run("snapshot", "prod-1", "--dry-run")
    assert json.loads(shown.stdout)["components"][0]["version"] == "7.0"


def test_one_that_fails_after_the_change_is_told_and_the_new_version_stays(place):
    spot = place(after=["/bin/false"])
    text = spot.run("update").stderr
    assert "the hook `after` (/bin/false) ended with status 1; step-core 8.0 is in its place" in text
    assert f"`spot fetch step-core 7.0 --to {spot.here}` goes back" in text
    assert tree(spot.here) == NEW and not list(spot.here.glob(".spot*"))
    assert spot.run("update").returncode == 0  # nothing changes, and nothing is run


def test_one_that_fails_after_a_switch_names_the_way_back(place):
    spot = place(after=["/bin/false"], layout="versions")
    done = spot.run("update")
    assert done.returncode == 14 and f"`spot rollback {spot.here}` goes back to 7.0" in done.stderr
    assert tree(spot.content) == NEW
    done = spot.run("rollback", spot.here)
    assert done.returncode == 14 and tree(spot.content) == OLD


def test_a_rollback_that_a_hook_stops_changes_nothing(place):
    spot = place(layout="versions")
    assert spot.run("update").returncode == 0
    text = spot.file.read_text().split("\nhooks: ")[0]
    spot.file.write_text(text + "\nhooks: " + json.dumps({"before": ["/bin/false"]}) + "\n")
    done = spot.run("rollback", spot.here)
    assert done.returncode == 13, done.stderr
    assert os.readlink(spot.here / "current") == "8.0" and tree(spot.content) == NEW


def test_a_change_that_was_cut_runs_the_hook_when_it_is_ended(place, stopper):
    """Killed later and later, until the journal is there."""
    spot = both(place)
    for number in range(1, 200):
        spot.log.unlink(missing_ok=True)
        done = spot.run("update", environment={
            "LD_PRELOAD": str(stopper), "STOP_AT": str(number), "STOP_IN": str(spot.here),
            "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
        })  # fmt: skip
        assert done.returncode == -signal.SIGKILL, (number, done.stderr)
        if (spot.here / ".spot.part.json").exists():
            break
    assert [it["arguments"][0] for it in spot.seen()] == ["before"]
    assert spot.run("update").returncode == 0
    assert [it["arguments"][0] for it in spot.seen()] == ["before", "after"]
    assert told(spot.seen()[1])["SPOT_OLD_VERSION"] == "7.0" and tree(spot.here) == NEW


def test_what_a_hook_leaves_running_holds_nobody_up(place):
    spot = place()
    text = spot.file.read_text().split("\nhooks: ")[0]
    script = f"sleep infinity & echo $! > {shlex.quote(str(spot.log))}"
    hooks = {"after": ["/bin/sh", "-c", script], "time": "10m"}
    spot.file.write_text(text + "\nhooks: " + json.dumps(hooks) + "\n")
    done = spot.run("update", timeout=300)
    left = int(spot.log.read_text())
    os.kill(left, signal.SIGKILL)  # it is still there
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("hooks", "sentence"),
    [
        ({"before": ["true"]}, "`hooks.before` must begin with the absolute path of a program"),
        ({"after": ["bin/true"]}, "`hooks.after` must begin with the absolute path of a program"),
        ({"time": "soon"}, "`hooks.time` must be a duration"),
        ({"during": ["/bin/true"]}, "during"),
        ({"after": "/bin/true"}, "spot.yaml"),
        ({"after": []}, "spot.yaml"),
    ],
)
def test_hooks_that_cannot_be_right_are_refused(place, hooks, sentence):
    spot = place()
    before = everything(spot.here)
    text = spot.file.read_text().split("\nhooks: ")[0]
    spot.file.write_text(text + "\nhooks: " + json.dumps(hooks) + "\n")
    done = spot.run("update")
    assert done.returncode == 3 and sentence in done.stderr, done.stderr
    assert everything(spot.here) == before


@pytest.mark.parametrize("layout", ["in-place", "versions"])
def test_killed_before_any_step_the_hook_after_is_run_by_the_next_run(place, stopper, layout):
    """Offline, it has run if and only if the new version is in its place."""
    spot = both(place, layout=layout)
    offline = spot.folder / "offline.yaml"
    port = spot.file.read_text().split("127.0.0.1:")[1].split('"')[0].split("'")[0].split()[0]
    offline.write_text(spot.file.read_text().replace(f"127.0.0.1:{port}", "127.0.0.1:1"))
    copy = spot.folder / "copy"
    shutil.copytree(spot.here, copy, symlinks=True)
    calls = calls_of(spot, stopper)
    noted = [it.path.endswith("/.spot.part.after") for it in calls].index(True)
    seen = []
    for number in choose(calls, noted, 2):
        shutil.rmtree(spot.here)
        shutil.copytree(copy, spot.here, symlinks=True)
        spot.log.unlink(missing_ok=True)
        done = stopped_at(spot, stopper, number)
        assert done.returncode == -signal.SIGKILL, (number, done.stderr)
        again = common.run([PROGRAM, "-c", offline, "update"])
        assert again.returncode == 4, again.stderr
        version = json.loads((spot.content / "catalogue.json").read_text())["version"]
        after = [told(it) for it in spot.seen() if it["arguments"] == ["after"]]
        assert len(after) == 0 if version == "7.0" else 1 <= len(after) <= 2, (number, after)
        for it in after:
            assert (it["SPOT_OLD_VERSION"], it["SPOT_NEW_VERSION"]) == ("7.0", "8.0")
            staged = str(spot.here / "8.0") if layout == "versions" else None
            assert it.get("SPOT_STAGED") == staged
        assert not (spot.here / ".spot.part.after").exists()
        assert own(spot.content) == (NEW if version == "8.0" else OLD)
        seen.append(version)
    assert set(seen) == {"7.0", "8.0"}, seen


def test_killed_while_it_runs_the_hook_after_runs_once_more(place):
    """Also by a rollback, and once only when it has ended, whatever its status."""
    spot = place(layout="versions")
    text = spot.file.read_text().split("\nhooks: ")[0]
    once = f"echo $SPOT_NEW_VERSION >> {shlex.quote(str(spot.log))}; "

    def hooks(script):
        hook = {"after": ["/bin/sh", "-c", once + script]}
        spot.file.write_text(text + "\nhooks: " + json.dumps(hook) + "\n")

    hooks("kill -9 $PPID; sleep 600")
    assert spot.run("update").returncode == -signal.SIGKILL
    assert spot.log.read_text().split() == ["8.0"]
    assert (spot.here / ".spot.part.after").exists()
    hooks("exit 3")
    done = spot.run("rollback", spot.here)
    assert done.returncode == 14, done.stderr
    assert "the hook `after` of step-core 8.0, which was cut, is due" in done.stderr
    assert os.readlink(spot.content) == "8.0" and not list(spot.here.glob(".spot*"))
    hooks("exit 0")
    assert spot.run("update").returncode == 0
    assert spot.log.read_text().split() == ["8.0", "8.0"]


MARKS = ["", "step-core\n7.0\n8.0", "step-core\n7.0\n9.0\n", "x\n\n7.0\n", "\0"]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_of_what_never_came_runs_nothing_and_goes(place, mark):
    spot = both(place)
    (spot.here / ".spot.part.after").write_text(mark)
    done = spot.run("fetch", "step-core", "7.0", "--to", spot.here)
    assert done.returncode == 0, done.stderr
    assert spot.seen() == [] and not list(spot.here.glob(".spot*"))


def test_a_hook_that_cannot_be_noted_down_stops_the_change(place):
    spot = both(place)
    (spot.here / ".spot.part.after").mkdir()
    before = everything(spot.here)
    text = spot.run("update").stderr
    assert "cannot note that the hook `after` is due" in text and "is as it was before" in text
    assert everything(spot.here) == before
