"""SIGHUP reloads mirrorgate.yaml: what it changes holds at once, and no request fails meanwhile.

What is refused, and `mirrorgate --diff`, are in test_config_refused.py.
"""

import signal
import ssl
import threading

import pytest
from mirrorgate_test import common, crl
from mirrorgate_test.client import Connection, Truncated, refusal
from mirrorgate_test.gateway import policy
from mirrorgate_test.pki import SERVER_NAME
from mirrorgate_test.release import issue
from mirrorgate_test.store import write_sparse

from test_integrity import assert_as_catalogued, checking, metric
from test_lifecycle import begin_download
from test_snapshots import put, snapshot
from test_spot_fetch import BASE, publish

SMALL = "/artifacts/step-core/small.txt"
IMAGE = "/artifacts/step-core/image.img"
SIZE = 20 << 20
LONG = {"announce": "1h", "timeout": "1h"}


def reload_with(gate, **changes):
    """Writes the file with CHANGES to the usual one, and reloads."""
    start = len(gate.stderr)
    gate.write_config(changes)
    gate.reload()
    assert not any("configuration refused" in line for line in gate.stderr.since(start))
    return start


class Load:
    """Clients that ask for SMALL until the end, each on connections of some requests."""

    def __init__(self, gate, clients=4):
        self.gate = gate
        self.answers = 0
        self.failures = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self):
        while not self._over.is_set():
            try:
                with self.gate.connect() as connection:
                    for _ in range(20):
                        response = connection.get(SMALL)
                        assert response.status == 200, response
                        self.answers += 1
            except Exception as failure:  # whatever it is, it is one of a client's requests
                self.failures.append(repr(failure))

    def wait_more(self, count=100):
        before = self.answers
        common.wait_until(lambda: self.answers > before + count, "requests are answered", 60)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_no_request_fails_while_every_group_of_keys_changes(lab, world):
    first, second = lab.stub(), lab.stub()
    gate = lab.gateway(first, config={"workers": 2})
    both = {"servers": [second.url, first.url]}
    groups = [
        {"store": both}, {"store": {**both, "probe": SMALL}},
        {"store": {"servers": [second.url]}},
        {"limits": {"connections": 500, "transfers_per_customer": 200}},
        {"timeouts": {"idle": "7s", "store_connect": "2s", "min_rate": "0"}},
        {"log": {"access": "other.log", "level": "debug"}}, {"log": {"access": "access.log"}},
        {"server_names": [SERVER_NAME]}, {"drain": {"timeout": "3s"}},
        {"snapshots": {"max_bytes": "4K"}},
        {"tls": {"ciphers": "high", "session_lifetime": "2h"}},
        {"state_dir": "."}, {},
    ]  # fmt: skip
    with Load(gate) as load:
        for group in groups:
            load.wait_more()
            reload_with(gate, workers=2, **group)
        load.wait_more()
    assert load.failures == []


def test_a_download_goes_on_when_its_store_is_taken_off_the_list(lab):
    first, second = lab.stub(), lab.stub()
    write_sparse(first.root, IMAGE[1:], SIZE)
    gate = lab.gateway(first)
    connection, pieces, body = begin_download(gate)
    start = reload_with(gate, store={"servers": [second.url]})
    gate.wait_line("mirrorgate: info: configuration: store.servers: "
                   rf"{first.url[7:]} -> {second.url[7:]}", start)  # fmt: skip
    with first.untouched():
        assert gate.get(SMALL).status == 200
    for piece in pieces:
        body += piece
    assert body == (first.root / IMAGE[1:]).read_bytes()
    assert connection.get(SMALL).status == 200
    connection.close()
    assert len(second.requests()) == 2


def labelled(gate, series):
    """The values of SERIES for each server of the store."""
    lines = gate.get("/metrics", who="ops").body.decode().splitlines()
    rows = [line.split() for line in lines if line.startswith(f"mirrorgate_{series}{{")]
    return {row[0].split('"')[1]: int(row[1]) for row in rows}


def test_what_a_store_has_counted_stays_its_own_when_the_list_changes(lab):
    good, others = lab.stub(), [lab.stub(), lab.stub()]
    bad = lab.scripted(lambda connection, _: connection.close())
    rules = {"eject_after": 1, "eject_time": "1h"}
    gate = lab.gateway(bad, good, config={"store": {**rules, "servers": [bad.url, good.url]}})

    def ejected():
        return gate.get(SMALL).status == 200 and labelled(gate, "store_passed_over")[bad.address]

    common.wait_until(ejected, "the bad store is passed over")
    count = labelled(gate, "store_ejections_total")[bad.address]
    urls = [others[0].url, good.url, bad.url]
    reload_with(gate, store={**rules, "servers": urls})
    ejections = labelled(gate, "store_ejections_total")
    assert ejections[bad.address] >= count > 0
    assert ejections[others[0].url[7:]] == ejections[good.url[7:]] == 0
    reload_with(gate, store={**rules, "servers": [others[1].url, good.url]})
    assert set(labelled(gate, "store_ejections_total").values()) == {0}
    assert set(labelled(gate, "store_passed_over").values()) == {0}


def test_limits_hold_at_once_on_a_live_connection(lab):
    gate = lab.gateway()
    with gate.connect() as connection:
        for _ in range(5):
            assert connection.get(SMALL).status == 200
        reload_with(gate, limits={"requests_per_second": 1})
        common.wait_until(lambda: connection.get(SMALL).status == 429, "the limit is met")
        reload_with(gate)
        assert connection.get(SMALL).status == 200


def test_snapshots_are_limited_by_the_new_sizes(lab):
    gate = lab.gateway()
    with gate.connect() as connection:
        assert put(connection, snapshot()).status == 201
        reload_with(gate, snapshots={"max_components": 1, "max_bytes": "64"})
        with gate.stores[0].untouched():
            refusal(put(connection, b" " * 65), 413, "snapshot-too-large")


def test_server_names_are_those_of_the_new_file(lab):
    gate = lab.gateway(config={"server_names": [SERVER_NAME]})
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        reload_with(gate, server_names=["other.example"])
        with gate.stores[0].untouched():
            refusal(connection.get(SMALL), 421, "misdirected")
    reload_with(gate)
    assert gate.get(SMALL).status == 200


def test_timeouts_are_those_of_the_new_file(lab):
    gate = lab.gateway(config={"timeouts": {"idle": "1h", "request": "1h"}})
    with gate.connect() as connection:
        assert connection.get(SMALL).status == 200
        reload_with(gate, timeouts={"idle": "3s", "request": "1h"})
        assert connection.get(SMALL).status == 200
        connection.assert_ended()


def test_the_access_log_goes_to_the_file_that_is_named_now(lab):
    gate = lab.gateway(config={"workers": 2})
    first = gate.get(SMALL).request_id
    assert gate.log_line(first)["status"] == 200
    reload_with(gate, workers=2, log={"access": "second.log"})
    second = gate.get(SMALL).request_id
    other = gate.folder / "second.log"
    common.wait_until(lambda: second in other.read_text(), "the line in the other log")
    assert second not in gate.access_log.read_text()
    reload_with(gate, workers=2, log={"access": "none"})
    third = gate.get(SMALL).request_id
    reload_with(gate, workers=2, log={"access": "second.log"})
    fourth = gate.get(SMALL).request_id
    common.wait_until(lambda: fourth in other.read_text(), "lines are written again")
    assert third not in other.read_text()


def test_the_level_of_messages_is_that_of_the_new_file(lab):
    gate = lab.gateway()
    start = len(gate.stderr)
    gate.write_config({"log": {"level": "error"}})
    gate.signal(signal.SIGHUP)
    gate.wait_line("mirrorgate: info: configuration: log.level: info -> error", start)
    common.wait_until(lambda: metric(gate, "generation") == 2, "the generation is live")
    start = len(gate.stderr)
    gate.write_config({})
    gate.signal(signal.SIGHUP)
    gate.wait_line("mirrorgate: info: generation 3 live on .*", start)
    assert not any("policy: serial" in line for line in gate.stderr.since(start))


def test_a_drain_takes_the_time_that_is_configured_now(lab):
    stub = lab.stub()
    write_sparse(stub.root, IMAGE[1:], SIZE)
    gate = lab.gateway(stub, config={"drain": LONG})
    connection, _, _ = begin_download(gate)
    reload_with(gate, drain={"announce": "0s", "timeout": "0s"})
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    connection.close()


def test_a_list_under_another_name_cuts_whom_it_revokes(lab, world):
    gate = lab.gateway()
    (gate.folder / "next.crl").write_text(
        crl.make(world.authority, 4_000_000_000, revoked=[world.identity("acme")]))  # fmt: skip
    with gate.connect("acme") as cut, gate.connect("initech") as kept:
        assert cut.get(SMALL).status == kept.get(SMALL).status == 200
        reload_with(gate, tls={"crl": "next.crl"})
        assert cut.rest()[0] == b""
        assert kept.get(SMALL).status == 200


def offers_cbc(gate):
    """Whether GATE takes a cipher that tls.ciphers: high has and the default has not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(gate.world.authority.certificate)
    identity = gate.world.identity("acme")
    context.load_cert_chain(identity.cert, identity.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AES256+SHA384:!AESGCM")
    try:
        Connection(gate.tcp(), context).close()
    except ssl.SSLError:
        return False
    return True


def test_ciphers_are_those_of_the_new_file(lab):
    gate = lab.gateway()
    assert not offers_cbc(gate)
    reload_with(gate, tls={"ciphers": "high"})
    assert offers_cbc(gate)
    reload_with(gate)
    assert not offers_cbc(gate)


def test_a_policy_under_another_name_is_taken(lab):
    gate = lab.gateway()
    gate.policy_file.rename(gate.folder / "first.yaml")
    gate.write_policy(policy(2, customers=[]))
    gate.policy_file.rename(gate.folder / "next.yaml")
    reload_with(gate, policy="next.yaml")
    with gate.stores[0].untouched():
        refusal(gate.get(SMALL), 403, "unknown-subject")


@pytest.fixture(scope="module", name="release")
def release_certificate(tmp_path_factory):
    return issue(tmp_path_factory.mktemp("release"), "release")


def test_catalogues_are_checked_from_now_on_and_no_longer(lab, release):
    stub = lab.stub()
    publish(stub.root, release, "10.3", {"core.zip": b"good"})
    path, file = f"/{BASE}/10.3/core.zip", stub.root / BASE / "10.3/core.zip"
    gate = lab.gateway(stub)
    assert gate.get(path).body == b"good"
    start = reload_with(gate, **checking(stub.root, release))
    gate.wait_line("mirrorgate: info: catalogues: .*now 1 valid with 1 files.*", start)
    assert_as_catalogued(gate.get(path), b"good")
    file.write_bytes(b"evil")
    with pytest.raises(Truncated):
        gate.get(path)
    reload_with(gate)
    assert gate.get(path).body == b"evil"
    assert metric(gate, "catalogues") == metric(gate, "catalogue_files") == 0


def test_a_worker_that_is_started_again_goes_by_the_configuration_in_force(lab):
    gate = lab.gateway(config={"server_names": [SERVER_NAME]})
    gate.crash_expected = True
    reload_with(gate, server_names=["other.example"])
    start = len(gate.stderr)
    [worker] = gate.workers()
    common.run(["kill", "-KILL", str(worker)])
    gate.wait_line("mirrorgate: warning: worker 0 is started again", start)
    refusal(gate.get(SMALL), 421, "misdirected")


def test_a_file_that_has_not_changed_changes_nothing(lab):
    gate = lab.gateway()
    start = len(gate.stderr)
    gate.reload(policy(2))
    gate.wait_line("mirrorgate: info: policy: serial 1 -> 2: .*", start)
    gate.reload()
    assert not any("configuration" in line for line in gate.stderr.since(start))
