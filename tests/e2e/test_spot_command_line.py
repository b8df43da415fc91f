"""spot's options, its configuration, its exit codes, and what it makes of answers."""

import json
import re
import socket
from pathlib import Path

import pytest
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM, SPARE_PIN, answer, read_head
from mirrorgate_test.yaml import dump

LICENCE = b'{"customer":"acme","licences":[]}'


@pytest.fixture(name="serve")
def server_of_answers(lab):
    """Starts a server that gives the ANSWERS one after the other, and the last one for ever, one a
    connection."""

    def start(*answers):
        def script(connection, number):
            read_head(connection)
            connection.sendall(answers[min(number, len(answers)) - 1])

        return lab.server(script)

    return start


def test_list_shows_the_licences_of_this_installation(lab):
    done = lab.spot(lab.gateway()).run("list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["PRODUCT", "FROM", "UNTIL", "VALID", "PATHS"],
        ["step-core", "2020-01-01", "2999-12-31", "yes", "/artifacts/step-core/"],
        ["step-old", "-", "2020-12-31", "no", "/artifacts/step-old/"],
        ["step-next", "2999-01-01", "-", "no", "/artifacts/step-next/"],
    ]


def test_list_speaks_json(lab):
    done = lab.spot(lab.gateway(), who="globex").run("--json", "list")
    assert (done.returncode, done.stderr) == (0, "")
    plus = {"product": "step-plus", "from": None, "until": None, "valid": True,
            "paths": ["/artifacts/step-plus/"]}  # fmt: skip
    assert json.loads(done.stdout) == {"customer": "globex", "licences": [plus], "installed": []}


def test_a_caller_whom_the_policy_does_not_know_is_refused_once(lab):
    gate = lab.gateway()
    text = lab.spot(gate, who="stranger").fails(7, "list")
    assert "answers 403 to /licence: unknown-subject (" in text
    lines = common.wait_until(gate.log_lines, "the refusal is logged")
    assert [line["status"] for line in lines] == [403]


def test_a_failure_is_one_json_object_when_asked_for(lab):
    done = lab.spot(lab.gateway(), who="stranger").run("--json", "list")
    assert (done.returncode, done.stderr) == (7, "")
    failure = json.loads(done.stdout)
    assert (failure["failure"], failure["exit_code"]) == ("refused", 7)
    assert "unknown-subject" in failure["detail"]


def test_a_busy_server_is_asked_again_when_it_says(lab, serve):
    server = serve(answer("503 Busy", Retry_After=1), answer("200 OK", LICENCE))
    done = lab.spot(server).run("list")
    assert done.returncode == 0
    assert "answers 503 to /licence; trying again in 1." in done.stderr
    assert server.accepted == 2


def test_quiet_says_nothing_of_what_was_mended(lab, serve):
    server = serve(answer("503 Busy"), answer("200 OK", LICENCE))
    done = lab.spot(server).run("-q", "list")
    assert (done.returncode, done.stderr) == (0, "")


def test_verbose_names_each_request(lab, serve):
    server = serve(answer("200 OK", LICENCE))
    done = lab.spot(server).run("-v", "list")
    assert f"spot: GET https://127.0.0.1:{server.port}/licence\n" == done.stderr


def test_tries_end(lab, serve):
    server = serve(answer("502 Bad Gateway"))
    text = lab.spot(server, tries=2).fails(4, "list")
    assert text.endswith("answers 502 to /licence")
    assert server.accepted == 2


def test_who_asks_for_too_long_a_pause_is_not_waited_for(lab, serve):
    server = serve(answer("503 Busy", Retry_After=301))
    lab.spot(server).fails(4, "list")
    assert server.accepted == 1


def test_the_next_server_is_asked_when_one_does_not_answer(lab, serve):
    gone = common.free_address_of_nobody(socket.socket)
    server = serve(answer("200 OK", LICENCE))
    first = f"https://127.0.0.1:{gone.getsockname()[1]}"
    second = f"https://127.0.0.1:{server.port}"
    done = lab.spot(server, servers=[first, second]).run("list")
    assert done.returncode == 0, done.stderr
    assert f"{first} cannot be reached" in done.stderr
    gone.close()


def test_no_server_at_all_is_an_exit_code_of_its_own(lab, serve):
    gone = common.free_address_of_nobody(socket.socket)
    servers = [f"https://127.0.0.1:{gone.getsockname()[1]}"]
    assert "cannot be reached" in lab.spot(servers=servers, tries=1).fails(4, "list")
    gone.close()


def test_an_answer_that_is_cut_is_no_answer(lab, serve):
    server = serve(answer("200 OK", LICENCE, Content_Length=100))
    lab.spot(server, tries=2).fails(4, "list")
    assert server.accepted == 2


def test_an_endless_answer_ends(lab):
    def endless(connection, _):
        read_head(connection)
        connection.sendall(answer("200 OK", Content_Length=10**15))
        while True:
            connection.sendall(b" " * 65536)

    server = lab.server(endless)
    assert "the server sends more than it may for /licence" in lab.spot(server).fails(9, "list")
    assert server.accepted == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b'{"customer":"acme"}',
        b'{"customer":"acme","customer":"acme","licences":[]}',
        b'{"customer":"Acme Corp","licences":[]}',
        b'{"customer":"acme","licences":[{"product":"x","paths":["/../etc/"],"from":null,'
        b'"until":null,"valid":true}]}',
        b'{"customer":"acme","licences":[{"product":"\\u001b[2J","paths":[],"from":null,'
        b'"until":null,"valid":true}]}',
        b'{"customer":"acme","licences":[{"product":"x","paths":[],"from":"soon",'
        b'"until":null,"valid":true}]}',
    ],
)
def test_an_answer_that_is_no_licence_is_not_shown(lab, serve, body):
    server = serve(answer("200 OK", body))
    assert lab.spot(server).fails(9, "list") == "the answer to /licence cannot be read"


def test_a_terminal_never_gets_what_a_server_sends(lab, serve):
    problem = {"type": "urn:mirrorgate:not-permitted", "detail": "\x1b]0;title\x07\x9b", "status": 403}
    server = serve(answer("403 Forbidden", json.dumps(problem).encode()))
    done = lab.spot(server).run("list")
    assert done.returncode == 7
    assert "not-permitted (?]0;title?" in done.stderr
    assert all(" " <= byte <= "~" for byte in done.stderr.rstrip("\n"))


# --- the configuration

GOOD = {
    "servers": ["https://updates.example.com"],
    "certificate": "acme.crt",
    "key": "acme.key",
    "ca": "ca.crt",
    "pins": ["sha256//" + 43 * "A" + "=", SPARE_PIN],
}


def mistakes(lab, changes):
    """What spot says about spot.yaml with CHANGES: all lines but the last."""
    spot = lab.spot()
    data = {**GOOD, **changes}
    spot.write(dump({key: value for key, value in data.items() if value is not None}))
    done = spot.run("list")
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    *lines, last = done.stderr.splitlines()
    assert last == f"spot: {spot.file} has problems: {len(lines)}"
    return [line.removeprefix(f"{spot.file}:") for line in lines]


@pytest.mark.parametrize("key", ["servers", "certificate", "key", "ca", "pins"])
def test_nothing_of_trust_has_a_default(lab, key):
    lines = mistakes(lab, {key: None})
    assert len(lines) == 1 and f"`{key}`" in lines[0]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"servers": ["http://updates.example.com"]}, "servers[0]"),
        ({"servers": ["https://updates.example.com/"]}, "servers[0]"),
        ({"servers": ["https://user@updates.example.com"]}, "servers[0]"),
        ({"servers": ["https://updates.example.com:0"]}, "servers[0]"),
        ({"servers": ["https://updates.example.com:65536"]}, "servers[0]"),
        ({"servers": ["https://"]}, "servers[0]"),
        ({"servers": ["https://[::1"]}, "servers[0]"),
        ({"pins": [SPARE_PIN]}, "pins"),
        ({"pins": [SPARE_PIN, SPARE_PIN]}, "pins[1]"),
        ({"pins": [SPARE_PIN, "sha256//AAAA"]}, "pins[1]"),
        ({"pins": [SPARE_PIN, SPARE_PIN.replace("sha256", "sha1")]}, "pins[1]"),
        ({"pins": [SPARE_PIN, f"{SPARE_PIN};{SPARE_PIN}"]}, "pins[1]"),
        ({"proxy": "https://proxy:1"}, "proxy"),
        ({"proxy": "http://user:se@cret@proxy:1"}, "proxy"),
        ({"proxy": "http://user:se%cret@proxy:1"}, "proxy"),
        ({"proxy": "http://:secret@proxy:1"}, "proxy"),
        ({"proxy": "http://@proxy:1"}, "proxy"),
        ({"proxy": "http://user:secret@proxy:1/x"}, "proxy"),
        ({"tries": 0}, "tries"),
        ({"tries": 101}, "tries"),
    ],
)
def test_a_mistake_is_reported_with_its_line(lab, changes, key):
    lines = mistakes(lab, changes)
    assert len(lines) == 1
    number, text = lines[0].split(": ", 1)
    assert int(number) > 0 and text.startswith(f"`{key}` ")


def test_an_unknown_key_is_refused(lab):
    assert len(mistakes(lab, {"insecure": "true"})) == 1


def test_a_file_of_the_configuration_that_is_missing_is_named(lab, serve):
    server = serve(answer("200 OK", LICENCE))
    spot = lab.spot(server, ca="nothing.crt")
    assert spot.fails(3, "list") == f"cannot open {spot.folder}/nothing.crt: No such file or directory"
    assert server.accepted == 0


def test_a_key_of_another_certificate_is_a_mistake_of_the_configuration(lab, world, serve):
    spot = lab.spot(serve(answer("200 OK", LICENCE)), key=str(world.identity("globex").key))
    assert "cannot use the CA, certificate or key" in spot.fails(3, "list")


@pytest.mark.parametrize(
    "arguments", [[], ["--nonsense", "list"], ["lost"], ["list", "more"], ["-c"]]
)
def test_a_wrong_command_line_is_exit_code_2(arguments):
    done = common.run([PROGRAM, *arguments])
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"usage: spot " in done.stderr


@pytest.mark.parametrize(
    "arguments",
    ["list --max 1", "cache verify --max 1", "fetch x --from y", "catalogue check x --sign y",
     "update --grace 1d", "mirror x --to y"],
)  # fmt: skip
def test_an_option_that_a_command_does_not_take_is_not_passed_over(arguments):
    done = common.run([PROGRAM, *arguments.split()])
    command = re.split(" (?=--)", arguments)
    name = " ".join(word for word in command[0].split() if word not in "xy")
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"spot: {name} does not take {command[1].split()[0]}\nusage:")


@pytest.mark.parametrize(
    "arguments, detail",
    [
        ([], "no command"),
        (["nonsense"], "no such command: nonsense"),
        (["list", "more"], "not as many arguments as it takes: list"),
        (["cache", "verify", "--max", "1G"], "cache verify does not take --max"),
    ],
)
def test_a_wrong_command_line_is_one_json_object_when_asked_for(arguments, detail):
    done = common.run([PROGRAM, "--json", *arguments])
    assert done.returncode == 2 and b"usage:" in done.stderr
    assert json.loads(done.stdout) == {"failure": "usage", "exit_code": 2, "detail": detail}


def test_the_manual_has_each_exit_code_with_its_word():
    client = Path(__file__).resolve().parents[2] / "client"
    table = re.findall(r'X\(FAILURE_\w+, (\d+), "([a-z-]+)"\)', (client / "common/failure.h").read_text())
    manual = re.findall(r"^\.It (\d+) Pq ([a-z-]+)$", (client / "spot.1").read_text(), re.MULTILINE)
    assert len(manual) > 10
    assert [("0", "none"), *manual] == table


def test_version_and_help():
    assert common.run([PROGRAM, "-V"]).stdout.startswith(b"spot ")
    assert common.run([PROGRAM, "--help"]).stdout.startswith(b"usage: spot ")


def test_output_that_cannot_be_written_is_a_failure(lab, serve):
    spot = lab.spot(serve(answer("200 OK", LICENCE)))
    done = common.run(["sh", "-c", f"{PROGRAM} -c {spot.file} list >/dev/full"])
    assert done.returncode == 1
    assert b"cannot write to standard output" in done.stderr
