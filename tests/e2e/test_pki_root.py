"""certs/pki: a passphrase on a CA's key, and a root that stays offline and signs issuing CAs."""

import os
import pty
import select
import subprocess
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.pki_tool import PKI, client, files_of, openssl, pki, refused, run_in_process

pytest_plugins = ["mirrorgate_test.pki_fixtures"]

SECRET = "a passphrase of many words"


@pytest.fixture
def secret(tmp_path):
    def write(text=SECRET + "\n", mode=0o600, name="passphrase"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def closed(tmp_path, quick_keys, secret):
    """A CA whose key has a passphrase."""
    folder = tmp_path / "closed"
    run_in_process("init", folder, "--passphrase-file", secret())
    return folder


@pytest.fixture
def root(tmp_path, quick_keys):
    folder = tmp_path / "root"
    run_in_process("init", "--root", folder)
    return folder


# ---- passphrases -----------------------------------------------------------------------------


def test_every_command_that_signs_works_with_the_passphrase(closed, secret):
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (closed / "ca.key").read_bytes()
    given = ["--passphrase-file", secret()]
    for command in (["server", closed, "a.example"], ["client", closed, *client()], ["release", closed],
                    ["renew", closed, "hooli"], ["revoke", closed, "hooli"], ["crl", closed]):  # fmt: skip
        run_in_process(*command, *given)
    openssl("verify", "-crl_check", "-CAfile", closed / "ca.crt", "-CRLfile", closed / "ca.crl", closed / "server.crt")
    run_in_process("list", closed)


@pytest.mark.parametrize("text, mode, reason", [
    ("another passphrase\n", 0o600, "the passphrase is wrong, or the file damaged"),
    (SECRET + " \n", 0o600, "the passphrase is wrong"),
    ("", 0o600, "has 1 to 1023 bytes"),
    ("\n" + SECRET, 0o600, "has 1 to 1023 bytes"),
    ("x" * 1024, 0o600, "has 1 to 1023 bytes"),
    (SECRET, 0o640, "others than its owner may read or write it"),
    (SECRET, 0o602, "others than its owner may read or write it"),
])
def test_a_passphrase_that_is_not_good_is_refused(closed, capsys, secret, text, mode, reason):
    before = files_of(closed)
    path = secret(text, mode, "other")
    assert reason in refused(capsys, "crl", closed, "--passphrase-file", path)
    assert files_of(closed) == before


def test_a_line_ends_as_it_likes(closed, secret):
    for end in ("", "\n", "\r\n", "\nmore\n"):
        run_in_process("crl", closed, "--passphrase-file", secret(SECRET + end, name="other"))


def test_without_file_and_terminal_it_is_one_clear_line(closed):
    done = subprocess.run([PKI, "crl", closed], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no terminal to ask for it; give --passphrase-file" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_passphrase_that_is_not_needed_is_refused(ca, capsys, secret):
    assert "has no passphrase" in refused(capsys, "crl", ca, "--passphrase-file", secret())


def test_init_refuses_a_short_one(tmp_path, capsys, secret):
    assert "shorter than 16 bytes" in refused(
        capsys, "init", tmp_path / "new", "--passphrase-file", secret("fifteen bytes.."))
    assert not (tmp_path / "new").exists()


def at_terminal(typed, *command):
    """Runs COMMAND on a terminal, and answers its questions by TYPED; (exit code, what is shown)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(PKI, [str(PKI), *map(str, command)])
    shown, end, left = b"", time.monotonic() + common.LONG, list(typed)
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # it has ended
            break
        shown += piece
        if left and piece.rstrip().endswith(b":"):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_it_is_asked_for_at_a_terminal_and_not_shown(tmp_path, secret):
    folder = tmp_path / "asked"
    code, shown = at_terminal([SECRET, SECRET], "init", folder, "--passphrase")
    assert code == 0 and SECRET not in shown, shown
    code, shown = at_terminal([SECRET], "crl", folder)
    assert code == 0 and f"passphrase of {folder}/ca.key" in shown and SECRET not in shown
    run_in_process("crl", folder, "--passphrase-file", secret())
    code, shown = at_terminal(["wrong"], "crl", folder)
    assert code == 1 and "the passphrase is wrong" in shown


def test_two_that_differ_make_no_ca(tmp_path):
    code, shown = at_terminal([SECRET, SECRET + "x"], "init", tmp_path / "asked", "--passphrase")
    assert code == 1 and "the two passphrases differ" in shown
    assert not (tmp_path / "asked").exists()


# ---- a root and its issuing CAs --------------------------------------------------------------


def verified(root, issuing, leaf):
    """Whether openssl takes LEAF for a client, with the lists of both."""
    both = issuing / "both.crl"
    both.write_bytes((root / "ca.crl").read_bytes() + (issuing / "ca.crl").read_bytes())
    return subprocess.run(
        ["openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", "sslclient", "-CAfile", root / "ca.crt",
         "-untrusted", issuing / "ca.crt", "-CRLfile", both, leaf],
        capture_output=True, check=False).returncode == 0  # fmt: skip


def test_an_issuing_ca_issues_under_its_root_until_it_is_revoked(tmp_path):
    root, issuing = tmp_path / "root", tmp_path / "issuing"
    pki("init", "--root", root)
    pki("init", "--under", root, issuing)
    pki("client", issuing, "--customer", "acme", "--subject", "CN=acme")
    assert verified(root, issuing, issuing / "acme.crt")
    assert openssl("x509", "-in", root / "issuing.crt") == openssl("x509", "-in", issuing / "ca.crt")
    assert not (root / "issuing.key").exists()
    pki("revoke", root, "issuing")
    assert not verified(root, issuing, issuing / "acme.crt")


def test_the_roots_list_is_valid_for_a_year(root):
    end = openssl("crl", "-in", root / "ca.crl", "-noout", "-nextupdate").strip().removeprefix("nextUpdate=")
    left = time.mktime(time.strptime(end, "%b %d %H:%M:%S %Y GMT")) - time.mktime(time.gmtime())
    assert 365 < left / 86400 <= 366


@pytest.mark.parametrize("command", [["server", "a.example"], ["client", *client()], ["release"]])
def test_a_root_issues_nothing_but_issuing_cas(root, capsys, command):
    before = files_of(root)
    name, *rest = command
    assert "a root, which signs issuing CAs only" in refused(capsys, name, root, *rest)
    assert files_of(root) == before


def test_what_is_no_root_has_no_issuing_ca(ca, root, tmp_path, capsys, quick_keys):
    run_in_process("init", "--under", root, tmp_path / "issuing")
    for above in (ca, tmp_path / "issuing"):
        before = files_of(above)
        assert "is no root" in refused(capsys, "init", "--under", above, tmp_path / "below")
        assert files_of(above) == before and not (tmp_path / "below").exists()


@pytest.mark.parametrize("arguments, reason", [
    (["--days=4000", "new"], "the CA itself ends on"),
    (["--name=mirrorgate root CA", "new"], "the CA's own name"),
    (["new.d"], "name 'new.d'"),
    (["ca"], "choose another name for the folder"),
    (["--root-passphrase-file=passphrase", "new"], "has no passphrase"),
])
def test_an_issuing_ca_that_may_not_be_is_refused(root, tmp_path, capsys, arguments, reason):
    before = files_of(root)
    *options, name = arguments
    assert reason in refused(capsys, "init", "--under", root, *options, tmp_path / name)
    assert files_of(root) == before and not (tmp_path / name).exists()


def test_two_issuing_cas_have_two_names(root, tmp_path, capsys):
    run_in_process("init", "--under", root, tmp_path / "one")
    before = files_of(root)
    assert "already belongs to issuing" in refused(capsys, "init", "--under", root, tmp_path / "two")
    assert "'one' exists already" in refused(
        capsys, "init", "--under", root, "--name=Two", tmp_path / "elsewhere/one")
    assert "is an issuing CA; 'pki init --under' makes another" in refused(capsys, "renew", root, "one")
    assert files_of(root) == before
    run_in_process("init", "--under", root, "--name=Two", tmp_path / "two")


def test_root_and_issuing_ca_have_a_passphrase_each(tmp_path, quick_keys, capsys, secret):
    root, issuing = tmp_path / "root", tmp_path / "issuing"
    own, other = secret(), secret("the other passphrase\n", name="other")
    run_in_process("init", "--root", root, "--passphrase-file", own)
    making = ["init", "--under", root, issuing, "--passphrase-file", other, "--root-passphrase-file"]
    assert "the passphrase is wrong" in refused(capsys, *making, other)
    assert not issuing.exists()
    run_in_process(*making, own)
    run_in_process("crl", issuing, "--passphrase-file", other)
    assert "is for --under" in refused(capsys, "init", tmp_path / "x", "--root-passphrase-file", own)
