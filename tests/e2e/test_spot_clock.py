"""The clock of spot's machine: nothing revives when it is set back, and no signature locks it out."""

import calendar
import re
import time

import pytest
from mirrorgate_test import common, origin
from mirrorgate_test.release import issue

from test_spot_fetch import publish, tree
from test_spot_withdrawn import BASE, index, later

OLD = {"core.zip": b"old"}
NEW = {"core.zip": b"new"}
DAY = 24 * 60 * 60


@pytest.fixture(name="shop")
def origin_and_installation(lab, release):
    def fill(root):
        publish(root, release, "10.3", OLD)
        index(root, release, "--expires-in", "20d")

    return origin.installed(lab, release, fill, tries=1)


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY))


def fetched(shop, to="here", **how):
    done = shop.spot.run("fetch", "step-core", "--to", shop.spot.folder / to, **how)
    assert done.returncode == 0, done.stderr
    return done.stderr


def remembered(shop):
    return int((shop.spot.folder / "cache/seen/.time").read_text())


def signed_at(shop):
    """When the index was signed, as the signature says."""
    done = common.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", shop.root / BASE / "index.json.p7s"]
    )
    [when] = re.findall(r"signingTime[^\n]*\n\s*set:\n\s*\S+:(\w+ +\d+ [\d:]+ \d+) GMT", done.stdout.decode())
    return calendar.timegm(time.strptime(when, "%b %d %H:%M:%S %Y"))


def test_the_time_of_the_latest_signature_is_remembered(shop):
    fetched(shop)
    assert remembered(shop) == signed_at(shop) <= time.time()


def test_a_clock_that_is_set_back_revives_nothing_that_had_expired(shop, release):
    """The index says that it is five days later; then the clock is back, and a mirror shows what was
    good until two days from now."""
    index(shop.root, release, "--expires-in", "20d", environment=later(5))
    fetched(shop, environment=later(5))
    publish(shop.root, release, "10.4", NEW, expires=day(2))
    index(shop.root, release, "--expires-in", "20d")
    said = shop.spot.fails(10, "fetch", "step-core", "--to", shop.spot.folder / "there")
    assert "the catalogue of step-core 10.4 has expired" in said
    assert tree(shop.here) == OLD
    index(shop.root, release, "--expires", day(2))
    assert "the index of step-core has expired" in shop.spot.fails(
        10, "fetch", "step-core", "--to", shop.spot.folder / "there"
    )
    assert remembered(shop) > time.time() + 4 * DAY


def test_a_release_certificate_that_had_expired_signs_nothing_with_the_clock_set_back(lab, tmp_path, shop):
    short = issue(tmp_path, "short", days="2")
    publish(shop.root, short, "10.3", OLD)
    index(shop.root, short)
    spot = lab.spot(shop, release=str(short), tries=1)
    assert spot.run("fetch", "step-core", "--to", spot.folder / "here").returncode == 0
    (spot.folder / "cache/seen/.time").write_text(f"{int(time.time() + 3 * DAY)}\n")
    said = spot.fails(10, "fetch", "step-core", "--to", spot.folder / "here")
    assert "the certificate has expired" in said


def test_a_server_whose_certificate_had_expired_is_not_trusted_with_the_clock_set_back(shop):
    assert shop.spot.run("list").returncode == 0
    (shop.spot.folder / "cache/seen").mkdir(parents=True)
    memory = shop.spot.folder / "cache/seen/.time"
    memory.write_text(f"{int(time.time() + 40 * 365 * DAY)}\n")
    done = shop.spot.run("list")
    assert done.returncode == 5, done.stderr
    assert "certificate has expired" in done.stderr
    assert f"; the clock of this machine says {day(0)}" in done.stderr
    assert done.stderr.endswith(": set the clock\n"), done.stderr
    assert f"warning: the clock says {day(0)}" in done.stderr and str(memory) in done.stderr
    memory.unlink()
    assert shop.spot.run("list").returncode == 0


def test_a_signature_of_the_far_future_locks_nobody_out(shop, release):
    index(shop.root, release, "--expires-in", "20d", environment=later(3))
    before = time.time()
    fetched(shop)
    assert remembered(shop) <= before
    publish(shop.root, release, "10.4", NEW, expires=day(1))
    index(shop.root, release)
    fetched(shop)
    assert tree(shop.here) == NEW


def test_a_vendor_whose_clock_is_a_little_ahead_is_believed_without_a_warning(shop, release):
    ahead = {**later(0), "FAKETIME": "+20h"}
    index(shop.root, release, "--expires-in", "20d", environment=ahead)
    fetched(shop)
    assert remembered(shop) == signed_at(shop) > time.time() + 10 * 60 * 60
    assert "warning" not in fetched(shop)


def test_a_memory_of_the_time_that_is_damaged_is_an_error_that_says_what_to_do(shop):
    fetched(shop)
    memory = shop.spot.folder / "cache/seen/.time"
    memory.write_text("soon\n")
    assert f"{memory} is damaged: remove it" in shop.spot.fails(1, "list")
    memory.unlink()
    fetched(shop)


CAUSE = "; if this machine's clock, which says "


def test_a_clock_that_is_ahead_is_named_where_an_index_or_a_catalogue_has_ended(shop, release):
    index(shop.root, release, "--expires", day(2))
    said = shop.spot.fails(10, "fetch", "step-core", "--to", shop.here, environment=later(5))
    assert "the index of step-core has expired" in said and f"{CAUSE}{day(5)}" in said
    index(shop.root, release, "--expires-in", "20d")
    publish(shop.root, release, "10.3", OLD, expires=day(2))
    said = shop.spot.fails(10, "fetch", "step-core", "--to", shop.here, environment=later(5))
    assert "10.3 has expired" in said and f"{CAUSE}{day(5)}" in said


@pytest.mark.parametrize("days", [5, -5])
def test_a_wrong_clock_is_named_where_a_certificate_seems_out_of_date(lab, tmp_path, shop, days):
    """The release certificate's end is near; with a clock that is behind, no certificate is valid
    yet, and the first that is looked at is the server's."""
    short = issue(tmp_path, "short", days="2")
    publish(shop.root, short, "10.3", OLD)
    index(shop.root, short)
    spot = lab.spot(shop, release=str(short), tries=1)
    code = 10 if days > 0 else 5
    said = spot.fails(
        code, "fetch", "step-core", "--to", spot.folder / "here", environment=later(days)
    )
    assert f"{CAUSE}{day(days)}" in said and said.endswith("is the cause")
