"""Client certificates: the tables of what must be refused, and what is served."""

import re
import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type as StringType
from mirrorgate_test import common, pki
from mirrorgate_test.cases import certificates
from mirrorgate_test.cases.certificates import C, CN, O, Maker, connected, good, name_of
from mirrorgate_test.cases.refused import SMALL
from mirrorgate_test.client import Truncated
from mirrorgate_test.gateway import policy

both_versions = pytest.mark.parametrize(
    "version", certificates.VERSIONS.values(), ids=certificates.VERSIONS.keys()
)


@pytest.fixture
def maker(world, tmp_path):
    return Maker(world, tmp_path)


@pytest.mark.parametrize("case", certificates.CASES, ids=str)
def test_a_certificate_that_is_not_acmes_reaches_nothing(bench, case):
    assert not case.attempt(bench, strict=True)


@both_versions
def test_the_flawless_certificate_is_served(gate, maker, version):
    with connected(gate, maker.files(*good(maker)), version) as connection:
        assert connection.get(SMALL).status == 200


@both_versions
def test_a_certificate_that_names_no_key_of_its_issuer_is_served(gate, maker, version):
    """RFC 5280, 4.2.1.1 wants it named, to choose among issuers; here is no choice."""
    leaf, key = maker.sign(names_key=False)
    with connected(gate, maker.files(key, leaf), version) as connection:
        assert connection.get(SMALL).status == 200


@both_versions
def test_it_is_refused_where_two_issuers_have_one_name(lab, world, maker, version):
    twin = pki.Authority(lab.new_folder("twin") / "ca")
    files = {}
    for name in ("certificate", "crl"):
        files[name] = lab.new_folder("both") / name
        files[name].write_text("".join(getattr(it, name).read_text() for it in (world.authority, twin)))
    tls = {"client_ca": str(files["certificate"]), "crl": str(files["crl"])}
    gate = lab.gateway(config={"tls": tls})
    [store] = gate.stores
    leaf, key = maker.sign(names_key=False)
    with store.untouched():
        with pytest.raises((OSError, Truncated)):
            with connected(gate, maker.files(key, leaf), version) as connection:
                connection.get(SMALL)
    gate.wait_line(".*: Missing Authority Key Identifier: .*")
    leaf, key = maker.sign()
    with connected(gate, maker.files(key, leaf), version) as connection:
        assert connection.get(SMALL).status == 200


@both_versions
def test_an_ec_key_of_256_bits_is_served(gate, maker, version):
    leaf, key = maker.sign(key=ec.generate_private_key(ec.SECP256R1()))
    with connected(gate, maker.files(key, leaf), version) as connection:
        assert connection.get(SMALL).status == 200


@pytest.mark.parametrize("kind", [StringType.UTF8String, StringType.PrintableString])
def test_the_string_type_does_not_make_another_name(gate, maker, kind):
    name = name_of((C, "DK"), (O, "Acme Corp", kind), (CN, "acme-prod", kind))
    leaf, key = maker.sign(name)
    with connected(gate, maker.files(key, leaf), certificates.VERSIONS["1.3"]) as connection:
        assert connection.get(SMALL).status == 200


@pytest.mark.parametrize("spelled", ["caf\u00e9", "cafe\u0301"], ids=["composed", "decomposed"])
def test_composed_and_decomposed_are_two_names(lab, maker, spelled):
    """The policy has one spelling; a certificate with the other is nobody's."""
    other = {"caf\u00e9": "cafe\u0301", "cafe\u0301": "caf\u00e9"}[spelled]
    data = policy()
    data["customers"][0]["subjects"] = [f"CN={spelled},C=DK"]
    gate = lab.gateway(policy=data)
    for name, status in ((spelled, 200), (other, 403)):
        leaf, key = maker.sign(name_of((C, "DK"), (CN, name)))
        files = maker.files(key, leaf)
        with connected(gate, files, certificates.VERSIONS["1.3"]) as connection:
            assert connection.get(SMALL).status == status


# No OpenSSL loads a certificate with these, so they are put in its place on the wire.
NOT_UTF_8 = {
    "invalid": b"acme\xff\xferod",
    "overlong": b"acme\xc0\xadrod",
    "surrogate": b"acme\xed\xa0\x80od",
    "cut": b"acme-pro\xc3",
}


def handshake_with(gate, context, old, new):
    """A handshake of TLS 1.2, whose certificate is not encrypted, with NEW for OLD in what the
    client says; returns how it fails."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="updates.example.com")
    replaced = False
    with gate.tcp() as sock:
        while True:
            try:
                client.do_handshake()
                return "no failure"
            except ssl.SSLWantReadError:
                said = outgoing.read()
                replaced = replaced or old in said
                sock.sendall(said.replace(old, new))
                heard = sock.recv(65536)
                assert heard, "closed without an alert"
                incoming.write(heard)
            except ssl.SSLError as error:
                assert replaced
                return str(error)


@pytest.mark.parametrize("value", NOT_UTF_8.values(), ids=NOT_UTF_8.keys())
def test_a_subject_that_is_not_utf_8_is_refused_in_the_handshake(gate, store, maker, value):
    key, leaf = good(maker)
    forged = maker.with_bytes(leaf, b"acme-prod", value)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(gate.world.authority.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*maker.files(key, leaf))
    lines = len(gate.log_lines())
    with store.untouched():
        failure = handshake_with(
            gate, context, leaf.public_bytes(serialization.Encoding.DER), forged
        )
    assert "alert" in failure
    [line] = common.wait_until(lambda: gate.log_lines()[lines:], "the refused handshake")
    assert re.search("invalid|UTF-8|asn1|ASN|bad cert|decode", line["reason"], re.I), line["reason"]
