"""The dashboards as Grafana reads them: `python -m deploy.observability.dashboards` writes them again.

A panel is a title, what it asks Prometheus, and how it is shown; where it stands and how it looks follows from that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT = 24, 8


@dataclass(frozen=True)
class Panel:
    """`asks` are queries with what names their lines. `shown` is a kind of Grafana's panels."""

    title: str
    asks: Sequence[tuple[str, str]]
    unit: str = "short"
    shown: str = "timeseries"
    width: int = 8
    says: str = ""
    stacked: bool = False
    bad_above: float | None = None


def _of(title: str, query: str, by: str = "", **more: Any) -> Panel:
    return Panel(title, [(query, by)], **more)


def _number(title: str, query: str, bad_above: float | None = 0, **more: Any) -> Panel:
    return Panel(title, [(query, "")], shown="stat", width=4, bad_above=bad_above, **more)


def _p95(metric: str, by: str, also: str = "") -> str:
    return f"histogram_quantile(0.95, sum by ({by}, le) (rate({metric}_bucket{also}[$__rate_interval])))"


DASHBOARDS: dict[str, tuple[str, Sequence[Panel]]] = {
    "operations": (
        "Operations",
        [
            _number("Processes down", 'count(up{job=~"plumbline|temporal-sdk"} == 0) or vector(0)'),
            _number("Alarms", 'count(ALERTS{alertstate="firing",severity=~"page|ticket"}) or vector(0)'),
            _number("Without a process", "max(plumbline_orphan_incidents)"),
            _number("Keys held", "max(plumbline_consumer_parked_keys) + max(plumbline_relay_parked_keys)"),
            _number("Oldest unsent", "max(plumbline_outbox_oldest_unpublished_seconds)", 60, unit="s"),
            _number("Reporting behind", "max(plumbline_projection_lag_seconds)", 60, unit="s"),
            _of("Requests", "sum by (service) (rate(plumbline_http_requests_total[$__rate_interval]))", "{{service}}", unit="reqps"),
            _of("Failed, of all", "plumbline:http_requests:failed_ratio_rate5m", "{{service}}", unit="percentunit", says="The promise: 0.1 % in 30 days."),
            _of("Time to answer, 95 %", _p95("plumbline_http_request_duration_seconds", "service"), "{{service}}", unit="s"),
            _of("Slowest routes, 95 %", f"topk(10, {_p95('plumbline_http_request_duration_seconds', 'service, route')})", "{{service}} {{route}}", unit="s", width=12),
            _of("Refused and failed, by route", 'topk(10, sum by (service, route, status) (rate(plumbline_http_requests_total{status=~"4..|5.."}[$__rate_interval])))', "{{service}} {{route}} {{status}}", unit="reqps", width=12),
            _of("Connections in use, of the pool", "sum by (pool) (plumbline_database_connections_in_use) / sum by (pool) (plumbline_database_connections_limit)", "{{pool}}", unit="percentunit"),
            _of("Memory", 'process_resident_memory_bytes{job="plumbline"}', "{{instance}}", unit="bytes"),
            _of("Processor", 'rate(process_cpu_seconds_total{job="plumbline"}[$__rate_interval])', "{{instance}}", unit="percentunit"),
        ],
    ),
    "incidents": (
        "Flow of incidents",
        [
            _number("Open", "sum(max by (stage, band) (plumbline_incidents_open))", None),
            _number("High risk, nobody answered", "max(plumbline_high_risk_unacknowledged)"),
            _number("Obligations late", 'max(plumbline_obligations_open{state="late"})'),
            _number("Obligations at risk", 'max(plumbline_obligations_open{state="at_risk"})'),
            _number("Done, not verified", "max(plumbline_actions_done_unverified)", None),
            _number("Without effect", "max(plumbline_incidents_without_effect)"),
            _of("Open by stage", "sum by (stage) (max by (stage, band) (plumbline_incidents_open))", "{{stage}}", stacked=True),
            _of("Open by band", "sum by (band) (max by (stage, band) (plumbline_incidents_open))", "{{band}}", stacked=True),
            _of("Open by age in days", "sum by (age) (max by (stage, age) (plumbline_incidents_open_by_age))", "{{age}}", stacked=True),
            _of("Clocks that ran out", "max by (clock) (plumbline_incidents_overdue)", "{{clock}}"),
            _of("Calls nobody answered", "max(plumbline_escalations_unacknowledged)", "calls"),
            _of("Obligations not settled", "max by (state) (plumbline_obligations_open)", "{{state}}", stacked=True),
            _of("Themes by stage", "max by (stage) (plumbline_themes_open)", "{{stage}}", stacked=True),
            _of("Patterns undecided", "sum by (kind) (max by (kind, age) (plumbline_signals_open))", "{{kind}}"),
            _of("Themes past a clock", "max(plumbline_themes_overdue)", "themes"),
        ],
    ),
    "kafka": (
        "Kafka and outbox",
        [
            _number("No relay leads", "count(sum by (service) (plumbline_relay_leads) == 0) or vector(0)"),
            _number("Unsent", "sum(max by (service) (plumbline_outbox_unpublished))", 1000),
            _number("Unread", "sum(plumbline_consumer_lag)", 1000),
            _number("Held by consumers", "sum(max by (service, consumer) (plumbline_consumer_parked_keys))"),
            _number("Held by relays", "sum(max by (service) (plumbline_relay_parked_keys))"),
            _number("Topics lost, a day", "sum(increase(plumbline_relay_broker_resets_total[1d]))"),
            _of("Age of the oldest unsent event", "max by (service) (plumbline_outbox_oldest_unpublished_seconds)", "{{service}}", unit="s"),
            _of("Events sent", "sum by (service) (rate(plumbline_relay_published_total[$__rate_interval]))", "{{service}}", unit="cps"),
            _of("Times publishing was interrupted", "sum by (service) (increase(plumbline_relay_publish_failures_total[$__rate_interval]))", "{{service}}"),
            _of("Events not read yet", "plumbline:consumer_lag:sum", "{{service}} {{consumer}}"),
            _of("Events applied", "sum by (service, consumer) (rate(plumbline_consumer_processed_total[$__rate_interval]))", "{{service}} {{consumer}}", unit="cps"),
            _of("Events seen before", "sum by (service, consumer) (rate(plumbline_consumer_duplicates_total[$__rate_interval]))", "{{service}} {{consumer}}", unit="cps"),
            _of("Seconds since the broker was asked", "time() - max by (service, consumer) (plumbline_consumer_last_poll_timestamp_seconds)", "{{service}} {{consumer}}", unit="s"),
            _of("Events handed to Temporal", "sum by (lane, outcome) (rate(plumbline_router_events_total[$__rate_interval]))", "{{lane}} {{outcome}}", unit="cps"),
            _of("How long projected events had waited", "max(plumbline_projection_lag_seconds)", "reporting", unit="s"),
        ],
    ),
    "temporal": (
        "Temporal workers",
        [
            _number("Failed workflow tasks, an hour", "sum(increase(temporal_workflow_task_execution_failed_total[1h])) or vector(0)"),
            _number("Failed activities, an hour", "sum(increase(temporal_activity_execution_failed_total[1h])) or vector(0)", 10),
            _number("Looked for lost ones", "time() - max(plumbline_reconciler_last_run_timestamp_seconds)", 900, unit="s"),
            _number("Lost ones, a day", "sum(increase(plumbline_orphan_incidents_repaired_total[1d]))"),
            _number("Strays, a day", "sum(increase(plumbline_stray_processes_total[1d]))"),
            _number("Workflows in memory", "sum(temporal_sticky_cache_size)", None),
            _of("Workflow tasks wait, 95 %", "plumbline:workflow_task_schedule_to_start:p95", "{{task_queue}}", unit="s"),
            _of("Activities wait, 95 %", "plumbline:activity_schedule_to_start:p95", "{{task_queue}}", unit="s"),
            _of("Temporal's answers, 95 %", _p95("temporal_request_latency_seconds", "operation"), "{{operation}}", unit="s"),
            _of("Free slots", 'temporal_worker_task_slots_available{worker_type!="LocalActivityWorker"}', "{{task_queue}} {{worker_type}}"),
            _of("Taken slots", 'temporal_worker_task_slots_used{worker_type!="LocalActivityWorker"}', "{{task_queue}} {{worker_type}}"),
            _of("Found in memory", "sum by (workflow_type) (rate(temporal_sticky_cache_hit_total[$__rate_interval]))", "{{workflow_type}}", unit="cps"),
            _of("Workflow task takes, 95 %", _p95("temporal_workflow_task_execution_latency_seconds", "workflow_type"), "{{workflow_type}}", unit="s"),
            _of("Replay takes, 95 %", _p95("temporal_workflow_task_replay_latency_seconds", "workflow_type"), "{{workflow_type}}", unit="s"),
            _of("Activities that failed or were refused", 'sum by (service, activity, outcome) (rate(plumbline_activities_total{outcome!="done"}[$__rate_interval]))', "{{service}} {{activity}} {{outcome}}", unit="cps"),
        ],
    ),
    "executive": (
        "For the board",
        [
            _number("Open incidents", "sum(max by (stage, band) (plumbline_incidents_open))", None),
            _number("High and extreme", 'sum(max by (stage, band) (plumbline_incidents_open{band=~"high|extreme"}))', None),
            _number("Nobody answered", "max(plumbline_high_risk_unacknowledged)"),
            _number("Late to tell", 'max(plumbline_obligations_open{state="late"})'),
            _number("Older than 90 days", 'sum(max by (stage) (plumbline_incidents_open_by_age{age=">=90"}))', None),
            _number("Learning understood", "max(plumbline_learning_reach_ratio)", None, unit="percentunit", says="Of the briefings of open incidents, the part that is understood by as many as should."),
            _of("Is it done? Is it seen? Did it work?", "max(plumbline_actions_done_unverified)", "done, nobody has looked", width=12, says="Done is what the owner says; verified, that somebody else has looked; effective, that the measure moved."),
            Panel("What does not work or arrive", [("max(plumbline_incidents_without_effect)", "no change or worse"), ("max(plumbline_briefings_below_target)", "briefings not understood in time")], width=12),
            _of("Open by stage", "sum by (stage) (max by (stage, band) (plumbline_incidents_open))", "{{stage}}", stacked=True, width=12),
            _of("Patterns nobody has decided about", "sum by (age) (max by (kind, age) (plumbline_signals_open))", "{{age}} days", stacked=True, width=12),
        ],
    ),
}  # fmt: skip


def dashboard(name: str) -> dict[str, Any]:
    """One dashboard as Grafana's JSON."""
    title, panels = DASHBOARDS[name]
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(panels, 1):
        height = _HEIGHT // 2 if panel.shown == "stat" else _HEIGHT
        if x + panel.width > _WIDTH:
            x, y = 0, y + placed[-1]["gridPos"]["h"]
        placed.append(_panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": height}))
        x += panel.width
    return {
        "uid": f"plumbline-{name}",
        "title": f"Plumbline: {title}",
        "tags": ["plumbline"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "timezone": "Europe/London",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus", "current": {}}
            ]
        },
        "panels": placed,
    }


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    thresholds: list[dict[str, Any]] = [{"color": "green" if panel.bad_above is not None else "blue", "value": None}]
    if panel.bad_above is not None:
        # Grafana colours from the value on; "above 0" is from the smallest count there is.
        thresholds.append({"color": "red", "value": panel.bad_above or 0.001})
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": thresholds}}
    if panel.shown == "timeseries":
        defaults["custom"] = {"fillOpacity": 20 if panel.stacked else 0}
        defaults["custom"]["stacking"] = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    return {
        "id": number,
        "type": panel.shown,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {"refId": chr(65 + index), "datasource": _SOURCE, "expr": query, "legendFormat": name}
            for index, (query, name) in enumerate(panel.asks)
        ],
    }


def written(name: str) -> str:
    """The file of a dashboard."""
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(written(name))


if __name__ == "__main__":
    main()
