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
    "gateway/process/main.c": '#include "worker.h"\n',
    "gateway/process/worker.c": '#include "worker.h"\n#include <ev.h>\n',
    "gateway/process/worker.h": '#include "gateway/node/log.h"\n#include "policy/rule.h"\n',
    "gateway/tls/tls_stream.c": "#include <openssl/ssl.h>\n",
    "gateway/node/log.c": '#include "log.h"\n',
    "gateway/node/log.h": '#include <stdio.h>\n#include "base/path.h"\n',
    "policy/rule.c": '#include "rule.h"\n',
    "policy/rule.h": "#include \"../base/path.h\"\n",
    "base/path.h": "#include <stddef.h>\n",
    "tests/unit/test_path.c": "#include <openssl/ssl.h>\n#include \"../../base/path.h\"\n",
}

README = """# a project
## Code map
- `gateway` the gate
- `tools` scripts
## Next
- `elsewhere` is outside the section
"""

FOLDER = """# gateway

The gate.

- `main.c` command line
- `log.{c,h}`, `clock.h` `stderr`
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


SOURCES = ["gateway/main.c", "gateway/log.c", "gateway/log.h", "gateway/clock.h"]


def plant_code_map(root, readme, folder, sources):
    plant(root, {**dict.fromkeys(sources, "\n"), "README.md": readme, "gateway/README.md": folder,
                 "tools/README.md": "# tools\n\nScripts.\n\n- `run` runs\n",
                 "tools/run": "#!/bin/sh\n", "notes.txt": "not program text\n"})
    subprocess.run(["git", "init", "--quiet", root], check=True)
    subprocess.run(["git", "-C", root, "add", "."], check=True)


def test_include_direction_accepts_downward_includes(tmp_path):
    plant(tmp_path, TREE)
    assert lint("include_direction", tmp_path) == (0, "")


@pytest.mark.parametrize("name, text, complaint", [
    ("gateway/node/log.h", '#include <time.h>\n#include "gateway/process/worker.h"\n',
     "gateway/node/log.h:2: gateway/node/ may not include gateway/process/worker.h"),
    ("gateway/tls/tls_digest.h", '# include "../process/worker.h"\n',
     "gateway/tls/tls_digest.h:1: gateway/tls/ may not include gateway/process/worker.h"),
    ("gateway/novelty/novelty.c", "\n", "gateway/novelty/ stands in no layer"),
    ("gateway/novelty.c", "\n", "gateway/ stands in no layer"),
    ("gateway/node/log.c", "#include <openssl/sha.h>\n",
     "gateway/node/log.c:1: <openssl/sha.h> is confined to"),
    ("base/path.c", "#include <ev.h>\n", "base/path.c:1: <ev.h> is confined to"),
    ("policy/rule.c", '#include "gateway/node/log.h"\n',
     "policy/rule.c:1: policy/ may not include gateway/node/log.h"),
    ("base/path.c", '#include "../policy/rule.h"\n',
     "base/path.c:1: base/ may not include policy/rule.h"),
    ("client/common/clock.c", '#include "gateway/node/log.h"\n',
     "client/common/clock.c:1: client/common/ may not include gateway/node/log.h"),
    ("client/common/clock.c", '#include "policy/rule.h"\n',
     "client/common/clock.c:1: client/common/ may not include policy/rule.h"),
    ("upstream-stub/main.c", '#include "gateway/node/log.h"\n',
     "upstream-stub/main.c:1: upstream-stub/ may not include gateway/node/log.h"),
    ("tests/bench/load/main.c", '#include "../../../gateway/node/log.h"\n',
     "tests/bench/load/main.c:1: tests/bench/ may not include gateway/node/log.h"),
    ("base/path.h", '#include "path.h"\n',
     "circle of includes: base/path.h -> base/path.h"),
])
def test_include_direction_refuses(tmp_path, name, text, complaint):
    plant(tmp_path, {**TREE, name: text})
    status, output = lint("include_direction", tmp_path)
    assert status == 1
    assert complaint in output


@pytest.mark.parametrize("private, status", [("base/path_private.h", 0), ("base/path_parts.h", 1)])
def test_what_a_file_includes_includes_its_header_only_as_its_private_one(tmp_path, private, status):
    plant(tmp_path, {**TREE, "base/path.h": "", private: '#include "path.h"\n',
                     "base/path.c": f'#include "path.h"\n#include "{private[5:]}"\n'})
    found, output = lint("include_direction", tmp_path)
    assert found == status, output
    assert ("circle of includes: base/path -> base/path_parts -> base/path" in output) == bool(status)


@pytest.mark.parametrize("rules, complaint", [
    ("folder base: policy\nfolder policy:\n", ""),
    ("folder policy:\nfolder base: policy\n", "policy does not stand below base"),
    ("folder base:\nfolder base:\n", "base stands in two layers"),
    ("layer base\n", "folder or library, not layer"),
])
def test_the_rules_themselves_go_downwards(tmp_path, rules, complaint):
    (tmp_path / "rules").write_text(rules, encoding="utf-8")
    done = subprocess.run([LINT / "include_direction", "--root", tmp_path, "--rules",
                           tmp_path / "rules"], stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode == (1 if complaint else 0)
    assert complaint in done.stderr


def test_code_map_accepts_a_complete_map(tmp_path):
    plant_code_map(tmp_path, README, FOLDER, SOURCES)
    (tmp_path / "gateway/log.h").write_text('#include "clock.h"\n', encoding="utf-8")
    assert lint("code_map", tmp_path) == (0, "")


@pytest.mark.parametrize("readme, folder, sources, complaint", [
    (README, FOLDER, SOURCES + ["gateway/elsewhere.c"], "gateway/README.md: lacks elsewhere.c"),
    (README, FOLDER, SOURCES[:2] + SOURCES[3:],
     "gateway/README.md: names log.h, which does not exist"),
    (README, FOLDER.replace("log.{c,h}", "main.c"), SOURCES[:1],
     "gateway/README.md: names main.c 2 times"),
    (README, FOLDER.replace("`main.c` command line", "`main.c`"), SOURCES,
     "gateway/README.md: lacks main.c"),
    (README, FOLDER + "\n" * 20, SOURCES, "gateway/README.md: 26 lines, not 5 to 20"),
    (README.replace("- `tools` scripts\n", ""), FOLDER, SOURCES, "README.md: lacks tools"),
    (README.replace("`tools`", "`tools`, `nowhere`"), FOLDER, SOURCES,
     "README.md: names nowhere, which does not exist"),
    (README, FOLDER, SOURCES + ["other/x.c"], "other/README.md: No such file"),
    ("# a project\n", FOLDER, SOURCES, 'there is no section "Code map"'),
    ("# The path of one request\n`listener.c`: `on_lost()` takes it.\n" + README, FOLDER, SOURCES,
     "the path of a request names on_lost(), which is defined nowhere"),
])
def test_code_map_refuses(tmp_path, readme, folder, sources, complaint):
    plant_code_map(tmp_path, readme, folder, sources)
    status, output = lint("code_map", tmp_path)
    assert status == 1
    assert complaint in output


@pytest.mark.parametrize("entry, complaint", [
    ("`test_*.c`", ""), ("`test_log*.c`", "tests/unit/README.md: lacks test_clock.c"),
    ("`test_*.c`, `test_a*.c`", "tests/unit/README.md: names test_a*.c, which does not exist"),
])
def test_code_map_takes_patterns_for_tests(tmp_path, entry, complaint):
    plant_code_map(tmp_path, README, FOLDER, SOURCES + ["tests/unit/test_log.c", "tests/unit/test_clock.c"])
    plant(tmp_path, {"tests/unit/README.md": f"# unit\n\nUnit tests.\n\n- {entry} each of its file\n"})
    status, output = lint("code_map", tmp_path)
    assert (status, complaint in output) == (1 if complaint else 0, True), output


def test_code_map_wants_the_highest_floor_first(tmp_path):
    plant_code_map(tmp_path, README, FOLDER, SOURCES)
    (tmp_path / "gateway/clock.h").write_text('#include "log.h"\n', encoding="utf-8")
    status, output = lint("code_map", tmp_path)
    assert status == 1
    assert "gateway/README.md: clock.h includes log.h, and stands below it" in output


FAMILY = """#include "gate_private.h"

const char *const gate_words[] = {"one", "two"};

struct place {
	int line;
};

bool
gate_refuse(struct gate *self)
{
	return self->open;
}
"""

NAMED = {
    "gateway/gate_private.h": "bool gate_refuse(struct gate *self);\n",
    "gateway/gate.c": '#include "gate_private.h"\nint gate_open(void)\n{\n\treturn 1;\n}\n',
    "gateway/gate_refusal.c": FAMILY,
    "gateway/doors.c": "/* void other(void) {} */\nstatic int count;\nvoid\ndoor_shut(void)\n{\n}\n"
                       "const STACK_OF(DOOR) * doors_all(int (*fn)(void))\n{\n\treturn fn();\n}\n",
    "client/main.c": "int\nmain(void)\n{\n\treturn 0;\n}\n",
    "rules": "family gate gateway/gate_private.h # its refusals\n",
}


def lint_names(root):
    done = subprocess.run([LINT / "exported_names", "--root", root, "--rules", root / "rules"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          check=False)
    return done.returncode, done.stdout


def test_exported_names_accepts_the_name_of_the_file_or_of_the_family(tmp_path):
    plant(tmp_path, NAMED)
    assert lint_names(tmp_path) == (0, "")


@pytest.mark.parametrize("name, text, complaint", [
    ("gateway/doors.c", "void\nopen_door(int n)\n{\n\tn++;\n}\n",
     "gateway/doors.c:1: open_door does not begin with doors_"),
    ("gateway/doors.c", "\nint *doorway = 0, more;\n",
     "gateway/doors.c:2: doorway does not begin with doors_"),
    ("gateway/doors.c", "const char *const words[2] = {\"{\", \"a\"};\n",
     "gateway/doors.c:1: words does not begin with doors_"),
    ("gateway/doors.c", "struct one { int a; } which;\n",
     "gateway/doors.c:1: which does not begin with doors_"),
    ("gateway/doors.c", "void __attribute__((format(printf, 1, 2)))\nsay(const char *f, ...)\n{\n}\n",
     "gateway/doors.c:1: say does not begin with doors_"),
    ("gateway/gate_refusal.c", FAMILY.replace("gate_private", "gate"),
     "gateway/gate_refusal.c:3: gate_words does not begin with gate_refusal_"),
    ("client/gate_refusal.c", FAMILY, "client/gate_refusal.c:3: gate_words does not begin"),
    ("gateway/gate_refusal.c", "\n", "gateway/gate_private.h: no file needs the family gate"),
    ("rules", "object gate gateway/gate_private.h\n", "rules:1: family PREFIX HEADER, not object"),
])
def test_exported_names_refuses(tmp_path, name, text, complaint):
    plant(tmp_path, {**NAMED, name: text})
    status, output = lint_names(tmp_path)
    assert status == 1
    assert complaint in output
