"""Client certificates that must be refused, and names that must match nobody, on TLS 1.2 and 1.3.

Each is made from Acme's own subject and our CA's key, with one thing wrong; the client has no rules
of its own (security level 0), so that it is the gate that refuses.
"""

import contextlib
import dataclasses
import datetime
import itertools
import re
import socket
import ssl
import typing

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.name import _ASN1Type as StringType
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID, ObjectIdentifier

from .. import common, forge, pki
from ..client import Connection
from ..rsa_keys import rsa_key
from . import bench as benches
from .refused import SMALL, everything, first_status

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

C, O, CN, OU = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME,
                NameOID.ORGANIZATIONAL_UNIT_NAME)
PROXY_CERT_INFO = ObjectIdentifier("1.3.6.1.5.5.7.1.14")
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.99999.1")


def name_of(*rdns):
    """A name of RDNS, most significant first: (OID, value) or (OID, value, string type)."""
    return x509.Name([x509.NameAttribute(*rdn, _validate=False) for rdn in rdns])


ACME = name_of(*pki.acme_rdns())


def _key_usage(ca, signs):
    return x509.KeyUsage(
        digital_signature=signs, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


class Maker:
    """Makes certificates of our CA, of any shape."""

    def __init__(self, world, folder):
        authority = world.authority
        self.world = world
        self.folder = folder
        self.made = 0
        self.ca = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
        self.ca_key = serialization.load_pem_private_key(
            (authority.folder / "ca.key").read_bytes(), password=None
        )

    def sign(self, subject=ACME, *, key=None, issuer=None, issuer_key=None, digest=None,
             usages=(Usage.CLIENT_AUTH,), ca=False, signs=None, path_length=None,
             extra=(), days=(-1, 30), names_key=True):  # fmt: skip
        """Returns (certificate, key). SIGNS says whether it may sign a handshake, as all but a CA's
        may; EXTRA are pairs (extension, critical); DAYS tell from when to when it is valid, from
        today; NAMES_KEY puts the authority key identifier in."""
        key = key or rsa_key()
        now = datetime.datetime.utcnow()
        issuer = issuer if issuer is not None else self.ca.subject
        issuer_key = issuer_key or self.ca_key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(_key_usage(ca, not ca if signs is None else signs), critical=True)
        )
        if names_key:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
            )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for value, critical in extra:
            builder = builder.add_extension(value, critical=critical)
        if digest:
            return forge.weakly_signed(builder, issuer_key, digest), key
        return builder.sign(issuer_key, hashes.SHA256()), key

    def with_bytes(self, certificate, old, new):
        """The DER of CERTIFICATE with NEW for OLD, as long, in its signed part; signed again."""
        signed = certificate.tbs_certificate_bytes
        assert signed.count(old) == 1 and len(old) == len(new)
        changed = signed.replace(old, new)
        signature = self.ca_key.sign(changed, padding.PKCS1v15(), hashes.SHA256())
        der = certificate.public_bytes(serialization.Encoding.DER)
        return der.replace(signed, changed)[: -len(signature)] + signature

    def files(self, key, *chain):
        """The files of a client that shows CHAIN, leaf first."""
        self.made += 1
        cert_file = self.folder / f"{id(self)}-{self.made}.crt"
        key_file = cert_file.with_suffix(".key")
        pem = serialization.Encoding.PEM
        cert_file.write_bytes(b"".join(certificate.public_bytes(pem) for certificate in chain))
        key_file.write_bytes(
            key.private_bytes(
                pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert_file, key_file


def good(maker):
    leaf, key = maker.sign()
    return key, leaf


def plain(*, curve=None, **flaw):
    def make(maker):
        key = ec.generate_private_key(curve) if curve else rsa_key()
        leaf, _ = maker.sign(key=key, **flaw)
        return key, leaf

    return make


def weak(maker):
    leaf, key = maker.sign(key=rsa.generate_private_key(public_exponent=65537, key_size=1024))
    return key, leaf


def self_signed(maker):
    key = rsa_key()
    leaf, _ = maker.sign(key=key, issuer=ACME, issuer_key=key)
    return key, leaf


def by_a_client(maker):
    """Acme signs with its own key, and shows its own certificate as the issuer's."""
    acme, acme_key = maker.sign()
    leaf, key = maker.sign(issuer=ACME, issuer_key=acme_key)
    return key, leaf, acme


def by_a_proxy(maker):
    """RFC 3820: Acme's subject and one more CN, signed by Acme."""
    acme, acme_key = maker.sign()
    policy = bytes.fromhex("300c300a06082b06010505071501")  # id-ppl-inheritAll
    leaf, key = maker.sign(
        name_of(*pki.acme_rdns(), (NameOID.COMMON_NAME, "proxy")),
        issuer=ACME, issuer_key=acme_key,
        extra=[(x509.UnrecognizedExtension(PROXY_CERT_INFO, policy), True)],
    )  # fmt: skip
    return key, leaf, acme


def below(count, path_length=None):
    """A leaf below COUNT CAs of ours, each of which may have PATH_LENGTH CAs below it."""

    def make(maker):
        chain, issuer, issuer_key = [], maker.ca.subject, maker.ca_key
        for number in range(count):
            subject = name_of((NameOID.COMMON_NAME, f"CA {number}"))
            made, key = maker.sign(
                subject, issuer=issuer, issuer_key=issuer_key, ca=True, usages=(),
                path_length=path_length,
            )  # fmt: skip
            chain.insert(0, made)
            issuer, issuer_key = subject, key
        leaf, key = maker.sign(issuer=issuer, issuer_key=issuer_key)
        return key, leaf, *chain

    return make


def signed_for(*rdns):
    def make(maker):
        leaf, key = maker.sign(name_of(*rdns))
        return key, leaf

    return make


def with_bytes_unsigned(maker):
    """Another name than the one that was signed."""
    leaf, key = maker.sign(name_of((CN, "acme-pro?")))
    der = leaf.public_bytes(serialization.Encoding.DER).replace(b"acme-pro?", b"acme-prod")
    return key, x509.load_der_x509_certificate(der)


def of_another_ca(maker):
    identity = maker.world.other_acme
    key = serialization.load_pem_private_key(identity.key.read_bytes(), password=None)
    return key, x509.load_pem_x509_certificate(identity.cert.read_bytes())


def revoked(maker):
    identity = maker.world.identity("revoked")
    key = serialization.load_pem_private_key(identity.key.read_bytes(), password=None)
    return key, x509.load_pem_x509_certificate(identity.cert.read_bytes())


# Each time another client: the gate logs few failed handshakes of one address in one period.
_addresses = (f"127.1.{number // 250 % 250}.{1 + number % 250}" for number in itertools.count())


@contextlib.contextmanager
def connected(gate, files, version):
    """A connection by a client with FILES, or with no certificate, that accepts anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(gate.world.authority.certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if files:
        context.load_cert_chain(*files)
    sock = socket.create_connection(
        ("127.0.0.1", gate.port), 10 * common.PATIENCE, (next(_addresses), 0)
    )
    with Connection(sock, context) as connection:
        yield connection


@dataclasses.dataclass
class Refused(benches.Case):
    """The certificate of MAKE, a function from a Maker to (key, leaf, issuers...) or None for no
    certificate, ends in an alert and not one byte of HTTP; the access log says REASON, a regular
    expression, or nothing where OpenSSL cannot even read the key."""

    make: typing.Callable
    reason: str | None

    def attempt(self, bench, strict):
        maker = Maker(bench.world, bench.folder)
        files = maker.files(*self.make(maker)) if self.make else None
        for text, version in VERSIONS.items():
            complaint = self._attempt(bench, files, version, strict)
            if complaint:
                return f"TLS {text}: {complaint}"
        return None

    def _attempt(self, bench, files, version, strict):
        mark = bench.store.mark()
        lines = len(bench.gate.log_lines()) if strict else 0
        answered, failure = ask(bench.gate, files, version)
        seen = b"".join(bench.store.received(mark).values())
        if seen:
            return "the store was asked"
        if not strict:
            status = first_status(answered)
            return f"answered {status}" if status is not None and status < 400 else None
        if answered or "alert" not in failure:
            return f"no alert, but {answered[:40]} {failure}"
        return self._check_log(bench.gate, lines)

    def _check_log(self, gate, lines):
        def reasons():
            return [line["reason"] for line in gate.log_lines()[lines:] if line["reason"]]

        [reason] = common.wait_until(reasons, "the refused handshake in the access log")
        if self.reason is not None and not re.fullmatch(self.reason, reason):
            return f"the log says {reason}"
        return None


def ask(gate, files, version):
    """(what is answered to a GET, what ended the connection instead)."""
    try:
        with connected(gate, files, version) as connection:
            connection.send_request("GET", SMALL)
            data = everything(connection)
            if not data and connection.end is None:
                connection.read_some(1)
            return data, str(connection.end)
    except OSError as error:
        return b"", str(error)


@dataclasses.dataclass
class LookAlike(benches.Case):
    """A good certificate whose subject only looks like Acme's is nobody's. Each carries Acme's name
    as an alternative name, too."""

    rdns: list

    def attempt(self, bench, strict):
        maker = Maker(bench.world, bench.folder)
        leaf, key = maker.sign(name_of(*self.rdns), extra=[(SAN, False)])
        mark = bench.store.mark()
        answered, failure = ask(bench.gate, maker.files(key, leaf), VERSIONS["1.3"])
        if bench.store.received(mark):
            return "the store was asked"
        status = first_status(answered)
        if strict and not (status == 403 and b"urn:mirrorgate:unknown-subject" in answered):
            return f"answered {answered[:200]} {failure}"
        return f"answered {status}" if status is not None and status < 400 else None


WRONG_PURPOSE = "unsuitable certificate purpose: .*"
TOO_WEAK = "CA signature digest algorithm too weak: .*"
UNKNOWN_CRITICAL = (x509.UnrecognizedExtension(UNKNOWN, b"\5\0"), True)

# How to make it, and what the access log says.
FLAWS = {
    "none": (None, "peer did not return a certificate"),
    "of-another-ca": (of_another_ca, "(unable to get local issuer certificate: .*|certificate sign.*)"),
    "expired": (plain(days=(-10, -1)), "certificate has expired"),
    "not-yet-valid": (plain(days=(1, 10)), "certificate is not yet valid"),
    "revoked": (revoked, "certificate revoked"),
    "self-signed": (self_signed, "self-signed certificate"),
    "sha-1": (plain(digest="sha1"), TOO_WEAK),
    "md5": (plain(digest="md5"), TOO_WEAK),
    "rsa-1024": (weak, None),
    "p-224": (plain(curve=ec.SECP224R1()), None),
    "a-ca": (plain(ca=True), WRONG_PURPOSE),
    "a-ca-that-may-sign": (plain(ca=True, signs=True), "the certificate is a CA's"),
    "no-extended-key-usage": (plain(usages=()), "the certificate has no extended key usage"),
    "server-auth-only": (plain(usages=(Usage.SERVER_AUTH,)), WRONG_PURPOSE),
    "email-protection-only": (plain(usages=(Usage.EMAIL_PROTECTION,)), WRONG_PURPOSE),
    "any-usage-only": (plain(usages=(Usage.ANY_EXTENDED_KEY_USAGE,)), WRONG_PURPOSE),
    "unknown-critical-extension": (plain(extra=[UNKNOWN_CRITICAL]), "unhandled critical extension"),
    "issued-by-a-client": (by_a_client, "invalid CA certificate"),
    "proxy-certificate": (by_a_proxy, "proxy certificates not allowed.*"),
    "path-too-long": (below(6), "certificate chain too long"),  # four certificates are the most
    "path-length-exceeded": (below(2, path_length=0), "path length constraint exceeded: .*"),
    "signature-broken": (with_bytes_unsigned, "certificate signature failure"),
}
# No RFC asks for an extended key usage, or forbids a path of five CAs that are all in order, or a
# CA that is a client, too.
HOUSE = {"a-ca-that-may-sign", "no-extended-key-usage", "any-usage-only", "path-too-long"}


TEXT = "CN=acme-prod,O=Acme Corp,C=DK"
SAN = x509.SubjectAlternativeName([
    x509.DNSName("acme-prod"), x509.DirectoryName(ACME), x509.RFC822Name("acme-prod@acme.example"),
    x509.UniformResourceIdentifier("urn:" + TEXT.replace(" ", "%20")),
])  # fmt: skip

LOOK_ALIKES = {
    "upper-case": [(C, "DK"), (O, "ACME CORP"), (CN, "acme-prod")],
    "case-of-country": [(C, "dk"), (O, "Acme Corp"), (CN, "acme-prod")],
    "case-of-cn": [(C, "DK"), (O, "Acme Corp"), (CN, "Acme-Prod")],
    "two-spaces": [(C, "DK"), (O, "Acme  Corp"), (CN, "acme-prod")],
    "space-before": [(C, "DK"), (O, "Acme Corp"), (CN, " acme-prod")],
    "space-behind": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod ")],
    "no-break-space": [(C, "DK"), (O, "Acme\u00a0Corp"), (CN, "acme-prod")],
    "separator-in-a-value": [(C, "DK"), (O, "x,CN=acme-prod,O=Acme Corp")],
    "escaped-separator": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\\,O=Acme Corp")],
    "slash-in-a-value": [(C, "DK"), (O, "Acme Corp/CN=acme-prod")],
    "plus-in-a-value": [(C, "DK"), (O, "Acme Corp+CN=acme-prod")],
    "quoted": [(C, "DK"), (O, "Acme Corp"), (CN, '"acme-prod"')],
    "all-in-the-cn": [(CN, TEXT)],
    "other-order": [(CN, "acme-prod"), (O, "Acme Corp"), (C, "DK")],
    "one-rdn-more": [(C, "DK"), (O, "Acme Corp"), (OU, "x"), (CN, "acme-prod")],
    "one-rdn-more-in-front": [(OU, "x"), (C, "DK"), (O, "Acme Corp"), (CN, "acme-prod")],
    "one-rdn-more-at-the-end": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod"), (OU, "x")],
    "an-rdn-twice": [(C, "DK"), (O, "Acme Corp"), (O, "Acme Corp"), (CN, "acme-prod")],
    "another-type": [(C, "DK"), (O, "Acme Corp"), (NameOID.PSEUDONYM, "acme-prod")],
    "type-by-oid-in-a-value": [(C, "DK"), (O, "Acme Corp"), (OU, "2.5.4.3=acme-prod")],
    "one-rdn-less": [(C, "DK"), (CN, "acme-prod")],
    "homoglyph": [(C, "DK"), (O, "Acme Corp"), (CN, "\u0430cme-prod")],
    "full-width": [(C, "DK"), (O, "Acme Corp"), (CN, "\uff41cme-prod")],
    "decomposed": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\u0301")],
    "soft-hyphen": [(C, "DK"), (O, "Acme Corp"), (CN, "acme\u00ad-prod")],
    "zero-width-space": [(C, "DK"), (O, "Acme Corp"), (CN, "acme\u200b-prod")],
    "byte-order-mark": [(C, "DK"), (O, "Acme Corp"), (CN, "\ufeffacme-prod")],
    "right-to-left": [(C, "DK"), (O, "Acme Corp"), (CN, "\u202edorp-emca")],
    "alternative-names": [(C, "DK"), (O, "Nobody"), (CN, "nobody")],
}


CONTROL = "a value has a control character"
TWO_CNS = "the subject has more than one CN"
NO_STRING = "a value is neither UTF8String nor PrintableString nor an allowed IA5String"
NO_STRING += "|the subject has a value that is not UTF8String or PrintableString"


def typed(kind, value="acme-prod"):
    """Acme's subject with a common name that is a string of KIND."""
    return [(C, "DK"), (O, "Acme Corp"), (CN, value, kind)]


def several_values(maker):
    attributes = [x509.NameAttribute(O, "Acme Corp"), x509.NameAttribute(CN, "acme-prod")]
    pairs = x509.RelativeDistinguishedName(attributes)
    country = x509.RelativeDistinguishedName([x509.NameAttribute(C, "DK")])
    leaf, key = maker.sign(x509.Name([country, pairs]))
    return key, leaf


OUTSIDE_THE_PROFILE = {
    "two-cns": (signed_for((C, "DK"), (CN, "acme-prod"), (CN, "acme-prod")), TWO_CNS),
    "two-cns-ours-first": (signed_for(*pki.acme_rdns(), (CN, "x")), TWO_CNS),
    "two-cns-ours-last": (signed_for((CN, "x"), *pki.acme_rdns()), TWO_CNS),
    "control-character": (signed_for((C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\x01")), CONTROL),
    "delete": (signed_for((C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\x7f")), CONTROL),
    "c1-control": (signed_for((C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\x85")), CONTROL),
    "nul-at-the-end": (signed_for((C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\0")), CONTROL),
    "nul": (signed_for((C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\0x")), CONTROL),
    "line-feed": (signed_for((C, "DK"), (O, "Acme Corp\n"), (CN, "acme-prod")), CONTROL),
    "several-values-in-one-rdn": (several_values, "the subject has an RDN that is empty or has .*"),
    "bmp-string": (signed_for(*typed(StringType.BMPString)), NO_STRING),
    "t61-string": (signed_for(*typed(StringType.T61String)), NO_STRING),
    "universal-string": (signed_for(*typed(StringType.UniversalString)), NO_STRING),
    "ia5-string-cn": (signed_for(*typed(StringType.IA5String)),
                      "an IA5String stands where only emailAddress and DC may have one"),
    "over-long": (signed_for(*[(OU, f"{n:064}") for n in range(20)], (CN, "acme-prod")),
                  "the subject is longer than 1024 bytes"),
    "value-of-60000-bytes": (signed_for((CN, "acme-prod" + "a" * 60_000)),
                             "excessive message size"),
    "40-rdns": (signed_for(*[(OU, "x")] * 40, (CN, "acme-prod")), "the subject has .*"),
    "no-subject": (signed_for(), "(Subject name empty|the subject is empty)"),
}  # fmt: skip

# Acme's own characters in another string type: to X.520 that is the same name.
SAME_CHARACTERS = {"bmp-string", "t61-string", "universal-string", "ia5-string-cn"}

CASES = [
    Refused("certificate", name, make, reason, house=name in HOUSE)
    for name, (make, reason) in FLAWS.items()
]
CASES += [
    Refused("subject", name, *flaw, house=name in SAME_CHARACTERS)
    for name, flaw in OUTSIDE_THE_PROFILE.items()
]
CASES += [LookAlike("look-alike", name, rdns) for name, rdns in LOOK_ALIKES.items()]
