"""A fetch into a folder that has no room for what comes.

Root makes a small disk for it, which is gone with the mount namespace of the process. Others may
not everywhere: they forbid the process to write large files, which ends as a disk that fills does.
"""

import os
import resource
import shutil
import signal
import subprocess

DISK = "24m"            # room for one version, not for two
LARGEST_FILE = 8 << 20  # bytes
SECONDS = 60
REASONS = ("No space left on device", "File too large")

ON_A_SMALL_DISK = """
set -e
disk=$1 size=$2
shift 2
cp -a "$disk" "$disk.copy"
mount -t tmpfs -o size="$size",mode=0755 none "$disk"
cp -a "$disk.copy/." "$disk"
code=0
"$@" || code=$?
rm -r "$disk.copy"
cp -a "$disk" "$disk.copy"
umount "$disk"
rm -r "$disk"
mv "$disk.copy" "$disk"
exit $code
"""


def _run(command, **how):
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False,
                          **how)


def _forbid_large_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def fetch(stage, product, installed, folder):
    """Fetches PRODUCT into FOLDER, a copy of the folder INSTALLED; the process that has ended."""
    shutil.copytree(installed, folder, symlinks=True)
    command = stage.spot_command("fetch", product, "--to", folder)
    if os.geteuid() != 0 or _run(["unshare", "-m", "true"]).returncode != 0:
        return _run(command, preexec_fn=_forbid_large_files)
    return _run(["unshare", "-m", "sh", "-c", ON_A_SMALL_DISK, "sh", folder, DISK, *command])
