"""`admin_socket`, and the commands that ask a running gate by it."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import pytest
from mirrorgate_test import client, common, yaml
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.store import write_sparse

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"


@pytest.fixture
def path():
    """Short enough for the path of a socket, whatever pytest calls its folders."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="admin"))
    yield folder / "a.sock"
    shutil.rmtree(folder)


@pytest.fixture
def gate(lab, store, path):
    return lab.gateway(store, config={"admin_socket": str(path), "workers": 2})


def run(path, command, *arguments):
    return subprocess.run(
        [common.MIRRORGATE, command, "-s", path, *arguments], capture_output=True, text=True,
        timeout=300, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def ask(path, command, *arguments):
    """What --json prints of a command that succeeds."""
    done = run(path, command, "--json", *arguments)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def raw(path, request, timeout=120):
    """What is answered to the bytes REQUEST."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        with contextlib.suppress(BrokenPipeError):
            sock.sendall(request)
        with contextlib.suppress(ConnectionResetError), sock.makefile("rb") as answer:
            return answer.read()


# --- the socket


def test_only_its_owner_may_open_it_and_it_goes_with_the_gate(gate, path):
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert not path.exists()


def test_a_socket_left_over_is_replaced(lab, store, path):
    first = lab.gateway(store, config={"admin_socket": str(path)})
    workers = first.workers()
    first.process.kill()
    first.process.wait()
    first.process = None
    common.wait_until(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), "the workers end"
    )
    assert path.exists()
    second = lab.gateway(store, config={"admin_socket": str(path)})
    assert ask(path, "status")["pid"] == second.process.pid


def test_one_that_another_gate_has_is_refused(lab, store, gate, path):
    other = lab.prepared(store, config={"admin_socket": str(path)})
    done = other.run("--unsafe-any-port")
    assert done.returncode == 1
    assert f"admin_socket {path}: another gate listens there" in done.stderr
    assert ask(path, "status")["pid"] == gate.process.pid


def test_what_is_no_socket_is_left_alone(lab, store, path):
    path.write_text("precious")
    done = lab.prepared(store, config={"admin_socket": str(path)}).run("--unsafe-any-port")
    assert done.returncode == 1
    assert f"admin_socket {path}: something else than a socket is there" in done.stderr
    assert path.read_text() == "precious"


def test_a_socket_that_somebody_else_put_there_is_not_removed(gate, path):
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        gate.signal(signal.SIGTERM)
        assert gate.wait_exit() == 0
        assert path.exists()


def test_another_path_needs_a_restart(gate, path):
    gate.write_config({"admin_socket": str(path) + "2", "workers": 2})
    done = run(path, "reload")
    assert done.returncode == 1
    assert "`admin_socket` cannot change without a restart" in done.stderr
    assert path.exists() and not pathlib.Path(str(path) + "2").exists()


if os.geteuid() == 0:  # nobody else can become somebody else

    def test_who_is_neither_root_nor_the_gates_user_is_not_answered(gate, path):
        path.chmod(0o666)
        path.parent.chmod(0o755)
        program = (
            "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "try:\n    s.sendall(b'{\"command\": \"drain\"}\\n'); print(s.recv(100))\n"
            "except OSError:\n    print(b'')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, "b''"), done.stderr
        gate.wait_line(".*warning: admin_socket: somebody who is neither root.*")
        assert ask(path, "status")["state"] == "serving"


MISTAKES = {
    "no JSON": (b"status\n", "one JSON object"),
    "no object": (b"[]\n", "one JSON object"),
    "another command": (b'{"command": "restart"}\n', "must be status"),
    "no name": (b'{"command": "cut"}\n', '"name" must be'),
    "a bad name": (b'{"command": "cut", "name": "a\\nb"}\n', '"name" must be'),
    "an empty name": (b'{"command": "cut", "name": ""}\n', '"name" must be'),
    "a key twice": (b'{"command": "drain", "command": "drain"}\n', "one JSON object"),
    "two lines": (b'{"command": "drain"}\n{"command": "drain"}\n', "not one line"),
    "a NUL": (b'{"command": "drain"}\x00\n', "not one line"),
    "too much": (b" " * 5000 + b'{"command": "drain"}\n', "not one line"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_makes_no_sense_is_refused(gate, path, name):
    request, error = MISTAKES[name]
    answer = raw(path, request)
    # Who sends more than is read may be told by a reset only.
    assert error in json.loads(answer)["error"] if answer else name == "too much"
    assert ask(path, "status")["state"] == "serving"


def test_who_says_nothing_keeps_nobody_out_for_ever(gate, path):
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(path))
        assert ask(path, "status")["state"] == "serving"
        assert sock.recv(1) == b""
        assert gate.get(SMALL).status == 200


def test_who_is_gone_before_the_answer_does_no_harm(gate, path):
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b'{"command": "reload"}\n')
    assert ask(path, "reload")["reload"] == "live"


def test_commands_without_a_gate_say_so(path):
    for command in (["status"], ["reload"], ["upgrade"], ["drain"], ["customers"], ["cut", "acme"]):
        done = run(path, *command)
        assert done.returncode == 1
        assert f"{path}: No such file or directory: no gate has this `admin_socket`" in done.stderr


@pytest.mark.parametrize("words", [
    ["status", "now"], ["cut"], ["cut", "a", "b"], ["reload", "--watch"], ["drain", "--what"],
])  # fmt: skip
def test_a_wrong_command_line_is_told_the_right_one(path, words):
    done = run(path, *words)
    assert done.returncode == 2
    assert "mirrorgate cut CUSTOMER|SERIAL" in done.stderr


# --- status and customers


def test_status_is_a_page_and_an_object(gate, path):
    assert gate.get(SMALL).status == 200
    gate.get("/artifacts/step-plus/x")
    gate.reload(policy(serial=2))
    common.wait_until(  # what is said after a generation went live is said
        lambda: ask(path, "status")["state"] == "serving", "the load has ended"
    )
    answer = ask(path, "status")
    assert (answer["health"], answer["pid"]) == ("ok", gate.process.pid)
    assert (answer["generation"], answer["policy_serial"], answer["customers"]) == (2, 2, 3)
    assert [worker["pid"] for worker in answer["workers"]] == gate.workers()
    assert [entry["generation"] for entry in answer["generations"]] == [2, 1]
    assert answer["crl_ends"] > answer["started"] > 0
    [refusal] = answer["refusals"]
    assert (refusal["status"], refusal["reason"]) == (403, "not-licensed")
    assert (refusal["customer"], refusal["client"]) == ("acme", "127.0.0.1")
    [server] = answer["stores"]
    assert server["up"] and server["failures"] == 0
    assert [process["role"] for process in answer["processes"]] == ["worker", "worker", "supervisor"]
    page = run(path, "status")
    assert page.returncode == 0
    for words in ("serving, health ok", "generation 2, policy serial 2, 3 customers", "Store",
                  "acme", "the last ten minutes", server["server"]):  # fmt: skip
        assert words in page.stdout, words


def test_the_last_ten_minutes_come_in_samples(gate, path):
    with gate.connect() as connection:
        def sampled():
            assert connection.get(SMALL).status == 200
            samples = ask(path, "status")["samples"]
            return any(s["requests_per_second"] and s["connections"] for s in samples)

        common.wait_until(sampled, "a sample has requests")
    common.wait_until(
        lambda: ask(path, "status")["samples"][-1]["connections"] == 0, "and another has none"
    )


def test_watch_goes_on_until_it_is_ended(gate, path):
    process = subprocess.Popen(
        [common.MIRRORGATE, "status", "-s", path, "--json", "--watch"], stdout=subprocess.PIPE
    )
    try:
        times = [json.loads(process.stdout.readline())["now"]["time"] for _ in range(2)]
        assert times[0] < times[1]
        gate.signal(signal.SIGTERM)
        assert gate.wait_exit() == 0
        assert process.wait(timeout=300) == 1, "the gate has gone"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_customers_are_shown_by_connections_rate_and_bytes(gate, path):
    with gate.connect() as first, gate.connect() as second, gate.connect("initech") as third:
        for connection in (first, second, third):
            assert connection.get(SMALL).status == 200
        rows = {row["customer"]: row for row in ask(path, "customers")["busiest"]}
        assert (rows["acme"]["connections"], rows["initech"]["connections"]) == (2, 1)
        assert rows["acme"]["requests"] == 2 and rows["acme"]["sent_bytes"] > 0

        def has_rate():
            first.get(SMALL)
            row = ask(path, "customers")["busiest"][0]
            return row["customer"] == "acme" and row["sent_bytes_per_second"] > 0

        common.wait_until(has_rate, "the busiest comes first")
    assert "acme" in run(path, "customers").stdout


# --- reload and drain


def test_reload_waits_and_tells_the_result(gate, path):
    gate.write_policy(policy(serial=2, customers=[customer("globex", ["step-core"])]))
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        done = run(path, "reload")
        assert done.returncode == 0, done.stderr
        assert done.stdout == "generation 2 live on 2/2 workers: kept 0, cut 1\n"
    assert gate.get(SMALL, who="globex").status == 200
    answer = ask(path, "reload")
    assert (answer["reload"], answer["generation"], answer["reason"]) == ("live", 3, None)


def test_a_reload_that_is_refused_says_why(gate, path):
    gate.write_policy(policy(serial=2, colour="red"))
    done = run(path, "reload")
    assert done.returncode == 1
    assert "reload refused, generation 1 stays in force: " in done.stderr
    assert "policy.yaml:" in done.stderr and "colour" in done.stderr
    done = run(path, "reload", "--json")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert (answer["reload"], answer["generation"]) == ("refused", 1)


def test_a_configuration_that_is_left_aside_is_a_failure(gate, path):
    gate.write_config({"admin_socket": str(path), "workers": 2, "colour": "red"})
    gate.write_policy(policy(serial=2))
    done = run(path, "reload")
    assert done.returncode == 1
    assert "generation 2 live on 2/2 workers" in done.stdout
    assert "configuration refused, the one in force stays: " in done.stderr and "colour" in done.stderr


def test_each_of_many_reloads_is_of_files_read_after_it_was_asked(gate, path):
    answers = []

    def reload(serial):
        answers.append((serial, ask(path, "reload")["generation"]))

    for serial in range(2, 6):
        # Whole at once: the load of the reload before may be reading it.
        new = gate.policy_file.with_suffix(".new")
        new.write_text(yaml.dump(policy(serial=serial)))
        new.replace(gate.policy_file)
        thread = threading.Thread(target=reload, args=[serial])
        thread.start()
        if serial % 2:
            thread.join()
    common.wait_until(lambda: len(answers) == 4, "each was answered")
    assert ask(path, "status")["policy_serial"] == 5


def test_drain_is_answered_while_transfers_go_on(lab, path):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 20 << 20)
    gate = lab.gateway(store, config={"admin_socket": str(path), "drain": {"timeout": "1h"}})
    with gate.connect("acme", receive_buffer=16_384) as connection:
        connection.send_request("GET", IMAGE)
        pieces = connection.body_pieces(connection.read_head())
        next(pieces)
        done = run(path, "drain")
        assert (done.returncode, done.stdout) == (0, "draining: 1 connections are open\n")
        answer = ask(path, "status")
        assert (answer["state"], answer["health"]) == ("draining", "draining")
        refused = run(path, "reload")
        assert refused.returncode == 1 and "the gate drains" in refused.stderr
        for _ in pieces:
            pass
    assert gate.wait_exit() == 0
    assert not path.exists()


# --- cut


@pytest.mark.parametrize("by", ["customer", "serial"])
def test_cut_ends_the_connections_of_one_and_revokes_nothing(gate, path, by):
    with gate.connect() as first, gate.connect() as second, gate.connect("initech") as other:
        for connection in (first, second, other):
            request_id = connection.get(SMALL).request_id
            if connection is first:
                line = gate.log_line(request_id)
        done = run(path, "cut", line[by])
        assert done.returncode == 0, done.stderr
        assert f"cut 2 connections of {line[by]}\n" in done.stdout
        assert "This is no revocation" in done.stdout
        assert [connection.rest()[0] for connection in (first, second)] == [b"", b""]
        assert other.get(SMALL).status == 200
    gate.wait_line(f".*info: 2 connections of {line[by]} were cut.*")
    assert gate.get(SMALL).status == 200, "who was cut may come again"


def test_cut_ends_a_transfer_at_once_and_the_log_says_so(lab, path):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 20 << 20)
    gate = lab.gateway(store, config={"admin_socket": str(path), "log": {"level": "debug"}})
    with gate.connect("acme", receive_buffer=16_384) as connection:
        connection.send_request("GET", IMAGE)
        head = connection.read_head()
        pieces = connection.body_pieces(head)
        next(pieces)
        assert ask(path, "cut", "acme")["cut"] == 1
        with pytest.raises(client.Truncated) as cut:
            list(pieces)
        assert cut.value.end != "close_notify"
    gate.wait_line(".*debug: cut by an administrator while .*")
    common.wait_until(
        lambda: [line["close"] for line in gate.log_lines()] == ["cut by an administrator"],
        "the access log has it",
    )


def test_cut_of_nobody_is_a_failure(gate, path):
    done = run(path, "cut", "acme")
    assert done.returncode == 1
    assert "cut 0 connections of acme" in done.stdout and "no connection" in done.stderr


def test_a_worker_that_dies_keeps_nobody_waiting(gate, path):
    gate.crash_expected = True
    stopped, _ = gate.workers()
    os.kill(stopped, signal.SIGSTOP)
    answers = []
    askers = [
        threading.Thread(target=lambda: answers.append(run(path, "cut", "acme"))) for _ in range(2)
    ]
    for asker in askers:
        asker.start()
    common.wait_until(lambda: answers, "one of the two is told that the other waits")
    assert "another cut is under way" in answers[0].stderr
    os.kill(stopped, signal.SIGKILL)
    for asker in askers:
        asker.join(300)
    assert answers[1].returncode == 1 and "cut 0 connections of acme" in answers[1].stdout
