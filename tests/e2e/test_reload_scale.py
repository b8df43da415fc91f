"""A reload with many connections open: who is revoked, withdrawn or no longer licensed is cut at
once, in the middle of a transfer too; everybody else notices nothing.

REAUTHORISE_CONNECTIONS and REAUTHORISE_DOWNLOADS in the environment ask for other numbers.
"""

import concurrent.futures
import os
import resource
import signal
import threading

import pytest
from mirrorgate_test import crl
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.pki import SUBJECTS

CONNECTIONS = int(os.environ.get("REAUTHORISE_CONNECTIONS", "1000"))
DOWNLOADS = int(os.environ.get("REAUTHORISE_DOWNLOADS", "50"))
WHO = ["initech", "globex", "acme", "stranger"]
REVOKED, WITHDRAWN, UNLICENSED, KEPT = WHO

LARGE = "/artifacts/step-core/large.bin"


def licences(**changes):
    """The customers of a policy: all may have step-core, but for what CHANGES says."""
    licensed = {who: ["step-core"] for who in WHO} | changes
    return [customer(who, products) for who, products in licensed.items() if products is not None]


@pytest.fixture
def gate(lab, world):
    files = CONNECTIONS + 2 * DOWNLOADS + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= files, f"{CONNECTIONS} connections need a limit of {files} descriptors"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))
    path = lab.new_folder("crl") / "ca.crl"
    path.write_text(crl.make(world.authority, 1))
    config = {
        "tls": {"crl": str(path)},
        "workers": 2,
        "limits": {"connections": 60_000, "connections_per_address": 60_000},
        "timeouts": {"idle": "10m", "send": "10m", "min_rate": 0},
    }
    gate = lab.gateway(config=config, policy=policy(1, customers=licences()))
    gate.crl = path
    yield gate
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_connections(gate, count):
    """COUNT connections, in turn of each of WHO; the first ones are judged last."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda i: gate.connect(WHO[i % len(WHO)]), range(count))
        return {i: connection for i, connection in enumerate(made)}


class Download:
    """A transfer that has begun, and waits for its client to read on."""

    def __init__(self, gate, who):
        self.who = who
        self.connection = gate.connect(who, receive_buffer=16_384)
        self.connection.send_request("GET", LARGE)
        self.head = self.connection.read_head()

    def rest(self):
        """The body, or None when it was cut in a way that no client takes for its end."""
        try:
            with self.connection:
                return b"".join(self.connection.body_pieces(self.head))
        except (Truncated, OSError):
            assert self.connection.end != "close_notify"
            return None


class Asker(threading.Thread):
    """Asks on CONNECTION, whose certificate is about to be revoked, until it is cut."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection = connection
        self.start()

    def run(self):
        try:
            while self.connection.get("/licence").status == 200:
                pass
        except (Truncated, OSError):
            pass


def is_cut(connection):
    """True when the gateway has ended CONNECTION, on which nothing is under way."""
    connection.sock.settimeout(0)
    try:
        return connection.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError as error:
        return "want" not in str(error).lower() and "did not complete" not in str(error)
    finally:
        connection.sock.settimeout(30)


def test_a_reload_cuts_who_lost_the_right_and_nobody_else(gate, world):
    want = (gate.stores[0].root / LARGE[1:]).read_bytes()
    askers = [gate.connect(REVOKED) for _ in range(4)]
    idle = open_connections(gate, CONNECTIONS - DOWNLOADS)
    downloads = [Download(gate, WHO[i % len(WHO)]) for i in range(DOWNLOADS)]
    askers = [Asker(connection) for connection in askers]

    gate.crl.write_text(
        crl.make(world.authority, 2, revoked=[world.authority.identities[REVOKED]])
    )
    gate.write_policy(policy(2, customers=licences(**{WITHDRAWN: None, UNLICENSED: ["step-plus"]})))
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    line, _ = gate.wait_generation(start)
    gate.generation += 1

    # Those without a licence keep their connection when nothing is under way on it.
    gone = sum(WHO[i % len(WHO)] in (REVOKED, WITHDRAWN) for i in idle)
    gone += sum(download.who != KEPT for download in downloads) + len(askers)
    assert int(line[4]) + int(line[5]) == CONNECTIONS + len(askers)
    assert int(line[5]) == gone
    for i, connection in idle.items():
        assert is_cut(connection) == (WHO[i % len(WHO)] in (REVOKED, WITHDRAWN)), WHO[i % 4]
        connection.close()
    for asker in askers:
        asker.join(30)
        assert not asker.is_alive()
    for download in downloads:
        assert download.rest() == (want if download.who == KEPT else None), download.who
    served = [
        entry
        for entry in gate.log_lines()
        if entry["subject"] in (SUBJECTS[REVOKED], SUBJECTS[WITHDRAWN])
        and entry["generation"] > 1
        and entry["status"] == 200
        and not entry["reason"]
    ]
    assert served == [], "a new generation decided nothing for connections it had not judged"
