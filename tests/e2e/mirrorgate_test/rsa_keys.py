"""RSA keys for the certificates that tests forge.

To make one costs more than the test around it, so KEYS of them are made once for a build and given
out in turn: a test that takes two has two different ones.
"""

import itertools
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from . import common

KEYS = 32
_turns = itertools.count()
_known = {}


def rsa_key():
    """A key of 2048 bits that no CA and no caller of the tests' world has."""
    turn = next(_turns) % KEYS
    if turn not in _known:
        _known[turn] = _load(turn)
    return _known[turn]


def _load(turn):
    folder = common.BUILD / "test-worlds"
    file = folder / f"rsa-{turn}.key"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / f"rsa-{turn}.{os.getpid()}"
        made.write_bytes(
            rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        made.rename(file)
    return serialization.load_pem_private_key(file.read_bytes(), password=None)
