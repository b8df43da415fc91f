"""A mirrorgate.yaml that SIGHUP refuses, with the reason, leaves the configuration as it was; the
files that it names are read again all the same. And `mirrorgate --diff`, which tells before."""

import re
import signal

import pytest
from mirrorgate_test import common, crl
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.pki import SERVER_NAME

from test_config_reload import reload_with
from test_integrity import metric
from test_reload import licensed

SMALL = "/artifacts/step-core/small.txt"
PLUS = "/artifacts/step-plus/plus.zip"
NAMES = {"server_names": [SERVER_NAME]}
OTHERS = {"server_names": ["other.example"]}
REFUSED = "mirrorgate: error: configuration refused, the one in force stays: "


@pytest.fixture
def gate(lab):
    """One that would answer 421 if a file with OTHERS were taken."""
    return lab.gateway(config=NAMES, policy=licensed(1, acme=["step-core"]))


def refused(gate, reason, write):
    """WRITEs what must be refused for REASON; returns the lines. A policy that comes with it is
    taken, and the configuration stays."""
    start = len(gate.stderr)
    serial = gate.generation + 1
    write()
    gate.reload(licensed(serial, acme=["step-core", "step-plus"]))
    gate.wait_line(re.escape(REFUSED) + reason + r" \(problem 1 of \d+\)", start)
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        assert connection.get(PLUS).status == 200, "the new policy is in force"
    assert metric(gate, "configurations_refused_total") > 0
    assert metric(gate, "reloads_refused_total") == 0
    return gate.stderr.since(start)


@pytest.mark.parametrize("key, changes, change", [
    ("workers", {"workers": 2}, "1 -> 2"),
    ("workers", {"workers": "auto"}, "1 -> auto"),
    ("user", {"user": "nobody"}, r"\(none\) -> nobody"),
    ("listen", {"listen": [{"address": "127.0.0.2", "port": 0}]}, "127.0.0.1:0 -> 127.0.0.2:0"),
    ("listen", {"listen": [{"address": "127.0.0.1", "port": 0,
                            "proxy_protocol_from": ["10.0.0.0/8", "::1"]}]},
     "127.0.0.1:0 -> 127.0.0.1:0 with PROXY from 10.0.0.0/8 ::1/128"),
])  # fmt: skip
def test_what_needs_a_restart_is_named_and_keeps_the_rest_out(gate, key, changes, change):
    reason = f"{gate.config_file}: `{key}` cannot change without a restart: {change}"
    refused(gate, reason, lambda: gate.write_config({**OTHERS, **changes}))
    reload_with(gate, **OTHERS)
    refusal(gate.get(SMALL), 421, "misdirected")


def test_each_key_that_needs_a_restart_is_named(gate):
    changes = {"workers": 3, "user": "nobody", **OTHERS}
    lines = refused(gate, ".*", lambda: gate.write_config(changes))
    for key, change in ("workers", "1 -> 3"), ("user", "(none) -> nobody"):
        line = f"`{key}` cannot change without a restart: {change}"
        assert f"mirrorgate: error: {gate.config_file}: {line}" in lines


def text_of(gate, **changes):
    gate.write_config({**OTHERS, **changes})
    return gate.config_file.read_text()


BROKEN = {
    "not YAML": (lambda text: text + "limits: [\n", r":\d+: .*"),
    "a key that nobody knows": (lambda text: text + "limit: {}\n", r":\d+: .*`limit`.*"),
    "a value out of bounds": (
        lambda text: text + 'limits: {connections: "0"}\n',
        r":\d+: `limits.connections` must be a whole number from 1 to 1000000, not \"0\"",
    ),
    "empty": (lambda _: "", ".*"),
    "cut": (lambda text: text[: len(text) // 2], ".*"),
    "NUL": (lambda text: "\0" + text, ".*"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_line_and_reason(gate, name):
    damage, reason = BROKEN[name]
    text = damage(text_of(gate))
    refused(gate, re.escape(str(gate.config_file)) + reason,
            lambda: gate.config_file.write_text(text))  # fmt: skip


def test_a_file_that_is_gone_or_a_folder_is_refused(gate):
    refused(gate, f"{gate.config_file}: .*No such file.*", gate.config_file.unlink)
    start = len(gate.stderr)
    gate.config_file.mkdir()
    gate.reload()
    gate.wait_line(f"{re.escape(REFUSED)}{gate.config_file}: .*", start)
    assert gate.get(SMALL).status == 200
    assert metric(gate, "configurations_refused_total") == 2


@pytest.mark.parametrize("changes, reason", [
    ({"tls": {"certificate": "gone.crt"}}, r".*gone\.crt: .*No such file.*"),
    ({"tls": {"crl": "gone.crl"}}, r".*gone\.crl: .*No such file.*"),
    ({"policy": "gone.yaml"}, r".*gone\.yaml: .*No such file.*"),
    ({"state_dir": "gone"}, ".*gone: state_dir cannot be opened: .*"),
    ({"log": {"access": "gone/access.log"}}, ".*: `log.access` cannot be opened"),
    ({"catalogues": {"folder": "gone", "signer": "gone.crt"}}, ".*gone.*: .*No such file.*"),
    ({"policy_signer": "gone.crt"}, r".*gone\.crt: .*No such file.*"),
])  # fmt: skip
def test_a_configuration_is_refused_for_what_it_names(gate, changes, reason):
    refused(gate, reason, lambda: gate.write_config({**OTHERS, **changes}))


def test_a_revocation_is_not_held_up_by_a_refused_configuration(lab, world):
    gate = lab.prepared(lab.stub(), config={"tls": {"crl": "own.crl"}})
    (gate.folder / "own.crl").write_text(crl.make(world.authority, 7))
    lab.start(gate)
    with gate.connect("acme") as cut:
        assert cut.get(SMALL).status == 200
        revoked = crl.make(world.authority, 8, revoked=[world.identity("acme")])
        (gate.folder / "own.crl").write_text(revoked)
        gate.config_file.write_text("broken")
        gate.reload()
        assert cut.rest()[0] == b""
    assert metric(gate, "configurations_refused_total") == 1


def test_nothing_changes_when_the_files_in_force_are_refused_as_well(gate):
    gate.write_config({**OTHERS, "tls": {"certificate": "gone.crt"}})
    lines = gate.reload_refused(licensed(0, acme=[]))
    assert any(line.startswith(REFUSED) for line in lines)
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
    common.wait_until(lambda: metric(gate, "reloads_refused_total") == 1, "it is counted")


# --- mirrorgate --diff


@pytest.fixture
def remembering(lab):
    return lab.gateway(config={"state_dir": "."}, policy=policy(1))


def diff(gate, **changes):
    gate.write_config({"state_dir": ".", **changes})
    return gate.run("--diff", "--unsafe-any-port")


def warned(done):
    """Its errors, without the warning that each run with a test's ports has."""
    return [line for line in done.stderr.splitlines() if "--unsafe-any-port" not in line]


def test_diff_says_what_a_reload_would_change(remembering):
    gate = remembering
    done = diff(gate)
    assert (done.returncode, done.stdout, warned(done)) == (0, "", [])
    timeouts = {"idle": "600s", "body": "1500ms"}  # 10m as in force, and another
    done = diff(gate, timeouts=timeouts, **OTHERS, limits={"client_certificates": "32K"})
    assert (done.returncode, warned(done)) == (0, [])
    assert done.stdout.splitlines() == [
        "server_names: (none) -> other.example", "limits.client_certificates: 16K -> 32K",
        "timeouts.body: 30s -> 1500ms",
    ]  # fmt: skip


def test_diff_compares_with_what_is_in_force_after_a_reload(remembering):
    gate = remembering
    start = reload_with(gate, state_dir=".", snapshots={"max_components": 5})
    gate.wait_line("mirrorgate: info: configuration: snapshots.max_components: 10000 -> 5", start)
    state = gate.folder / "configuration"
    common.wait_until(lambda: "snapshots.max_components: 5\n" in state.read_text(), "its file")
    done = diff(gate, snapshots={"max_components": 6})
    assert done.stdout == "snapshots.max_components: 5 -> 6\n"
    assert state.stat().st_mode & 0o777 == 0o600


def test_diff_fails_when_a_reload_would_be_refused(remembering):
    done = diff(remembering, workers=4, limits={"connections": 9})
    assert done.returncode == 1
    assert "workers: 1 -> 4 (needs a restart)" in done.stdout.splitlines()
    assert "limits.connections: 20000 -> 9" in done.stdout.splitlines()
    [line] = warned(done)
    assert line.endswith("mirrorgate.yaml: a reload leaves all of this aside: restart")


def test_a_refused_configuration_is_not_what_diff_compares_with(remembering):
    gate, start = remembering, len(remembering.stderr)
    gate.write_config({"state_dir": ".", "workers": 4})
    gate.signal(signal.SIGHUP)
    gate.wait_line(re.escape(REFUSED) + ".*", start)
    assert "workers: 1 -> 4 (needs a restart)\n" in diff(gate, workers=4).stdout


def test_diff_needs_a_state_dir_in_which_a_gate_has_run(lab):
    gate = lab.prepared(lab.stub())
    done = gate.run("--diff", "--unsafe-any-port")
    assert done.returncode == 1 and done.stdout == ""
    assert "--diff needs `state_dir`, where a gate that runs keeps what is in force" in done.stderr
    gate.write_config({"state_dir": "."})
    done = gate.run("--diff", "--unsafe-any-port")
    assert done.returncode == 1 and "/configuration: cannot open: No such file" in done.stderr
    assert not (gate.folder / "configuration").exists(), "--diff writes nothing"


def test_diff_refuses_a_broken_file_and_a_second_task(remembering):
    remembering.config_file.write_text("broken")
    done = remembering.run("--diff")
    assert done.returncode == 1 and "mirrorgate.yaml:1: " in done.stderr
    assert remembering.run("--diff", "-t").returncode == 2
