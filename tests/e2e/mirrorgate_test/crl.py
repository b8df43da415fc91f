"""Revocation lists of any shape, signed with a test CA's own key."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

PEM = serialization.Encoding.PEM
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def make(authority, number, *, revoked=(), issued=None, days=30, critical=False,
         entries=0):  # fmt: skip
    """A list of AUTHORITY as PEM text: NUMBER, the REVOKED identities, ISSUED (a minute ago when
    not given) and valid for DAYS; CRITICAL adds an extension that nobody knows, ENTRIES so many
    certificates with serial numbers from 1."""
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    key_file = authority.folder / "ca.key"
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    issued = issued or now() - datetime.timedelta(minutes=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(issued)
        .next_update(issued + datetime.timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    if critical:
        unknown = x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    for identity in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(identity.serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(issued).build())
    for serial in range(1, entries + 1):
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(entry.revocation_date(issued).build())
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM).decode()
