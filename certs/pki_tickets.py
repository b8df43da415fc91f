"""Session ticket keys: a line for each, 80 random bytes in base64, the newest first.

gateway/tls_tickets.h has the format. A file is replaced as a whole, readable by its owner only.
"""

import base64
import binascii
import secrets

from pki_files import locked, staged
from pki_subject import Refusal

KEY_BYTES = 80
KEYS_MAX = 16


def rotate(path, keep):
    """Puts a new key in front of those in PATH and drops the oldest, so that KEEP remain."""
    with locked(path.parent):
        keys = [new_key(), *read_keys(path)][:keep]
        text = "".join(f"{key}\n" for key in keys)
        with staged(path.parent, {path.name: (text.encode(), 0o600)}) as publish:
            publish(replace=True)


def new_key():
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_keys(path):
    """The keys in PATH; none when there is no such file."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    keys = [line for line in lines if line and not line.startswith(b"#")]
    for key in keys:
        try:
            good = len(base64.b64decode(key, validate=True)) == KEY_BYTES
        except binascii.Error:
            good = False
        if not good:
            raise Refusal(f"{path} holds a line that is no ticket key; nothing was changed")
    return [key.decode("ascii") for key in keys]
