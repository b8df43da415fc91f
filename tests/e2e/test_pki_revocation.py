"""certs/pki renews, revokes and lists, and never leaves half a file."""

import concurrent.futures
import datetime
import json
import os
import pathlib
import stat
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from mirrorgate_test.pki_tool import (
    ACME, AUTHORITY, NAMES, PKI, TOOL, certificate, change_index, client, extension, files_of,
    openssl, pki, refused, run_in_process,
)  # fmt: skip


def crl(folder):
    return x509.load_pem_x509_crl((folder / "ca.crl").read_bytes())


def crl_number(folder):
    return crl(folder).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

pytest_plugins = ["mirrorgate_test.pki_fixtures"]


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


def test_list_of_what_expires_has_what_is_in_use_and_no_more(ca, quick_keys, capsys):
    def expiring(days):
        capsys.readouterr()
        run_in_process("list", ca, "--json", "--expiring", days)
        return [entry["base"] for entry in json.loads(capsys.readouterr().out)]

    run_in_process("client", ca, *client(days="3"))
    run_in_process("client", ca, "--customer", "later", "--subject", "CN=later", "--days", "20")
    run_in_process("client", ca, "--customer", "gone", "--subject", "CN=gone", "--days", "2")
    run_in_process("revoke", ca, "gone")
    assert expiring("30d") == ["hooli", "later"]
    assert expiring("10d") == ["hooli"]
    assert expiring("0d") == []
    run_in_process("renew", ca, "hooli")
    assert expiring("30d") == ["later"], "the renewed one has a year"


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1.5d", "30m", "99999d", ""])
def test_a_time_that_is_no_number_of_days_is_refused(issued, text):
    done = subprocess.run([PKI, "list", issued, "--expiring=" + text], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no number of days like 30d" in done.stderr


def test_list_is_a_table_for_people(issued):
    head, *rows = pki("list", issued).splitlines()
    assert head.split() == ["BASE", "ROLE", "CUSTOMER", "SUBJECT", "SERIAL", "EXPIRES", "STATE"]
    leaf = certificate(issued, "acme")
    assert [row.split()[0] for row in rows] == ["server", "acme", "globex", "probe"]
    for cell in ("acme", "customer", ACME, f"{leaf.serial_number:032x}", "valid"):
        assert cell in rows[1]
    assert rows[1].index(ACME) == head.index("SUBJECT")
