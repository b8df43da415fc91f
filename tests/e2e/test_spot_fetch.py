"""spot fetch: complete and verified versions, and what lying servers cannot do to them."""

import datetime
import glob
import json
import os
import re

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.gateway import policy
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM, answer, is_artifact, read_head


FUTURE = "2999-12-31"
BASE = "artifacts/step-core"
FILES = {"core.zip": b"0123456789" * 20_000, "doc/a.txt": b"", "doc/b.txt": b"text"}
LICENCE = {
    "customer": "acme",
    "licences": [
        {"product": "step-core", "paths": [f"/{BASE}/"], "except": [], "from": None, "until": None,
         "valid": True},
    ],
}  # fmt: skip


def publish(
    root, release, version, files, *more, product="step-core", expires=FUTURE, newest=True
):
    """Puts VERSION with its catalogue below ROOT, as a vendor would."""
    for name, content in files.items():
        store.write(root, f"{BASE}/{version}/{name}", content)
    folder = root / BASE / version
    done = common.run(
        [PROGRAM, "catalogue", "make", folder, "--product", product, "--version", version,
         "--expires", expires, "--sign", release, *more],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if newest:
        for name in ("catalogue.json", "catalogue.json.p7s"):
            store.write(root, f"{BASE}/{name}", (folder / name).read_bytes())


def tree(folder):
    """The files below FOLDER but for the catalogue's, with their contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("catalogue.json")
    }


@pytest.fixture(name="shop")
def gate_and_store(lab, release):
    """A gateway before a store that holds version 10.3."""
    stub = lab.stub()
    publish(stub.root, release, "10.3", FILES)
    gate = lab.gateway(stub)
    spot = lab.spot(gate, release=str(release))
    spot.store, spot.to = stub, spot.folder / "here"
    spot.gets = lambda start=0: [
        request["path"] for request in stub.requests(start) if is_artifact(request["path"])
    ]
    return spot


def fetched(spot, *arguments):
    done = spot.run("fetch", "step-core", *arguments, "--to", spot.to)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_version_arrives_complete_and_checks(shop, release):
    assert "10.3: 3 files, of which 3 were downloaded" in fetched(shop)
    assert tree(shop.to) == FILES
    done = common.run([PROGRAM, "catalogue", "check", shop.to, "--signer", release])
    assert done.returncode == 0, done.stderr


def test_what_is_there_is_not_downloaded_again(shop):
    fetched(shop)
    start = shop.store.mark()
    assert "of which 0 were downloaded" in fetched(shop)
    assert shop.gets(start) == []


def test_an_update_downloads_what_has_changed(shop, release):
    fetched(shop)
    changed = {**FILES, "doc/b.txt": b"new text"}
    publish(shop.store.root, release, "10.4", changed)
    start = shop.store.mark()
    fetched(shop)
    assert tree(shop.to) == changed
    assert shop.gets(start) == [f"/{BASE}/10.4/doc/b.txt"]


@pytest.mark.parametrize("damage", [b"", b"text!", b"tex?", None])
def test_a_damaged_file_is_repaired(shop, damage):
    fetched(shop)
    path = shop.to / "doc/b.txt"
    path.unlink() if damage is None else path.write_bytes(damage)
    start = shop.store.mark()
    told = fetched(shop)
    assert "of which 0 were downloaded (0 B), 1 were in the cache" in told
    kept = {} if damage is None else {"doc/b.txt.orig": damage}
    assert tree(shop.to) == {**FILES, **kept}
    assert ("doc/b.txt was changed here, and is kept as b.txt.orig" in told) == bool(kept)
    assert shop.gets(start) == []


def test_an_older_version_comes_when_it_is_asked_for_by_number(shop, release):
    publish(shop.store.root, release, "10.10", {"core.zip": b"newer"})
    fetched(shop)
    fetched(shop, "10.3")
    assert tree(shop.to) == FILES


def test_one_version_is_never_two_also_when_it_is_asked_for_by_number(shop, release):
    fetched(shop)
    publish(shop.store.root, release, "10.3", {**FILES, "doc/b.txt": b"TEXT"})
    refused(shop, "offers another catalogue of version 10.3", "10.3")


def refused(spot, sentence, *arguments):
    """The fetch that must be refused for its catalogue, with nothing of the store's files read."""
    before = tree(spot.to) if spot.to.exists() else {}
    start = spot.store.mark()
    text = spot.fails(10, "fetch", "step-core", *arguments, "--to", spot.to)
    assert sentence in text
    assert spot.gets(start) == []
    assert (tree(spot.to) if spot.to.exists() else {}) == before


def test_the_newest_version_never_goes_back(shop, release):
    publish(shop.store.root, release, "10.10", {"core.zip": b"newer"})
    fetched(shop)
    publish(shop.store.root, release, "10.9", {"core.zip": b"older"})
    refused(shop, "offers version 10.9 of step-core, and 10.10 is here already")


def test_one_version_is_never_two(shop, release):
    fetched(shop)
    publish(shop.store.root, release, "10.3", {**FILES, "doc/b.txt": b"TEXT"})
    refused(shop, "offers another catalogue of version 10.3")


def test_a_catalogue_may_be_signed_anew_for_longer_but_not_for_less(shop, release):
    publish(shop.store.root, release, "10.3", FILES, expires="2998-12-31")
    fetched(shop)
    publish(shop.store.root, release, "10.3", FILES)
    fetched(shop)
    publish(shop.store.root, release, "10.3", FILES, expires="2998-12-31")
    refused(shop, "offers another catalogue of version 10.3")


def test_a_catalogue_of_another_product_is_refused(shop, release):
    publish(shop.store.root, release, "10.3", FILES, product="step-plus")
    refused(shop, "is the catalogue of step-plus, not of step-core")


def test_a_catalogue_of_another_version_is_refused(shop, release):
    publish(shop.store.root, release, "10.4", FILES)
    for name in ("catalogue.json", "catalogue.json.p7s"):
        content = (shop.store.root / BASE / "10.4" / name).read_bytes()
        store.write(shop.store.root, f"{BASE}/10.3/{name}", content)
    refused(shop, "is the catalogue of version 10.4", "10.3")


def test_a_catalogue_signed_by_another_certificate_is_refused(shop, tmp_path):
    publish(shop.store.root, issue(tmp_path, "other"), "10.4", FILES)
    refused(shop, "was made by another certificate than the one that is pinned")


def test_a_frozen_catalogue_expires(shop, release):
    """The clock of the client goes on; the server shows what it always showed."""
    today = datetime.datetime.now(datetime.timezone.utc)
    until = (today + datetime.timedelta(days=1)).strftime("%Y-%m-%d")
    publish(shop.store.root, release, "10.3", FILES, expires=until)
    fetched(shop)
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    later = {
        "LD_PRELOAD": library,
        "FAKETIME": "+2d",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", ""),
    }
    text = shop.fails(10, "fetch", "step-core", "--to", shop.to, environment=later)
    assert "has expired" in text


def test_a_customer_with_few_connections_gets_its_files_over_those(lab, release):
    """429 for the third and fourth connection: spot goes on with two, and fails nothing."""
    stub = lab.stub(lab.new_folder("origin"))
    files = {f"{n}.bin": bytes(200_000) + b"%d" % n for n in range(8)}
    publish(stub.root, release, "10.3", files)
    data = policy()
    data["customers"][0]["connections"] = 2
    spot = lab.spot(
        lab.gateway(stub, policy=data), release=str(release), tries=1, connections=4, rate="1M"
    )
    done = spot.run("-v", "fetch", "step-core", "--to", spot.folder / "here")
    assert done.returncode == 0, done.stderr
    assert tree(spot.folder / "here") == files
    assert "no more than 2 connections at a time from now on" in done.stderr
    assert "trying again" not in done.stderr


def test_a_folder_of_another_product_is_left_alone(shop, release):
    fetched(shop)
    publish(shop.store.root, release, "10.5", FILES, product="step-core")
    text = (shop.to / "catalogue.json").read_text()
    (shop.to / "catalogue.json").write_text(text.replace("step-core", "step-plus"))
    done = shop.fails(1, "fetch", "step-core", "--to", shop.to)
    assert "holds step-plus, not step-core" in done


def test_a_product_without_a_licence_is_refused(shop):
    done = shop.fails(7, "fetch", "step-old", "--to", shop.to)
    assert done == "there is no licence for step-old now"


def test_a_version_that_is_not_there_is_exit_code_8(shop):
    shop.fails(8, "fetch", "step-core", "99", "--to", shop.to)


def test_a_link_in_the_folder_leads_nowhere(shop, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (shop.to / "sub").mkdir(parents=True)
    (shop.to / "doc").symlink_to(outside)
    shop.fails(1, "fetch", "step-core", "--to", shop.to)
    assert list(outside.iterdir()) == []


def test_what_a_killed_process_left_is_taken_away(shop):
    shop.to.mkdir()
    (shop.to / ".spot.part").write_bytes(b"left over")
    fetched(shop)
    assert tree(shop.to) == FILES


def test_files_that_the_new_version_does_not_name_are_taken_away(shop, release):
    """Also a file in whose place the new version has a folder, and the other way round."""
    publish(shop.store.root, release, "10.3", {**FILES, "turn": b"1", "lib/old/a": b"2"})
    fetched(shop)
    (shop.to / "mine.txt").write_bytes(b"foreign")
    new = {"core.zip": FILES["core.zip"], "turn/around": b"3", "lib/old.zip": b"4"}
    publish(shop.store.root, release, "10.4", new)
    done = shop.run("--json", "fetch", "step-core", "--to", shop.to)
    assert done.returncode == 0, done.stderr
    assert tree(shop.to) == {**new, "mine.txt": b"foreign"}
    assert not (shop.to / "doc").exists() and not (shop.to / "lib/old").exists()
    assert json.loads(done.stdout)["removed"] == 4


def test_a_file_that_was_changed_here_is_not_taken_away(shop, release):
    fetched(shop)
    (shop.to / "doc/b.txt").write_bytes(b"my own notes")
    publish(shop.store.root, release, "10.4", {"core.zip": b"new"})
    assert "doc/b.txt is left alone: 10.3 had it" in fetched(shop)
    assert tree(shop.to) == {"core.zip": b"new", "doc/b.txt": b"my own notes"}


def test_what_a_killed_fetch_had_put_down_of_another_version_is_taken_away(shop, release):
    """It was killed before the catalogue: the one beside it says what is there of that version."""
    fetched(shop)
    publish(shop.store.root, release, "10.4", {**FILES, "only-in-10.4": b"x", "other": b"y"})
    folder = shop.store.root / BASE / "10.4"
    (shop.to / ".spot.part.json").write_bytes((folder / "catalogue.json").read_bytes())
    (shop.to / "only-in-10.4").write_bytes(b"x")
    publish(shop.store.root, release, "10.5", FILES)
    fetched(shop)
    assert tree(shop.to) == FILES


def test_without_a_release_certificate_nothing_is_asked(lab):
    server = lab.server(lambda connection, _: None)
    spot = lab.spot(server)
    assert "`release`" in spot.fails(3, "fetch", "step-core", "--to", spot.folder / "here")
    assert server.accepted == 0


# --- servers that lie


class Liar:
    """A server with the licence and catalogue of a folder; ANSWERS say what it sends for core.zip,
    one request after the other: functions of the content and the request's head."""

    def __init__(self, lab, root, *answers):
        self.root, self.answers, self.heads = root, answers, []
        self.first_signature = None  # sent once instead of the right one
        self.server = lab.server(self.script)

    def script(self, connection, _):
        while True:
            head = read_head(connection)
            path = head.split()[1].decode()
            if path == "/licence":
                connection.sendall(answer("200 OK", json.dumps(LICENCE).encode()))
            elif path.endswith(".p7s") and self.first_signature is not None:
                connection.sendall(answer("200 OK", self.first_signature))
                self.first_signature = None
            elif path.endswith("index.json"):
                connection.sendall(answer("404 Not Found"))
            elif not path.endswith("core.zip"):
                connection.sendall(answer("200 OK", (self.root / path[1:]).read_bytes()))
            else:
                self.heads.append(head.decode())
                lie = self.answers[min(len(self.heads), len(self.answers)) - 1]
                connection.sendall(lie((self.root / path[1:]).read_bytes()))
                return


def whole(content):
    return answer("200 OK", content, ETag='"one"')


def cut(content):
    return answer("200 OK", content, ETag='"one"')[:-100_000]


def rest(content, *, shift=0, etag='"one"'):
    begin = len(content) - 100_000 + shift
    total = len(content)
    return answer(
        "206 Partial Content", content[begin:], ETag=etag,
        Content_Range=f"bytes {begin}-{total - 1}/{total}",
    )  # fmt: skip


@pytest.fixture(name="lied")
def fetch_from_a_liar(lab, release):
    """Fetches from a Liar with ANSWERS; returns it, the finished process and what arrived."""

    def run(*answers, first_signature=None):
        root = lab.new_folder("origin")
        publish(root, release, "10.3", FILES)
        liar = Liar(lab, root, *answers)
        liar.first_signature = first_signature
        spot = lab.spot(liar.server, release=str(release), tries=3)
        done = spot.run("fetch", "step-core", "--to", spot.folder / "here")
        return liar, done, tree(spot.folder / "here")

    return run


def test_the_liar_that_tells_the_truth_is_believed(lied):
    liar, done, files = lied(whole)
    assert (done.returncode, files, len(liar.heads)) == (0, FILES, 1), done.stderr


def test_a_catalogue_that_is_being_replaced_is_asked_for_again(lied):
    _, done, files = lied(whole, first_signature=b"of another catalogue")
    assert (done.returncode, files) == (0, FILES), done.stderr


def test_a_download_that_is_cut_goes_on_where_it_was(lied):
    liar, done, files = lied(cut, rest)
    assert (done.returncode, files) == (0, FILES), done.stderr
    assert re.search("\r\nRange: bytes=100000-\r\n", liar.heads[1])
    assert '\r\nIf-Range: "one"\r\n' in liar.heads[1]


@pytest.mark.parametrize(
    "lie",
    [
        lambda content: answer("200 OK", content, ETag='"two"'),
        lambda content: answer("200 OK", content),
        lambda content: answer("416 Range Not Satisfiable", Content_Range="bytes */200000"),
        lambda content: rest(content[:-1] + b"X"),
    ],
    ids=["changed, sent whole", "no etag, sent whole", "416", "right range, other bytes"],
)
def test_a_file_that_changed_between_two_tries_is_loaded_from_the_beginning(lied, lie):
    liar, done, files = lied(cut, lie, whole)
    assert (done.returncode, files) == (0, FILES), done.stderr
    assert "Range:" in liar.heads[1]


@pytest.mark.parametrize(
    "lies",
    [
        (cut, lambda content: rest(content, shift=1)),
        (cut, lambda content: rest(content, shift=-1)),
        (cut, lambda content: rest(content).replace(b"/200000\r\n", b"/200001\r\n")),
        (lambda content: rest(content),),
        (lambda content: answer("200 OK", content + b"more"),),
        (lambda content: answer("200 OK", content[:-1]),),
        (lambda content: answer("200 OK", b"X" + content[1:]),),
        (lambda content: answer("200 OK"),),
        (lambda content: answer("200 OK", content[:-1] + b"X", Content_Encoding="gzip"),),
        (lambda content: answer("302 Found", Location="https://127.0.0.1:1/"),),
        (lambda content: b"HTTP/1.1 200 OK\r\n\r\n" + content[:50_000],),
    ],
    ids=[
        "206 at a later byte", "206 at an earlier byte", "206 of another length", "206 unasked",
        "too long", "too short", "other bytes", "empty", "gzip", "redirect", "ends unseen",
    ],
)  # fmt: skip
def test_wrong_bytes_never_get_a_name(lied, lies):
    liar, done, files = lied(*lies)
    assert done.returncode == 9, done.stderr
    assert "core.zip" not in files
    assert files.items() <= FILES.items()
    assert len(liar.heads) <= 3


def test_an_update_that_is_cut_leaves_the_old_version_whole(lab, release):
    root = lab.new_folder("origin")
    publish(root, release, "10.3", FILES)
    liar = Liar(lab, root, whole, lambda content: answer("200 OK", content)[:-1])
    spot = lab.spot(liar.server, release=str(release), tries=1)
    assert spot.run("fetch", "step-core", "--to", spot.folder / "here").returncode == 0
    publish(root, release, "10.4", {"core.zip": b"newer", "doc/b.txt": b"changed"})
    assert spot.run("fetch", "step-core", "--to", spot.folder / "here").returncode == 4
    assert tree(spot.folder / "here") == FILES


FOLDING = """
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

static const char *fold(const char *name, char *folded)
{
    size_t i = 0;
    if (*name == '/')
        return name;
    for (; name[i] != 0 && i < PATH_MAX - 1; i++)
        folded[i] = (char)tolower((unsigned char)name[i]);
    folded[i] = 0;
    return folded;
}

#define REAL(name) *(void **)&real = dlsym(RTLD_NEXT, #name)

int openat(int a, const char *b, int c, mode_t d)
{
    char folded[PATH_MAX];
    int (*real)(int, const char *, int, mode_t);
    REAL(openat);
    return real(a, fold(b, folded), c, d);
}

int unlinkat(int a, const char *b, int c)
{
    char folded[PATH_MAX];
    int (*real)(int, const char *, int);
    REAL(unlinkat);
    return real(a, fold(b, folded), c);
}

int faccessat(int a, const char *b, int c, int d)
{
    char folded[PATH_MAX];
    int (*real)(int, const char *, int, int);
    REAL(faccessat);
    return real(a, fold(b, folded), c, d);
}

int renameat(int a, const char *b, int c, const char *d)
{
    char from[PATH_MAX], to[PATH_MAX];
    int (*real)(int, const char *, int, const char *);
    REAL(renameat);
    return real(a, fold(b, from), c, fold(d, to));
}

int renameat2(int a, const char *b, int c, const char *d, unsigned e)
{
    char from[PATH_MAX], to[PATH_MAX];
    int (*real)(int, const char *, int, const char *, unsigned);
    REAL(renameat2);
    return real(a, fold(b, from), c, fold(d, to), e);
}
"""


@pytest.mark.parametrize("content", [b"the same", b"another"])
def test_a_file_that_changes_the_case_of_its_name_stays_where_case_does_not_count(
    lab, release, tmp_path, content
):
    """The file system takes both spellings for one name, as vfat does."""
    stub = lab.stub()
    publish(stub.root, release, "10.3", {"README": b"the same", "other": b""})
    spot = lab.spot(lab.gateway(stub), release=str(release))
    environment = common.preload(tmp_path, FOLDING)
    arguments = ("fetch", "step-core", "--to", spot.folder / "here")
    assert spot.run(*arguments, environment=environment).returncode == 0
    publish(stub.root, release, "10.4", {"Readme": content})
    assert spot.run(*arguments, environment=environment).returncode == 0
    assert tree(spot.folder / "here") == {"readme": content}
