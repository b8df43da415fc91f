"""spot snapshot: exactly what is shown is sent, and nothing that was to be sent is lost or doubled."""

import hashlib
import json
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest
from mirrorgate_test import common
from mirrorgate_test.gateway import policy
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM, answer, read_head

from test_spot_fetch import publish

LIST = "# what we have\nstep-core 10.3.1\n\nother\t1.0~rc1\n"
TEXT = (
    b'{"components":[{"name":"other","version":"1.0~rc1"},'
    b'{"name":"step-core","version":"10.3.1"}],"format":"thin-snapshot/1","system":"prod-1"}\n'
)
SHA256 = hashlib.sha256(TEXT).hexdigest()
STORED = {f"acme/prod-1/{SHA256}.json": TEXT}


def given(spot, text=LIST, name="list"):
    file = spot.folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def folder(spot, name):
    """The files of a folder of the state, sorted."""
    return sorted((spot.folder / "state" / name).iterdir())


@pytest.fixture(name="shop")
def gate_and_store(lab):
    stub, rules = lab.stub(), policy()
    for customer in rules["customers"]:
        customer["snapshots_per_day"] = 0  # the kills below may take more than a day's
    spot = lab.spot(lab.gateway(stub, policy=rules), tries=1)
    spot.store = stub
    return spot


@pytest.fixture(name="cut")
def without_server(lab):
    """An installation whose server does not answer."""
    gone = common.free_address_of_nobody(socket.socket)
    yield lab.spot(servers=[f"https://127.0.0.1:{gone.getsockname()[1]}"], tries=1)
    gone.close()


def put(connection):
    """Reads one upload; its head and its content."""
    head = read_head(connection)
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )  # fmt: skip
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return head, body


def receipt(body, system="prod-1", **changes):
    digest = hashlib.sha256(body).hexdigest()
    value = {
        "customer": "acme", "name": system, "sha256": digest, "bytes": len(body), "components": 2,
        "path": f"/snapshots/acme/{system}/{digest}.json", "request_id": "1", **changes,
    }  # fmt: skip
    return answer("201 Created", json.dumps(value).encode())


def test_what_is_shown_is_what_the_store_gets(shop):
    file = given(shop)
    with shop.store.untouched():
        shown = subprocess.run(
            [PROGRAM, "snapshot", "prod-1", "--from", file, "--dry-run"], capture_output=True,
            check=True,
        )  # fmt: skip
    assert (shown.stdout, shown.stderr) == (TEXT, b"")
    done = shop.run("snapshot", "prod-1", "--from", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert shop.store.snapshots() == STORED
    (kept,) = folder(shop, "receipts")
    assert done.stderr == f"spot: the snapshot of prod-1 is filed; receipt: {kept}\n"
    assert json.loads(kept.read_text())["sha256"] == SHA256
    assert folder(shop, "outgoing") == []


def test_the_upload_is_announced_exactly(lab):
    seen = []

    def script(connection, _):
        seen.append(put(connection))
        connection.sendall(receipt(seen[-1][1]))

    spot = lab.spot(lab.server(script))
    assert spot.run("-q", "snapshot", "prod-1", "--from", given(spot)).stderr == ""
    ((head, body),) = seen
    lines = head.decode().split("\r\n")
    assert lines[0] == "PUT /snapshots/prod-1 HTTP/1.1"
    assert "Content-Type: application/json" in lines
    assert f"Content-Length: {len(TEXT)}" in lines
    (digest,) = [line for line in lines if line.startswith("Content-Digest: sha-256=:")]
    assert digest.count(":") == 3 and len(digest) == len("Content-Digest: sha-256=::") + 44
    assert body == TEXT


def test_a_ready_snapshot_is_sent_in_its_one_form(shop):
    value = json.loads(TEXT)
    value["components"].reverse()
    file = given(shop, json.dumps(value, indent=4))
    done = shop.run("--json", "snapshot", "prod-1", "--from", file)
    (kept,) = folder(shop, "receipts")
    sent = {"system": "prod-1", "sha256": SHA256, "receipt": str(kept)}
    assert json.loads(done.stdout) == {"sent": [sent]}
    assert shop.store.snapshots() == STORED


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "names no component"),
        ("a\n", ":1: "),
        ("a 1\nb 2 3\n", ":2: "),
        ("a 1\rb 2\n", ":1: "),
        ("a 1\n../b 1\n", ":2: "),
        ("a :2\n", ":1: "),
        ("a " + 65 * "1", ":1: "),
        ("a 1\nb 1\na 2\n", "a is there twice, as 1 in "),
        (b"a 1\0\n", "NUL"),
        (b"\xef\xbb\xbf\xef\xbb\xbfa 1\n", ":1: "),
        ("{}", "needs the keys"),
        ('{"format":"thin-snapshot/2","system":"prod-1","components":[]}', "thin-snapshot/1"),
        ('{"format":"thin-snapshot/1","system":"prod-2","components":[]}', "of prod-2, not of prod-1"),
        ('{"format":"thin-snapshot/1","system":"prod-1","components":[],"a":1}', "needs the keys"),
        ('{"format":"thin-snapshot/1","system":"prod-1","components":[{"name":"a"}]}', "components[0]"),
        ('{"format":"thin-snapshot/1",\n"format":"thin-snapshot/1"}', ":2: "),
        ('{"format":"thin-snapshot/1","system":"prod-1","components":[{"name":"a","version":"1\\u0000"}]}',
         ":1: "),
    ],
)  # fmt: skip
def test_a_file_that_is_no_inventory_is_refused_with_the_place(shop, text, where):
    file = given(shop, text)
    with shop.store.untouched():
        assert where in shop.fails(11, "snapshot", "prod-1", "--from", file)
    assert folder(shop, "outgoing") == []


def test_an_inventory_as_machines_write_them_is_filed(shop):
    """A byte order mark, CRLF, an epoch, an architecture, a scope, and what dpkg-query says here."""
    lines = ["@scope/core 1.2.3+build7", "libc6:amd64 2.36-9+deb12u13", "binutils 1:2.40-2"]
    dpkg = common.run(["dpkg-query", "-W", "-f", "${binary:Package}\t${Version}\n"])
    ours = [line for line in dpkg.stdout.decode().splitlines() if line.split("\t")[1:] != [""]]
    assert len(ours) > 100
    names = {line.split()[0] for line in lines}
    lines += [line for line in ours if line.split("\t")[0] not in names]
    file = given(shop, b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    done = shop.run("snapshot", "prod-1", "--from", file)
    assert done.returncode == 0, done.stderr
    (text,) = shop.store.snapshots().values()
    stored = json.loads(text)["components"]
    assert {"name": "binutils", "version": "1:2.40-2"} in stored
    assert len(stored) == len(lines)


@pytest.mark.parametrize(("width", "count"), [(1, 10_001), (128, 2_000)])
def test_what_the_gate_would_find_too_large_is_not_sent(shop, width, count):
    file = given(shop, "".join(f"{n:0{width}} 1\n" for n in range(count)))
    with shop.store.untouched():
        shop.fails(11, "snapshot", "prod-1", "--from", file)
    assert folder(shop, "outgoing") == []


# --- what is installed


@pytest.fixture(name="vendor")
def release_and_store(lab, tmp_path):
    """An installation with a release certificate, and its store."""
    stub, release = lab.stub(), issue(tmp_path, "release")
    spot = lab.spot(lab.gateway(stub), release=str(release), tries=1)
    spot.store, spot.signer = stub, release
    publish(stub.root, release, "10.3", {"core.zip": b"core"})
    return spot


def install(spot, folder):
    done = spot.run("fetch", "step-core", "--to", spot.folder / folder)
    assert done.returncode == 0, done.stderr


def shown(spot, *arguments):
    done = spot.run("snapshot", "prod-1", *arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    return [(it["name"], it["version"]) for it in json.loads(done.stdout)["components"]]


def test_what_was_fetched_is_what_is_told(vendor):
    install(vendor, "one")
    assert shown(vendor) == [("step-core", "10.3")]
    assert vendor.run("snapshot", "prod-1").returncode == 0
    [path] = vendor.store.root.glob("snapshots/acme/prod-1/*.json")
    assert json.loads(path.read_text())["components"] == [{"name": "step-core", "version": "10.3"}]


def test_an_update_changes_what_is_told_and_the_same_version_twice_is_one(vendor):
    install(vendor, "one")
    publish(vendor.store.root, vendor.signer, "10.4", {"core.zip": b"new core"})
    install(vendor, "one")
    install(vendor, "two")
    assert shown(vendor) == [("step-core", "10.4")]


def test_two_versions_are_told_by_their_folders_only(vendor):
    install(vendor, "one")
    publish(vendor.store.root, vendor.signer, "10.4", {"core.zip": b"new core"})
    install(vendor, "two")
    text = vendor.fails(11, "snapshot", "prod-1")
    assert f"10.3 in {vendor.folder}/one and as 10.4 in {vendor.folder}/two" in text
    assert shown(vendor, "--under", vendor.folder / "one") == [("step-core", "10.3")]
    assert shown(vendor, "--under", f"{vendor.folder}/two/../two") == [("step-core", "10.4")]
    text = vendor.fails(11, "snapshot", "prod-1", "--under", vendor.folder / "cache")
    assert text.startswith("nothing is installed in ")
    assert not list(vendor.store.root.glob("snapshots/**/*.json"))


def test_what_is_gone_is_not_told_but_what_cannot_be_read_is_a_failure(vendor):
    install(vendor, "one")
    install(vendor, "two")
    catalogue = vendor.folder / "one/catalogue.json"
    text = catalogue.read_text()
    catalogue.write_text("{}")
    assert str(catalogue) in vendor.fails(10, "snapshot", "prod-1")
    catalogue.write_text(text)
    shutil.rmtree(vendor.folder / "one")
    assert shown(vendor) == [("step-core", "10.3")]
    shutil.rmtree(vendor.folder / "two")
    assert "nothing is installed" in vendor.fails(11, "snapshot", "prod-1")


def test_a_damaged_record_is_a_failure_and_a_half_written_one_is_none(vendor):
    install(vendor, "one")
    [record] = (vendor.folder / "cache/installed").iterdir()
    assert record.read_text() == str(vendor.folder / "one")
    (record.parent / f"{record.name}.abcdef").write_bytes(b"/half")
    assert shown(vendor) == [("step-core", "10.3")]
    for damage in (b"", b"/other", record.read_bytes() + b"x", b"x" * 10_000):
        record.write_bytes(damage)
        assert str(record) in vendor.fails(1, "snapshot", "prod-1")


def test_a_folder_that_nobody_can_remember_is_not_finished(vendor):
    """A fetch of which snapshots would not know has no catalogue."""
    (vendor.folder / "cache").write_bytes(b"in the way")
    vendor.fails(1, "fetch", "step-core", "--to", vendor.folder / "one")
    assert not (vendor.folder / "one/catalogue.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["snapshot"],
        ["snapshot", "--under", "/opt"],
        ["snapshot", "prod-1", "--from", "list", "--under", "/opt"],
        ["snapshot", "prod-1", "--send"],
        ["snapshot", "--send", "--pending"],
        ["snapshot", "--send", "--dry-run"],
        ["snapshot", "--send", "--from", "list"],
        ["snapshot", "../x", "--from", "list"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(shop, arguments):
    shop.fails(2, *arguments)


def test_a_failed_upload_waits_and_is_sent_with_the_next(lab, cut):
    text = cut.fails(4, "snapshot", "prod-1", "--from", given(cut))
    assert text.endswith(f"; snapshots that wait in {cut.folder}/state/outgoing: 1")
    (waiting,) = folder(cut, "outgoing")
    assert waiting.read_bytes() == TEXT
    assert cut.run("snapshot", "--pending").stdout == f"{waiting.name}\n"
    pending = json.loads(cut.run("--json", "snapshot", "--pending").stdout)
    assert pending == {"waiting": [{"system": "prod-1", "sha256": SHA256, "file": waiting.name}]}

    stub = lab.stub()
    spot = lab.spot(lab.gateway(stub), state=str(cut.folder / "state"))
    done = spot.run("snapshot", "prod-2", "--from", given(spot))
    assert done.returncode == 0, done.stderr
    assert [name.split("/")[1] for name in stub.snapshots()] == ["prod-1", "prod-2"]
    assert folder(cut, "outgoing") == []


def test_the_same_snapshot_waits_once_and_a_changed_one_beside_it(cut):
    for text in (LIST, LIST, "step-core 10.4\n", LIST):
        cut.fails(4, "snapshot", "prod-1", "--from", given(cut, text))
    waiting = [file.read_bytes() for file in folder(cut, "outgoing")]
    assert len(waiting) == 3 and waiting[0] == waiting[2] == TEXT


@pytest.mark.parametrize("status", ["403 Forbidden", "413 Too Large", "422 Unprocessable"])
def test_what_is_refused_for_good_blocks_no_other(lab, cut, status):
    for name in ("bad", "good"):
        cut.fails(4, "snapshot", name, "--from", given(cut))

    def script(connection, _):
        head, body = put(connection)
        bad = b"/snapshots/bad " in head
        connection.sendall(answer(status) if bad else receipt(body, "good"))

    spot = lab.spot(lab.server(script), state=str(cut.folder / "state"))
    assert f"answers {status[:3]} to /snapshots/bad" in spot.fails(7, "-q", "snapshot", "--send")
    assert [file.name.split("-")[0] for file in folder(cut, "receipts")] == ["good"]
    snapshot, reason = folder(cut, "refused")
    assert snapshot.suffix == ".json" and f"answers {status[:3]}" in reason.read_text()
    assert folder(cut, "outgoing") == []
    assert spot.run("snapshot", "--send").returncode == 0


@pytest.mark.parametrize("status", ["429 Busy", "503 Busy", "507 Full", "401 Who"])
def test_what_may_pass_stays(lab, status):
    def script(connection, _):
        put(connection)
        connection.sendall(answer(status))

    spot = lab.spot(lab.server(script), tries=1)
    assert spot.run("snapshot", "prod-1", "--from", given(spot)).returncode in (4, 7)
    assert len(folder(spot, "outgoing")) == 1
    assert folder(spot, "refused") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": 64 * "0"},
        {"bytes": 1},
        {"name": "prod-2"},
        {"path": "/elsewhere"},
        {"customer": "globex"},
    ],
)
def test_a_receipt_for_something_else_is_none(lab, changes):
    def script(connection, _):
        _, body = put(connection)
        connection.sendall(receipt(body, **changes))

    spot = lab.spot(lab.server(script))
    assert "the receipt does not fit" in spot.fails(9, "snapshot", "prod-1", "--from", given(spot))
    assert len(folder(spot, "outgoing")) == 1
    assert folder(spot, "receipts") == []


def test_an_answer_that_is_lost_leads_to_the_same_upload_again(lab):
    bodies = []

    def script(connection, number):
        bodies.append(put(connection)[1])
        if number > 1:
            connection.sendall(receipt(bodies[-1]))

    spot = lab.spot(lab.server(script), tries=2)
    assert spot.run("snapshot", "prod-1", "--from", given(spot)).returncode == 0
    assert bodies == [TEXT, TEXT]


def test_a_snapshot_that_was_damaged_on_the_disk_is_never_sent(cut, shop):
    cut.fails(4, "snapshot", "prod-1", "--from", given(cut))
    (waiting,) = folder(cut, "outgoing")
    waiting.write_bytes(TEXT.replace(b"10.3.1", b"10.3.2"))
    shop.write(shop.file.read_text().replace(str(shop.folder / "state"), str(cut.folder / "state")))
    with shop.store.untouched():
        assert "not what was written there" in shop.fails(11, "-q", "snapshot", "--send")
    assert folder(cut, "outgoing") == []


def test_several_at_once_send_each_once(shop):
    files = [given(shop, f"step-core 10.{n}\n", f"list{n}") for n in range(6)]
    running = [
        subprocess.Popen([PROGRAM, "-q", "-c", shop.file, "snapshot", f"p{n}", "--from", file])
        for n, file in enumerate(files)
    ]
    assert [process.wait(60) for process in running] == 6 * [0]
    assert len(shop.store.snapshots()) == 6
    assert len(shop.store.requests()) == 6
    assert len(folder(shop, "receipts")) == 6


def test_killed_at_any_moment_nothing_is_lost_or_doubled(shop):
    chance = random.Random(5)
    began = time.monotonic()
    shop.run("snapshot", "prod-1", "--from", given(shop))
    whole = time.monotonic() - began
    waiting = 0
    for n in range(1000):
        if n >= 100 and waiting > 0:
            break
        file = given(shop, f"step-core 10.{n}\n")
        process = subprocess.Popen([PROGRAM, "-q", "-c", shop.file, "snapshot", "prod-1", "--from", file])
        time.sleep(chance.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        waiting += bool((shop.folder / "state" / "outgoing").exists() and folder(shop, "outgoing"))
    assert waiting > 0, f"in {n} runs"
    # Each once more, to its end: what was killed before it was on the disk was promised nothing.
    begun = {file.name[-69:-5] for file in folder(shop, "outgoing") if file.suffix == ".json"}
    begun |= {file.name[-69:-5] for file in folder(shop, "receipts") if file.suffix == ".json"}
    done = shop.run("snapshot", "--send")
    assert done.returncode == 0, done.stderr
    stored = {name.rpartition("/")[2].removesuffix(".json") for name in shop.store.snapshots()}
    receipts = {file.name[-69:-5] for file in folder(shop, "receipts")}
    assert begun and stored == receipts == begun
    assert folder(shop, "outgoing") == []


def test_what_a_killed_process_left_half_written_is_swept(shop):
    assert shop.run("snapshot", "prod-1", "--from", given(shop)).returncode == 0
    (kept,) = folder(shop, "receipts")
    state = shop.folder / "state"
    waits = f"outgoing/20261124T144329.123456789Z-prod-1-{SHA256}.json.a1B2c3"
    for name in (waits, f"receipts/{kept.name}.a1B2c3", "refused/x.json.reason.a1B2c3"):
        (state / name).write_text("{")
    assert shop.run("snapshot", "--send").returncode == 0
    assert [folder(shop, name) for name in ("outgoing", "receipts", "refused")] == [[], [kept], []]
