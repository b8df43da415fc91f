"""Texts that people write, as editors of Windows leave them: a UTF-8 byte order mark, CRLF at the end of
lines. Inventories are in test_spot_snapshot.py, passphrases and PEM in test_authority_formats.py."""

import pytest
from mirrorgate_test.cases.refused import SMALL
from mirrorgate_test.spot import answer, read_head

MARK = b"\xef\xbb\xbf"
LICENCE = b'{"customer":"acme","licences":[]}'

WRITTEN = {
    "mark": lambda text: MARK + text,
    "crlf": lambda text: text.replace(b"\n", b"\r\n"),
    "both": lambda text: MARK + text.replace(b"\n", b"\r\n"),
}
in_each_way = pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())


def rewrite(file, write):
    text = file.read_bytes()
    assert MARK not in text and b"\r" not in text and text.count(b"\n") > 3
    file.write_bytes(write(text))


@in_each_way
def test_configuration_and_policy_of_the_gate(lab, write):
    gate = lab.prepared(lab.stub())
    for name in ("mirrorgate.yaml", "policy.yaml"):
        rewrite(gate.folder / name, write)
    lab.start(gate)
    assert gate.get(SMALL).status == 200
    gate.reload()
    assert gate.get(SMALL).status == 200


@in_each_way
def test_a_mistake_is_found_in_its_line(lab, write):
    gate = lab.prepared(lab.stub())
    file = gate.folder / "policy.yaml"
    lines = file.read_bytes().count(b"\n")
    file.write_bytes(file.read_bytes() + b"nonsense: 1\n")
    rewrite(file, write)
    done = gate.run("-t", "--unsafe-any-port")
    assert done.returncode == 1 and f"policy.yaml:{lines + 1}: " in done.stderr, done.stderr


@in_each_way
def test_ticket_keys(lab, world, write):
    keys = lab.new_folder("keys") / "ticket.keys"
    world.authority.run("ticket-keys", str(keys))
    keys.write_bytes(write(b"# the first\n" + keys.read_bytes().rstrip(b"\n") + b"\n"))
    gate = lab.gateway(config={"tls": {"ticket_keys": str(keys)}})
    assert gate.get(SMALL).status == 200


@in_each_way
def test_the_configuration_of_spot(lab, write):
    def script(connection, _):
        while True:
            read_head(connection)
            connection.sendall(answer("200 OK", LICENCE))

    spot = lab.spot(lab.server(script))
    rewrite(spot.file, write)
    done = spot.run("list")
    assert done.returncode == 0, done.stderr
