"""What comes with spot: completion, systemd units, and its manners under cron."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
UNITS = sorted((PACKAGING / "examples").glob("spot-*.service"))


def completed(*words):
    """What bash would offer for the last of WORDS."""
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _spot spot "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script, "bash", PACKAGING / "completion/spot.bash", "spot", *words],
        capture_output=True, text=True, check=True, cwd="/",
        env={"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.split())


def usage():
    return subprocess.run([PROGRAM, "-h"], capture_output=True, text=True, check=True).stdout


def test_completion_offers_each_command():
    expected = {"list", "fetch", "update", "cache", "snapshot", "catalogue"}
    assert expected <= completed("")
    assert completed("sn") == {"snapshot"}
    assert {"make", "check", "index"} <= completed("catalogue", "")
    assert completed("cache", "") == {"gc", "verify"}
    assert {"snapshot"} == completed("-q", "-c", "spot.yaml", "sna")


def test_completion_offers_each_option_that_the_usage_names():
    expected = set(re.findall(r"--[a-z-]+", usage()))
    assert {"--from", "--dry-run", "--to", "--json"} <= expected
    assert completed("--") == expected


def test_completion_offers_folders_after_to():
    assert "/usr" in completed("fetch", "x", "--to", "/us")


def test_completion_offers_the_formats_and_the_files_of_a_report():
    assert completed("report", "/srv", "--format", "") == {"table", "csv", "json", "html"}
    assert "/usr" in completed("report", "/srv", "--bad", "/us")
    assert "/usr" in completed("report", "/srv", "--newest", "/us")


def test_completion_offers_folders_to_mirror_into():
    assert "/usr" in completed("mirror", "/us")


def test_each_daily_task_has_a_unit():
    assert {"spot-fetch@", "spot-snapshot", "spot-cache", "spot-mirror"} <= {unit.stem for unit in UNITS}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_units(tmp_path, unit):
    timer = unit.with_suffix(".timer")
    names = []
    for file in (unit, timer):
        name = file.name.replace("@.", "@step-core.")
        text = file.read_text().replace("/usr/local/bin/spot", str(shutil.which("true")))
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)  # whatever our umask
        names.append(tmp_path / name)
    assert "ExecStart=/usr/local/bin/spot -q " in unit.read_text()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "spot-" in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_under_cron_it_is_silent_and_needs_no_environment(lab):
    stub = lab.stub()
    spot = lab.spot(lab.gateway(stub))
    file = spot.folder / "installed.txt"
    file.write_text("step-core 10.3\n")
    done = common.run(
        ["env", "-i", "sh", "-c", 'umask 077; exec "$@" </dev/null', "sh", PROGRAM, "-q", "-c",
         spot.file, "snapshot", "prod-1", "--from", file],
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert len(stub.snapshots()) == 1
