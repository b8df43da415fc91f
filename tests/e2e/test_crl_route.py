"""GET /crl: the revocation lists in force, for every subject that is known, never from the store."""

import hashlib

import pytest
from cryptography import x509
from mirrorgate_test import crl as lists
from mirrorgate_test.client import refusal

KNOWN = ["acme", "probe", "ops"]


@pytest.fixture
def crl(lab):
    return lab.new_folder("crl") / "ca.crl"


def served(gate, text, crl, **options):
    crl.write_text(text)
    return gate(config={"tls": {"crl": str(crl)}, "workers": 1}, **options)


def tag_of(body):
    return f'"{hashlib.sha256(body).hexdigest()}"'


@pytest.mark.parametrize("who", KNOWN)
def test_every_known_subject_gets_the_lists_in_force(gate, store, who):
    with store.untouched():
        response = gate.get("/crl", who=who)
    assert response.status == 200
    assert response.header("Content-Type") == "application/x-pem-file"
    assert response.header("ETag") == tag_of(response.body)
    assert response.body == gate.world.authority.crl.read_bytes()
    assert gate.log_line(response.request_id)["operation"] == "crl"


def test_an_unknown_subject_gets_none(gate, store):
    with store.untouched():
        refusal(gate.get("/crl", who="stranger"), 403, "unknown-subject")


@pytest.mark.parametrize("weak", ["", "W/"])
def test_who_has_the_lists_is_told_so(gate, store, weak):
    with store.untouched(), gate.connect("acme") as connection:
        tag = connection.get("/crl").header("ETag")
        again = connection.get("/crl", [("If-None-Match", f'"x", {weak}{tag}')])
        assert (again.status, again.body, again.header("ETag")) == (304, b"", tag)
        assert connection.get("/crl", [("If-None-Match", '"x"')]).status == 200


def test_head_says_how_long_they_are_and_a_range_is_not_looked_at(gate, store):
    size = gate.world.authority.crl.stat().st_size
    with store.untouched(), gate.connect("probe") as connection:
        head = connection.request("HEAD", "/crl")
        assert (head.status, head.content_length, head.body) == (200, size, b"")
        whole = connection.get("/crl", [("Range", "bytes=0-3")])
        assert (whole.status, len(whole.body)) == (200, size)


def test_they_cannot_be_written(gate, store):
    with store.untouched():
        response = gate.get("/crl")
        assert response.status == 200
        with gate.connect("acme") as connection:
            put = connection.request("PUT", "/crl", body=b"x")
            refusal(put, 405, "method-not-allowed")
            assert put.header("Allow") == "GET, HEAD"


def test_without_lists_there_is_nothing(lab, store):
    gate = lab.gateway(store, config={"tls": {"crl": "none"}})
    with store.untouched():
        refusal(gate.get("/crl"), 404, "not-found")


def test_nothing_else_of_the_file_is_given_away(lab, store, world, crl):
    text = lists.make(world.authority, 7)
    other = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    gate = served(lambda **kw: lab.gateway(store, **kw), f"a remark\n{other}{text}", crl)
    assert gate.get("/crl").body.decode() == text


def test_a_reload_serves_the_new_list_and_an_answer_on_its_way_stays_whole(lab, store, world, crl):
    """The old list, larger than what fits in all buffers, goes on while the new one is in force."""
    first = lists.make(world.authority, 7, entries=40_000)
    second = lists.make(world.authority, 8)
    gate = served(lambda **kw: lab.gateway(store, **kw), first, crl)
    with gate.connect("acme", receive_buffer=16_384) as slow:
        slow.send_request("GET", "/crl")
        head = slow.read_head()
        crl.write_text(second)
        gate.reload()
        assert gate.get("/crl").body.decode() == second
        body = b"".join(slow.body_pieces(head))
    assert body.decode() == first
    assert x509.load_pem_x509_crl(body).get_revoked_certificate_by_serial_number(1) is not None
