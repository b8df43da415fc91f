"""Detached CMS signatures by the release certificate, in DER, with SHA-256.

gateway/tls_signature.h says what the gate makes of them. A signature file is replaced as a whole.
"""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from pki_authority import load_pem, now, utc
from pki_files import staged
from pki_subject import Refusal

OPTIONS = (pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary,
           pkcs7.PKCS7Options.NoCapabilities)


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
    certificate = load_pem(folder / "release.crt", x509.load_pem_x509_certificate)
    key = load_pem(folder / "release.key",
                   lambda data: serialization.load_pem_private_key(data, password=None))
    if key.public_key().public_numbers() != certificate.public_key().public_numbers():
        raise Refusal(f"{folder}: release.key is not the key of release.crt")
    if utc(certificate.not_valid_after) <= now():
        raise Refusal(f"{folder}: release.crt has expired; 'pki renew {folder} release' renews it")
    return certificate, key
