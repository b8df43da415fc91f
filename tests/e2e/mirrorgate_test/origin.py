"""An update server that serves a folder as it should, but for what a test makes it do instead."""

import dataclasses
import hashlib
import json
import re
import threading

from .spot import answer, is_artifact, read_head

LICENCE = {
    "customer": "acme",
    "licences": [
        {"product": "step-core", "paths": ["/artifacts/step-core/"], "except": [], "from": None,
         "until": None, "valid": True},
    ],
}  # fmt: skip


def etag(content):
    """The strong ETag with which an Origin serves CONTENT."""
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


@dataclasses.dataclass
class Request:
    path: str
    head: str

    def field(self, name):
        match = re.search(f"\r\n{name}: ([^\r]*)\r\n", self.head, re.IGNORECASE)
        return match and match[1]


class Origin:
    """Serves ROOT, with the licence. ACTS is from the end of a path to what happens there: a
    function of the connection, the content and the request, or a list of them, for one request
    after the other; None in that list is the truth, which is also what comes after its end. The
    connection is closed when it returns anything but True."""

    def __init__(self, lab, root, acts=()):
        self.root, self.acts = root, dict(acts)
        self.requests = []
        self._lock = threading.Lock()
        self._server = lab.server(self._script)
        self.port = self._server.port

    @property
    def accepted(self):
        return self._server.accepted

    def asked(self, end=""):
        """The requests for artifacts so far whose path ends with END."""
        return [it for it in self.requests if it.path.endswith(end) and is_artifact(it.path)]

    def _script(self, connection, _number):
        while True:
            head = read_head(connection).decode("latin-1")
            request = Request(head.split()[1], head)
            with self._lock:
                self.requests.append(request)
                act = self._act(request.path)
            content = self._content(request.path)
            if act is None:
                connection.sendall(honest(content, request))
            elif act(connection, content, request) is not True:
                return

    def _act(self, path):
        for end, acts in self.acts.items():
            if path.endswith(end):
                if not isinstance(acts, list):
                    return acts
                return acts.pop(0) if acts else None
        return None

    def _content(self, path):
        if path == "/licence":
            return json.dumps(LICENCE).encode()
        file = self.root / path[1:]
        return file.read_bytes() if file.is_file() else None


def honest(content, request):
    """What a server that tells the truth answers to REQUEST."""
    if content is None:
        return answer("404 Not Found")
    tag, total = etag(content), len(content)
    wanted = re.fullmatch(r"bytes=(\d+)-", request.field("Range") or "")
    if not wanted or request.field("If-Range") not in (None, tag):
        return answer("200 OK", content, ETag=tag)
    begin = int(wanted[1])
    if begin >= total:
        return answer("416 Range Not Satisfiable", Content_Range=f"bytes */{total}")
    return answer(
        "206 Partial Content", content[begin:], ETag=tag,
        Content_Range=f"bytes {begin}-{total - 1}/{total}",
    )  # fmt: skip


def sends(make):
    """The act that sends MAKE(content) and closes."""

    def act(connection, content, _request):
        connection.sendall(make(content))

    return act


def status(line, **fields):
    """The act that answers with the status LINE, and goes on."""

    def act(connection, _content, _request):
        connection.sendall(answer(line, **fields))
        return True

    return act


def cut(keep, **fields):
    """The act that sends KEEP bytes of the truth and closes."""

    def act(connection, content, _request):
        whole = answer("200 OK", content, **{"ETag": etag(content), **fields})
        connection.sendall(whole[: len(whole) - len(content) + keep])

    return act


def installed(lab, release, publish, acts=(), **keys):
    """An Origin of what PUBLISH(its root) puts there, with an installation of spot that asks it:
    `spot`, and `here`, the folder to fetch into."""
    root = lab.new_folder("origin")
    publish(root)
    origin = Origin(lab, root, acts)
    origin.spot = lab.spot(origin, release=str(release), **{"tries": 2, **keys})
    origin.here = origin.spot.folder / "here"
    return origin
