"""What docs/operating.md tells to do, done: its commands as they stand there, on a node of their own.

The first block, which installs packages, is run by tests/debian.
"""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess

import pytest
from mirrorgate_test import common

GUIDE = (common.REPOSITORY / "docs/operating.md").read_text()
PATIENT = 900  # seconds: keys are made
PATH = "/artifacts/step-core/1.0/hello.txt"
ACME = "CN=acme-prod,O=Acme Corp,C=DK"
FIRST_POLICY = f"""
serial: 2
products:
  - {{id: step-core, paths: ["/artifacts/step-core/"]}}
customers:
  - id: acme
    subjects: ["{ACME}"]
    products: [{{id: step-core, from: 2026-01-01, until: 2099-12-31}}]
"""


def blocks(heading, language="sh"):
    """The blocks in LANGUAGE below HEADING, as they stand there."""
    [section] = re.findall(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", GUIDE, re.M | re.S)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)


class Node:
    """A gate whose folder is /etc/mirrorgate, and a CA in `ca`, as after the first block."""

    def __init__(self, lab, ca):
        self.folder = lab.new_folder("node")
        shutil.copytree(ca, self.folder / "ca")
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        store = lab.stub()
        target = store.root / PATH[1:]
        target.parent.mkdir(parents=True)
        target.write_text("hello\n")
        self.gate = lab.prepared(store, policy=FIRST_POLICY, config={
            "admin_socket": "admin.sock",
            "tls": {"certificate": "server.crt", "key": "server.key", "client_ca": "ca.crt",
                    "crl": "ca.crl", "ticket_keys": "ticket.keys"},
        })  # fmt: skip
        socket = self.gate.folder / "admin.sock"
        self._program("mirrorgate-pki", f'exec "{common.REPOSITORY}/certs/pki" "$@"')
        self._program("mirrorgate-policy", f'exec "{common.BUILD}/mirrorgate-policy" "$@"')
        self._program("mirrorgate", f'[ "$1" = audit-verify ] || set -- "$@" -s "{socket}"\n'
                      f'exec "{common.MIRRORGATE}" "$@"')
        # There is no such group.
        self._program("install", 'shift 2\nexec /usr/bin/install "$@"')
        self.sh("mirrorgate-pki ticket-keys /etc/mirrorgate/ticket.keys")
        self.sh("cd ca && cp server.crt server.key ca.crt ca.crl /etc/mirrorgate")
        lab.start(self.gate)

    def _program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def sh(self, text):
        """Runs TEXT, in which the node's folders are where it has them; returns what it prints."""
        text = text.replace("/etc/mirrorgate", str(self.gate.folder))
        text = text.replace("/var/log/mirrorgate/access.log", str(self.gate.access_log))
        done = subprocess.run(
            ["sh", "-euc", text], cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=PATIENT,
            env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
        )  # fmt: skip
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        return done.stdout

    def fetch(self, base="acme", ca="ca", trusted="ca/ca.crt"):
        """The status of a download by curl; 0: there was no connection."""
        done = subprocess.run(
            ["curl", "-sS", "--cacert", trusted, "--cert", f"{ca}/{base}.crt", "--key",
             f"{ca}/{base}.key", "-o", "/dev/null", "-w", "%{http_code}",
             f"https://127.0.0.1:{self.gate.port}{PATH}"],
            cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=PATIENT,
        )  # fmt: skip
        return int(done.stdout or 0)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """A CA as the first block leaves it; each node has a copy."""
    folder = tmp_path_factory.mktemp("guide") / "ca"
    for words in (["init", folder], ["server", folder, "127.0.0.1"],
                  ["client", folder, "--customer", "acme", "--subject", ACME]):  # fmt: skip
        subprocess.run([common.REPOSITORY / "certs/pki", *words], check=True, timeout=PATIENT,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    return folder


@pytest.fixture
def node(lab, ca):
    made = Node(lab, ca)
    assert made.fetch() == 200
    return made


def test_every_block_of_commands_is_run_by_a_test():
    """By its heading; the first block of all is for tests/debian."""
    mine = open(__file__, encoding="utf-8").read()
    headings = re.findall(r"^##+ (.+)\n(?:(?!^##).*\n)*?```sh", GUIDE, re.M)
    assert headings[0] == "A first node" and len(headings) > 8
    for heading in headings[1:]:
        assert f'blocks("{heading}"' in mine, f"no test runs what is below {heading!r}"


def test_a_new_customer(node):
    [commands] = blocks("A new customer")
    assert "globex" in node.sh(commands)
    assert (node.fetch("globex"), node.fetch()) == (200, 200)


def test_a_stolen_key(node):
    [commands] = blocks("A stolen key")
    assert "generation 2 live" in node.sh(commands)
    assert node.fetch() != 200
    node.sh("mirrorgate-pki renew ca acme")
    assert node.fetch() == 200


def test_before_certificates_end(node):
    node.sh(f"mirrorgate-pki client ca --customer soon --days 2 --subject '{ACME.replace('acme', 'soon')}'")
    ending, renewing = blocks("Before certificates end")
    _, line = node.sh(ending).splitlines()
    assert line.split()[0] == "soon"
    node.sh("mirrorgate-pki renew ca soon")
    assert len(node.sh(ending).splitlines()) == 1, "the old one was replaced"
    served = node.sh("cat /etc/mirrorgate/server.crt")
    node.sh(renewing)
    assert node.sh("cat /etc/mirrorgate/server.crt") != served
    assert node.fetch() == 200


def test_another_ca(node):
    both, new, alone = blocks("Another CA")
    node.sh(both)
    assert node.fetch() == 200
    node.sh(new)
    assert (node.fetch(), node.fetch(ca="ca2")) == (200, 200)
    node.sh(alone)
    assert node.fetch() != 200
    assert node.fetch(ca="ca2") == 200


def test_a_customers_own_request(node):
    asking, signing, renewing = blocks("A customer's own request")
    node.sh(blocks("A new customer")[0].split("mirrorgate-policy check")[0].split("\n", 1)[1])
    node.sh("install -g mirrorgate -m 640 policy.yaml /etc/mirrorgate/policy.yaml; mirrorgate reload")
    node.sh(asking)
    assert "globex-prod" in node.sh(signing)
    assert not (node.folder / "ca/globex.key").exists()
    for again in ("", renewing):
        node.sh(again)
        node.sh("mkdir -p theirs; cp ca/globex.crt globex.key theirs")
        assert node.fetch("globex", "theirs") == 200


def test_a_passphrase_for_the_cas_key(node):
    [commands] = blocks("A passphrase for the CA's key")
    list_before = node.sh("cat ca/ca.crl")
    node.sh(commands)
    assert "ENCRYPTED" in node.sh("cat ca/ca.key") and node.sh("cat ca/ca.crl") != list_before
    assert (node.folder / "ca/ca.key").stat().st_mode & 0o077 == 0
    node.sh("! mirrorgate-pki crl ca </dev/null")


def test_an_offline_root_with_an_issuing_ca(node):
    making, using, revoking = blocks("An offline root with an issuing CA")
    node.sh(making)
    assert '"$(hostname)"' in using
    node.sh(using.replace('"$(hostname)"', "127.0.0.1"))
    assert node.fetch(ca="issuing", trusted="root/ca.crt") == 200
    assert node.fetch(trusted="root/ca.crt") != 200, "of the CA that was there before"
    assert "generation 3 live" in node.sh(revoking)
    assert node.fetch(ca="issuing", trusted="root/ca.crt") != 200


def test_ticket_keys(node):
    before = node.sh("cat /etc/mirrorgate/ticket.keys")
    [commands] = blocks("Ticket keys of a fleet")
    node.sh(commands)
    assert node.sh("cat /etc/mirrorgate/ticket.keys") != before
    assert node.fetch() == 200


def test_who_downloads_most_and_who_is_refused(node):
    node.sh(blocks("A new customer")[0])
    for _ in range(3):
        assert node.fetch("globex") == 200
    node.sh(f"mirrorgate-pki client ca --customer other --subject '{ACME.replace('acme', 'other')}'")
    for _ in range(2):
        assert node.fetch("other") == 403
    common.wait_until(lambda: len(node.gate.log_lines()) == 6, "all is in the log")
    [most] = blocks("Who downloads most")
    rows = {name: int(sent) for sent, name in map(str.split, node.sh(most).splitlines())}
    assert list(rows.values()) == sorted(rows.values(), reverse=True)
    expected = {}
    for line in node.gate.log_lines():
        who = line["customer"] or "nobody"
        expected[who] = expected.get(who, 0) + line["bytes_out"]
    assert rows == expected and set(rows) == {"acme", "globex", "nobody"}
    [refused] = blocks("Who is refused, and why")
    [row] = node.sh(refused).splitlines()
    count, rest = row.strip().split(" ", 1)
    assert (count, rest.split("\t")) == ("2", ["CN=other-prod,O=Acme Corp,C=DK", "403", "unknown-subject"])


def test_whether_the_log_is_as_it_was_written(node):
    making, commands = blocks("Whether the log is as it was written")
    node.sh(making)
    log = node.gate.access_log
    before = node.sh("cat /etc/mirrorgate/mirrorgate.yaml")
    text = before.replace("access: access.log", "access: access.log\n  audit: true\n  audit_key: audit.key")
    assert text != before
    log.rename(log.with_suffix(".unsealed"))
    node.gate.config_file.write_text(text)
    node.sh("mirrorgate reload")
    node.gate.signal(signal.SIGUSR1)
    common.wait_until(lambda: node.fetch() == 200 and len(node.gate.log_lines()) >= 3, "it is in the new log")
    assert "chains: 1, all as they were written" in node.sh(commands)
    log.write_text(log.read_text().replace('"status":200', '"status":403', 1))
    node.sh(f"! {commands}")


def test_whose_certificates_end_this_month(node):
    node.sh(f"mirrorgate-pki client ca --customer soon --days 1 --subject '{ACME.replace('acme', 'soon')}'")
    [commands] = blocks("Whose certificates end this month")
    month = lambda: datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")  # noqa: E731
    before = month()
    names = [line.split()[1] for line in node.sh(commands).splitlines()]
    if month() == before:
        ends = json.loads(node.sh("mirrorgate-pki list ca --json"))
        assert names == [it["customer"] for it in ends if it["not_after"].startswith(before)]


@pytest.mark.parametrize("subject,status", [(ACME, 0), ("CN=globex-prod,O=Globex,C=DK", 1)])
def test_what_replaces_apache_is_good_and_decides_as_it_says(node, subject, status):
    heading = "Coming from Apache"
    config, policy = blocks(heading, "yaml")
    folder = node.folder / "apache"
    folder.mkdir()
    for name in ("server.crt", "server.key", "ca.crt", "ca.crl"):
        shutil.copy(node.gate.folder / name, folder)
    (folder / "mirrorgate.yaml").write_text(config)
    (folder / "policy.yaml").write_text(policy)
    done = common.run([common.MIRRORGATE, "-t", "-c", folder / "mirrorgate.yaml"])
    assert done.returncode == 0, done.stderr
    asked = common.run([common.BUILD / "mirrorgate-policy", "explain", folder / "policy.yaml",
                        "--subject", subject, "--download", PATH])  # fmt: skip
    assert asked.returncode == status, asked.stdout
