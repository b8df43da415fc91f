"""What the demo shows, check by check, in the order in which they depend on each other.

A check does one thing as a client would, with curl, and returns what it saw and whether that is as
it should be. Two of them share state: the session that acme opens before its licence is withdrawn,
and the download that runs meanwhile. That session is Python's, not curl's, for curl cannot be told
to wait between two requests on one connection.
"""

import base64
import dataclasses
import hashlib
import http.client
import io
import json
import pathlib
import re
import signal
import ssl
import subprocess
import time
import typing
import zipfile

import curl
import little_room
import stage as stages
from processes import wait_until

SLOW_RATE = "4M"        # of the download that SIGHUP cuts
RESUMED_RATE = "16M"    # of the download that is interrupted half-way
MIB = 1 << 20
SESSION_SECONDS = 60
CUT_SECONDS = 60
CUT = (18, 56)           # how curl ends: by its length, or with OpenSSL 3.5 by its TLS
PROGRAM_BYTES = 6000    # of a real program, hidden in a snapshot

COMPONENTS = [{"version": "7.1.0-rc1", "name": "step-plus"},
              {"version": "10.3.1", "name": "step-core"}]


@dataclasses.dataclass(frozen=True)
class Seen:
    good: bool
    text: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
    what: str
    expected: str
    run: typing.Callable[[], Seen]


def snapshot(**extra):
    return {"system": "prod-1", "components": COMPONENTS, "format": "thin-snapshot/1", **extra}


def canonical_snapshot():
    """What the store must hold of snapshot(): sorted, without a byte of white space."""
    value = snapshot(components=sorted(COMPONENTS, key=lambda component: component["name"]))
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


class Checks:
    def __init__(self, stage):
        self._stage = stage
        self._session = None
        self._running = None

    def all(self):
        return [Check(*line) for line in (
            ("acme downloads a licensed file of 1 GiB",
             "200, SHA-256 as in store", self.licensed_download),
            ("acme's download is interrupted and resumed",
             "206, SHA-256 as in store", self.resumed_download),
            ("acme asks for step-plus, without a licence",
             "403 not-licensed", self.unlicensed_download),
            ("globex's certificate on acme's step-core",
             "403 not-licensed", self.other_customer),
            ("globex's certificate on its own step-plus",
             "200, SHA-256 as in store", self.own_product),
            ("a caller without a certificate",
             "TLS refused, no answer", self.no_certificate),
            ("plain HTTP on the same port",
             "no answer", self.plain_http),
            ("acme saves a snapshot",
             "201, canonical, for acme", self.snapshot_saved),
            ("a snapshot with a program in an extra key",
             "422, nothing stored", self.snapshot_with_program),
            ("a zip file in place of a snapshot",
             "422, nothing stored", self.snapshot_zip),
            ("acme's spot fetches a version of step-docs",
             "signed, SHA-256 as in store", self.spot_fetch),
            ("the program that it has brought is started",
             "starts", self.program_starts),
            ("a file of it with spaces in its name",
             "200, SHA-256 as in store, and fetched", self.name_with_spaces),
            ("the same again",
             "nothing downloaded", self.spot_fetch_again),
            ("acme's second installation on that machine",
             "SHA-256 as in store, from the cache", self.spot_fetch_cached),
            ("spot mirror copies step-docs for a mirror",
             "every file as in store", self.spot_mirror),
            ("the store changes a byte of that manual",
             "cut at the gate, then 502", self.damaged_at_store),
            ("an update without room for it, then with room",
             "refused, 2.0 whole; then 2.1", self.update_without_room),
            ("acme's spot sends a snapshot",
             "as --dry-run shows it, receipt", self.spot_snapshot),
            ("acme opens a session and downloads",
             "200, SHA-256 as in store", self.session_before),
            ("SIGHUP withdraws acme's step-core licence",
             "live on all, 1 cut", self.withdraw),
            ("acme's session, on the same connection",
             "403 not-licensed", self.session_after),
            ("acme's download that ran meanwhile",
             "cut, not complete", self.running_cut),
            ("health check of a load balancer",
             "200 ok", self.healthy),
            ("health check after SIGTERM, during the drain",
             "503 draining", self.draining),
            ("the gateway after its drain",
             "exit code 0", self.drained),
        )]

    def close(self):
        """Ends what a failed check may have left behind."""
        if self._session is not None:
            self._session.close()
        if self._running is not None:
            curl.finish(self._running)

    # ---- downloads ----------------------------------------------------------------------------

    def _get(self, who, path, *options):
        return curl.ask(*self._stage.credentials(who), *options, self._stage.url(path))

    def _download(self, who, path):
        began = time.monotonic()
        answer = self._get(who, path)
        seconds = time.monotonic() - began
        same = answer.sha256 == self._stage.sha256(path)
        return Seen(answer.status == 200 and answer.exit_code == 0 and same,
                    f"{answer.status}, {'same' if same else 'other'} {answer.sha256[:8]}.., "
                    f"{answer.size / MIB:,.0f} MiB, {seconds:.1f} s", answer.error)

    def licensed_download(self):
        return self._download("acme", stages.IMAGE)

    def own_product(self):
        return self._download("globex", stages.PLUS)

    def resumed_download(self):
        part = self._stage.folder / "patch.part"
        kept = self._interrupted_download(stages.PATCH, part)
        answer = self._get("acme", stages.PATCH, "--continue-at", "-", "--output", str(part))
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        same = digest == self._stage.sha256(stages.PATCH)
        interrupted = 0 < kept < stages.SIZES[stages.PATCH]
        return Seen(interrupted and answer.status == 206 and answer.exit_code == 0 and same,
                    f"{answer.status} from {kept:,}, {'same' if same else 'other'} {digest[:8]}..",
                    answer.error)

    def _interrupted_download(self, path, part):
        """Downloads PATH into the file PART and kills curl half-way; returns the bytes kept."""
        half = stages.SIZES[path] // 2
        process = self._slow_download(path, part, RESUMED_RATE)
        try:
            wait_until(lambda: part.stat().st_size >= half, "half of a download")
        finally:
            curl.finish(process)
        return part.stat().st_size

    def _slow_download(self, path, part, rate):
        part.touch()
        with (self._stage.folder / "curl.log").open("ab") as log:
            return curl.start(*self._stage.credentials("acme"), "--limit-rate", rate, "--output",
                              str(part), self._stage.url(path), stderr=log)

    # ---- refusals -----------------------------------------------------------------------------

    def _refused(self, who, path):
        before = len(self._stage.store_requests())
        answer = self._get(who, path)
        asked = self._stage.store_requests()[before:]
        return Seen(answer.status == 403 and answer.word() == "not-licensed" and not asked,
                    f"{answer.status} {answer.word()}, {self._store_was(asked)}",
                    f"{answer.error}\n{asked!r}")

    @staticmethod
    def _store_was(asked):
        return "store was asked" if asked else "store not asked"

    def unlicensed_download(self):
        return self._refused("acme", stages.PLUS)

    def other_customer(self):
        return self._refused("globex", stages.PATCH)

    def no_certificate(self):
        answer = self._get(None, stages.PATCH)
        alert = re.search(r"alert ([a-z ]+)", answer.error)
        return Seen(answer.exit_code != 0 and answer.status == 0 and not answer.body
                    and alert is not None and alert[1] == "certificate required",
                    f"alert: {alert[1]}" if alert else f"status {answer.status}", answer.error)

    def plain_http(self):
        answer = curl.ask(f"http://{stages.HOST}:{self._stage.port}{stages.PATCH}")
        return Seen(answer.exit_code != 0 and answer.status == 0 and not answer.body,
                    f"status {answer.status:03}, {answer.size} B, "
                    f"curl ends with {answer.exit_code}", answer.error)

    # ---- snapshots ----------------------------------------------------------------------------

    def _upload(self, body):
        """Puts BODY as acme's snapshot prod-1; the answer, and the files that are new."""
        file = self._stage.folder / "upload"
        file.write_bytes(body)
        before = self._stage.snapshots()
        answer = self._get("acme", "/snapshots/prod-1", "--request", "PUT", "--header",
                           "Content-Type: application/json", "--data-binary", f"@{file}")
        after = self._stage.snapshots()
        return answer, {path: text for path, text in after.items() if before.get(path) != text}

    def snapshot_saved(self):
        answer, stored = self._upload(json.dumps(snapshot(), indent=4).encode())
        text = canonical_snapshot()
        digest = hashlib.sha256(text).hexdigest()
        good = stored == {f"/snapshots/acme/prod-1/{digest}.json": text}
        path = next(iter(stored), "-")
        return Seen(answer.status == 201 and good,
                    f"{answer.status}, {path[1:].replace(digest, digest[:4] + '..')}",
                    f"{answer.error}\n{answer.body!r}\n{stored!r}")

    def _upload_refused(self, body):
        before = len(self._stage.store_requests())
        answer, stored = self._upload(body)
        asked = self._stage.store_requests()[before:]
        return Seen(answer.status == 422 and answer.word() == "snapshot-invalid"
                    and not stored and not asked,
                    f"{answer.status} {answer.word()}, {self._store_was(asked)}",
                    f"{answer.error}\n{answer.body!r}\n{stored!r}")

    def snapshot_with_program(self):
        program = stages.MIRRORGATE.read_bytes()[:PROGRAM_BYTES]
        payload = base64.b64encode(program).decode()
        return self._upload_refused(json.dumps(snapshot(payload=payload)).encode())

    def snapshot_zip(self):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("snapshot.json", json.dumps(snapshot()))
            archive.write(pathlib.Path(__file__), "program.py")
        return self._upload_refused(file.getvalue())

    # ---- the update client ----------------------------------------------------------------------

    def _fetch(self, folder="docs"):
        """Fetches step-docs; spot's end, and which files the store was asked for."""
        before = len(self._stage.store_requests())
        done = self._stage.spot("fetch", "step-docs", "--to", self._stage.folder / folder)
        asked = [path for _, path in self._stage.store_requests()[before:]
                 if path in (stages.MANUAL, stages.NOTES)]
        return done, asked

    def _fetched_file(self, folder, path):
        return self._stage.folder / folder / path.removeprefix(stages.DOCS + "2.0/")

    def _is_whole(self, folder):
        return all(
            hashlib.sha256(self._fetched_file(folder, path).read_bytes()).hexdigest()
            == self._stage.sha256(path) for path in (stages.MANUAL, stages.NOTES))

    def _fetched(self, folder, downloads):
        done, asked = self._fetch(folder)
        same = done.returncode == 0 and self._is_whole(folder)
        return Seen(same and len(asked) == downloads,
                    f"exit {done.returncode}, {len(asked)} files, {'same' if same else 'other'}",
                    done.stderr)

    def spot_fetch(self):
        return self._fetched("docs", 2)

    def program_starts(self):
        program = self._fetched_file("docs", stages.TOOL)
        done = subprocess.run([program], capture_output=True, text=True, check=False,
                              timeout=SESSION_SECONDS)
        return Seen(done.returncode == 0 and done.stdout == stages.TOOL_SAYS + "\n",
                    f"exit {done.returncode}, says {done.stdout.strip()}", done.stderr)

    def name_with_spaces(self):
        seen = self._download("acme", stages.SPACED)
        there = self._fetched_file("docs", stages.SPACED).read_bytes()
        same = hashlib.sha256(there).hexdigest() == self._stage.sha256(stages.SPACED)
        return dataclasses.replace(
            seen, good=seen.good and same,
            text=f"{seen.text.rpartition(',')[0]}, {'fetched' if same else 'not fetched'}")

    def update_without_room(self):
        """What was there is whole, and said to be; where there is room, the update comes."""
        self._stage.release_next()
        disk = self._stage.folder / "disk"
        done = little_room.fetch(self._stage, "step-docs", self._stage.folder / "docs", disk)
        check = self._stage.spot("catalogue", "check", disk, "--signer",
                                 self._stage.ca / "release.crt")
        whole = self._is_whole("disk") and check.returncode == 0
        update = self._stage.spot("update")
        new = self._stage.folder / "docs" / "manual.pdf"
        arrived = (update.returncode == 0 and new.read_bytes()
                   == self._stage.file(stages.NEXT_MANUAL).read_bytes())
        full = any(reason in done.stderr for reason in little_room.REASONS)
        return Seen(done.returncode == 1 and full and whole and arrived,
                    f"exit {done.returncode}, 2.0 {'whole' if whole else 'is not whole'}; "
                    f"{'2.1' if arrived else 'no 2.1'}",
                    f"{done.stderr}\n{check.stderr}\n{update.stderr}")

    def spot_fetch_cached(self):
        return self._fetched("docs-2", 0)

    def spot_fetch_again(self):
        done, asked = self._fetch()
        return Seen(done.returncode == 0 and not asked,
                    f"exit {done.returncode}, {len(asked)} files", done.stderr)

    def spot_mirror(self):
        folder = self._stage.folder / "mirror"
        done = self._stage.spot("mirror", folder, "step-docs")
        docs = self._stage.file(stages.DOCS)
        files = [path.relative_to(docs) for path in docs.rglob("*")
                 if path.is_file() and path != self._stage.file(stages.GUIDE)]
        same = [file for file in files if (folder / stages.DOCS[1:] / file).is_file() and
                (folder / stages.DOCS[1:] / file).read_bytes() == (docs / file).read_bytes()]
        return Seen(done.returncode == 0 and same == files,
                    f"exit {done.returncode}, {len(same)} of {len(files)} files", done.stderr)

    def damaged_at_store(self):
        """The gate knows what it should be, from the signed catalogue. Undone afterwards."""
        manual = self._stage.file(stages.MANUAL)
        right = manual.read_bytes()
        manual.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
        first = self._get("acme", stages.MANUAL)
        second = self._get("acme", stages.MANUAL)
        manual.write_bytes(right)
        return Seen(first.exit_code in CUT and first.size < len(right) and second.status == 502,
                    f"{first.size - len(right)} B, {second.status} {second.word()}",
                    f"{first.error}\n{second.error}")

    def spot_snapshot(self):
        file = self._stage.folder / "installed.txt"
        file.write_text("step-docs 2.0\nstep-core 10.3.1\n")
        shown = self._stage.spot("snapshot", "prod-2", "--from", file, "--dry-run").stdout.encode()
        done = self._stage.spot("snapshot", "prod-2", "--from", file)
        digest = hashlib.sha256(shown).hexdigest()
        stored = self._stage.snapshots().get(f"/snapshots/acme/prod-2/{digest}.json")
        kept = (self._stage.folder / "spot" / "receipts" / f"prod-2-{digest}.json").exists()
        return Seen(done.returncode == 0 and stored == shown and kept,
                    f"exit {done.returncode}, {'as shown' if stored == shown else 'other'}, "
                    f"{'receipt' if kept else 'no receipt'}", done.stderr)

    # ---- a licence withdrawn in the middle of a session -----------------------------------------

    def session_before(self):
        context = ssl.create_default_context(cafile=self._stage.ca / "ca.crt")
        context.load_cert_chain(self._stage.ca / "acme.crt", self._stage.ca / "acme.key")
        self._session = http.client.HTTPSConnection(
            stages.HOST, self._stage.port, context=context, timeout=SESSION_SECONDS)
        self._session.connect()
        self._session.auto_open = False  # a second connection would be another session
        status, body = self._session_get(stages.PATCH)
        same = hashlib.sha256(body).hexdigest() == self._stage.sha256(stages.PATCH)
        return Seen(status == 200 and same,
                    f"{status}, {'same' if same else 'other'}, from port {self._session_port()}")

    def _session_get(self, path):
        self._session.request("GET", path)
        response = self._session.getresponse()
        return response.status, response.read()

    def _session_port(self):
        return self._session.sock.getsockname()[1]

    def withdraw(self):
        part = self._stage.folder / "image.part"
        self._running = self._slow_download(stages.IMAGE, part, SLOW_RATE)
        wait_until(lambda: part.stat().st_size > 0, "the start of a download")
        start = len(self._stage.gateway.lines())
        self._stage.write_policy(2, [stages.LICENCE_DOCS])
        self._stage.gateway.signal(signal.SIGHUP)
        # The gate may find the catalogues of the steps before just now, and make a generation of them.
        line = self._stage.wait_generation(start, cut=r"[1-9]\d*")
        return Seen(line["live"] == line["workers"] and line["cut"] == "1", line["text"])

    def session_after(self):
        port = self._session_port()
        status, body = self._session_get(stages.PATCH)
        reason = json.loads(body)["type"].rpartition(":")[2]
        return Seen(status == 403 and reason == "not-licensed",
                    f"{status} {reason}, from port {port}")

    def running_cut(self):
        code = self._running.wait(timeout=CUT_SECONDS)
        size = (self._stage.folder / "image.part").stat().st_size
        return Seen(code != 0 and size < stages.IMAGE_BYTES,
                    f"{size:,} B, curl ends with {code}")

    # ---- the end ------------------------------------------------------------------------------

    def _health(self):
        return self._get("probe", "/healthz")

    def healthy(self):
        answer = self._health()
        return Seen(answer.status == 200 and answer.body == b"ok\n",
                    f"{answer.status} {answer.word()}", answer.error)

    def draining(self):
        self._stage.gateway.signal(signal.SIGTERM)
        answers = []

        def changed():
            answers.append(self._health())
            return answers[-1].status != 200

        wait_until(changed, "another answer of the health check")
        answer = answers[-1]
        return Seen(answer.status == 503 and answer.body == b"draining\n",
                    f"{answer.status} {answer.word()}", answer.error)

    def drained(self):
        code = self._stage.gateway.wait_exit()
        return Seen(code == 0, f"exit code {code}",
                    "\n".join(self._stage.gateway.lines()[-5:]))
