"""The comparison itself: a case that fails is named, and mirrorgate's failures fail the run."""

import importlib.machinery
import importlib.util
import sys
import threading
import types

import pytest
from mirrorgate_test import common
from mirrorgate_test.cases.bench import Case

FOLDER = common.REPOSITORY / "tests" / "attack"


class MadeUp(Case):
    """Holds, fails strictly, fails, raises or hangs, as its name says."""

    def attempt(self, bench, strict):
        if self.name == "hangs":
            bench.scripted.release.wait(30)
        assert self.name != "raises", "a surprise"
        return "let through" if self.name == "fails" or (strict and self.name == "strict") else None


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    loader = importlib.machinery.SourceFileLoader("attack_run", str(FOLDER / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("attack_run", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name, status", [("holds", 0), ("strict", 1), ("fails", 1), ("raises", 1)]
)
def test_a_failed_case_is_named_and_fails_the_run(
    runner, monkeypatch, capsys, tmp_path, name, status
):
    cases = [MadeUp("made up", "holds-too"), MadeUp("made up", name, house=True)]
    monkeypatch.setattr(runner, "load_cases", lambda words: cases)
    monkeypatch.setattr(sys, "argv", ["run", "mirrorgate"])
    monkeypatch.setattr(common, "BUILD", tmp_path)
    assert runner.main() == status
    report = (tmp_path / "attack.md").read_text()
    assert f"made up: {name} (house rule)" in report if status else "made up: " not in report
    assert ("FAILED made up" in capsys.readouterr().out) == bool(status)
    assert f"| made up | {1 + (status == 0)} / 2 |" in report
    assert "| **rules that bind any gateway** | 1 / 1 | 1 / 1 |" in report


def test_every_table_is_loaded(runner):
    groups = {case.group for case in runner.load_cases([])}
    assert {"request head", "content-length", "path form", "pipeline"} <= groups
    assert {case.group for case in runner.load_cases(["content-length: 2-64"])} == {
        "content-length"
    }


def test_a_case_without_end_has_failed(runner, monkeypatch):
    monkeypatch.setattr(runner, "CASE_SECONDS", 0.1)
    release = threading.Event()
    bench = types.SimpleNamespace(scripted=types.SimpleNamespace(release=release))
    assert "no end" in runner.attempt(MadeUp("made up", "hangs"), bench, False)
    release.set()
