"""A request that must be refused, sent in one piece and again byte by byte."""

import dataclasses
import time

from ..client import Truncated, refusal
from . import bench as benches

SMALL = "/artifacts/step-core/small.txt"
QUIET = 0.3  # seconds without a byte after which a gateway is taken to have said all
PATIENCE = 3  # seconds for a first byte, from a gateway that owes no answer
EITHER = None  # the connection may stay open or not


@dataclasses.dataclass
class Refused(benches.Case):
    """RAW is refused with one of ANSWERS, (status, reason) each. CLOSES says whether mirrorgate
    must end the connection then; where it goes on, the next request is answered correctly.

    The store may see nothing of it. Where any gateway may serve the request, but not hand on all of
    it, SECRET is what the store of another gateway may not see."""

    raw: str
    answers: tuple
    closes: bool | None = True
    secret: bytes | None = dataclasses.field(default=None, kw_only=True)

    def attempt(self, bench, strict):
        for slowly in (False, True):
            judge = self._judge_strictly if strict else self._judge
            complaint = judge(bench, slowly)
            if complaint:
                return f"{'byte by byte' if slowly else 'at once'}: {complaint}"
        return None

    def _send(self, connection, slowly):
        raw = self.raw.encode("latin-1")
        (connection.send_slowly if slowly else connection.send)(raw)

    # --- what any gateway must do

    def _judge(self, bench, slowly):
        mark = bench.store.mark()
        with bench.gate.connect("acme") as connection:
            try:
                self._send(connection, slowly)
            except OSError:
                pass
            status = first_status(everything(connection))
        seen = b"".join(bench.store.received(mark).values())
        if self.secret is not None:
            return f"the store got {excerpt(self.secret)}" if self.secret in seen else None
        if seen:
            return f"the store got {excerpt(seen)}"
        return f"answered {status}" if status is not None and status < 400 else None

    # --- what mirrorgate promises

    def _judge_strictly(self, bench, slowly):
        mark = bench.store.mark()
        with bench.gate.connect("acme") as connection:
            try:
                self._send(connection, slowly)
                response = connection.response("HEAD" if self.is_head else "GET")
                complaint = self._check_answer(bench, response)
                if response.closes:
                    complaint = complaint or check_end(connection, slowly)
                seen = b"".join(bench.store.received(mark).values())
                if seen:
                    return f"the store got {excerpt(seen)}"
                if not response.closes:
                    complaint = complaint or check_next(bench, connection)
            except (AssertionError, Truncated, OSError) as error:
                complaint = f"{type(error).__name__}: {error}"
        return complaint

    @property
    def is_head(self):
        return self.raw.startswith("HEAD")

    def _check_answer(self, bench, response):
        if self.is_head:  # it has no body to look into: then the log has the reason
            answer = (response.status, bench.gate.log_line(response.request_id)["reason"])
            if answer not in self.answers:
                return f"answered {answer}"
        else:
            reasons = {reason for status, reason in self.answers if status == response.status}
            if not reasons:
                return f"answered {response.status} {excerpt(response.body)}"
            refusal(response, response.status, reasons)
        if response.status == 405 and not response.header("Allow"):
            return "405 without Allow"
        if self.closes and not response.closes:
            return "framing in doubt must end the connection"
        return None


def check_end(connection, slowly):
    """No byte after the answer; a client still sending may see a reset instead of the end."""
    data, end = connection.rest()
    if data or (end != "close_notify" and not slowly):
        return f"after the last answer: {excerpt(data)}, {end}"
    return None


def check_next(bench, connection):
    """The next request on CONNECTION is answered correctly."""
    response = connection.get(SMALL)
    if response.body != (bench.store.root / SMALL[1:]).read_bytes():
        return f"the next request got {response.status} {excerpt(response.body)}"
    return None


def everything(connection):
    """All that the gateway says until it ends the connection or falls silent."""
    data = bytearray()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not connection.readable(QUIET if data else PATIENCE):
            break
        try:
            piece = connection.read_some(65536)
        except OSError:
            break
        if not piece:
            break
        data += piece
    return bytes(data)


def first_status(data):
    """The status of the first final answer in DATA; 0 for bytes that are none; None for silence."""
    while data:
        words = data.split(b"\r\n", 1)[0].split(b" ")
        if not words[0].startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
            return 0
        if not words[1].startswith(b"1"):
            return int(words[1])
        data = data.partition(b"\r\n\r\n")[2]
    return None


def excerpt(data):
    text = repr(bytes(data[:80]))[2:-1]
    return f'"{text}{"…" if len(data) > 80 else ""}"'
