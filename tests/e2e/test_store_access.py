"""How the store is asked: a path of its own before every path, a Host of its own, and credentials
from a file, which nobody but the store ever sees."""

import re

import pytest
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.store import write

from test_config_reload import reload_with
from test_integrity import metric
from test_regenerated import the_head
from test_snapshots import put

SMALL = "/artifacts/step-core/small.txt"
PASSWORD = "open sesame 4711"
FIELD = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZSA0NzEx"
SNAPSHOT = {
    "format": "thin-snapshot/1",
    "system": "prod-1",
    "components": [{"name": "step-core", "version": "10.3"}],
}
TOKEN = "mF_9.B5f-4.1JqM"


def based(store, base):
    """The store's servers, with what it holds moved below BASE."""
    folder = store.root / base.lstrip("/")
    held = [entry for entry in store.root.iterdir()]
    folder.mkdir(parents=True)
    for entry in held:
        entry.rename(folder / entry.name)
    return {"servers": [f"http://{store.address}{base}"]}


def secret(gate, text, mode=0o600):
    """Writes the file of credentials; the key that names it."""
    path = gate.folder / "store.secret"
    path.write_text(text)
    path.chmod(mode)
    return {"credentials": str(path)}


def with_credentials(lab, store, text=f"basic Aladdin:{PASSWORD}\n", **keys):
    gate = lab.prepared(store)
    gate.write_config({"store": {**secret(gate, text), **keys}})
    return lab.start(gate)


def said(gate):
    """All that the gate wrote for people, and what it keeps in its folder but the secret."""
    files = [file for file in gate.folder.rglob("*") if file.is_file()]
    kept = [file.read_bytes() for file in files if file.name != "store.secret"]
    return gate.stderr.text().encode() + b"".join(kept)


def assert_untold(*texts):
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        for word in (PASSWORD, "sesame", FIELD, FIELD.split()[1], TOKEN):
            assert word.encode() not in data


def wait_counted(gate, result, file):
    """The supervisor counts a reload when it has said what became of it."""
    name = rf'reload_files_total\{{result="{result}",file="{file}"\}}'
    common.wait_until(lambda: metric(gate, name) == 1, f"one of {file} is counted as {result}")


# ---- the base path


def test_a_base_path_goes_before_downloads_and_snapshots(lab):
    store = lab.nginx()
    gate = lab.gateway(store, config={"store": based(store, "/mirror/eu 1")})
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        assert put(connection, SNAPSHOT).status == 201

    def asked():  # nginx logs a request when its answer is out
        paths = [request["path"] for request in store.requests()]
        return [path for path in paths if path.startswith("/mirror/")]

    common.wait_until(lambda: len(asked()) == 2, "both in the log")
    paths = asked()
    assert paths[0] == f"/mirror/eu 1{SMALL}"
    assert paths[1].startswith("/mirror/eu 1/snapshots/acme/prod-1/")


def test_a_base_path_is_written_in_its_one_spelling(lab):
    store = lab.stub()
    gate = lab.gateway(store, config={"store": based(store, "/a b/c:d")})
    start = store.mark()
    assert gate.get(SMALL).status == 200
    line, fields = the_head(store, start)
    assert line == f"GET /a%20b/c%3Ad{SMALL} HTTP/1.1"
    assert fields["host"] == store.address


def test_the_policy_judges_the_path_without_the_base(lab):
    """A base that a customer is licensed for opens nothing that it is not licensed for."""
    store = lab.stub()
    base = "/artifacts/step-core"
    write(store.root, f"{base[1:]}{SMALL}", b"small")
    write(store.root, f"{base[1:]}/artifacts/step-plus/plus.zip", b"plus")
    gate = lab.gateway(store, config={"store": {"servers": [f"{store.url}{base}"]}})
    with store.untouched():
        refusal(gate.get("/artifacts/step-plus/plus.zip"), 403, "not-licensed")
        refusal(gate.get("/artifacts/step-core/../step-plus/plus.zip"), 400, "malformed-path")
    assert gate.get(SMALL).body == b"small"


def test_the_log_names_what_the_store_was_asked_for(lab):
    store = lab.scripted(lambda connection, _: answer(store, connection, "302 Found"))
    gate = lab.gateway(store, config={"store": {"servers": [f"{store.url}/mirror"]}})
    refusal(gate.get(SMALL), 502, "store-bad-response")
    gate.wait_line(f".*302 while waiting for the answer of store {store.address}/mirror: "
                   f"GET /mirror{SMALL}")


def answer(store, connection, status):
    store.read_head(connection)
    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


def test_a_probe_has_the_base_the_host_and_the_credentials_too(lab):
    store = lab.stub()
    keys = {**based(store, "/mirror"), "probe": SMALL, "host": "artifacts.example"}
    with_credentials(lab, store, **keys)
    common.wait_until(store.requests, "the store is checked")
    line, fields = the_head(store, 0)
    assert line == f"GET /mirror{SMALL} HTTP/1.1"
    assert fields == {
        "host": "artifacts.example", "authorization": FIELD, "connection": "close",
    }  # fmt: skip


def test_two_bases_of_one_server_are_two_servers(lab):
    store = lab.stub()
    url = based(store, "/mirror")["servers"][0]
    gate = lab.gateway(store, config={"store": {"servers": [url, f"{url}/other"], "probe": SMALL}})
    asked = {f"/mirror{SMALL}", f"/mirror/other{SMALL}"}
    common.wait_until(
        lambda: {request["path"] for request in store.requests()} == asked, "both are checked"
    )
    servers = [store["server"] for store in gate.get("/status.json", who="ops").json()["stores"]]
    assert servers == [f"{store.address}/mirror", f"{store.address}/mirror/other"]


# ---- the Host


@pytest.mark.parametrize("host", ["artifacts.example", "artifacts.example:8080", "[2001:db8::1]"])
def test_the_store_is_told_a_host_of_its_own(lab, host):
    store = lab.stub()
    gate = lab.gateway(store, config={"store": {"host": host}})
    start = store.mark()
    assert gate.get(SMALL).status == 200
    assert the_head(store, start)[1]["host"] == host


def test_a_reload_changes_the_host_and_takes_it_away(lab):
    store = lab.stub()
    gate = lab.gateway(store, config={"store": {"host": "one.example"}})
    for keys, host in ({"host": "two.example"}, "two.example"), ({}, store.address):
        reload_with(gate, store=keys)
        start = store.mark()
        assert gate.get(SMALL).status == 200
        assert the_head(store, start)[1]["host"] == host


# ---- credentials


@pytest.mark.parametrize("text, field", [
    (f"basic Aladdin:{PASSWORD}\n", FIELD),
    (f"basic Aladdin:{PASSWORD}", FIELD),
    (f"bearer {TOKEN}\n", f"Bearer {TOKEN}"),
])  # fmt: skip
def test_every_request_has_the_credentials(lab, text, field):
    store = lab.stub()
    gate = with_credentials(lab, store, text)
    for ask in (
        lambda connection: connection.get(SMALL),
        lambda connection: connection.request("HEAD", SMALL),
        lambda connection: put(connection, SNAPSHOT),
    ):
        start = store.mark()
        with gate.connect() as connection:
            assert ask(connection).status in (200, 201)
        data = b"".join(store.received(start).values())
        assert re.findall(rb"(?i)^authorization: (.*)\r$", data, re.M) == [field.encode()]


def test_a_client_cannot_say_it_for_the_gate(lab):
    store = lab.stub()
    gate = with_credentials(lab, store)
    start = store.mark()
    assert gate.get(SMALL, [("Authorization", "Basic YTpi")]).status == 200
    assert the_head(store, start)[1]["authorization"] == FIELD


def test_a_store_that_wants_others_is_a_bad_answer_and_says_401_in_the_log(lab):
    store = lab.scripted(lambda connection, _: answer(store, connection, "401 Unauthorized"))
    gate = with_credentials(lab, store)
    response = gate.get(SMALL)
    refusal(response, 502, "store-bad-response")
    gate.wait_line(f".*: 401 while waiting for the answer of store {store.address}: GET {SMALL}")
    assert store.heads and FIELD.encode() in store.heads[0]
    assert_untold(response.body, said(gate))


def test_a_store_that_sends_them_back_tells_nobody(lab):
    """In every field of an answer that passes, and of one that does not."""

    def echo(connection, number):
        store.read_head(connection)
        fields = f"Authorization: {FIELD}\r\nWWW-Authenticate: {FIELD}\r\nX-Echo: {FIELD}\r\n"
        status = "200 OK" if number == 1 else f"418 {FIELD}"
        connection.sendall(
            f"HTTP/1.1 {status}\r\n{fields}Content-Length: 2\r\n\r\nok".encode()
        )

    store = lab.scripted(echo)
    gate = with_credentials(lab, store)
    with gate.connect() as connection:
        response = connection.get(SMALL)
        assert response.body == b"ok"
        assert_untold(repr(vars(response)))
    response = gate.get(SMALL)
    while response.status == 200:  # the connection that was kept alive is noticed later
        response = gate.get(SMALL)
    assert_untold(repr(vars(response)), said(gate))


def test_nobody_is_told_them(lab):
    """No page, no command, no file but the one they came from."""
    store = lab.stub()
    gate = lab.prepared(store)
    state = gate.folder / "state"
    state.mkdir()
    keys = {"log": {"level": "debug"}, "state_dir": "state"}
    gate.write_config({**keys, "store": secret(gate, f"basic Aladdin:{PASSWORD}")})
    lab.start(gate)
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
    for page in "/status", "/status.json", "/metrics":
        assert_untold(gate.get(page, who="ops").body)
    secret(gate, f"bearer {TOKEN}")
    gate.write_config({**keys, "store": {"host": "other.example", **secret(gate, f"bearer {TOKEN}")}})
    finished = gate.run("--diff", "--unsafe-any-port")
    assert "store.host" in finished.stdout
    assert_untold(finished.stdout, finished.stderr)
    gate.reload()
    assert_untold(said(gate))
    for pid in [gate.process.pid, *gate.workers()]:
        command = open(f"/proc/{pid}/cmdline", "rb").read()
        environment = open(f"/proc/{pid}/environ", "rb").read()
        assert_untold(command, environment)


BAD_FILES = {
    "neither": (f"digest {PASSWORD}", r'must be "basic USER:PASSWORD" or "bearer TOKEN"'),
    "no colon": ("basic sesame", 'must have USER:PASSWORD after "basic "'),
    "no token": (f"bearer {PASSWORD}", 'must have a token of RFC 6750 after "bearer "'),
    "two lines": (f"basic a:{PASSWORD}\nX: y\n", "must have one line, without control characters"),
    "empty": ("", 'must be "basic USER:PASSWORD" or "bearer TOKEN"'),
    "long": ("bearer " + TOKEN * 1000, "is larger than 4096 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("text, reason", BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_stops_the_start_and_is_not_repeated(lab, text, reason):
    store = lab.stub()
    gate = lab.prepared(store)
    keys = secret(gate, text)
    gate.write_config({"store": keys})
    with store.untouched():
        finished = gate.run("--unsafe-any-port")
    assert finished.returncode != 0
    assert f"mirrorgate: error: {keys['credentials']}: {reason}\n" in finished.stderr
    assert_untold(finished.stdout, finished.stderr)


@pytest.mark.parametrize("mode", [0o604, 0o606, 0o602, 0o644])
def test_a_file_that_any_user_may_read_or_write_is_refused(lab, mode):
    gate = lab.prepared(lab.stub())
    keys = secret(gate, f"bearer {TOKEN}", mode)
    gate.write_config({"store": keys})
    finished = gate.run("-t", "--unsafe-any-port")
    assert finished.returncode != 0
    complaint = f"{keys['credentials']}: may be read or written by any user: chmod o= it"
    assert complaint in finished.stderr
    (gate.folder / "store.secret").chmod(0o640)
    assert gate.run("-t", "--unsafe-any-port").returncode == 0


def test_a_missing_file_stops_the_start(lab):
    gate = lab.prepared(lab.stub())
    gate.write_config({"store": {"credentials": "nowhere"}})
    finished = gate.run("-t", "--unsafe-any-port")
    assert finished.returncode != 0
    assert f"{gate.folder}/nowhere: cannot open: No such file or directory" in finished.stderr


def test_a_reload_takes_new_credentials_up_without_losing_a_request(lab):
    store = lab.stub()
    gate = with_credentials(lab, store)
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        secret(gate, f"bearer {TOKEN}\n")
        gate.reload()
        start = store.mark()
        assert connection.get(SMALL).status == 200
    assert the_head(store, start)[1]["authorization"] == f"Bearer {TOKEN}"
    wait_counted(gate, "applied", "store_credentials")


def test_bad_credentials_at_a_reload_leave_the_old_ones_in_force(lab):
    store = lab.stub()
    gate = with_credentials(lab, store)
    secret(gate, f"basic {TOKEN}")
    lines = gate.reload_refused(policy(2))
    assert any('must have USER:PASSWORD after "basic "' in line for line in lines)
    assert_untold(*lines)
    start = store.mark()
    assert gate.get(SMALL).status == 200
    assert the_head(store, start)[1]["authorization"] == FIELD
    wait_counted(gate, "refused", "store_credentials")


def test_a_worker_that_crashes_leaves_no_core_with_them(lab):
    gate = with_credentials(lab, lab.stub())
    [worker] = gate.workers()
    limits = open(f"/proc/{worker}/limits").read()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
