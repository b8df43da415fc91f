"""The demo's table: one line a check, printed as soon as the check is done.

Columns have their widths before the first line is known to be as it should be, so that the table
grows while it is watched. What does not fit pushes the rest of its line to the right. Colour is for
terminals only.
"""

import os
import sys

SEEN_WIDTH = 38
GAP = "  "
GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def _colourful():
    return (sys.stdout.isatty() and "NO_COLOR" not in os.environ
            and os.environ.get("TERM", "dumb") != "dumb")


class Table:
    def __init__(self, checks):
        """CHECKS are all that will come; each has a text `what` and a text `expected`."""
        self._colourful = _colourful()
        self._widths = (max(len(check.what) for check in checks),
                        max(len(check.expected) for check in checks),
                        SEEN_WIDTH)
        self._line(("what is done", "what is expected", "what is seen"), "result", BOLD)
        print(GAP.join("-" * width for width in self._widths) + GAP + "-" * len("FAILED"),
              flush=True)

    def row(self, check, seen):
        """SEEN has `good`, `text` and `detail`, which only a line that FAILED shows."""
        result, colour = ("ok", GREEN) if seen.good else ("FAILED", RED)
        self._line((check.what, check.expected, seen.text), result, colour)
        if not seen.good and seen.detail:
            print("".join(f"    {line}\n" for line in seen.detail.strip().splitlines()), end="",
                  flush=True)

    def _line(self, cells, result, colour):
        padded = (cell.ljust(width) for cell, width in zip(cells, self._widths))
        if self._colourful:
            result = f"{colour}{result}{PLAIN}"
        print(GAP.join([*padded, result]), flush=True)
