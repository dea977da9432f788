"""What the running processes serve at `/metrics`: what the table of metrics says, in Prometheus' format, and no ids."""

import re
import shutil
import subprocess

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.running import RunningStack, eventually
from tests.unit.test_metrics import documented

SERVICES = ("directory", "intake", "review", "actions", "reporting")
OWN = (*SERVICES, "workflows", "console")
SDK = (*SERVICES, "workflows")
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|^\d{5,}$")
MOST_SERIES = 3000
"""Of one process: routes by status are the most."""


def served(stack: RunningStack, name: str, *, sdk: bool) -> str:
    if not sdk:
        return stack.metrics(name)
    return httpx.get(f"http://127.0.0.1:{stack.record.ports[f'{name}_temporal_metrics']}/metrics").text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: install Debian's 'prometheus'")
@pytest.mark.parametrize("sdk", [False, True])
def test_promtool_accepts_what_each_process_serves(stack: RunningStack, sdk: bool) -> None:
    for name in SDK if sdk else OWN:
        text = served(stack, name, sdk=sdk)
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), name


def test_the_processes_together_serve_what_the_table_says(stack: RunningStack) -> None:
    found: dict[str, tuple[str, set[str]]] = {}
    for name in OWN:
        series = 0
        for family in text_string_to_metric_families(stack.metrics(name)):
            series += len(family.samples)
            if family.name.startswith("plumbline_"):
                full = f"{family.name}_total" if family.type == "counter" else family.name
                labels = {label for sample in family.samples for label in sample.labels} - {"le"}
                found[full] = family.type, labels | found.get(full, ("", set()))[1]
            for sample in family.samples:
                for label, value in sample.labels.items():
                    assert not _ID.search(value), f"{family.name}: {label}={value}"
        assert series < MOST_SERIES, name
    table = {name: (kind, set(labels)) for name, kind, labels in documented()}
    for name, (kind, labels) in found.items():
        assert table[name][0] == kind, name
        # One that has not been counted yet has no series to show its labels.
        assert labels in (set(), table[name][1]), name
    assert set(table) - set(found) <= {"plumbline_learning_reach_ratio"}


def test_workers_serve_what_the_sdk_measures(stack: RunningStack) -> None:
    def names() -> set[str]:
        found = "\n".join(served(stack, name, sdk=True) for name in SDK)
        return set(re.findall(r"^# TYPE (\w+) ", found, re.MULTILINE))

    wanted = {
        "temporal_workflow_task_schedule_to_start_latency_seconds",
        "temporal_activity_schedule_to_start_latency_seconds",
        "temporal_workflow_task_execution_latency_seconds",
        "temporal_worker_task_slots_available",
        "temporal_worker_task_slots_used",
        "temporal_sticky_cache_size",
        "temporal_request_latency_seconds",
    }
    # Schedules run every minute, so tasks have been taken soon whatever else is going on.
    eventually(lambda: wanted <= names(), f"{wanted} to be served")
