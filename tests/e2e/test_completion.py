"""Completion of the programs: of bash for mirrorgate and its tools, and of zsh for all."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from mirrorgate_test.spot import PROGRAM

ROOT = Path(__file__).resolve().parents[2]
COMPLETION = ROOT / "packaging/completion"
DEADLINE = 120


@pytest.fixture
def programs(tmp_path):
    """A folder with the programs under the names that packages give them."""
    for name in ("mirrorgate", "mirrorgate-policy", "spot"):
        (tmp_path / name).symlink_to(PROGRAM.parent / name)
    (tmp_path / "mirrorgate-pki").symlink_to(ROOT / "certs/pki")
    return tmp_path


def offered(programs, *words):
    script = """
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _mirrorgate "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script, "bash", COMPLETION / "mirrorgate.bash", *words],
                          capture_output=True, text=True, check=True, cwd="/",
                          env={"PATH": f"{programs}:{os.environ['PATH']}"})  # fmt: skip
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands(programs):
    assert offered(programs, "mirrorgate", "id") == {"identity"}
    commands = {"identity", "audit-verify", "status", "customers", "reload", "upgrade", "drain", "cut"}
    assert offered(programs, "mirrorgate", "") == commands
    assert {"check", "explain", "diff", "compile", "dump"} <= offered(programs, "mirrorgate-policy", "")
    assert {"init", "server", "revoke", "sign-request", "ticket-keys"} <= offered(programs, "mirrorgate-pki", "")


def test_bash_completes_options(programs):
    assert {"-c", "-t", "--unsafe-any-port"} <= offered(programs, "mirrorgate", "-")
    assert "--customer" in offered(programs, "mirrorgate-pki", "client", "--cu")
    assert {"--passphrase-file", "--under"} <= offered(programs, "mirrorgate-pki", "init", "--")


def test_bash_completes_files(programs):
    assert "/usr" in offered(programs, "mirrorgate", "-c", "/us")


def typed_into_zsh(programs, folder, typed, wanted):
    """What zsh shows after TYPED, until WANTED (a pattern) is in it."""
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(folder),
        "SPOT_BASH_COMPLETION": str(COMPLETION / "spot.bash"),
        "MIRRORGATE_BASH_COMPLETION": str(COMPLETION / "mirrorgate.bash"),
    }  # fmt: skip
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    try:
        os.write(terminal, f"fpath=({COMPLETION} $fpath); autoload -U compinit; compinit -u -D; print rea''dy\n".encode())
        shown = read_until(terminal, "ready")
        os.write(terminal, typed.encode())
        return shown + read_until(terminal, wanted)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def read_until(terminal, wanted):
    shown, end = "", time.monotonic() + DEADLINE
    while not re.search(wanted, shown):
        left = end - time.monotonic()
        assert left > 0, f"{wanted!r} is not in {shown!r}"
        if select.select([terminal], [], [], left)[0]:
            shown += os.read(terminal, 4096).decode(errors="replace")
    return shown


@pytest.mark.parametrize("typed, wanted", [
    ("spot sna\t", "spot snapshot"),
    ("mirrorgate-policy ex\t", "mirrorgate-policy explain"),
    ("mirrorgate-pki tic\t", "mirrorgate-pki ticket-keys"),
])  # fmt: skip
def test_zsh_completes_the_same(programs, tmp_path, typed, wanted):
    typed_into_zsh(programs, tmp_path, typed, wanted)
