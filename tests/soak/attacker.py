"""One stolen certificate at its worst: everything a customer can do to others, all at once.

Each attack is a process of the lowest priority, as if it ran on another machine: it has the processor
only while neither the gate nor its other clients want it. An attack goes on until it is ended; that it
is refused, cut or told to wait is what it is there for.
"""

import contextlib
import multiprocessing
import os
import signal
import ssl
import time

from mirrorgate_test import client, pki
from mirrorgate_test.key_updates import KeyUpdater

HEAP = 15 * 1024  # bytes of certificates that mean nothing; the limit is 16 KiB
UPLOAD = 256 * 1024
JSON = ("Content-Type", "application/json")
SNAPSHOT = b'{"format":"thin-snapshot/1","system":"s","components":[]}'
LARGE = "/artifacts/step-core/large.bin"
PLUS = "/artifacts/step-plus/plus.zip"


def heaped(world, who):
    """WHO's certificate, followed by as many others as a client may send."""
    identity = world.identity(who)
    junk = ssl.PEM_cert_to_DER_cert(world.other_acme.cert.read_text())
    path = world.authority.folder / "heap.crt"
    path.write_text(identity.cert.read_text() + ssl.DER_cert_to_PEM_cert(junk) * (HEAP // len(junk)))
    return pki.Identity("heap", identity.subject, path, identity.key)


def handshakes(gate, who):
    """Point 2: full handshakes of TLS 1.2 with long lists of certificates."""
    context = client.tls_context(gate.world.authority, heaped(gate.world, who), "1.2", ("http/1.1",))
    context.options |= ssl.OP_NO_TICKET
    while True:
        with contextlib.suppress(OSError), gate.tcp() as sock:
            context.wrap_socket(sock, server_hostname=pki.SERVER_NAME).close()


def connections(gate, who):
    """Point 3: as many connections as there are."""
    held = []
    while True:
        try:
            held.append(gate.connect(who))
        except OSError:
            time.sleep(0.01)
        del held[:-200]


def new_keys(gate, who):
    """Point 4: KeyUpdates without end."""
    while True:
        with contextlib.suppress(OSError, AssertionError):
            with KeyUpdater(gate.tcp(), gate.world.identity(who)) as updater:
                updater.flood(1_000_000, 1.0)


def refusals(gate, who):
    """Point 5: requests that are refused, as fast as they can be written."""
    request = f"GET {PLUS} HTTP/1.1\r\nHost: {pki.SERVER_NAME}\r\n\r\n".encode() * 50
    while True:
        with contextlib.suppress(OSError, client.Truncated), gate.connect(who) as connection:
            while True:
                connection.send(request)
                for _ in range(50):
                    connection.response()


def invalid_uploads(gate, who):
    """Point 6: large bodies that are no snapshot, though nearly."""
    body = SNAPSHOT[:-2] + b" " * (UPLOAD - len(SNAPSHOT)) + b"]]"
    while True:
        with contextlib.suppress(OSError, client.Truncated), gate.connect(who) as connection:
            while True:
                connection.request("PUT", "/snapshots/s", [JSON], body)


def uploads_that_leave(gate, who):
    """Point 7: uploads whose client is gone when the store has them."""
    number = 0
    while True:
        number += 1
        with contextlib.suppress(OSError), gate.connect(who) as connection:
            body = SNAPSHOT.replace(b'"s"', b'"s%d"' % number)
            connection.send_request("PUT", f"/snapshots/s{number}", [JSON], body)


def throttled_downloads(gate, who):
    """Point 8: downloads that hold a connection to the store for as long as they can."""
    while True:
        with contextlib.suppress(OSError, client.Truncated), gate.connect(who) as connection:
            connection.send_request("GET", LARGE)
            while connection.read_some(512):
                time.sleep(0.2)


ATTACKS = [handshakes, connections, new_keys, refusals, invalid_uploads, uploads_that_leave,
           *[throttled_downloads] * 8]  # fmt: skip


def run(attack, gate, who):
    os.nice(19)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    attack(gate, who)


@contextlib.contextmanager
def attacked(gate, who):
    """All of ATTACKS at once on GATE by WHO, while the block runs. Yields whether all still go on."""
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=run, args=(attack, gate, who), daemon=True) for attack in ATTACKS]
    for process in running:
        process.start()
    try:
        yield lambda: all(process.is_alive() for process in running)
    finally:
        for process in running:
            process.kill()
            process.join()
