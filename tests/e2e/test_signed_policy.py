"""policy_signer and state_dir: who can write files on a node can neither alter the policy nor take
it back, not even across a restart; whatever is in doubt leaves the old generation in force."""

import os
import shutil
import signal
import subprocess

import pytest
from mirrorgate_test import pki
from mirrorgate_test.client import refusal
from mirrorgate_test.common import BUILD
from mirrorgate_test.gateway import customer, policy

SMALL = "/artifacts/step-core/small.txt"
CONFIG = {"policy_signer": "release.crt", "state_dir": "state"}


def licensed(serial, *products):
    return policy(serial, customers=[customer("acme", list(products))])


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = pki.Authority(tmp_path_factory.mktemp("release") / "ca", "Release CA")
    made.run("release", str(made.folder))
    return made


@pytest.fixture
def signed(lab, authority):
    """A gate that is not started, with a signed policy of serial 5."""
    gate = lab.prepared(lab.stub(), config=CONFIG, policy=licensed(5, "step-core"))
    shutil.copy(authority.folder / "release.crt", gate.folder)
    (gate.folder / "state").mkdir()
    authority.run("sign", str(authority.folder), str(gate.policy_file))
    lab.keep(gate)
    return gate


def signature_of(gate):
    return gate.policy_file.with_name("policy.yaml.p7s")


def write_signed(gate, authority, data):
    gate.write_policy(data)
    authority.run("sign", str(authority.folder), str(gate.policy_file))


def state_file(gate):
    return gate.folder / "state" / "policy-serial"


def assert_start_refused(gate, reason):
    """By -t and by the start alike, with one line that gives the reason."""
    for flags in (["-t"], []):
        done = gate.run(*flags, "--unsafe-any-port")
        assert done.returncode == 1
        assert [line for line in done.stderr.splitlines() if reason in line], done.stderr


def assert_reload_refused(gate, reason):
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    line = gate.wait_line(r"mirrorgate: error: reload refused, generation \d+ stays in force: (.*)", start)
    assert reason in line[1]
    assert gate.get(SMALL).status == 200, "the old policy still serves"


def openssl_sign(folder, name, *flags):
    arguments = ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-in", "policy.yaml"]
    arguments += ["-out", "policy.yaml.p7s", "-signer", f"{name}.crt", "-inkey", f"{name}.key"]
    subprocess.run([*arguments, *flags], cwd=folder, check=True, capture_output=True)


def altered(gate, authority):
    gate.write_policy(licensed(6, "step-core", "step-plus"))


def missing(gate, authority):
    signature_of(gate).unlink()


def empty(gate, authority):
    signature_of(gate).write_bytes(b"")


def truncated(gate, authority):
    signature_of(gate).write_bytes(signature_of(gate).read_bytes()[:-1])


def trailing(gate, authority):
    signature_of(gate).write_bytes(signature_of(gate).read_bytes() + b"\0")


def swapped(gate, authority):
    other = gate.folder / "other"
    other.write_text("serial: 5\n")
    authority.run("sign", str(authority.folder), str(other))
    os.replace(gate.folder / "other.p7s", signature_of(gate))


def of_another(gate, authority):
    authority.forge("other", rdns=pki.acme_rdns())
    sign_with(gate, authority, "other")


def sign_with(gate, authority, name, *flags):
    for suffix in ("crt", "key"):
        shutil.copy(authority.folder / f"{name}.{suffix}", gate.folder / f"by-{name}.{suffix}")
    openssl_sign(gate.folder, f"by-{name}", *flags)


def attached(gate, authority):
    sign_with(gate, authority, "release", "-nodetach")


def by_sha1(gate, authority):
    sign_with(gate, authority, "release", "-md", "sha1")


def by_two(gate, authority):
    identity = authority.forge("second", rdns=pki.acme_rdns())
    sign_with(
        gate, authority, "release", "-signer", str(identity.cert), "-inkey", str(identity.key)
    )


def signer_expired(gate, authority):
    forged_signer(gate, authority, (-3, -1))


def signer_not_yet_valid(gate, authority):
    forged_signer(gate, authority, (1, 3))


def forged_signer(gate, authority, days):
    identity = authority.forge("dated", rdns=pki.acme_rdns(), days=days)
    sign_with(gate, authority, "dated")
    shutil.copy(identity.cert, gate.folder / "release.crt")


def rubbish_state(gate, authority):
    state_file(gate).write_text("serial 5\n")


def no_state_folder(gate, authority):
    shutil.rmtree(gate.folder / "state")


def state_cannot_be_written(gate, authority):
    (gate.folder / "state" / "policy-serial.new").mkdir()


SIGNATURE_FLAWS = {
    altered: "is not a signature of this content",
    missing: "policy.yaml.p7s: cannot",
    empty: "policy.yaml.p7s: is ",
    truncated: "is not a CMS signature in DER",
    trailing: "has bytes after its end",
    swapped: "is not a signature of this content",
    of_another: "was made by another certificate than the one that is pinned",
    attached: "must be detached",
    by_sha1: "uses a digest weaker than SHA-256",
    by_two: "must be the signature of exactly one signer",
    signer_expired: "release.crt: the certificate has expired",
    signer_not_yet_valid: "release.crt: the certificate is not yet valid",
    rubbish_state: "policy-serial: is damaged",
    no_state_folder: "state_dir cannot be opened",
}


@pytest.mark.parametrize("flaw", SIGNATURE_FLAWS, ids=lambda flaw: flaw.__name__)
def test_a_flaw_stops_the_start_and_leaves_the_old_policy_in_force(signed, authority, flaw):
    signed.start()
    flaw(signed, authority)
    assert_reload_refused(signed, SIGNATURE_FLAWS[flaw])
    signed.stop()
    assert_start_refused(signed, SIGNATURE_FLAWS[flaw])


def test_a_signed_policy_serves_and_its_successor_replaces_it(signed, authority):
    signed.start()
    assert signed.get(SMALL).status == 200
    write_signed(signed, authority, licensed(6, "step-plus"))
    signed.reload()
    refusal(signed.get(SMALL), 403, "not-licensed")


def test_an_older_signed_policy_is_refused_at_reload_and_after_a_restart(signed, authority):
    old = signed.policy_file.read_bytes(), signature_of(signed).read_bytes()
    write_signed(signed, authority, licensed(6, "step-core"))
    signed.start()
    signed.policy_file.write_bytes(old[0])
    signature_of(signed).write_bytes(old[1])
    assert_reload_refused(signed, "serial 5 is lower than 6")
    signed.stop()
    assert_start_refused(signed, "serial 5 is lower than 6, which")


def test_the_same_serial_with_other_content_is_refused_after_a_restart(signed, authority):
    signed.start()
    signed.stop()
    write_signed(signed, authority, licensed(5, "step-core", "step-plus"))
    assert_start_refused(signed, "serial 5 had other content")


def test_the_serial_of_a_reload_is_remembered_in_a_private_file(signed, authority):
    signed.start()
    write_signed(signed, authority, licensed(7, "step-core"))
    signed.reload()
    assert state_file(signed).read_text().startswith("serial 7\nsha256 ")
    assert state_file(signed).stat().st_mode & 0o777 == 0o600
    left = {path.name for path in (signed.folder / "state").iterdir()}
    assert left == {"policy-serial", "crl-numbers", "configuration"}


def test_a_check_writes_no_state(signed):
    assert signed.run("-t", "--unsafe-any-port").returncode == 0
    assert not state_file(signed).exists()


def test_a_policy_and_its_image_are_the_same_for_the_state(signed, authority):
    signed.start()
    signed.stop()
    image = signed.folder / "image"
    subprocess.run(
        [BUILD / "mirrorgate-policy", "compile", str(signed.policy_file), "-o", str(image)], check=True
    )
    write_signed(signed, authority, image.read_bytes())
    done = signed.run("-t", "--unsafe-any-port")
    assert done.returncode == 0, done.stderr


def test_a_state_that_cannot_be_written_refuses(signed, authority):
    signed.start()
    state_cannot_be_written(signed, authority)
    write_signed(signed, authority, licensed(6, "step-core"))
    assert_reload_refused(signed, "serial cannot be remembered there")
    signed.stop()
    done = signed.run("--unsafe-any-port")
    assert done.returncode == 1
    assert "serial cannot be remembered there" in done.stderr
