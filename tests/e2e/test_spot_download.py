"""Downloads: in parallel, at a rate, tried again when told to, and resumed by the next run."""

import threading
import time

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.cache import Cache
from mirrorgate_test.origin import Origin, cut, etag, sends, status
from mirrorgate_test.spot import answer

from test_spot_fetch import BASE, publish, tree

CORE = bytes(range(256)) * 800


@pytest.fixture(name="serve")
def origin_and_installation(lab, release):
    """Makes an Origin of FILES, which may ACT for some, and an installation that asks it."""

    def make(files, acts=(), version="1.0", **keys):
        root = lab.new_folder("origin")
        publish(root, release, version, files)
        origin = Origin(lab, root, acts)
        origin.files = files
        origin.spot = lab.spot(origin, release=str(release), **{"tries": 1, **keys})
        origin.cache = Cache(origin.spot.folder / "cache")
        return origin

    return make


def fetch(origin, code=0, *arguments):
    """Fetches into `here`, to end with CODE; the seconds that took, and what it said."""
    begun = time.monotonic()
    done = origin.spot.run("fetch", "step-core", "--to", origin.spot.folder / "here", *arguments)
    took = time.monotonic() - begun
    assert done.returncode == code, done.stderr
    if code == 0:
        assert tree(origin.spot.folder / "here") == origin.files
        assert origin.cache.contents() == origin.cache.indexed()
        assert origin.cache.leftovers() == []
    return took, done.stderr


def ranges(origin):
    """The Range of each request for core.zip."""
    return [request.field("Range") for request in origin.asked("core.zip")]


def small(count, size=3000):
    return {f"{n:04}.bin": n.to_bytes(2, "big") * (size // 2) for n in range(count)}


# --- connections


class Gauge:
    """Holds each request until AWAITED are there at once and nobody came for a while."""

    def __init__(self, awaited):
        self.awaited, self.now, self.most = awaited, 0, 0
        self.lock = threading.Lock()
        self.open = threading.Event()
        self.last = time.monotonic()

    def __call__(self, connection, content, _request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.last = time.monotonic()
        common.wait_until(self._settled, f"{self.awaited} requests at once")
        with self.lock:
            self.now -= 1
        connection.sendall(answer("200 OK", content, ETag=etag(content)))
        return True

    def _settled(self):
        if self.most >= self.awaited and time.monotonic() - self.last > 0.3:
            self.open.set()
        return self.open.is_set()


@pytest.mark.parametrize("connections", [1, 2, 5, 16])
def test_as_many_downloads_go_on_at_once_as_the_configuration_says(serve, connections):
    gauge = Gauge(connections)
    origin = serve(small(40), {".bin": gauge}, connections=connections)
    fetch(origin)
    assert gauge.most == connections
    assert len(origin.asked()) == 40


def test_without_a_word_of_the_configuration_there_are_four(serve):
    gauge = Gauge(4)
    fetch(serve(small(20), {".bin": gauge}))
    assert gauge.most == 4


def test_many_small_files_come_over_few_connections(serve):
    origin = serve(small(300), connections=3)
    fetch(origin)
    assert len(origin.asked()) == 300
    assert origin.accepted <= 3


@pytest.mark.parametrize("connections", [0, 17, -1, "many"])
def test_a_number_of_connections_that_is_none_is_a_mistake(serve, connections):
    origin = serve({"core.zip": CORE}, connections=connections)
    done = origin.spot.run("list")
    assert done.returncode == 3 and "`connections`" in done.stderr
    assert origin.accepted == 0


# --- the rate


def test_the_rate_of_the_configuration_is_kept(serve):
    took, _ = fetch(serve({"core.zip": CORE}, rate="100K"))
    assert took > 0.7 * len(CORE) / 102_400


def test_all_downloads_share_the_rate(serve):
    files = {f"{n}.bin": bytes([n]) * 100_000 for n in range(5)}
    took, _ = fetch(serve(files, rate="200K", connections=5))
    assert took > 0.7 * 500_000 / 204_800


def test_many_small_files_share_the_rate_too(serve):
    """Each would fit into what a connection takes at once."""
    took, _ = fetch(serve(small(150), rate="150K", connections=4))
    assert took > 0.7 * 450_000 / 153_600


def test_the_rate_of_the_command_line_counts_instead(serve):
    origin = serve({"core.zip": CORE}, rate="1K")
    took, _ = fetch(origin, 0, "--rate", "10M")
    assert took < 100  # and not 200
    origin.cache.object(CORE).unlink()
    (origin.spot.folder / "here/core.zip").unlink()
    took, _ = fetch(origin, 0, "--rate", "100K")
    assert took > 0.7 * len(CORE) / 102_400


@pytest.mark.parametrize("rate", ["", "0", "-1", "K", "1.5M", "1T", "fast", "1 M", "99999999999G"])
def test_what_is_no_rate_is_refused(serve, rate):
    origin = serve({"core.zip": CORE})
    text = origin.spot.fails(2, "fetch", "step-core", "--to", "here", "--rate", rate)
    assert "--rate" in text
    text = origin.spot.file.read_text()
    origin.spot.write(f'{text}rate: "{rate}"\n')
    done = origin.spot.run("fetch", "step-core", "--to", "here")
    assert done.returncode == 3 and "`rate`" in done.stderr
    assert origin.accepted == 0


# --- tried again


@pytest.mark.parametrize("line", ["503 Busy", "429 Too Many"])
def test_a_pause_that_a_server_asks_for_is_kept(serve, line):
    origin = serve({"core.zip": CORE}, {"core.zip": [status(line, Retry_After=2)]}, tries=2)
    took, said = fetch(origin)
    assert took >= 2
    assert "trying again in 2" in said
    assert ranges(origin) == [None, None]


def test_a_pause_that_is_too_long_is_not_waited_for(serve):
    origin = serve({"core.zip": CORE}, {"core.zip": status("503 Busy", Retry_After=301)}, tries=9)
    took, _ = fetch(origin, 4)
    assert took < 60
    assert ranges(origin) == [None]


def test_a_date_may_be_when_to_come_again(serve):
    later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
    origin = serve({"core.zip": CORE}, {"core.zip": [status("503 Busy", Retry_After=later)]}, tries=2)
    took, _ = fetch(origin)
    assert took >= 1


@pytest.mark.parametrize("line, code", [("503 Busy", 0), ("404 Not Found", 8), ("403 Forbidden", 7)])
def test_of_an_error_page_without_measure_the_status_counts(serve, line, code):
    page = sends(lambda _: answer(line, 200_000 * b"x"))
    origin = serve({"core.zip": CORE}, {"core.zip": [page]}, tries=2)
    fetch(origin, code)
    assert len(ranges(origin)) == (2 if code == 0 else 1)


def test_one_file_waits_and_the_others_go_on(serve):
    acts = {"0000.bin": [status("503 Busy", Retry_After=2)]}
    origin = serve(small(20), acts, tries=2, connections=2)
    fetch(origin)
    paths = [request.path.rpartition("/")[2] for request in origin.asked()]
    assert paths.count("0000.bin") == 2 and paths[-1] == "0000.bin"


def test_tries_are_counted_for_each_file(serve):
    files = small(6)
    acts = {name: [status("503 Busy")] for name in files}
    origin = serve(files, acts, tries=2, connections=6)
    fetch(origin)
    assert len(origin.asked()) == 12


# --- one of many fails


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (status("404 Not Found"), 8),
        (status("403 Forbidden"), 7),
        (sends(lambda content: answer("200 OK", b"X" + content[1:])), 9),
        (status("500 Broken"), 4),
        (cut(1000), 4),
    ],
    ids=["404", "403", "wrong bytes", "500", "cut"],
)
@pytest.mark.parametrize("connections", [1, 4])
def test_one_that_fails_takes_nothing_from_those_that_came(serve, act, code, connections):
    files = small(12)
    origin = serve(files, {"0010.bin": [act]}, connections=connections)
    fetch(origin, code)
    assert not (origin.spot.folder / "here/catalogue.json").exists()
    assert tree(origin.spot.folder / "here") == {}
    came = origin.cache.contents()
    assert len(came) >= 5
    before = len(origin.asked())
    fetch(origin)
    asked = {request.path.rpartition("/")[2] for request in origin.asked()[before:]}
    # What had come to its last byte, but was not in the cache yet, needs no request either.
    assert "0010.bin" in asked and asked <= {it for it in files if files[it] not in came}


def test_a_damaged_object_and_no_server_leave_the_old_version_whole(serve, release):
    """Nothing in a folder changes before all files are there, and right."""
    origin = serve({"core.zip": CORE, "old.bin": b"old"})
    fetch(origin)
    new = {"core.zip": CORE[::-1], "new.bin": b"new"}
    publish(origin.root, release, "1.1", new)
    other = origin.spot.folder / "other"
    assert origin.spot.run("fetch", "step-core", "--to", other).returncode == 0
    origin.cache.object(new["core.zip"]).write_bytes(CORE)
    origin.acts = {"core.zip": [cut(5)]}
    done = origin.spot.run("fetch", "step-core", "--to", origin.spot.folder / "here")
    assert done.returncode == 4, done.stderr
    assert tree(origin.spot.folder / "here") == origin.files
    assert tree(other) == new


# --- resumed by the next run


def test_the_next_run_gets_the_rest_and_no_more(serve):
    origin = serve({"core.zip": CORE, "b.bin": b"b"}, {"core.zip": [cut(130_000)]})
    fetch(origin, 4)
    done = origin.spot.run("--json", "fetch", "step-core", "--to", origin.spot.folder / "here")
    assert ranges(origin) == [None, "bytes=130000-"]
    assert origin.asked("core.zip")[1].field("If-Range") == etag(CORE)
    assert f'"downloaded_bytes":{len(CORE) - 130_000}' in done.stdout
    assert tree(origin.spot.folder / "here") == origin.files


def test_another_installation_goes_on_where_one_was_cut(lab, serve, release):
    origin = serve({"core.zip": CORE}, {"core.zip": [cut(130_000)]})
    fetch(origin, 4)
    other = lab.spot(origin, release=str(release), cache=str(origin.cache.folder))
    assert other.run("fetch", "step-core", "--to", other.folder / "x").returncode == 0
    assert tree(other.folder / "x") == origin.files
    assert ranges(origin) == [None, "bytes=130000-"]


def test_a_download_that_is_cut_each_time_comes_to_its_end(serve):
    """A byte more each time is enough, within the tries of one run and over several."""
    def some(connection, content, request):
        begin = int((request.field("Range") or "bytes=0-")[6:-1])
        end = min(begin + 30_000, len(content))
        whole = answer(
            "206 Partial Content" if begin else "200 OK", content[begin:], ETag=etag(content),
            **({"Content_Range": f"bytes {begin}-{len(content) - 1}/{len(content)}"} if begin else {}),
        )  # fmt: skip
        connection.sendall(whole[: len(whole) - (len(content) - end)])

    origin = serve({"core.zip": CORE}, {"core.zip": some}, tries=2)
    for _ in range(3):
        fetch(origin, 4)
    fetch(origin)
    assert len(ranges(origin)) == 7


def test_a_file_that_changed_between_two_runs_comes_whole(serve, release):
    """Its catalogue names what it was, so what it is now has another digest, and is refused."""
    origin = serve({"core.zip": CORE}, {"core.zip": [cut(130_000)]})
    fetch(origin, 4)
    store.write(origin.root, f"{BASE}/1.0/core.zip", CORE[::-1])
    fetch(origin, 9)
    assert ranges(origin) == [None, "bytes=130000-"]
    assert tree(origin.spot.folder / "here") == {}
    store.write(origin.root, f"{BASE}/1.0/core.zip", CORE)
    fetch(origin)
    assert ranges(origin)[-1] is None


def range_of(content, begin, tag, end=None, total=None):
    end, total = end or len(content), total or len(content)
    return answer(
        "206 Partial Content", content[begin:end], ETag=tag,
        Content_Range=f"bytes {begin}-{end - 1}/{total}",
    )  # fmt: skip


@pytest.mark.parametrize(
    "act",
    [
        sends(lambda content: answer("200 OK", content, ETag='"two"')),
        sends(lambda content: answer("416 No", Content_Range=f"bytes */{len(content)}")),
        sends(lambda content: range_of(content[:-1] + b"X", 130_000, '"two"')),
        sends(lambda content: range_of(content[:-1] + b"X", 130_000, etag(content))),
        sends(lambda content: range_of(content, 130_000, etag(content), total="*")),
        sends(lambda content: range_of(content, 130_000, etag(content), end=150_000)),
        sends(lambda content: range_of(content, 0, etag(content))),
        sends(lambda _: answer("206 Partial Content", b"")),
    ],
    ids=[
        "200", "416", "206 of another etag", "206 with other bytes", "206 of unknown length",
        "206 of less", "206 of all", "206 of nothing",
    ],
)
def test_a_part_that_does_not_fit_is_given_up(serve, act):
    origin = serve({"core.zip": CORE}, {"core.zip": [cut(130_000), act]}, tries=1)
    fetch(origin, 4)
    origin.spot.write(origin.spot.file.read_text().replace("tries: 1", "tries: 3"))
    fetch(origin)
    assert ranges(origin)[:2] == [None, "bytes=130000-"]
    assert ranges(origin)[2:] in ([], [None])


@pytest.mark.parametrize("tag", ["", 'W/"weak"', "bare", '"two" "tags"'])
def test_without_a_strong_etag_nothing_is_resumed(serve, tag):
    origin = serve({"core.zip": CORE}, {"core.zip": [cut(130_000, ETag=tag)]})
    fetch(origin, 4)
    assert origin.cache.leftovers() == []
    fetch(origin)
    assert ranges(origin) == [None, None]
