"""How a gateway's cost is measured: a load on another processor, CPU time and memory of processes."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

from mirrorgate_test import common

GATE_CPU, LOAD_CPU = 0, 1
SECONDS = 10  # that one measurement takes at most
NAMESPACE = "MIRRORGATE_BENCH_NAMESPACE"


def cpu_nanoseconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total


def memory(pids):
    """Bytes of anonymous memory of PIDS."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                total += int(line.split()[1]) * 1024
    return total


class Load:
    """A run of tests/bench/load.c, which is ready and waits."""

    def __init__(self, gate, mode, **options):
        options = {"port": gate.port, "seconds": SECONDS, **options}
        command = ["taskset", "-c", str(LOAD_CPU), common.BUILD / "bench" / "load", mode,
                   *gate.world.load_options(), *(f"{k}={v}" for k, v in options.items())]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self.process.stdout.readline() != "ready\n":
            self.fail()

    def fail(self):
        self.process.kill()
        said = self.process.communicate()[1].strip()
        raise ValueError(said or f"the load ended with {self.process.returncode}")

    def run(self):
        """What it counted."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line or self.process.wait() != 0:
            self.fail()
        return json.loads(line)

    def end(self):
        self.process.kill()
        self.process.communicate()


def enter_namespace():
    """Runs this program again in a network of its own, if it may."""
    if os.environ.get(NAMESPACE) or os.geteuid() != 0:
        return
    if not shutil.which("unshare") or not shutil.which("ip"):
        return
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return
    os.environ[NAMESPACE] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
                          sys.executable, *sys.argv])  # fmt: skip
