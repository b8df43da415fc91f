"""Names as releases have them: with +, ~, spaces, brackets or letters outside ASCII. They are asked
for in any spelling, decided on as they are, and asked of the store in one spelling."""

import hashlib
import os
import subprocess
import urllib.parse

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.store import write

from test_spot_fetch import FILES, fetched, publish, tree

BASE = "/artifacts/step-core"
NAMES = [
    "libstdc++6_12.2.0~rc1-14+deb12u1_amd64.deb", "My Product (x64) [1].zip", "a#b^c{d}.bin",
    "Übergrößen/日本語.txt", "smile \U0001f600.png", "@scope/core:1,2='x'!$&.tgz", " leading",
]  # fmt: skip


def in_full(path):
    """PATH with every byte escaped but for the slashes."""
    return "".join(
        chr(byte) if byte == 0x2F else f"%{byte:02x}" for byte in path.encode()
    )


def as_apt(path):
    return urllib.parse.quote(path, safe="/:.-_").replace("~", "%7e").replace("%2B", "%2b")


SPELLINGS = {
    "one": lambda path: urllib.parse.quote(path, safe="/"),
    "apt": as_apt,
    "browser": lambda path: urllib.parse.quote(path, safe="/+@=:,!$&'()[]~"),
    "full": in_full,
}


@pytest.fixture(scope="module")
def store(module_lab):
    stub = module_lab.stub()
    for name in NAMES:
        write(stub.root, f"{BASE[1:]}/{name}", name.encode())
    return stub


@pytest.fixture(scope="module")
def gate(module_lab, store):
    return module_lab.gateway(store)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_of_a_name_is_one_to_the_store_and_to_the_log(gate, store, spelling):
    start, lines = store.mark(), len(gate.log_lines())
    paths = [f"{BASE}/{name}" for name in NAMES]
    with gate.connect() as connection:
        for name, path in zip(NAMES, paths):
            response = connection.get(spelling(path))
            assert (response.status, response.body) == (200, name.encode())
    sent = [request["target"] for request in store.requests(start)]
    assert sent == [urllib.parse.quote(path, safe="/") for path in paths]
    common.wait_until(lambda: len(gate.log_lines()) >= lines + len(paths), "the lines of the log")
    assert [line["path"] for line in gate.log_lines()[lines:]] == paths


def test_nginx_finds_the_same_files(module_lab):
    nginx = module_lab.nginx()
    for name in NAMES:
        write(nginx.root, f"{BASE[1:]}/{name}", name.encode())
    with module_lab.gateway(nginx).connect() as connection:
        for name in NAMES:
            response = connection.get(as_apt(f"{BASE}/{name}"))
            assert (response.status, response.body) == (200, name.encode())


@pytest.mark.parametrize("target", ["/%69nternal/secret.bin", "/internal%20/secret.bin",
                                    "/internal%2fsecret.bin", "/%2569nternal/secret.bin",
                                    "/x%2f..%2finternal/secret.bin", "/internal%c2%85/secret.bin",
                                    "/%ef%bd%89nternal%ef%bc%8fsecret.bin"])  # fmt: skip
def test_no_spelling_leads_to_what_is_excepted(gate, store, target):
    start = store.mark()
    with gate.connect() as connection:
        response = connection.get(BASE + target)
        assert response.status in (400, 403)
        assert connection.get(f"{BASE}/small.txt").status == 200
    assert [request["path"] for request in store.requests(start)] == [f"{BASE}/small.txt"]


def test_a_policy_holds_decoded_paths(lab):
    products = policy()["products"]
    products[0]["except"] = [f"{BASE}/Geheim & Co [2]/", f"{BASE}/größe.txt"]
    stub = lab.stub()
    gate = lab.gateway(stub, policy=policy(products=products))
    start = stub.mark()
    with gate.connect() as connection:
        for path in (f"{BASE}/Geheim & Co [2]/x", f"{BASE}/größe.txt"):
            refusal(connection.get(in_full(path)), 403, "not-licensed")
    assert stub.requests(start) == []


# --- spot


def test_spot_delivers_such_names(lab, release):
    files = {**FILES, **{name: name.encode() for name in NAMES}}
    stub = lab.stub()
    publish(stub.root, release, "10.3", files)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    spot.to = spot.folder / "here"
    start = stub.mark()
    fetched(spot)
    assert tree(spot.to) == files
    targets = {request["target"] for request in stub.requests(start)}
    assert f"{BASE}/10.3/{urllib.parse.quote(NAMES[3])}" in targets


# --- apt

CONTROL = """Package: {name}
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@example.com>
Description: a test
"""
PACKAGES = [("libgtk+extra", "1:2.0~rc1+dfsg-3"), ("plain", "1.0+deb12u1~bpo1")]


def make_repository(root, folder):
    """Packages and their index below ROOT, as a vendor's own archive has them."""
    index = ""
    for name, version in PACKAGES:
        tree_of = folder / name
        control = CONTROL.format(name=name, version=version)
        write(tree_of, "DEBIAN/control", control.encode())
        file = f"pool/{name}_{version.partition(':')[2] or version}_all.deb"
        target = write(root, file, b"")
        built = common.run(["dpkg-deb", "--root-owner-group", "--build", tree_of, target])
        assert built.returncode == 0, built.stderr
        content = target.read_bytes()
        index += (
            f"{control}Filename: {file}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
        )
    write(root, "dists/stable/main/binary-amd64/Packages", index.encode())
    digest = hashlib.sha256(index.encode()).hexdigest()
    release = (
        "Suite: stable\nCodename: stable\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {digest} {len(index)} main/binary-amd64/Packages\n"
    )
    write(root, "dists/stable/Release", release.encode())


def apt_get(folder, *arguments):
    done = subprocess.run(
        ["apt-get", "-q", *arguments], cwd=folder, text=True, capture_output=True, check=False,
        env={**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"},
        timeout=60 * common.PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_apt_installs_from_a_repository_behind_the_gate(lab, tmp_path):
    stub = lab.stub()
    make_repository(stub.root / "artifacts/step-core/debian", tmp_path / "packages")
    gate = lab.gateway(stub)
    acme, ca = lab.world.identity("acme"), lab.world.authority.certificate
    for name in ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "log"):
        (tmp_path / name).mkdir(parents=True)
    write(tmp_path, "state/status", b"")
    url = f"https://127.0.0.1:{gate.port}{BASE}/debian"
    write(tmp_path, "etc/sources.list", f"deb [trusted=yes arch=amd64] {url} stable main\n".encode())
    settings = {
        "Dir": tmp_path, "Dir::State": tmp_path / "state", "Dir::State::status": tmp_path / "state/status",
        "Dir::Cache": tmp_path / "cache", "Dir::Etc": tmp_path / "etc", "Dir::Log": tmp_path / "log",
        "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::https::Proxy": "DIRECT",
        "Acquire::https::CAInfo": ca, "Acquire::https::SslCert": acme.cert,
        "Acquire::https::SslKey": acme.key, "Acquire::Retries": "0",
    }  # fmt: skip
    text = "".join(f'{key} "{value}";\n' for key, value in settings.items())
    write(tmp_path, "apt.conf", text.encode())
    apt_get(tmp_path, "update")
    apt_get(tmp_path, "download", *(name for name, _ in PACKAGES))
    found = sorted(path.name for path in tmp_path.glob("*.deb"))
    assert len(found) == len(PACKAGES)
    asked = [request["path"] for request in stub.requests() if request["path"].endswith(".deb")]
    assert sorted(asked) == [
        f"{BASE}/debian/pool/libgtk+extra_2.0~rc1+dfsg-3_all.deb",
        f"{BASE}/debian/pool/plain_1.0+deb12u1~bpo1_all.deb",
    ]
