"""SIGHUP: the new policy holds at once for open connections; a bad one changes nothing."""

import signal

import pytest
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy
from mirrorgate_test.pki import SUBJECTS
from mirrorgate_test.yaml import dump, line_of

SMALL = "/artifacts/step-core/small.txt"
PLUS = "/artifacts/step-plus/plus.zip"


def licensed(serial, **products):
    """A policy in which each customer named has exactly those products."""
    customers = [customer(name, list(licences)) for name, licences in products.items()]
    return policy(serial, customers=customers)


@pytest.fixture
def gate(lab):
    return lab.gateway(policy=licensed(1, acme=["step-core"]), config={"workers": 2})


def test_a_licence_is_added_and_withdrawn_on_a_live_connection(gate):
    [store] = gate.stores
    with gate.connect("acme") as connection:
        assert connection.get(SMALL).status == 200
        refusal(connection.get(PLUS), 403, "not-licensed")
        assert gate.reload(licensed(2, acme=["step-core", "step-plus"])) == 2
        assert connection.get(PLUS).body == (store.root / PLUS[1:]).read_bytes()
        assert gate.reload(licensed(3, acme=["step-core"])) == 3
        with store.untouched():
            refusal(connection.get(PLUS), 403, "not-licensed")
        assert connection.get(SMALL).status == 200


def test_every_worker_has_the_new_policy(gate):
    gate.reload(licensed(2, acme=["step-plus"]))
    seen = set()
    for _ in range(30):
        with gate.connect("acme") as connection:
            response = connection.get(SMALL)
            refusal(response, 403, "not-licensed")
            seen.add(gate.log_line(response.request_id)["worker"])
            assert connection.get(PLUS).status == 200
    assert len(seen) == 2, "both workers were asked"


def test_a_new_customer_is_known_after_the_reload(gate):
    refusal(gate.get(PLUS, who="globex"), 403, "unknown-subject")
    gate.reload(licensed(2, acme=["step-core"], globex=["step-plus"]))
    assert gate.get(PLUS, who="globex").status == 200


def test_a_withdrawn_subject_is_unknown_on_its_live_connection(gate):
    [store] = gate.stores
    with gate.connect("acme") as connection:
        assert connection.get(SMALL).status == 200
        gate.reload(licensed(2, globex=["step-plus"]))
        with store.untouched():
            try:
                refusal(connection.get(SMALL), 403, "unknown-subject")
            except (OSError, Truncated):
                pass  # cut already when the generation changed
            assert connection.rest()[0] == b""
    refusal(gate.get(SMALL), 403, "unknown-subject")


def test_the_log_tells_which_generation_decided(gate):
    first = gate.get(SMALL).request_id
    gate.reload(licensed(2, acme=["step-core"]))
    second = gate.get(SMALL).request_id
    assert [gate.log_line(name)["generation"] for name in (first, second)] == [1, 2]


def test_a_licence_that_ended_yesterday_refuses_and_names_the_reason(gate):
    customers = [customer("acme", [{"id": "step-core", "until": "2021-06-30"}])]
    gate.reload(policy(2, customers=customers))
    refusal(gate.get(SMALL), 403, "licence-expired")


def test_a_download_goes_on_through_a_reload_that_keeps_its_licence(gate):
    [store] = gate.stores
    large = "/artifacts/step-core/large.bin"
    with gate.connect("acme", receive_buffer=16_384) as connection:
        connection.send_request("GET", large)
        head = connection.read_head()
        body = bytearray()
        for piece in connection.body_pieces(head):
            if not body:
                gate.reload(licensed(2, acme=["step-core", "step-plus"]))
            body += piece
        assert body == (store.root / large[1:]).read_bytes()
        assert connection.get(PLUS).status == 200


def test_many_reloads_in_a_row_lose_no_request(gate):
    with gate.connect("acme") as connection:
        for serial in range(2, 22):
            assert gate.reload(licensed(serial, acme=["step-core"])) == serial
            assert connection.get(SMALL).status == 200


GOOD = dump(licensed(2, acme=["step-core", "step-plus"], globex=["step-old"]))

BROKEN = {
    "not-yaml": ("serial: [1\n", None),
    "tab": (GOOD.replace("    subjects", "\tsubjects"), None),
    "unknown-key": (GOOD.replace("    subjects:", "    colour: red\n    subjects:", 1), "colour"),
    "repeated-key": (GOOD.replace("serial: 2", "serial: 2\nserial: 3"), "serial: 3"),
    "unknown-product": (
        GOOD.replace("      - id: step-plus", "      - id: step-none"),
        "step-none",
    ),
    "odd-path": (GOOD.replace("[/artifacts/step-old/]", '["/artifacts//old/"]'), "//old"),
    "reserved-path": (
        GOOD.replace("[/artifacts/step-old/]", "[/snapshots/]"),
        "/snapshots/",
    ),
    "odd-subject": (GOOD.replace("CN=acme-prod,O", "CN=acme-prod, O"), "CN=acme-prod, O"),
    "odd-id": (GOOD.replace("- id: acme", "- id: ACME"), "- id: ACME"),
    "odd-date": (
        GOOD.replace("      - id: step-plus", "      - id: step-plus\n        until: 2026-02-30"),
        "2026-02-30",
    ),
    "subject-twice": (GOOD.replace(SUBJECTS["globex"], SUBJECTS["acme"]), None),
}


@pytest.mark.parametrize("text, line", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_policy_changes_nothing_and_names_file_and_line(gate, text, line):
    assert text != GOOD
    with gate.connect("acme") as connection:
        assert connection.get(SMALL).status == 200
        said = gate.reload_refused(text)
        where = f"{gate.policy_file}:{line_of(text, line) if line else ''}"
        assert any(entry.startswith(f"mirrorgate: error: {where}") for entry in said), said
        assert connection.get(SMALL).status == 200
        refusal(connection.get(PLUS), 403, "not-licensed")
    assert gate.reload(GOOD) == 2, "a good one is taken after a bad one"


def test_all_problems_of_a_policy_are_told_at_once(gate):
    text = GOOD.replace("- id: globex", "- id: GLOBEX").replace("- id: acme", "- id: ACME")
    said = gate.reload_refused(text)
    for part in ("- id: GLOBEX", "- id: ACME"):
        assert any(f"{gate.policy_file}:{line_of(text, part)}:" in entry for entry in said), said


@pytest.mark.parametrize(
    "data",
    [licensed(0, acme=["step-plus"]), licensed(1, acme=["step-plus"])],
    ids=["lower-serial", "same-serial-other-content"],
)
def test_a_policy_that_is_not_newer_is_refused(gate, data):
    said = gate.reload_refused(data)
    assert any("serial" in entry for entry in said)
    assert gate.get(SMALL).status == 200
    refusal(gate.get(PLUS), 403, "not-licensed")


def test_a_failing_assert_of_the_policy_is_a_refusal(gate):
    wanted = {"subject": SUBJECTS["acme"], "download": PLUS, "expect": "allow"}
    data = licensed(2, acme=["step-core"]) | {"assert": [wanted]}
    said = gate.reload_refused(data)
    line = line_of(gate.policy_file.read_text(), "  - subject:")
    assert any(f"{gate.policy_file}:{line}" in entry for entry in said), said
    assert gate.get(SMALL).status == 200


def test_a_policy_that_is_missing_is_a_refusal(gate):
    gate.policy_file.unlink()
    start = len(gate.stderr)
    gate.signal(signal.SIGHUP)
    gate.wait_line(r"mirrorgate: error: reload refused, generation 1 stays in force: .+", start)
    assert any(str(gate.policy_file) in entry for entry in gate.stderr.since(start))
    assert gate.get(SMALL).status == 200


def test_a_policy_fails_at_start_as_it_does_at_a_reload(lab):
    gate = lab.prepared(lab.stub(), policy=BROKEN["unknown-product"][0])
    done = gate.run("--unsafe-any-port")
    assert done.returncode == 1
    line = line_of(BROKEN["unknown-product"][0], "step-none")
    assert f"mirrorgate: error: {gate.policy_file}:{line}:" in done.stderr
    assert "live on" not in done.stderr
