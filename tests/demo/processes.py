"""Programs that the demo starts and has to end again, and how it waits for them.

The hard part is the end: whatever happens, Ctrl-C included, each program gets SIGTERM and, when it
takes too long, SIGKILL, by its own process id. Programs run in sessions of their own, so that a
Ctrl-C reaches the demo alone, which then ends them in the right order.
"""

import re
import signal
import subprocess
import time

START_SECONDS = 90
END_SECONDS = 90
STEP_SECONDS = 0.02
LAST_LINES = 10


class Problem(Exception):
    """The demo cannot go on; the text is for its reader."""


def wait_until(predicate, what, seconds=START_SECONDS):
    """Returns the first true value of PREDICATE; a Problem that names WHAT after SECONDS."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Problem(f"still waiting after {seconds} s for {what}")
        time.sleep(STEP_SECONDS)


class Program:
    """One running program; all it prints goes to the file NAME.log in FOLDER."""

    def __init__(self, name, command, folder):
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                             stderr=log, start_new_session=True)

    @property
    def pid(self):
        return self._process.pid

    def exit_code(self):
        """None while it runs; negative when a signal killed it."""
        return self._process.poll()

    def lines(self, start=0):
        """The complete lines printed so far, from line START on."""
        text = self.log.read_text(encoding="utf-8", errors="backslashreplace")
        return text.split("\n")[start:-1]

    def wait_line(self, pattern, start=0):
        """Waits for a line that PATTERN is found in, from line START on; returns the match."""
        def found():
            ended = self.exit_code() is not None
            for line in self.lines(start):
                match = re.search(pattern, line)
                if match:
                    return match
            if ended:
                raise Problem(f"{self.name} ended with exit code {self.exit_code()}:\n"
                              + "\n".join(self.lines()[-LAST_LINES:]))
            return None

        return wait_until(found, f"a line like '{pattern}' from {self.name}, see {self.log}")

    def signal(self, number):
        self._process.send_signal(number)

    def wait_exit(self):
        """Waits for its end; returns the exit code."""
        try:
            return self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Problem(f"{self.name} still runs after {END_SECONDS} s") from None

    def stop(self):
        """Ends it, if it still runs; SIGKILL is for those that do not listen."""
        if self.exit_code() is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
