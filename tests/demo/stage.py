"""Everything the demo plays on, in one folder: the private CA with its certificates, the artifact
store, the gateway, and their configuration. Nothing has a fixed port.
"""

import base64
import hashlib
import json
import os
import pathlib
import random
import subprocess
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from processes import Problem, Program

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MIRRORGATE_BUILD", REPOSITORY / "build")).resolve()
MIRRORGATE = BUILD / "mirrorgate"
UPSTREAM_STUB = BUILD / "upstream-stub"
SPOT = BUILD / "spot"
PKI = REPOSITORY / "certs" / "pki"
PKI_SECONDS = 60
SPOT_SECONDS = 60

HOST = "127.0.0.1"
WORKERS = 2
ACME = "CN=acme-prod,O=Acme Corp,C=DK"
GLOBEX = "CN=globex-prod,O=Globex,C=US"
PROBE = "CN=lb-probe,O=Mirror Operations,C=DK"

IMAGE = "/artifacts/step-core/10.3/core.img"
PATCH = "/artifacts/step-core/10.3/patch.zip"
PLUS = "/artifacts/step-plus/7.1/plus.zip"
GUIDE = "/artifacts/step-docs/guide.txt"
DOCS = "/artifacts/step-docs/"
MANUAL = DOCS + "2.0/manual.pdf"
NOTES = DOCS + "2.0/notes/changes.txt"
SPACED = DOCS + "2.0/notes/read me first.txt"
TOOL = DOCS + "2.0/bin/show"
TOOL_SAYS = "step-docs 2.0"
NEXT_MANUAL = DOCS + "2.1/manual.pdf"
SIZES = {PATCH: 32 << 20, PLUS: 3_000_000, GUIDE: 5_000, MANUAL: 16 << 20, NOTES: 700,
         SPACED: 300}
IMAGE_BYTES = 1 << 30
MARK_EVERY = 64 << 20
MARK_BYTES = 4096

LICENCE_CORE = "{id: step-core, from: 2020-01-01, until: 2999-12-31}"
LICENCE_DOCS = "{id: step-docs}"

POLICY = """\
serial: {serial}
products:
  - id: step-core
    paths: ["/artifacts/step-core/"]
  - id: step-plus
    paths: ["/artifacts/step-plus/"]
  - id: step-docs
    paths: ["/artifacts/step-docs/"]
customers:
  - id: acme
    subjects: ["{acme}"]
    products:
{licences}
  - id: globex
    subjects: ["{globex}"]
    products:
      - {{id: step-plus}}
      - {{id: step-docs}}
probes: ["{probe}"]
"""

CONFIG = """\
listen:
  - address: "{host}"
    port: 0                     # any free one; needs --unsafe-any-port
workers: {workers}
{user}server_names: [localhost, "{host}"]
tls:
  certificate: ca/server.crt
  key: ca/server.key
  client_ca: ca/ca.crt
  crl: ca/ca.crl
policy: policy.yaml
catalogues: {{folder: store, signer: ca/release.crt}}
store:
  servers: ["http://{store}"]
drain: {{announce: 3s, timeout: 10s}}
log: {{access: access.log}}
"""

SPOT_CONFIG = """\
servers: ["https://{host}:{port}"]
certificate: ca/acme.crt
key: ca/acme.key
ca: ca/ca.crt
release: ca/release.crt
pins: ["{pin}", "{spare}"]
cache: spot-cache
state: spot
"""


def pin(key):
    """What spot.yaml says of a public key, given in DER."""
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca"
        self.root = folder / "store"
        self.policy_file = folder / "policy.yaml"
        self.config_file = folder / "mirrorgate.yaml"
        self.spot_file = folder / "spot.yaml"
        self.request_log = folder / "store-requests.log"
        self.programs = []
        self.gateway = self.store = self.port = None

    # ---- setting up ---------------------------------------------------------------------------

    def start(self):
        """Makes everything and returns when the gateway is ready for its first client."""
        for program in (MIRRORGATE, UPSTREAM_STUB, SPOT):
            if not program.exists():
                raise Problem(f"{program} is missing: run make first")
        self._certificates()
        self._artifacts()
        self._catalogue(self.file(MANUAL).parent)
        self.write_policy(1, [LICENCE_CORE, LICENCE_DOCS])
        self._start_store()
        self._start_gateway()
        self._write_spot_config()

    def _certificates(self):
        self._pki("init", "--name", "Demo CA")
        self._pki("server", "localhost", HOST)
        self._pki("client", "--customer", "acme", "--subject", ACME)
        self._pki("client", "--customer", "globex", "--subject", GLOBEX)
        self._pki("client", "--probe", "--subject", PROBE)
        self._pki("release")

    def _pki(self, command, *arguments):
        done = subprocess.run([PKI, command, self.ca, *arguments], capture_output=True, text=True,
                              timeout=PKI_SECONDS, check=False)
        if done.returncode != 0:
            raise Problem(f"certs/pki {command}: {done.stderr.strip()}")

    def _artifacts(self):
        for path, size in SIZES.items():
            self._create(path).write_bytes(random.randbytes(size))
        with self._create(IMAGE).open("wb") as image:
            image.truncate(IMAGE_BYTES)
            for offset in [*range(0, IMAGE_BYTES, MARK_EVERY), IMAGE_BYTES - MARK_BYTES]:
                image.seek(offset)
                image.write(random.randbytes(MARK_BYTES))
        tool = self._create(TOOL)
        tool.write_text(f"#!/bin/sh\necho {TOOL_SAYS}\n")
        tool.chmod(0o755)

    def release_next(self):
        """Puts another version of step-docs into the store, as large as the first."""
        self._create(NEXT_MANUAL).write_bytes(random.randbytes(SIZES[MANUAL]))
        self._catalogue(self.file(NEXT_MANUAL).parent)

    def _catalogue(self, folder):
        """Signs the version of step-docs, as its vendor would, and the list of its versions."""
        signed = ["--product", "step-docs", "--expires", "2999-12-31",
                  "--sign", self.ca / "release.crt"]
        for command in (["make", folder, "--version", folder.name], ["index", folder.parent]):
            done = self.spot("catalogue", *command, *signed)
            if done.returncode != 0:
                raise Problem(done.stderr.strip())

    def _write_spot_config(self):
        server = x509.load_pem_x509_certificate((self.ca / "server.crt").read_bytes())
        key = server.public_key().public_bytes(serialization.Encoding.DER,
                                               serialization.PublicFormat.SubjectPublicKeyInfo)
        self.spot_file.write_text(SPOT_CONFIG.format(host=HOST, port=self.port, pin=pin(key),
                                                     spare=pin(b"a key kept elsewhere")))

    def spot_command(self, *arguments):
        return [SPOT, "-c", self.spot_file, *arguments]

    def spot(self, *arguments):
        """Runs spot as acme's installation to its end; what it printed is in the result."""
        return subprocess.run(self.spot_command(*arguments), capture_output=True,
                              text=True, timeout=SPOT_SECONDS, check=False)

    def _create(self, path):
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def write_policy(self, serial, acme_licences):
        """Writes the policy in which acme has just those licences; the gateway is not told."""
        licences = "\n".join(f"      - {licence}" for licence in acme_licences)
        self.policy_file.write_text(POLICY.format(serial=serial, acme=ACME, globex=GLOBEX,
                                                  probe=PROBE, licences=licences))

    def _start_store(self):
        command = [UPSTREAM_STUB, "--root", self.root, "--listen", f"{HOST}:0",
                   "--log", self.request_log]
        self.store = self._run("upstream-stub", command)
        self.store_address = self.store.wait_line(r"^listening on (\S+)$")[1]

    def _start_gateway(self):
        user = "user: nobody\n" if os.geteuid() == 0 else ""
        self.config_file.write_text(CONFIG.format(host=HOST, workers=WORKERS, user=user,
                                                  store=self.store_address))
        self.gateway = self._run("mirrorgate",
                                 [MIRRORGATE, "-c", self.config_file, "--unsafe-any-port"])
        self.port = int(self.gateway.wait_line(r"info: listening on \S+:(\d+)$")[1])
        self.wait_generation()

    def _run(self, name, command):
        program = Program(name, command, self.folder)
        self.programs.append(program)
        return program

    def stop(self):
        """Ends what still runs: the gateway first, then its store."""
        for program in reversed(self.programs):
            program.stop()

    # ---- asking about it ----------------------------------------------------------------------

    def wait_generation(self, start=0, cut=r"\d+"):
        """Waits for the gateway's report of a generation that has cut as many as the pattern CUT,
        from line START of its output on; the match has groups text, live, workers and cut."""
        return self.gateway.wait_line(
            r"info: generation \d+ (?P<text>live on (?P<live>\d+)/(?P<workers>\d+) "
            rf"workers: kept \d+, cut (?P<cut>{cut}))$", start)

    def url(self, path):
        return f"https://{HOST}:{self.port}{urllib.parse.quote(path)}"

    def file(self, path):
        """The file in the store that is served as PATH."""
        return self.root / path[1:]

    def sha256(self, path):
        with self.file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def credentials(self, who):
        """curl's options for the caller WHO; None has no certificate."""
        options = ["--cacert", str(self.ca / "ca.crt")]
        if who is not None:
            options += ["--cert", str(self.ca / f"{who}.crt"), "--key", str(self.ca / f"{who}.key")]
        return options

    def store_requests(self):
        """Method and path of each request that reached the store, oldest first."""
        lines = self.request_log.read_text(encoding="utf-8").split("\n")[:-1]
        events = (json.loads(line) for line in lines)
        return [(event["method"], event["path"]) for event in events
                if event["event"] == "request"]

    def snapshots(self):
        """The files that the store holds below /snapshots/: path in the store -> content."""
        return {f"/{path.relative_to(self.root)}": path.read_bytes()
                for path in sorted((self.root / "snapshots").rglob("*")) if path.is_file()}
