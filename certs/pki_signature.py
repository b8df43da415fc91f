"""Detached CMS signatures by the release certificate, in DER, with SHA-256.

crypto/signature.h says what the gate and spot make of them, and crypto/signer.h what a release
certificate must be like: the rules here are the same. A signature file is replaced as a whole.
"""

import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from pki_authority import load_index, load_pem, now, utc
from pki_files import staged
from pki_subject import Refusal

OPTIONS = (pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary,
           pkcs7.PKCS7Options.NoCapabilities)
CERTIFICATE = re.compile(rb"-----BEGIN ([A-Z0-9]+ )?CERTIFICATE-----")
RSA_MIN_BITS = 2048
EC_MIN_BITS = 256
RENEW = "'pki renew {} release' makes another"


def sign_file(folder, path):
    """Signs PATH with release.key of the CA's FOLDER into PATH.p7s."""
    certificate, key = load_release(folder)
    signature = (pkcs7.PKCS7SignatureBuilder().set_data(path.read_bytes())
                 .add_signer(certificate, key, hashes.SHA256())
                 .sign(serialization.Encoding.DER, OPTIONS))
    with staged(path.parent, {f"{path.name}.p7s": (signature, 0o644)}) as publish:
        publish(replace=True)


def load_release(folder):
    if not (folder / "release.crt").exists():
        raise Refusal(f"{folder} has no release.crt; 'pki release' makes it")
    certificate = load_pem(folder / "release.crt", only_certificate)
    key = load_pem(folder / "release.key",
                   lambda data: serialization.load_pem_private_key(data, password=None))
    if spki(key.public_key()) != spki(certificate.public_key()):
        raise Refusal(f"{folder}: release.key is not the key of release.crt")
    defect = defect_of(certificate)
    if defect is None and is_revoked(folder, certificate):
        defect = "is revoked"
    if defect is not None:
        raise Refusal(f"{folder}: release.crt {defect}; {RENEW.format(folder)}")
    return certificate, key


def only_certificate(data):
    if len(CERTIFICATE.findall(data)) > 1:
        raise ValueError("it must hold exactly one certificate")
    return x509.load_pem_x509_certificate(data)


def spki(key):
    return key.public_bytes(serialization.Encoding.DER,
                            serialization.PublicFormat.SubjectPublicKeyInfo)


def defect_of(certificate):
    """Why CERTIFICATE may not sign, its revocation aside: crypto/signer.c has the same rules."""
    key = certificate.public_key()
    if not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_MIN_BITS or
            isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= EC_MIN_BITS):
        return (f"has a key that is neither RSA of {RSA_MIN_BITS} bits nor EC of {EC_MIN_BITS} "
                "bits or more")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.digital_signature:
            return "is not meant for signatures (key usage)"
    except x509.ExtensionNotFound:
        pass
    if utc(certificate.not_valid_before) >= now():
        return "is not yet valid"
    if utc(certificate.not_valid_after) <= now():
        return "has expired"
    return None


def is_revoked(folder, certificate):
    """By the index or by the published list: one of them may be older, come from a backup."""
    serial = f"{certificate.serial_number:032x}"
    entries = load_index(folder)["certificates"]
    if any(entry["serial"] == serial and entry["revoked_at"] for entry in entries):
        return True
    if not (folder / "ca.crl").exists():
        return False
    crl = load_pem(folder / "ca.crl", x509.load_pem_x509_crl)
    return (crl.issuer == certificate.issuer and
            crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None)
