"""A day of all of England in compressed time: 27,000 reports through intake's API, relay, broker, consumers and processes.

Beside them dangerous ones are reported, and it is measured how soon somebody is told, idle and during the day. At the end
everything is counted: what was accepted is a record, an event, a row and a line of reporting, and a process, each once.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from temporalio.client import Client

from services.contracts.activities import DELIVER_NOTICE
from tests.load.intake import NARRATIVE, Generator
from tests.load.latency import Desk, backlog, client_of, completed, event_of
from tests.load.outcome import Outcome, quantile
from tests.load.rig import Rig
from workflows.incident import WORKFLOW

A_DAY = 27_000
"""Reports of a day, if all of England's adult social care went through one installation; an assumption of the design."""
HOLD_SECONDS = 600.0
"""A day in ten minutes is 144 times as fast as it comes."""
HOLD_TOLD_SECONDS = 3.0
_SERVICES = ("directory", "intake", "review", "actions", "reporting", "workflows")
_IDLE = 10
_SAY_EVERY = 10
_SIDE = 100
"""While more than so many wait, it is still the day."""

_COUNTS = {
    "records": "select count(*) from intake.incident where provider_id = :id",
    "events": "select count(*) from intake.outbox where provider_id = :id and type = 'plumbline.incident.reported.v1'"
    " and published_at is not null",
    "projected": "select count(*) from reporting.incident where provider_id = :id and reported_at is not null",
    "lines": "select count(*) from reporting.timeline where provider_id = :id and type = 'plumbline.incident.reported.v1'",
}


def measure(rig: Rig, *, quick: bool, incidents: int | None = None, say: Callable[[str], None]) -> Outcome:
    """Report evenly over the time that the day may take, or as fast as the API takes it; then wait for all that follows."""
    wanted = 300 if quick else incidents or A_DAY
    limit = HOLD_SECONDS * wanted / A_DAY if wanted < A_DAY else HOLD_SECONDS
    engine = create_engine(make_url(rig.admin_url).set(drivername="postgresql+psycopg"))
    try:
        with rig.running(*_SERVICES), contextlib.closing(Generator()) as generator:
            return asyncio.run(_day(rig, engine, generator, wanted, max(limit, 30.0), say))
    finally:
        engine.dispose()


async def _day(
    rig: Rig, engine: Engine, generator: Generator, wanted: int, limit: float, say: Callable[[str], None]
) -> Outcome:
    client, token = await client_of(rig), rig.token("registered_manager")
    async with httpx.AsyncClient(timeout=60) as http:
        desk = Desk(http, rig)
        await desk.staff()
        first, _ = await desk.report(token, danger=True)
        await event_of(client, first, completed(DELIVER_NOTICE))  # the consumer groups have formed
        idle = await _told(client, [await desk.report(token, danger=True) for _ in range(_IDLE)])
        before = await _counts(engine, rig, client)
        began = time.monotonic()
        flood = asyncio.create_task(asyncio.to_thread(_report_all, rig, generator, wanted))
        dangers, lag, counts, followed = [], [], before, False
        while time.monotonic() - began < limit or not flood.done():
            if not flood.done() or (lag and lag[-1] > _SIDE):
                dangers.append(await desk.report(token, danger=True))
            await asyncio.sleep(2)
            now = await _counts(engine, rig, client)
            counts = {name: count - before[name] for name, count in now.items()}
            lag.append(counts["records"] - counts["processes"])
            if len(lag) % _SAY_EVERY == 0:
                say(
                    f"  {time.monotonic() - began:.0f} s: "
                    + ", ".join(f"{count:,} {name}" for name, count in counts.items())
                )
            if flood.done() and set(counts.values()) == {(await flood)[0] + len(dangers)}:
                followed = True
                break
        took = time.monotonic() - began
        accepted, reporting = await flood
        during = await _told(client, dangers)
    return _outcome(wanted, limit, accepted, reporting, took, followed, counts, len(dangers), lag, (idle, during))


def _outcome(
    wanted: int,
    limit: float,
    accepted: int,
    reporting: float,
    took: float,
    followed: bool,
    counts: dict[str, int],
    dangers: int,
    lag: list[int],
    told: tuple[list[float], list[float]],
) -> Outcome:
    idle, during = ((quantile(found, 0.5), quantile(found, 0.99)) for found in told)
    in_time = sum(one <= HOLD_TOLD_SECONDS for one in told[1]) / len(told[1])
    left = [] if followed else [f"{name} {count:,}" for name, count in counts.items()]
    whole = followed and took <= limit
    fraction = min(counts.values()) / (accepted + dangers)
    return Outcome(
        name="national-day",
        result=f"{accepted:,} of {wanted:,} accepted in {reporting:.0f} s ({accepted / reporting:.0f}/s) and {dangers} dangerous"
        f" ones beside them; {fraction:.0%} had followed after {took:.0f} s ({min(counts.values()) / took:.0f}/s)"
        + (f", of {accepted + dangers:,} only {', '.join(left)}" if left else ": records, events, projection, processes, each once")
        + f"; at most {max(lag):,} waited for their process; danger to first notice {1000 * during[0]:.0f}/{1000 * during[1]:.0f} ms"
        f" (p50/p99; idle {1000 * idle[0]:.0f}/{1000 * idle[1]:.0f}): {during[0] / idle[0]:.1f} times, {in_time:.0%} within"
        f" {HOLD_TOLD_SECONDS:.0f} s; {86_400 * counts['processes'] / took / A_DAY:.0f} national days a day",
        holds=f"accepted = records = events = projected = processes, each once, within {limit:.0f} s",
        held=whole,
        numbers={
            "wanted": wanted, "accepted": accepted, "dangerous": dangers, "seconds_to_accept": reporting,
            "seconds_to_follow": took, "limit_seconds": limit, **counts, "most_waiting": max(lag),
            "idle_told_ms": [round(1000 * one) for one in told[0]], "told_ms": [round(1000 * one) for one in told[1]],
            "told_in_time": in_time,
        },
    )  # fmt: skip


def _report_all(rig: Rig, generator: Generator, wanted: int) -> tuple[int, float]:
    """Low-risk reports as fast as the API takes them. Answers how many were accepted, and in how many seconds."""
    body = {
        "location_id": str(rig.location_id), "occurred_at": datetime.now(UTC).isoformat(), "category": "environment",
        "immediate_danger": False, "narrative": NARRATIVE,
    }  # fmt: skip
    order = {
        "port": rig.ports["intake"], "path": "/incidents", "headers": {"Authorization": f"Bearer {rig.token('carer')}"},
        "body": body,
    }  # fmt: skip
    accepted, began = 0, time.monotonic()
    while accepted < wanted:
        statuses = generator.load({**order, "seconds": 2.0, "requests": wanted - accepted})["statuses"]
        accepted += sum(statuses.values())
    return accepted, time.monotonic() - began


async def _told(client: Client, dangers: list[tuple[str, float]]) -> list[float]:
    """Seconds from the reply to each report of danger to the first notice of it."""
    return [await event_of(client, name, completed(DELIVER_NOTICE)) - replied for name, replied in dangers]


async def _counts(engine: Engine, rig: Rig, client: Client) -> dict[str, int]:
    def counted() -> dict[str, Any]:
        with engine.connect() as connection:
            return {name: connection.scalar(text(sql), {"id": rig.provider_id}) or 0 for name, sql in _COUNTS.items()}

    found = await asyncio.to_thread(counted)
    begun = await client.count_workflows(f"WorkflowType = '{WORKFLOW}' AND ProviderId = '{rig.provider_id}'")
    # Begun, and its first task done: it waits for triage, with its timer set.
    return {**found, "processes": begun.count - await backlog(client)}
