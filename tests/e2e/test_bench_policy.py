"""`make bench-policy` measures what it says, with the smallest of its policies.

How fast anything is depends on the machine, so no time is judged here: the bench itself fails when
an answer, a decision or a reload goes wrong.
"""

import re
import subprocess
import sys

from mirrorgate_test import common

BENCH = common.REPOSITORY / "tests" / "bench"


def run_bench(tmp_path, *sizes):
    out = tmp_path / "bench-policy.md"
    done = subprocess.run([BENCH / "policy", "--quick", "--out", out, *sizes],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          timeout=120 * common.PATIENCE, check=False)
    assert done.returncode == 0, done.stdout
    return out.read_text("utf-8")


def cells(table, name):
    rows = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1, table
    return [cell.strip() for cell in rows[0].split("|")[2:-1]]


def test_the_bench_fills_its_table(tmp_path):
    table = run_bench(tmp_path, "1000")
    assert re.fullmatch(r"1\.\d MiB", cells(table, "size of YAML")[0])
    for name in ("who is it: a customer", "who is it: nobody", "download: licensed",
                 "download: not licensed"):
        assert re.fullmatch(r"[1-9]\d* ns \((NOT MET|met)\)", cells(table, name)[0])
    for name in ("load from YAML: SIGHUP to live", "load from image: SIGHUP to live"):
        assert re.fullmatch(r"\d+\.\d\d s", cells(table, name)[0])
    for source in ("YAML", "image"):
        text = cells(table, f"p99 without and during a load from {source}")[0]
        quiet, during = map(int, re.search(r"\((\d+), (\d+) requests\)", text).groups())
        assert quiet > 0 and during > 0
        for worker in (0, 1):
            held = cells(table, f"worker {worker} after {source}: RssAnon, RssShmem, Pss")[0]
            assert re.fullmatch(r"(\d+\.\d MiB, ){2}\d+\.\d MiB", held)


def test_a_wrong_decision_fails_the_bench(tmp_path):
    sys.path.insert(0, str(BENCH))
    try:
        import policy_text
    finally:
        sys.path.remove(str(BENCH))
    yaml, image = tmp_path / "policy.yaml", tmp_path / "policy.image"
    policy_text.write(yaml, 10, 100)
    # Licences that ended: what the bench takes for allowed is refused.
    yaml.write_text(yaml.read_text("ascii").replace("2099-12-31", "2026-01-01"), "ascii")
    subprocess.run([common.BUILD / "mirrorgate-policy", "compile", yaml, "-o", image], check=True)
    done = subprocess.run([common.BUILD / "bench" / "policy_lookup", image, "10", "100", "1"],
                          stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode != 0
    assert "a wrong decision" in done.stderr
