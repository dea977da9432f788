"""The table of metrics is what the code declares: names, types and labels; and no label can hold an id."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "GaugeMetricFamily": "gauge"}
LABELS = {
    "activity", "age", "band", "clock", "consumer", "kind", "lane", "level", "limit", "method", "outcome", "pool", "route", "service",
    "stage", "state", "status",
}  # fmt: skip
"""Everything that a metric may be told apart by. A new one needs a look: how many values can it have?"""

Metric = tuple[str, str, tuple[str, ...]]


def declared() -> Iterator[Metric]:
    for folder in ("services", "workflows"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _KINDS
                # `collections.Counter` is given no name.
                if made and node.args and isinstance(node.args[0], ast.Constant):
                    labels = node.args[2] if len(node.args) > 2 else ast.List([])
                    labels = next((k.value for k in node.keywords if k.arg in ("labels", "labelnames")), labels)
                    yield ast.literal_eval(node.args[0]), _KINDS[node.func.id], tuple(ast.literal_eval(labels))


def documented() -> list[Metric]:
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(plumbline_\w+)` \| (\w+) \| ([\w, ]*) ?\|", page, re.MULTILINE)
    return [(name, kind, tuple(re.findall(r"\w+", labels))) for name, kind, labels in rows]


def test_the_table_is_what_the_code_declares() -> None:
    found = sorted(declared())
    assert len(found) > 25
    assert sorted(documented()) == found


def test_labels_are_of_the_list() -> None:
    for name, _, labels in declared():
        assert set(labels) <= LABELS, name


def test_names_follow_the_conventions() -> None:
    for name, kind, _ in declared():
        assert name.startswith("plumbline_")
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|minutes|hours|days|percent|kb|mb)(_|$)", name), name
