"""spot and revocation lists: a revoked server, a revoked release certificate, and how a newer list
gets to an installation, but never an older or a forged one."""

import datetime
import json
import os
import time

import pytest
from mirrorgate_test import common, crl, pki
from mirrorgate_test.pki import Authority, Identity
from mirrorgate_test.spot import PROGRAM, answer, read_head

from test_spot_fetch import FUTURE, publish

LICENCE = b'{"customer":"acme","licences":[]}'
DAY = 24 * 60 * 60
REVOKED = "is not trusted: its certificate is revoked"


class Updates:
    """An update server that gives LISTS at /crl, a text of lists or a status line, and an empty
    licence; it remembers the paths that it was asked for."""

    def __init__(self, lab, lists="404 Not Found"):
        self.lists = lists
        self.asked = []
        self.on_crl = lambda: None
        self.server = lab.server(self._serve)
        self.port = self.server.port

    def _serve(self, connection, _number):
        while True:
            path = read_head(connection).split()[1].decode()
            self.asked.append(path)
            connection.sendall(self._answer(path))

    def _answer(self, path):
        if path != "/crl":
            return answer("200 OK", LICENCE)
        self.on_crl()
        if self.lists[:3].isdigit():
            return answer(self.lists)
        return answer("200 OK", self.lists.encode())


def file_of(spot):
    return spot.folder / "ca.crl"


def installed(lab, *servers, text=None, age=0, **keys):
    """An installation whose file of lists holds TEXT (None: there is none), which it last asked for
    AGE seconds ago."""
    spot = lab.spot(*servers, crl="ca.crl", **keys)
    if text is not None:
        file_of(spot).write_text(text)
        then = time.time() - age
        os.utime(file_of(spot), (then, then))
    return spot


def ago(days):
    return crl.now() - datetime.timedelta(days=days)


@pytest.fixture(name="ca")
def authority_of_all(world):
    return world.authority


@pytest.fixture(name="server")
def servers_certificate(ca):
    return Identity("server", "", ca.folder / "server.crt", ca.folder / "server.key")


@pytest.fixture(name="namesake", scope="module")
def ca_of_the_same_name(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("namesake") / "ca", "Test CA")


# --- what a list is for


def test_a_revoked_server_is_refused_before_the_request(lab, ca, server):
    updates = Updates(lab)
    spot = installed(lab, updates, text=crl.make(ca, 2, revoked=[server]))
    assert spot.fails(5, "list") == f"https://127.0.0.1:{updates.port} {REVOKED}"
    assert updates.asked == []


def test_a_server_that_no_list_names_is_trusted(lab, ca):
    updates = Updates(lab)
    done = installed(lab, updates, text=crl.make(ca, 2)).run("list")
    assert (done.returncode, done.stderr, updates.asked) == (0, "", ["/licence"])


def test_without_the_key_no_list_is_looked_at_or_asked_for(lab, ca, server):
    updates = Updates(lab, crl.make(ca, 2, revoked=[server]))
    assert lab.spot(updates).run("list").returncode == 0
    assert lab.spot(updates).fails(3, "crl").endswith("names no file for revocation lists: `crl`")
    assert updates.asked == ["/licence"]


@pytest.fixture(name="vendor")
def release_certificate_of_the_ca(ca, request):
    name = f"vendor-{abs(hash(request.node.nodeid)) % 10**9}"
    return ca.forge(name, rdns=pki.acme_rdns(), usages=())


def test_what_a_revoked_release_certificate_has_signed_is_not_fetched(lab, ca, vendor, tmp_path):
    stub = lab.stub()
    publish(stub.root, vendor.cert, "10.3", {"core.zip": b"zip"})
    gate = lab.gateway(stub)
    spot = installed(lab, gate, text=crl.make(ca, 2), release=str(vendor.cert))
    assert spot.run("fetch", "step-core", "--to", tmp_path / "good").returncode == 0
    file_of(spot).write_text(crl.make(ca, 3, revoked=[vendor]))
    text = spot.fails(10, "fetch", "step-core", "--to", tmp_path / "bad")
    assert text == f"{vendor.cert}: the certificate is revoked"
    assert not (tmp_path / "bad" / "core.zip").exists()


def catalogue(*arguments):
    return common.run([PROGRAM, "catalogue", *arguments])


def test_the_vendors_commands_neither_sign_nor_believe_with_a_revoked_certificate(lab, ca, vendor):
    folder = lab.new_folder("product")
    lists = folder / "ca.crl"
    told = ["--ca", ca.certificate, "--crl", lists]
    make = ["make", folder / "10.3", "--product", "step-core", "--version", "10.3",
            "--expires", FUTURE, "--sign", vendor.cert, *told]  # fmt: skip
    index = ["index", folder, "--product", "step-core", "--expires", FUTURE,
             "--sign", vendor.cert, *told]  # fmt: skip
    check = ["check", folder / "10.3", "--signer", vendor.cert, *told]
    (folder / "10.3").mkdir()
    (folder / "10.3" / "core.zip").write_bytes(b"zip")
    lists.write_text(crl.make(ca, 2))
    for command in (make, index, check):
        done = catalogue(*command)
        assert done.returncode == 0, done.stderr
    lists.write_text(crl.make(ca, 3, revoked=[vendor]))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for command, code in ((make, 3), (index, 10), (check, 10)):
        done = catalogue(*command)
        assert done.returncode == code, done.stderr
        assert b"the certificate is revoked" in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    lists.write_text(crl.make(ca, 4, issued=ago(40)))
    done = catalogue(*check)
    assert done.returncode == 12 and b"the revocation list has expired" in done.stderr
    assert catalogue(*check[:-2]).returncode == 2, "--ca without --crl"


# --- a list that cannot be relied on


def broken(ca, _):
    return crl.make(ca, 2)[:-60]


def empty(*_):
    return ""


def forged(_, namesake):
    return crl.make(namesake, 2)


def expired(ca, _):
    return crl.make(ca, 2, issued=ago(40))


def not_yet_valid(ca, _):
    return crl.make(ca, 2, issued=ago(-1))


def partial(ca, _):
    return crl.make(ca, 2, critical=True)


BAD = {
    broken: "CRL 1 cannot be read",
    empty: "holds no revocation list that is signed by a CA in",
    forged: "holds no revocation list that is signed by a CA in",
    expired: "the revocation list has expired",
    not_yet_valid: "the revocation list is not valid yet",
    partial: "the revocation list has a critical extension that is not known",
}


@pytest.mark.parametrize("flaw", BAD, ids=lambda flaw: flaw.__name__)
def test_with_a_list_that_cannot_be_relied_on_nobody_is_trusted(lab, ca, namesake, flaw):
    updates = Updates(lab)
    spot = installed(lab, updates, text=flaw(ca, namesake))
    text = spot.fails(12, "list")
    assert text.startswith(str(file_of(spot))) and BAD[flaw] in text
    assert "/licence" not in updates.asked
    file_of(spot).write_text(crl.make(ca, 3))
    assert spot.run("list").returncode == 0


def test_each_ca_of_the_configuration_needs_a_list(lab, ca):
    folder = lab.new_folder("cas")
    both, second = folder / "ca.crt", Authority(folder / "second", "Second CA")
    both.write_bytes(ca.certificate.read_bytes() + second.certificate.read_bytes())
    updates = Updates(lab)
    spot = installed(lab, updates, text=crl.make(ca, 2), ca=str(both))
    assert "holds no revocation list of CA certificate 2" in spot.fails(12, "list")
    file_of(spot).write_text(crl.make(ca, 2) + crl.make(second, 1))
    assert spot.run("list").returncode == 0


def test_a_snapshot_waits_until_there_is_a_good_list(lab, ca):
    updates = Updates(lab)
    spot = installed(lab, updates, text=expired(ca, None))
    (spot.folder / "list").write_text("step-core 10.3\n")
    text = spot.fails(12, "snapshot", "prod-1", "--from", spot.folder / "list")
    assert "the revocation list has expired; snapshots that wait in" in text
    assert updates.asked == ["/crl"]


# --- how a newer one comes


def test_the_gate_gives_the_list_that_it_goes_by(lab, ca):
    lists = lab.new_folder("crl") / "ca.crl"
    lists.write_text(crl.make(ca, 2))
    gate = lab.gateway(config={"tls": {"crl": str(lists)}})
    spot = installed(lab, gate, text=crl.make(ca, 1))
    done = spot.run("--json", "crl")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["crl"], told["changed"]) == (str(file_of(spot)), True)
    assert file_of(spot).read_text() == lists.read_text()
    assert json.loads(spot.run("--json", "crl").stdout)["changed"] is False


def test_the_first_list_may_come_from_the_server_that_it_revokes(lab, ca, server):
    updates = Updates(lab, crl.make(ca, 2, revoked=[server]))
    spot = installed(lab, updates)
    assert REVOKED in spot.fails(5, "list")
    assert updates.asked == ["/crl"]
    assert file_of(spot).read_text() == updates.lists


def test_without_any_list_nobody_is_trusted(lab):
    updates = Updates(lab)
    spot = installed(lab, updates)
    text = spot.fails(12, "list")
    assert text.endswith("ca.crl does not exist, and no server gives one")
    assert updates.asked == ["/crl"]


@pytest.mark.parametrize("age, days, is_asked", [
    (60, 30, False), (2 * DAY, 30, True), (60, 0.5, True), (-3600, 30, True),
], ids=["fresh", "long ago", "near its end", "in the future"])  # fmt: skip
def test_other_commands_ask_when_a_list_is_old_or_near_its_end(lab, ca, age, days, is_asked):
    updates = Updates(lab, crl.make(ca, 3))
    before = crl.make(ca, 2, days=days)
    spot = installed(lab, updates, text=before, age=age)
    for _ in range(2):
        done = spot.run("list")
        assert (done.returncode, done.stderr) == (0, "")
    assert updates.asked == (["/crl"] if is_asked else []) + ["/licence"] * 2
    assert file_of(spot).read_text() == (updates.lists if is_asked else before)


def test_the_age_is_configured(lab, ca):
    updates = Updates(lab, crl.make(ca, 2))
    spot = installed(lab, updates, text=updates.lists, age=DAY * 2, crl_max_age="7d")
    assert spot.run("list").returncode == 0
    assert updates.asked == ["/licence"]


def test_a_list_that_is_still_the_newest_is_not_asked_for_again_at_once(lab, ca):
    updates = Updates(lab, crl.make(ca, 2))
    spot = installed(lab, updates, text=updates.lists, age=2 * DAY)
    inode = file_of(spot).stat().st_ino
    for _ in range(2):
        assert spot.run("list").returncode == 0
    assert updates.asked == ["/crl", "/licence", "/licence"]
    assert file_of(spot).stat().st_ino == inode


def test_a_newer_list_counts_at_once_and_even_when_it_cannot_be_kept(lab, ca, server):
    updates = Updates(lab, crl.make(ca, 3, revoked=[server]))
    spot = installed(lab, updates, text=crl.make(ca, 2), age=2 * DAY)
    (spot.folder / "ca.crl.lock").mkdir()
    before = file_of(spot).read_text()
    done = spot.run("list")
    assert done.returncode == 5 and REVOKED in done.stderr
    assert "warning: a newer revocation list counts for now only: cannot write" in done.stderr
    assert file_of(spot).read_text() == before
    assert updates.asked == ["/crl"]


def test_a_newer_list_that_another_process_has_put_there_stays(lab, ca, server):
    updates = Updates(lab, crl.make(ca, 3))
    spot = installed(lab, updates, text=crl.make(ca, 2))
    newest = crl.make(ca, 4, revoked=[server])
    updates.on_crl = lambda: file_of(spot).write_text(newest)
    assert spot.run("crl").returncode == 0
    assert file_of(spot).read_text() == newest
    assert REVOKED in spot.fails(5, "list")


def test_lists_of_other_cas_and_what_else_is_sent_with_them_are_left_out(lab, ca, namesake):
    own = crl.make(ca, 3)
    updates = Updates(lab, crl.make(namesake, 9) + "a remark\n" + own)
    spot = installed(lab, updates, text=crl.make(ca, 2))
    assert spot.run("crl").returncode == 0
    assert file_of(spot).read_text() == own


# --- and which does not


def older(ca, _):
    return crl.make(ca, 1)


def too_large(ca, _):
    return crl.make(ca, 3) + "x" * (16 * 1024 * 1024)


def gone(*_):
    return "404 Not Found"


def unavailable(*_):
    return "503 Service Unavailable"


def moved(*_):
    return "301 Moved Permanently"


ANSWERS = {
    older: (9, "the revocation list of CA certificate 1 has a lower number than the one"),
    broken: (9, "the answer to /crl: CRL 1 cannot be read"),
    empty: (9, "the answer to /crl: holds no revocation list that is signed by a CA in"),
    forged: (9, "the answer to /crl: holds no revocation list that is signed by a CA in"),
    expired: (9, "the answer to /crl: the revocation list has expired"),
    not_yet_valid: (9, "the answer to /crl: the revocation list is not valid yet"),
    partial: (9, "has a critical extension that is not known"),
    too_large: (9, "the server sends more than it may for /crl"),
    gone: (8, "answers 404 to /crl"),
    unavailable: (4, "answers 503 to /crl"),
    moved: (9, "redirects are not followed"),
}


@pytest.mark.parametrize("flaw", ANSWERS, ids=lambda flaw: flaw.__name__)
def test_an_answer_that_may_not_follow_leaves_the_list_that_is_there(lab, ca, namesake, flaw):
    code, reason = ANSWERS[flaw]
    updates = Updates(lab, flaw(ca, namesake))
    good = crl.make(ca, 2)
    spot = installed(lab, updates, text=good, age=2 * DAY)
    assert reason in spot.fails(code, "crl")
    done = spot.run("list")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("spot: warning: no newer revocation list: ")
    assert reason in done.stderr
    assert file_of(spot).read_text() == good
    assert updates.asked == ["/crl", "/crl", "/licence"]


def test_an_expired_list_may_be_followed_by_no_older_one_either(lab, ca):
    updates = Updates(lab, crl.make(ca, 1))
    spot = installed(lab, updates, text=expired(ca, None))
    assert "has expired" in spot.fails(12, "list")
    updates.lists = crl.make(ca, 3)
    assert spot.run("list").returncode == 0
    assert file_of(spot).read_text() == updates.lists


def test_a_damaged_list_is_not_replaced_since_it_tells_no_number(lab, ca):
    updates = Updates(lab, crl.make(ca, 3))
    spot = installed(lab, updates, text=broken(ca, None), age=2 * DAY)
    for command in ("crl", "list"):
        assert spot.fails(12, command).endswith("if it is damaged, remove it to have it got anew")
    assert updates.asked == []
    file_of(spot).unlink()
    assert spot.run("list").returncode == 0


def test_the_next_server_is_asked_when_one_gives_nothing_for_now(lab, ca):
    first, second = Updates(lab, "503 Service Unavailable"), Updates(lab, crl.make(ca, 3))
    spot = installed(lab, first, second, text=crl.make(ca, 2))
    assert spot.run("crl").returncode == 0
    assert (first.asked, second.asked) == (["/crl"], ["/crl"])
