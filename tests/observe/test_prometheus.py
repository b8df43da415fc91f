"""A real Prometheus: it scrapes by certificate, knows what it reads, and shipped rules and dashboard
ask for what is there."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from mirrorgate_test import client, common
from mirrorgate_test.client import Truncated, refusal
from mirrorgate_test.gateway import policy
from watchers import PROMETHEUS_DIR, Prometheus

SMALL = "/artifacts/step-core/small.txt"
DASHBOARD = common.REPOSITORY / "packaging/grafana/mirrorgate.json"


def promtool(*arguments, text=""):
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=text, text=True, timeout=60, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PROMETHEUS_DIR,
    )  # fmt: skip


def make_traffic(gate):
    """Something for every panel."""
    for _ in range(3):
        assert gate.get(SMALL).status == 200
    refusal(gate.get("/artifacts/step-plus/x"), 403, "not-licensed")
    with pytest.raises((OSError, Truncated)):
        gate.get(SMALL, who=None)
    client.tcp_connect(gate.port).close()
    gate.reload(policy(serial=2))


@pytest.fixture(scope="module")
def prometheus(module_lab, gate):
    make_traffic(gate)
    watcher = Prometheus(module_lab.new_folder("prometheus"), [gate])
    yield watcher
    watcher.stop()


def test_promtool_has_nothing_to_say_against_the_metrics(gate, prometheus):
    page = gate.get("/metrics", who="ops").body.decode()
    done = promtool("check", "metrics", text=page)
    assert (done.returncode, done.stdout) == (0, "")
    wrong = promtool("check", "metrics", text=page.replace("_timestamp_seconds", "_minutes"))
    assert wrong.returncode != 0


def test_prometheus_scrapes_with_an_observers_certificate(prometheus):
    common.wait_until(
        lambda: [target["health"] for target in prometheus.targets()] == ["up"], "it is scraped"
    )


def test_a_customers_certificate_scrapes_nothing(lab, gate):
    watcher = Prometheus(lab.new_folder("prometheus"), [gate], who="acme")
    try:
        common.wait_until(
            lambda: any("403" in target["lastError"] for target in watcher.targets()),
            "it is refused",
        )
        assert watcher.query("mirrorgate_healthy") == []
    finally:
        watcher.stop()


def test_the_alert_rules_do_what_their_tests_say():
    done = promtool("test", "rules", "mirrorgate.rules.test.yml")
    assert done.returncode == 0, done.stdout


RULES = yaml.safe_load((PROMETHEUS_DIR / "mirrorgate.rules.yml").read_text())["groups"][0]["rules"]


@pytest.mark.parametrize("name", [rule["alert"] for rule in RULES])
def test_each_alert_rule_has_a_test_that_would_miss_it(lab, name):
    folder = lab.new_folder("rules")
    shutil.copy(PROMETHEUS_DIR / "mirrorgate.rules.test.yml", folder)
    rules = [rule for rule in RULES if rule["alert"] != name]
    (folder / "mirrorgate.rules.yml").write_text(
        yaml.dump({"groups": [{"name": "mirrorgate", "rules": rules}]})
    )
    done = promtool("test", "rules", folder / "mirrorgate.rules.test.yml")
    assert done.returncode != 0 and name in done.stdout


def test_a_node_at_which_all_is_well_raises_no_alert(prometheus):
    def evaluated():
        groups = prometheus.get("rules")["groups"]
        return all(rule["health"] == "ok" for group in groups for rule in group["rules"])

    common.wait_until(evaluated, "each rule was evaluated", 90)
    firing = [alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]]
    assert firing == []


@pytest.mark.parametrize("series", sorted({
    name for rule in RULES for name in re.findall(r"mirrorgate_\w+", rule["expr"])
}))  # fmt: skip
def test_each_series_of_a_rule_is_there(prometheus, series):
    common.wait_until(lambda: prometheus.query(series), f"there is {series}", 30)


def queries():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]


@pytest.mark.parametrize("query", [query for _, query in queries()], ids=[id for id, _ in queries()])
def test_each_query_of_the_dashboard_has_an_answer(prometheus, query):
    expression = query.replace("$__rate_interval", "1m").replace("$instance", ".*")
    assert "$" not in expression
    common.wait_until(lambda: prometheus.query(expression), f"an answer to {expression}", 30)
