"""What is watched and shown: rules that ring for what they are for, each with a runbook, and nothing asked that nobody exports."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import prometheus
from deploy.observability import dashboards

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
RULES = sorted((OBSERVABILITY / "rules").glob("*.yml"))
PLAYED = ("tests/deployment/rules.yml", "tests/deployment/rules_of_cases.yml")
PROCESS = {"up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What Prometheus and its client export by themselves."""

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: install Debian's package 'prometheus'"
)


def run(*words: str) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@promtool
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    run("check", "config", str(OBSERVABILITY / "prometheus.yml"))
    run("check", "rules", *map(str, RULES))


@promtool
def test_each_alarm_rings_for_what_it_is_for() -> None:
    run("test", "rules", *PLAYED)


def test_each_alarm_has_a_test_in_which_it_rings() -> None:
    played = [test for path in PLAYED for test in yaml.safe_load((ROOT / path).read_text())["tests"]]
    rang = {rule["alertname"] for test in played for rule in test["alert_rule_test"] if rule["exp_alerts"]}
    assert rang == {rule["alert"] for rule in alerts()}


def test_each_alarm_has_a_runbook_that_names_it() -> None:
    assert len(alerts()) > 20
    for rule in alerts():
        page = ROOT / rule["annotations"]["runbook"]
        assert f"`{rule['alert']}`" in page.read_text(), page
        assert f"`{rule['alert']}`" in (page.parent / "README.md").read_text(), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["labels"]["severity"] in ("page", "ticket", "people")


def asked_in_rules() -> Iterator[str]:
    for rule in rules():
        yield rule["expr"]


def asked_in_dashboards() -> Iterator[str]:
    for path in (OBSERVABILITY / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield target["expr"]


_WORDS = {
    "by", "and", "or", "on", "rate", "increase", "sum", "max", "count", "time", "topk", "histogram_quantile", "deriv",
    "vector", "group_left",
}  # fmt: skip


def metrics_in(expression: str) -> set[str]:
    """The names of metrics in an expression: what is left without labels, strings, durations, functions and groupings."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", expression)
    bare = re.sub(r"\b(?:by|on|group_left)\s*\([^)]*\)", " ", bare)
    return {word for word in re.findall(r"[a-zA-Z_:][\w:]*", bare) if word not in _WORDS}


def documented() -> set[str]:
    """Names in the table of metrics, with the series of those that are histograms."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    return named | {f"{name}_{part}" for name in named for part in ("bucket", "count", "sum")}


@pytest.mark.parametrize("asked", [asked_in_rules, asked_in_dashboards])
def test_nothing_is_asked_for_that_nobody_exports(asked: Any) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    expressions = list(asked())
    assert len(expressions) > 20
    for expression in expressions:
        names = metrics_in(expression)
        assert names, expression
        assert names <= documented() | recorded | PROCESS, f"{names - documented() - recorded - PROCESS}: {expression}"


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_dashboards_are_as_they_are_made(name: str) -> None:
    kept = (OBSERVABILITY / "dashboards" / f"{name}.json").read_text()
    assert kept == dashboards.written(name), "run python -m deploy.observability.dashboards"
    panels = json.loads(kept)["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_what_is_provisioned_is_there() -> None:
    assert {path.stem for path in (OBSERVABILITY / "dashboards").glob("*.json")} == set(dashboards.DASHBOARDS)
    provider = yaml.safe_load((OBSERVABILITY / "grafana/dashboards/plumbline.yml").read_text())["providers"][0]
    source = yaml.safe_load((OBSERVABILITY / "grafana/datasources/prometheus.yml").read_text())["datasources"][0]
    assert (provider["type"], source["type"]) == ("file", "prometheus")


@promtool
def test_beside_the_one_machine_stack_the_same_rules_are_used(tmp_path: Path) -> None:
    made = prometheus.configuration({"plumbline": ["127.0.0.1:7702"], "temporal-sdk": ["127.0.0.1:7752"]})
    assert [Path(name) for name in made["rule_files"]] == [
        OBSERVABILITY / "rules" / name for name in ("slo.yml", "operations.yml", "cases.yml")
    ]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(made))
    run("check", "config", str(tmp_path / "prometheus.yml"))
