"""Downloads that were cut, several processes at once, and what else may lie in parts/."""

import os
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.cache import Cache
from mirrorgate_test.origin import Origin, etag
from mirrorgate_test.spot import PROGRAM, answer, is_artifact

from test_spot_cache import limited
from test_spot_fetch import BASE, FILES, publish, tree

CORE = FILES["core.zip"]


@pytest.fixture(name="origin")
def origin_of_one_version(lab, release):
    """An installation whose server is an Origin of 10.3; nothing has been fetched."""
    root = lab.new_folder("origin")
    publish(root, release, "10.3", FILES)
    origin = Origin(lab, root)
    origin.spot = lab.spot(origin, release=str(release), tries=3)
    origin.cache = Cache(origin.spot.folder / "cache")
    return origin


def arrives(origin):
    """Everything is right in the end; the Range of each request for core.zip."""
    done = origin.spot.run("fetch", "step-core", "--to", origin.spot.folder / "here")
    assert done.returncode == 0, done.stderr
    assert tree(origin.spot.folder / "here") == FILES
    assert origin.cache.contents() == origin.cache.indexed() == sorted(FILES.values())
    assert origin.cache.leftovers() == []
    return [request.field("Range") for request in origin.asked("core.zip")]


def test_a_part_is_gone_on_with(origin):
    origin.cache.lay_part(CORE, CORE[:150_000], etag(CORE))
    assert arrives(origin) == ["bytes=150000-"]
    assert origin.asked("core.zip")[0].field("If-Range") == etag(CORE)


def test_a_part_that_is_complete_needs_no_request(origin):
    origin.cache.lay_part(CORE, CORE, etag(CORE))
    assert arrives(origin) == []


@pytest.mark.parametrize(
    ("part", "tag", "first"),
    [
        (b"X" * 150_000, etag(CORE), "bytes=150000-"),
        (CORE[:150_000], '"stale"', "bytes=150000-"),
        (CORE[:150_000], None, None),
        (CORE[:150_000], "", None),
        (CORE[:150_000], 'W/"weak"', None),
        (CORE[:150_000], "garbage", None),
        (CORE[:150_000], '"cut', None),
        (CORE[:150_000], '"one", "two"', None),
        (CORE[:150_000], '"with a space"', None),
        (CORE[:150_000], '"' + "x" * 100_000 + '"', None),
        (CORE[:150_000], '"a"\r\nX-Evil: 1', None),
        (CORE[:150_000], '"a\r\nX-Evil: 1\r\nX: "', None),
        (b"X" + CORE[1:], etag(CORE), None),
        (CORE + b"X", etag(CORE), None),
        (b"", etag(CORE), None),
    ],
    ids=[
        "wrong bytes", "stale etag", "no etag", "empty etag", "weak etag", "no quotes", "half an etag",
        "two etags", "no etag character", "huge etag",
        "etag with another field", "field inside the quotes", "complete and wrong", "too long",
        "empty",
    ],
)  # fmt: skip
def test_a_part_that_is_not_what_it_should_be_is_loaded_from_the_beginning(
    origin, part, tag, first
):
    origin.cache.lay_part(CORE, part, tag)
    assert arrives(origin)[0] == first
    assert not any("X-Evil" in request.head for request in origin.requests)


def no_link(part, target):
    part.symlink_to(target)


def link_to_nothing(part, _target):
    part.symlink_to(part.parent / "nothing")


def link_to_zeros(part, _target):
    part.symlink_to("/dev/zero")


def pipe(part, _target):
    os.mkfifo(part)


def directory(part, _target):
    part.mkdir()


@pytest.mark.parametrize("suffix", ["", ".etag"])
@pytest.mark.parametrize("lay", [no_link, link_to_nothing, link_to_zeros, pipe, directory])
def test_what_is_no_file_in_parts_is_neither_written_to_nor_waited_for(origin, lay, suffix):
    target = origin.spot.folder / "target"
    target.write_bytes(CORE[:1000])
    origin.cache.lay_part(CORE, CORE[:1000], etag(CORE))
    place = origin.cache.parts / (origin.cache.part(CORE).name + suffix)
    place.unlink()
    lay(place, target)
    assert arrives(origin)[-1] is None
    assert target.read_bytes() == CORE[:1000]
    assert not (origin.cache.parts / "nothing").exists()


def test_a_part_that_the_owner_of_the_file_linked_in_is_not_written_to(origin):
    """A hard link: what is appended here would be appended there."""
    target = origin.spot.folder / "target"
    target.write_bytes(CORE[:1000])
    origin.cache.parts.mkdir(parents=True)
    os.link(target, origin.cache.part(CORE))
    arrives(origin)
    assert target.read_bytes() == CORE[:1000]


# --- several at once


def start(spot, target):
    return subprocess.Popen(
        [PROGRAM, "-q", "-c", spot.file, "fetch", "step-core", "--to", target],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_six_processes_with_a_new_cache_download_each_artifact_once(lab, release):
    files = {f"part/{n}.bin": bytes([n]) * (10_000 + 7_000 * n) for n in range(30)}
    stub = lab.stub()
    publish(stub.root, release, "11.0", files)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    folders = [spot.folder / f"to{n}" for n in range(6)]
    running = [start(spot, folder) for folder in folders]
    errors = [process.communicate(timeout=60 * common.PATIENCE)[1] for process in running]
    assert [process.returncode for process in running] == 6 * [0], errors
    assert [tree(folder) for folder in folders] == 6 * [files]
    asked = [it["path"] for it in stub.requests() if is_artifact(it["path"])]
    assert sorted(asked) == sorted(f"/{BASE}/11.0/{name}" for name in files)
    cache = Cache(spot.folder / "cache")
    assert cache.contents() == cache.indexed() == sorted(files.values())
    assert cache.leftovers() == []


def test_the_same_content_under_several_names_is_downloaded_once(lab, release):
    files = {name: CORE for name in ("a", "b", "c/d", "c/e")} | {"other": b"other"}
    stub = lab.stub()
    publish(stub.root, release, "11.0", files)
    spot = lab.spot(lab.gateway(stub), release=str(release))
    done = spot.run("fetch", "step-core", "--to", spot.folder / "here")
    assert done.returncode == 0, done.stderr
    assert tree(spot.folder / "here") == files
    asked = [it["path"] for it in stub.requests() if is_artifact(it["path"])]
    assert len(asked) == 2 and f"/{BASE}/11.0/other" in asked


def test_who_waits_for_another_ones_download_goes_on_with_it_when_that_one_dies(lab, release):
    """The second process may not ask for what the first has, and has to when it is gone."""
    first_has_begun = []

    def hang(connection, content, _request):
        connection.sendall(answer("200 OK", content, ETag=etag(content))[:-100_000])
        first_has_begun.append(True)
        connection.recv(1)  # until the process is gone

    root = lab.new_folder("origin")
    publish(root, release, "11.0", {"core.zip": CORE})
    origin = Origin(lab, root, {"core.zip": [hang]})
    spot = lab.spot(origin, release=str(release), tries=1)
    first = start(spot, spot.folder / "one")
    common.wait_until(lambda: first_has_begun, "the first one downloads")
    second = start(spot, spot.folder / "two")
    common.wait_until(
        lambda: sum(it.path.endswith("catalogue.json.p7s") for it in origin.requests) == 2,
        "the second one has its catalogue",
    )
    first.kill()
    first.communicate()
    _, error = second.communicate(timeout=60 * common.PATIENCE)
    assert second.returncode == 0, error
    assert tree(spot.folder / "two") == {"core.zip": CORE}
    assert [it.field("Range") for it in origin.asked("core.zip")] == [None, "bytes=100000-"]


# --- a disk that does not take it


def test_a_full_disk_is_a_failure_of_this_machine_and_the_next_run_goes_on(origin):
    here = origin.spot.folder / "here"
    done = limited(origin.spot, "fetch", "step-core", "--to", here)
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr and "core.zip" in done.stderr
    assert len(origin.asked("core.zip")) == 1
    assert "core.zip" not in tree(here)
    assert arrives(origin)[1] == "bytes=32768-"
