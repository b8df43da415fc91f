"""Whoever's CA it is: what -t, `mirrorgate identity` and a handshake say of it, which must be the same.

The rows of the tables are those of mirrorgate(8), section AUTHORITIES.
"""

import re
import shutil
import subprocess

import pytest
from mirrorgate_test import common
from mirrorgate_test.authorities import PROFILES, Ca, EasyRsa, family
from mirrorgate_test.cases.certificates import VERSIONS, ask
from mirrorgate_test.gateway import policy


@pytest.fixture
def trusting(lab, tmp_path):
    """Makes a gate that trusts CAS by LISTS, as files or as bytes; it does not run yet."""
    stub = lab.stub()

    def prepare(cas, lists, subject="CN=acme-prod,O=Acme Corp,C=DK"):
        files = {}
        for name, parts in (("client_ca", cas), ("crl", lists)):
            files[name] = lab.new_folder(name) / "file"
            files[name].write_bytes(b"".join(p if isinstance(p, bytes) else p.read_bytes() for p in parts or ()))
        data = policy()
        data["customers"][0]["subjects"] = [subject]
        tls = {"client_ca": str(files["client_ca"]), "crl": str(files["crl"]) if lists else "none"}
        gate = lab.prepared(stub, config={"tls": tls}, policy=data)
        gate.stub, gate.files = stub, files
        return gate

    return prepare


def checked(gate):
    return gate.run("-t", "--unsafe-any-port")


def identity(gate, client):
    return subprocess.run(
        [common.MIRRORGATE, "identity", client.cert, "-c", gate.folder / "mirrorgate.yaml"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def handshakes(gate, client):
    """What each version of TLS says: True when the client is served."""
    return [
        ask(gate, (client.cert, client.key), version)[0].startswith(b"HTTP/1.1 200")
        for version in VERSIONS.values()
    ]


def judged(lab, gate, client):
    """(what all three say, why not): True, False or, when it does not start, None."""
    check = checked(gate)
    said = identity(gate, client)
    if check.returncode != 0:
        with pytest.raises(AssertionError):
            gate.start()
        gate.process = None
        assert said.returncode != 0, said.stdout
        return None, check.stderr
    before = len(gate.stub.requests())
    lab.start(gate)
    served = handshakes(gate, client)
    assert served == [said.returncode == 0] * 2, (served, said.stdout, said.stderr)
    assert len(gate.stub.requests()) - before == sum(served)
    return served[0], said.stderr + check.stderr


# Which certificates are in client_ca, whose lists are in crl (None: `crl: none`), whether the client
# shows its issuing CA; and what comes of it.
COMBINATIONS = [
    ("root, issuing", "root, issuing", False, True),
    ("root, issuing", "root, issuing", True, True),
    ("root, issuing", None, False, True),
    ("root", None, True, True),
    ("root", None, False, "has to be in client_ca, or the client has to show it"),
    ("root", "root, issuing", True, "needs its certificate in client_ca"),
    ("root", "root", True, "needs its certificate in client_ca"),
    ("issuing", "issuing", False, True),
    ("issuing", "issuing", True, True),
    ("issuing", "root, issuing", False, True),
    ("issuing", None, False, True),
    ("issuing", "root", False, r"there is no CRL of client CA 1, CN=\w+ issuing"),
    ("root, issuing", "root", False, r"there is no CRL of client CA 2, CN=\w+ issuing"),
    ("root, issuing", "issuing", False, r"there is no CRL of client CA 1, CN=\w+ root"),
]


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    made = {}

    def get(profile):
        if profile not in made:
            made[profile] = family(tmp_path_factory.mktemp(profile), profile)
        return made[profile]

    return get


def members(one, names, attribute):
    return [getattr(getattr(one, name), attribute) for name in names.split(", ")]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("cas, lists, shows, verdict", COMBINATIONS)
def test_a_root_and_an_issuing_ca(lab, trusting, families, profile, cas, lists, shows, verdict):
    one = families(profile)
    gate = trusting(members(one, cas, "cert"), lists and members(one, lists, "crl"))
    said, why = judged(lab, gate, one.chained if shows else one.client)
    if verdict is True:
        assert said is True, why
    else:
        assert not said and re.search(verdict, why), why


def test_an_issuing_ca_that_its_root_has_revoked_is_out(lab, trusting, tmp_path):
    one = family(tmp_path, "openssl")
    one.root.list(revoked=[one.issuing])
    gate = trusting(*(members(one, "root, issuing", name) for name in ("cert", "crl")))
    said, why = judged(lab, gate, one.client)
    assert said is False and "certificate revoked" in why


CA, CLIENT = PROFILES["openssl"]


def without(text, word):
    return "".join(line + "\n" for line in text.splitlines() if not line.startswith(word))


# What a CA, its key, a client and its key are like; what comes of it: True, False and why, or None and
# why it is refused at -t.
PROFILE_TABLE = {
    "flawless": (CA, "ec", CLIENT, "ec", True, ""),
    "rsa": (CA, "rsa", CLIENT, "rsa", True, ""),
    "p384": (CA, "p384", CLIENT, "p384", True, ""),
    "ed25519": (CA, "ed25519", CLIENT, "ed25519", True, ""),
    "ed25519-under-rsa": (CA, "rsa", CLIENT, "ed25519", True, ""),
    "secp256k1-client": (CA, "ec", CLIENT, "secp256k1", False, "on none of P-256"),
    "not-critical": ("basicConstraints=CA:TRUE\nsubjectKeyIdentifier=hash\n", "ec", CLIENT, "ec", True, ""),
    "no-key-usage": (without(CA, "keyUsage"), "ec", CLIENT, "ec", True, ""),
    "no-subject-key-id": (without(CA, "subjectKey") + "subjectKeyIdentifier=none\n", "ec",
                          without(CLIENT, "authority"), "ec", True, ""),
    "no-authority-key-id": (CA, "ec", without(CLIENT, "authority") + "authorityKeyIdentifier=none\n", "ec", True, ""),
    "ca-no-crl-sign": (CA.replace(",cRLSign", ""), "ec", CLIENT, "ec", None, "cRLSign"),
    "ca-no-cert-sign": (CA.replace("keyCertSign,", ""), "ec", CLIENT, "ec", None, "not a CA's"),
    "ca-for-servers": (CA + "extendedKeyUsage=serverAuth\n", "ec", CLIENT, "ec", None, "clientAuth"),
    "ca-for-clients": (CA + "extendedKeyUsage=clientAuth\n", "ec", CLIENT, "ec", True, ""),
    "not-a-ca": (CA.replace("CA:TRUE", "CA:FALSE").replace("keyCertSign,", ""), "ec", CLIENT, "ec", None, "not a CA's"),
    "client-for-servers": (CA, "ec", CLIENT.replace("clientAuth", "serverAuth"), "ec", False, "clientAuth"),
    "client-without-eku": (CA, "ec", without(CLIENT, "extended"), "ec", False, "no extended key usage"),
    "client-no-signature": (CA, "ec", CLIENT.replace("digitalSignature", "keyAgreement"), "ec", False,
                            "digitalSignature|purpose"),
    "client-is-a-ca": (CA, "ec", CLIENT.replace("CA:FALSE", "CA:TRUE"), "ec", False, "CA|purpose"),
}  # fmt: skip


@pytest.mark.parametrize("row", PROFILE_TABLE.values(), ids=PROFILE_TABLE.keys())
def test_minus_t_identity_and_a_handshake_agree(lab, trusting, tmp_path, row):
    of_ca, ca_kind, of_client, kind, verdict, reason = row
    crl = "" if "subjectKeyIdentifier=none" in of_ca else "authorityKeyIdentifier=keyid:always\n"
    ca = Ca(tmp_path, "Some CA", of_ca, kind=ca_kind, crl=crl)
    client = ca.client("acme", of_client, kind=kind)
    said, why = judged(lab, trusting([ca.cert], [ca.crl]), client)
    assert said is verdict and re.search(reason, why), why


@pytest.fixture(scope="module")
def easy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("easy")
    root = EasyRsa(folder, "Easy Root")
    return root, EasyRsa(folder, "Easy Issuing", root)


def test_a_ca_of_easy_rsa_works_as_it_is(lab, trusting, easy):
    """Its basicConstraints are not critical, and its lists have no number."""
    root, _ = easy
    gate = trusting([root.cert], [root.crl], subject="CN=acme")
    client, other = root.client("acme"), root.client("other")
    assert judged(lab, gate, client)[0] is True
    old = root.crl.read_bytes()
    common.wait_until(lambda: later(root, old), "a list of another second")
    shutil.copy(root.crl, gate.files["crl"])
    gate.reload()
    assert handshakes(gate, client) == [True, True]
    root.revoke("acme")
    common.wait_until(lambda: later(root, gate.files["crl"].read_bytes()), "a later list")
    shutil.copy(root.crl, gate.files["crl"])
    gate.reload()
    assert handshakes(gate, client) == [False, False]
    gate.files["crl"].write_bytes(old)
    start = len(gate.stderr)
    gate.signal(1)
    gate.wait_line(r"mirrorgate: error: reload refused.*date where there is no number.*", start)
    assert handshakes(gate, client) == [False, False]
    assert other.cert.exists()


def later(root, old):
    """True when Easy-RSA has made a list of another second than OLD, by the dates of both."""
    root.run("gen-crl")
    return b"".join(old.split()) != b"".join(root.crl.read_bytes().split())


@pytest.mark.parametrize("crl", [True, False], ids=["lists", "none"])
@pytest.mark.parametrize("cas, works", [("both", True), ("issuing", True), ("root", False)])
def test_an_issuing_ca_of_easy_rsa(lab, trusting, easy, cas, works, crl):
    chosen = {"both": easy, "issuing": easy[1:], "root": easy[:1]}[cas]
    name = f"client-{cas}-{'lists' if crl else 'none'}"
    client = easy[1].client(name)
    with client.cert.open("ab") as file:
        file.write(easy[1].cert.read_bytes())
    gate = trusting([ca.cert for ca in chosen], crl and [ca.crl for ca in chosen], f"CN={name}")
    said, why = judged(lab, gate, client)
    assert said is works, why
    assert works or "client_ca" in why


def test_lists_with_an_issuing_distribution_point_are_refused_with_the_remedy(lab, trusting, tmp_path):
    of_ca, of_client = PROFILES["ejbca"]
    point = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://ca.example/crl\n"
    ca = Ca(tmp_path, "EJBCA", of_ca, crl="authorityKeyIdentifier=keyid\n" + point)
    said, why = judged(lab, trusting([ca.cert], [ca.crl]), ca.client("acme", of_client))
    assert said is None
    assert "issuing distribution point" in why and "complete lists without" in why


def test_an_expired_ca_and_a_list_of_a_stranger_are_named_and_left_out(lab, trusting, tmp_path):
    good, gone, other = (
        Ca(tmp_path, name, CA, days=days)
        for name, days in (("Good", 30), ("Gone", -1), ("Other", 30))
    )
    gate = trusting([gone.cert, good.cert], [good.crl, gone.crl, other.crl])
    said, why = judged(lab, gate, good.client("acme", CLIENT))
    assert said is True
    assert re.search("warning: .*CA certificate 1, CN=Gone is left out.*it has expired", why)
    assert re.search("warning: .*CRL 2, of CN=Gone, .*left out", why)
    assert re.search("warning: .*CRL 3, of CN=Other, .*left out", why)
    alone = trusting([gone.cert], [gone.crl])
    assert "has expired" in judged(lab, alone, good.client("second", CLIENT))[1]
