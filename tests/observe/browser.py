"""Debian's Chromium, without a window, with a client certificate, in a profile of its own."""

import os
import re
import subprocess

from mirrorgate_test import pki

WIDE, NARROW = (1280, 1900), (390, 3200)


class Chromium:
    """Chromium takes certificates from an NSS database below HOME, and a policy says which one it shows.
    That policy is a file below /etc: it is put there for this process alone."""

    def __init__(self, folder, gate, who=None):
        self.folder, self.gate = folder, gate
        self.url = f"https://{pki.SERVER_NAME}:{gate.port}"
        database = folder / ".pki/nssdb"
        database.mkdir(parents=True)
        self.policies = folder / "policies"
        self.policies.mkdir()
        certutil = ["certutil", "-d", f"sql:{database}"]
        subprocess.run([*certutil, "-N", "--empty-password"], check=True)
        authority = gate.world.authority.certificate
        subprocess.run([*certutil, "-A", "-n", "ca", "-t", "CT,C,", "-i", authority], check=True)
        if who:
            self._take_certificate(database, gate.world.identity(who))

    def _take_certificate(self, database, identity):
        bundle = self.folder / "client.p12"
        subprocess.run([
            "openssl", "pkcs12", "-export", "-in", identity.cert, "-inkey", identity.key,
            "-out", bundle, "-passout", "pass:",
        ], check=True)  # fmt: skip
        subprocess.run(["pk12util", "-d", f"sql:{database}", "-i", bundle, "-W", ""], check=True)
        (self.policies / "client.json").write_text(
            '{"AutoSelectCertificateForUrls": ["{\\"pattern\\":\\"%s\\",\\"filter\\":{}}"]}' % self.url
        )

    def run(self, path, *options, size=WIDE, dark=False):
        """Opens PATH; returns what it printed, and what it complained of."""
        own = [] if os.geteuid() == 0 else ["-U", "-r"]
        program = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={self.folder}/profile", "--enable-logging=stderr", "--hide-scrollbars",
            f"--window-size={size[0]},{size[1]}", "--timeout=60000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--host-resolver-rules=MAP {pki.SERVER_NAME} 127.0.0.1", *options, self.url + path,
        ]  # fmt: skip
        script = (
            "mkdir -p /etc/chromium/policies/managed && "
            'mount --bind "$0" /etc/chromium/policies/managed && exec "$@"'
        )
        done = subprocess.run(
            ["unshare", "-m", *own, "sh", "-c", script, self.policies, *program],
            capture_output=True, text=True, timeout=400, check=False,
            env={**os.environ, "HOME": str(self.folder)},
        )  # fmt: skip
        complaints = [
            line for line in done.stderr.splitlines() if re.search(r"CONSOLE|Content.Security", line)
        ]
        return done.stdout, complaints
