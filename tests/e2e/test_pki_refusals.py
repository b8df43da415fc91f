"""certs/pki refuses subjects, names, files and states, and changes nothing then."""

import os
import shutil

import pytest
from cryptography.x509.name import _ASN1Type
from mirrorgate_test.pki_tool import (
    ACME, TOOL, certificate, change_index, client, files_of, pki, refused,
    run_in_process,
)  # fmt: skip

pytest_plugins = ["mirrorgate_test.pki_fixtures"]


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
