"""The repository's own checks refuse what they are there to refuse.

Each test plants one violation in a small tree of its own; the accepted tree beside it shows that it
is the violation that is refused.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = ROOT / "tests/lint"

TREE = {
    "gateway/main.c": '#include "worker.h"\n',
    "gateway/worker.c": '#include "worker.h"\n#include <ev.h>\n',
    "gateway/worker.h": '#include "log.h"\n#include "../policy/path.h"\n',
    "gateway/tls_stream.c": "#include <openssl/ssl.h>\n",
    "gateway/log.c": '#include "log.h"\n',
    "gateway/log.h": "#include <stdio.h>\n",
    "policy/path.c": '#include "path.h"\n',
    "policy/path.h": "#include <stddef.h>\n",
    "tests/unit/test_path.c": "#include <openssl/ssl.h>\n#include \"../../policy/path.h\"\n",
}

README = """# a project
## Code map
- `gateway/main.c` command line
- `gateway/log.{c,h}` messages
| `tools/run` | a script |
## Next
- `gateway/elsewhere.c` is outside the section
"""


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def lint(tool, root):
    done = subprocess.run([LINT / tool, "--root", root], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return done.returncode, done.stdout


def plant_code_map(root, readme, sources):
    plant(root, {**dict.fromkeys(sources, "\n"), "README.md": readme,
                 "tools/run": "#!/bin/sh\n", "notes.txt": "not program text\n"})
    subprocess.run(["git", "init", "--quiet", root], check=True)
    subprocess.run(["git", "-C", root, "add", "."], check=True)


def test_include_direction_accepts_downward_includes(tmp_path):
    plant(tmp_path, TREE)
    assert lint("include_direction", tmp_path) == (0, "")


@pytest.mark.parametrize("name, text, complaint", [
    ("gateway/log.h", '#include <time.h>\n#include "worker.h"\n',
     "gateway/log.h:2: gateway/worker.h is in a higher layer than log"),
    ("gateway/tls_digest.h", '# include "../gateway/worker.h"\n',
     "gateway/tls_digest.h:1: gateway/worker.h is in a higher layer than tls_digest"),
    ("gateway/novelty.c", "\n", "gateway/novelty.c: module novelty stands in no layer"),
    ("gateway/log.c", "#include <openssl/sha.h>\n",
     "gateway/log.c:1: <openssl/sha.h> is confined to"),
    ("policy/path.c", "#include <ev.h>\n", "policy/path.c:1: <ev.h> is confined to"),
    ("policy/path.c", '#include "../gateway/log.h"\n',
     "policy/path.c:1: policy/ may not include gateway/log.h"),
    ("client/main.c", '#include "../gateway/log.h"\n',
     "client/main.c:1: client/ may not include gateway/log.h"),
    ("upstream-stub/main.c", '#include "gateway/log.h"\n',
     "upstream-stub/main.c:1: upstream-stub/ may not include gateway/log.h"),
    ("tests/bench/load/main.c", '#include "../../../gateway/log.h"\n',
     "tests/bench/load/main.c:1: tests/bench/ may not include gateway/log.h"),
    ("policy/path.h", '#include "path.h"\n',
     "circle of includes: policy/path.h -> policy/path.h"),
])
def test_include_direction_refuses(tmp_path, name, text, complaint):
    plant(tmp_path, {**TREE, name: text})
    status, output = lint("include_direction", tmp_path)
    assert status == 1
    assert complaint in output


def test_code_map_accepts_a_complete_map(tmp_path):
    plant_code_map(tmp_path, README, ["gateway/main.c", "gateway/log.c", "gateway/log.h"])
    assert lint("code_map", tmp_path) == (0, "")


@pytest.mark.parametrize("readme, sources, complaint", [
    (README, ["gateway/main.c", "gateway/log.c", "gateway/log.h", "gateway/elsewhere.c"],
     "the code map lacks gateway/elsewhere.c"),
    (README, ["gateway/main.c", "gateway/log.c"],
     "the code map names gateway/log.h, which does not exist"),
    (README.replace("| `tools/run` | a script |\n", ""),
     ["gateway/main.c", "gateway/log.c", "gateway/log.h"], "the code map lacks tools/run"),
    (README.replace("log.{c,h}", "main.c"), ["gateway/main.c"],
     "the code map names gateway/main.c 2 times"),
    (README.replace("`gateway/main.c` command line", "`gateway/main.c`"),
     ["gateway/main.c", "gateway/log.c", "gateway/log.h"], "the code map lacks gateway/main.c"),
    ("# a project\n", [], 'there is no section "Code map"'),
    ("# The path of one request\n`listener.c`: `on_lost()` takes it.\n" + README,
     ["gateway/main.c", "gateway/log.c", "gateway/log.h"],
     "the path of a request names on_lost(), which is defined nowhere"),
])
def test_code_map_refuses(tmp_path, readme, sources, complaint):
    plant_code_map(tmp_path, readme, sources)
    status, output = lint("code_map", tmp_path)
    assert status == 1
    assert complaint in output
