"""Fixtures of the tests of upstream-stub."""

import contextlib

import pytest

from .stub_process import Stub, deny_openat2


@pytest.fixture
def start(tmp_path):
    """Starts stubs; the context of the last one ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Stub(tmp_path, **options))


@pytest.fixture
def stub(start):
    return start()


@pytest.fixture(params=["tcp", "unix"])
def either(request, start, tmp_path):
    """A stub on TCP, and one on a Unix socket."""
    return start(listen="127.0.0.1:0" if request.param == "tcp" else f"unix:{tmp_path}/s")


@pytest.fixture(params=["openat2", "walk"])
def safe(request, start):
    """A stub that opens files by openat2(), and one that may not."""
    return start(preexec=deny_openat2 if request.param == "walk" else None)
