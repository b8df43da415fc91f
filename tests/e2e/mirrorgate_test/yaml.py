"""Writes the YAML files that the gateway reads, from dictionaries, lists and plain values.

Only what mirrorgate.yaml and policy.yaml need: block mappings, one key a line, so that a test can
find the line a message names; lists of plain values in brackets.
"""

import json
import re

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._/+-]*")


def dump(value):
    """Returns VALUE, a dictionary, as the text of a YAML file."""
    return "\n".join(_mapping(value, "")) + "\n"


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _mapping(mapping, indent):
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{key}:"
            for item in value:
                lines = list(_mapping(item, indent + "    "))
                yield f"{indent}  - {lines[0].strip()}"
                yield from lines[1:]
        elif isinstance(value, list):
            yield f"{indent}{key}: [{', '.join(_scalar(item) for item in value)}]"
        elif isinstance(value, dict):
            yield f"{indent}{key}: {{}}"
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def line_of(text, part):
    """The number of the first line of TEXT, from 1, that holds PART."""
    for number, line in enumerate(text.splitlines(), 1):
        if part in line:
            return number
    raise AssertionError(f"no line with {part!r}")
