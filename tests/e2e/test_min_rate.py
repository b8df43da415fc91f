"""`timeouts.min_rate`: who is slower than that, averaged over 30 s, is cut; who is not, is not.

All clients run at the same time, as the window is what takes the time.
"""

import concurrent.futures
import time

from mirrorgate_test.client import Truncated
from mirrorgate_test.store import write_sparse

IMAGE = "/artifacts/step-core/image.img"
MIB = 1 << 20


def read_at(gate, rate, seconds):
    """Reads IMAGE at RATE bytes a second for SECONDS; returns when it was cut, or None."""
    start = time.monotonic()
    received = 0
    with gate.connect(receive_buffer=65_536) as connection:
        connection.send_request("GET", IMAGE)
        response = connection.read_head()
        try:
            for piece in connection.body_pieces(response):
                received += len(piece)
                now = time.monotonic() - start
                if now > seconds:
                    return None
                time.sleep(max(0, received / rate - now))
        except Truncated as cut:
            assert cut.end != "close_notify"
            return time.monotonic() - start
    raise AssertionError("the file was too small")


def upload_at(gate, pause):
    """Uploads a byte every PAUSE seconds; returns after how many seconds it was ended."""
    start = time.monotonic()
    with gate.connect() as connection:
        fields = [("Content-Type", "application/json"), ("Content-Length", "100000")]
        connection.send_request("PUT", "/snapshots/slow", fields)
        while not connection.readable(pause):
            connection.send(b" ")
        try:
            assert connection.response().status == 408
        except Truncated:
            pass
        return time.monotonic() - start


def test_slow_clients_are_cut_after_the_window_and_fast_ones_are_not(lab):
    store = lab.stub()
    write_sparse(store.root, IMAGE[1:], 400 * MIB)
    timeouts = {"min_rate": "1M", "send": "60s", "body": "120s", "request": "60s"}
    gate = lab.gateway(store, config={"timeouts": timeouts})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(read_at, gate, MIB // 8, 50)
        fast = pool.submit(read_at, gate, 4 * MIB, 40)
        upload = pool.submit(upload_at, gate, 0.5)
        assert slow.result() >= 27 and upload.result() >= 27  # never before the window's end
        assert fast.result() is None
    closes = [line["close"] for line in gate.log_lines()]
    assert closes.count("below the minimum rate") == 2
    assert store.snapshots() == {}
    assert gate.get("/artifacts/step-core/small.txt").status == 200
