"""A server that is too slow is given up for the next one, whatever it was asked for."""

import hashlib
import time

import pytest
from mirrorgate_test.origin import Origin, etag
from mirrorgate_test.spot import answer, read_head

from test_spot_fetch import publish, tree

CORE = bytes(range(256)) * 64
LOW = {"rate": "1K", "over": "1s"}


def drip(connection, content, _request):
    """Half of the answer at once, and then a byte now and then, until the client has enough."""
    whole = answer("200 OK", content, ETag=etag(content))
    half = len(whole) - len(content) // 2
    connection.sendall(whole[:half])
    trickle(connection, whole[half:])


def drip_head(connection, content, _request):
    trickle(connection, answer("200 OK", content))


def silence(connection, _content, _request):
    trickle(connection, b"")


def trickle(connection, rest):
    """An OSError ends it, when the client goes; the count is only so that it ends anyway."""
    for i in range(1200):
        if i < len(rest) - 1:
            connection.sendall(rest[i : i + 1])
        else:
            connection.settimeout(0.05)
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                pass
        time.sleep(0.05)


def two(lab, release, acts):
    """spot with a slow server, which does ACTS, and an honest one."""
    root = lab.new_folder("origin")
    publish(root, release, "1.0", {"core.bin": CORE})
    slow, good = Origin(lab, root, acts), Origin(lab, root)
    spot = lab.spot(slow, good, release=str(release), tries=2, low_speed=LOW)
    return spot, slow, good


@pytest.mark.parametrize("act", [drip, drip_head, silence])
@pytest.mark.parametrize("path", ["/licence", "catalogue.json", "catalogue.json.p7s", "core.bin"])
def test_the_next_server_is_asked_for_what_comes_too_slowly(lab, release, path, act):
    spot, slow, _ = two(lab, release, {path: act})
    done = spot.run("fetch", "step-core", "--to", spot.folder / "here")
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{slow.port} is too slow: fewer than 1024 bytes a second" in done.stderr
    assert tree(spot.folder / "here") == {"core.bin": CORE}


def test_what_was_loaded_is_kept(lab, release):
    spot, _, good = two(lab, release, {"core.bin": drip})
    assert spot.run("fetch", "step-core", "--to", spot.folder / "here").returncode == 0
    begin = int(good.asked("core.bin")[0].field("Range").removeprefix("bytes=").rstrip("-"))
    assert len(CORE) // 2 <= begin < len(CORE)


def test_an_upload_that_is_not_answered_goes_to_the_next_server(lab):
    def hold(connection, _number):
        read_head(connection)
        trickle(connection, b"")

    def take(connection, _number):
        head = read_head(connection)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r")[0])
        body = b""
        while len(body) < length:
            body += connection.recv(length)
        taken.append(hashlib.sha256(body).hexdigest())
        connection.sendall(answer("503 Service Unavailable"))

    taken = []
    spot = lab.spot(lab.server(hold), lab.server(take), tries=2, low_speed=LOW)
    (spot.folder / "list").write_text("step-core 1.0\n")
    done = spot.run("snapshot", "prod-1", "--from", spot.folder / "list")
    assert done.returncode == 4 and "is too slow" in done.stderr and len(taken) == 1, done.stderr


def test_a_rate_of_our_own_is_not_the_servers_fault(lab, release):
    spot, _, _ = two(lab, release, {})
    done = spot.run("fetch", "step-core", "--to", spot.folder / "here", "--rate", "6K")
    assert done.returncode == 0 and "too slow" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("key", "value"), [("rate", "0"), ("rate", "fast"), ("over", "0s"), ("over", "60")]
)
def test_what_is_no_low_speed_is_a_problem(lab, release, key, value):
    spot, _, _ = two(lab, release, {})
    text = spot.file.read_text()
    spot.write(text.replace("1K" if key == "rate" else "1s", value))
    done = spot.run("list")
    assert done.returncode == 3 and f"`low_speed.{key}` must be" in done.stderr, done.stderr
