"""spot report: who runs what, by the snapshots of a store, whatever else lies in its folder."""

import csv
import hashlib
import html.parser
import io
import json
import os
import re
import subprocess
import sys

import pytest
from mirrorgate_test import common
from mirrorgate_test.cases.snapshots import JSON
from mirrorgate_test.spot import PROGRAM

NOON = 1_800_000_000  # 2027-01-15T08:00:00Z
TITLES = ["customer", "system", "component", "version", "newest", "state", "bad", "last_seen"]


def text_of(system, components):
    entries = [{"name": name, "version": version} for name, version in sorted(components.items())]
    value = {"components": entries, "format": "thin-snapshot/1", "system": system}
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def put(store, customer, system, text, modified=NOON):
    """Files TEXT, components or bytes, as a store does; returns the file."""
    raw = text if isinstance(text, bytes) else text_of(system, text)
    file = store / "snapshots" / customer / system / f"{hashlib.sha256(raw).hexdigest()}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(raw)
    os.utime(file, (modified, modified))
    return file


def run(store, *options):
    done = subprocess.run(
        [PROGRAM, "report", store, *options], capture_output=True, check=False,
        timeout=60 * common.PATIENCE,
    )  # fmt: skip
    stderr = done.stderr.decode()
    assert "Sanitizer" not in stderr and "runtime error:" not in stderr, stderr
    return done.returncode, done.stdout.decode(), stderr


def report(store, *options):
    """What JSON has of each component: (customer, system, component) -> the rest, and the warnings."""
    code, out, err = run(store, "--format", "json", *options)
    assert code == 0, err
    value = json.loads(out)
    warnings = err.splitlines()
    assert value["passed_over"] == len([line for line in warnings if "passed over: " in line])
    found = {}
    for system in value["systems"]:
        for component in system["components"]:
            key = (system["customer"], system["system"], component["component"])
            rest = [component[name] for name in ("version", "newest", "state", "bad")]
            found[key] = (*rest, system["last_seen"])
    return found, warnings


@pytest.fixture(name="store")
def store_of_two_customers(tmp_path):
    put(tmp_path, "acme", "prod-1", {"step-core": "10.3", "openssl": "3.0.1"})
    put(tmp_path, "acme", "test-1", {"step-core": "10.10"}, NOON + 60)
    put(tmp_path, "globex", "prod-1", {"step-core": "10.2", "@scope/core": "1:0.9"})
    return tmp_path


SEEN, LATER = "2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"
FOUND = {
    ("acme", "prod-1", "openssl"): ("3.0.1", "3.0.1", "newest", False, SEEN),
    ("acme", "prod-1", "step-core"): ("10.3", "10.10", "older", False, SEEN),
    ("acme", "test-1", "step-core"): ("10.10", "10.10", "newest", False, LATER),
    ("globex", "prod-1", "@scope/core"): ("1:0.9", "1:0.9", "newest", False, SEEN),
    ("globex", "prod-1", "step-core"): ("10.2", "10.10", "older", False, SEEN),
}


# --- what it says


def test_what_the_gate_has_filed_is_reported(lab):
    stub = lab.stub()
    with lab.gateway(stub).connect() as connection:
        for version in ("1", "2"):
            text = text_of("prod-1", {"step-core": version})
            assert connection.request("PUT", "/snapshots/prod-1", JSON, text).status == 201
            for file in stub.root.glob("snapshots/acme/prod-1/*.json"):
                os.utime(file, (NOON, NOON))
        # The first once more: its file is written anew, and so it counts again.
        text = text_of("prod-1", {"step-core": "1"})
        assert connection.request("PUT", "/snapshots/prod-1", JSON, text).status == 201
    again = stub.root / "snapshots/acme/prod-1" / f"{hashlib.sha256(text).hexdigest()}.json"
    assert again.stat().st_mtime != NOON
    os.utime(again, (NOON + 60, NOON + 60))
    expected = {("acme", "prod-1", "step-core"): ("1", "1", "newest", False, LATER)}
    assert report(stub.root) == (expected, [])


def test_each_system_of_each_customer_is_held_against_the_newest_of_all(store):
    assert report(store) == (FOUND, [])


def test_the_snapshot_that_was_modified_last_counts(store):
    put(store, "acme", "prod-1", {"step-core": "10.1"}, NOON - 1)
    put(store, "acme", "prod-1", {"step-core": "99"}, NOON - 86400)
    assert report(store)[0] == FOUND
    put(store, "acme", "prod-1", {"step-core": "10.4"}, NOON + 60)
    found, _ = report(store)
    assert found["acme", "prod-1", "step-core"] == ("10.4", "10.10", "older", False, LATER)
    assert ("acme", "prod-1", "openssl") not in found


def test_of_two_of_one_time_the_greater_name_counts(tmp_path):
    files = {put(tmp_path, "acme", "a", {"x": str(n)}).name: str(n) for n in range(20)}
    found, _ = report(tmp_path)
    assert found["acme", "a", "x"][0] == files[max(files)]


def test_versions_on_the_list_of_bad_ones_are_marked(store):
    bad = store / "bad.txt"
    bad.write_text("# known\nstep-core 10.2.0\nstep-core 10.3\n\nnobody-has-it 1\nopenssl 3.0.2\n")
    found, _ = report(store, "--bad", bad)
    marked = {key for key, value in found.items() if value[3]}
    assert marked == {("acme", "prod-1", "step-core"), ("globex", "prod-1", "step-core")}


def test_an_empty_list_marks_nothing(store):
    (store / "none").write_text("# nothing yet\n")
    assert report(store, "--bad", store / "none", "--newest", store / "none") == (FOUND, [])


def test_the_list_of_newest_versions_has_the_last_word(store):
    newest = store / "newest.txt"
    newest.write_text("step-core 10.3\nnobody-has-it 7\n")
    found, _ = report(store, "--newest", newest)
    states = {key[:2]: value[1:3] for key, value in found.items() if key[2] == "step-core"}
    assert states == {
        ("acme", "prod-1"): ("10.3", "newest"),
        ("acme", "test-1"): ("10.3", "newer"),
        ("globex", "prod-1"): ("10.3", "older"),
    }
    assert found["acme", "prod-1", "openssl"] == FOUND["acme", "prod-1", "openssl"]


@pytest.mark.parametrize("option, text, message", [
    ("--bad", "step-core\n", ":1: a line is a name and a version, with blanks between"),
    ("--bad", "step-core 1 2\n", ":1: a line is a name and a version, with blanks between"),
    ("--bad", "a<b 1\n", ":1: not a name that a snapshot may hold: a<b"),
    ("--newest", "a 1\na 2\n", "a is there twice"),
    ("--newest", None, "cannot open "),
])  # fmt: skip
def test_a_list_with_a_mistake_ends_it(store, option, text, message):
    file = store / "list"
    if text is not None:
        file.write_text(text)
    code, out, err = run(store, option, file)
    assert (code, out) == (1, "")
    assert message in err


# --- forms


def test_the_table_has_a_line_for_each_component(store):
    code, out, err = run(store)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["CUSTOMER", "SYSTEM", "COMPONENT", "VERSION", "NEWEST", "STATE", "BAD", "LAST", "SEEN"]
    assert lines[2] == ["acme", "prod-1", "step-core", "10.3", "10.10", "older", "no", SEEN]
    assert len(lines) == 1 + len(FOUND)


def test_csv_has_the_same_and_no_formula(store):
    code, out, err = run(store, "--format", "csv")
    assert (code, err) == (0, "")
    assert out.count("\r\n") == out.count("\n") == 1 + len(FOUND)
    rows = list(csv.reader(io.StringIO(out, newline=""), strict=True))
    assert rows[0] == TITLES
    found = {(*row[:2], row[2].removeprefix("'")): row[3:] for row in rows[1:]}
    assert found == {key: [*value[:3], "no", value[4]] for key, value in FOUND.items()}
    assert "'@scope/core" in [row[2] for row in rows]
    assert not [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@")]


class Page(html.parser.HTMLParser):
    """The rows of a page's table, as the texts of its cells; TAGS are all that it has."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.tags, self._inside = [], set(), False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._inside = tag in ("td", "th")

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.rows[-1][-1] += data.strip()


def test_the_page_has_the_same_and_needs_nothing_else(store):
    bad = store / "bad"
    bad.write_text("step-core 10.3\n")
    code, out, err = run(store, "--format", "html", "--bad", bad)
    assert (code, err) == (0, "")
    page = Page(out)
    assert page.rows[1] == ["acme", "prod-1", SEEN, "openssl", "3.0.1", "3.0.1", "newest"]
    assert page.rows[2][-1] == "older, known to be bad"
    assert len(page.rows) == 1 + len(FOUND)
    assert "script" not in page.tags and "link" not in page.tags
    assert "default-src 'none'" in out and "prefers-color-scheme:dark" in out
    assert not re.search(r"https?:|url\(|@import", out)


def test_json_is_asked_for_in_either_way(store):
    assert run(store, "--json") == run(store, "--format", "json")
    code, out, _ = run(store, "--json", "--format", "csv")
    assert (code, json.loads(out)["failure"]) == (2, "usage")
    assert "--json and --format csv contradict each other" in out


@pytest.mark.parametrize("value", ["xml", "", "JSON"])
def test_another_format_is_refused(store, value):
    code, out, err = run(store, "--format", value)
    assert (code, out) == (2, "")
    assert f"--format takes table, csv, json or html, not {value}" in err


def test_a_system_without_components_is_seen(tmp_path):
    put(tmp_path, "acme", "empty", {})
    assert json.loads(run(tmp_path, "--json")[1])["systems"] == [
        {"customer": "acme", "system": "empty", "last_seen": SEEN, "components": []}
    ]
    assert run(tmp_path)[1].splitlines()[1].split() == ["acme", "empty", *"-----", SEEN]
    assert run(tmp_path, "--format", "csv")[1].splitlines()[1] == f"acme,empty,,,,,,{SEEN}"
    assert Page(run(tmp_path, "--format", "html")[1]).rows[1][-1] == "no components"


# --- what lies in the folder


def test_a_store_without_snapshots_has_an_empty_report(tmp_path):
    code, out, err = run(tmp_path, "--json")
    assert (code, json.loads(out)) == (0, {"systems": [], "passed_over": 0})
    assert err == f"spot: there is no {tmp_path}/snapshots: nobody has sent a snapshot yet\n"
    for form in ("table", "csv", "html"):
        assert run(tmp_path, "--format", form)[0] == 0
    (tmp_path / "snapshots/acme/prod-1").mkdir(parents=True)
    assert report(tmp_path) == ({}, [])


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    code, out, err = run(tmp_path / "typo")
    assert (code, out) == (1, "")
    assert err == f"spot: cannot open {tmp_path}/typo: No such file or directory\n"


def damaged(store):
    file = put(store, "acme", "prod-1", {"step-core": "77"}, NOON + 60)
    file.write_bytes(file.read_bytes().replace(b"77", b"78"))
    return file, "is not what its name says"


def other_system(store):
    text = text_of("prod-2", {"step-core": "77"})
    return put(store, "acme", "prod-1", text), "is the snapshot of prod-2, not of prod-1"


def named(name):
    def make(store):
        file = store / "snapshots/acme/prod-1" / name
        file.write_text("x")
        return file, "no snapshot has such a name"

    return make


def with_text(text, message):
    return lambda store: (put(store, "acme", "prod-1", text), message)


def folder_in_place(store):
    file = store / "snapshots/acme/prod-1" / f"{'0' * 64}.json"
    file.mkdir()
    return file, "is not a regular file"


def pipe_in_place(store):
    file = store / "snapshots/acme/prod-1" / f"{'0' * 64}.json"
    os.mkfifo(file)
    return file, "is not a regular file"


def link_to_a_snapshot(store):
    outside = put(store / "outside", "acme", "prod-1", {"step-core": "77"}, NOON + 60)
    file = store / "snapshots/acme/prod-1" / outside.name
    file.symlink_to(outside)
    return file, "is a symbolic link"


def link_to_a_system(store):
    outside = put(store / "outside", "acme", "linked", {"step-core": "77"})
    file = store / "snapshots/acme/linked"
    file.symlink_to(outside.parent)
    return file, "is a symbolic link"


def link_to_a_customer(store):
    put(store / "outside", "evil", "prod-1", {"step-core": "77"})
    file = store / "snapshots/evil"
    file.symlink_to(store / "outside/snapshots/evil")
    return file, "is a symbolic link"


def customer(name):
    def make(store):
        return put(store, name, "prod-1", {"step-core": "77"}).parents[1], "no customer has such a name"

    return make


def system(name):
    def make(store):
        return put(store, "acme", name, {"step-core": "77"}).parent, "no system has such a name"

    return make


def file_among_customers(store):
    file = store / "snapshots/readme"
    file.write_text("x")
    return file, "Not a directory"


ENTRY = b'{"name":"%s","version":"%s"}'
FRAME = b'{"components":[%s],"format":"thin-snapshot/1","system":"prod-1"}\n'
STRANGE = {
    "damaged": damaged,
    "of-another-system": other_system,
    "temporary": named(f"{'0' * 64}.json.tmp"),
    "hidden": named(".nginx-upload"),
    "upper-case": named(f"{'A' * 64}.json"),
    "no-json": with_text(b"hello\n", "'[' or '{' expected"),
    "empty": with_text(b"", "'[' or '{' expected"),
    "list": with_text(b"step-core 77\n", "'[' or '{' expected"),
    "deep": with_text(b"[" * 200_000, "maximum parsing depth"),
    "too-large": with_text(FRAME % b"" + b" " * 256 * 1024, "File too large"),
    "markup": with_text(FRAME % (ENTRY % (b"<script>alert(1)</script>", b"1")), "not a name"),
    "formula": with_text(FRAME % (ENTRY % (b"=1+1", b"1")), "not a name"),
    "escapes": with_text(FRAME % (ENTRY % (b"a", b"\\u001b[31m")), "not a version"),
    "twice": with_text(FRAME % (ENTRY % (b"a", b"1") + b"," + ENTRY % (b"a", b"2")), "is there twice"),
    "folder": folder_in_place,
    "pipe": pipe_in_place,
    "link": link_to_a_snapshot,
    "linked-system": link_to_a_system,
    "linked-customer": link_to_a_customer,
    "customer-in-capitals": customer("ACME"),
    "customer-of-markup": customer("<b>"),
    "customer-of-a-formula": customer("=cmd"),
    "hidden-system": system(".hidden"),
    "system-of-line-ends": system("a\nb"),
    "system-of-escapes": system("\x1b[2J"),
    "file-among-customers": file_among_customers,
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_no_snapshot_is_told_of_and_changes_nothing(store, make):
    file, message = make(store)
    found, warnings = report(store)
    assert found == FOUND
    (warning,) = warnings
    shown = re.sub(r"[\x00-\x1f]", "?", str(file))
    assert warning.startswith("spot: warning: passed over: ") and shown in warning
    assert message in warning and warning.isprintable()


def test_strict_fails_after_the_report(store):
    assert run(store, "--strict")[0] == 0
    file, _ = damaged(store)
    whole = run(store)[1]
    code, out, err = run(store, "--strict")
    assert (code, out) == (11, whole)
    assert err.splitlines()[-1] == "spot: the report is not complete: passed over were 1"
    assert str(file) in err
    code, out, _ = run(store, "--strict", "--json")
    assert code == 11
    assert {key: json.loads(out)[key] for key in ("failure", "exit_code", "passed_over")} == {
        "failure": "bad-snapshot", "exit_code": 11, "passed_over": 1
    }  # fmt: skip
    assert run(store, "--strict", "--format", "html")[0] == 11


def test_quiet_says_nothing_of_what_was_passed_over(store):
    damaged(store)
    code, _, err = run(store, "-q")
    assert (code, err) == (0, "")


def test_links_as_the_folder_of_all_snapshots_are_an_error(store, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "snapshots").symlink_to(store / "snapshots")
    code, out, err = run(other)
    assert (code, out) == (1, "")
    assert err == f"spot: {other}/snapshots is a symbolic link\n"


def test_the_folder_itself_may_be_a_link(store, tmp_path_factory):
    link = tmp_path_factory.mktemp("other") / "link"
    link.symlink_to(store)
    assert report(link) == (FOUND, [])


def test_nothing_is_written(store):
    before = {path: path.lstat().st_mtime_ns for path in store.rglob("*")}
    for form in ("table", "csv", "json", "html"):
        run(store, "--format", form)
    assert {path: path.lstat().st_mtime_ns for path in store.rglob("*")} == before


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_it_takes_one_folder(arguments):
    done = subprocess.run([PROGRAM, "report", *arguments], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_full_output_is_an_error(store):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "report", store], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"cannot write to standard output" in done.stderr


# --- many


def test_ten_thousand_snapshots_need_little_memory(tmp_path):
    names = [f"component-{number:03}" for number in range(50)]
    for number in range(10_000):
        # A hundred customers, twenty systems each, five snapshots a system.
        components = dict.fromkeys(names, f"{number % 7}.{number % 5}")
        components["own"] = str(number)
        put(tmp_path, f"c{number % 100}", f"s{number // 500}", components, NOON + number)
    peak, out = peak_of(tmp_path)
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert len(rows) == 1 + 2000 * 51
    assert {row[3] for row in rows if row[2] == "own"} == {
        str(number) for number in range(10_000) if number % 500 >= 400
    }
    assert peak < 24 * 1024 * common.MEMORY_FACTOR, "KiB"


# A process's peak counts that of the one that it was made from: this one is small.
PEAK = """
import os, sys
with open(sys.argv[1], "wb") as out:
    actions = [(os.POSIX_SPAWN_DUP2, out.fileno(), 1)]
    pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def peak_of(store):
    """Runs the report in CSV; returns the most memory that it had, in KiB, and the report."""
    out = store / "out"
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", PEAK, out, PROGRAM, "report", store, "--format", "csv"],
        env={**os.environ, "ASAN_OPTIONS": sanitizer}, capture_output=True, text=True, check=True,
        timeout=60 * common.PATIENCE,
    )  # fmt: skip
    code, peak = map(int, done.stdout.split())
    assert (code, done.stderr) == (0, "")
    return peak, out.read_bytes().decode()
