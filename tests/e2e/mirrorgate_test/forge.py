"""Signatures that today's python3-cryptography refuses to make: RSA with SHA-1 or MD5."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

# DER of the algorithms' identifiers (RFC 8017, A.2.4), which differ in their last byte alone, and
# of a DigestInfo up to the digest (RFC 8017, 9.2).
RSA_WITH = bytes.fromhex("2a864886f70d0101")
SHA256 = RSA_WITH + b"\x0b"
WEAK = {
    "sha1": (RSA_WITH + b"\x05", bytes.fromhex("3021300906052b0e03021a05000414")),
    "md5": (RSA_WITH + b"\x04", bytes.fromhex("3020300c06082a864886f70d020505000410")),
}


def weakly_signed(builder, key, digest):
    """What BUILDER builds (a certificate or a revocation list), signed by KEY with the weak DIGEST, by
    hand. Text in it must not hold the identifier of RSA with SHA-256."""
    made = builder.sign(key, hashes.SHA256())
    algorithm, prefix = WEAK[digest]
    is_list = isinstance(made, x509.CertificateRevocationList)
    signed = made.tbs_certlist_bytes if is_list else made.tbs_certificate_bytes
    whole = signed.replace(SHA256, algorithm)
    numbers = key.private_numbers()
    size = key.key_size // 8
    info = prefix + hashlib.new(digest, whole).digest()
    block = b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info
    power = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    der = made.public_bytes(serialization.Encoding.DER)
    der = der.replace(SHA256, algorithm)[:-size] + power.to_bytes(size, "big")
    load = x509.load_der_x509_crl if is_list else x509.load_der_x509_certificate
    return load(der)
