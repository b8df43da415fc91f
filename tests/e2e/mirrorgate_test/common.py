"""Where the programs are, and how a test waits.

Nothing in the tests sleeps for a fixed time and hopes: `wait_until` asks a question again and
again until the answer is yes or its time is up.
"""

import os
import pathlib
import subprocess
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MIRRORGATE_BUILD", REPOSITORY / "build")).resolve()
MIRRORGATE = BUILD / "mirrorgate"
UPSTREAM_STUB = BUILD / "upstream-stub"
PKI = REPOSITORY / "certs" / "pki"

# A build folder called asan holds programs that are several times slower and hold more memory:
# deadlines, not the timeouts under test, are stretched by this factor.
SANITIZED = "asan" in BUILD.name
# Either kind of build makes system calls of its own, so its workers have no filter, and say so.
INSTRUMENTED = SANITIZED or "coverage" in BUILD.name
PATIENCE = 4 if SANITIZED else 2 if INSTRUMENTED else 1

# Shadow memory is not private memory, but red zones and the quarantine are: what the release
# build keeps in one byte, the sanitized one may keep in this many.
MEMORY_FACTOR = 8 if SANITIZED else 1


# How long a test waits for what only has to happen some time, however busy the machine is.
LONG = 60.0


def wait_until(predicate, what, timeout=LONG):
    """Returns the first true value of PREDICATE; fails, saying WHAT was awaited, after TIMEOUT."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < deadline, f"still waiting after {timeout} s: {what}"
        time.sleep(0.01)


class Lines:
    """The lines a process writes into a pipe, collected by a thread of their own. Who holds `held`
    makes it a reader that stalls."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._lines = []
        self.held = threading.Lock()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self):
        for line in self._pipe:
            with self.held:
                self._lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))

    def __len__(self):
        return len(self._lines)

    def since(self, start=0):
        return self._lines[start:]

    def text(self):
        return "\n".join(self._lines)

    def has_ended(self):
        """Whether all is here; false while a process holds the pipe."""
        return not self._thread.is_alive()

    def join(self):
        """Waits for the end of the pipe, which comes when the last process that holds it ends."""
        self._thread.join(timeout=LONG * PATIENCE)
        if not self._thread.is_alive():
            self._pipe.close()


def free_address_of_nobody(make_socket):
    """Binds MAKE_SOCKET() to a loopback port without listening: connecting to it is refused, and
    nobody else gets the port while the socket, which is returned, stays open."""
    sock = make_socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def library(folder, source):
    """Compiles SOURCE in FOLDER to a library for LD_PRELOAD; its path."""
    text, made = folder / "library.c", folder / "library.so"
    text.write_text("#define _GNU_SOURCE\n" + source.replace("#define _GNU_SOURCE\n", ""))
    done = run(["gcc", "-shared", "-fPIC", "-o", made, text, "-ldl"])
    assert done.returncode == 0, done.stderr
    return str(made)


def preload(folder, source):
    """The environment in which programs have the functions of SOURCE in place of the C library's."""
    return {
        "LD_PRELOAD": library(folder, source),
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
    }


def run(command, input=b"", timeout=LONG):
    """Runs COMMAND to its end; returns the finished process, with stdout and stderr as bytes."""
    return subprocess.run(
        command, input=input, capture_output=True, timeout=timeout * PATIENCE, check=False
    )
