"""certs/pki, run as a program or within a test; CAs and certificates for its tests."""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys

from cryptography import x509

PKI = pathlib.Path(__file__).resolve().parents[3] / "certs" / "pki"
ACME = "CN=acme-prod,O=Acme Corp,C=DK"
NAMES = ["updates.example.com", "*.mirror.example.com", "127.0.0.1", "::1"]


def pki(*arguments, expect=0, **options):
    """Runs the tool as a process; returns what it wrote to stdout."""
    run = subprocess.run([PKI, *arguments], capture_output=True, text=True, check=False, **options)
    assert run.returncode == expect, run.stderr
    return run.stdout


def openssl(*arguments):
    run = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True)
    return run.stdout


def load_tool():
    """The tool as a module: a refusal then costs no process, and its clock can be set."""
    sys.path.insert(0, str(PKI.parent))
    loader = importlib.machinery.SourceFileLoader("pki_under_test", str(PKI))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    dont_write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = dont_write
    return module


TOOL = load_tool()
AUTHORITY = sys.modules["pki_authority"]


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(capsys, *arguments, code=1):
    """Runs the tool, which must fail with CODE, nothing on stdout and one line on stderr."""
    try:
        result = TOOL.main([str(argument) for argument in arguments])
    except SystemExit as ended:
        result = ended.code
    out, err = capsys.readouterr()
    assert (result, out) == (code, ""), err
    assert err.startswith("pki: ") and err.count("\n") == 1 and err.endswith("\n")
    return err


def certificate(folder, base):
    return x509.load_pem_x509_certificate((folder / f"{base}.crt").read_bytes())


def extension(signed, kind):
    return signed.extensions.get_extension_for_class(kind)


def change_index(folder, **values):
    path = folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def run_in_process(*arguments):
    assert TOOL.main([str(argument) for argument in arguments]) == 0


# ---- other refusals --------------------------------------------------------------------------


def client(customer="hooli", subject="CN=hooli", **options):
    more = [f"--{key}={value}" for key, value in options.items()]
    return [f"--customer={customer}", f"--subject={subject}", *more]


def issue_all(folder):
    """A CA in FOLDER with a server, customers acme and globex, and a probe."""
    pki("init", folder)
    pki("server", folder, *NAMES)
    pki("client", folder, "--customer", "acme", "--subject", ACME)
    pki("client", folder, "--customer", "globex", "--subject", "CN=globex,O=Globex")
    pki("client", folder, "--probe", "--subject", "CN=lb-probe")
    return folder
