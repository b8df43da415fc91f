"""certs/pki signs customers' own requests, of which the key alone counts."""

import base64
import datetime
import json
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mirrorgate_test.pki_tool import (
    ACME, certificate, extension, files_of, openssl, pki, refused, run_in_process,
)  # fmt: skip

pytest_plugins = ["mirrorgate_test.pki_fixtures"]

HOOLI = ["--customer=hooli", "--subject=CN=hooli"]
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
KEYS = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),
    "rsa-exponent-3": lambda: rsa.generate_private_key(3, 2048),
    "p-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "p-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "dsa": lambda: dsa.generate_private_key(2048),
}


@pytest.fixture(scope="session")
def keys():
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = KEYS[kind]()
        return made[kind]

    return get


def request_of(key):
    """A request by KEY, with all that a customer might wish for; in DER."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme-prod")])
    builder = (x509.CertificateSigningRequestBuilder().subject_name(name)
               .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
               .add_extension(x509.SubjectAlternativeName([x509.DNSName("updates.example.com")]), critical=False)
               .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False))  # fmt: skip
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(DER)


def spki(key):
    return key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pem(der):
    return b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % base64.encodebytes(der)


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "request.csr"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("kind", ["rsa-2048", "p-256", "p-384", "p-521", "ed25519"])
def test_of_a_request_the_key_is_taken_and_nothing_else(ca, keys, write, kind):
    run_in_process("sign-request", ca, write(pem(request_of(keys(kind)))), *HOOLI)
    made = certificate(ca, "hooli")
    assert made.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo) == spki(keys(kind))
    assert made.subject.rfc4514_string() == "CN=hooli"
    assert not extension(made, x509.BasicConstraints).value.ca
    assert list(extension(made, x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    theirs = certificate(ca, "acme")  # whose key was made here
    assert [it.oid for it in made.extensions] == [it.oid for it in theirs.extensions]
    openssl("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", ca / "ca.crt", ca / "hooli.crt")
    assert not (ca / "hooli.key").exists()


def test_it_prints_the_lines_of_the_policy_as_client_does(ca, keys, write):
    request = write(pem(request_of(keys("p-256"))))
    printed = pki("sign-request", ca, request, "--customer", "hooli", "--subject", "CN=hooli", "--days", "9")
    assert printed == '  - id: hooli\n    subjects: ["CN=hooli"]\n'
    left = certificate(ca, "hooli").not_valid_after - datetime.datetime.utcnow()
    assert datetime.timedelta(days=8) < left <= datetime.timedelta(days=9)
    assert pki("sign-request", ca, request, "--observer", "--subject", "CN=hooli", "--name=o", expect=1) == ""


def private_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def signed_with_sha1(key):  # python3-cryptography is about to know no more how
    done = subprocess.run(["openssl", "req", "-new", "-sha1", "-key", "/dev/stdin", "-subj", "/CN=x"],
                          input=private_pem(key), capture_output=True, check=True)  # fmt: skip
    return done.stdout


def changed(der):
    return der[:-1] + bytes([der[-1] ^ 1])


def anothers(der, keys):
    """The request of who has seen a key, and does not have it."""
    return der.replace(spki(keys("p-256")), spki(keys("p-256-other")))


KEYS["p-256-other"] = KEYS["p-256"]
UNLIKE = {
    "changed": (lambda keys: pem(changed(request_of(keys("rsa-2048")))), "does not have that key"),
    "anothers": (lambda keys: pem(anothers(request_of(keys("p-256")), keys)), "does not have that key"),
    "rsa-1024": (lambda keys: pem(request_of(keys("rsa-1024"))), "the RSA key has 1024 bits; 2048 to 8192"),
    "exponent": (lambda keys: pem(request_of(keys("rsa-exponent-3"))), "exponent is not 65537"),
    "p-224": (lambda keys: pem(request_of(keys("p-224"))), "on secp224r1; P-256"),
    "secp256k1": (lambda keys: pem(request_of(keys("secp256k1"))), "on secp256k1; P-256"),
    "dsa": (lambda keys: pem(request_of(keys("dsa"))), "neither RSA, EC nor Ed25519"),
    "sha-1": (lambda keys: signed_with_sha1(keys("rsa-2048")), "signed with SHA1"),
    "der": (lambda keys: request_of(keys("p-256")), "not one certificate request in PEM"),
    "two": (lambda keys: pem(request_of(keys("p-256"))) * 2, "not one certificate request in PEM"),
    "empty": (lambda keys: b"", "not one certificate request in PEM"),
    "long": (lambda keys: b"x" * (64 * 1024 + 1), "more than 65536 bytes"),
    "damaged": (lambda keys: pem(request_of(keys("p-256"))[:-9]), "not a certificate request"),
    "private": (lambda keys: pem(request_of(keys("p-256"))) + private_pem(keys("p-256")), "it holds a private key"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNLIKE)
def test_a_request_that_is_not_good_is_refused_by_reason(issued, capsys, keys, write, what):
    before = files_of(issued)
    make, reason = UNLIKE[what]
    assert reason in refused(capsys, "sign-request", issued, write(make(keys)), *HOOLI)
    assert files_of(issued) == before


def test_a_certificate_is_no_request(issued, capsys):
    before = files_of(issued)
    assert "not one certificate request" in refused(capsys, "sign-request", issued, issued / "acme.crt", *HOOLI)
    assert "No such file" in refused(capsys, "sign-request", issued, issued / "absent", *HOOLI)
    assert files_of(issued) == before


@pytest.mark.parametrize("arguments, reason", [
    (["--customer=acme", "--subject=CN=hooli"], "'acme' exists already"),
    (["--customer=hooli", f"--subject={ACME}"], "already belongs to customer acme"),
    (["--customer=hooli", "--subject=CN=a+O=b"], "multi-valued RDN"),
    (["--customer=Hooli", "--subject=CN=hooli"], "customer 'Hooli'"),
    (["--customer=hooli", "--subject=CN=hooli", "--name=server"], "choose another with --name"),
])
def test_names_are_held_to_the_rules_of_client(issued, capsys, keys, write, arguments, reason):
    before = files_of(issued)
    request = write(pem(request_of(keys("p-256"))))
    assert reason in refused(capsys, "sign-request", issued, request, *arguments)
    assert files_of(issued) == before


def test_a_key_is_one_callers_and_nobodys_once_revoked(ca, capsys, keys, write):
    request = write(pem(request_of(keys("p-256"))))
    run_in_process("sign-request", ca, request, *HOOLI)
    other = ["--customer=other", "--subject=CN=other"]
    assert "is already that of 'CN=hooli'" in refused_after(capsys, "sign-request", ca, request, *other)
    run_in_process("revoke", ca, "hooli")
    for again in (["renew", ca, "hooli", "--request", request],
                  ["sign-request", ca, request, *HOOLI, "--name=hooli-2"]):  # fmt: skip
        assert "that of a revoked certificate" in refused(capsys, *again)
    run_in_process("renew", ca, "hooli", "--request", write(pem(request_of(keys("p-384")))))


def refused_after(capsys, *arguments):
    capsys.readouterr()
    return refused(capsys, *arguments)


def test_what_was_signed_on_a_request_is_renewed_on_one(ca, capsys, keys, write):
    request = write(pem(request_of(keys("p-256"))))
    run_in_process("sign-request", ca, request, *HOOLI)
    first = certificate(ca, "hooli")
    assert "its owner has the key; give --request" in refused_after(capsys, "renew", ca, "hooli")
    assert certificate(ca, "hooli") == first
    run_in_process("renew", ca, "hooli", "--request", request)
    second = certificate(ca, "hooli")
    assert (second.subject, second.public_key().public_numbers()) == (
        first.subject, first.public_key().public_numbers())  # fmt: skip
    assert second.serial_number != first.serial_number
    assert (ca / f"hooli.crt.{first.serial_number:032x}").exists()


def test_a_customer_may_change_to_a_key_of_its_own(ca, capsys, keys, write):
    request = write(pem(request_of(keys("p-256"))))
    run_in_process("renew", ca, "acme", "--request", request)
    assert not (ca / "acme.key").exists(), "it would not be the key of acme.crt"
    for base in ("server", "release"):
        if base == "release":
            run_in_process("release", ca)
        assert "its key is made here" in refused_after(capsys, "renew", ca, base, "--request", request)


def test_an_index_of_an_earlier_release_is_taken(ca, keys, write):
    path = ca / "index.json"
    index = json.loads(path.read_text())
    for entry in index["certificates"]:
        del entry["key"], entry["requested"]
    path.write_text(json.dumps(index))
    run_in_process("sign-request", ca, write(pem(request_of(keys("p-256")))), *HOOLI)
    run_in_process("renew", ca, "acme")
