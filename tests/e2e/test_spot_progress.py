"""What spot shows while it downloads, and what it says of it in JSON."""

import contextlib
import fcntl
import glob
import json
import os
import pty
import re
import struct
import subprocess
import termios
import threading

import pytest
from mirrorgate_test import common
from mirrorgate_test.cache import Cache
from mirrorgate_test.origin import cut, etag, installed, status
from mirrorgate_test.spot import PROGRAM, answer

from test_spot_fetch import publish, tree

FILES = {f"{n}.bin": bytes([n]) * 60_000 for n in range(6)}
EVERYTHING = sum(map(len, FILES.values()))


@pytest.fixture(name="serve")
def origin_and_installation(lab, release):
    def make(acts=(), **keys):
        origin = installed(
            lab, release, lambda root: publish(root, release, "1.0", FILES), acts, **keys
        )
        origin.fetch = ["fetch", "step-core", "--to", origin.here]
        return origin

    return make


class Terminal:
    """A pseudo terminal of WIDTH columns, read by a thread; `text` is what was written to it."""

    def __init__(self, width):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self.text = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while piece := os.read(self.master, 65536):
                self.text += piece.decode()

    def run(self, spot, *arguments, term="xterm"):
        """Runs spot on this terminal to its end; its exit code."""
        process = subprocess.Popen(
            [PROGRAM, "-c", spot.file, *arguments], stderr=self.slave, stdout=subprocess.DEVNULL,
            env={**os.environ, "TERM": term},
        )  # fmt: skip
        os.close(self.slave)
        code = process.wait(60 * common.PATIENCE)
        self._thread.join(10 * common.PATIENCE)
        os.close(self.master)
        return code

    def screen(self, width):
        """The lines that stand there in the end. None may ever have been wider than WIDTH - 1."""
        lines, column = [""], 0
        for token in re.findall(r"\x1b\[K|\x1b|.|\n|\r", self.text, re.DOTALL):
            if token == "\r":
                column = 0
            elif token == "\n":
                lines.append("")
                column = 0
            elif token == "\x1b[K":
                lines[-1] = lines[-1][:column]
            else:
                assert token.isprintable(), f"{token!r} is written to the terminal"
                lines[-1] = lines[-1][:column] + token + lines[-1][column + 1 :]
                column += 1
                if lines[-1].startswith("step-core 1.0 ["):
                    assert column < width, lines[-1]
        return lines


def bars(text):
    return re.findall(r"\r(step-core 1\.0 [^\r\x1b]*)\x1b\[K", text)


def test_a_terminal_gets_a_bar_that_is_redrawn_and_taken_away(serve):
    origin, terminal = serve(rate="300K"), Terminal(100)
    assert terminal.run(origin.spot, *origin.fetch) == 0
    drawn = bars(terminal.text)
    assert len(drawn) >= 3 and len(set(drawn)) >= 3
    percent = [int(re.search(r"(\d+) %", bar)[1]) for bar in drawn]
    assert percent == sorted(percent) and 0 <= percent[0] and percent[-1] <= 100
    assert re.fullmatch(
        r"step-core 1\.0 \[#* *\] \d+ %, [\d.]+ KiB of 351\.6 KiB, \d of 6 files, [\d.]+ KiB/s",
        drawn[-1],
    )
    (message, rest) = terminal.screen(100)
    assert message.startswith("spot: step-core 1.0: 6 files") and rest == ""


@pytest.mark.parametrize("width", [1, 2, 20, 60, 500])
def test_the_bar_is_never_wider_than_the_terminal(serve, width):
    origin, terminal = serve(rate="400K"), Terminal(width)
    assert terminal.run(origin.spot, *origin.fetch) == 0
    assert "\x1b[K" in terminal.text
    assert all(len(bar) < width for bar in re.findall(r"\r([^\r\x1b\n]*)\x1b\[K", terminal.text))
    terminal.screen(width)


def test_a_terminal_of_no_known_width_gets_a_bar_too(serve):
    origin, terminal = serve(rate="400K"), Terminal(0)
    assert terminal.run(origin.spot, *origin.fetch) == 0
    assert bars(terminal.text)
    terminal.screen(80)


def test_other_messages_stand_in_lines_of_their_own(serve):
    acts = {"3.bin": [status("503 Busy"), cut(20_000)], "5.bin": [None]}
    origin, terminal = serve(acts, rate="200K", tries=3), Terminal(100)
    assert terminal.run(origin.spot, "-v", *origin.fetch) == 0
    assert bars(terminal.text)
    *lines, rest = terminal.screen(100)
    assert rest == "" and all(line.startswith("spot: ") for line in lines), lines
    assert sum("trying again" in line for line in lines) == 2
    assert sum("GET " in line for line in lines) >= 8


def test_a_failure_takes_the_bar_away(serve):
    def break_when_shown(connection, _content, _request):
        common.wait_until(lambda: bars(terminal.text), "a bar")
        connection.sendall(answer("403 Forbidden"))

    origin, terminal = serve({"5.bin": break_when_shown}), Terminal(100)
    assert terminal.run(origin.spot, *origin.fetch) == 7
    *lines, rest = terminal.screen(100)
    assert rest == "" and len(lines) == 1 and "answers 403" in lines[0]


def test_no_percentage_is_above_100_when_parts_are_loaded_twice(serve):
    acts = {"3.bin": [cut(50_000), lambda it, content, _: it.sendall(answer("200 OK", content, ETag='"x"')[:-9])]}
    origin, terminal = serve(acts, rate="200K", tries=4), Terminal(100)
    assert terminal.run(origin.spot, *origin.fetch) == 0
    percent = [int(re.search(r"(\d+) %", bar)[1]) for bar in bars(terminal.text)]
    assert percent and all(0 <= it <= 100 for it in percent)


@pytest.mark.parametrize(("term", "option"), [("dumb", "-v"), ("xterm", "-q"), (None, "-v")])
def test_without_a_real_terminal_or_when_quiet_there_is_no_bar(serve, term, option):
    origin, terminal = serve(rate="400K"), Terminal(100)
    if term is None:
        done = origin.spot.run(option, *origin.fetch, environment={"TERM": "xterm"})
        assert done.returncode == 0
        terminal.text = done.stderr
    else:
        assert terminal.run(origin.spot, option, *origin.fetch, term=term) == 0
    assert "\x1b" not in terminal.text and "\r" not in terminal.text.replace("\r\n", "\n")
    assert "%" not in terminal.text
    assert option == "-v" or terminal.text == ""


def test_elsewhere_a_line_is_written_every_ten_seconds(serve):
    """On a clock that runs thirty times as fast: the last file comes when there were two lines."""
    lines = []

    def hold(connection, content, _request):
        whole = answer("200 OK", content, ETag=etag(content))
        connection.sendall(whole[:-30_000])
        common.wait_until(lambda: sum(" %, " in it for it in lines) >= 2, "two lines")
        connection.sendall(whole[-30_000:])

    origin = serve({"5.bin": hold})
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    process = subprocess.Popen(
        [PROGRAM, "-c", origin.spot.file, *origin.fetch], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LD_PRELOAD": library, "FAKETIME": "+0 x30",
             "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")},
    )  # fmt: skip
    for line in process.stderr:
        lines.append(line)
    assert process.wait(60 * common.PATIENCE) == 0, lines
    process.stderr.close()
    shown = [line for line in lines if " %, " in line]
    assert re.fullmatch(
        r"spot: step-core 1\.0: \d+ %, [\d.]+ KiB of 351\.6 KiB, 5 of 6 files, [\d.]+ K?i?B/s\n",
        shown[-1],
    )
    assert len(shown) < 30


# --- JSON


def said(origin, *arguments):
    done = origin.spot.run("--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_fetch_tells_in_json_what_it_did(serve):
    origin = serve()
    expected = {
        "product": "step-core", "version": "1.0", "folder": str(origin.here), "files": 6,
        "kept": 0, "removed": 0, "from_cache": 0, "downloaded": 6, "downloaded_bytes": EVERYTHING,
        "beside": [], "withdrawn": False,
    }  # fmt: skip
    assert said(origin, *origin.fetch) == expected
    expected |= {"kept": 6, "downloaded": 0, "downloaded_bytes": 0}
    assert said(origin, *origin.fetch) == expected
    (origin.here / "1.bin").unlink()
    assert said(origin, *origin.fetch) == expected | {"kept": 5, "from_cache": 1}
    (origin.here / "1.bin").unlink()
    Cache(origin.spot.folder / "cache").object(FILES["1.bin"]).unlink()
    assert said(origin, *origin.fetch) == expected | {
        "kept": 5, "downloaded": 1, "downloaded_bytes": 60_000,
    }  # fmt: skip


def test_update_tells_in_json_of_each_folder(serve, release):
    origin = serve()
    for name in ("here", "other"):
        said(origin, "fetch", "step-core", "--to", origin.spot.folder / name)
    publish(origin.root, release, "1.1", {**FILES, "1.bin": b"changed"})
    here, other = said(origin, "update")["updated"]
    assert (here["folder"], other["folder"]) == (str(origin.here), str(origin.spot.folder / "other"))
    assert (here["version"], here["kept"], here["downloaded"], here["from_cache"]) == ("1.1", 5, 1, 0)
    assert (other["version"], other["kept"], other["downloaded"], other["from_cache"]) == ("1.1", 5, 0, 1)
    assert tree(origin.here) == {**FILES, "1.bin": b"changed"}


def test_a_failed_fetch_is_one_json_object(serve):
    origin = serve({"3.bin": status("403 Forbidden")})
    done = origin.spot.run("--json", "-q", *origin.fetch)
    assert (done.returncode, done.stderr) == (7, "")
    failure = json.loads(done.stdout)
    assert (failure["failure"], failure["exit_code"]) == ("refused", 7)
    assert "3.bin" in failure["detail"]
