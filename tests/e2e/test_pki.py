"""certs/pki, the private CA: what it issues, what it refuses, and that it never leaves half a file.

Needs the openssl command line and Debian's python3-cryptography. RSA keys are slow to make, so one
CA (`issued`) serves every test that only looks or is refused; tests that change a CA get a copy.
"""

import concurrent.futures
import datetime
import importlib.machinery
import importlib.util
import ipaddress
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID

PKI = pathlib.Path(__file__).resolve().parents[2] / "certs" / "pki"
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


def crl(folder):
    return x509.load_pem_x509_crl((folder / "ca.crl").read_bytes())


def crl_number(folder):
    return crl(folder).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def extension(signed, kind):
    return signed.extensions.get_extension_for_class(kind)


def change_index(folder, **values):
    path = folder / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    """A CA with a server, customers acme and globex, a probe. Read only."""
    folder = tmp_path_factory.mktemp("pki") / "ca"
    pki("init", folder)
    pki("server", folder, *NAMES)
    pki("client", folder, "--customer", "acme", "--subject", ACME)
    pki("client", folder, "--customer", "globex", "--subject", "CN=globex,O=Globex")
    pki("client", folder, "--probe", "--subject", "CN=lb-probe")
    return folder


@pytest.fixture
def ca(issued, tmp_path):
    """A copy of `issued` to change."""
    return pathlib.Path(shutil.copytree(issued, tmp_path / "ca"))


@pytest.fixture(scope="module")
def one_key():
    return AUTHORITY.new_key()


@pytest.fixture
def quick_keys(monkeypatch, one_key):
    """What TOOL issues in this test has one same key, to save the time of making more."""
    for module in (TOOL, AUTHORITY):
        monkeypatch.setattr(module, "new_key", lambda: one_key)


def run_in_process(*arguments):
    assert TOOL.main([str(argument) for argument in arguments]) == 0


# ---- what is issued --------------------------------------------------------------------------

def test_openssl_accepts_server_and_client_for_their_own_purpose_only(issued):
    def verify(base, purpose):
        return subprocess.run(
            ["openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", issued / "ca.crt",
             "-CRLfile", issued / "ca.crl", "-purpose", purpose, issued / f"{base}.crt"],
            capture_output=True, check=False).returncode == 0

    assert verify("server", "sslserver") and verify("acme", "sslclient")
    assert not verify("server", "sslclient") and not verify("acme", "sslserver")


def test_ca_certificate_may_sign_leaves_and_crls_and_nothing_else(issued):
    root = certificate(issued, "ca")
    basic = extension(root, x509.BasicConstraints)
    assert basic.critical and basic.value.ca and basic.value.path_length == 0
    usage = extension(root, x509.KeyUsage)
    assert usage.critical
    assert usage.value == x509.KeyUsage(
        key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False)
    assert root.subject == root.issuer and "mirrorgate private CA" in root.subject.rfc4514_string()


@pytest.mark.parametrize("base, purpose", [("server", ExtendedKeyUsageOID.SERVER_AUTH),
                                           ("acme", ExtendedKeyUsageOID.CLIENT_AUTH),
                                           ("probe", ExtendedKeyUsageOID.CLIENT_AUTH)])
def test_leaf_certificate_has_the_promised_extensions(issued, base, purpose):
    leaf = certificate(issued, base)
    assert list(extension(leaf, x509.ExtendedKeyUsage).value) == [purpose]
    basic = extension(leaf, x509.BasicConstraints)
    assert basic.critical and not basic.value.ca
    usage = extension(leaf, x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and not usage.value.key_cert_sign
    assert (extension(leaf, x509.AuthorityKeyIdentifier).value.key_identifier
            == extension(certificate(issued, "ca"), x509.SubjectKeyIdentifier).value.digest)
    assert (extension(leaf, x509.SubjectKeyIdentifier).value
            == x509.SubjectKeyIdentifier.from_public_key(leaf.public_key()))


@pytest.mark.parametrize("base", ["ca", "server", "acme"])
def test_keys_are_rsa_2048_and_signatures_sha_256(issued, base):
    signed = certificate(issued, base)
    key = serialization.load_pem_private_key((issued / f"{base}.key").read_bytes(), None)
    assert key.key_size == 2048
    assert key.public_key().public_numbers() == signed.public_key().public_numbers()
    assert isinstance(signed.signature_hash_algorithm, hashes.SHA256)


def test_validity_begins_five_minutes_ago_and_lasts_the_days_asked_for(ca, quick_keys):
    before = datetime.datetime.utcnow()
    run_in_process("client", ca, "--customer", "hooli", "--subject", "CN=hooli", "--days", "7")
    leaf = certificate(ca, "hooli")
    lasting = leaf.not_valid_after - leaf.not_valid_before
    assert lasting == datetime.timedelta(days=7, minutes=5)
    assert abs(before - leaf.not_valid_before - datetime.timedelta(minutes=5)).total_seconds() < 60


def test_serial_numbers_are_random_positive_and_differ(issued):
    bases = ("ca", "server", "acme", "globex", "probe")
    serials = {certificate(issued, base).serial_number for base in bases}
    assert len(serials) == len(bases)
    assert all(0 < serial < 2 ** 128 for serial in serials)
    assert max(serials).bit_length() > 100


def test_server_names_become_dns_and_ip_alternative_names(issued):
    names = extension(certificate(issued, "server"), x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES[:2]
    assert (names.get_values_for_type(x509.IPAddress)
            == [ipaddress.ip_address(name) for name in NAMES[2:]])


def test_client_certificate_has_no_alternative_name(issued):
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate(issued, "acme"), x509.SubjectAlternativeName)


def test_subject_stands_in_the_certificate_in_reverse_order(issued):
    values = [attribute.value for attribute in certificate(issued, "acme").subject]
    assert values == ["DK", "Acme Corp", "acme-prod"]
    shown = openssl("x509", "-in", str(issued / "acme.crt"), "-noout", "-subject",
                    "-nameopt", "RFC2253")
    assert shown == f"subject={ACME}\n"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_private_keys_and_index_are_readable_by_their_owner_only(tmp_path, umask):
    folder = tmp_path / "ca"
    pki("init", folder, umask=umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes["ca.key"] == modes["index.json"] == 0o600
    assert modes["ca.crt"] == modes["ca.crl"] == 0o644 & ~umask
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_private_key_is_created_exclusively_and_never_readable_by_others(
        ca, quick_keys, monkeypatch):
    opened = []
    real_open = os.open

    def spy(path, flags, mode=0o777, **others):
        fd = real_open(path, flags, mode, **others)
        if flags & os.O_CREAT:
            opened.append((pathlib.Path(path).name, flags, stat.S_IMODE(os.fstat(fd).st_mode)))
        return fd

    monkeypatch.setattr(os, "open", spy)
    old_umask = os.umask(0)
    try:
        run_in_process("client", ca, "--observer", "--subject", "CN=ops")
    finally:
        os.umask(old_umask)
    keys = [(flags, mode) for name, flags, mode in opened if ".key" in name]
    assert len(keys) == 1
    assert all(flags & os.O_EXCL and mode == 0o600 for flags, mode in keys)
    assert stat.S_IMODE((ca / "observer.key").stat().st_mode) == 0o600


def test_no_temporary_file_is_left_behind(issued):
    assert set(files_of(issued)) == {"ca.crt", "ca.key", "ca.crl", "index.json"} | {
        f"{base}.{kind}" for base in ("server", "acme", "globex", "probe")
        for kind in ("crt", "key")}


def test_init_takes_the_name_and_the_days_of_the_ca(tmp_path, quick_keys):
    run_in_process("init", tmp_path / "ca", "--name", "#1 Acme, Inc", "--days", "2")
    root = certificate(tmp_path / "ca", "ca")
    assert [a.value for a in root.subject] == ["#1 Acme, Inc"]
    assert root.not_valid_after - root.not_valid_before == datetime.timedelta(days=2, minutes=5)


# ---- policy lines ----------------------------------------------------------------------------

def policy_lines(capsys, *arguments):
    run_in_process("client", *arguments)
    return capsys.readouterr().out


def test_client_prints_the_policy_lines_of_its_customer(ca, quick_keys, capsys):
    lines = policy_lines(capsys, ca, "--customer", "hooli", "--subject", "CN=h,O=Hooli")
    assert lines == '  - id: hooli\n    subjects: ["CN=h,O=Hooli"]\n'


def test_policy_lines_quote_for_yaml(ca, quick_keys, capsys):
    subject = 'CN=a \\"b\\" \\\\ c\\, d,O=Smørrebrød\u2028\u202e'
    lines = policy_lines(capsys, ca, "--customer", "0123", "--subject", subject)
    assert lines == ('  - id: "0123"\n    subjects: ["CN=a \\\\\\"b\\\\\\" \\\\\\\\ c\\\\, d,'
                     'O=Smørrebrød\\U00002028\\U0000202E"]\n')


def test_second_subject_of_a_customer_joins_the_first(ca, quick_keys, capsys):
    lines = policy_lines(capsys, ca, "--customer", "acme", "--name", "acme-test",
                         "--subject", "CN=acme-test")
    assert lines == f'  - id: acme\n    subjects: ["{ACME}", "CN=acme-test"]\n'


def test_revoked_subject_leaves_the_policy_lines(ca, quick_keys, capsys):
    run_in_process("revoke", ca, "acme")
    lines = policy_lines(capsys, ca, "--customer", "acme", "--name", "acme-2", "--subject", "CN=a2")
    assert lines == '  - id: acme\n    subjects: ["CN=a2"]\n'


def test_probe_and_observer_print_their_line(ca, quick_keys, capsys):
    assert (policy_lines(capsys, ca, "--observer", "--subject", "CN=ops")
            == 'observers: ["CN=ops"]\n')
    assert (policy_lines(capsys, ca, "--probe", "--subject", "CN=p2", "--name", "p2")
            == 'probes: ["CN=lb-probe", "CN=p2"]\n')


# ---- subjects --------------------------------------------------------------------------------

@pytest.mark.parametrize("subject, strings", [
    ("CN=hooli,O=Hooli Corp,C=DK", ["PrintableString", "UTF8String", "UTF8String"]),
    ("UID=7,DC=example,DC=com", ["IA5String", "IA5String", "UTF8String"]),
    ("emailAddress=a@example.com,STREET=Way 1,L=Aarhus,ST=Jylland,OU=R=D",
     ["UTF8String", "UTF8String", "UTF8String", "UTF8String", "IA5String"]),
    ("CN=smørrebrød 寿司 😀", ["UTF8String"]),
    ('CN=\\ \\"\\+\\,\\;\\<\\>\\\\x y#\\ ', ["UTF8String"]),
    ("CN=\\#1", ["UTF8String"]),
    ("CN=\\ ", ["UTF8String"]),
    ("2.5.4.5=#13023132,CN=x", ["UTF8String", "PrintableString"]),
    ("1.2.3.4=#0c81c8" + "61" * 200, ["UTF8String"]),
    ("1.2.3.4=#0c820100" + "61" * 256, ["UTF8String"]),
    ("CN=" + "x" * 1021, ["UTF8String"]),
    (",".join(["OU=x"] * 32), ["UTF8String"] * 32),
])
def test_canonical_subject_is_issued_and_read_back_the_same(ca, quick_keys, subject, strings):
    run_in_process("client", ca, "--customer", "hooli", "--subject", subject)
    name = certificate(ca, "hooli").subject
    assert TOOL.print_subject(name) == subject
    assert [attribute._type for attribute in name] == [_ASN1Type[string] for string in strings]


@pytest.mark.parametrize("subject, rule", [
    ("", "empty"),
    ("acme", "TYPE=VALUE expected"),
    ("CN=a,", "TYPE=VALUE expected"),
    (",CN=a", "TYPE=VALUE expected"),
    ("CN=a\\", "TYPE=VALUE expected"),
    ("CN=", "empty value of 'CN'"),
    ("CN=a,O=", "empty value of 'O'"),
    ("CN=a+O=b", "multi-valued RDN"),
    ("CN=a,CN=b", "more than one CN"),
    ("cn=a", "unknown type 'cn'"),
    ("E=a@example.com", "unknown type 'E'"),
    ("CN =a", "unknown type 'CN '"),
    ("CN=a, O=b", "unknown type ' O'"),
    ("2.5.4.3=#0c0161", "write CN for 2.5.4.3"),
    ("CN=#0c0161", "not canonical; write it as 'CN=\\#0c0161'"),
    ("CN= a", "not canonical; write it as 'CN=\\ a'"),
    ("CN=a ", "not canonical; write it as 'CN=a\\ '"),
    ('CN="a"', "not canonical; write it as 'CN=\\\"a\\\"'"),
    ("CN=a;O=b", "not canonical"),
    ("CN=a\\ b", "not canonical; write it as 'CN=a b'"),
    ("CN=a\\#b", "not canonical; write it as 'CN=a#b'"),
    ("CN=a\\=b", "'\\=' is no canonical escape"),
    ("CN=a\\2Cb", "'\\2' is no canonical escape"),
    ("CN=\\00", "'\\0' is no canonical escape"),
    ("CN=a\nb", "control character U+000A"),
    ("CN=a\x7f", "control character U+007F"),
    ("CN=a\x85", "control character U+0085"),
    ("CN=a\udcff", "not valid UTF-8"),
    ("CN=a,C=DNK", "C is a country code"),
    ("CN=a,C=ØD", "C is a country code"),
    ("DC=ø", "DC is ASCII only"),
    ("emailAddress=ø@example.com", "emailAddress is ASCII only"),
    ("CN=" + "x" * 1022, "1025 bytes; at most 1024"),
    ("CN=" + "ø" * 511, "1025 bytes; at most 1024"),
    (",".join(["OU=x"] * 33), "33 RDNs; at most 32"),
    ("1.2.3=a", "DER encoding in lower-case hex"),
    ("1.2.3=#0C0161", "DER encoding in lower-case hex"),
    ("1.2.3=#160161", "neither UTF8String nor PrintableString"),
    ("1.2.3=#0c00", "empty value"),
    ("1.2.3=#0c", "empty value"),
    ("1.2.3=#0c0261", "not one DER encoding"),
    ("1.2.3=#0c810161", "not one DER encoding"),
    ("1.2.3=#0c016162", "not one DER encoding"),
    ("1.2.3=#0c0100", "control character U+0000"),
    ("1.2.3=#0c01ff", "not valid"),
    ("1.2.3=#130140", "PrintableString cannot"),
    ("1.99.3=#0c0161", "not valid"),
    ("1.02.3=#0c0161", "unknown type"),
])
def test_subject_outside_the_identity_profile_is_refused_by_rule(issued, capsys, subject, rule):
    before = files_of(issued)
    assert rule in refused(capsys, "client", issued, "--customer", "hooli", "--subject", subject)
    assert files_of(issued) == before


def test_subject_bytes_that_are_not_utf8_are_refused_whatever_the_locale(issued):
    for locale in ("C", "C.UTF-8"):
        pki("client", issued, "--customer", "hooli", "--subject", b"CN=\xff", expect=1,
            env={**os.environ, "LC_ALL": locale})


# ---- other refusals --------------------------------------------------------------------------

def client(customer="hooli", subject="CN=hooli", **options):
    more = [f"--{key}={value}" for key, value in options.items()]
    return [f"--customer={customer}", f"--subject={subject}", *more]


@pytest.mark.parametrize("arguments, reason", [
    (client(customer="Acme"), "customer 'Acme'"),
    (client(customer=""), "customer ''"),
    (client(customer="-acme"), "customer '-acme'"),
    (client(customer="a/b"), "customer 'a/b'"),
    (client(customer="acme\n"), "customer 'acme\\x0a'"),
    (client(customer="a" * 65), "at most 64"),
    (client(customer="acme"), "'acme' exists already; 'pki renew'"),
    (client(customer="ca"), "choose another with --name"),
    (client(customer="server"), "choose another with --name"),
    (client(name="CA"), "choose another with --name"),
    (client(name="0123456789abcdef0123456789abcdef"), "reads like a serial number"),
    (client(name=""), "name ''"),
    (client(name="../hooli"), "name '../hooli'"),
    (client(name=".hooli"), "name '.hooli'"),
    (client(name="a.b"), "name 'a.b'"),
    (client(name="b" * 65), "at most 64"),
    (client(name="probe"), "'probe' exists already"),
    (client(subject=ACME), "already belongs to customer acme"),
    (client(subject="CN=lb-probe"), "already belongs to probe"),
    (client(subject="CN=updates.example.com"), "already belongs to server"),
    (client(subject="CN=mirrorgate private CA"), "the CA's own name"),
    (["--observer", "--subject", "CN=lb-probe"], "already belongs to probe"),
    (["--observer", "--subject", ACME], "already belongs to customer acme"),
    (client(days="4000"), "the CA itself ends on"),
])
def test_client_that_may_not_be_issued_is_refused(issued, capsys, arguments, reason):
    before = files_of(issued)
    assert reason in refused(capsys, "client", issued, *arguments)
    assert files_of(issued) == before


@pytest.mark.parametrize("name", ["", "a b", "http://a", "a_b", "-a", "a..b", "1.2.3.256", "[::1]",
                                  "fe80::1%eth0", "*", "a.*.b", "a" * 64, "a." * 127 + "aa"])
def test_server_name_that_is_no_name_is_refused(tmp_path, capsys, name):
    reason = refused(capsys, "server", tmp_path, "--", "good.example.com", name)
    assert f"'{name}' is neither a host name nor an IP address" in reason


def test_server_name_given_twice_is_refused(issued, capsys):
    assert "named twice" in refused(capsys, "server", issued, "a.example", "a.example")


def test_second_server_is_refused(issued, capsys):
    before = files_of(issued)
    assert "'server' exists already" in refused(capsys, "server", issued, "other.example.com")
    assert files_of(issued) == before


def test_files_the_index_does_not_know_are_never_overwritten(ca, capsys):
    (ca / "hooli.key").symlink_to("nowhere")
    assert "the index does not know it" in refused(capsys, "client", ca, *client())
    assert not (ca / "nowhere").exists() and not (ca / "hooli.crt").exists()


def test_init_refuses_an_existing_folder_even_an_empty_one(issued, tmp_path, capsys):
    before = files_of(issued)
    assert "exists already" in refused(capsys, "init", issued)
    assert "exists already" in refused(capsys, "init", tmp_path)
    assert files_of(issued) == before and not files_of(tmp_path)


@pytest.mark.parametrize("name, rule", [("", "empty value"), ("a\nb", "control character")])
def test_init_refuses_a_name_outside_the_profile(tmp_path, capsys, name, rule):
    assert rule in refused(capsys, "init", tmp_path / "ca", "--name", name)
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("command", [["renew"], ["revoke"]])
@pytest.mark.parametrize("base", ["hooli", "ca", "../acme", "", "0", ":", "abcdef0123456789"])
def test_renew_and_revoke_refuse_what_was_never_issued(issued, capsys, command, base):
    before = files_of(issued)
    assert "no certificate has this name" in refused(capsys, *command, issued, base)
    assert files_of(issued) == before


@pytest.mark.parametrize("command", [["server", "a.example"], ["client", *client()], ["crl"],
                                     ["list"], ["renew", "acme"], ["revoke", "acme"]])
def test_a_folder_that_is_no_ca_is_refused_and_left_alone(tmp_path, capsys, command):
    name, *rest = command
    assert "not a CA folder" in refused(capsys, name, tmp_path, *rest)
    assert "not a CA folder" in refused(capsys, name, tmp_path / "absent", *rest)
    assert not files_of(tmp_path)


@pytest.mark.parametrize("name", ["index.json", "ca.crt", "ca.key", "ca.crl"])
def test_damaged_state_is_reported_and_not_replaced(ca, capsys, name):
    (ca / name).write_text("{ half")
    before = files_of(ca)
    assert f"{ca / name}: damaged" in refused(capsys, "crl", ca)
    assert files_of(ca) == before


def test_index_of_another_format_is_refused(ca, capsys):
    change_index(ca, format="mirrorgate-pki/9")
    assert "not an index of the format" in refused(capsys, "list", ca)


def test_foreign_ca_key_is_refused(ca, capsys):
    shutil.copy(ca / "acme.key", ca / "ca.key")
    assert "ca.key is not the key of ca.crt" in refused(capsys, "crl", ca)


def test_missing_ca_key_is_one_clear_line(ca, capsys):
    (ca / "ca.key").unlink()
    assert f"{ca / 'ca.key'}: No such file" in refused(capsys, "crl", ca)


@pytest.mark.parametrize("arguments", [
    [], ["frobnicate"], ["init"], ["server", "DIR"], ["crl"], ["renew", "DIR"], ["revoke", "DIR"],
    ["client", "DIR", "--subject", "CN=a"],
    ["client", "DIR", "--customer", "a"],
    ["client", "DIR", "--customer", "a", "--probe", "--subject", "CN=a"],
    ["client", "DIR", "--customer", "a", "--subj", "CN=a"],
    ["crl", "DIR", "--days", "0"], ["crl", "DIR", "--days", "-1"], ["crl", "DIR", "--days", "x"],
    ["crl", "DIR", "--days", "36501"], ["revoke", "DIR", "acme", "--reason", "removeFromCRL"],
    ["revoke", "DIR", "acme", "--days", "3"],
])
def test_wrong_usage_is_exit_code_2_and_one_line(capsys, arguments):
    refused(capsys, *arguments, code=2)


@pytest.mark.parametrize("command", [[], ["init"], ["server"], ["client"], ["renew"], ["revoke"],
                                     ["crl"], ["list"]])
def test_help_is_on_stdout_and_exit_code_0(capsys, command):
    with pytest.raises(SystemExit) as ended:
        TOOL.main([*command, "-h"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(" ".join(["usage: pki", *command]))


# ---- renewal ---------------------------------------------------------------------------------

def test_renewal_makes_a_new_key_for_the_same_subject_and_keeps_the_old_certificate(ca):
    old, old_key = certificate(ca, "acme"), (ca / "acme.key").read_bytes()
    old_text = (ca / "acme.crt").read_bytes()
    pki("renew", ca, "acme", "--days", "3")
    new = certificate(ca, "acme")
    assert new.subject == old.subject and new.serial_number != old.serial_number
    assert new.public_key().public_numbers() != old.public_key().public_numbers()
    assert (ca / "acme.key").read_bytes() != old_key
    assert stat.S_IMODE((ca / "acme.key").stat().st_mode) == 0o600
    assert (ca / f"acme.crt.{old.serial_number:032x}").read_bytes() == old_text
    assert new.not_valid_after - new.not_valid_before == datetime.timedelta(days=3, minutes=5)


def test_renewal_keeps_the_names_of_a_server(ca, quick_keys):
    old = certificate(ca, "server")
    run_in_process("renew", ca, "server")
    new = certificate(ca, "server")
    assert new.serial_number != old.serial_number
    assert (extension(new, x509.SubjectAlternativeName).value
            == extension(old, x509.SubjectAlternativeName).value)


def test_renewal_that_is_refused_changes_nothing(ca, capsys):
    before = files_of(ca)
    assert "the CA itself ends" in refused(capsys, "renew", ca, "acme", "--days", "4000")
    assert files_of(ca) == before


def test_certificate_recorded_but_never_written_can_be_renewed(ca, quick_keys):
    (ca / "acme.crt").unlink()
    (ca / "acme.key").unlink()
    run_in_process("renew", ca, "acme")
    assert TOOL.print_subject(certificate(ca, "acme").subject) == ACME


def test_certificate_is_in_the_index_before_its_file_exists(ca, quick_keys, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", crash)
    with pytest.raises(KeyboardInterrupt):
        TOOL.main(["client", str(ca), *client()])
    assert not [name for name in files_of(ca) if "hooli" in name]
    assert [entry["base"] for entry in listed(ca)][-1] == "hooli"


# ---- revocation and CRLs ---------------------------------------------------------------------

def revoked(folder):
    return {entry.serial_number for entry in crl(folder)}


def test_fresh_crl_is_empty_signed_and_lasts_thirty_days_from_a_little_ago(issued):
    fresh, root = crl(issued), certificate(issued, "ca")
    assert fresh.is_signature_valid(root.public_key()) and not revoked(issued)
    assert isinstance(fresh.signature_hash_algorithm, hashes.SHA256)
    assert fresh.next_update - fresh.last_update == datetime.timedelta(days=30, minutes=5)
    assert fresh.last_update < datetime.datetime.utcnow()
    assert (extension(fresh, x509.AuthorityKeyIdentifier).value.key_identifier
            == extension(root, x509.SubjectKeyIdentifier).value.digest)
    shown = openssl("crl", "-in", str(issued / "ca.crl"), "-noout", "-text")
    assert "Version 2 (0x1)" in shown


def test_revocation_is_in_the_crl_at_once_and_openssl_sees_it(ca):
    number = crl_number(ca)
    pki("revoke", ca, "acme", "--reason", "keyCompromise")
    assert crl_number(ca) > number
    entry = crl(ca).get_revoked_certificate_by_serial_number(certificate(ca, "acme").serial_number)
    assert extension(entry, x509.CRLReason).value.reason == x509.ReasonFlags.key_compromise

    def verify(base):
        return subprocess.run(["openssl", "verify", "-crl_check", "-CAfile", ca / "ca.crt",
                               "-CRLfile", ca / "ca.crl", ca / f"{base}.crt"],
                              capture_output=True, text=True, check=False)

    assert "certificate revoked" in verify("acme").stderr
    assert verify("globex").returncode == 0


def test_revocation_without_a_reason_has_no_reason_extension(ca):
    run_in_process("revoke", ca, "acme")
    entry = crl(ca).get_revoked_certificate_by_serial_number(certificate(ca, "acme").serial_number)
    with pytest.raises(x509.ExtensionNotFound):
        extension(entry, x509.CRLReason)


def test_revoking_a_serial_spares_the_renewed_certificate(ca, quick_keys):
    old = certificate(ca, "acme").serial_number
    run_in_process("renew", ca, "acme")
    colons = ":".join(f"{old:032X}"[at:at + 2] for at in range(0, 32, 2))
    run_in_process("revoke", ca, colons)
    assert revoked(ca) == {old}


def test_revoking_a_name_revokes_what_renewals_replaced_too(ca, quick_keys):
    old = certificate(ca, "acme").serial_number
    run_in_process("renew", ca, "acme")
    run_in_process("revoke", ca, "acme")
    assert revoked(ca) == {old, certificate(ca, "acme").serial_number}


def test_revoking_twice_is_refused(ca, capsys):
    run_in_process("revoke", ca, "acme")
    before = files_of(ca)
    assert "'acme' is revoked already" in refused(capsys, "revoke", ca, "acme")
    assert files_of(ca) == before


def test_revoked_certificates_stay_in_every_later_crl(ca):
    run_in_process("revoke", ca, "acme")
    run_in_process("revoke", ca, "globex")
    run_in_process("crl", ca, "--days", "2")
    assert revoked(ca) == {certificate(ca, base).serial_number for base in ("acme", "globex")}
    assert crl(ca).next_update - crl(ca).last_update == datetime.timedelta(days=2, minutes=5)


def test_revoked_caller_can_be_renewed_with_a_new_key(ca, quick_keys):
    run_in_process("revoke", ca, "acme")
    run_in_process("renew", ca, "acme")
    assert certificate(ca, "acme").serial_number not in revoked(ca)


def set_clock(monkeypatch, time):
    for module in (TOOL, AUTHORITY):
        monkeypatch.setattr(module, "now", lambda: time)


def test_crl_numbers_rise_within_one_second_and_when_the_clock_goes_back(ca, monkeypatch):
    start = TOOL.now()
    numbers = [crl_number(ca)]
    for offset in (60, 60, 60, 0, -86400, 120):
        set_clock(monkeypatch, start + datetime.timedelta(seconds=offset))
        run_in_process("crl", ca)
        numbers.append(crl_number(ca))
    assert numbers == sorted(set(numbers))


def test_crl_number_passes_a_published_crl_that_the_index_has_forgotten(ca):
    change_index(ca, crl_number=2 ** 40)
    run_in_process("crl", ca)
    change_index(ca, crl_number=1)
    run_in_process("crl", ca)
    assert crl_number(ca) == 2 ** 40 + 2


def test_crl_number_passes_the_index_when_the_published_crl_is_gone(ca):
    change_index(ca, crl_number=2 ** 40)
    (ca / "ca.crl").unlink()
    run_in_process("crl", ca)
    assert crl_number(ca) == 2 ** 40 + 1


def test_crl_number_of_an_interrupted_run_is_not_used_again(ca, capsys, monkeypatch):
    rename = os.rename

    def fail_for_the_crl(source, target):
        if pathlib.Path(target).name == "ca.crl":
            raise OSError(5, "Input/output error", str(target))
        rename(source, target)

    change_index(ca, crl_number=2 ** 40)
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail_for_the_crl)
        assert "Input/output error" in refused(capsys, "crl", ca)
    run_in_process("crl", ca)
    assert crl_number(ca) == 2 ** 40 + 2


def test_leaf_is_not_valid_before_its_ca_when_the_clock_goes_back(ca, quick_keys, monkeypatch):
    set_clock(monkeypatch, TOOL.now() - datetime.timedelta(days=1))
    run_in_process("client", ca, *client())
    assert certificate(ca, "hooli").not_valid_before == certificate(ca, "ca").not_valid_before


def test_concurrent_runs_lose_nothing(ca):
    change_index(ca, crl_number=2 ** 40)
    commands = [["crl", ca]] * 4 + [["revoke", ca, base] for base in ("acme", "globex", "probe")]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda command: pki(*command), commands))
    assert crl_number(ca) == 2 ** 40 + len(commands)
    assert revoked(ca) == {certificate(ca, base).serial_number
                           for base in ("acme", "globex", "probe")}


def test_two_runs_for_one_name_issue_one_certificate(ca):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda _: subprocess.run(
            [PKI, "client", ca, *client()], capture_output=True, check=False).returncode, range(2)))
    assert sorted(codes) == [0, 1]
    entries = [entry for entry in listed(ca) if entry["base"] == "hooli"]
    assert [int(e["serial"], 16) for e in entries] == [certificate(ca, "hooli").serial_number]


def test_failed_write_leaves_the_old_crl_and_no_debris(ca, capsys, monkeypatch):
    before = files_of(ca)

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert "No space left" in refused(capsys, "crl", ca)
    assert files_of(ca) == before


# ---- list ------------------------------------------------------------------------------------

def listed(folder):
    return json.loads(pki("list", folder, "--json"))


def test_list_shows_every_certificate_with_its_owner_and_state(ca, quick_keys, monkeypatch, capsys):
    run_in_process("client", ca, *client(days="1"))
    run_in_process("renew", ca, "acme")
    run_in_process("revoke", ca, "globex", "--reason", "superseded")
    capsys.readouterr()
    set_clock(monkeypatch, TOOL.now() + datetime.timedelta(days=2))
    run_in_process("list", ca, "--json")
    entries = json.loads(capsys.readouterr().out)
    assert [(e["base"], e["role"], e["customer"], e["state"]) for e in entries] == [
        ("server", "server", None, "valid"), ("acme", "customer", "acme", "replaced"),
        ("globex", "customer", "globex", "revoked"), ("probe", "probe", None, "valid"),
        ("hooli", "customer", "hooli", "expired"), ("acme", "customer", "acme", "valid")]
    assert entries[2]["reason"] == "superseded" and entries[2]["revoked_at"].endswith("Z")
    assert entries[0]["names"] == NAMES
    leaf, entry = certificate(ca, "acme"), entries[-1]
    assert (int(entry["serial"], 16), entry["subject"]) == (leaf.serial_number, ACME)
    assert entry["not_after"] == leaf.not_valid_after.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_list_is_a_table_for_people(issued):
    head, *rows = pki("list", issued).splitlines()
    assert head.split() == ["BASE", "ROLE", "CUSTOMER", "SUBJECT", "SERIAL", "EXPIRES", "STATE"]
    leaf = certificate(issued, "acme")
    assert [row.split()[0] for row in rows] == ["server", "acme", "globex", "probe"]
    for cell in ("acme", "customer", ACME, f"{leaf.serial_number:032x}", "valid"):
        assert cell in rows[1]
    assert rows[1].index(ACME) == head.index("SUBJECT")
