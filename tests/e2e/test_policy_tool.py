"""mirrorgate-policy: check, explain, diff, compile and dump, as an operator uses them."""

import json
import os
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import customer
from mirrorgate_test.gateway import policy as licences_of
from mirrorgate_test.yaml import dump

TOOL = common.BUILD / "mirrorgate-policy"
ACME = "CN=acme-prod,O=Acme Corp,C=DK"
SMALL = "/artifacts/step-core/small.txt"
PROBE = "CN=lb-probe,O=Mirror Operations,C=DK"
POLICY = f"""\
serial: 12
products:
  - {{id: core, paths: [/artifacts/core/], except: [/artifacts/core/internal/]}}
customers:
  - id: acme
    subjects: ["{ACME}"]
    products: [{{id: core, from: 2026-01-01, until: 2026-12-31}}]
probes: ["{PROBE}"]
assert:
  - {{subject: "{ACME}", download: /artifacts/core/x, expect: allow, at: 2026-06-01}}
"""


def tool(*arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=30, check=False)


def licences(serial, **products):
    """A policy for the gateways of the tests, in which each customer has exactly those products."""
    return licences_of(serial, customers=[customer(name, ids) for name, ids in products.items()])


def facts(output):
    """The lines of an explanation as a dictionary."""
    return dict(line.split(maxsplit=1) for line in output.splitlines())


@pytest.fixture(name="policy")
def policy_file(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture(name="image")
def compiled_image(policy, tmp_path):
    path = tmp_path / "policy.img"
    done = tool("compile", policy, "-o", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return path


@pytest.fixture(name="image_of")
def compiler(tmp_path):
    """Compiles a policy, a dictionary, to the bytes of its image."""

    def compiled(data):
        source, result = tmp_path / "licensed.yaml", tmp_path / "licensed.img"
        source.write_text(dump(data))
        assert tool("compile", source, "-o", result).returncode == 0
        return result.read_bytes()

    return compiled


def test_check_is_content_with_a_good_policy(policy):
    done = tool("check", policy)
    assert (done.returncode, done.stderr) == (0, "")
    assert "serial 12" in done.stdout


def test_check_prints_every_problem_with_file_and_line(policy):
    policy.write_text(POLICY.replace("{id: core, from", "{id: nothing, from").replace("serial: 12", "serial: x"))
    done = tool("check", policy)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f'{policy}:1: `serial` must be a whole number, not "x"',
        f'{policy}:7: product "nothing" is not defined',
    ]


def test_check_tries_the_asserts(policy):
    policy.write_text(POLICY.replace("expect: allow", "expect: not-licensed"))
    done = tool("check", policy)
    assert done.returncode == 1
    assert f"{policy}:10: assert failed" in done.stderr


@pytest.mark.parametrize(
    "when, reason",
    [
        ("2025-12-31T23:59:59Z", "licence-not-started"),
        ("2026-01-01", "allow"),
        ("2026-12-31T23:59:59Z", "allow"),
        ("2027-01-01", "licence-expired"),
    ],
)
def test_explain_tells_verdict_customer_product_and_dates(policy, when, reason):
    done = tool("explain", policy, "--subject", ACME, "--download", "/artifacts/core/x", "--at", when)
    allowed = reason == "allow"
    assert done.returncode == (0 if allowed else 1)
    told = facts(done.stdout)
    assert told["verdict"] == ("allowed" if allowed else "refused")
    assert told["reason"] == reason
    assert (told["customer"], told["product"]) == ("acme", "core")
    assert "from 2026-01-01 until 2026-12-31" in told["licence"]


@pytest.mark.parametrize(
    "subject, question, reason",
    [
        (ACME, ["--download", "/artifacts/core/internal/x"], "not-licensed"),
        (ACME, ["--download", "/metrics"], "not-permitted"),
        (ACME, ["--snapshot", "prod-1"], "allow"),
        (ACME, ["--snapshot", "../x"], "not-permitted"),
        (PROBE, ["--snapshot", "prod-1"], "not-permitted"),
        ("CN=nobody", ["--download", "/artifacts/core/x"], "unknown-subject"),
    ],
)
def test_explain_names_the_reason(policy, subject, question, reason):
    done = tool("explain", policy, "--subject", subject, *question)
    assert done.returncode == (0 if reason == "allow" else 1)
    assert facts(done.stdout)["reason"] == reason
    assert "product" not in facts(done.stdout)


CORE = ["--download", "/artifacts/core/x", "--at", "2026-06-01"]


@pytest.mark.parametrize(
    "subject, question, line, text",
    [
        (ACME, CORE, 7, "licence of acme for core"),
        (ACME, ["--download", "/artifacts/core/x", "--at", "2030-01-01"], 7, "licence of acme for core"),
        (ACME, ["--download", "/artifacts/core/internal/x"], 3, "product core excepts /artifacts/core/internal/"),
        (ACME, ["--download", "/elsewhere"], 5, "no licence of acme covers the path"),
        (ACME, ["--download", "/metrics"], None, "the path is the gateway's own"),
        (ACME, ["--snapshot", "prod-1"], 6, "acme may file snapshots"),
        (ACME, ["--snapshot", "../x"], None, "the name of the snapshot is malformed"),
        (PROBE, CORE, 8, "this subject is a probe, which may neither download nor file snapshots"),
        ("CN=nobody", CORE, None, "the subject is no customer's, no probe and no observer"),
    ],
)
def test_explain_names_the_deciding_rule_with_file_and_line(policy, image, subject, question, line, text):
    told = facts(tool("explain", policy, "--subject", subject, *question).stdout)
    assert told["rule"] == f"{policy}:{f'{line}:' if line else ''} {text}"
    told = facts(tool("explain", image, "--subject", subject, *question).stdout)
    assert told["rule"] == f"{image}: {text} (an image has no lines)"


def test_explain_tells_the_licence_that_decides_among_several(policy):
    licences_text = """\
      - {id: core, until: 2025-12-31}
      - id: core
        from: 2026-01-01
        until: 2026-12-31
      - {id: core, from: 2027-01-01}
"""
    line = "    products: [{id: core, from: 2026-01-01, until: 2026-12-31}]\n"
    assert line in POLICY
    policy.write_text(POLICY.replace(line, "    products:\n" + licences_text))
    for when, rule_line, dates in (
        ("2026-06-01", 9, "from 2026-01-01 until 2026-12-31"),
        ("2027-06-01", 12, "from 2027-01-01"),
    ):
        question = ["--subject", ACME, "--download", "/artifacts/core/x", "--at", when]
        told = facts(tool("explain", policy, *question).stdout)
        assert told["licence"] == dates
        assert told["rule"].startswith(f"{policy}:{rule_line}: ")


def test_explain_as_json(policy):
    done = tool("explain", policy, "--subject", ACME, *CORE, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "verdict": "allowed",
        "reason": "allow",
        "subject": ACME,
        "issuer": None,
        "role": "customer",
        "customer": "acme",
        "download": "/artifacts/core/x",
        "snapshot": None,
        "at": "2026-06-01T00:00:00Z",
        "product": "core",
        "licence": {"from": "2026-01-01", "until": "2026-12-31", "line": 7},
        "path": {"path": "/artifacts/core/", "line": 3},
        "rule": {"file": str(policy), "line": 7, "text": "licence of acme for core"},
    }


def test_explain_tells_which_ca_has_to_certify_the_subject(policy):
    question = ["--subject", ACME, *CORE]
    policy.write_text(POLICY.replace("  - id: acme\n", "  - id: acme\n    issuer: CN=Our CA\n"))
    for issuer in ([], ["--issuer", "CN=Our CA"]):
        done = tool("explain", policy, *question, *issuer)
        assert done.returncode == 0 and facts(done.stdout)["issuer"] == "CN=Our CA"
    done = tool("explain", policy, *question, "--issuer", "CN=Other CA")
    told = facts(done.stdout)
    assert (done.returncode, told["reason"]) == (1, "unknown-subject")
    assert told["rule"].endswith("the subject counts only when CN=Our CA has certified it")
    assert tool("explain", policy, *question, "--issuer", "Our CA").returncode == 2
    policy.write_text(policy.read_text().replace("CN=Our CA", "cn=Our CA"))
    assert 'issuer "cn=Our CA" is not canonical' in tool("check", policy).stderr


def test_explain_tells_the_limits_of_who_uploads(policy):
    told = facts(tool("explain", policy, "--subject", ACME, "--snapshot", "a").stdout)
    assert told["limits"] == "snapshots_per_day 100, requests_per_second none, connections none"
    limits = "  - id: acme\n    requests_per_second: 200\n    snapshots_per_day: 0\n"
    policy.write_text(POLICY.replace("  - id: acme\n", limits))
    told = tool("explain", policy, "--subject", ACME, "--snapshot", "a", "--json").stdout
    assert json.loads(told)["limits"] == {
        "snapshots_per_day": None, "requests_per_second": 200, "connections": None
    }  # fmt: skip


def test_explain_as_json_has_null_where_there_is_nothing(image):
    done = tool("explain", image, "--subject", "CN=nobody", "--snapshot", "x", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["verdict"], told["role"], told["customer"]) == ("refused", "none", None)
    assert told["rule"]["file"] == str(image) and told["rule"]["line"] is None
    assert "licence" not in told and "product" not in told


def test_an_image_answers_as_its_policy_does(policy, image):
    assert tool("check", image).returncode == 0
    answers = [tool("explain", name, "--subject", ACME, *CORE).stdout.splitlines() for name in (policy, image)]
    for line, of_image in zip(*answers):
        assert of_image == line.replace(" (line 3)", "") or line.startswith("rule ")


def test_compile_gives_the_same_bytes_and_leaves_nothing_else(policy, image, tmp_path):
    before = image.read_bytes()
    assert tool("compile", policy, "-o", image).returncode == 0
    assert image.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["policy.img", "policy.yaml"]


def test_a_bad_policy_leaves_the_image_of_the_last_good_one(policy, image, tmp_path):
    before = image.read_bytes()
    policy.write_text(POLICY + "nonsense: 1\n")
    assert tool("compile", policy, "-o", image).returncode == 1
    assert image.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["policy.img", "policy.yaml"]


def test_an_image_that_cannot_be_written_is_told(policy, tmp_path):
    done = tool("compile", policy, "-o", tmp_path / "missing" / "policy.img")
    assert done.returncode == 1
    assert "cannot create" in done.stderr
    (tmp_path / "folder").mkdir()
    done = tool("compile", policy, "-o", tmp_path / "folder")
    assert done.returncode == 1
    assert "cannot rename" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["folder", "policy.yaml"]


def test_a_cut_image_is_refused(image):
    image.write_bytes(image.read_bytes()[:-1])
    done = tool("check", image)
    assert (done.returncode, done.stderr) == (1, f"{image}: is an incomplete policy image\n")


def test_what_is_dumped_compiles_to_the_same_image(image, tmp_path):
    done = tool("dump", image)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'paths: ["/artifacts/core/"]' in done.stdout
    dumped = tmp_path / "dumped.yaml"
    dumped.write_text(done.stdout)
    again = tmp_path / "again.img"
    assert tool("compile", dumped, "-o", again).returncode == 0
    assert again.read_bytes() == image.read_bytes()


def test_a_policy_and_its_image_have_one_dump(policy, image):
    assert tool("dump", policy).stdout == tool("dump", image).stdout


def test_a_dump_that_cannot_be_written_is_told(image):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([TOOL, "dump", image], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot write to standard output" in done.stderr


NEXT = POLICY.replace("serial: 12", "serial: 13").replace("until: 2026-12-31", "until: 2027-12-31")


@pytest.fixture(name="next_policy")
def next_policy_file(tmp_path):
    path = tmp_path / "next.yaml"
    path.write_text(NEXT.replace(PROBE, "CN=new-probe"))
    return path


def test_diff_tells_who_gains_and_who_loses_what(policy, next_policy):
    done = tool("diff", policy, next_policy)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "subject    + CN=new-probe: probe",
        f"subject    - {PROBE}: probe",
        "licence    ~ acme core: from 2026-01-01 until 2026-12-31 -> from 2026-01-01 until 2027-12-31",
        "access     ~ acme /artifacts/core/ except /artifacts/core/internal/: "
        "from 2026-01-01 until 2026-12-31 -> from 2026-01-01 until 2027-12-31",
        "serial     12 -> 13",
        "summary    customers +0 -0, products +0 -0, paths +0 -0, exceptions +0 -0, "
        "subjects +1 -1 ~0, limits ~0, licences +0 -0 ~1",
    ]


def test_diff_as_json_says_the_same(policy, next_policy):
    done = tool("diff", policy, next_policy, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["old"] == {"policy": str(policy), "serial": 12}
    assert told["new"] == {"policy": str(next_policy), "serial": 13}
    assert told["counts"]["licence"] == {"gained": 0, "lost": 0, "changed": 1}
    assert [(change["what"], change["change"]) for change in told["changes"]] == [
        ("subject", "gained"), ("subject", "lost"), ("licence", "changed"), ("access", "changed"),
    ]
    assert told["changes"][1] == {
        "what": "subject", "change": "lost", "subject": PROBE, "old": "probe", "new": None,
    }
    assert told["changes"][3] == {
        "what": "access",
        "change": "changed",
        "customer": "acme",
        "path": "/artifacts/core/",
        "except": ["/artifacts/core/internal/"],
        "old": [{"from": "2026-01-01", "until": "2026-12-31"}],
        "new": [{"from": "2026-01-01", "until": "2027-12-31"}],
    }


def test_diff_takes_images_and_policies_alike(policy, next_policy, image):
    assert tool("diff", image, next_policy).stdout == tool("diff", policy, next_policy).stdout
    done = tool("diff", image, policy)
    assert done.returncode == 0
    assert done.stdout == "serial     12 -> 12\nsummary    no difference\n"
    assert json.loads(tool("diff", image, policy, "--json").stdout)["changes"] == []


def test_diff_prints_the_problems_of_both(policy, next_policy):
    policy.write_text("serial: x\n")
    next_policy.write_text("serial: y\n")
    done = tool("diff", policy, next_policy)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{policy}:1: " in done.stderr and f"{next_policy}:1: " in done.stderr


def test_sighup_logs_what_the_new_policy_changes(lab):
    gate = lab.gateway(policy=licences(1, acme=["step-core"], globex=["step-plus"]))
    start = len(gate.stderr)
    gate.reload(licences(2, acme=["step-core", "step-old"], initech=["step-plus"]))
    line = gate.wait_line("mirrorgate: info: policy: .*", start)  # the workers do not wait for it
    assert line[0] == (
        "mirrorgate: info: policy: serial 1 -> 2: customers +1 -1, products +0 -0, paths +0 -0, "
        "exceptions +0 -0, subjects +1 -1 ~0, limits ~0, licences +2 -1 ~0"
    )
    start = len(gate.stderr)
    gate.reload()
    gate.wait_line("mirrorgate: info: policy: serial 2 unchanged", start)


def test_the_gateway_takes_a_compiled_image(lab, image_of):
    gate = lab.gateway()
    gate.reload(image_of(licences(2, acme=["step-plus"])))
    refusal(gate.get(SMALL), 403, "not-licensed")
    gate.reload(image_of(licences(3, acme=["step-core"])))
    assert gate.get(SMALL).status == 200


def test_a_damaged_image_leaves_the_policy_in_force(lab, image_of):
    gate = lab.gateway()
    damaged = bytearray(image_of(licences(2, acme=["step-plus"])))
    damaged[-1] ^= 1
    said = gate.reload_refused(bytes(damaged))
    assert any(f"{gate.policy_file}: is a damaged policy image" in line for line in said)
    assert gate.get(SMALL).status == 200


def test_a_policy_that_does_not_exist_is_exit_code_1():
    for arguments in (["check"], ["explain", "--subject", ACME, "--snapshot", "x"], ["compile", "-o", "/dev/null"]):
        done = tool(*arguments, "/nonexistent/policy.yaml")
        assert done.returncode == 1
        assert "/nonexistent/policy.yaml: cannot open" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["-x"],
        ["check"],
        ["check", "a", "b"],
        ["check", "a", "-o", "b"],
        ["compile", "a"],
        ["compile", "a", "-o"],
        ["dump"],
        ["dump", "a", "-o", "b"],
        ["explain", "a"],
        ["explain", "a", "--subject", ACME],
        ["explain", "a", "--subject", ACME, "--download", "/x", "--snapshot", "y"],
        ["explain", "a", "--subject", ACME, "--subject", ACME, "--download", "/x"],
        ["explain", "a", "--subject", "acme", "--download", "/x"],
        ["explain", "a", "--subject", ACME, "--download", "/x/../y"],
        ["explain", "a", "--subject", ACME, "--download", "/x", "--at", "2026-02-30"],
        ["diff", "a"],
        ["diff", "a", "b", "c"],
        ["diff", "a", "b", "--at", "2026-01-01"],
        ["check", "a", "--json"],
    ],
)
def test_wrong_usage_is_exit_code_2_and_shows_the_usage(arguments):
    done = tool(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: mirrorgate-policy" in done.stderr


def test_version_and_help():
    assert tool("-V").stdout.startswith("mirrorgate-policy ")
    usage = tool("-h")
    assert usage.returncode == 0
    for word in ("check", "explain", "diff", "compile", "dump", "--json", "--subject", "--download", "--snapshot", "--at"):
        assert word in usage.stdout
