"""Subjects: one canonical text <-> one X.509 name, as policy/subject.h of the gate defines it.

parse_subject() accepts the text that print_subject() would print, and nothing else. Parsing is a
little lenient and is followed by printing and comparing, so that a refusal can say what to write.
"""

import re

from cryptography import x509
from cryptography.x509.name import _ASN1Type as StringType

SUBJECT_MAX_BYTES = 1024
SUBJECT_MAX_RDNS = 32
OID_OF_TYPE = {
    "CN": "2.5.4.3", "L": "2.5.4.7", "ST": "2.5.4.8", "O": "2.5.4.10", "OU": "2.5.4.11",
    "C": "2.5.4.6", "STREET": "2.5.4.9", "DC": "0.9.2342.19200300.100.1.25",
    "UID": "0.9.2342.19200300.100.1.1", "emailAddress": "1.2.840.113549.1.9.1",
}
TYPE_OF_OID = {oid: name for name, oid in OID_OF_TYPE.items()}
STRING_OF_TYPE = {"C": StringType.PrintableString, "DC": StringType.IA5String,
                  "emailAddress": StringType.IA5String}  # of all others: UTF8String
DOTTED_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
NOT_PRINTABLE_STRING = re.compile(r"[^A-Za-z0-9 '()+,\-./:=?]")
ESCAPE = re.compile(r"\\(.)")
ESCAPABLE = '"+,;<>\\ #'
ONE_RDN = re.compile(r"([^=,+\\]*)=((?:[^,+\\]|\\.)*)(,|\+|$)")


class Refusal(Exception):
    """What was asked for is not done; the text says why, in one line."""


def parse_subject(text):
    """The X.509 name whose one canonical text (policy/subject.h) is TEXT, else Refusal."""
    check_whole_subject(text)
    attributes, at, more = [], 0, True
    while more:
        rdn = ONE_RDN.match(text, at)
        if not rdn:
            raise Refusal(f"subject: TYPE=VALUE expected at '{text[at:]}'")
        if rdn[3] == "+":
            raise Refusal("subject: multi-valued RDN; each has one value (a '+' in it is '\\+')")
        attributes.append(parse_attribute(rdn[1], rdn[2]))
        at, more = rdn.end(), rdn[3] == ","
    if len(attributes) > SUBJECT_MAX_RDNS:
        raise Refusal(f"subject: {len(attributes)} RDNs; at most {SUBJECT_MAX_RDNS} are allowed")
    if sum(a.oid.dotted_string == OID_OF_TYPE["CN"] for a in attributes) > 1:
        raise Refusal("subject: more than one CN")
    name = x509.Name(reversed(attributes))
    if print_subject(name) != text:
        raise Refusal(f"subject: not canonical; write it as '{print_subject(name)}'")
    return name


def check_whole_subject(text):
    """Refuses what is wrong with TEXT before its parts are known."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Refusal("subject: not valid UTF-8") from None
    if size == 0:
        raise Refusal("subject: empty")
    if size > SUBJECT_MAX_BYTES:
        raise Refusal(f"subject: {size} bytes; at most {SUBJECT_MAX_BYTES} are allowed")
    check_no_control(text)


def check_no_control(text):
    control = CONTROL.search(text)
    if control:
        raise Refusal(f"subject: control character U+{ord(control[0]):04X}")


def parse_attribute(kind, escaped):
    """One attribute from its text. Escapes may be too many here: the caller compares the whole."""
    if not escaped:
        raise Refusal(f"subject: empty value of '{kind}'")
    if DOTTED_OID.fullmatch(kind):
        return parse_oid_attribute(kind, escaped)
    if kind not in OID_OF_TYPE:
        raise Refusal(f"subject: unknown type '{kind}'; known are {', '.join(OID_OF_TYPE)} "
                      "(exactly so, no spaces) and dotted OIDs")
    value = ESCAPE.sub(unescape, escaped)
    if kind == "C" and not re.fullmatch("[A-Za-z]{2}", value):
        raise Refusal(f"subject: C is a country code of two letters, not '{value}'")
    string = STRING_OF_TYPE.get(kind, StringType.UTF8String)
    if string == StringType.IA5String and not value.isascii():
        raise Refusal(f"subject: {kind} is ASCII only (IA5String), not '{value}'")
    # Not validated: newer versions hold the bounds of RFC 5280, appendix A.1, which the gate does not.
    return x509.NameAttribute(
        x509.ObjectIdentifier(OID_OF_TYPE[kind]), value, string, _validate=False)


def unescape(escape):
    if escape[1] not in ESCAPABLE:
        raise Refusal(f"subject: '{escape[0]}' is no canonical escape; a backslash stands only "
                      'before " + , ; < > \\ and before a first "#", a first or a last space')
    return escape[1]


def parse_oid_attribute(oid, text):
    """An attribute of a type without a name: OID=#HEX, HEX being its DER encoding."""
    if oid in TYPE_OF_OID:
        raise Refusal(f"subject: write {TYPE_OF_OID[oid]} for {oid}")
    if not re.fullmatch("#([0-9a-f]{2})+", text):
        raise Refusal(f"subject: the value of {oid} is '#' and its DER encoding in lower-case hex")
    der = bytes.fromhex(text[1:])
    if der[0] not in (StringType.UTF8String.value, StringType.PrintableString.value):
        raise Refusal(f"subject: the value of {oid} is neither UTF8String nor PrintableString")
    string = StringType(der[0])
    header = {0x81: 3, 0x82: 4}.get(der[1] if len(der) > 1 else 0, 2)
    try:
        value = der[header:].decode()
        attribute = x509.NameAttribute(x509.ObjectIdentifier(oid), value, string)
    except ValueError as error:
        raise Refusal(f"subject: the value of {oid} is not valid: {error}") from None
    if string == StringType.PrintableString and NOT_PRINTABLE_STRING.search(value):
        raise Refusal(f"subject: the value of {oid} holds what a PrintableString cannot")
    if not value:
        raise Refusal(f"subject: empty value of '{oid}'")
    if print_attribute(attribute) != f"{oid}={text}":
        raise Refusal(f"subject: the value of {oid} is not one DER encoding")
    check_no_control(value)
    return attribute


def print_subject(name):
    """The canonical text of an X.509 name that keeps the identity profile."""
    return ",".join(print_attribute(attribute) for attribute in reversed(list(name)))


def print_attribute(attribute):
    oid, value = attribute.oid.dotted_string, attribute.value
    if oid not in TYPE_OF_OID:
        return f"{oid}=#{der_string(attribute._type.value, value.encode()).hex()}"
    return f"{TYPE_OF_OID[oid]}={escape_value(value)}"


def escape_value(value):
    escaped = re.sub(r'(["+,;<>\\])', r"\\\1", value)
    if value.startswith((" ", "#")):
        escaped = "\\" + escaped
    if value.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def der_string(tag, data):
    """DER of a string; longer ones than two length bytes can say do not fit into a subject."""
    length = len(data)
    if length < 0x80:
        return bytes([tag, length]) + data
    if length < 0x100:
        return bytes([tag, 0x81, length]) + data
    return bytes([tag, 0x82]) + length.to_bytes(2, "big") + data
