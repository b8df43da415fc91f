"""mirrorgate's command line: -t, identity, -V, -h, and what it says about mistakes."""

import dataclasses
import subprocess

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mirrorgate_test import client, common, pki
from mirrorgate_test.gateway import policy
from mirrorgate_test.yaml import dump, line_of


def mirrorgate(*arguments):
    return subprocess.run(
        [common.MIRRORGATE, *arguments], capture_output=True, text=True, timeout=30, check=False
    )


# --- -t


def test_t_says_nothing_bad_about_good_files(lab, store):
    gate = lab.prepared(store)
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_t_neither_listens_nor_asks_the_store(lab, store):
    gate = lab.prepared(store)
    with store.untouched():
        done = gate.run("-t", "--unsafe-any-port")
    assert "listening on" not in done.stderr + done.stdout
    assert not gate.access_log.exists()


CONFIG_MISTAKES = {
    "unknown-key": ("policy: policy.yaml", "policy: policy.yaml\ncolour: red", "colour"),
    "repeated-key": ("workers: 1", "workers: 1\nworkers: 2", "workers: 2"),
    "bad-number": ("workers: 1", "workers: many", "workers: many"),
    "bad-address": ("address: 127.0.0.1", "address: 999.1.1.1", "address:"),
    "bad-port": ("port: 0", "port: 70000", "port:"),
    "bad-duration": ("timeout: 5s", "timeout: 5 parsecs", "timeout:"),
    "bad-ciphers": ("  crl:", "  ciphers: low\n  crl:", "ciphers:"),
    "bad-store": ("servers: [", "servers: [ftp://127.0.0.1, ", "servers:"),
    "https-store": ("servers: [", 'servers: ["https://127.0.0.1:1", ', "servers:"),
    "bad-size": ("workers: 1", "workers: 1\nsnapshots: {max_bytes: 10X}", "max_bytes"),
    "bad-network": ("port: 0", "port: 0\n    proxy_protocol_from: [10.0.0.0/33]", "proxy_protocol"),
    "bad-log-level": ("access: access.log", "access: access.log\n  level: loud", "level:"),
}


@pytest.mark.parametrize("old, new, line", CONFIG_MISTAKES.values(), ids=CONFIG_MISTAKES.keys())
def test_a_mistake_in_the_configuration_is_told_with_file_and_line(lab, store, old, new, line):
    gate = lab.prepared(store)
    text = gate.config_file.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    gate.config_file.write_text(text)
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    assert f"{gate.config_file}:{line_of(text, line)}: " in done.stderr


@pytest.mark.parametrize("key", ["listen", "tls", "policy", "store"])
def test_a_key_that_must_be_there_is_missed(lab, store, key):
    gate = lab.prepared(store, config={key: None})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    assert str(gate.config_file) in done.stderr and key in done.stderr


@pytest.mark.parametrize("key", ["certificate", "key", "client_ca", "crl"])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"hello\n", bytes(1000)],
    ids=["missing", "empty", "text", "zeros"],
)
def test_a_file_of_the_tls_section_that_is_not_one_is_named(lab, store, key, content):
    path = lab.new_folder("bad") / "file.pem"
    if content is not None:
        path.write_bytes(content)
    gate = lab.prepared(store, config={"tls": {key: str(path)}})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    assert str(path) in done.stderr


def test_a_key_that_does_not_match_the_certificate_is_told(lab, store, world):
    key = str(world.identity("acme").key)
    gate = lab.prepared(store, config={"tls": {"key": key}})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    assert key in done.stderr


def test_the_crl_of_another_ca_is_told(lab, store, world):
    other = str(world.other_acme.cert.parent / "ca.crl")
    gate = lab.prepared(store, config={"tls": {"crl": other}})
    assert gate.run("-t", "--unsafe-any-port").returncode == 1
    assert gate.run("--unsafe-any-port").returncode == 1, "and it does not start with it either"


def test_crl_none_is_accepted(lab, store):
    gate = lab.gateway(store, config={"tls": {"crl": "none"}})
    assert gate.get("/artifacts/step-core/small.txt").status == 200


def test_problems_of_configuration_and_policy_are_all_told_in_one_run(lab, store):
    text = dump(policy()).replace("- id: globex", "- id: GLOBEX")
    text = text.replace("serial: 1", "serial: one")
    gate = lab.prepared(store, policy=text)
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1
    for part in ("serial: one", "- id: GLOBEX"):
        assert f"{gate.policy_file}:{line_of(text, part)}: " in done.stderr


def test_relative_paths_start_at_the_files_folder(lab, store):
    gate = lab.prepared(store)
    done = subprocess.run(
        gate.command("-t", "--unsafe-any-port"), cwd="/", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- identity


@pytest.mark.parametrize("who", ["acme", "globex", "probe", "ops", "stranger"])
def test_identity_prints_exactly_the_string_for_the_policy(world, who):
    done = mirrorgate("identity", str(world.identity(who).cert))
    assert (done.returncode, done.stdout, done.stderr) == (0, pki.SUBJECTS[who] + "\n", "")


def test_identity_escapes_as_rfc_4514_says(world):
    rdns = [(NameOID.COUNTRY_NAME, "DK"), (NameOID.ORGANIZATION_NAME, 'A, B + "C" <D>; \\E')]
    rdns += [(NameOID.COMMON_NAME, " #søren ")]
    forged = world.authority.forge("escapes", rdns=rdns)
    done = mirrorgate("identity", str(forged.cert))
    assert done.returncode == 0
    assert done.stdout == 'CN=\\ #søren\\ ,O=A\\, B \\+ \\"C\\" \\<D\\>\\; \\\\E,C=DK\n'


@pytest.mark.parametrize(
    "name, rdns, options",
    [
        ("two-names", [*pki.acme_rdns(), (NameOID.COMMON_NAME, "globex-prod")], {}),
        ("server", pki.acme_rdns(), {"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)}),
        ("no-usage", pki.acme_rdns(), {"usages": ()}),
        ("ca-leaf", pki.acme_rdns(), {"ca": True}),
    ],
)
def test_identity_says_why_a_certificate_would_be_refused(world, name, rdns, options):
    forged = world.authority.forge(f"odd-{name}", rdns=rdns, **options)
    done = mirrorgate("identity", str(forged.cert))
    assert done.returncode == 1
    assert done.stderr.strip()
    assert pki.SUBJECTS["acme"] not in done.stdout.splitlines()


@pytest.mark.parametrize("who, reason", [
    ("acme", None),
    ("revoked", "certificate revoked"),
    ("other", "unable to get local issuer certificate"),
    ("expired", "certificate has expired"),
])  # fmt: skip
def test_identity_with_a_configuration_says_what_the_handshake_would(lab, world, who, reason):
    """Without one, all of these are good; and a gate says the same in its log."""
    if who == "expired":
        made = world.authority.forge("over", rdns=pki.acme_rdns(), days=(-2, -1))
    else:
        made = world.other_acme if who == "other" else world.identity(who)
    gate = lab.gateway()
    alone = mirrorgate("identity", str(made.cert))
    done = mirrorgate("identity", str(made.cert), "-c", str(gate.folder / "mirrorgate.yaml"))
    assert (alone.returncode, alone.stdout) == (0, pki.SUBJECTS["acme"] + "\n")
    if reason is None:
        assert (done.returncode, done.stdout) == (0, pki.SUBJECTS["acme"] + "\n")
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert f"refused: {reason}" in done.stderr
    assert client.refused_by_tls(gate, made, "1.3")
    gate.wait_line(f".*: {reason}.*")


def test_identity_says_that_a_chain_is_larger_than_a_client_may_show(lab, world, tmp_path):
    gate = lab.gateway(config={"limits": {"client_certificates": "2K"}})
    acme, chain = world.identity("acme"), tmp_path / "chain.crt"
    chain.write_bytes(acme.cert.read_bytes() + 3 * world.authority.certificate.read_bytes())
    config = str(gate.folder / "mirrorgate.yaml")
    assert mirrorgate("identity", str(acme.cert), "-c", config).returncode == 0
    assert mirrorgate("identity", str(chain)).returncode == 0
    done = mirrorgate("identity", str(chain), "-c", config)
    assert (done.returncode, done.stdout) == (1, "")
    assert "its 4 certificates take " in done.stderr
    assert "bytes in a handshake, and limits.client_certificates is 2048" in done.stderr
    assert client.refused_by_tls(gate, dataclasses.replace(acme, cert=chain), "1.3")


def test_identity_with_a_configuration_that_is_wrong_fails(lab, world, tmp_path):
    gate = lab.prepared(lab.stub())
    config = gate.folder / "mirrorgate.yaml"
    acme = str(world.identity("acme").cert)
    config.write_text(config.read_text() + "nonsense: 1\n")
    assert mirrorgate("identity", acme, "-c", str(config)).returncode == 1
    done = mirrorgate("identity", acme, "-c", str(tmp_path / "missing.yaml"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing.yaml" in done.stderr


def test_identity_of_no_certificate_fails(tmp_path):
    file = tmp_path / "not.pem"
    file.write_text("hello\n")
    for path in (file, tmp_path / "missing.pem"):
        done = mirrorgate("identity", str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert str(path) in done.stderr


# --- the rest


def test_version_and_help():
    version, usage = mirrorgate("-V"), mirrorgate("-h")
    assert version.returncode == 0 and version.stdout.startswith("mirrorgate ")
    assert any(word[0].isdigit() for word in version.stdout.split())
    assert usage.returncode == 0
    for option in ("-c", "-t", "identity", "-V", "-h", "--unsafe-any-port"):
        assert option in usage.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-c"],
        ["-x"],
        ["--unknown"],
        ["nonsense"],
        ["identity"],
        ["identity", "a", "b"],
        ["-t"],
        ["-c", "a", "b"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_shows_the_usage(arguments):
    done = mirrorgate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr.lower()


def test_a_configuration_that_does_not_exist_is_exit_code_1():
    done = mirrorgate("-c", "/nonexistent/mirrorgate.yaml", "-t")
    assert done.returncode == 1
    assert "/nonexistent/mirrorgate.yaml" in done.stderr
