"""Certificates that a vendor signs catalogues and indexes with."""

import subprocess


def issue(folder, name, days="30", key="rsa:2048"):
    """A self-signed release certificate: to spot, only the one that is pinned counts. Its key stands
    beside it."""
    common_name = f"/CN={name}"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", key, "-nodes", "-days", days, "-subj", common_name,
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder / f"{name}.crt"
