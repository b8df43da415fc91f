"""Targets that must be refused: another spelling of a path, or a path that the caller has not.

`house` marks other spellings of a path that Acme may have anyway. All else would let a path be
authorised in one form and fetched in another, or be read without a licence.
"""

from ..pki import SERVER_NAME
from .refused import EITHER, SMALL, Refused
from .requests import (BAD_PATH, HOST, JSON, MALFORMED, NOT_ALLOWED, NOT_LICENSED, OTHER, TOO_LONG, get)  # fmt: skip

CORE = "/artifacts/step-core"

ESCAPES = {
    "percent-encoded-dots": f"{CORE}/%2e%2e/step-plus/plus.zip",
    "percent-encoded-dot": f"{CORE}/.%2e/step-plus/plus.zip",
    "percent-encoded-upper-case": f"{CORE}/%2E%2E/step-plus/plus.zip",
    "percent-encoded-slash": f"{CORE}/..%2fstep-plus/plus.zip",
    "percent-encoded-slash-and-dots": f"{CORE}/%2e%2e%2fstep-plus%2fplus.zip",
    "percent-encoded-backslash": f"{CORE}/..%5cstep-plus/plus.zip",
    "percent-encoded-nul": f"{CORE}/internal%00/secret.bin",
    "percent-encoded-line": f"{CORE}/x%0d%0aX-Mirrorgate-Customer:%20globex",
    "double-encoded": f"{CORE}/%252e%252e/step-plus/plus.zip",
    "double-encoded-slash": f"{CORE}/..%252fstep-plus/plus.zip",
    "triple-encoded": f"{CORE}/%25252e%25252e/step-plus/plus.zip",
    "overlong-utf-8-dot": f"{CORE}/%c0%ae%c0%ae/step-plus/plus.zip",
    "overlong-utf-8-slash": f"{CORE}/..%c0%afstep-plus/plus.zip",
    "overlong-utf-8-3-bytes": f"{CORE}/%e0%80%ae%e0%80%ae/step-plus/plus.zip",
    "full-width-slash": f"{CORE}/..%ef%bc%8fstep-plus/plus.zip",
    "full-width-dots": f"{CORE}/%ef%bc%8e%ef%bc%8e/step-plus/plus.zip",
    "percent-u": f"{CORE}/%u002e%u002e/step-plus/plus.zip",
    "dot-dot": f"{CORE}/../step-plus/plus.zip",
    "dot-dot-twice": f"{CORE}/../../artifacts/step-plus/plus.zip",
    "dot-dot-above-the-root": "/../../../../etc/passwd",
    "dot-dot-at-end": f"{CORE}/..",
    "dot-dot-slash-slash": f"{CORE}/..//step-plus/plus.zip",
    "dot-dot-space": f"{CORE}/..%20/step-plus/plus.zip",
    "dot-dot-semicolon": f"{CORE}/..;/step-plus/plus.zip",
    "dot-dot-semicolon-parameter": f"{CORE}/..;a=b/step-plus/plus.zip",
    "dot-dot-backslash": f"{CORE}/..\\step-plus\\plus.zip",
    "back-slashes": f"{CORE}\\..\\step-plus\\plus.zip",
    "dot-dot-nul": f"{CORE}/..\0/step-plus/plus.zip",
    "except-by-dot": f"{CORE}/./internal/secret.bin",
    "except-by-slashes": f"{CORE}//internal/secret.bin",
    "except-by-dot-dot": f"{CORE}/x/../internal/secret.bin",
    "except-by-encoded-slash": f"{CORE}/internal%2fsecret.bin",
    "except-by-semicolon": f"{CORE}/internal;x/secret.bin",
    "except-by-backslash": f"{CORE}/internal\\secret.bin",
    "query-with-path": f"{CORE}/small.txt?../../step-plus/plus.zip",
    "fragment-with-path": f"{OTHER}#{SMALL}",
    "encoded-fragment": f"{CORE}/%23/../../step-plus/plus.zip",
    "nul-byte": f"{CORE}/small.txt\0",
    "absolute-form-other-path": f"https://{SERVER_NAME}{OTHER}",
    "absolute-form-no-path": f"https://{SERVER_NAME}",
    "authority-form": f"{SERVER_NAME}:443",
    "asterisk-form": "*",
    "no-slash": "artifacts/step-core/small.txt",
    "no-slash-dot-dot": f"x/..{SMALL}",
    "scheme-only": f"http:{SMALL}",
    "file-scheme": "file:///etc/passwd",
    "network-path": f"//evil.example{SMALL}",
    "at-sign-first": f"@evil.example{SMALL}",
}

OTHER_SPELLINGS = {
    "percent-encoded-percent": f"{CORE}/small%25.txt",
    "percent-and-one-hex": f"{CORE}/small%2.txt",
    "encoded-question-mark": f"{CORE}/small.txt%3fx",
    "encoded-semicolon": f"{CORE}/small.txt%3Bx",
    "encoded-asterisk": f"{CORE}/%2a",
    "encoded-delete": f"{CORE}/a%7fb",
    "encoded-latin-1": f"{CORE}/caf%e9",
    "encoded-form-d": f"{CORE}/cafe%cc%81",
    "encoded-c1-control": f"{CORE}/a%c2%85b",
    "encoded-line-separator": f"{CORE}/a%e2%80%a8b",
    "encoded-direction": f"{CORE}/a%e2%80%aeb",
    "encoded-surrogate": f"{CORE}/%ed%a0%80",
    "percent-encoded-middle-slash": "/artifacts/step-core%2Fsmall.txt",
    "lone-percent": f"{CORE}/%",
    "percent-and-no-hex": f"{CORE}/%zz",
    "percent-cut": f"{CORE}/small.txt%2",
    "dot": "/artifacts/./step-core/small.txt",
    "dot-at-end": f"{CORE}/.",
    "dot-dot-at-start": f"/..{SMALL}",
    "double-slash": "/artifacts//step-core/small.txt",
    "double-slash-at-start": f"/{SMALL}",
    "double-slash-at-end": f"{CORE}//",
    "slash-slash-small": f"{CORE}//small.txt",
    "semicolon": f"{CORE}/small.txt;v=1",
    "semicolon-empty": f"{CORE}/small.txt;",
    "asterisk-inside": f"{CORE}/*",
    "backslash": f"{CORE}\\small.txt",
    "query": f"{CORE}/small.txt?x=1",
    "empty-query": f"{CORE}/small.txt?",
    "fragment": f"{CORE}/small.txt#x",
    "quote": f'{CORE}/"x"',
    "angle": f"{CORE}/<x>",
    "bar": f"{CORE}/a|b",
    "backtick": f"{CORE}/`x`",
    "encoded-space-at-end": f"{CORE}/small.txt%20",
    "encoded-tab": f"{CORE}/small%09.txt",
    "absolute-form-other-host": f"http://evil.example{SMALL}",
    "absolute-form-user": f"https://a@{SERVER_NAME}{SMALL}",
    "absolute-form": f"https://{SERVER_NAME}{SMALL}",
    "control-byte": f"{CORE}/a\x01b",
    "delete-byte": f"{CORE}/a\x7fb",
    "high-byte": f"{CORE}/caf\xe9",
    "utf-8": f"{CORE}/caf\xc3\xa9",
    "too-long-for-a-path": f"{CORE}/" + "a/" * 2500,
    "query-on-licence": "/licence?x",
    "encoded-slash-in-licence": "%2flicence",
}
NOT_MINE = {
    "another-product": OTHER,
    "prefix-of-another": "/artifacts/step-corex/small.txt",
    "prefix-and-dash": "/artifacts/step-core-internal/x",
    "prefix-without-slash": "/artifacts/step-core",
    "prefix-and-dot": "/artifacts/step-core./small.txt",
    "prefix-cut": "/artifacts/step-cor/small.txt",
    "upper-case": "/artifacts/STEP-CORE/small.txt",
    "upper-case-above": "/Artifacts/step-core/small.txt",
    "below-something-else": f"/x{SMALL}",
    "except": f"{CORE}/internal/secret.bin",
    "except-by-encoding": f"{CORE}/%69nternal/secret.bin",
    "another-product-by-encoding": "/artifacts/step%2Dplus/plus.zip",
    "except-folder": f"{CORE}/internal/",
    "root": "/",
    "folder-above": "/artifacts/",
    "dots-that-are-a-name": "/artifacts/.../x",
    "tilde": "/artifacts/~/x",
    "favicon": "/favicon.ico",
    "git": "/.git/config",
    "server-status": "/server-status",
    "well-known": "/.well-known/acme-challenge/x",
}
NOT_PERMITTED = (403, "not-permitted")
NOT_YET = (403, "licence-not-started")
ENDED = (403, "licence-expired")
RESERVED = {
    "snapshots": ("/snapshots/", NOT_ALLOWED),
    "own-snapshot": ("/snapshots/acme/prod-1/x.json", NOT_ALLOWED),
    "their-snapshot": ("/snapshots/globex/prod-1/x.json", NOT_ALLOWED),
    "snapshots-without-slash": ("/snapshots", NOT_PERMITTED),
    "healthz": ("/healthz", NOT_PERMITTED),
    "readyz": ("/readyz", NOT_PERMITTED),
    "status": ("/status", NOT_PERMITTED),
    "status.json": ("/status.json", NOT_PERMITTED),
    "metrics": ("/metrics", NOT_PERMITTED),
    "ended-licence": ("/artifacts/step-old/old.zip", ENDED),
    "licence-to-come": ("/artifacts/step-next/next.zip", NOT_YET),
}

# Uploads under another's name, or into the artifacts.
UPLOADS = {
    "their-folder": "/snapshots/globex/prod-1",
    "own-folder": "/snapshots/acme/prod-1",
    "dot-dot": "/snapshots/../snapshots/globex/prod-1",
    "dot-dot-name": "/snapshots/..",
    "encoded-slash": "/snapshots/..%2fglobex%2fprod-1",
    "encoded-dots": "/snapshots/%2e%2e/globex/prod-1",
    "backslash": "/snapshots/..\\globex\\prod-1",
    "semicolon": "/snapshots/..;/globex/prod-1",
    "double-slash": "/snapshots//globex/prod-1",
    "double-slash-first": "//snapshots/globex/prod-1",
    "trailing-slash": "/snapshots/prod-1/",
    "hidden": "/snapshots/.prod-1",
    "nul": "/snapshots/prod-1\0",
    "query": "/snapshots/prod-1?customer=globex",
    "fragment": "/snapshots/prod-1#globex",
    "too-long-a-name": "/snapshots/" + "a" * 129,
    "no-name": "/snapshots/",
    "upper-case": "/Snapshots/globex",
    "artifact": SMALL,
    "licence": "/licence",
    "root": "/",
}


def upload(target):
    return f"PUT {target} HTTP/1.1\r\n{HOST}{JSON}Content-Length: 2\r\n\r\n{{}}"


def spelled(name, target, house):
    raw = get(target=target)
    answers = (TOO_LONG,) if name == "too-long-for-a-path" else (BAD_PATH, MALFORMED)
    return Refused("path form", name, raw, answers, EITHER, house=house)


CASES = [spelled(name, target, False) for name, target in ESCAPES.items()]
CASES += [spelled(name, target, True) for name, target in OTHER_SPELLINGS.items()]
CASES += [
    Refused("licence", f"{method}-{name}", get(target=target).replace("GET", method, 1),
            (NOT_LICENSED,), False)
    for name, target in NOT_MINE.items()
    for method in ("GET", "HEAD")
]  # fmt: skip
CASES += [
    Refused("licence", name, get(target=target), (answer,), EITHER)
    for name, (target, answer) in RESERVED.items()
]
CASES += [
    Refused("upload path", name, upload(target),
            (BAD_PATH, MALFORMED, NOT_ALLOWED, NOT_LICENSED), EITHER)
    for name, target in UPLOADS.items()
]  # fmt: skip
