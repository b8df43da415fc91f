"""curl, the demo's client.

The answer's body is read from a pipe and hashed on the way, because one of the files has 1 GiB. The
caller's own .curlrc and proxy settings stay out of it.
"""

import dataclasses
import hashlib
import json
import re
import subprocess

COMMAND = ("curl", "--disable", "--noproxy", "*", "--silent", "--show-error")
MAX_SECONDS = 60
PIECE = 1 << 20
BODY_KEPT = 64 << 10
STATUS_LINE = r"%{stderr}\nstatus=%{http_code}\n"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What curl saw. STATUS is 0 when there was no HTTP answer; BODY holds the first 64 KiB."""

    status: int
    body: bytes
    size: int
    sha256: str
    exit_code: int
    error: str

    def word(self):
        """The reason of a refusal, or else the body when it is a single word, or else its size."""
        try:
            return json.loads(self.body)["type"].rpartition(":")[2]
        except (ValueError, KeyError, TypeError):
            word = re.fullmatch(rb"([a-z-]{1,40})\n", self.body)
            return word[1].decode() if word else f"{self.size:,} B"


def start(*arguments, **options):
    """Starts curl with ARGUMENTS; OPTIONS are those of subprocess.Popen. The caller sees to its end
    with finish()."""
    return subprocess.Popen([*COMMAND, *arguments], stdin=subprocess.DEVNULL, **options)


def finish(process):
    """Ends a curl that may still run, and forgets its pipes."""
    if process.poll() is None:
        process.kill()
    with process:
        return process.wait()


def ask(*arguments):
    """Runs curl to its end, at most MAX_SECONDS; returns the Answer."""
    process = start("--max-time", str(MAX_SECONDS), "--write-out", STATUS_LINE, *arguments,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    digest = hashlib.sha256()
    body = b""
    size = 0
    try:
        while piece := process.stdout.read(PIECE):
            digest.update(piece)
            size += len(piece)
            body += piece[:BODY_KEPT - len(body)]
        error = process.stderr.read().decode("utf-8", "replace")
        exit_code = process.wait()
    finally:
        finish(process)
    status = re.search(r"^status=(\d+)$", error, re.MULTILINE)
    return Answer(int(status[1]) if status else 0, body, size, digest.hexdigest(), exit_code,
                  re.sub(r"^status=\d+\n", "", error, flags=re.MULTILINE).strip())
