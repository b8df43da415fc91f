"""Catalogues come, go, end and are not believed: what the gate then serves, and that nothing else is
read meanwhile."""

import ctypes
import json
import os
import re
import shutil
import signal
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.gateway import policy
from mirrorgate_test.spot import PROGRAM

from test_end_dates import just_before_midnight
from test_integrity import (
    FILES, TEXT, ZIP, assert_as_catalogued, assert_marked, assert_unchecked, change, checking,
    metric, sold, tag,
)  # fmt: skip
from test_loader import find_loader
from test_resumption import visit_without_tickets
from test_spot_catalogue import sign_anew
from test_spot_fetch import BASE, FUTURE, publish

OLD_DAY = "2020-01-01"
MANY = 24  # catalogues whose reading takes a while
RENAME_EXCHANGE = 2  # <linux/fs.h>
AT_FDCWD = -100


@pytest.fixture(name="shop")
def gate_of_version_10_3(lab, release):
    return sold(lab, release)


# --- they come and go


def until_checked(gate, path, content):
    def checked():
        response = gate.get(path)
        return response.status == 200 and response.header("ETag") == tag(content)

    common.wait_until(checked, f"{path} is checked")


def test_a_version_that_is_added_is_checked_without_sighup(shop, release):
    [stub] = shop.stores
    start = len(shop.stderr)
    publish(stub.root, release, "10.4", {"core.zip": b"newer"})
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.4/ added, now 2 valid .*", start)
    until_checked(shop, f"/{BASE}/10.4/core.zip", b"newer")
    assert_as_catalogued(shop.get(ZIP), FILES["core.zip"])
    assert metric(shop, "catalogues") == 2
    assert metric(shop, "catalogue_files") == len(FILES) + 1
    assert time.time() < metric(shop, "catalogues_expiry_timestamp_seconds")


def test_a_version_whose_folder_is_exchanged_is_checked_as_what_it_now_is(shop, release):
    [stub] = shop.stores
    staged = stub.root / BASE / ".staged"
    shutil.copytree(stub.root / BASE / "10.3", staged)
    store.write(staged, "doc/a.txt", b"exchanged")
    done = common.run([PROGRAM, "catalogue", "make", staged, "--product", "step-core",
                       "--version", "10.3", "--expires", FUTURE, "--sign", release])  # fmt: skip
    assert done.returncode == 0, done.stderr
    start = len(shop.stderr)
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(staged), os.fsencode(stub.root / BASE / "10.3")
    assert libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ replaced, now 1 valid .*", start)
    until_checked(shop, TEXT, b"exchanged")


@pytest.mark.parametrize("loss", ["catalogue", "folder"])
def test_a_version_that_has_lost_its_good_catalogue_is_not_served_unchecked(shop, release, loss):
    folder = shop.stores[0].root / BASE / "10.3"
    elsewhere = folder.with_name("newest")
    start = len(shop.stderr)
    if loss == "catalogue":
        (folder / "catalogue.json").unlink()
    else:
        folder.rename(elsewhere)
    said = f"nothing below /{BASE}/10\\.3/ is served: it has had a good catalogue, which is gone"
    shop.wait_line(rf"mirrorgate: error: catalogues: {said}", start)
    shop.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ lost, now 0 valid .*", start)
    shop.wait_generation(start)
    assert_marked(shop, TEXT)
    assert metric(shop, "catalogues_lost") == 1
    if loss == "folder":
        elsewhere.rename(folder)
    publish(folder.parents[2], release, "10.3", FILES)
    until_checked(shop, TEXT, FILES["doc/a.txt"])
    assert metric(shop, "catalogues_lost") == 0


def test_a_change_of_catalogues_reads_nothing_else(shop, release):
    """Somebody is in the middle of editing the policy, and has not said SIGHUP."""
    [stub] = shop.stores
    good = shop.policy_file.read_text()
    shop.write_policy("serial: 7\nproducts: [half")
    with shop.connect() as connection:
        assert connection.get(ZIP).status == 200
        start = len(shop.stderr)
        publish(stub.root, release, "10.4", {"core.zip": b"newer"})
        match, _ = shop.wait_generation(start)
        assert (match[4], match[5]) == ("1", "0"), "the open connection goes on"
        until_checked(shop, f"/{BASE}/10.4/core.zip", b"newer")  # the gate may have seen half of it
        assert connection.get(f"/{BASE}/10.4/core.zip").header("ETag") == tag(b"newer")
        assert not any("policy" in line for line in shop.stderr.since(start))
    live = [re.search(r"generation (\d+) live", line) for line in shop.stderr.since()]
    shop.generation = max(int(match[1]) for match in live if match)
    shop.write_policy(good)
    shop.reload()


def test_a_change_of_catalogues_leaves_tls_and_transfers_alone(lab, release):
    large = bytes(range(256)) * 16_000
    gate = sold(lab, release, {"large.bin": large})
    _, session = visit_without_tickets(gate)
    with gate.connect(receive_buffer=16_384) as connection:
        connection.send_request("GET", f"/{BASE}/10.3/large.bin")
        response = connection.read_head()
        start = len(gate.stderr)
        (gate.stores[0].root / BASE / "10.3/large.bin").unlink()  # the store goes on reading it
        publish(gate.stores[0].root, release, "10.3", {"large.bin": b"another"})
        gate.wait_generation(start)
        assert b"".join(connection.body_pieces(response)) == large
    assert visit_without_tickets(gate, session)[0], "the session's TLS context is in force"
    until_checked(gate, f"/{BASE}/10.3/large.bin", b"another")


def test_sighup_reads_catalogues_too(lab, release):
    stub = lab.stub()
    gate = lab.gateway(stub, config=checking(stub.root, release, interval="1d"))
    publish(stub.root, release, "10.4", {"core.zip": b"newer"})
    assert_unchecked(gate.get(f"/{BASE}/10.4/core.zip"))
    # Two generations come of it, the files' and the catalogues'; the first may be outdone unannounced.
    gate.signal(signal.SIGHUP)
    until_checked(gate, f"/{BASE}/10.4/core.zip", b"newer")


def test_sighup_does_not_wait_for_catalogues_that_have_not_changed(lab, release):
    """A revocation comes through at once: they are not read again, and stay in force."""
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    publish(stub.root, release, "10.4", FILES)
    unsign(stub.root / BASE / "10.4")
    gate = lab.gateway(stub, config=checking(stub.root, release, interval="1d"))
    said = f"catalogues: nothing below /{BASE}/10.4/ is served"
    assert any(said in line for line in gate.stderr.since())
    start = len(gate.stderr)
    gate.reload(policy(serial=2))
    assert not any(said in line for line in gate.stderr.since(start))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    assert gate.get(f"/{BASE}/10.4/core.zip").status == 502


def test_what_has_not_changed_is_not_judged_again(lab, release):
    """Or one file that is touched again and again would keep a processor busy."""
    stub = lab.stub()
    for version in ("10.3", "10.4", "10.5"):
        publish(stub.root, release, version, FILES)
    for version in ("10.4", "10.5"):
        unsign(stub.root / BASE / version)
    gate = lab.gateway(stub, config=checking(stub.root, release))
    start = len(gate.stderr)
    os.utime(stub.root / BASE / "10.5/catalogue.json")
    gate.wait_line(rf"mirrorgate: error: catalogues: nothing below /{BASE}/10\.5/ is served.*", start)
    gate.wait_generation(start)
    assert not any("10.4" in line for line in gate.stderr.since(start))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    assert_marked(gate, f"/{BASE}/10.4/core.zip")


def test_a_new_policy_is_live_before_any_catalogue_is_read(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub, config=checking(stub.root, release, interval="1d", max_time="10m"))
    for version in ("10.4", "10.5"):
        publish(stub.root, release, version, FILES)
        sparse(stub.root / BASE / version, 16 << 20)
    start = len(gate.stderr)
    gate.reload(policy(serial=2))
    gate.wait_line(r"mirrorgate: info: catalogues: .*, 2 refused", start)
    lines = gate.stderr.since(start)
    live = next(i for i, line in enumerate(lines) if "generation 2 live" in line)
    judged = [i for i, line in enumerate(lines) if "is served: " in line]
    assert len(judged) == 2 and live < judged[0], lines
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])


def test_sighup_does_not_wait_for_catalogues_that_are_being_read(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    staged = stub.root / BASE / "staged"
    for version in range(MANY):  # enough to meet the loader before it is done
        shutil.copytree(stub.root / BASE / "10.3", staged / f"11.{version}")
        sparse(staged / f"11.{version}", 8 << 20)
    gate = lab.gateway(stub, config=checking(stub.root, release, max_time="10m"))
    start = len(gate.stderr)
    for folder in staged.iterdir():
        folder.rename(stub.root / BASE / folder.name)
    loader = common.wait_until(lambda: find_loader(gate), "the catalogues are read")
    os.kill(loader, signal.SIGSTOP)
    assert find_loader(gate) == loader
    gate.reload(policy(serial=2))
    assert not os.path.exists(f"/proc/{loader}")
    assert not any("catalogues: " in line for line in gate.stderr.since(start) if " info: " in line)
    gate.wait_line(rf"mirrorgate: info: catalogues: .*, {MANY} refused", start, timeout=60)


# --- the budget


def sparse(folder, size):
    with open(folder / "catalogue.json", "r+b") as file:
        file.truncate(size)


def test_a_catalogue_over_the_budget_of_bytes_is_named_and_others_are_checked(lab, release):
    """Whoever publishes a few large ones does not keep others out, wherever they stand."""
    stub = lab.stub()
    for version in ("10.2", "10.3", "10.4"):
        publish(stub.root, release, version, FILES)
    sparse(stub.root / BASE / "10.2", 150_000)
    sparse(stub.root / BASE / "10.4", 150_000)
    gate = lab.gateway(stub, config=checking(stub.root, release, max_bytes="200K"))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    [over] = [line for line in gate.stderr.since() if "over the budget (catalogues.max_bytes)" in line]
    assert "catalogue of 15" in over and ("/10.2/" in over or "/10.4/" in over)
    assert metric(gate, "catalogues_pending") == 1
    assert_marked(gate, f"/{BASE}/10.2/core.zip")
    assert_marked(gate, f"/{BASE}/10.4/core.zip")
    checked = gate.run("-t", "--unsafe-any-port")
    assert checked.returncode == 1 and "catalogues.max_bytes" in checked.stderr


# --- they are not believed


def alter(folder, *_):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace('"size":9', '"size":8'))


def unsign(folder, *_):
    (folder / "catalogue.json.p7s").unlink()


def damage_signature(folder, *_):
    (folder / "catalogue.json.p7s").write_bytes(b"no signature")


def empty(folder, *_):
    (folder / "catalogue.json").write_bytes(b"")


def sign_by_another(folder, _, other):
    sign_anew(folder, other)


def reprint(folder, release, _):
    data = json.loads((folder / "catalogue.json").read_text())
    (folder / "catalogue.json").write_text(json.dumps(data))
    sign_anew(folder, release)


def rename_product(folder, release, _):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace("step-core", "step-plus"))
    sign_anew(folder, release)


def rename_version(folder, release, _):
    text = (folder / "catalogue.json").read_text()
    (folder / "catalogue.json").write_text(text.replace("10.3", "10.4"))
    sign_anew(folder, release)


def link(folder, *_):
    (folder / "catalogue.json").rename(folder / "elsewhere.json")
    (folder / "catalogue.json").symlink_to("elsewhere.json")


def link_signature(folder, *_):
    (folder / "catalogue.json.p7s").rename(folder / "elsewhere.p7s")
    (folder / "catalogue.json.p7s").symlink_to("elsewhere.p7s")


def make_folder(folder, *_):
    (folder / "catalogue.json").unlink()
    (folder / "catalogue.json").mkdir()


def make_pipe(folder, *_):
    (folder / "catalogue.json").unlink()
    os.mkfifo(folder / "catalogue.json")


DISTRUST = {
    alter: "catalogue.json.p7s: is not a signature of this content",
    unsign: "catalogue.json.p7s cannot be read: No such file or directory",
    damage_signature: "catalogue.json.p7s: is not a CMS signature in DER",
    empty: "catalogue.json.p7s: is not a signature of this content",
    sign_by_another: "was made by another certificate than the one that is pinned",
    reprint: "catalogue.json is not in the one form that a catalogue has",
    rename_product: "catalogue.json is one of the product step-plus",
    rename_version: "catalogue.json is one of version 10.4",
    link: "catalogue.json cannot be read: it is a symbolic link",
    link_signature: "catalogue.json.p7s cannot be read: it is a symbolic link",
    make_folder: "catalogue.json cannot be read",
    make_pipe: "catalogue.json cannot be read",
}


def restore(folder, release):
    for name in ("catalogue.json", "catalogue.json.p7s"):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    publish(folder.parents[2], release, folder.name, FILES)


@pytest.mark.parametrize("spoil", DISTRUST, ids=lambda spoil: spoil.__name__)
def test_nothing_is_served_below_a_catalogue_that_cannot_be_trusted(shop, release, other, spoil):
    [stub] = shop.stores
    folder = stub.root / BASE / "10.3"
    publish(stub.root, release, "10.2", {"core.zip": b"older"})
    until_checked(shop, f"/{BASE}/10.2/core.zip", b"older")
    start = len(shop.stderr)
    spoil(folder, release, other)

    def refused():
        return shop.get(f"/{BASE}/10.3/catalogue.json").status == 502

    common.wait_until(refused, "the version is refused")
    reason = re.escape(DISTRUST[spoil])
    shop.wait_line(
        rf"mirrorgate: error: catalogues: nothing below /{BASE}/10\.3/ is served: .*{reason}.*", start
    )
    assert_marked(shop, TEXT)
    assert_marked(shop, f"/{BASE}/10.3/none")
    assert metric(shop, "catalogues_refused") == 1
    assert shop.get(f"/{BASE}/10.2/core.zip").body == b"older"
    checked = shop.run("-t", "--unsafe-any-port")
    assert checked.returncode == 1 and DISTRUST[spoil] in checked.stderr, checked.stderr
    shop.generation = int(shop.get("/status.json", who="ops").json()["generation"])
    shop.reload(policy(serial=2))
    assert_marked(shop, TEXT)
    restore(folder, release)
    until_checked(shop, TEXT, FILES["doc/a.txt"])
    assert metric(shop, "catalogues_refused") == 0
    assert shop.run("-t", "--unsafe-any-port").returncode == 0


def test_a_gate_starts_in_spite_of_a_catalogue_that_cannot_be_trusted(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    alter(stub.root / BASE / "10.3")
    gate = lab.gateway(stub, config=checking(stub.root, release))
    assert_marked(gate, ZIP)
    assert_unchecked(gate.get("/artifacts/step-core/small.txt"))


def test_two_products_may_share_a_folder_of_versions(lab, release):
    data = policy()
    data["products"][1]["paths"] = [f"/{BASE}/"]
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    publish(stub.root, release, "7.1", {"plus.zip": b"plus"}, product="step-plus")
    gate = lab.gateway(stub, policy=data, config=checking(stub.root, release))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    assert_as_catalogued(gate.get(f"/{BASE}/7.1/plus.zip"), b"plus")


def test_a_folder_that_goes_away_is_not_taken_for_one_without_catalogues(lab, release):
    stub = lab.stub()
    mirrored = lab.new_folder("catalogues")
    publish(mirrored, release, "10.3", FILES)
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub, config=checking(mirrored, release))
    assert_as_catalogued(gate.get(ZIP), FILES["core.zip"])
    mirrored.rename(mirrored.with_suffix(".away"))
    common.wait_until(lambda: gate.get(ZIP).status == 502, "all is refused")
    mirrored.with_suffix(".away").rename(mirrored)
    until_checked(gate, ZIP, FILES["core.zip"])


@pytest.mark.parametrize("missing", ["folder", "signer"])
def test_without_folder_or_signer_there_is_no_start(lab, release, missing):
    stub = lab.stub()
    config = checking(stub.root, release)
    config["catalogues"][missing] = "/nonexistent/file"
    gate = lab.prepared(stub, config=config)
    for flags in (["-t"], []):
        done = gate.run(*flags, "--unsafe-any-port")
        assert done.returncode == 1
        assert "/nonexistent/file: cannot open: No such file or directory" in done.stderr


def test_a_catalogue_that_was_never_seen_before_it_expired_is_as_none(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    catalogue = stub.root / BASE / "10.3/catalogue.json"
    catalogue.write_text(catalogue.read_text().replace(FUTURE, OLD_DAY))
    sign_anew(catalogue.parent, release)
    gate = lab.gateway(stub, config=checking(stub.root, release))
    assert any(
        re.fullmatch(rf"mirrorgate: warning: .* /{BASE}/10\.3/ has expired \({OLD_DAY}\).*", line)
        for line in gate.stderr.since()
    )
    change(gate, TEXT, b"other")
    assert_unchecked(gate.get(TEXT))
    assert metric(gate, "catalogues_expired") == 1
    assert gate.run("-t", "--unsafe-any-port").returncode == 0


def test_a_catalogue_ends_with_its_last_day(lab, release):
    stub = lab.stub()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    publish(stub.root, release, "10.3", FILES, expires=today)
    publish(stub.root, release, "10.4", FILES)
    gate = lab.gateway(
        stub, config=checking(stub.root, release), shell=just_before_midnight(4 * common.PATIENCE)
    )
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])
    gate.wait_line(rf"mirrorgate: info: catalogues: /{BASE}/10\.3/ expired, now 1 valid .*")
    gate.wait_generation(0)
    assert_as_catalogued(gate.get(TEXT), FILES["doc/a.txt"])  # it was good: never unchecked
    assert_as_catalogued(gate.get(f"/{BASE}/10.4/doc/a.txt"), FILES["doc/a.txt"])
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0


def test_the_switch_turns_it_all_off(lab, release):
    gate = sold(lab, release)
    off = lab.gateway(gate.stores[0], config=checking(gate.stores[0].root, release, check=False))
    change(gate, TEXT, b"none text")
    alter(gate.stores[0].root / BASE / "10.3")
    response = off.get(TEXT)
    assert response.body == b"none text"
    assert_unchecked(response)
    assert off.run("-t", "--unsafe-any-port").returncode == 0
