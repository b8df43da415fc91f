"""A customer's own certificate request (PKCS #10, RFC 2986): of all that it says, the key alone counts.

Subject, alternative names, extensions and attributes are the customer's wishes and are not looked at. The
key must be one that the gate takes (crypto/strength.h), and the request's signature by it shows that
whoever asks has its private half.
"""

import re

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pki_subject import Refusal

REQUEST_MAX = 64 * 1024  # bytes
RSA_MIN_BITS = 2048
RSA_MAX_BITS = 8192  # each handshake verifies with it
RSA_EXPONENT = 65537
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
BEGIN = re.compile(rb"-----BEGIN ([^-\n]*)-----")


def requested_key(path):
    """The public key for which the request in PATH asks for a certificate, else Refusal."""
    with open(path, "rb") as file:
        data = file.read(REQUEST_MAX + 1)
    if len(data) > REQUEST_MAX:
        raise Refusal(f"{path}: more than {REQUEST_MAX} bytes are no certificate request")
    kinds = BEGIN.findall(data)
    if any(kind.endswith(b"PRIVATE KEY") for kind in kinds):
        raise Refusal(f"{path}: it holds a private key, which is known to more than its owner now; "
                      "the customer has to make another, and send the request alone")
    if kinds not in ([b"CERTIFICATE REQUEST"], [b"NEW CERTIFICATE REQUEST"]):
        raise Refusal(f"{path}: not one certificate request in PEM")
    try:
        request = x509.load_pem_x509_csr(data)
        key = request.public_key()
        defect = defect_of(key) or defect_of_signature(request)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(f"{path}: not a certificate request: {error}") from None
    if defect:
        raise Refusal(f"{path}: {defect}")
    return key


def defect_of(key):
    """Why no certificate is issued for KEY; None when it is good."""
    if isinstance(key, rsa.RSAPublicKey):
        if not RSA_MIN_BITS <= key.key_size <= RSA_MAX_BITS:
            return f"the RSA key has {key.key_size} bits; {RSA_MIN_BITS} to {RSA_MAX_BITS} are taken"
        if key.public_numbers().e != RSA_EXPONENT:
            return f"the RSA key's exponent is not {RSA_EXPONENT}"
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, CURVES):
            return f"the EC key is on {key.curve.name}; P-256, P-384 and P-521 are taken"
        return None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    return "the key is neither RSA, EC nor Ed25519"


def defect_of_signature(request):
    digest = None
    if not isinstance(request.public_key(), ed25519.Ed25519PublicKey):
        digest = request.signature_hash_algorithm
        if not isinstance(digest, DIGESTS):
            return f"it is signed with {digest.name.upper()}; SHA-256, SHA-384 and SHA-512 are taken"
    if not request.is_signature_valid:
        return "its signature is not by the key that it names: whoever made it does not have that key"
    return None
