"""Authorities as others make them: with openssl alone, by the profiles of cfssl, step-ca and EJBCA, and
by Easy-RSA. Each makes CAs, client certificates and revocation lists as files."""

import dataclasses
import os
import pathlib
import shutil
import subprocess

EASY_RSA = pathlib.Path("/usr/share/easy-rsa")
SUBJECT = "/C=DK/O=Acme Corp/CN=acme-prod"

# Extensions of CAs and of clients, as each tool writes them.
PROFILES = {
    "openssl": (
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n",
        "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    ),
    "cfssl": (
        "basicConstraints=critical,CA:TRUE,pathlen:2\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n",
        "basicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature,keyEncipherment\n"
        "extendedKeyUsage=clientAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
    ),
    "step": (
        "basicConstraints=critical,CA:TRUE,pathlen:1\nkeyUsage=critical,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\n",
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        "1.3.6.1.4.1.37476.9000.64.1=ASN1:UTF8String:provisioner\n",
    ),
    "ejbca": (
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n",
        "basicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment\n"
        "extendedKeyUsage=clientAuth,emailProtection\nsubjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\ncrlDistributionPoints=URI:http://ca.example/crl\n",
    ),
}  # fmt: skip


def openssl(*arguments, folder=None, past=0):
    """Runs it, as PAST days ago."""
    when = ["faketime", f"{past} days ago"] if past else []
    done = subprocess.run(
        [*when, "openssl", *map(str, arguments)],
        cwd=folder, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout


def new_key(file, kind):
    options = {
        "ec": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
        "p384": ("EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        "secp256k1": ("EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
        "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "ed25519": ("ED25519",),
    }[kind]
    openssl("genpkey", "-algorithm", *options, "-out", file)


@dataclasses.dataclass
class Client:
    cert: pathlib.Path
    key: pathlib.Path


class Ca:
    """A CA called NAME in FOLDER, made with openssl: EXTENSIONS as in a configuration of it, issued
    by ABOVE, or by itself. DAYS is how long it is valid; LIST are extensions of its lists."""

    def __init__(self, folder, name, extensions, *, above=None, kind="ec", days=30,
                 crl="authorityKeyIdentifier=keyid:always\n", number=True):  # fmt: skip
        self.folder = pathlib.Path(folder) / name.replace(" ", "-")
        self.folder.mkdir()
        self.name, self.kind, self.number, self.crl_extensions = name, kind, number, crl
        self.cert, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        self.crl = self.folder / "ca.crl"
        new_key(self.key, kind)
        self.sign_into(self.cert, self.key, f"/CN={name}", extensions, above or self, days)
        self.revoked = []
        self.list()

    def sign_into(self, cert, key, subject, extensions, issuer, days):
        request, config = cert.with_suffix(".csr"), cert.with_suffix(".cnf")
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", request, "-utf8")
        config.write_text("[x]\n" + extensions)
        by = ("-signkey", key) if issuer is self and cert == self.cert else (
            "-CA", issuer.cert, "-CAkey", issuer.key, "-CAcreateserial")  # fmt: skip
        openssl("x509", "-req", "-in", request, *by, "-days", abs(days), "-extfile", config,
                "-extensions", "x", "-out", cert, past=max(0, -2 * days))  # fmt: skip

    def client(self, name, extensions, *, kind="ec", subject=SUBJECT, chain=()):
        cert, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        new_key(key, kind)
        self.sign_into(cert, key, subject, extensions, self, 10)
        with cert.open("ab") as file:
            file.write(b"".join(ca.cert.read_bytes() for ca in chain))
        return Client(cert, key)

    def list(self, revoked=()):
        """Makes the revocation list anew, with the certificates of the clients REVOKED in it."""
        (self.folder / "index.txt").touch()
        (self.folder / "crlnumber").write_text("10\n")
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndir={self.folder}\ndatabase=$dir/index.txt\n"
            "default_md=default\ndefault_crl_days=20\n"
            + ("crlnumber=$dir/crlnumber\n" if self.number else "")
            + ("crl_extensions=l\n[l]\n" + self.crl_extensions if self.crl_extensions else "")
        )
        common = ("-config", self.folder / "ca.cnf", "-cert", self.cert, "-keyfile", self.key)
        for client in revoked:
            openssl("ca", *common, "-revoke", client.cert)
        openssl("ca", *common, "-gencrl", "-out", self.crl)


@dataclasses.dataclass
class Family:
    """A root, an issuing CA below it, and a client of that."""

    root: Ca
    issuing: Ca
    client: Client
    chained: Client  # the same that shows the issuing CA, too


def family(folder, profile, **how):
    of_ca, of_client = PROFILES[profile]
    root = Ca(folder, f"{profile} root", of_ca, **how)
    below = of_ca.replace("pathlen:2", "pathlen:0").replace("pathlen:1", "pathlen:0")
    below += "" if "authorityKeyIdentifier" in below else "authorityKeyIdentifier=keyid\n"
    issuing = Ca(folder, f"{profile} issuing", below, above=root, **how)
    client = issuing.client("acme", of_client)
    chained = Client(client.cert.with_name("chained.crt"), client.key)
    chained.cert.write_bytes(client.cert.read_bytes() + issuing.cert.read_bytes())
    return Family(root, issuing, client, chained)


class EasyRsa:
    """A CA of Easy-RSA from Debian in FOLDER, with an issuing CA below it when ABOVE is given."""

    def __init__(self, folder, name, above=None):
        self.folder = pathlib.Path(folder) / name.replace(" ", "-")
        self.pki = self.folder / "pki"
        shutil.copytree(EASY_RSA, self.folder)
        self.run("init-pki")
        if above is None:
            self.run("build-ca", "nopass", name=name)
        else:
            self.run("build-ca", "nopass", "subca", name=name)
            request = self.pki / "reqs" / "ca.req"
            above.run("import-req", str(request), "issuing")
            above.run("sign-req", "ca", "issuing")
            shutil.copy(above.pki / "issued" / "issuing.crt", self.pki / "ca.crt")
        self.run("gen-crl")

    @property
    def cert(self):
        return self.pki / "ca.crt"

    @property
    def crl(self):
        return self.pki / "crl.pem"

    def run(self, *arguments, name=None):
        environment = {
            **os.environ, "EASYRSA_BATCH": "1", "EASYRSA_ALGO": "ec",
            "EASYRSA_CURVE": "prime256v1", "EASYRSA_PKI": str(self.pki),
            **({"EASYRSA_REQ_CN": name} if name else {}),
        }  # fmt: skip
        done = subprocess.run(
            ["./easyrsa", *arguments], cwd=self.folder, env=environment, text=True,
            capture_output=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)

    def client(self, name):
        self.run("build-client-full", name, "nopass")
        return Client(self.pki / "issued" / f"{name}.crt", self.pki / "private" / f"{name}.key")

    def revoke(self, name):
        self.run("revoke", name)
        self.run("gen-crl")
