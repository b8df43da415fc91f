"""What a release certificate must be like: the gate, spot and pki agree, and who is revoked signs no
longer."""

import datetime
import pathlib
import shutil
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from mirrorgate_test import common, crl, pki
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import policy
from mirrorgate_test.spot import PROGRAM

from test_integrity import (
    FILES, TEXT, assert_as_catalogued, assert_marked, checking, metric, sold,
)  # fmt: skip
from test_spot_fetch import BASE, FUTURE, publish

SMALL = "/artifacts/step-core/small.txt"


def release(folder, *, key=None, days=(-1, 30), usage=True, name="release"):
    """A certificate of its own in FOLDER, NAME.crt, and its key beside it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.utcnow()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "release")])
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    wanted = {use: False for use in uses}
    wanted["digital_signature" if usage else "key_cert_sign"] = True
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.KeyUsage(**wanted), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate = pathlib.Path(folder) / f"{name}.crt"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    certificate.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate


def weak_rsa(folder):
    release(folder, key=rsa.generate_private_key(public_exponent=65537, key_size=1024))


def weak_ec(folder):
    release(folder, key=ec.generate_private_key(ec.SECP224R1()))


def not_yet_valid(folder):
    release(folder, days=(1, 30))


def expired(folder):
    release(folder, days=(-30, -1))


def for_certificates_only(folder):
    release(folder, usage=False)


def two_in_the_file(folder):
    other = release(folder, name="other").read_bytes()
    certificate = release(folder)
    certificate.write_bytes(certificate.read_bytes() + other)


FLAWS = {
    weak_rsa: "neither RSA of 2048 bits nor EC of 256",
    weak_ec: "neither RSA of 2048 bits nor EC of 256",
    not_yet_valid: "is not yet valid",
    expired: "has expired",
    for_certificates_only: "is not meant for signatures (key usage)",
    two_in_the_file: "must hold exactly one certificate",
}


@pytest.fixture(scope="module", name="authority")
def own_authority(tmp_path_factory):
    return pki.Authority(tmp_path_factory.mktemp("own") / "ca", "Own CA")


@pytest.fixture(name="folder")
def folder_of_the_authority(authority, tmp_path):
    """A copy of the CA's folder, to be spoilt."""
    return pathlib.Path(shutil.copytree(authority.folder, tmp_path / "ca"))


def pki_sign(folder, file):
    return subprocess.run(
        [common.PKI, "sign", folder, file], capture_output=True, text=True, timeout=60, check=False
    )


def openssl_sign(certificate, file):
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-in", file,
         "-out", f"{file}.p7s", "-signer", certificate,
         "-inkey", certificate.with_suffix(".key")],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.__name__)
def test_gate_spot_and_pki_refuse_the_same_certificates(lab, folder, flaw):
    flaw(folder)
    certificate = folder / "release.crt"
    gate = lab.prepared(lab.stub(), config={"policy_signer": str(certificate)})
    openssl_sign(certificate, gate.policy_file)
    said = gate.run("-t", "--unsafe-any-port")
    assert said.returncode == 1 and FLAWS[flaw] in said.stderr, said.stderr
    gate.policy_file.with_name("policy.yaml.p7s").unlink()
    signed = pki_sign(folder, gate.policy_file)
    assert signed.returncode == 1 and FLAWS[flaw] in signed.stderr, signed.stderr
    assert not gate.policy_file.with_name("policy.yaml.p7s").exists()
    version = lab.new_folder("version")
    (version / "core.zip").write_bytes(b"zip")
    made = common.run(
        [PROGRAM, "catalogue", "make", version, "--product", "step-core", "--version", "1.0",
         "--expires", FUTURE, "--sign", certificate],
    )  # fmt: skip
    assert made.returncode == 3 and FLAWS[flaw] in made.stderr.decode(), made.stderr
    assert [path.name for path in version.iterdir()] == ["core.zip"]


def test_each_of_them_takes_a_good_certificate_of_its_own(lab, folder):
    certificate = release(folder)
    gate = lab.prepared(lab.stub(), config={"policy_signer": str(certificate)})
    signed = pki_sign(folder, gate.policy_file)
    assert signed.returncode == 0, signed.stderr
    assert gate.run("-t", "--unsafe-any-port").returncode == 0
    publish(lab.root(), certificate, "1.0", {"core.zip": b"zip"})


@pytest.mark.parametrize("known", ["by the index", "by the list"])
def test_pki_does_not_sign_with_a_revoked_certificate(authority, folder, tmp_path, known):
    file = tmp_path / "file"
    file.write_text("text")
    run = subprocess.run
    for command in (["release", folder], ["sign", folder, file]):
        run([common.PKI, *command], check=True, capture_output=True, timeout=60)
    index, listed = (folder / "index.json").read_bytes(), authority.crl.read_bytes()
    run([common.PKI, "revoke", folder, "release"], check=True, capture_output=True, timeout=60)
    if known == "by the index":
        (folder / "ca.crl").write_bytes(listed)
    else:
        (folder / "index.json").write_bytes(index)
    before = file.with_name("file.p7s").read_bytes()
    signed = pki_sign(folder, file)
    assert signed.returncode == 1 and "release.crt is revoked; 'pki renew" in signed.stderr
    assert file.with_name("file.p7s").read_bytes() == before
    run([common.PKI, "renew", folder, "release"], check=True, capture_output=True, timeout=60)
    assert pki_sign(folder, file).returncode == 0


# --- a list that names it


class Vendor:
    """A release certificate of the clients' CA, in a file of the gate's, and the gate's list."""

    def __init__(self, lab, world, name):
        self.authority = world.authority
        self.folder = lab.new_folder("vendor")
        self.crl = self.folder / "ca.crl"
        self.certificate = self.folder / "release.crt"
        self.number = 0
        self.name = name
        self.identity = None
        self.renew()
        self.list()

    def renew(self):
        self.number += 1
        name = f"{self.name}-{self.number}"
        self.identity = self.authority.forge(name, rdns=pki.acme_rdns(), usages=())
        shutil.copy(self.identity.cert, self.certificate)
        shutil.copy(self.identity.key, self.certificate.with_suffix(".key"))

    def list(self, *revoked):
        self.number += 1
        self.crl.write_text(crl.make(self.authority, self.number, revoked=revoked))

    def sign(self, file):
        openssl_sign(self.certificate, file)


@pytest.fixture(name="vendor")
def vendor_of_a_gate(lab, world, request):
    return Vendor(lab, world, f"release-{abs(hash(request.node.nodeid)) % 10**9}")


def is_cut(gate, who):
    try:
        return gate.get(SMALL, who=who) is None
    except (OSError, Truncated):
        return True


def test_a_list_that_revokes_the_signer_of_the_policy_goes_live_and_no_policy_of_its_does(
    lab, world, vendor
):
    gate = lab.prepared(
        lab.stub(),
        config={"policy_signer": str(vendor.certificate), "tls": {"crl": str(vendor.crl)}},
        policy=policy(serial=5),
    )
    vendor.sign(gate.policy_file)
    lab.start(gate)
    vendor.list(vendor.identity, world.authority.identities["globex"])
    start = len(gate.stderr)
    gate.reload()
    gate.wait_line(r"mirrorgate: error: policy: .*release\.crt is revoked: the policy in force .*", start)
    assert is_cut(gate, "globex")
    assert gate.get(SMALL).status == 200

    gate.write_policy(policy(serial=6))
    vendor.sign(gate.policy_file)
    lines = gate.reload_refused(gate.policy_file.read_text())
    assert any("the certificate is revoked: sign the policy with another" in line for line in lines)
    checked = gate.run("-t", "--unsafe-any-port")
    assert checked.returncode == 1 and "the certificate is revoked" in checked.stderr

    vendor.renew()
    vendor.sign(gate.policy_file)
    gate.reload()
    assert gate.get(SMALL).status == 200


def test_a_gate_does_not_start_with_a_policy_of_a_revoked_certificate(lab, vendor):
    gate = lab.prepared(
        lab.stub(),
        config={"policy_signer": str(vendor.certificate), "tls": {"crl": str(vendor.crl)}},
    )
    vendor.sign(gate.policy_file)
    vendor.list(vendor.identity)
    said = gate.run("--unsafe-any-port")
    assert said.returncode == 1
    assert "release.crt: the certificate is revoked: sign the policy with another" in said.stderr


def test_nothing_is_served_by_catalogues_of_a_certificate_that_a_list_revokes(lab, vendor):
    gate = sold(lab, vendor.certificate, config={"tls": {"crl": str(vendor.crl)}})
    [stub] = gate.stores
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])
    vendor.list(vendor.identity)
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    gate.wait_line(
        rf"mirrorgate: error: catalogues: nothing below /{BASE}/10\.3/ is served: "
        r".*release\.crt: the certificate is revoked", start,
    )  # fmt: skip
    common.wait_until(lambda: gate.get(TEXT).status == 502, "the version is refused")
    with stub.untouched():
        assert_marked(gate, TEXT)
    assert metric(gate, "catalogues_refused") == 1

    vendor.renew()
    publish(stub.root, vendor.certificate, "10.3", FILES)
    common.wait_until(lambda: gate.get(TEXT).status == 200, "the version is served again")
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])


def test_a_gate_that_starts_with_such_a_list_takes_no_such_catalogue(lab, vendor):
    stub = lab.stub()
    publish(stub.root, vendor.certificate, "10.3", FILES)
    vendor.list(vendor.identity)
    gate = lab.gateway(
        stub,
        config={**checking(stub.root, vendor.certificate), "tls": {"crl": str(vendor.crl)}},
    )
    with stub.untouched():
        assert_marked(gate, TEXT)
