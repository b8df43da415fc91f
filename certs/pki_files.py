"""Files that are whole or absent: written under a temporary name, synced, then given their name.

A file has its mode from its first instant, so that a private key is never readable by others.
"""

import contextlib
import fcntl
import os
import secrets


@contextlib.contextmanager
def staged(folder, files):
    """Writes FILES, {name: (bytes, mode)}, under temporary names, and yields the function that
    gives them their real ones, all at the end of the block's work. publish(replace=False) fails
    where a file of that name exists. Temporary files that were not published are removed."""
    temporary = {name: folder / f".{name}.{secrets.token_hex(8)}" for name in files}

    def publish(replace):
        for name, path in temporary.items():
            if replace:
                os.rename(path, folder / name)
            else:
                os.link(path, folder / name)
        sync_folder(folder)

    try:
        for name, (data, mode) in files.items():
            write_synced(temporary[name], data, mode)
        yield publish
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def write_synced(path, data, mode):
    """Creates PATH, which must not exist, with MODE from its first instant."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)


def sync_folder(folder):
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(folder):
    """Keeps other runs out of FOLDER while the block runs; waits for its turn."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
