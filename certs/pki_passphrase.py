"""The CA's key under a passphrase: from a file, or typed at a terminal.

The hard part is that a passphrase which others could read, or that is empty by mistake, must not look like
a good one.
"""

import getpass
import os
import stat
import sys

from cryptography.hazmat.primitives import serialization

from pki_subject import Refusal

PASSPHRASE_MIN = 16  # bytes, of a new one; the key's file slows guessing down but little
PASSPHRASE_MAX = 1023  # bytes: OpenSSL takes no more


def load_key(path, passphrase_file):
    """The private key in PATH; where it has a passphrase, that of PASSPHRASE_FILE (None: asked for)."""
    data = path.read_bytes()
    passphrase = None
    if b"ENCRYPTED" in data:
        passphrase = from_file(passphrase_file) if passphrase_file else typed(f"passphrase of {path}: ", path)
    elif passphrase_file:
        raise Refusal(f"{path} has no passphrase, but --passphrase-file is given")
    try:
        return serialization.load_pem_private_key(data, password=passphrase)
    except ValueError as error:
        if passphrase is not None:
            raise Refusal(f"{path}: the passphrase is wrong, or the file damaged") from None
        raise Refusal(f"{path}: damaged: {error}") from None


def new_encryption(passphrase_file, prompt):
    """How a new key is written: under the passphrase of PASSPHRASE_FILE, under one that is typed twice
    (PROMPT), or under none."""
    if passphrase_file:
        passphrase = from_file(passphrase_file)
    elif prompt:
        passphrase = typed("new passphrase: ", "the CA's key")
        if typed("again: ", "the CA's key") != passphrase:
            raise Refusal("the two passphrases differ")
    else:
        return serialization.NoEncryption()
    if len(passphrase) < PASSPHRASE_MIN:
        raise Refusal(f"the passphrase is shorter than {PASSPHRASE_MIN} bytes")
    return serialization.BestAvailableEncryption(passphrase)


def from_file(path):
    """The first line of PATH, without its end."""
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise Refusal(f"{path}: others than its owner may read or write it; 'chmod 600' it")
        return checked(file.readline(PASSPHRASE_MAX + 3).rstrip(b"\r\n"), path)


def typed(question, what):
    if not sys.stdin.isatty():
        raise Refusal(f"{what}: a passphrase is needed, and there is no terminal to ask for it; "
                      "give --passphrase-file")
    return checked(getpass.getpass(question).encode(errors="surrogateescape"), "what was typed")


def checked(passphrase, source):
    if not 1 <= len(passphrase) <= PASSPHRASE_MAX:
        raise Refusal(f"{source}: a passphrase has 1 to {PASSPHRASE_MAX} bytes in one line")
    return passphrase
