"""What ends by its date ends for connections that are open already: certificates and licences."""

import datetime
import glob
import signal

import pytest
from mirrorgate_test import common, pki
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import customer, policy

SMALL = "/artifacts/step-core/small.txt"
LARGE = "/artifacts/step-core/large.bin"
SECOND = 1 / 86400  # of a day


def begin_download(connection):
    """Reads the head of a large file's answer; a small receive buffer holds the rest back."""
    connection.send_request("GET", LARGE)
    response = connection.read_head()
    assert response.status == 200
    return response


def assert_cut(connection, response):
    """The rest does not come to its end, and the end does not look like one."""
    with pytest.raises(Truncated) as cut:
        body_of(connection, response)
    assert cut.value.end != "close_notify"


def body_of(connection, response):
    return b"".join(connection.body_pieces(response))


def wait_for_close(gate, reason, count):
    def logged():
        return sum(line["close"] == reason for line in gate.log_lines()) == count

    common.wait_until(logged, f"{count} lines that end with: {reason}")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_that_expires_cuts_its_connections(lab, world, version):
    gate = lab.gateway()
    [store] = gate.stores
    name = f"short-{version.replace('.', '-')}"
    short = world.authority.forge(name, rdns=pki.acme_rdns(), days=(-1, 5 * SECOND))
    with (
        gate.connect(short, version=version, receive_buffer=16_384) as busy,
        gate.connect(short, version=version) as idle,
        gate.connect("acme", version=version, receive_buffer=16_384) as other,
    ):
        assert idle.get(SMALL).status == 200
        ending, going_on = begin_download(busy), begin_download(other)
        wait_for_close(gate, "certificate expired", 1)
        assert_cut(busy, ending)
        data, end = idle.rest()
        assert data == b"" and end != "close_notify"
        assert body_of(other, going_on) == (store.root / LARGE[1:]).read_bytes()
        assert other.get(SMALL).status == 200


def just_before_midnight(seconds):
    """Commands for sh that let what follows believe that today has SECONDS left (UTC)."""
    [library] = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    start = datetime.datetime.now(datetime.timezone.utc).replace(
        hour=23, minute=59, second=59
    ) - datetime.timedelta(seconds=seconds - 1)
    asan = "export ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS; "
    return (
        f"{asan}export TZ=UTC FAKETIME='@{start:%Y-%m-%d %H:%M:%S}' FAKETIME_DONT_FAKE_MONOTONIC=1 "
        f"LD_PRELOAD={library}"
    )


def test_a_licence_that_ends_cuts_its_downloads_and_no_others(lab):
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    data = policy()
    data["customers"][0] = customer("acme", [{"id": "step-core", "until": today}])
    gate = lab.gateway(policy=data, shell=just_before_midnight(5))
    [store] = gate.stores
    with (
        gate.connect("acme", receive_buffer=16_384) as acme,
        gate.connect("initech", receive_buffer=16_384) as initech,
        gate.connect("acme") as idle,
    ):
        assert idle.get(SMALL).status == 200
        ending, going_on = begin_download(acme), begin_download(initech)
        wait_for_close(gate, "licence ended", 1)
        assert_cut(acme, ending)
        assert body_of(initech, going_on) == (store.root / LARGE[1:]).read_bytes()
        with store.untouched():
            refusal(idle.get(SMALL), 403, "licence-expired")
    # libfaketime cleans up after itself with calls that a worker may not make: no orderly end.
    gate.signal(signal.SIGQUIT)
    assert gate.wait_exit() == 0
