"""A gate whose program is replaced while it serves, and processes that are started by others."""

import ctypes
import os
import shutil
import signal

from . import common
from .gateway import Gateway

FAILED = r"mirrorgate: error: upgrade failed: process \d+ %s; this one, \d+, goes on"


def adopt_orphans(wanted):
    """Processes whose parent has ended become ours, so that we hear how they end."""
    prctl, set_child_subreaper = ctypes.CDLL(None).prctl, 36
    assert prctl(set_child_subreaper, int(wanted), 0, 0, 0) == 0


class Follower:
    """A process that is not ours yet, as subprocess.Popen has those that are."""

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        if self.returncode is None:
            try:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # the one before it is still there
                return None
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=common.LONG):
        common.wait_until(lambda: self.poll() is not None, f"process {self.pid} ends", timeout)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)


class Upgradable(Gateway):
    """A gate whose program is a file of its own, which tests replace."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.program = self.folder / "mirrorgate"
        self.retired = []
        self.replace_program(common.MIRRORGATE)

    def command(self, *flags):
        return [str(self.program), *super().command(*flags)[1:]]

    def replace_program(self, source):
        """Makes the program a copy of SOURCE, a file or a text."""
        new = self.program.with_suffix(".new")
        if isinstance(source, str):
            new.write_text(source)
        else:
            shutil.copyfile(source, new)
        new.chmod(0o755)
        new.replace(self.program)

    def upgrade(self):
        """Has the program that is there now take over; returns the process that did before."""
        start = len(self.stderr)
        self.signal(signal.SIGUSR2)
        match = self.wait_line(r"mirrorgate: info: upgrade: process (\d+) has taken over", start)
        before = self.process
        self.retired.append(before)
        self.process = Follower(int(match[1]))
        self.first_workers = self.workers()
        return before

    def upgrade_fails(self, why):
        start = len(self.stderr)
        self.signal(signal.SIGUSR2)
        self.wait_line(FAILED % why, start)
        assert self.process.poll() is None

    def stop(self):
        # Those before it first: a process that ends while the one that started it is still there is
        # heard by that one, and Follower would wait for it in vain.
        codes = [process.wait(common.LONG * common.PATIENCE) for process in self.retired]
        super().stop()
        assert codes == [0] * len(self.retired)
