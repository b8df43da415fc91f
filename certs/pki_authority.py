"""The CA in its folder: the index, and all that is signed with the CA's key.

The hard part is the order of writing. The index comes before the certificate it records, so that a
certificate that exists can always be revoked; it holds the new CRL number before the CRL does, so
that no number is used twice.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import ipaddress
import json
import os
import pathlib
import re
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki_files import locked, staged
from pki_passphrase import load_key
from pki_subject import Refusal, parse_subject, print_subject

KEY_BITS = 2048
BACKDATE = datetime.timedelta(minutes=5)  # for verifiers whose clock is a little slow
INDEX_FORMAT = "mirrorgate-pki/1"
HOST_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*"
                       r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
HOST_NAME_MAX = 253
WANTED_KEYS = ("base", "role", "customer", "subject", "names")
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "release": ExtendedKeyUsageOID.CODE_SIGNING}


@dataclasses.dataclass
class Authority:
    """A CA folder, open and locked. INDEX is {"format", "crl_number", "certificates": [entry]}; an
    entry has base, role (server, release, customer, probe, observer, issuing), customer (or null), subject,
    names (of a server), serial (32 hex digits), not_before, not_after, revoked_at and reason (or null),
    and replaced (true once it was renewed). Those of earlier releases lack the last two: key (SHA-256 of
    the public one) and requested (true: its owner made the key)."""
    folder: pathlib.Path
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    index: dict

    @property
    def is_root(self):
        """True when it signs issuing CAs, and nothing else."""
        basic = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        return basic.value.path_length == 1

    def entries(self, **wanted):
        return [entry for entry in self.index["certificates"]
                if all(entry[key] == value for key, value in wanted.items())]

    def save_index(self):
        data = json.dumps(self.index, indent=1, ensure_ascii=False).encode() + b"\n"
        with staged(self.folder, {"index.json": (data, 0o600)}) as publish:
            publish(replace=True)


@contextlib.contextmanager
def open_authority(folder, passphrase_file):
    """The CA in FOLDER, locked until the block ends; pki_passphrase.load_key() has the second."""
    load_index(folder)  # says so before anything else when this is no CA folder
    with locked(folder):
        certificate = load_pem(folder / "ca.crt", x509.load_pem_x509_certificate)
        key = load_key(folder / "ca.key", passphrase_file)
        if key.public_key().public_numbers() != certificate.public_key().public_numbers():
            raise Refusal(f"{folder}: ca.key is not the key of ca.crt")
        yield Authority(folder, certificate, key, load_index(folder))


def load_index(folder):
    """What FOLDER's index.json holds. It is replaced as a whole: reading it takes no lock."""
    path = folder / "index.json"
    try:
        index = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal(f"{folder}: not a CA folder (it has no index.json); 'pki init' makes one"
                      ) from None
    except ValueError as error:
        raise Refusal(f"{path}: damaged: {error}") from None
    if not isinstance(index, dict) or index.get("format") != INDEX_FORMAT:
        raise Refusal(f"{path}: not an index of the format {INDEX_FORMAT}")
    return index


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def time_text(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def time_of(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def utc(naive):
    return naive.replace(tzinfo=datetime.timezone.utc)


def state_of(entry):
    if entry["revoked_at"]:
        return "revoked"
    if time_of(entry["not_after"]) < now():
        return "expired"
    return "replaced" if entry["replaced"] else "valid"


def load_pem(path, loader):
    try:
        return loader(path.read_bytes())
    except ValueError as error:
        raise Refusal(f"{path}: damaged: {error}") from None


def pem(item):
    return item.public_bytes(serialization.Encoding.PEM)


def key_pem(key, encryption=serialization.NoEncryption()):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def fingerprint(public_key):
    return hashlib.sha256(public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def new_serial():
    """A random 128-bit serial number; positive, as RFC 5280, 4.1.2.2 asks."""
    return secrets.randbits(128) or new_serial()


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def key_usage(*wanted):
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{use: use in wanted for use in uses})


def certificate_builder(subject, issuer, public_key, serial, not_before, not_after):
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
            .public_key(public_key).serial_number(serial)
            .not_valid_before(not_before).not_valid_after(not_after)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False))


def sign_ca(subject, key, days, path_length):
    """A CA of its own; a PATH_LENGTH of 1 makes it a root, which signs issuing CAs only."""
    return (certificate_builder(subject, subject, key.public_key(), new_serial(), *validity(days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(key, hashes.SHA256()))


def sign_issuing(root, entry, public_key):
    """The certificate of the issuing CA that ENTRY of the ROOT's index records."""
    return (builder_of(root, entry, public_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
            .sign(root.key, hashes.SHA256()))


def builder_of(ca, entry, public_key):
    return (certificate_builder(parse_subject(entry["subject"]), ca.certificate.subject, public_key,
                                int(entry["serial"], 16), time_of(entry["not_before"]),
                                time_of(entry["not_after"]))
            .add_extension(authority_key_id(ca), critical=False))


def authority_key_id(ca):
    own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def sign_leaf(ca, entry, public_key):
    """The certificate that ENTRY of the index records."""
    usage = USAGES.get(entry["role"], ExtendedKeyUsageOID.CLIENT_AUTH)
    builder = (builder_of(ca, entry, public_key)
               .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
               .add_extension(key_usage("digital_signature"), critical=True)
               .add_extension(x509.ExtendedKeyUsage([usage]), critical=False))
    if entry["names"]:
        names = x509.SubjectAlternativeName([alternative_name(n) for n in entry["names"]])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(ca.key, hashes.SHA256())
    assert print_subject(certificate.subject) == entry["subject"]
    return certificate


def alternative_name(text):
    """TEXT as a SAN: an IP address, or a host name with at most a leading '*.'"""
    if "%" not in text:  # an address with a zone means something on one machine only
        with contextlib.suppress(ValueError):
            return x509.IPAddress(ipaddress.ip_address(text))
    if len(text) > HOST_NAME_MAX or not HOST_NAME.fullmatch(text):
        raise Refusal(f"'{text}' is neither a host name nor an IP address")
    return x509.DNSName(text)


def new_entry(ca, wanted, public_key, days):
    """An entry of the index for PUBLIC_KEY; WANTED has what the caller of pki decides (WANTED_KEYS)."""
    not_before, not_after = leaf_validity(ca, days)
    return {**wanted, "serial": f"{new_serial():032x}", "not_before": time_text(not_before),
            "not_after": time_text(not_after), "revoked_at": None, "reason": None, "replaced": False,
            "key": fingerprint(public_key), "requested": False}


def issue(ca, wanted, days):
    """A new key and certificate in BASE.key and BASE.crt. Where the index knows BASE, they take the place of
    the ones there; otherwise no file of that name may exist."""
    key = new_key()
    entry = new_entry(ca, wanted, key.public_key(), days)
    files = {f"{entry['base']}.key": (key_pem(key), 0o600)}
    publish_leaf(ca, entry, key.public_key(), files)


def issue_requested(ca, wanted, public_key, days):
    """A certificate in BASE.crt for PUBLIC_KEY, whose private half its owner keeps. It takes the place of the
    one there, whose key, where it was made here, belongs to a certificate that is not BASE.crt any more."""
    entry = {**new_entry(ca, wanted, public_key, days), "requested": True}
    publish_leaf(ca, entry, public_key, {})
    (ca.folder / f"{entry['base']}.key").unlink(missing_ok=True)


def publish_leaf(ca, entry, public_key, files):
    if ca.is_root:
        raise Refusal(f"{ca.folder} is a root, which signs issuing CAs only ('pki init --under')")
    base = entry["base"]
    earlier = ca.entries(base=base)
    files[f"{base}.crt"] = (pem(sign_leaf(ca, entry, public_key)), 0o644)
    with staged(ca.folder, files) as publish:
        for old in earlier:
            old["replaced"] = True
        ca.index["certificates"].append(entry)
        ca.save_index()
        if earlier:
            keep_replaced(ca, base)
        publish(replace=bool(earlier))


def issue_authority(root, wanted, key, days):
    """The certificate of an issuing CA with KEY, which the ROOT's folder has as BASE.crt."""
    entry = new_entry(root, wanted, key.public_key(), days)
    certificate = sign_issuing(root, entry, key.public_key())
    with staged(root.folder, {f"{entry['base']}.crt": (pem(certificate), 0o644)}) as publish:
        root.index["certificates"].append(entry)
        root.save_index()
        publish(replace=False)
    return certificate


def keep_replaced(ca, base):
    """Links BASE.crt to BASE.crt.SERIAL, by the serial that the file really has."""
    path = ca.folder / f"{base}.crt"
    if path.exists():
        certificate = load_pem(path, x509.load_pem_x509_certificate)
        with contextlib.suppress(FileExistsError):  # a renewal that was interrupted kept it
            os.link(path, ca.folder / f"{base}.crt.{certificate.serial_number:032x}")


def validity(days):
    """Begin and end of what is signed now for DAYS."""
    time = now()
    return time - BACKDATE, time + datetime.timedelta(days=days)


def leaf_validity(ca, days):
    """The same for a certificate, within its CA's; refuses one that would outlive its CA."""
    begin, end = validity(days)
    ca_begin, ca_end = utc(ca.certificate.not_valid_before), utc(ca.certificate.not_valid_after)
    if end > ca_end:
        raise Refusal(f"{days} days are too long: the CA itself ends on {time_text(ca_end)}, "
                      f"--days may be {max((ca_end - now()).days, 0)} at most")
    return max(begin, ca_begin), end


def write_crl(ca, days):
    """Writes ca.crl and, before it, the index (with whatever the caller changed in it).

    The number is the time in seconds, or the last number plus one where that is more: it rises
    within one second, when the clock goes back, and after the folder came from a backup."""
    number = max(int(now().timestamp()), ca.index["crl_number"] + 1, published_number(ca) + 1)
    this_update, next_update = validity(days)
    builder = (x509.CertificateRevocationListBuilder().issuer_name(ca.certificate.subject)
               .last_update(this_update).next_update(next_update)
               .add_extension(authority_key_id(ca), critical=False)
               .add_extension(x509.CRLNumber(number), critical=False))
    for entry in ca.entries():
        if entry["revoked_at"]:
            builder = builder.add_revoked_certificate(revoked_certificate(entry))
    crl = builder.sign(ca.key, hashes.SHA256())
    with staged(ca.folder, {"ca.crl": (pem(crl), 0o644)}) as publish:
        ca.index["crl_number"] = number
        ca.save_index()
        publish(replace=True)
    return number


def published_number(ca):
    """The number of the CRL on disk; 0 where there is none yet."""
    path = ca.folder / "ca.crl"
    if not path.exists():
        return 0
    crl = load_pem(path, x509.load_pem_x509_crl)
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def revoked_certificate(entry):
    builder = (x509.RevokedCertificateBuilder().serial_number(int(entry["serial"], 16))
               .revocation_date(time_of(entry["revoked_at"])))
    if entry["reason"] != "unspecified":  # RFC 5280, 5.3.1: then the extension is left out
        reason = x509.CRLReason(x509.ReasonFlags(entry["reason"]))
        builder = builder.add_extension(reason, critical=False)
    return builder.build()
