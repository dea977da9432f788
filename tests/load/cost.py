"""What one incident costs: events, actions of the process engine and its history, bytes in outbox, broker, database and log.

Real services and people who use their APIs, in real time, so that no reminder is counted. Two lives: one closed with its
review, and one with an action, its verification and a briefing up to the wait for the first checkpoint, which is weeks away.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
from kafka import KafkaConsumer
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from services.contracts.topics import PUBLISHERS, topic, urgent_topic
from services.runtime.kafka import connect
from tests.e2e.journey import Care, Journey
from tests.load.latency import client_of
from tests.load.outcome import Outcome
from tests.load.rig import Rig

SERVICES = ("directory", "intake", "review", "actions", "reporting", "workflows")
_SIDE_BY_SIDE = 4

BILLED = frozenset(
    {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES, EventType.EVENT_TYPE_MARKER_RECORDED,
    }
)  # fmt: skip
"""Events of a history that Temporal Cloud counts as an action; a start with a signal counts as two, as it does here."""


def _closed(care: Care) -> Journey:
    """Reviewed, nothing to change, closed."""
    journey = care.triaged(category="environment")
    journey.to_closure_at_once()
    journey.reaches("closed")
    return journey


def _improved(care: Care) -> Journey:
    """Reviewed, one action done and verified, a briefing understood: it waits for the first checkpoint."""
    journey = care.triaged(category="environment")
    journey.to_checkpoint()
    return journey


LIVES: dict[str, Callable[[Care], Journey]] = {
    "closed with its review": _closed,
    "up to the first checkpoint": _improved,
}


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Play some of each, and share what was added among them."""
    count = 3 if quick else 12
    limits = httpx.Limits(max_connections=4 * _SIDE_BY_SIDE)
    with rig.running(*SERVICES), httpx.Client(timeout=30, limits=limits) as http:
        found = {name: _of(rig, http, life, count) for name, life in LIVES.items()}
    return Outcome(
        name="cost",
        result="; ".join(f"{name}: {_shown(one)}" for name, one in found.items()),
        numbers={"incidents_of_each": count, **found},
    )


def _shown(one: dict[str, float]) -> str:
    return (
        f"{one['events']:.0f} events, {one['actions']:.0f} actions in {one['history_events']:.0f} history events of"
        f" {one['history_bytes'] / 1000:.1f} kB; kB of outbox {one['outbox_bytes'] / 1000:.1f},"
        f" broker {one['broker_bytes'] / 1000:.1f}, PostgreSQL {one['database_bytes'] / 1000:.0f},"
        f" its log {one['wal_bytes'] / 1000:.0f}, Temporal's file {one['temporal_bytes'] / 1000:.0f}"
    )


def _of(rig: Rig, http: httpx.Client, life: Callable[[Care], Journey], count: int) -> dict[str, float]:
    """Each at a provider of its own: nothing like it was there before that somebody must look at."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        cares = [Care(rig.stack, http) for _ in range(count + 1)]
        list(pool.map(Care.set_up, cares))
        life(cares.pop())  # what is prepared once is not of each
        before = _state(rig)
        journeys = list(pool.map(life, cares))
        after = _state(rig)
    found = {name: (after[name] - before[name]) / count for name in after}
    return found | asyncio.run(_processes(rig, [journey.id for journey in journeys]))


def _state(rig: Rig) -> dict[str, float]:
    """What is there once everything that was said has been published and written out."""
    with psycopg.connect(rig.admin_url, autocommit=True) as connection:

        def one(statement: str) -> int:
            row = connection.execute(statement).fetchone()
            return 0 if row is None or row[0] is None else int(row[0])

        waiting = " + ".join(f"(select count(*) from {one}.outbox where published_at is null)" for one in PUBLISHERS)
        deadline, seen = time.monotonic() + 60, -1
        while one(f"select {waiting}") or (said := _outbox(connection, "count(*)")) != seen:
            seen = _outbox(connection, "count(*)")
            time.sleep(2)
            if time.monotonic() > deadline:
                raise RuntimeError("it does not become quiet")
        connection.execute("checkpoint")
        state = {
            "events": said,
            "outbox_bytes": _outbox(connection, "coalesce(sum(pg_column_size(o.*)), 0)"),
            "database_bytes": one("select pg_database_size(current_database())"),
            "wal_bytes": one("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"),
        }
    return {
        **state,
        "broker_bytes": _in_the_broker(rig.kafka),
        "temporal_bytes": sum(path.stat().st_size for path in rig.temporal_files if path.exists()),
    }


def _outbox(connection: psycopg.Connection[Any], what: str) -> int:
    found = (connection.execute(f"select {what} from {one}.outbox o").fetchone() for one in PUBLISHERS)
    return sum(int(row[0]) for row in found if row is not None)


def _in_the_broker(bootstrap: str) -> int:
    """Bytes of keys, values and headers of all that the broker holds."""
    consumer = connect(KafkaConsumer, bootstrap, group_id=None, auto_offset_reset="earliest", max_poll_records=2000)
    found, quiet = 0, time.monotonic()
    try:
        consumer.subscribe([name for one in PUBLISHERS for name in (topic(one), urgent_topic(one))])
        while time.monotonic() - quiet < 3:
            for records in consumer.poll(timeout_ms=500).values():
                quiet = time.monotonic()
                for record in records:
                    headers = sum(len(name) + len(value) for name, value in record.headers)
                    found += len(record.key) + len(record.value) + headers
    finally:
        consumer.close()
    return found


async def _processes(rig: Rig, incidents: list[str]) -> dict[str, float]:
    """Of each incident: events and bytes of its process's histories over all runs, and actions among the events."""
    client, totals = await client_of(rig), Counter[str]()
    for incident in incidents:
        async for execution in client.list_workflows(f"WorkflowId = 'incident-{incident}'"):
            totals.update(await _history(client, execution.id, execution.run_id))
    return {name: count / len(incidents) for name, count in totals.items()}


async def _history(client: Client, name: str, run_id: str) -> Counter[str]:
    handle, found = client.get_workflow_handle(name, run_id=run_id), Counter[str]()
    async for event in handle.fetch_history_events():
        found["history_events"] += 1
        found["history_bytes"] += event.ByteSize()
        found["actions"] += event.event_type in BILLED
    return found
