"""Revocation lists that must not take the place of a good one at a reload.

None of them lists the certificate that the list in force revokes. Whatever a gateway makes of them,
that certificate must stay outside, and Acme's other one must still be served.
"""

import dataclasses
import datetime
import signal
import typing

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from .. import forge
from ..rsa_keys import rsa_key
from . import bench as benches
from .refused import SMALL, everything, first_status

UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.2")
NEWER = 10  # how much higher than the number in force


class MirrorgateList:
    """The revocation list of GATE in the file CRL; see Bench.revocation."""

    def __init__(self, gate, crl):
        self.gate = gate
        self._crl = crl

    def replace(self, content):
        if content is None:
            self._crl.unlink()
        else:
            self._crl.write_bytes(content)
        start = len(self.gate.stderr)
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_line(
            r"mirrorgate: (info: generation .* live on|error: reload refused).*", start
        )
        self.lines = self.gate.stderr.since(start)

    def restart(self, content):
        """Ends it and starts it with the list CONTENT; False when it does not start then."""
        self.gate.stop()
        self._crl.write_bytes(content)
        return starts(self.gate)


def starts(gate):
    try:
        gate.start()
    except AssertionError:
        gate.process = None  # it has ended, as it should
        return False
    return True


class Forge:
    """Signs lists as our CA, or as whoever is named."""

    def __init__(self, authority):
        self.authority = authority
        self.ca = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
        self.key = serialization.load_pem_private_key(
            (authority.folder / "ca.key").read_bytes(), password=None
        )
        current = x509.load_pem_x509_crl(authority.crl.read_bytes())
        self.number = current.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    def list(self, *, hours=(-1, 24), number=NEWER, extra=(), key=None, digest=None):
        """A list of nothing, in force HOURS from now, NUMBER above the one in force."""
        now = datetime.datetime.utcnow()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.ca.subject)
            .last_update(now + datetime.timedelta(hours=hours[0]))
            .next_update(now + datetime.timedelta(hours=hours[1]))
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False
            )
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(self.number + number), False)
        for value, critical in extra:
            builder = builder.add_extension(value, critical)
        if digest:
            return forge.weakly_signed(builder, key or self.key, digest)
        return builder.sign(key or self.key, hashes.SHA256())


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM)


def broken(forge):
    """One bit of the signature is another."""
    made = forge.list()
    der = bytearray(made.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    return pem(x509.load_der_x509_crl(bytes(der)))


def by_a_stranger(forge):
    key = rsa_key()
    return pem(forge.list(key=key))


def of_a_delta(forge):
    return pem(forge.list(extra=[(x509.DeltaCRLIndicator(forge.number), True)]))


def of_a_delta_not_critical(forge):
    return pem(forge.list(extra=[(x509.DeltaCRLIndicator(forge.number), False)]))


def with_point(**limits):
    """A list with a distribution point that is not critical and limits what the list covers."""
    point = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False,
        "only_contains_ca_certs": False, "only_some_reasons": None, "indirect_crl": False,
        "only_contains_attribute_certs": False, **limits,
    }  # fmt: skip
    return lambda forge: pem(forge.list(extra=[(x509.IssuingDistributionPoint(**point), False)]))


def with_unknown_critical(forge):
    return pem(forge.list(extra=[(x509.UnrecognizedExtension(UNKNOWN, b"\5\0"), True)]))


def for_ca_certificates_only(forge):
    point = x509.IssuingDistributionPoint(
        full_name=None, relative_name=None, only_contains_user_certs=False,
        only_contains_ca_certs=True, only_some_reasons=None, indirect_crl=False,
        only_contains_attribute_certs=False,
    )  # fmt: skip
    return pem(forge.list(extra=[(point, True)]))


@dataclasses.dataclass
class BadList(benches.Case):
    make: typing.Callable  # from a Forge to the file's bytes, or None for no file

    def attempt(self, bench, strict):
        revocation = bench.revocation
        good = bench.world.authority.crl.read_bytes()
        forge = Forge(bench.world.authority)
        revocation.replace(good)
        if complaint := judge(revocation.gate):
            return f"before: {complaint}"
        revocation.replace(self.make(forge))
        complaint = judge(revocation.gate)
        if strict and not any("ca.crl" in line for line in revocation.lines):
            complaint = complaint or f"the reason does not name the file: {revocation.lines}"
        revocation.replace(good)
        return complaint


@dataclasses.dataclass
class OlderAfterRestart(benches.Case):
    """A list that was good once, from before the revocation: the gateway has been told of a newer
    one, and is started anew, with the old one in its place."""

    def attempt(self, bench, strict):
        revocation = bench.revocation
        good = bench.world.authority.crl.read_bytes()
        revocation.replace(good)
        if complaint := judge(revocation.gate):
            return f"before: {complaint}"
        older = pem(Forge(bench.world.authority).list(number=-1))
        complaint = None
        if revocation.restart(older) and judge(revocation.gate) == "revoked is served":
            complaint = "revoked is served"
        if not revocation.restart(good):
            return "it does not start with the newer list again"
        return complaint or judge(revocation.gate)


def judge(gate):
    for who, served in (("revoked", False), ("acme", True)):
        try:
            with gate.connect(who) as connection:
                connection.send_request("GET", SMALL)
                status = first_status(everything(connection))
        except OSError:
            status = None
        if (status == 200) != served:
            return f"{who} is {'served' if status == 200 else 'refused'}"
    return None


LISTS = {
    "expired": lambda forge: pem(forge.list(hours=(-24, -1))),
    "not-yet-valid": lambda forge: pem(forge.list(hours=(1, 24))),
    "signature-broken": broken,
    "signed-by-another-key": by_a_stranger,
    "of-another-ca": lambda forge: forge.authority.folder.parent.joinpath(
        "other", "ca.crl").read_bytes(),
    "lower-number": lambda forge: pem(forge.list(number=-1)),
    "no-number": lambda forge: pem(forge.list(number=None)),
    "unknown-critical-extension": with_unknown_critical,
    "delta": of_a_delta,
    "for-ca-certificates-only": for_ca_certificates_only,
    "delta-not-critical": of_a_delta_not_critical,
    "point-for-ca-certificates": with_point(only_contains_ca_certs=True),
    "point-for-user-certificates": with_point(only_contains_user_certs=True),
    "point-for-attribute-certificates": with_point(only_contains_attribute_certs=True),
    "point-indirect": with_point(indirect_crl=True),
    "point-of-some-reasons": with_point(
        only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
    "point-elsewhere": with_point(
        full_name=[x509.UniformResourceIdentifier("http://ca.example/crl")]),
    "md5": lambda forge: pem(forge.list(digest="md5")),
    "empty": lambda forge: b"",
    "half-written": lambda forge: pem(forge.list())[:200],
    "nuls": lambda forge: bytes(1000),
    "a-certificate": lambda forge: forge.authority.certificate.read_bytes(),
    "missing": lambda forge: None,
}  # fmt: skip
# RFC 5280 asks for a number, but not that a verifier remembers the one before.
HOUSE = {"lower-number", "no-number", "md5"}

CASES = [
    BadList("revocation list", name, make, house=name in HOUSE) for name, make in LISTS.items()
]
CASES += [OlderAfterRestart("revocation list", "older-after-a-restart", house=True)]
