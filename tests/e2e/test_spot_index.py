"""spot catalogue index: which versions there are, in one spelling, signed, with a serial that grows."""

import datetime
import json

import pytest
from mirrorgate_test import common, store
from mirrorgate_test.release import issue
from mirrorgate_test.spot import PROGRAM

from test_spot_catalogue import FUTURE

FILES = {"core.zip": b"core" * 1000, "doc/a.txt": b""}


def spot(*arguments):
    done = common.run([PROGRAM, *arguments])
    assert b"Sanitizer" not in done.stderr, done.stderr
    return done


def publish(root, release, version, *, product="step-core", expires=FUTURE, files=None):
    """Puts VERSION with its catalogue into its folder below ROOT."""
    for name, content in (files or FILES).items():
        store.write(root / version, name, content)
    done = spot(
        "catalogue", "make", root / version, "--product", product, "--version", version,
        "--expires", expires, "--sign", release,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def index(root, release, *more, product="step-core", expires=FUTURE):
    return spot(
        "catalogue", "index", root, "--product", product, "--expires", expires,
        "--sign", release, *more,
    )  # fmt: skip


def text(root):
    return (root / "index.json").read_text()


@pytest.fixture(name="product")
def product_folder(tmp_path, release):
    for version in ("10.3", "9.1", "10.10"):
        publish(tmp_path / "p", release, version)
    return tmp_path / "p"


def test_the_index_has_one_form(product, release):
    assert index(product, release).returncode == 0
    assert text(product) == (
        '{"format":"index/1","product":"step-core","serial":1,"expires":"2999-12-31",'
        '"versions":["9.1","10.3","10.10"]}\n'
    )


@pytest.mark.parametrize(
    ["arguments", "days"], [((), 7), (("--expires-in", "36h"), 1.5), (("--expires-in", "30d"), 30)]
)
def test_it_is_valid_to_the_end_of_the_day_on_which_the_time_given_ends(product, release, arguments, days):
    day = lambda: (
        datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    ).strftime("%Y-%m-%d")
    earliest = day()
    done = spot(
        "catalogue", "index", product, "--product", "step-core", "--sign", release, *arguments
    )
    assert done.returncode == 0, done.stderr
    assert earliest <= json.loads(text(product))["expires"] <= day()


def test_it_is_signed(product, release):
    assert index(product, release).returncode == 0
    done = common.run(
        ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-content", product / "index.json",
         "-in", product / "index.json.p7s", "-CAfile", release, "-purpose", "any"],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == text(product)


def test_the_newest_version_s_catalogue_is_copied_beside_it(product, release):
    assert index(product, release).returncode == 0
    for name in ("catalogue.json", "catalogue.json.p7s"):
        assert (product / name).read_bytes() == (product / "10.10" / name).read_bytes()


def test_each_new_index_has_the_next_serial(product, release):
    for serial in (1, 2, 3):
        assert index(product, release).returncode == 0
        assert json.loads(text(product))["serial"] == serial


def test_what_is_no_version_with_a_catalogue_is_left_out(product, release):
    (product / "10.11").mkdir()
    (product / "latest").mkdir()
    (product / "01.2").mkdir()
    (product / "notes.txt").write_text("text")
    done = index(product, release)
    assert done.returncode == 0
    assert b"10.11 is left out: it has no catalogue.json" in done.stderr
    assert json.loads(text(product))["versions"] == ["9.1", "10.3", "10.10"]


def test_an_expired_version_is_named_but_warned_of(product, release):
    catalogue = product / "9.1/catalogue.json"
    catalogue.write_text(catalogue.read_text().replace(FUTURE, "2020-01-01"))
    sign = ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-signer", release, "-inkey",
            release.with_suffix(".key"), "-in", catalogue, "-out", f"{catalogue}.p7s"]  # fmt: skip
    assert common.run(sign).returncode == 0
    done = index(product, release)
    assert done.returncode == 0 and b"9.1 has expired" in done.stderr
    assert json.loads(text(product))["versions"] == ["9.1", "10.3", "10.10"]


def refused(folder, release, code, sentence, *more, **how):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = index(folder, release, *more, **how)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr.decode()
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before == after


def test_a_catalogue_that_is_not_right_makes_no_index(product, release, tmp_path):
    assert index(product, release).returncode == 0
    catalogue = product / "9.1/catalogue.json"
    good = catalogue.read_bytes()
    catalogue.write_bytes(good.replace(b"doc/a", b"doc/b"))
    refused(product, release, 10, "is not a signature of this content")
    catalogue.write_bytes(good)
    (product / "9.1/catalogue.json.p7s").unlink()
    refused(product, release, 1, "9.1/catalogue.json.p7s")
    publish(product, issue(tmp_path, "other"), "9.1")
    refused(product, release, 10, "was made by another certificate than the one that is pinned")


def test_a_catalogue_of_something_else_makes_no_index(product, release):
    publish(product, release, "9.1", product="step-plus")
    refused(product, release, 10, "is the catalogue of step-plus 9.1, not of step-core 9.1")
    publish(product, release, "9.1")
    (product / "9.2").mkdir()
    for name in ("catalogue.json", "catalogue.json.p7s"):
        (product / "9.2" / name).write_bytes((product / "9.1" / name).read_bytes())
    refused(product, release, 10, "is the catalogue of step-core 9.1, not of step-core 9.2")


def test_more_versions_than_an_index_names_make_none(product, release):
    for number in range(10_001):
        (product / f"8.{number}").mkdir()
        (product / f"8.{number}/catalogue.json").touch()
    refused(product, release, 1, "holds more than 10000 versions, which is all that an index can")


def test_two_names_of_one_version_make_no_index(product, release):
    publish(product, release, "10.3.0")
    refused(product, release, 10, "are one version of step-core")


def test_an_index_of_another_product_is_not_overwritten(product, release):
    assert index(product, release).returncode == 0
    (product / "index.json").write_text(text(product).replace("step-core", "step-plus"))
    refused(product, release, 10, "is the index of step-plus, not of step-core")


@pytest.mark.parametrize(
    "damage",
    [
        lambda it: it.replace(",", ", ", 1),
        lambda it: it.replace('"serial":1', '"serial":0'),
        lambda it: it.replace('"serial":1', '"serial":1.0'),
        lambda it: it.replace('"serial":1', '"serial":"1"'),
        lambda it: it.replace('"serial":1', '"serial":1,"more":1'),
        lambda it: it.replace('"serial":1', '"serial":1,"serial":1'),
        lambda it: it.replace('"serial":1', '"serial":9223372036854775808'),
        lambda it: it.replace('"9.1"', '"9..1"'),
        lambda it: it.replace('"9.1","10.3"', '"10.3","9.1"'),
        lambda it: it.replace('"9.1"', '"9.1","9.1"'),
        lambda it: it.replace('["9.1","10.3","10.10"]', "[]"),
        lambda it: it.replace("2999-12-31", "2999-02-31"),
        lambda it: it.replace("index/1", "index/2"),
        lambda it: it.replace("step-core", "../core"),
        lambda it: it + "\n",
        lambda it: it[:-1],
        lambda it: "",
    ],
    ids=range(17),
)
def test_what_differs_from_the_one_form_is_no_index(product, release, damage):
    assert index(product, release).returncode == 0
    (product / "index.json").write_text(damage(text(product)))
    refused(product, release, 10, "index.json")


def test_the_last_serial_is_the_last(product, release):
    assert index(product, release).returncode == 0
    last = text(product).replace('"serial":1', '"serial":9223372036854775807')
    (product / "index.json").write_text(last)
    refused(product, release, 10, "has the last serial there is")


def test_a_key_that_cannot_be_used_leaves_all_as_it_was(product, release, tmp_path):
    assert index(product, release).returncode == 0
    publish(product, release, "11")
    refused(product, release, 3, "", "--key", tmp_path / "nothing")


@pytest.mark.parametrize(
    ["code", "sentence", "how"],
    [
        (2, "not a product id", {"product": "Core"}),
        (2, "not a date", {"expires": "soon"}),
        (10, "has expired", {"expires": "2020-01-01"}),
    ],
)
def test_what_makes_no_sense_is_refused(product, release, code, sentence, how):
    refused(product, release, code, sentence, **how)


@pytest.mark.parametrize("duration", ["0d", "7", "a week", "-1d", "99999d", ""])
def test_what_is_no_duration_makes_no_index(product, release, duration):
    arguments = ("--product", "step-core", "--sign", release, "--expires-in", duration)
    done = spot("catalogue", "index", product, *arguments)
    assert done.returncode == 2 and b"--expires-in takes a duration" in done.stderr
    assert not (product / "index.json").exists()


def test_two_ends_make_no_index(product, release):
    refused(product, release, 2, "takes --expires or --expires-in, not both", "--expires-in", "7d")


def test_without_versions_or_options_there_is_no_index(tmp_path, release):
    refused(tmp_path, release, 1, "holds no version with a catalogue.json")
    assert spot("catalogue", "index", tmp_path, "--product", "x").returncode == 2
    assert spot("catalogue", "index").returncode == 2


def test_versions_as_vendors_write_them_are_in_order(tmp_path, release):
    versions = ["1.2.3-rc1", "1.2.3-rc10", "1.2.3", "1.2.3+build7", "2024a", "2026.03.01"]
    for version in reversed(versions):
        publish(tmp_path / "p", release, version)
    done = index(tmp_path / "p", release)
    assert done.returncode == 0, done.stderr
    assert json.loads(text(tmp_path / "p"))["versions"] == versions
