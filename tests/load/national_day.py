"""A day of all of England in compressed time: 27,000 reports through intake's API, relay, broker, consumers and processes.

At the end everything is counted: what was accepted is a record, an event, a row of reporting and a process, each once.
"""

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from services.runtime.temporal import connect
from tests.load.intake import NARRATIVE, Generator
from tests.load.latency import backlog
from tests.load.lifecycle import _settings
from tests.load.outcome import Outcome
from tests.load.rig import Rig
from workflows.incident import WORKFLOW

A_DAY = 27_000
"""Reports of a day, if all of England's adult social care went through one installation; an assumption of the design."""
PATIENCE_SECONDS = 2400.0
_SERVICES = ("directory", "intake", "review", "actions", "reporting", "workflows")

_COUNTS = {
    "records": "select count(*) from intake.incident where provider_id = :id",
    "events": "select count(*) from intake.outbox where provider_id = :id and type = 'plumbline.incident.reported.v1'"
    " and published_at is not null",
    "projected": "select count(*) from reporting.incident where provider_id = :id and reported_at is not null",
    "lines": "select count(distinct event_id) from reporting.timeline where provider_id = :id"
    " and type = 'plumbline.incident.reported.v1'",
}


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Report as fast as the API takes it, then wait until every process waits for triage and all else has followed."""
    wanted = 300 if quick else A_DAY
    engine = create_engine(make_url(rig.admin_url).set(drivername="postgresql+psycopg"))
    body = {
        "location_id": str(rig.location_id), "occurred_at": datetime.now(UTC).isoformat(), "category": "medication",
        "immediate_danger": False, "narrative": NARRATIVE,
    }  # fmt: skip
    order = {
        "port": rig.ports["intake"], "path": "/incidents", "headers": {"Authorization": f"Bearer {rig.token('carer')}"},
        "body": body, "seconds": 2.0,
    }  # fmt: skip
    before, size = _counts(engine, rig), _sizes(engine)
    with rig.running(*_SERVICES), contextlib.closing(Generator()) as generator:
        began = time.monotonic()
        accepted = 0
        while accepted < wanted:
            accepted += sum(generator.load(order)["statuses"].values())
        reported = time.monotonic() - began
        counts = dict.fromkeys(before, 0)
        while time.monotonic() - began < PATIENCE_SECONDS:
            counts = {name: count - before[name] for name, count in _counts(engine, rig).items()}
            if set(counts.values()) == {accepted}:
                break
            time.sleep(2)
        took = time.monotonic() - began
    grown = {schema: (now - size.get(schema, 0)) / accepted for schema, now in _sizes(engine).items()}
    engine.dispose()
    whole = set(counts.values()) == {accepted}
    return Outcome(
        name="national-day",
        result=f"{accepted:,} accepted in {reported:.0f} s, all followed after {took:.0f} s: "
        + ", ".join(f"{count:,} {name}" for name, count in counts.items())
        + f"; {sum(grown.values()) / 1000:.1f} kB of PostgreSQL each",
        holds="accepted = records = events = projected = processes, each once",
        held=whole,
        numbers={
            "accepted": accepted, "seconds_to_accept": reported, "seconds_to_follow": took, **counts,
            "bytes_each": {schema: round(each) for schema, each in grown.items()},
            "times_real_time": 86_400 / took * accepted / A_DAY,
        },
    )  # fmt: skip


def _counts(engine: Any, rig: Rig) -> dict[str, int]:
    with engine.connect() as connection:
        found = {name: connection.scalar(text(sql), {"id": rig.provider_id}) for name, sql in _COUNTS.items()}
    return {**found, "processes": asyncio.run(_processes(rig))}


async def _processes(rig: Rig) -> int:
    client = await connect(_settings(rig))
    found = await client.count_workflows(f"WorkflowType = '{WORKFLOW}' AND ProviderId = '{rig.provider_id}'")
    # Begun, and its first task done: it waits for triage, with its timer set.
    return found.count - await backlog(client)


def _sizes(engine: Any) -> dict[str, int]:
    """Bytes of each service's tables with their indexes."""
    asked = text(
        "select n.nspname, sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace n"
        " on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname in"
        " ('directory', 'intake', 'review', 'actions', 'reporting') group by 1"
    )
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(asked)}
