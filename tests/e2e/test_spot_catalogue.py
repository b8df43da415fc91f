"""Catalogues: made, signed, and refused when one byte, day or name is not as it should be."""

import datetime
import hashlib
import json
import os
import socket
import stat
import subprocess

import pytest
from cryptography.x509.oid import NameOID
from mirrorgate_test import common
from mirrorgate_test.spot import PROGRAM

FUTURE = "2999-12-31"
FILES = {"core.zip": b"core" * 1000, "doc/a.txt": b"", "doc/deep/b+c.txt": b"\x00\xff"}


@pytest.fixture(name="product")
def product_folder(tmp_path):
    folder = tmp_path / "10.3"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def spot(*arguments, environment=()):
    done = subprocess.run(
        [PROGRAM, *arguments], capture_output=True, text=True, timeout=60 * common.PATIENCE,
        check=False, env={**os.environ, **dict(environment)},
    )  # fmt: skip
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def make(
    folder, certificate, *more, product="step-core", version="10.3", expires=FUTURE, environment=()
):
    return spot(
        "catalogue", "make", folder, "--product", product, "--version", version, "--expires",
        expires, "--sign", certificate, *more, environment=environment,
    )  # fmt: skip


def made(folder, certificate, **what):
    done = make(folder, certificate, **what)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "catalogue.json"


def check(folder, signer):
    return spot("catalogue", "check", folder, "--signer", signer)


def refused(folder, signer):
    """The sentence with which `check` refuses the catalogue of FOLDER."""
    done = check(folder, signer)
    assert (done.returncode, done.stdout) == (10, ""), done.stderr
    return done.stderr.removeprefix("spot: ").rstrip("\n")


def sign_anew(folder, certificate):
    """Signs whatever stands in catalogue.json, as an insider with the key could."""
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", certificate,
         "-inkey", certificate.with_suffix(".key"), "-in", folder / "catalogue.json",
         "-out", folder / "catalogue.json.p7s"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip


RELEASE = [(NameOID.COMMON_NAME, "Release")]
DATES = [((-30, -1), "the certificate has expired"), ((1, 30), "the certificate is not yet valid")]


# --- making


def test_a_catalogue_names_every_file_with_size_and_digests(product, release):
    text = made(product, release).read_text()
    files = [
        {
            "path": name,
            "size": len(content),
            "sha1": hashlib.sha1(content).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in sorted(FILES.items())
    ]
    assert json.loads(text) == {
        "format": "catalogue/1", "product": "step-core", "version": "10.3", "expires": FUTURE,
        "files": files,
    }  # fmt: skip
    assert check(product, release).returncode == 0


def test_the_same_folder_gives_the_same_bytes(product, release):
    first = made(product, release).read_bytes()
    assert made(product, release).read_bytes() == first


def test_the_signature_is_a_detached_cms_signature_that_openssl_verifies(product, release):
    catalogue = made(product, release)
    done = subprocess.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-content", catalogue,
         "-in", f"{catalogue}.p7s", "-CAfile", release, "-purpose", "any", "-out", os.devnull],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_empty_folder_has_a_catalogue(tmp_path, release):
    made(tmp_path, release)
    assert check(tmp_path, release).returncode == 0


def test_the_key_may_have_another_name(product, release, tmp_path):
    key = tmp_path / "elsewhere.pem"
    key.write_bytes(release.with_suffix(".key").read_bytes())
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(release.read_bytes())
    assert make(product, certificate, "--key", key).returncode == 0
    assert check(product, release).returncode == 0


def test_a_key_that_does_not_fit_changes_nothing(product, release, other):
    before = made(product, release).read_bytes()
    (product / "new.txt").write_text("new")
    done = make(product, release, "--key", other.with_suffix(".key"))
    assert (done.returncode, done.stdout) == (3, "")
    assert (product / "catalogue.json").read_bytes() == before
    assert sorted(path.name for path in product.iterdir()) == [
        "catalogue.json", "catalogue.json.p7s", "core.zip", "doc", "new.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        {"product": "Step Core"}, {"product": ""}, {"version": "v1"}, {"version": "1..2"},
        {"version": "1:2"}, {"version": "1."}, {"version": ""}, {"version": "1/2"},
        {"version": "1" * 65}, {"expires": "tomorrow"}, {"expires": "2999-02-30"},
    ],
)  # fmt: skip
def test_what_is_no_id_version_or_date_is_exit_code_2(product, release, what):
    assert make(product, release, **what).returncode == 2
    assert not (product / "catalogue.json").exists()


def test_what_is_not_said_is_asked_for(product, release):
    done = spot("catalogue", "make", product, "--product", "x", "--sign", release)
    assert done.returncode == 2 and "--expires" in done.stderr
    done = spot("catalogue", "check", product)
    assert done.returncode == 2 and "--signer" in done.stderr


def link(folder):
    (folder / "link").symlink_to("../core.zip")


def linked_folder(folder):
    (folder / "linked").symlink_to("/doc")


def fifo(folder):
    os.mkfifo(folder / "fifo")


def listening_socket(folder):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket"))


def device(folder):
    """A character device; who is not root may only make the one that stands for nothing."""
    os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3) if os.getuid() == 0 else 0)


def absolute_link(folder):
    (folder / "link").symlink_to("/etc/passwd")


def space(folder):
    (folder / "with space at its end ").touch()


def newline(folder):
    (folder / "with\nnewline").touch()


def case(folder):
    (folder / "Core.ZIP").touch()


def folder_case(folder):
    (folder / "DOC").mkdir()
    (folder / "DOC" / "other.txt").touch()


def file_and_folder(folder):
    (folder / "Doc").touch()


@pytest.mark.parametrize(
    "spoil",
    [
        link, linked_folder, absolute_link, fifo, listening_socket, device, space, newline, case,
        folder_case, file_and_folder,
    ],
)  # fmt: skip
def test_what_could_not_be_delivered_as_it_is_gets_no_catalogue(product, release, spoil):
    spoil(product)
    done = make(product, release)
    assert done.returncode in (1, 10), done.stderr
    assert not (product / "catalogue.json").exists()


def test_every_file_that_cannot_be_in_a_catalogue_is_named_with_its_character(product, release):
    names = {
        "a;b": "has a character that no path may have: ; (U+003B)",
        "größe*": "has a character that no path may have: * (U+002A)",
        "x\ny": "has a character that no path may have: U+000A",
        "50%": "has a %, which no path may have: % (U+0025)",
        "e\u0301": "is not in Unicode normalisation form C",
        "to\uff0fo": "has a character that a store may take for a slash, a dot or a percent sign: "
        "\uff0f (U+FF0F)",
        "a\u202egpj": "has a character that turns the direction of text: U+202E",
        os.fsdecode(b"caf\xe9"): "is not valid UTF-8: the byte 0xe9",
        "link": "is a symbolic link that leaves the version",
    }
    for name in names:
        (product / name).symlink_to("/doc") if name == "link" else (product / name).touch()
    done = make(product, release)
    assert (done.returncode, done.stdout) == (1, "")
    shown = {name.replace("\n", "?").replace("\u202e", "???").replace("\udce9", "?"): what
             for name, what in names.items()}  # fmt: skip
    expected = [f"spot: {product}/{name}: {what}" for name, what in shown.items()]
    assert sorted(done.stderr.splitlines()) == sorted(expected)


def test_names_with_spaces_brackets_and_letters_outside_ascii_are_in_catalogues(product, release):
    names = ["a b", "[x] {y}^#1", "größe/日本.txt", "libgtk+2.0~rc1"]
    for name in names:
        (product / name).parent.mkdir(exist_ok=True)
        (product / name).touch()
    text = made(product, release).read_text("utf-8")
    assert set(names) < {file["path"] for file in json.loads(text)["files"]}
    assert check(product, release).returncode == 0


@pytest.mark.parametrize("other", ["GRÖSSE", "größe", "grösse/x", "gr\u00f6\u200dße"])
def test_names_outside_ascii_that_differ_in_case_clash(product, release, other):
    for name in ("Größe", other):
        (product / name).parent.mkdir(exist_ok=True)
        (product / name).touch()
    done = make(product, release)
    assert done.returncode == 10 and "but for the case of letters" in done.stderr


def test_an_expiry_in_the_past_gets_no_catalogue(product, release):
    done = make(product, release, expires="2020-01-01")
    assert done.returncode == 10 and "has expired" in done.stderr
    assert not (product / "catalogue.json").exists()


# --- checking


def test_today_is_still_valid(product, release):
    """Asked for again when midnight comes in between."""

    def is_valid():
        today = datetime.datetime.utcnow().strftime("%Y-%m-%d")
        made(product, release, expires=today)
        return check(product, release).returncode == 0

    assert is_valid() or is_valid()


def test_yesterday_has_expired(product, release):
    catalogue = made(product, release)
    yesterday = datetime.datetime.utcnow() - datetime.timedelta(days=1)
    catalogue.write_text(catalogue.read_text().replace(FUTURE, yesterday.strftime("%Y-%m-%d")))
    sign_anew(product, release)
    assert "has expired" in refused(product, release)


def test_a_changed_byte_breaks_the_signature(product, release):
    catalogue = made(product, release)
    catalogue.write_text(catalogue.read_text().replace("10.3", "10.4"))
    assert "catalogue.json.p7s: is not a signature of this content" in refused(product, release)


def test_another_certificate_is_not_the_pinned_one(product, release, other):
    made(product, other)
    assert "was made by another certificate than the one that is pinned" in refused(product, release)


@pytest.mark.parametrize("signature", [b"", b"\x30", b"garbage", None])
def test_what_is_no_signature_is_refused(product, release, signature):
    path = made(product, release).with_suffix(".json.p7s")
    path.write_bytes(path.read_bytes() + b"\0" if signature is None else signature)
    wanted = "bytes after its end" if signature is None else "is not a CMS signature in DER"
    assert wanted in refused(product, release)


def test_a_signature_with_sha_1_is_refused(product, release):
    made(product, release)
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-md", "sha1", "-signer", release,
         "-inkey", release.with_suffix(".key"), "-in", product / "catalogue.json",
         "-out", product / "catalogue.json.p7s"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert "uses a digest weaker than SHA-256" in refused(product, release)


def test_a_signature_that_holds_its_own_content_is_refused(product, release):
    """Else spot would verify the text inside and use the one beside."""
    made(product, release)
    subprocess.run(
        ["openssl", "cms", "-sign", "-nodetach", "-binary", "-outform", "DER", "-signer", release,
         "-inkey", release.with_suffix(".key"), "-in", product / "catalogue.json",
         "-out", product / "catalogue.json.p7s"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert "holds the content itself: it must be detached" in refused(product, release)


def test_a_certificate_that_is_good_no_longer_or_not_yet_signs_nothing(product, world, release):
    before = made(product, release).read_bytes()
    for days, defect in DATES:
        dated = world.authority.forge("dated", rdns=RELEASE, days=days)
        done = make(product, dated.cert)
        assert done.returncode == 3 and f"{dated.cert}: {defect}" in done.stderr
        assert (product / "catalogue.json").read_bytes() == before
        assert check(product, release).returncode == 0
        sign_anew(product, dated.cert)
        start = f"{dated.cert}: {defect}; if this machine's clock, which says "
        assert refused(product, dated.cert).startswith(start)
        made(product, release)


@pytest.mark.parametrize("key, usage, defect", [
    ("rsa:1024", "digitalSignature",
     "the key is neither RSA of 2048 bits nor EC of 256 bits or more"),
    ("rsa:2048", "keyCertSign", "the certificate is not meant for signatures (key usage)"),
])  # fmt: skip
def test_a_certificate_that_the_gate_would_refuse_signs_nothing(
    product, release, tmp_path, key, usage, defect
):
    weak = tmp_path / "weak.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", key, "-nodes", "-subj", "/CN=Release", "-addext",
         f"keyUsage=critical,{usage}", "-keyout", weak.with_suffix(".key"), "-out", weak],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    before = made(product, release).read_bytes()
    done = make(product, weak)
    assert done.returncode == 3 and f"{weak}: {defect}" in done.stderr
    assert (product / "catalogue.json").read_bytes() == before
    sign_anew(product, weak)
    assert refused(product, weak) == f"{weak}: {defect}"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "core.zip").unlink(), "core.zip is missing"),
        (lambda folder: (folder / "extra").touch(), "extra is not in the catalogue"),
        (
            lambda folder: (folder / "core.zip").write_bytes(b"cor3" * 1000),
            "core.zip is not the file that the catalogue names",
        ),
    ],
)
def test_a_folder_that_is_not_what_its_catalogue_says_is_refused(
    product, release, spoil, sentence
):
    made(product, release)
    spoil(product)
    assert refused(product, release) == sentence


def entry(path, **changes):
    digests = {"sha1": "0" * 40, "sha256": "0" * 64}
    return {"path": path, "size": 1, **digests, **changes}


def write(folder, release, files, **changes):
    """Writes and signs a catalogue of FILES in the form that spot gives it."""
    head = {"format": "catalogue/1", "product": "step-core", "version": "1", "expires": FUTURE}
    lines = ",".join("\n" + json.dumps(file, separators=(",", ":")) for file in files)
    text = json.dumps({**head, **changes}, separators=(",", ":"))[:-1] + f',"files":[{lines}\n]}}\n'
    (folder / "catalogue.json").write_text(text)
    sign_anew(folder, release)


def test_a_catalogue_of_our_own_making_is_accepted(tmp_path, release):
    """The control of the tests below: what they change is what is refused."""
    write(tmp_path, release, [entry("a"), entry("b/c")])
    assert refused(tmp_path, release) == "a is missing"


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd", "../a", "a/../b", "./a", "a//b", "a/", "a/.", "a\\b", "a b ", "a%2fb",
        "a\n", "\x1b[2J", "C:\\a", "e\u0301", "a\u202eb", "a\u0085", "catalogue.json", "catalogue.json.p7s", ".spot.part", "Catalogue.json",
        "catalogue.json/a", "a;b",
        "a?b",
        "a/" * 33 + "b", "a" * 5000,
    ],
)  # fmt: skip
def test_a_path_that_leaves_its_folder_or_has_another_form_is_refused(tmp_path, release, path):
    write(tmp_path, release, [entry(path)])
    assert refused(tmp_path, release).endswith("catalogue.json is not a catalogue")


@pytest.mark.parametrize(
    "paths",
    [("A", "a"), ("Doc/x", "doc/y"), ("a", "a/b"), ("A", "a/b"), ("A/b", "a"), ("a/B/c", "a/b")],
)
def test_names_that_some_file_systems_cannot_hold_side_by_side_are_refused(
    tmp_path, release, paths
):
    write(tmp_path, release, [entry(path) for path in paths])
    assert "another file has that name" in refused(tmp_path, release)


@pytest.mark.parametrize(
    ("files", "changes"),
    [
        ([entry("a", size=-1)], {}),
        ([entry("a", size=1.0)], {}),
        ([entry("a", size="1")], {}),
        ([entry("a", size=2**63)], {}),
        ([entry("a", sha256="0" * 63)], {}),
        ([entry("a", sha256="0" * 63 + "A")], {}),
        ([entry("a", sha1=None)], {}),
        ([entry("a", mode=755)], {}),
        ([entry("b"), entry("a")], {}),
        ([entry("a"), entry("a")], {}),
        ([], {"format": "catalogue/3"}),
        ([], {"product": "../x"}),
        ([], {"version": "x.1"}),
        ([], {"expires": "never"}),
        ([], {"comment": ""}),
    ],
)
def test_another_form_is_refused_even_when_it_is_signed(tmp_path, release, files, changes):
    write(tmp_path, release, files, **changes)
    refused(tmp_path, release)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: "\ufeff" + text,
        lambda text: text.replace('"version"', '"product":"x","version"'),
        lambda text: text.replace('"size":1,', '"size":1,"size":1,'),
        lambda text: text.replace('"path":"a"', '"path":"\\u0061"'),
        lambda text: text.replace('"size":1', '"size":01'),
        lambda text: text + text,
        lambda text: "",
        lambda text: "[" * 100_000,
    ],
)
def test_one_catalogue_has_one_spelling(tmp_path, release, change):
    write(tmp_path, release, [entry("a")])
    path = tmp_path / "catalogue.json"
    path.write_text(change(path.read_text()))
    sign_anew(tmp_path, release)
    refused(tmp_path, release)
