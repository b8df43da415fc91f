"""Authorities and their lists in PEM, DER and PKCS#7, for the gate and for spot, whose own certificate
may be PKCS#12, and its key encrypted. Nobody is ever asked for a passphrase."""

import os
import pty
import re
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from mirrorgate_test import common
from mirrorgate_test.authorities import openssl
from mirrorgate_test.cases.refused import SMALL
from mirrorgate_test.client import Truncated
from mirrorgate_test.spot import PROGRAM, answer

MARK = b"\xef\xbb\xbf"
LICENCE = b'{"customer":"acme","licences":[]}'


def forms(folder, pem, kind):
    """The file PEM, a certificate or a list (KIND), in every form: name -> bytes."""
    command = {"certificate": "x509", "list": "crl"}[kind]
    to_pkcs7 = ("-nocrl", "-certfile") if kind == "certificate" else ("-in",)
    text = pem.read_bytes()
    return {
        "pem": text,
        "der": openssl(command, "-in", pem, "-outform", "DER"),
        "pkcs7": openssl("crl2pkcs7", *to_pkcs7, pem),
        "pkcs7-der": openssl("crl2pkcs7", *to_pkcs7, pem, "-outform", "DER"),
        "mark": MARK + text,
        "crlf": MARK + text.replace(b"\n", b"\r\n"),
    }


FORMS = ("pem", "der", "pkcs7", "pkcs7-der", "mark", "crlf")


def prepared(lab, stub, ca, crl):
    files = {}
    for name, content in (("client_ca", ca), ("crl", crl)):
        files[name] = lab.new_folder(name) / "file"
        files[name].write_bytes(content)
    gate = lab.prepared(stub, config={"tls": {name: str(file) for name, file in files.items()}})
    gate.files = files
    return gate


@pytest.mark.parametrize("form", FORMS)
def test_the_gate_takes_cas_and_lists_in_every_form(lab, world, tmp_path, form):
    ca, crl = world.authority.certificate, world.authority.crl
    gate = prepared(lab, lab.stub(), forms(tmp_path, ca, "certificate")[form],
                    forms(tmp_path, crl, "list")[form])  # fmt: skip
    lab.start(gate)
    assert gate.get(SMALL).status == 200
    with pytest.raises((OSError, Truncated)):
        gate.get(SMALL, who="revoked")
    gate.files["crl"].write_bytes(crl.read_bytes())
    gate.reload()
    assert gate.get(SMALL).status == 200


DAMAGE = {
    "cut": lambda text: text[:-20],
    "longer": lambda text: text + b"\n",
    "zeros-behind": lambda text: text + bytes(512),
    "twice": lambda text: text * 2,
}


@pytest.mark.parametrize("form", ["der", "pkcs7-der"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("file", ["client_ca", "crl"])
def test_der_that_is_not_whole_is_refused(lab, world, tmp_path, form, damage, file):
    good = {
        "client_ca": forms(tmp_path, world.authority.certificate, "certificate")[form],
        "crl": forms(tmp_path, world.authority.crl, "list")[form],
    }
    stub = lab.stub()
    gate = prepared(lab, stub, *{**good, file: damage(good[file])}.values())
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1 and "cannot be read" in done.stderr, done.stderr
    assert str(gate.files[file]) in done.stderr and stub.requests() == []


def test_pem_that_would_be_passed_over_is_refused(lab, world):
    """OpenSSL takes what follows a BEGIN inside a line for a comment, and a CA with it."""
    ca, crl = world.authority.certificate.read_bytes(), world.authority.crl.read_bytes()
    other = (world.authority.folder.parent / "other" / "ca.crt").read_bytes()
    for text, why in ((ca + MARK + other, "in the middle of a line"),
                      (ca + other.replace(b" CERT", b" TRUSTED CERT"), "of another kind")):  # fmt: skip
        done = prepared(lab, lab.stub(), text, crl).run("-t", "--unsafe-any-port")
        assert done.returncode == 1 and why in done.stderr, done.stderr


def test_an_encrypted_key_of_the_gate_says_so(lab, world, tmp_path):
    key = tmp_path / "server.key"
    encrypt(world.authority.folder / "server.key", key, "secret")
    gate = lab.prepared(lab.stub(), config={"tls": {"key": str(key)}})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1 and re.search("server.key: .* it is encrypted", done.stderr)


# --- spot


def encrypt(key, to, passphrase):
    openssl("pkey", "-in", key, "-aes256", "-passout", f"pass:{passphrase}", "-out", to)


def pkcs12(identity, to, passphrase):
    openssl("pkcs12", "-export", "-in", identity.cert, "-inkey", identity.key,
            "-passout", f"pass:{passphrase}", "-out", to)  # fmt: skip


@pytest.fixture
def server(lab):
    def script(connection, _):
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                if not byte:
                    return
                head += byte
            connection.sendall(answer("200 OK", LICENCE))

    return lab.server(script)


@pytest.fixture
def acme(world):
    return world.identity("acme")


def secret(folder, content, mode=0o600):
    file = folder / "passphrase"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


@pytest.mark.parametrize("form", FORMS)
def test_spot_takes_its_ca_and_certificate_in_every_form(lab, world, acme, server, tmp_path, form):
    files = {}
    for name, file in (("ca", world.authority.certificate), ("certificate", acme.cert)):
        files[name] = tmp_path / name
        files[name].write_bytes(forms(tmp_path, file, "certificate")[form])
    done = lab.spot(server, **{name: str(file) for name, file in files.items()}).run("list")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", [b"secret", b"secret\n", MARK + b"secret\r\n"])
@pytest.mark.parametrize("kind", ["pem", "pkcs12"])
def test_spot_takes_a_key_with_a_passphrase(lab, acme, server, tmp_path, kind, content):
    keys = {"key_passphrase_file": secret(tmp_path, content)}
    if kind == "pem":
        encrypt(acme.key, tmp_path / "x.key", "secret")
        keys["key"] = str(tmp_path / "x.key")
    else:
        pkcs12(acme, tmp_path / "x.p12", "secret")
        keys.update(certificate=str(tmp_path / "x.p12"), key=None)
    assert lab.spot(server, **keys).run("list").returncode == 0


def test_spot_takes_pkcs12_without_a_passphrase(lab, acme, server, tmp_path):
    pkcs12(acme, tmp_path / "x.pfx", "")
    done = lab.spot(server, certificate=str(tmp_path / "x.pfx"), key=None).run("list")
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_with_a_passphrase_is_said(lab, acme, server, tmp_path):
    encrypt(acme.key, tmp_path / "x.key", "secret")
    pkcs12(acme, tmp_path / "x.p12", "secret")
    pem = {"key": str(tmp_path / "x.key")}
    p12 = {"certificate": str(tmp_path / "x.p12"), "key": None}
    cases = [
        (pem, None, 0o600, "encrypted, and there is no passphrase"),
        (pem, b"wrong\n", 0o600, "another passphrase"),
        (p12, None, 0o600, "has a passphrase"),
        (p12, b"wrong\n", 0o600, "another passphrase"),
        (p12, b"secret\n", 0o644, "is open to others"),
        (pem, b"secret\n", 0o660, "is open to others"),
        (pem, b"secret\nmore\n", 0o600, "must hold one line"),
        (pem, b"", 0o600, "must hold one line"),
    ]
    for keys, content, mode, why in cases:
        given = {} if content is None else {"key_passphrase_file": secret(tmp_path, content, mode)}
        said = lab.spot(server, **keys, **given).fails(3, "list")
        assert why in said, (said, why)
    (tmp_path / "x.p12").write_bytes((tmp_path / "x.p12").read_bytes()[:-1])
    assert "is not PKCS#12" in lab.spot(server, **p12).fails(3, "list")
    done = lab.spot(server, certificate="x.p12").run("list")
    assert done.returncode == 3 and "`key` must not be there" in done.stderr
    assert server.accepted == 0


def test_spot_does_not_ask_at_a_terminal(lab, acme, server, tmp_path):
    encrypt(acme.key, tmp_path / "x.key", "secret")
    spot = lab.spot(server, key=str(tmp_path / "x.key"))
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "-c", spot.file, "list"], stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    assert process.wait(timeout=60 * common.PATIENCE) == 3
    said = os.read(main, 65536)
    os.close(main)
    assert b"it is encrypted" in said and b"Enter" not in said


def test_the_forms_are_what_they_are_called(world, tmp_path):
    made = forms(tmp_path, world.authority.certificate, "certificate")
    assert tuple(made) == FORMS and made["der"][:1] == made["pkcs7-der"][:1] == b"0"
    pem = world.authority.certificate.read_bytes()
    assert made["der"] == openssl("x509", "-in", world.authority.certificate, "-outform", "DER")
    assert serialization.Encoding.PEM and pem.startswith(b"-----BEGIN CERTIFICATE")
