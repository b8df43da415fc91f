"""Random targets through the whole gate: the store sees exactly those that the rules allow, in
order and in one spelling; and what heads of every odd shape may cost in memory.
"""

import random
import re
import urllib.parse

import pytest
from mirrorgate_test import common
from mirrorgate_test.cases.requests import HOST, get
from mirrorgate_test.gateway import MemoryWatch

TARGETS = 20_000
BATCH = 200
STARTS = ["/artifacts/step-core/"] * 6 + ["/artifacts/step-core", "/artifacts/step-plus/", "/"]
PIECES = ["a", "b.zip", "small.txt", "/", "/", "x/", "internal/", ".", "..", "/./", "/../", "...",
          "%2e", "%2F", "%00", "\\", "//", ";a", "?q", "#f", "*", "~@=:,!$&'()", "-_", "[", "|",
          "@close/", "@status:200/", "%20", "%2b", "%41", "%C3%A9", "e%cc%81", "%25", "%zz", "%23"]  # fmt: skip
CANONICAL = re.compile(r"(/[A-Za-z0-9._~+@=:,!$&'() #\[\]^{}\u00e9-]+)+/?|/")


@pytest.fixture(scope="module")
def gate(module_lab, store):
    """One that refuses as fast as it can."""
    limits = {"requests_per_second": 0, "refusals_per_second": 0}
    return module_lab.gateway(store, config={"limits": limits})


def path_of(target):
    return urllib.parse.unquote(target, errors="surrogateescape")


def is_allowed(text):
    """The rules of the design and of the usual policy, for Acme."""
    target = path_of(text)
    segments = target.split("/")
    return (
        CANONICAL.fullmatch(target) is not None
        and "#" not in text and "%25" not in text and "%2F" not in text
        and not any(segment.rstrip(".").endswith(" ") for segment in segments)
        and "." not in segments and ".." not in segments
        and target.startswith("/artifacts/step-core/")
        and not target.startswith("/artifacts/step-core/internal/")
    )  # fmt: skip


def test_the_store_sees_the_allowed_targets_and_no_other(gate, store):
    """All on connections that go on after each refusal, many requests at once."""
    source = random.Random(3)
    targets = []
    for _ in range(TARGETS):
        pieces = source.choices(PIECES, k=source.randrange(1, 6))
        targets.append(source.choice(STARTS) + "".join(pieces))
    allowed = [target for target in targets if is_allowed(target)]
    assert TARGETS // 20 < len(allowed) < TARGETS // 2
    start = store.mark()
    with gate.connect() as connection:
        for first in range(0, TARGETS, BATCH):
            batch = targets[first : first + BATCH]
            connection.send("".join(get(target=target) for target in batch).encode())
            statuses = [connection.response().status for _ in batch]
            for target, status in zip(batch, statuses):
                expected = (200, 404) if is_allowed(target) else (400, 403)
                assert status in expected, (target, status)
    asked = [request["target"] for request in store.requests(start)]
    assert asked == [urllib.parse.quote(path_of(target), safe="/") for target in allowed]


FLOODS = {
    "many-small-fields": "a:\r\n" * 2560,
    "few-large-fields": f"X-A: {'b' * 5000}\r\n" * 2,
    "one-large-field": f"X-A: {'b' * 10_200}",
    "63-fields": f"X-A: {'b' * 155}\r\n" * 63,
    "one-byte-names": "".join(f"{chr(97 + n % 26)}: 1\r\n" for n in range(2048)),
    "repeated-host": "Host: a\r\n" * 1138,
    "ranges": "Range: bytes=" + ",".join(f"{n}-" for n in range(2500)),
    "cookies": "Cookie: " + "a=b; " * 2000,
}
CONNECTIONS = 20


@pytest.mark.parametrize("complete", [False, True], ids=["unfinished", "complete"])
@pytest.mark.parametrize("fields", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_10_kib_costs_at_most_1_mib(lab, fields, complete):
    """The memory of CONNECTIONS such floods at once, divided by their number."""
    gate = lab.gateway()
    small = "/artifacts/step-core/small.txt"
    head = f"GET {small} HTTP/1.1\r\n{HOST}{fields}".encode()
    head += b"\r\n\r\n" if complete else b""
    connections = [gate.connect() for _ in range(CONNECTIONS)]
    for connection in connections:
        assert connection.get(small).status == 200
    with MemoryWatch(gate) as memory:
        for connection in connections:
            connection.send(head)
        gate.wait_rest()
    for connection in connections:
        connection.close()
    assert memory.growth / CONNECTIONS < (1 << 20) * common.MEMORY_FACTOR
    assert gate.get(small).status == 200
