"""log.audit: a chain through the access log by which `mirrorgate audit-verify` finds what was altered, taken
out or moved, across rotations and restarts."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import policy

SMALL = "/artifacts/step-core/small.txt"
AUDITED = {"log": {"access": "access.log", "audit": True}}


def verify(*files, input=None):
    """(exit code, what is printed, what is complained of)"""
    done = subprocess.run([common.MIRRORGATE, "audit-verify", *files], input=input, capture_output=True,
                          text=True, check=False, timeout=common.LONG)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def assert_good(*files):
    code, out, err = verify(*files)
    assert (code, err) == (0, ""), (out, err)
    return out


def ended(gate):
    if gate.process.poll() is None:
        gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0


def ask_until_logged(gate, count):
    """Asks until COUNT lines are in the log, which may have been opened a moment ago."""
    common.wait_until(lambda: gate.get(SMALL).status == 200 and len(gate.log_lines()) >= count,
                      "it is in the log")  # fmt: skip


@pytest.fixture(scope="module")
def written(module_lab):
    """The log of a gate with two workers that has ended: forty requests, some refused."""
    gate = module_lab.gateway(config={**AUDITED, "workers": 2})
    for number in range(40):
        with gate.connect() as connection:
            if number % 4 == 3:
                refusal(connection.get('/a?"audit":"x"'), 400, "malformed-path")
            else:
                assert connection.get(SMALL).status == 200
    ended(gate)
    return gate.access_log.read_bytes()


@pytest.fixture
def log(written, tmp_path):
    path = tmp_path / "access.log"
    path.write_bytes(written)
    return path


def lines_of(log):
    return log.read_bytes().splitlines(keepends=True)


def seal(line):
    return json.loads(line)["audit"].split(".")


def test_what_was_written_is_good(log):
    out = assert_good(log)
    assert out == f"lines: {len(lines_of(log))}, chains: 2, all as they were written\n"
    by_chain = {}
    for line in lines_of(log):
        chain, number, before = seal(line)
        assert re.fullmatch("[0-9a-f]{16}", chain) and re.fullmatch("[0-9a-f]{64}", before)
        by_chain.setdefault(chain, []).append(int(number))
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in by_chain.values())
    assert verify("-", input=log.read_text())[0] == 0


def test_each_chain_begins_with_zeros_and_ends_with_a_line_that_says_so(log):
    first, last = {}, {}
    for line in map(json.loads, lines_of(log)):
        chain, _, before = line["audit"].split(".")
        first.setdefault(chain, before)
        last[chain] = line["operation"]
    assert set(first.values()) == {"0" * 64}
    assert set(last.values()) == {"audit-end"}


def test_every_altered_line_is_found(log):
    """But the last of a chain, which says nothing but that it is the last."""
    good = lines_of(log)
    for number, line in enumerate(good):
        if b"audit-end" in line:
            continue
        log.write_bytes(b"".join([*good[:number], line.replace(b'"time":"2', b'"time":"3'), *good[number + 1 :]]))
        code, _, err = verify(log)
        assert (code, err) == (1, f"mirrorgate: error: {log}:{number + 1}: altered\n")


def test_every_missing_line_is_found(log):
    good = lines_of(log)
    for number, line in enumerate(good):
        log.write_bytes(b"".join(good[:number] + good[number + 1 :]))
        code, out, err = verify(log)
        if b"audit-end" in line:
            assert (code, "has no end" in out) == (0, True)
        elif seal(line)[1] == "1":
            assert (code, "begins with its line 2" in out) == (0, True)
        else:
            assert code == 1 and "lines are missing before it: it is line" in err


def swapped(lines):
    one, other = [n for n, line in enumerate(lines) if seal(line)[0] == seal(lines[0])[0]][1:3]
    lines[one], lines[other] = lines[other], lines[one]
    return one


@pytest.mark.parametrize("change,reason", [
    (lambda lines: lines.insert(5, lines[2]), "moved, or put in again"),
    (swapped, "lines are missing before it"),
    (lambda lines: lines.insert(3, b'{"time":"2026-01-01T00:00:00.000Z"}\n'), ":4: not a whole sealed line"),
    (lambda lines: lines.insert(3, b"\n"), ":4: not a whole sealed line"),
    (lambda lines: lines.__setitem__(3, lines[3][:40] + b"\n"), ":4: not a whole sealed line"),
    (lambda lines: lines.__setitem__(3, lines[3].replace(b'"}', b'", "}')), ":4: not a whole sealed line"),
    (lambda lines: lines.append(lines[-1].replace(b"." + seal(lines[-1])[1].encode() + b".", b".9999.")),
     "its chain had ended"),
])  # fmt: skip
def test_what_was_moved_or_put_in_is_found(log, change, reason):
    lines = lines_of(log)
    change(lines)
    log.write_bytes(b"".join(lines))
    code, _, err = verify(log)
    assert code == 1 and reason in err, err


def test_of_several_changes_the_first_is_told(log):
    lines = lines_of(log)
    for number in (30, 12, 20):
        lines[number] = lines[number].replace(b'"time":"2', b'"time":"3')
    log.write_bytes(b"".join(lines))
    assert f"{log}:13: altered" in verify(log)[2]


def test_a_rotation_and_a_restart_are_no_gap(lab):
    gate = lab.gateway(config={**AUDITED, "workers": 2})
    older = gate.folder / "access.log.1"
    for _ in range(5):
        assert gate.get(SMALL).status == 200
    common.wait_until(lambda: len(gate.log_lines()) == 5, "all is in the log")
    os.rename(gate.access_log, older)
    start = len(gate.stderr)
    gate.signal(signal.SIGUSR1)
    gate.wait_line("mirrorgate: info: access log reopened", start)
    ask_until_logged(gate, 5)
    assert "its process still runs" in assert_good(older, gate.access_log)
    ended(gate)
    gate.start()
    assert gate.get(SMALL).status == 200
    ended(gate)
    assert "chains: 4," in assert_good(older, gate.access_log)
    # Alone, the second file begins in the middle; the other way round, its lines come too early.
    assert "what was before is not here" in assert_good(gate.access_log)
    assert verify(gate.access_log, older)[0] == 1
    lines = lines_of(older)
    last = max(n for n, line in enumerate(lines) if seal(line)[1] != "1")
    older.write_bytes(b"".join(lines[:last] + lines[last + 1 :]))
    assert "lines are missing before it" in verify(older, gate.access_log)[2]


def test_a_worker_that_is_killed_leaves_a_chain_without_end(lab):
    gate = lab.gateway(config=AUDITED)
    gate.crash_expected = True
    assert gate.get(SMALL).status == 200
    common.wait_until(lambda: len(gate.log_lines()) == 1, "it is in the log")
    [worker] = gate.workers()
    os.kill(worker, signal.SIGKILL)
    common.wait_until(lambda: gate.workers() not in ([], [worker]), "there is another")
    assert gate.get(SMALL).status == 200
    ended(gate)
    out = assert_good(gate.access_log)
    assert out.count("has no end") == 1 and "lines: 3, chains: 2," in out


def test_what_the_gate_lost_it_says(lab):
    """A disk that was full cost lines, which are counted, and are no gap that somebody made."""
    gate = lab.gateway(config=AUDITED)
    assert gate.get(SMALL).status == 200
    common.wait_until(lambda: len(gate.log_lines()) == 1, "it is in the log")
    [worker] = gate.workers()
    limit_files(worker, gate.access_log.stat().st_size + 700)  # so that a line is begun
    for _ in range(5):
        assert gate.get(SMALL).status == 200
    gate.wait_line(r"mirrorgate: error: cannot write the access log .*")
    limit_files(worker, resource.RLIM_INFINITY)
    for _ in range(5):
        assert gate.get(SMALL).status == 200
    ended(gate)
    lost = sum(line.get("audit_lost", 0) for line in gate.log_lines())
    assert lost > 0
    assert f"{lost} lines were lost by the gate itself" in assert_good(gate.access_log)
    taken = lines_of(gate.access_log)
    index = next(n for n, line in enumerate(taken) if b'"audit_lost"' in line)
    gate.access_log.write_bytes(b"".join(taken[: index - 1] + taken[index:]))
    assert "lines are missing before it" in verify(gate.access_log)[2]
    gate.access_log.write_bytes(b"".join(taken))


def limit_files(pid, size):
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_reload_begins_and_ends_a_chain(lab):
    gate = lab.gateway(config={"log": {"access": "access.log"}})
    assert gate.get(SMALL).status == 200
    common.wait_until(lambda: len(gate.log_lines()) == 1, "it is in the log")
    assert "audit" not in gate.log_lines()[0]
    for audit, operation in ((True, "download"), (False, "audit-end")):
        gate.write_config({"log": {"access": f"{audit}.log", "audit": audit}})
        gate.access_log = gate.folder / f"{audit}.log"
        gate.reload()
        ask_until_logged(gate, 1)
    ended(gate)
    sealed = gate.folder / "True.log"
    both = [json.loads(line) for name in ("True.log", "False.log") for line in lines_of(gate.folder / name)]
    assert [line["operation"] for line in both if line["operation"] != "download"] == ["audit-end"]
    assert "audit" in both[0] and "audit" not in both[-1]
    assert assert_good(sealed)


# ---- signed ----------------------------------------------------------------------------------


def make_key(folder, name="audit"):
    """(private, public) Ed25519 keys, as docs/operating.md makes them."""
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", private)
    private.chmod(0o600)
    run("openssl", "pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=common.LONG)


@pytest.fixture(scope="module")
def signed(module_lab):
    """(log, public key) of a gate whose one worker signed its chain: 230 requests."""
    folder = module_lab.new_folder("keys")
    private, public = make_key(folder)
    gate = module_lab.gateway(config={"log": {**AUDITED["log"], "audit_key": str(private)}})
    with gate.connect() as connection:
        for _ in range(230):
            assert connection.get(SMALL).status == 200
    ended(gate)
    return gate.access_log.read_bytes().splitlines(keepends=True), public


def verify_lines(tmp_path, lines, public):
    path = tmp_path / "signed.log"
    path.write_bytes(b"".join(lines))
    return verify("--key", public, path)


def anew(lines):
    """LINES, whose seals somebody without the key has made again."""
    made, before = [], "0" * 64
    for line in lines:
        chain, number, _ = seal(line)
        rest = line[: line.rindex(b',"audit":"')]
        made.append(rest + f',"audit":"{chain}.{number}.{before}"}}\n'.encode())
        before = hashlib.sha256(made[-1][:-1]).hexdigest()
    return made


def test_the_first_each_hundredth_and_the_last_line_are_signed(signed, tmp_path):
    lines, public = signed
    assert verify_lines(tmp_path, lines, public)[0] == 0
    assert [n for n, line in enumerate(lines, 1) if "audit_signature" in json.loads(line)] == [1, 101, 201, 231]
    assert anew(lines) == lines, "as the manual says it is made"


def test_who_has_no_key_cannot_write_the_chain_anew(signed, tmp_path):
    lines, public = signed
    altered = anew([lines[0].replace(b'"status":200', b'"status":403'), *lines[1:]])
    assert verify_lines(tmp_path, altered, public)[2].endswith("signed.log:101: its signature, for all before it, is by none of the keys\n")
    assert verify(tmp_path / "signed.log")[0] == 0, "without the key it looks good"
    unsigned = anew([re.sub(rb',"audit_signature":"[^"]*"', b"", line) for line in altered])
    assert "signed.log:1: not signed, as it had to be" in verify_lines(tmp_path, unsigned, public)[2]
    later = anew([*lines[:150], *(re.sub(rb',"audit_signature":"[^"]*"', b"", line) for line in lines[150:])])
    assert "signed.log:201: not signed" in verify_lines(tmp_path, later, public)[2]


def test_a_chain_that_begins_in_the_middle_is_signed_within_a_hundred_lines(signed, tmp_path):
    lines, public = signed
    assert verify_lines(tmp_path, lines[50:], public)[0] == 0
    stripped = [re.sub(rb',"audit_signature":"[^"]*"', b"", line) for line in lines[1:]]
    rest = verify_lines(tmp_path, anew(stripped), public)
    assert rest[0] == 1 and ":100: not signed" in rest[2]


def test_another_key_begins_another_chain(lab, tmp_path):
    (old, old_public), (new, new_public) = make_key(tmp_path, "old"), make_key(tmp_path, "new")
    gate = lab.gateway(config={"log": {**AUDITED["log"], "audit_key": str(old)}})
    assert gate.get(SMALL).status == 200
    gate.write_config({"log": {**AUDITED["log"], "audit_key": str(new)}})
    gate.reload()
    assert gate.get(SMALL).status == 200
    gate.reload(policy(2))
    assert gate.get(SMALL).status == 200
    metrics = gate.get("/metrics", who="ops").body.decode()
    assert 'mirrorgate_reload_files_total{result="applied",file="audit_key"} 1' in metrics
    ended(gate)
    assert "chains: 2," in assert_good(gate.access_log)
    for public in (old_public, new_public):
        assert "by none of the keys" in verify("--key", public, gate.access_log)[2]
    both = tmp_path / "both.pub"
    both.write_bytes(old_public.read_bytes() + new_public.read_bytes())
    assert_good("--key", both, gate.access_log)


def test_a_key_that_is_not_good_is_refused_and_the_one_in_force_stays(lab, tmp_path):
    private, public = make_key(tmp_path)
    gate = lab.gateway(config={"log": {**AUDITED["log"], "audit_key": str(private)}})
    good = private.read_bytes()
    run("openssl", "genrsa", "-out", tmp_path / "rsa.key", "2048")
    for data, mode, reason in ((good, 0o644, "may be read or written by any user"), (b"garbage", 0o600, "cannot be read"),
                               ((tmp_path / "rsa.key").read_bytes(), 0o600, "the key is not Ed25519")):  # fmt: skip
        private.write_bytes(data)
        private.chmod(mode)
        assert any(f"{private}: " in line and reason in line for line in gate.reload_refused(policy(2)))
        assert reason in gate.run("-t", "--unsafe-any-port").stderr
    assert gate.get(SMALL).status == 200
    ended(gate)
    assert_good("--key", public, gate.access_log)


def test_public_keys_that_are_none_are_refused(log, tmp_path):
    assert "No such file" in verify("--key", "absent", log)[2]
    private, _ = make_key(tmp_path)
    assert "there is no public key in it" in verify("--key", private, log)[2]
    assert verify("--key", private)[0] == 2


# ---- what is no log --------------------------------------------------------------------------


@pytest.mark.parametrize("files,reason", [
    (["absent"], "No such file or directory while reading absent"), (["/dev/null"], "no line to verify"),
    (["/tmp"], "Is a directory while reading /tmp"),
])  # fmt: skip
def test_what_cannot_be_read_is_not_good(files, reason):
    code, out, err = verify(*files)
    assert code == 1 and out == "" and reason in err


def test_without_a_file_it_is_wrong_usage():
    assert verify()[0] == 2


@pytest.mark.parametrize("log,reason", [
    ({"audit": "maybe"}, "must be true or false"),
    ({"audit_key": "audit.key"}, "must not be there without `log.audit: true`"),
    ({"access": "none", "audit": True}, "must not be true where `log.access` is none"),
])  # fmt: skip
def test_a_mistake_in_the_configuration_is_refused(lab, log, reason):
    gate = lab.prepared(lab.stub(), config={"log": log})
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1 and "log.audit" in done.stderr and reason in done.stderr
