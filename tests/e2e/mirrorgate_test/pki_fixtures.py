"""Fixtures of the tests of certs/pki. RSA keys are slow to make, so one CA (`issued`) serves every
test that only looks or is refused; tests that change a CA get a copy."""

import pathlib
import shutil

import pytest

from .pki_tool import AUTHORITY, TOOL, issue_all


@pytest.fixture(scope="session")
def issued(tmp_path_factory):
    """A CA with a server, customers acme and globex, a probe. Read only."""
    return issue_all(tmp_path_factory.mktemp("pki") / "ca")


@pytest.fixture
def ca(issued, tmp_path):
    """A copy of `issued` to change."""
    return pathlib.Path(shutil.copytree(issued, tmp_path / "ca"))


@pytest.fixture(scope="session")
def one_key():
    return AUTHORITY.new_key()


@pytest.fixture
def quick_keys(monkeypatch, one_key):
    """What TOOL issues in this test has one same key, to save the time of making more."""
    for module in (TOOL, AUTHORITY):
        monkeypatch.setattr(module, "new_key", lambda: one_key)
