"""What every gateway of `make bench` is given: a CA, 200 client certificates, a policy of 1,000
customers, and a store with files of several sizes.
"""

import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mirrorgate_test import pki

CUSTOMERS = 1000
CERTIFICATES = 200  # of the first customers; all with one key, which the server cannot tell
PRODUCTS = 100
FOLDER = "/artifacts/bench/"  # that everybody may read; each has another product of their own
FILES = {"1k": 1 << 10, "64k": 64 << 10, "100m": 100 << 20, "1g": 1 << 30}
ONE_PIECE = 16 << 20  # bytes; larger files repeat it


def subject(number):
    """As RFC 4514 writes it."""
    return f"CN=customer-{number:04},O=Customer-{number:04},C=DK"


def customer(number):
    return f"customer-{number:04}"


def product(number):
    """Of customer NUMBER, besides the one that everybody has."""
    return f"product-{number % PRODUCTS:03}"


class World:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.authority = pki.Authority(self.folder / "ca")
        self.authority.server()
        self.certificates = self.folder / "clients.pem"
        self.key = self.folder / "client.key"
        self.root = self.folder / "root"
        self._make_clients()
        self._make_files()

    def load_options(self):
        """For tests/bench/load.c."""
        return [f"ca={self.authority.certificate}", f"certificates={self.certificates}",
                f"key={self.key}", f"host={pki.SERVER_NAME}"]  # fmt: skip

    def policy(self, serial=1):
        products = [{"id": "bench", "paths": [FOLDER]}]
        products += [{"id": product(n), "paths": [f"/artifacts/{product(n)}/"]}
                     for n in range(PRODUCTS)]  # fmt: skip
        customers = [
            {"id": customer(n), "subjects": [subject(n)],
             "products": [{"id": "bench"}, {"id": product(n)}]}
            for n in range(CUSTOMERS)
        ]  # fmt: skip
        return {"serial": serial, "products": products, "customers": customers}

    def _make_clients(self):
        issuer = x509.load_pem_x509_certificate(self.authority.certificate.read_bytes())
        issuer_key = serialization.load_pem_private_key(
            (self.authority.folder / "ca.key").read_bytes(), password=None
        )
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        texts = [_issue(n, key, issuer, issuer_key) for n in range(CERTIFICATES)]
        self.certificates.write_bytes(b"".join(texts))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def _make_files(self):
        folder = self.root / FOLDER[1:]
        folder.mkdir(parents=True)
        piece = os.urandom(ONE_PIECE)
        for name, size in FILES.items():
            with open(folder / name, "wb") as file:
                for at in range(0, size, ONE_PIECE):
                    file.write(piece[: size - at])


def _issue(number, key, issuer, issuer_key):
    now = datetime.datetime.utcnow()
    names = [(NameOID.COUNTRY_NAME, "DK"), (NameOID.ORGANIZATION_NAME, f"Customer-{number:04}"),
             (NameOID.COMMON_NAME, f"customer-{number:04}")]  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in names]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
