"""Many incidents open at once, each with a timer: how many a second begin, what each takes on the disk, and whether a clock
still rings in time beside them. The development server on one machine; its number is bounded by time and stated.
"""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from services.runtime.temporal import connect
from tests.load.lifecycle import _settings
from tests.load.lives import Lives
from tests.load.outcome import Outcome, quantile
from tests.load.rig import Rig
from workflows.incident import WORKFLOW

WANTED = 100_000
SECONDS = 300.0
LATE_SECONDS = 2.0
_AT_ONCE, _RUNG = 64, 20


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Begin incidents that nobody triages, for a while or until all are open; then let some clocks ring among them."""
    return asyncio.run(_measure(rig, *((200, 20.0) if quick else (WANTED, SECONDS))))


async def _measure(rig: Rig, wanted: int, seconds: float) -> Outcome:
    client = await connect(_settings(rig))
    before = await _open(client)
    size = _bytes(rig.temporal_files)
    async with Lives(client) as lives:
        began = time.monotonic()
        begun: list[WorkflowHandle[Any, Any]] = []

        async def some() -> None:
            while len(begun) < wanted and time.monotonic() - began < seconds:
                handle = await lives.report(timedelta(days=1))
                begun.append(handle)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        # The timer of each is set once its first task is done; the last begun have it last.
        for handle in begun[-_AT_ONCE:]:
            await _event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
        took = time.monotonic() - began
        opened = await _open(client) - before
        each = (_bytes(rig.temporal_files) - size) / len(begun)
        late = [await _late(lives) for _ in range(_RUNG)]
    events = sum([1 async for _ in begun[0].fetch_history_events()])
    p99 = quantile(late, 0.99)
    return Outcome(
        name="open",
        result=f"{opened:,} open with a timer, {len(begun) / took:.0f}/s begun, {events} events and {each / 1000:.1f} kB each;"
        f" a clock beside them rang {1000 * quantile(late, 0.5):.0f}/{1000 * p99:.0f} ms late (p50/p99);"
        f" {WANTED:,} would take {WANTED * took / len(begun) / 60:.0f} min",
        holds=f"every one begun is open; a clock rings within {LATE_SECONDS:.0f} s",
        held=opened == len(begun) and p99 <= LATE_SECONDS,
        numbers={
            "begun": len(begun), "open": opened, "per_second": len(begun) / took, "bytes_each": each,
            "events_each": events, "late_p50_ms": 1000 * quantile(late, 0.5), "late_p99_ms": 1000 * p99,
        },
    )  # fmt: skip


async def _open(client: Client) -> int:
    """How many incidents run; visibility may follow a moment later, so until it stands still."""
    query = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'"
    count, last = (await client.count_workflows(query)).count, -1
    while count != last:
        await asyncio.sleep(1)
        count, last = (await client.count_workflows(query)).count, count
    return count


async def _late(lives: Lives) -> float:
    """Seconds from when a clock should have rung to when it did, on the server's own clock."""
    handle = await lives.report(timedelta(seconds=1))
    started = await _event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    fired = await _event(handle, EventType.EVENT_TYPE_TIMER_FIRED)
    timeout = started.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    return float(
        (fired.event_time.ToNanoseconds() - started.event_time.ToNanoseconds()) / 1e9 - timeout.total_seconds()
    )


async def _event(handle: WorkflowHandle[Any, Any], kind: "EventType.ValueType") -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        async for event in handle.fetch_history_events():
            if event.event_type == kind:
                return event
        await asyncio.sleep(0.2)
    raise RuntimeError("a timer was not set, or did not ring")


def _bytes(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())
