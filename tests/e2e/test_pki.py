"""certs/pki, the private CA: what it issues.

Needs the openssl command line and Debian's python3-cryptography.
"""

import datetime
import ipaddress
import os
import pathlib
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from mirrorgate_test.pki_tool import (
    ACME, NAMES, certificate, extension, files_of, openssl, pki,
    run_in_process,
)  # fmt: skip

pytest_plugins = ["mirrorgate_test.pki_fixtures"]


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
