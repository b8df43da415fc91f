"""Answers of the store that are chunked, or end with their connection: taken when a catalogue knows
the length and the digest, and only then; and what the log says of answers that are not taken."""

import re

import pytest
from mirrorgate_test.client import Truncated, refusal

from test_integrity import FILES, EMPTY, TEXT, ZIP, assert_as_catalogued, checking, metric
from test_spot_fetch import publish

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
CORE = FILES["core.zip"]
WORDS = FILES["doc/a.txt"]  # nine bytes
UNKNOWN = "/artifacts/step-core/small.txt"


def chunks(content, size):
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def answering(lab, release, answer):
    """A gate before a store that does ANSWER(connection, head), with the catalogue of 10.3."""

    def script(connection, _):
        while True:
            answer(connection, scripted.read_head(connection))

    root = lab.root()
    publish(root, release, "10.3", FILES)
    scripted = lab.scripted(script)
    return lab.gateway(scripted, config=checking(root, release))


def saying(text, *, ends=False, size=None):
    """Sends TEXT, in pieces of SIZE; then closes if it ENDS."""

    def answer(connection, _):
        for i in range(0, len(text), size or len(text)):
            connection.sendall(text[i : i + (size or len(text))])
        if ends:
            connection.close()

    return answer


# --- taken

WHOLE = {
    "chunks": saying(CHUNKED + b"\r\n" + chunks(CORE, 5000)),
    "one-chunk": saying(CHUNKED + b"\r\n" + chunks(CORE, 1 << 20)),
    "tiny-chunks": saying(CHUNKED + b"\r\n" + chunks(CORE, 7)),
    "in-pieces": saying(CHUNKED + b"\r\n" + chunks(CORE, 999), size=1009),
    "upper-case": saying(CHUNKED.replace(b"chunked", b"Chunked") + b"\r\n" + chunks(CORE, 0xABC)),
    "to-the-end": saying(OK + b"\r\n" + CORE, ends=True),
    "http-1.0": saying(b"HTTP/1.0 200 OK\r\n\r\n" + CORE, ends=True),
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_what_a_catalogue_knows_is_taken_and_sent_with_its_length(lab, release, answer):
    gate = answering(lab, release, answer)
    with gate.connect() as connection:
        for _ in range(2):
            response = connection.get(ZIP)
            assert (response.status, response.body) == (200, CORE)
            assert response.content_length == len(CORE)
            assert response.header("Transfer-Encoding") is None
            assert_as_catalogued(response, CORE)


def test_a_chunked_answer_keeps_its_connection_and_bytes_behind_it_do_not(lab, release):
    asked = []

    def answer(connection, head):
        asked.append(connection)
        evil = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nevil text"
        surplus = evil if len(asked) == 3 else b""
        connection.sendall(CHUNKED + b"\r\n" + chunks(WORDS, 4) + surplus)

    gate = answering(lab, release, answer)
    with gate.connect() as connection:
        for _ in range(4):
            assert connection.get(TEXT).body == WORDS
    assert asked[0] is asked[1] is asked[2]
    assert asked[3] is not asked[2]


def test_head_and_parts_are_taken_too(lab, release):
    part = b"HTTP/1.1 206 P\r\nContent-Range: bytes 2-4/9\r\nTransfer-Encoding: chunked\r\n\r\n"

    def answer(connection, head):
        if head.startswith(b"HEAD"):
            connection.sendall(CHUNKED + b"\r\n")
        else:
            connection.sendall(part + chunks(WORDS[2:5], 2))

    gate = answering(lab, release, answer)
    with gate.connect() as connection:
        response = connection.request("HEAD", TEXT)
        assert (response.status, response.content_length) == (200, len(WORDS))
        response = connection.get(TEXT, [("Range", "bytes=2-4")])
        assert (response.status, response.body) == (206, WORDS[2:5])
        assert_as_catalogued(response, WORDS)


def test_nothing_may_be_chunked(lab, release):
    gate = answering(lab, release, saying(CHUNKED + b"\r\n0\r\n\r\n"))
    response = gate.get(EMPTY)
    assert (response.status, response.body, response.content_length) == (200, b"", 0)


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked\r\n", b""])
def test_an_error_needs_no_length_and_its_text_is_left_out(lab, release, framing):
    text = b"HTTP/1.1 404 No\r\n" + framing + b"\r\n" + chunks(b"<Code>NoSuchKey</Code>", 99)
    gate = answering(lab, release, saying(text, ends=True))
    for path in (TEXT, UNKNOWN):
        response = gate.get(path)
        refusal(response, 404, "not-found")
        assert b"NoSuchKey" not in response.body


# --- refused

BROKEN = {
    "extension": b"9;a=b\r\nsome text\r\n0\r\n\r\n",
    "extension-of-the-last": b"9\r\nsome text\r\n0;a\r\n\r\n",
    "trailer": b"9\r\nsome text\r\n0\r\nX-A: b\r\n\r\n",
    "plus": b"+9\r\nsome text\r\n0\r\n\r\n",
    "minus": b"-9\r\nsome text\r\n0\r\n\r\n",
    "0x": b"0x9\r\nsome text\r\n0\r\n\r\n",
    "space-before": b" 9\r\nsome text\r\n0\r\n\r\n",
    "space-behind": b"9 \r\nsome text\r\n0\r\n\r\n",
    "2-64-and-9": b"10000000000000009\r\nsome text\r\n0\r\n\r\n",
    "empty-size": b"\r\nsome text\r\n0\r\n\r\n",
    "bare-lf": b"9\nsome text\n0\n\n",
    "no-crlf-behind": b"9\r\nsome text0\r\n\r\n",
    "longer": b"9\r\nsome text\r\n1\r\nX\r\n0\r\n\r\n",
    "longer-in-one": b"a\r\nsome textX\r\n0\r\n\r\n",
    "shorter": b"8\r\nsome tex\r\n0\r\n\r\n",
    "cut-in-a-chunk": b"9\r\nsome tex",
    "cut-before-the-last": b"9\r\nsome text\r\n",
    "cut-in-the-last": b"9\r\nsome text\r\n0\r\n",
    "other-bytes": b"9\r\nevil text\r\n0\r\n\r\n",
}


def assert_never_whole(gate, path, size):
    with gate.connect() as connection:
        connection.send_request("GET", path)
        with pytest.raises(Truncated) as cut:
            connection.response()
    response = cut.value.response
    if response is not None:
        assert response.content_length == size and len(response.body) < size
    return cut.value


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_chunked_body_is_never_whole(lab, release, body, size):
    gate = answering(lab, release, saying(CHUNKED + b"\r\n" + body, ends=True, size=size))
    assert_never_whole(gate, TEXT, len(WORDS))


@pytest.mark.parametrize("body", [WORDS + b"X", WORDS[:-1], b"", b"evil text"])
def test_a_body_that_ends_with_its_connection_is_whole_only_with_all_its_bytes(lab, release, body):
    gate = answering(lab, release, saying(OK + b"\r\n" + body, ends=True))
    assert_never_whole(gate, TEXT, len(WORDS))


HEADS = {
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "gzip-chunked": b"Transfer-Encoding: gzip, chunked\r\n",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "with-a-length": b"Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
    "a-length-first": b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n",
    "empty": b"Transfer-Encoding:\r\n",
}


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("fields", [*HEADS.values(), b"Transfer-Encoding: chunked\r\n"])
def test_no_other_transfer_encoding_is_taken_and_none_of_http_1_0(lab, release, fields, version):
    good = chunks(WORDS, 9)
    text = b"HTTP/" + version + b" 200 OK\r\n" + fields + b"\r\n" + good
    gate = answering(lab, release, saying(text, ends=True))
    if version == b"1.1" and fields == b"Transfer-Encoding: chunked\r\n":
        assert gate.get(TEXT).body == WORDS
    else:
        refusal(gate.get(TEXT), 502, "store-bad-response")


def test_a_length_that_is_another_marks_the_artifact_only_by_its_digest(lab, release):
    gate = answering(lab, release, saying(CHUNKED + b"\r\n" + BROKEN["other-bytes"], ends=True))
    assert_never_whole(gate, TEXT, len(WORDS))
    assert metric(gate, "integrity_failures_total") == 1
    refusal(gate.get(TEXT), 502, "store-bad-response")


# --- what the log says

SAID = {
    "302": (b"HTTP/1.1 302 F\r\nLocation: http://10.0.0.1/x?sig=SECRET\r\nContent-Length: 0\r\n\r\n",
            r"302 to http://10\.0\.0\.1/x\.\.\."),
    "user": (b"HTTP/1.1 307 F\r\nLocation: http://me:SECRET@a.b/x\r\nContent-Length: 0\r\n\r\n",
             r"307 to a\.b/x"),
    "401": (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "401"),
    "302-chunked": (b"HTTP/1.1 302 F\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "302"),
    "chunked": (CHUNKED + b"\r\n0\r\n\r\n", "200: chunked, and no catalogue knows its length"),
    "no-length": (OK + b"\r\nx", "200: no length, and no catalogue knows it"),
    "206": (b"HTTP/1.1 206 P\r\nContent-Length: 0\r\n\r\n",
            "206: an answer to a range that was not asked for"),
}  # fmt: skip


@pytest.mark.parametrize("answer, said", SAID.values(), ids=SAID.keys())
def test_the_log_says_what_the_store_did_of_which_path_and_where(lab, release, answer, said):
    gate = answering(lab, release, saying(answer, ends=True))
    refusal(gate.get(UNKNOWN), 502, "store-bad-response")
    [store] = gate.stores
    gate.wait_line(
        f"mirrorgate: warning: {said} while waiting for the answer of store "
        f"{re.escape(store.address)}: GET {UNKNOWN}$"
    )
    assert "SECRET" not in gate.stderr.text()


def test_the_log_of_a_cut_body_names_the_path(lab, release):
    gate = answering(lab, release, saying(CHUNKED + b"\r\n" + BROKEN["trailer"], ends=True))
    assert_never_whole(gate, TEXT, len(WORDS))
    gate.wait_line(
        r"mirrorgate: warning: there is a trailer behind the last chunk, \d+ bytes missing, while "
        rf"reading the body from store .*: GET {TEXT}$"
    )
