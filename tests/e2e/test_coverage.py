"""tests/coverage judges each folder by itself, and never takes silence for success."""

import json
import subprocess
from pathlib import Path

import pytest

COVERAGE = Path(__file__).resolve().parents[2] / "tests/coverage"


def judge(tmp_path, files, *folders):
    """FILES: name -> (lines, lines reached)."""
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps({"files": [
        {"filename": name, "line_total": total, "line_covered": reached}
        for name, (total, reached) in files.items()]}), encoding="utf-8")
    done = subprocess.run([COVERAGE, "--min", "90", summary, *folders], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return done.returncode, done.stdout


def test_folders_with_enough_lines_reached_pass(tmp_path):
    status, output = judge(
        tmp_path, {"gateway/tls/a.c": (90, 80), "gateway/b.c": (10, 10), "base/a.c": (10, 10)},
        "gateway", "base")
    assert status == 0
    assert output == "gateway: 90.0 %, 90 of 100 lines\nbase: 100.0 %, 10 of 10 lines\n"


def test_a_large_folder_does_not_hide_what_a_small_one_lacks(tmp_path):
    status, output = judge(
        tmp_path, {"gateway/a.c": (10000, 10000), "crypto/a.c": (1000, 899)}, "gateway", "crypto")
    assert status == 1
    assert "crypto: 89.9 %, 899 of 1000 lines: FEWER THAN 90 %" in output


@pytest.mark.parametrize("files", [{}, {"client/a.c": (0, 0)}, {"client2/a.c": (10, 10)}])
def test_a_folder_of_which_nothing_was_measured_fails(tmp_path, files):
    status, output = judge(tmp_path, files, "client")
    assert status == 1
    assert "client: nothing was measured" in output
