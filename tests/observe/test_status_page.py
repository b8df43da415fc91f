"""/status in Debian's Chromium, with a client certificate: what people see, light and dark, narrow and wide.
The screenshots are kept in build/status-page/, to be looked at."""

import base64
import hashlib
import re
import struct

import pytest
from browser import NARROW, WIDE, Chromium
from mirrorgate_test import common
from mirrorgate_test.client import refusal
from mirrorgate_test.gateway import policy

SMALL = "/artifacts/step-core/small.txt"
PICTURES = common.MIRRORGATE.parent / "status-page"


@pytest.fixture(scope="module")
def busy(module_lab, store):
    """A gate with something for each part of the page."""
    gate = module_lab.gateway(store, config={"workers": 2})
    with gate.connect() as first, gate.connect("initech") as second:
        for _ in range(20):
            assert first.get(SMALL).status == 200
            assert second.get(SMALL).status == 200
        refusal(gate.get("/artifacts/step-plus/x"), 403, "not-licensed")
        gate.reload(policy(serial=2))

        def is_charted():
            first.get(SMALL)
            return gate.get("/status", who="ops").body.count(b"<path ") == 7

        common.wait_until(is_charted, "there are samples for a chart")
        yield gate


@pytest.fixture
def chromium(lab, busy):
    return Chromium(lab.new_folder("chromium"), busy, "ops")


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]*>", " ", html, flags=re.S))


def test_an_observer_sees_the_state_of_the_node(chromium):
    html, complaints = chromium.run("/status", "--dump-dom")
    text = words(html)
    for wanted in ("Generation 2, policy serial 2, 3 customers", "Stores", "up", "Revocation list",
                   "Busiest customers acme".split()[0], "acme", "initech", "not-licensed", "127.0.0.1",
                   "Refused handshakes", "All counters"):  # fmt: skip
        assert wanted in text, (wanted, text)
    assert complaints == []


def test_without_a_certificate_there_is_nothing_to_see(lab, busy):
    html, _ = Chromium(lab.new_folder("chromium"), busy).run("/status", "--dump-dom")
    assert "Generation" not in words(html)


def test_a_customer_is_told_that_it_is_not_for_customers(lab, busy):
    html, _ = Chromium(lab.new_folder("chromium"), busy, "acme").run("/status", "--dump-dom")
    assert "not-permitted" in html and "initech" not in html


def test_the_policy_of_the_page_allows_its_style_and_nothing_else(busy):
    response = busy.get("/status", who="ops")
    html = response.body.decode()
    [style] = re.findall(r"<style>(.*?)</style>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert response.header("Content-Security-Policy") == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert response.header("X-Content-Type-Options") == "nosniff"
    for forbidden in (r"<script", r"style=", r"src=", r"href=", r"url\(", r"@import", r"\son\w+="):
        assert not re.search(forbidden, html), forbidden


@pytest.mark.parametrize("name, size, dark", [
    ("wide-light", WIDE, False), ("wide-dark", WIDE, True), ("narrow-light", NARROW, False),
    ("narrow-dark", NARROW, True),
])  # fmt: skip
def test_screenshots(chromium, name, size, dark):
    PICTURES.mkdir(exist_ok=True)
    picture = PICTURES / f"{name}.png"
    picture.unlink(missing_ok=True)
    chromium.run("/status", f"--screenshot={picture}", size=size, dark=dark)
    header = picture.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">2I", header[16:24]) == size
