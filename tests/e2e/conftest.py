"""Fixtures of the end-to-end tests, and the rule that nothing is ever skipped.

`lab` belongs to one test, `module_lab` to all tests of a file. Both start programs on demand and
check, when they take them down, that each ended as it should.
"""

import os

import pytest

pytest.register_assert_rewrite("mirrorgate_test")

from mirrorgate_test import common, pki  # noqa: E402
from mirrorgate_test.cases.bench import Bench  # noqa: E402
from mirrorgate_test.lab import Lab  # noqa: E402
from mirrorgate_test.release import issue  # noqa: E402


def pytest_runtest_logreport(report):
    """A failure is told when it happens: a run that is cut short has said what it found."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext[-4000:]}", flush=True)


def pytest_sessionfinish(session, exitstatus):
    """A skipped or expected failure fails the run: each would hide a control nobody tests."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and exitstatus == 0:
        hidden = sum(len(reporter.stats.get(key, [])) for key in ("skipped", "xfailed", "xpassed"))
        if hidden:
            reporter.write_line(f"{hidden} tests were skipped or expected to fail", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    for program in (common.MIRRORGATE, common.UPSTREAM_STUB, common.PKI):
        assert program.exists(), f"{program} is not built"
    return pki.World.complete(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """The certificate that releases are signed with."""
    return issue(tmp_path_factory.mktemp("release"), "release")


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """Another one, which nobody has pinned."""
    return issue(tmp_path_factory.mktemp("other"), "other")


@pytest.fixture
def lab(world):
    with Lab(world) as lab:
        yield lab


@pytest.fixture(scope="module")
def module_lab(world):
    with Lab(world) as lab:
        yield lab


@pytest.fixture(scope="module")
def store(module_lab):
    """The file's own stub; a file that wants other stores overrides this."""
    return module_lab.stub()


@pytest.fixture(scope="module")
def gate(module_lab, store):
    """The file's own gateway with the usual policy, in front of `store`."""
    return module_lab.gateway(store)


@pytest.fixture(scope="module")
def bench(module_lab, world, gate, store):
    """mirrorgate, for the tables of mirrorgate_test.cases."""
    scripted = module_lab.scripted(None)
    behind = module_lab.gateway(
        scripted, config={"timeouts": {"store_response": "3s", "store_connect": "3s"}}
    )
    folder = module_lab.new_folder("cases")
    return Bench("mirrorgate", world, gate, store, scripted, behind, folder)
