"""tests/fuzz/run reports what the fuzz targets find, and never takes silence for success.

The targets here are small scripts that say what libFuzzer says; libFuzzer itself is not needed.
"""

import subprocess
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "tests/fuzz/run"

STATISTICS = "echo '#2 INITED cov: 7 ft: 9'; echo 'stat::number_of_executed_units: 12'\n"
CRASH = """for argument; do
	case $argument in
	-artifact_prefix=*) prefix=${argument#*=} ;;
	esac
done
echo hostile >"${prefix}crash-1"
echo "Test unit written to ${prefix}crash-1"
exit 77
"""


def plant(build, targets):
    for name, script in targets.items():
        program = build / f"fuzz_{name}"
        program.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
        program.chmod(0o755)


def run(tmp_path, *arguments):
    done = subprocess.run(
        [RUN, "--build", tmp_path, "--seconds", "1", "--corpus", tmp_path / "given", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return done.returncode, done.stdout


def test_targets_that_find_nothing_are_reported(tmp_path):
    plant(tmp_path, {"one": STATISTICS, "two": STATISTICS})
    status, output = run(tmp_path)
    assert status == 0
    assert "one: 12 inputs, 7 edges, nothing found" in output
    assert "fuzz: 2 targets found nothing, 0 found something" in output


def test_a_finding_fails_the_run_and_names_the_saved_input(tmp_path):
    plant(tmp_path, {"one": STATISTICS, "two": STATISTICS + CRASH})
    status, output = run(tmp_path)
    saved = tmp_path / "findings/two-crash-1"
    assert status == 1
    assert f"two: FOUND SOMETHING (status 77): {saved}" in output
    assert "fuzz: 1 targets found nothing, 1 found something" in output
    assert saved.read_text(encoding="utf-8") == "hostile\n"


@pytest.mark.parametrize("script", ["exit 0\n", "echo 'cov: 7'\n", "exit 1\n",
                                    "echo 'stat::number_of_executed_units: 12'\n"])
def test_a_target_that_ran_nothing_fails_the_run(tmp_path, script):
    plant(tmp_path, {"one": script})
    status, output = run(tmp_path)
    assert status == 1
    assert "one: FOUND SOMETHING" in output


def test_a_program_that_cannot_start_fails_the_run(tmp_path):
    (tmp_path / "fuzz_one").write_text("not a program", encoding="utf-8")
    assert run(tmp_path)[0] == 1


def test_only_the_named_targets_run(tmp_path):
    plant(tmp_path, {"one": STATISTICS, "two": CRASH})
    status, output = run(tmp_path, "one")
    assert status == 0
    assert "two:" not in output


@pytest.mark.parametrize("names", [(), ("three",)])
def test_a_run_without_targets_fails(tmp_path, names):
    if names:
        plant(tmp_path, {"one": STATISTICS})
    status, output = run(tmp_path, *names)
    assert status == 1
    assert "no " in output


def test_corpus_seeds_and_dictionary_reach_the_target(tmp_path):
    plant(tmp_path, {"one": 'echo "$@"\nexit 1\n'})
    for folder in ("given/one", "seeds/one"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "one.dict").write_text("", encoding="utf-8")
    output = run(tmp_path)[1]
    for wanted in ("given/one", "seeds/one", "corpus/one"):
        assert str(tmp_path / wanted) in output
    assert f"-dict={tmp_path}/one.dict" in output
    assert "-max_total_time=1 " in output
