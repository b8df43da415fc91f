"""spot, the update client, and the lying servers it has to cope with."""

import base64
import contextlib
import hashlib
import os
import pathlib
import socket
import ssl
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from . import common, store, yaml

PROGRAM = common.BUILD / "spot"
SPARE_PIN = "sha256//" + base64.b64encode(hashlib.sha256(b"the spare key").digest()).decode()


def pin(certificate):
    """The pin of the public key in the PEM file CERTIFICATE."""
    key = x509.load_pem_x509_certificate(pathlib.Path(certificate).read_bytes()).public_key()
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "sha256//" + base64.b64encode(hashlib.sha256(info).digest()).decode()


def is_artifact(path):
    """False for what is asked for before any file of a version: licence, indexes, catalogues."""
    signed = ("index.json", "index.json.p7s", "catalogue.json", "catalogue.json.p7s")
    return path != "/licence" and not path.endswith(signed)


class Spot:
    """One installation: a folder with its spot.yaml. KEYS replace those of the file; None takes one
    away."""

    def __init__(self, world, folder, *servers, who="acme", **keys):
        ca = world.authority.folder
        identity = world.identity(who)
        self.folder = pathlib.Path(folder)
        self.file = self.folder / "spot.yaml"
        data = {
            "servers": [f"https://127.0.0.1:{server.port}" for server in servers],
            "certificate": str(identity.cert),
            "key": str(identity.key),
            "ca": str(world.authority.certificate),
            "pins": [pin(ca / "server.crt"), SPARE_PIN],
            "cache": str(self.folder / "cache"),
            "state": str(self.folder / "state"),
            **keys,
        }
        self.write({key: value for key, value in data.items() if value is not None})

    def write(self, data):
        self.file.write_text(data if isinstance(data, str) else yaml.dump(data))

    def run(self, *arguments, environment=(), timeout=60):
        """Runs spot to its end; returns the finished process, with text."""
        done = subprocess.run(
            [PROGRAM, "-c", self.file, *arguments], capture_output=True, text=True, check=False,
            env={**os.environ, **dict(environment)}, timeout=timeout * common.PATIENCE,
        )  # fmt: skip
        for trace in ("Sanitizer", "runtime error:"):
            assert trace not in done.stderr, done.stderr
        return done

    def fails(self, code, *arguments, **how):
        """Runs spot, which must end with CODE and one sentence; returns that."""
        done = self.run(*arguments, **how)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert done.stdout == "", done.stdout
        assert done.stderr.startswith("spot: ") and done.stderr.endswith("\n"), done.stderr
        return done.stderr.splitlines()[-1].removeprefix("spot: ")


class ScriptedServer(store.ScriptedStore):
    """An update server that does exactly what the test says: SCRIPT(connection, number) as for a
    ScriptedStore, after the TLS handshake. IDENTITY is its certificate; CLIENTS is the CA file
    whose clients it takes, HIGHEST the TLS version it does not go beyond."""

    def __init__(self, script, identity, clients, highest=ssl.TLSVersion.TLSv1_3):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if highest < ssl.TLSVersion.TLSv1_2:
            self._context.minimum_version = highest
            self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._context.maximum_version = highest
        self._context.load_cert_chain(identity.cert, identity.key)
        self._context.load_verify_locations(clients)
        self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(script)

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def _serve(self, connection, number):
        with contextlib.suppress(OSError), self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ) as tls:
            try:
                tls.do_handshake()
            except OSError:
                # What has come in by now must be read, or the reset would overtake the alert.
                tls.shutdown(socket.SHUT_WR)
                while socket.socket.recv(tls, 65536):
                    pass
                raise
            super()._serve(tls, number)


def answer(status, body=b"", **fields):
    """An HTTP answer as bytes; Content-Length is right unless FIELDS say otherwise."""
    fields = {"Content_Length": len(body), **fields}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def read_head(connection):
    """Reads one request head; an OSError when the client ends instead, which ends the script."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionResetError
        head += byte
    return head
