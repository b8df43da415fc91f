"""What a soak counts, and what it does again and again meanwhile."""

import collections
import threading


class Tally:
    """What the clients saw, by any thread: counts, and the first lines about each failure."""

    def __init__(self):
        self._lock = threading.Lock()
        self.counts = collections.Counter()
        self.failures = []

    def count(self, name):
        with self._lock:
            self.counts[name] += 1

    def fail(self, text):
        with self._lock:
            self.counts["failures"] += 1
            if len(self.failures) < 20:
                self.failures.append(text)

    def check(self, good, name, text):
        self.count(name)
        if not good:
            self.fail(f"{name}: {text}")


class Loop(threading.Thread):
    """Calls ACTION again and again until stop(); what it raises is a failure."""

    def __init__(self, tally, action):
        super().__init__(daemon=True)
        self._tally, self._action = tally, action
        self._end = threading.Event()
        self.start()

    def run(self):
        while not self._end.is_set():
            try:
                self._action()
            except Exception as error:
                self._tally.fail(f"{self._action.__name__}: {type(error).__name__}: {error}")

    def stop(self):
        self._end.set()
        self.join(60)
        if self.is_alive():
            self._tally.fail(f"{self._action.__name__} does not end")


def run_loops(tally, actions, meanwhile):
    loops = [Loop(tally, action) for action in actions]
    try:
        meanwhile()
    finally:
        for loop in loops:
            loop.stop()
