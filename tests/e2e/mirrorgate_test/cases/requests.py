"""Requests that must be refused for the way they are written: heads, lines, lengths, bodies.

`house` marks what RFC 9110 or 9112 lets a server accept, or asks it to refuse with no more than
SHOULD: there mirrorgate is stricter than the standard.
"""

from ..pki import SERVER_NAME
from .refused import EITHER, SMALL, Refused

HOST = f"Host: {SERVER_NAME}\r\n"
JSON = "Content-Type: application/json\r\n"
PUT = "PUT /snapshots/prod-1 HTTP/1.1\r\n" + HOST + JSON
OTHER = "/artifacts/step-plus/plus.zip"  # Globex has it, Acme has not
HEAD_FIELDS_MAX = 64  # of design section 4

MALFORMED = (400, "malformed-request")
BAD_PATH = (400, "malformed-path")
NO_BODY = (400, "body-not-allowed")
NO_LENGTH = (411, "length-required")
NOT_ALLOWED = (405, "method-not-allowed")
NO_METHOD = (NOT_ALLOWED, MALFORMED, BAD_PATH)
UNKNOWN = (501, "method-unknown")
TOO_LARGE = (413, "snapshot-too-large")
NOT_EXPECTED = (417, "expectation-failed")
TOO_LONG = (414, "uri-too-long")
HEADERS_TOO_LARGE = (431, "headers-too-large")
NOT_LICENSED = (403, "not-licensed")
MISSING_TYPE = (415, "unsupported-media-type")


def get(fields="", target=SMALL, version="HTTP/1.1", host=HOST):
    return f"GET {target} {version}\r\n{host}{fields}\r\n"


def line(text):
    """A request whose request line is TEXT."""
    return f"{text}\r\n{HOST}\r\n"


def put(fields, body="", version="1.1"):
    return PUT.replace("HTTP/1.1", f"HTTP/{version}", 1) + f"{fields}\r\n{body}"


def put_length(value, body="{}"):
    return put(f"Content-Length: {value}\r\n", body)


def table(group, *rows, house=False):
    """Cases of GROUP. A row is name, raw request, answers..., and perhaps a dictionary of the
    other fields of Refused."""
    cases = []
    for name, raw, *rest in rows:
        options = {"house": house}
        if isinstance(rest[-1], dict):
            options |= rest.pop()
        cases.append(Refused(group, name, raw=raw, answers=tuple(rest), **options))
    return cases


OPEN = {"closes": EITHER}

HEADS = table(
    "request head",
    ("space-before-first-field", f"GET {SMALL} HTTP/1.1\r\n {HOST}\r\n", MALFORMED),
    ("tab-before-first-field", f"GET {SMALL} HTTP/1.1\r\n\t{HOST}\r\n", MALFORMED),
    ("space-before-colon", get("X-A : b\r\n"), MALFORMED),
    ("tab-before-colon", get("X-A\t: b\r\n"), MALFORMED),
) + table(
    "request head",
    ("nul-in-name", get("X-\0A: b\r\n"), MALFORMED),
    ("high-byte-in-name", get("X-\xe9: b\r\n"), MALFORMED),
    ("bare-lf-everywhere", get().replace("\r\n", "\n"), MALFORMED),
    ("bare-lf-after-request-line", get().replace("\r\n", "\n", 1), MALFORMED),
    ("bare-lf-after-field", get("X-A: b\n"), MALFORMED),
    ("bare-lf-ends-the-head", get("X-A: b\r\n")[:-2] + "\n", MALFORMED),
    ("bare-cr-in-value", get("X-A: b\rX-B: c\r\n"), MALFORMED),
    ("bare-cr-after-request-line", get().replace("\r\n", "\r", 1), MALFORMED),
    ("bare-cr-ends-the-head", get("X-A: b\r\n")[:-2] + "\rX\r\n\r\n", MALFORMED),
    ("cr-and-any-byte-ends-the-head", get("X-A: b\r\n")[:-2] + "\rX" + get(), MALFORMED),
    ("cr-cr-lf", get("X-A: b\r\r\n"), MALFORMED),
    ("empty-line-first", "\r\n" + get(), MALFORMED),
    ("obs-fold-space", get("X-A: b\r\n c\r\n"), MALFORMED),
    ("obs-fold-tab", get("X-A: b\r\n\tc\r\n"), MALFORMED),
    ("nul-in-value", get("X-A: b\0c\r\n"), MALFORMED),
    ("control-in-value", get("X-A: b\x01c\r\n"), MALFORMED),
    ("delete-in-value", get("X-A: b\x7fc\r\n"), MALFORMED),
    ("control-first-in-value", get("X-A: \x02b\r\n"), MALFORMED),
    ("tab-in-value", get("X-A: b\tc\r\n"), MALFORMED),
    ("high-byte-in-value", get("X-A: caf\xe9\r\n"), MALFORMED),
    ("utf-8-in-value", get("X-A: caf\xc3\xa9\r\n"), MALFORMED),
    ("space-in-name", get("X A: b\r\n"), MALFORMED),
    ("no-colon", get("X-A\r\n"), MALFORMED),
    ("empty-name", get(": b\r\n"), MALFORMED),
    ("parenthesis-in-name", get("X(A): b\r\n"), MALFORMED),
    ("slash-in-name", get("X/A: b\r\n"), MALFORMED),
    ("content-type-twice", put(JSON + "Content-Length: 2\r\n", "{}"), MALFORMED),
    house=True,
)

LINES = table(
    "request line",
    ("http-0.9", f"GET {SMALL}\r\n\r\n", MALFORMED),
    ("http-2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED, UNKNOWN),
    ("not-http", "EHLO example.com\r\n\r\n", MALFORMED, UNKNOWN),
    ("tls-in-tls", "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", MALFORMED),
    ("method-with-high-byte", line(f"G\xc9T {SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    ("method-with-nul", line(f"GET\0 {SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    ("four-words", line(f"GET {SMALL} x HTTP/1.1"), MALFORMED, BAD_PATH),
    ("second-version", line(f"GET {SMALL} HTTP/1.1 HTTP/1.0"), MALFORMED, BAD_PATH),
    ("http-2.0", get(version="HTTP/2.0"), MALFORMED),
    ("http-0.9-named", get(version="HTTP/0.9"), MALFORMED),
    ("http-01.1", get(version="HTTP/01.1"), MALFORMED),
    ("http-1.10", get(version="HTTP/1.10"), MALFORMED),
    ("http-1.1x", get(version="HTTP/1.1x"), MALFORMED),
    ("http-minus", get(version="HTTP/1.-1"), MALFORMED),
    ("http-lower-case", get(version="http/1.1"), MALFORMED),
    ("http-1", get(version="HTTP/1"), MALFORMED),
    ("http-1-comma", get(version="HTTP/1,1"), MALFORMED),
    ("not-http-name", get(version="HTTX/1.1"), MALFORMED),
    ("http-1.2", get(version="HTTP/1.2"), MALFORMED),
    ("two-spaces", line(f"GET  {SMALL} HTTP/1.1"), MALFORMED, BAD_PATH),
    ("two-spaces-before-version", line(f"GET {SMALL}  HTTP/1.1"), MALFORMED, BAD_PATH),
    ("tab-for-space", line(f"GET\t{SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    ("space-at-end", line(f"GET {SMALL} HTTP/1.1 "), MALFORMED),
    ("space-at-start", line(f" GET {SMALL} HTTP/1.1"), MALFORMED, UNKNOWN),
    house=True,
)

VERBS = "POST DELETE PATCH COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND"
VERBS += " ACL REPORT MKACTIVITY CHECKOUT MERGE NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR"
VERBS += " LINK UNLINK SOURCE M-SEARCH OPTIONS TRACE"
UNKNOWN_VERBS = "FETCH get Get GETS GE G DEBUG TRACK BASELINE-CONTROL VERSION-CONTROL UNCHECKOUT"
UNKNOWN_VERBS += " LABEL UPDATE MKWORKSPACE ORDERPATCH MKREDIRECTREF UPDATEREDIRECTREF BMOVE BCOPY"
UNKNOWN_VERBS += " RPC_IN_DATA QUERY PRI SSTP_DUPLEX_POST put Put head"

METHODS = [
    *table(
        "method",
        *((verb, line(f"{verb} {SMALL} HTTP/1.1"), NOT_ALLOWED, OPEN) for verb in VERBS.split()),
        *((verb, line(f"{verb} {SMALL} HTTP/1.1"), UNKNOWN) for verb in UNKNOWN_VERBS.split()),
        ("put-artifact", line(f"PUT {SMALL} HTTP/1.1")[:-2] + f"{JSON}Content-Length: 2\r\n\r\n{{}}",
         NOT_ALLOWED, OPEN),
        ("post-with-body", f"POST {SMALL} HTTP/1.1\r\n{HOST}Content-Length: 2\r\n\r\nab",
         NOT_ALLOWED, OPEN),
        ("connect", line("CONNECT a.example:443 HTTP/1.1"), *NO_METHOD),
        ("connect-path", line(f"CONNECT {SMALL} HTTP/1.1"), *NO_METHOD),
        ("options-asterisk", line("OPTIONS * HTTP/1.1"), *NO_METHOD, OPEN),
        ("delete-snapshot", line("DELETE /snapshots/acme/prod-1 HTTP/1.1"), NOT_ALLOWED, OPEN),
        ("move-snapshot", line("MOVE /snapshots/prod-1 HTTP/1.1")[:-2] +
         "Destination: /artifacts/step-core/small.txt\r\n\r\n", NOT_ALLOWED, OPEN),
        ("override-in-header", f"POST {SMALL} HTTP/1.1\r\n{HOST}X-HTTP-Method-Override: GET\r\n"
         "Content-Length: 0\r\n\r\n", NOT_ALLOWED, OPEN),
        ("override-in-query", line(f"POST {SMALL}?_method=GET HTTP/1.1"), NOT_ALLOWED, BAD_PATH,
         OPEN),
    ),
]  # fmt: skip


def host(value):
    return get(host=f"Host: {value}\r\n")


HOSTS = table(
    "host",
    ("missing", f"GET {SMALL} HTTP/1.1\r\n\r\n", MALFORMED),
    ("twice", get(HOST), MALFORMED),
    ("twice-different", get("Host: other.example\r\n"), MALFORMED),
    ("twice-in-case", get(HOST.lower()), MALFORMED),
    ("twice-and-far", get("X-A: b\r\n" * 20 + HOST), MALFORMED),
    ("space", host("a b"), MALFORMED),
    ("path", host("a/b"), MALFORMED),
    ("user", host("u@a"), MALFORMED),
    ("user-and-password", host(f"u:p@{SERVER_NAME}"), MALFORMED),
    ("port-with-letters", host(f"{SERVER_NAME}:44x3"), MALFORMED),
    ("port-twice", host(f"{SERVER_NAME}:443:80"), MALFORMED),
    ("port-negative", host(f"{SERVER_NAME}:-1"), MALFORMED),
    ("port-and-user", host(f"{SERVER_NAME}:80@evil.example"), MALFORMED),
    ("query", host(f"{SERVER_NAME}?a"), MALFORMED),
    ("fragment", host(f"{SERVER_NAME}#a"), MALFORMED),
    ("comma", host(f"{SERVER_NAME}, evil.example"), MALFORMED),
    ("backslash", host(f"{SERVER_NAME}\\evil.example"), MALFORMED),
    ("brackets-open", host("[::1"), MALFORMED),
    ("brackets-no-address", host("[x]"), MALFORMED),
    ("brackets-and-more", host("[::1]x"), MALFORMED),
) + table(
    "host",
    ("port-65536", host(f"{SERVER_NAME}:65536"), MALFORMED),
    ("absolute-form-conflict", get(target=f"https://evil.example{SMALL}"), MALFORMED),
    ("percent", host("%65xample"), MALFORMED),
    ("empty", host(""), MALFORMED),
    ("only-port", host(":443"), MALFORMED),
    ("port-empty", host(f"{SERVER_NAME}:"), MALFORMED),
    ("port-0", host(f"{SERVER_NAME}:0"), MALFORMED),
    ("port-with-zeros", host(f"{SERVER_NAME}:0443"), MALFORMED),
    ("zone", host("[fe80::1%25lo]"), MALFORMED),
    ("over-long", host("a" * 256), MALFORMED),
    ("imitated", get("Host_: evil.example\r\nX-Host: e\r\nHost : x\r\n"), MALFORMED),
    house=True,
)

LENGTHS = table(
    "content-length",
    ("plus", put_length("+2"), MALFORMED),
    ("minus", put_length("-1"), MALFORMED),
    ("minus-zero", put_length("-0"), MALFORMED),
    ("hex", put_length("0x2"), MALFORMED),
    ("hex-digits", put_length("a"), MALFORMED),
    ("two-words", put_length("2 2"), MALFORMED),
    ("empty", put_length(""), MALFORMED),
    ("word", put_length("two"), MALFORMED),
    ("float", put_length("2.0"), MALFORMED),
    ("underscore", put_length("2_0"), MALFORMED),
    ("trailing-semicolon", put_length("2;"), MALFORMED),
    ("quotes", put_length('"2"'), MALFORMED),
    ("exponent", put_length("2e0"), MALFORMED),
    ("vertical-tab-before", put_length("\x0b2"), MALFORMED),
    ("vertical-tab-behind", put_length("2\x0b"), MALFORMED),
    ("form-feed", put_length("2\x0c"), MALFORMED),
    ("nul", put_length("2\0"), MALFORMED),
    ("no-break-space", put_length("\xa02"), MALFORMED),
    ("full-width-digit", put_length("\xef\xbc\x92"), MALFORMED),
    ("list-different", put_length("2, 3"), MALFORMED),
    ("list-empty-item", put_length("2,,2"), MALFORMED),
    ("trailing-comma", put_length("2,"), MALFORMED),
    ("2-64", put_length("18446744073709551616"), MALFORMED, TOO_LARGE),
    ("2-64-and-2", put_length("18446744073709551618"), MALFORMED, TOO_LARGE),
    ("2-32-and-2", put_length("4294967298"), TOO_LARGE),
    ("2-63", put_length("9223372036854775808"), MALFORMED, TOO_LARGE),
    ("2-63-less-1", put_length("9223372036854775807"), MALFORMED, TOO_LARGE),
    ("100-digits", put_length("1" * 100), MALFORMED, TOO_LARGE),
    ("twice-different", put_length("2\r\nContent-Length: 3", "{}x"), MALFORMED),
    ("twice-valid-and-not", put_length("2\r\nContent-Length: x"), MALFORMED),
    ("twice-valid-and-empty", put_length("2\r\nContent-Length:"), MALFORMED),
    ("space-before-colon", put("Content-Length : 2\r\n", "{}"), MALFORMED),
    ("space-in-name", put("Content Length: 2\r\n", "{}"), MALFORMED),
    ("on-get-and-bad", get("Content-Length: x\r\n"), MALFORMED),
) + table(
    "content-length",
    ("zeros", put_length("002"), MALFORMED),
    ("list-same", put_length("2,2"), MALFORMED),
    ("list-same-space", put_length("2, 2"), MALFORMED),
    ("twice-same", put_length("2\r\nContent-Length: 2"), MALFORMED),
    ("twice-in-case", put_length("2\r\ncontent-length: 2"), MALFORMED),
    ("tab-before", put_length("\t2"), MALFORMED),
    ("tab-behind", put_length("2\t"), MALFORMED),
    ("obs-fold", put_length("\r\n 2"), MALFORMED),
    ("obs-fold-behind", put_length("2\r\n 0"), MALFORMED),
    ("underscore-name", put("Content_Length: 2\r\nContent-Length: 2\r\n", "{}"), MALFORMED),
    ("underscore-name-alone", get("Content_Length: 40\r\n"), MALFORMED),
    ("missing", put(""), NO_LENGTH, OPEN),
    house=True,
)

CHUNKED = "Transfer-Encoding: chunked\r\n"
BODY = "Content-Length: 5\r\n"
CHUNKS = "5\r\nhello\r\n0\r\n\r\n"


def encoded(value, fields="", body=CHUNKS):
    return put(f"Transfer-Encoding: {value}\r\n{fields}", body)


ENCODINGS = table(
    "transfer-encoding",
    ("http-1.0", put(CHUNKED, CHUNKS, version="1.0"), NO_LENGTH, MALFORMED),
    ("identity", encoded("identity"), NO_LENGTH),
    ("xchunked", encoded("xchunked"), NO_LENGTH),
    ("chunkedx", encoded("chunkedx"), NO_LENGTH),
    ("chunked-identity", encoded("chunked, identity"), NO_LENGTH),
    ("chunked-gzip", encoded("chunked, gzip"), NO_LENGTH),
    ("chunked-chunked", encoded("chunked, chunked"), NO_LENGTH),
    ("two-lines-last-identity", encoded("chunked\r\nTransfer-Encoding: identity"), NO_LENGTH),
    ("two-lines-chunked", encoded("chunked\r\nTransfer-Encoding: chunked"), NO_LENGTH),
    ("quoted", encoded('"chunked"'), NO_LENGTH),
    ("8-bit-before", encoded("\xffchunked"), MALFORMED, NO_LENGTH),
    ("8-bit-behind", encoded("chunked\xa0"), MALFORMED, NO_LENGTH),
    ("vertical-tab-before", encoded("\x0bchunked"), MALFORMED, NO_LENGTH),
    ("vertical-tab-behind", encoded("chunked\x0b"), MALFORMED, NO_LENGTH),
    ("nul", encoded("chunked\0"), MALFORMED, NO_LENGTH),
    ("long-s", encoded("chun\xc5\xbfed"), MALFORMED, NO_LENGTH),
    ("space-before-colon", put("Transfer-Encoding : chunked\r\n", CHUNKS), MALFORMED),
    ("vertical-tab-in-name", put("Transfer-Encoding\x0b: chunked\r\n", CHUNKS), MALFORMED),
    ("bare-cr-before-name", put("X: y\rTransfer-Encoding: chunked\r\n" + BODY, CHUNKS), MALFORMED),
    ("xchunked-and-length", encoded("xchunked", BODY), MALFORMED),
    ("identity-and-length", encoded("identity", BODY), MALFORMED),
) + table(
    "transfer-encoding",
    ("chunked", put(CHUNKED, CHUNKS), NO_LENGTH),
    ("chunked-and-length", put(CHUNKED + BODY, CHUNKS), MALFORMED),
    ("length-and-chunked", put(BODY + CHUNKED, CHUNKS), MALFORMED),
    ("gzip-chunked", encoded("gzip, chunked"), NO_LENGTH),
    ("upper-case", put("TRANSFER-ENCODING: CHUNKED\r\n", CHUNKS), NO_LENGTH),
    ("parameter", encoded("chunked;q=1"), NO_LENGTH),
    ("comma-before", encoded(",chunked"), NO_LENGTH),
    ("comma-behind", encoded("chunked,"), NO_LENGTH),
    ("tab-before", encoded("\tchunked"), MALFORMED, NO_LENGTH),
    ("empty", put("Transfer-Encoding:\r\n"), NO_LENGTH, MALFORMED),
    ("obs-fold", put("Transfer-Encoding:\r\n chunked\r\n", CHUNKS), MALFORMED, NO_LENGTH),
    ("underscore-name", put("Transfer_Encoding: chunked\r\n" + BODY, CHUNKS), MALFORMED),
    ("on-get", get(CHUNKED) + CHUNKS, NO_LENGTH, NO_BODY),
    ("on-get-and-length", get(CHUNKED + BODY) + CHUNKS, MALFORMED, NO_BODY),
    ("on-head", get(CHUNKED).replace("GET", "HEAD") + CHUNKS, NO_LENGTH, NO_BODY),
    ("expect-continue", put(CHUNKED + "Expect: 100-continue\r\n"), NO_LENGTH),
    house=True,
)

SPOOFED = "X-Mirrorgate-Customer: globex"


def chunks(text):
    return put(CHUNKED, text)


# mirrorgate takes no chunked body at all, so each is refused before its first chunk is read; what
# others make of the chunks is another question.
CHUNK_SYNTAX = table(
    "chunks",
    ("size-with-0x", chunks("0x5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-plus", chunks("+5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-minus", chunks("-5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-empty", chunks("\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-letters", chunks("xyz\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-2-64-and-5", chunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-2-32-and-5", chunks("100000005\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-high-byte", chunks("\xb5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-underscore", chunks("0_5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("space-before-size", chunks(" 5\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("nul-behind-size", chunks("5\0\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("no-crlf-behind-data", chunks("5\r\nhello0\r\n\r\n"), NO_LENGTH),
    ("data-too-long", chunks("5\r\nhello!\r\n0\r\n\r\n"), NO_LENGTH),
    ("data-too-short", chunks("6\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("bare-cr-behind-size", chunks("5\rhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("trailer-with-space", chunks("5\r\nhello\r\n0\r\nX A : b\r\n\r\n"), NO_LENGTH),
    ("trailer-is-identity", chunks(f"5\r\nhello\r\n0\r\n{SPOOFED}\r\n\r\n"), NO_LENGTH,
     {"secret": b"globex"}),
    ("trailer-is-length", chunks("5\r\nhello\r\n0\r\nContent-Length: 77\r\n\r\n"), NO_LENGTH,
     {"secret": b"77"}),
    ("trailer-is-host", chunks("5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n"), NO_LENGTH,
     {"secret": b"evil.example"}),
    ("trailer-is-authorization", chunks("5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n"),
     NO_LENGTH, {"secret": b"eDp5"}),
) + table(
    "chunks",
    ("extension", chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("extension-with-lf", chunks("5;a\nb\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("extension-of-8-kib", chunks(f"5;{'a' * 8192}\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("space-behind-size", chunks("5 \r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("size-with-zeros", chunks("0000000000000000000005\r\nhello\r\n0\r\n\r\n"), NO_LENGTH),
    ("bare-lf", chunks("5\nhello\n0\n\n"), NO_LENGTH),
    ("trailer", chunks("5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"), NO_LENGTH),
    house=True,
)  # fmt: skip

INNER = get(target=OTHER)
BODIES = table(
    "body",
    ("on-get", get(BODY) + "hello", NO_BODY),
    ("on-head", get(BODY).replace("GET", "HEAD") + "hello", NO_BODY),
    ("get-as-body-of-get", get(f"Content-Length: {len(get())}\r\n") + get(), NO_BODY),
    ("unlicensed-get-as-body-of-get", get(f"Content-Length: {len(INNER)}\r\n") + INNER, NO_BODY),
    ("on-get-and-expect", get(BODY + "Expect: 100-continue\r\n"), NO_BODY),
    house=True,
)

UPGRADES = table(
    "connection",
    ("upgrade", get("Connection: Upgrade\r\nUpgrade: websocket\r\n"), MALFORMED),
    ("upgrade-websocket", get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), MALFORMED),
    ("upgrade-h2c", get("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
     "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"), MALFORMED),
    ("upgrade-tls", get("Upgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade\r\n"), MALFORMED),
    ("upgrade-without-connection", get("Upgrade: h2c\r\n"), MALFORMED),
    ("connection-upgrade-alone", get("Connection: upgrade\r\n"), MALFORMED),
    ("http2-settings-alone", get("HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"), MALFORMED),
    ("expect-something", get("Expect: 200-ok\r\n"), NOT_EXPECTED),
    ("expect-empty", get("Expect:\r\n"), NOT_EXPECTED),
    ("expect-list", put(BODY + "Expect: 100-continue, x\r\n"), NOT_EXPECTED),
    ("expect-twice", put(BODY + "Expect: 100-continue\r\n" * 2), NOT_EXPECTED),
    ("expect-folded", put(BODY + "Expect:\r\n 100-continue\r\n"), MALFORMED),
    ("expect-near", put(BODY + "Expect: 100-continue;q=1\r\n"), NOT_EXPECTED),
    house=True,
)  # fmt: skip


def filler(size):
    """Header fields of SIZE bytes together, in lines of at most 1,000."""
    lines = []
    while size > 0:
        length = size if size <= 1000 else min(1000, size - 20)
        lines.append("X-Fill: " + "x" * (length - 10) + "\r\n")
        size -= length
    return "".join(lines)


SIZES = table(
    "size",
    ("line-of-64-kib", get(target="/artifacts/step-core/" + "a" * 65_536), TOO_LONG),
    ("fields-of-64-kib", get(filler(65_536)), HEADERS_TOO_LARGE),
    ("1000-fields", get("X-A: b\r\n" * 1000), HEADERS_TOO_LARGE),
) + table(
    "size",
    ("line-over-8-kib", get(target="/artifacts/step-core/" + "a" * 8192), TOO_LONG),
    ("fields-over-16-kib", get(filler(16_385)), HEADERS_TOO_LARGE),
    ("one-field-over-16-kib", get(f"X-A: {'b' * 16_384}\r\n"), HEADERS_TOO_LARGE),
    ("one-name-over-16-kib", get(f"{'X' * 16_384}: b\r\n"), HEADERS_TOO_LARGE),
    ("65-fields", get("X-A: b\r\n" * HEAD_FIELDS_MAX), HEADERS_TOO_LARGE),
    ("65-empty-fields", get("A:\r\n" * HEAD_FIELDS_MAX), HEADERS_TOO_LARGE),
    house=True,
)

CASES = HEADS + LINES + METHODS + HOSTS + LENGTHS + ENCODINGS + CHUNK_SYNTAX + BODIES + UPGRADES
CASES += SIZES
