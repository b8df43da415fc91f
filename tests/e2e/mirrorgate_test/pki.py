"""The certificates of one test session: a private CA, a server and the callers.

The good ones come from certs/pki, the tool that operators use. The bad ones, which that tool
refuses to make, are forged here with python3-cryptography and the CA's own key.
"""

import dataclasses
import datetime
import fcntl
import hashlib
import pathlib
import shutil
import subprocess
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import common
from .rsa_keys import rsa_key

SERVER_NAME = "updates.example.com"

SUBJECTS = {
    "acme": "CN=acme-prod,O=Acme Corp,C=DK",
    "globex": "CN=globex-prod,O=Globex,C=US",
    "initech": "CN=initech-prod,O=Initech,C=DE",
    "probe": "CN=lb-probe,O=Mirror Operations,C=DK",
    "ops": "CN=ops,O=Mirror Operations,C=DK",
    "stranger": "CN=stranger,O=Nobody,C=SE",
}


@dataclasses.dataclass(frozen=True)
class Identity:
    """A client certificate and its key, as files."""

    name: str
    subject: str
    cert: pathlib.Path
    key: pathlib.Path

    @property
    def serial(self):
        return x509.load_pem_x509_certificate(self.cert.read_bytes()).serial_number


class Authority:
    """One CA folder of certs/pki; NAME is None for one that is there already."""

    def __init__(self, folder, name="Test CA"):
        self.folder = pathlib.Path(folder)
        self.identities = {}
        if name is not None:
            self.run("init", str(self.folder), "--name", name)

    @property
    def certificate(self):
        return self.folder / "ca.crt"

    @property
    def crl(self):
        return self.folder / "ca.crl"

    def run(self, *arguments):
        done = subprocess.run(
            [common.PKI, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"pki {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def server(self):
        self.run("server", str(self.folder), SERVER_NAME, "localhost", "127.0.0.1", "::1")

    def client(self, name, subject):
        """Issues the certificate NAME; probes and observers go by their well-known names."""
        customer = ["--customer", "acme" if name == "revoked" else name]
        role = {"probe": ["--probe"], "ops": ["--observer"]}.get(name, customer)
        self.run("client", str(self.folder), *role, "--subject", subject, "--name", name)
        return self.known(name, subject)

    def known(self, name, subject):
        """The certificate NAME, which has been issued."""
        identity = Identity(
            name, subject, self.folder / f"{name}.crt", self.folder / f"{name}.key"
        )
        self.identities[name] = identity
        return identity

    def forge(
        self, name, *, rdns, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,), ca=False, days=(-1, 30),
        hosts=(),
    ):
        """Issues a certificate of any shape. RDNS are pairs (OID, value), most significant first;
        DAYS tell from when to when it is valid, from today; HOSTS are its alternative names."""
        issuer = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        issuer_key = serialization.load_pem_private_key(
            (self.folder / "ca.key").read_bytes(), password=None
        )
        key = rsa_key()
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in rdns]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
                critical=False,
            )
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA256())
        return self._write(name, certificate, key)

    def _write(self, name, certificate, key):
        identity = Identity(name, "", self.folder / f"{name}.crt", self.folder / f"{name}.key")
        identity.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return identity


def acme_rdns():
    """Acme's subject as pairs for forge(), in the certificate's order."""
    return [
        (NameOID.COUNTRY_NAME, "DK"),
        (NameOID.ORGANIZATION_NAME, "Acme Corp"),
        (NameOID.COMMON_NAME, "acme-prod"),
    ]


class World:
    """The CA that a gateway trusts, with the server's certificate and the callers'."""

    def __init__(self, authority):
        self.authority = authority
        self.other_acme = None

    @classmethod
    def complete(cls, folder):
        """The world of most tests, in FOLDER: all SUBJECTS, a revoked certificate of Acme, and
        Acme's subject from another CA. A copy of its own for each who asks."""
        folder = pathlib.Path(folder)
        _copy_world(folder)
        world = cls(Authority(folder / "ca", None))
        # A list of now: one without a number counts by its date.
        world.authority.run("crl", str(world.authority.folder))
        for name, subject in SUBJECTS.items():
            world.authority.known(name, subject)
        world.authority.known("revoked", SUBJECTS["acme"])
        world.other_acme = Authority(folder / "other", None).known("acme", SUBJECTS["acme"])
        return world

    def identity(self, who):
        """WHO is an identity already, the name of one, or None for no certificate at all."""
        return self.authority.identities[who] if isinstance(who, str) else who


def self_signed_ca(days):
    """A CA of its own as PEM, valid from DAYS[0] to DAYS[1], seen from today."""
    now = datetime.datetime.utcnow()
    key = rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A CA out of time")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


WORLD_SECONDS = 6 * 60 * 60


def _copy_world(folder):
    """Into FOLDER, from a world that is kept beside the build for all its test processes: the dozen
    runs of certs/pki cost more than most files of tests. It is made anew when the tool or this
    file has changed, and after some hours."""
    sources = [common.PKI, *sorted(common.PKI.parent.glob("*.py")), pathlib.Path(__file__)]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    worlds = common.BUILD / "test-worlds"
    worlds.mkdir(parents=True, exist_ok=True)
    made = worlds / digest
    with open(worlds / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or time.time() - made.stat().st_mtime > WORLD_SECONDS:
            shutil.rmtree(made, ignore_errors=True)
            half = worlds / "half"
            shutil.rmtree(half, ignore_errors=True)
            _make_world(half)
            half.rename(made)
        shutil.copytree(made, folder, dirs_exist_ok=True)


def _make_world(folder):
    folder.mkdir()
    authority = Authority(folder / "ca")
    authority.server()
    for name, subject in SUBJECTS.items():
        authority.client(name, subject)
    authority.client("revoked", SUBJECTS["acme"])
    authority.run("revoke", str(authority.folder), "revoked")
    Authority(folder / "other", "Another CA").client("acme", SUBJECTS["acme"])
