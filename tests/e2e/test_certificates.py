"""Client certificates that must be refused in the handshake, and names that must match nobody.

Each is made from Acme's own subject and our CA's key, with one thing wrong; the client has no rules
of its own (security level 0), so that it is the gate that refuses.
"""

import contextlib
import datetime
import re
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage, NameOID, ObjectIdentifier
from mirrorgate_test import common, pki
from mirrorgate_test.client import Connection

SMALL = "/artifacts/step-core/small.txt"

both_versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
                                        ids=["1.2", "1.3"])  # fmt: skip

PROXY_CERT_INFO = ObjectIdentifier("1.3.6.1.5.5.7.1.14")
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.99999.1")


def rsa_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def name_of(*rdns):
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in rdns])


ACME = name_of(*pki.acme_rdns())


def _key_usage(ca):
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


class Maker:
    """Makes certificates of our CA, of any shape."""

    def __init__(self, world, folder):
        authority = world.authority
        self.folder = folder
        self.ca = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
        self.ca_key = serialization.load_pem_private_key(
            (authority.folder / "ca.key").read_bytes(), password=None
        )

    def sign(self, subject=ACME, *, key=None, issuer=None, issuer_key=None, digest=None,
             usages=(Usage.CLIENT_AUTH,), ca=False, extra=()):  # fmt: skip
        """Returns (certificate, key). EXTRA are pairs (extension, critical)."""
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
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
                critical=False,
            )
            .add_extension(_key_usage(ca), critical=True)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for value, critical in extra:
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(issuer_key, digest or hashes.SHA256()), key

    def files(self, key, *chain):
        """The files of a client that shows CHAIN, leaf first."""
        cert_file, key_file = self.folder / "client.crt", self.folder / "client.key"
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


def plain(**flaw):
    def make(maker):
        leaf, key = maker.sign(**flaw)
        return key, leaf

    return make


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


def too_deep(maker):
    """Six CAs between ours and the leaf, where four certificates are the most."""
    chain, issuer, issuer_key = [], maker.ca.subject, maker.ca_key
    for number in range(6):
        subject = name_of((NameOID.COMMON_NAME, f"CA {number}"))
        made, key = maker.sign(
            subject, issuer=issuer, issuer_key=issuer_key, ca=True, usages=(),
        )  # fmt: skip
        chain.insert(0, made)
        issuer, issuer_key = subject, key
    leaf, key = maker.sign(issuer=issuer, issuer_key=issuer_key)
    return key, leaf, *chain


WRONG_PURPOSE = "unsuitable certificate purpose"
TOO_WEAK = "CA signature digest algorithm too weak"
UNKNOWN_CRITICAL = (x509.UnrecognizedExtension(UNKNOWN, b"\5\0"), True)

# How to make it, and what the access log says.
REFUSED = {
    "self-signed": (self_signed, "self-signed certificate"),
    "sha-1": (plain(digest=hashes.SHA1()), TOO_WEAK),
    "md5": (plain(digest=hashes.MD5()), TOO_WEAK),
    "a-ca": (plain(ca=True), WRONG_PURPOSE),
    "no-extended-key-usage": (plain(usages=()), "the certificate has no extended key usage"),
    "server-auth-only": (plain(usages=(Usage.SERVER_AUTH,)), WRONG_PURPOSE),
    "email-protection-only": (plain(usages=(Usage.EMAIL_PROTECTION,)), WRONG_PURPOSE),
    "any-usage-only": (plain(usages=(Usage.ANY_EXTENDED_KEY_USAGE,)), WRONG_PURPOSE),
    "unknown-critical-extension": (plain(extra=[UNKNOWN_CRITICAL]), "unhandled critical extension"),
    "issued-by-a-client": (by_a_client, "invalid CA certificate"),
    "proxy-certificate": (by_a_proxy, "proxy certificates not allowed.*"),
    "path-too-long": (too_deep, "certificate chain too long"),
}
KEYS_REFUSED = {
    "rsa-1024": lambda: rsa_key(1024),
    "p-224": lambda: ec.generate_private_key(ec.SECP224R1()),
}


@contextlib.contextmanager
def connected(gate, files, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(gate.world.authority.certificate)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*files)
    sock = socket.create_connection(("127.0.0.1", gate.port), timeout=10)
    with Connection(sock, context) as connection:
        yield connection


def assert_refused(gate, store, files, version):
    """An alert, in the handshake or, with TLS 1.3, to the first read; and not one byte of HTTP.
    Returns what the access log gives as the reason."""
    before = len(gate.log_lines())
    with store.untouched(), pytest.raises(ssl.SSLError, match="alert"):
        with connected(gate, files, version) as connection:
            connection.send_request("GET", SMALL)
            connection.sock.recv(1)

    def logged():
        return [line["reason"] for line in gate.log_lines()[before:] if line["reason"]]

    return common.wait_until(logged, "the refused handshake in the access log")[0]


@pytest.fixture
def maker(world, tmp_path):
    return Maker(world, tmp_path)


@both_versions
def test_the_flawless_certificate_is_served(gate, maker, version):
    with connected(gate, maker.files(*good(maker)), version) as connection:
        assert connection.get(SMALL).status == 200


@both_versions
@pytest.mark.parametrize("make, reason", REFUSED.values(), ids=REFUSED.keys())
def test_a_flawed_certificate_is_refused_in_the_handshake(
    gate, store, maker, version, make, reason
):
    logged = assert_refused(gate, store, maker.files(*make(maker)), version)
    assert re.fullmatch(reason, logged)


@both_versions
@pytest.mark.parametrize("make", KEYS_REFUSED.values(), ids=KEYS_REFUSED.keys())
def test_a_weak_key_is_refused_in_the_handshake(gate, store, maker, version, make):
    leaf, key = maker.sign(key=make())
    with store.untouched(), pytest.raises(OSError):
        with connected(gate, maker.files(key, leaf), version) as connection:
            connection.send_request("GET", SMALL)
            connection.sock.recv(1)
            raise AssertionError("answered")


@both_versions
def test_an_ec_key_of_256_bits_is_served(gate, maker, version):
    leaf, key = maker.sign(key=ec.generate_private_key(ec.SECP256R1()))
    with connected(gate, maker.files(key, leaf), version) as connection:
        assert connection.get(SMALL).status == 200


C, O, CN, OU = (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME,
                NameOID.ORGANIZATIONAL_UNIT_NAME)
SAN = x509.SubjectAlternativeName([x509.DNSName("acme-prod"), x509.DirectoryName(ACME)])

LOOK_ALIKES = {
    "upper-case": [(C, "DK"), (O, "ACME CORP"), (CN, "acme-prod")],
    "case-of-cn": [(C, "DK"), (O, "Acme Corp"), (CN, "Acme-Prod")],
    "two-spaces": [(C, "DK"), (O, "Acme  Corp"), (CN, "acme-prod")],
    "space-before": [(C, "DK"), (O, "Acme Corp"), (CN, " acme-prod")],
    "space-behind": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod ")],
    "no-break-space": [(C, "DK"), (O, "Acme\u00a0Corp"), (CN, "acme-prod")],
    "separator-in-a-value": [(C, "DK"), (O, "x,CN=acme-prod,O=Acme Corp")],
    "all-in-the-cn": [(CN, "acme-prod,O=Acme Corp,C=DK")],
    "other-order": [(CN, "acme-prod"), (O, "Acme Corp"), (C, "DK")],
    "one-rdn-more": [(C, "DK"), (O, "Acme Corp"), (OU, "x"), (CN, "acme-prod")],
    "one-rdn-less": [(C, "DK"), (CN, "acme-prod")],
    "homoglyph": [(C, "DK"), (O, "Acme Corp"), (CN, "\u0430cme-prod")],
    "full-width": [(C, "DK"), (O, "Acme Corp"), (CN, "\uff41cme-prod")],
    "decomposed": [(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\u0301")],
    "soft-hyphen": [(C, "DK"), (O, "Acme Corp"), (CN, "acme\u00ad-prod")],
    "alternative-names": [(C, "DK"), (O, "Nobody"), (CN, "nobody")],
}


@pytest.mark.parametrize("rdns", LOOK_ALIKES.values(), ids=LOOK_ALIKES.keys())
def test_a_look_alike_is_nobody(gate, store, maker, rdns):
    """Each carries Acme's name as an alternative name, too."""
    leaf, key = maker.sign(name_of(*rdns), extra=[(SAN, False)])
    files = maker.files(key, leaf)
    with store.untouched(), connected(gate, files, ssl.TLSVersion.TLSv1_3) as connection:
        response = connection.get(SMALL)
    assert response.status == 403
    assert response.json()["type"] == "urn:mirrorgate:unknown-subject"


CONTROL = "a value has a control character"
OUTSIDE_THE_PROFILE = {
    "two-cns": (
        [(C, "DK"), (CN, "acme-prod"), (CN, "acme-prod")], "the subject has more than one CN"
    ),
    "control-character": ([(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\x01")], CONTROL),
    "nul": ([(C, "DK"), (O, "Acme Corp"), (CN, "acme-prod\0x")], CONTROL),
    "line-feed": ([(C, "DK"), (O, "Acme Corp\n"), (CN, "acme-prod")], CONTROL),
}  # fmt: skip


@both_versions
@pytest.mark.parametrize(
    "rdns, reason", OUTSIDE_THE_PROFILE.values(), ids=OUTSIDE_THE_PROFILE.keys()
)
def test_a_subject_outside_the_profile_is_refused_in_the_handshake(
    gate, store, maker, version, rdns, reason
):
    leaf, key = maker.sign(name_of(*rdns))
    assert assert_refused(gate, store, maker.files(key, leaf), version) == reason
