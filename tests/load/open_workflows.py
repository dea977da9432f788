"""Many incidents open at once, each with its timers: what each takes, and whether what happens to one is slowed by the others.

The real process and worker on the development server; what the services answer are the stand-ins of the workflow tests. The
number is bounded by time, and what is said of more is a slope over three sizes.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from services.runtime.temporal import connect
from tests.load.lifecycle import settings
from tests.load.lives import Lives
from tests.load.outcome import Outcome, middle, quantile
from tests.load.rig import Rig
from workflows.incident import WORKFLOW

WANTED = 100_000
FEW = 100
SECONDS = 240.0
"""So long incidents are begun, where nobody says how many; looking at them takes some more."""
SECONDS_AT_MOST = 5400.0
"""And so long, where somebody does."""
HOLD = 2.0
_AT_ONCE, _LAST, _SAMPLE = 96, 4, 200
_SAY_EVERY = 5_000
_LOOKS, _SIZES = 20, 3
_LONG = timedelta(days=30)


def measure(rig: Rig, *, quick: bool, count: int | None = None, say: Callable[[str], None]) -> Outcome:
    """Begin incidents that nobody triages until all are open or the time is over; look when few are open, and at three sizes."""
    wanted, seconds = (400, 30.0) if quick else (WANTED, SECONDS) if count is None else (count, SECONDS_AT_MOST)
    return asyncio.run(_measure(rig, max(wanted, FEW + _SIZES), seconds, say))


async def _measure(rig: Rig, wanted: int, seconds: float, say: Callable[[str], None]) -> Outcome:
    client = await connect(settings(rig))
    async with Lives(client, answering=False) as lives:
        first = await _begin(lives, FEW, seconds, say)
        looks, begun, spent = [await _look(rig, lives)], 0, 0.0
        for size in range(1, _SIZES + 1):
            began = time.monotonic()
            missing = wanted * size // _SIZES - lives.reported
            begun += len(await _begin(lives, missing, (seconds - spent) / (_SIZES + 1 - size), say))
            spent += time.monotonic() - began
            looks.append(await _look(rig, lives))
        opened, reported = await _open(client), lives.reported
    # The worker has gone: another one, which knows of nothing, must lead on what is asked first.
    async with Lives(client, answering=False) as lives:
        again = [await _signalled(lives, handle) for handle in first[:_LOOKS]]
    return _outcome(looks, (opened, reported, wanted), begun / spent, again)


def _outcome(looks: list[dict[str, float]], counts: tuple[int, int, int], rate: float, again: list[float]) -> Outcome:
    opened, reported, wanted = counts
    few, *_, many = looks
    more = many["open"] - few["open"]
    disk, memory = ((many[name] - few[name]) / more for name in ("disk_bytes", "memory_bytes"))
    slower = many["signal_p50_ms"] / few["signal_p50_ms"]
    slope = ", ".join(
        f"{look['open']:,.0f}: {look['signal_p50_ms']:.0f}/{look['signal_p99_ms']:.0f} and {look['timer_p50_ms']:.0f}"
        f"/{look['timer_p99_ms']:.0f}"
        for look in looks
    )
    return Outcome(
        name="open-workflows",
        result=f"{opened:,} of {wanted:,} open, each with its timers; {rate:.0f}/s begun; each {disk / 1000:.1f} kB on the disk"
        f" and {memory / 1000:.1f} kB of the server's memory; ms until a signal acts and that a timer is late (p50/p99), by how"
        f" many are open: {slope}; signal {slower:.2f} times; after a restart of the worker {1000 * middle(again):.0f} ms;"
        f" at this rate {WANTED:,} would take {WANTED / rate / 60:.0f} min, {WANTED * disk / 1e9:.1f} GB of disk and"
        f" {WANTED * memory / 1e9:.1f} GB of memory",
        holds=f"all that were begun are open; a signal takes <= {HOLD:.0f} times as long as with {FEW} open",
        held=opened >= reported and slower <= HOLD,
        numbers={
            "wanted": wanted, "reported": reported, "open": opened, "begun_per_second": rate, "disk_bytes_each": disk,
            "memory_bytes_each": memory, "signal_ratio": slower, "looks": looks,
            "after_restart_p50_ms": 1000 * middle(again),
        },
    )  # fmt: skip


async def _begin(
    lives: Lives, count: int, seconds: float, say: Callable[[str], None]
) -> list[WorkflowHandle[Any, Any]]:
    """So many more are open, or as many as the time allows. Of a sample each must have done its first task and set its timer."""
    begun: list[WorkflowHandle[Any, Any]] = []
    until = time.monotonic() + seconds

    async def one() -> None:
        try:
            begun.append(await lives.report(_LONG))
        except RPCError:
            # The server is away for a moment: another one instead, as the router would try again.
            lives.reported -= 1
            await asyncio.sleep(0.5)

    while (left := count - len(begun)) > 0 and time.monotonic() < until:
        before = len(begun)
        if lives.reported % _SAY_EVERY < _AT_ONCE:
            say(f"  {lives.reported:,} begun")
        await asyncio.gather(*(one() for _ in range(min(left, _AT_ONCE))))
        # Begun faster than their first tasks are done, they would only wait in a queue. Tasks are done about in turn.
        for handle in begun[before:][-_LAST:]:
            await event_of(handle, EventType.EVENT_TYPE_TIMER_STARTED, pause=0.2)
    for handle in random.Random(1).sample(begun, min(_SAMPLE, len(begun))):
        await event_of(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    return begun


async def _look(rig: Rig, lives: Lives) -> dict[str, float]:
    """How it is with so many open: what the server holds, and how soon a signal and a timer have their effect."""
    found: dict[str, float] = {
        "open": lives.reported, "disk_bytes": _bytes(rig.temporal_files), "memory_bytes": rig.memory("temporal"),
        "worker_memory_bytes": psutil.Process().memory_info().rss,
    }  # fmt: skip
    timers = [await _timer(lives) for _ in range(_LOOKS)]
    signals = [await _signalled(lives, await lives.report(_LONG)) for _ in range(_LOOKS)]
    for name, waits in (("signal", signals), ("timer", timers)):
        found |= {f"{name}_p50_ms": 1000 * middle(waits), f"{name}_p99_ms": 1000 * quantile(waits, 0.99)}
    return found


async def _signalled(lives: Lives, handle: WorkflowHandle[Any, Any]) -> float:
    """Seconds from the signal of a triage until the process has asked for what follows."""
    await event_of(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    before = time.monotonic()
    await lives.triage(handle)
    await event_of(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    return time.monotonic() - before


async def _timer(lives: Lives) -> float:
    """Seconds from when a clock should have rung to when it did, on the server's own clock."""
    handle = await lives.report(timedelta(seconds=1))
    started = await event_of(handle, EventType.EVENT_TYPE_TIMER_STARTED)
    fired = await event_of(handle, EventType.EVENT_TYPE_TIMER_FIRED)
    timeout = started.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    passed = (fired.event_time.ToNanoseconds() - started.event_time.ToNanoseconds()) / 1e9
    return float(passed - timeout.total_seconds())


async def event_of(handle: WorkflowHandle[Any, Any], kind: "EventType.ValueType", *, pause: float = 0.02) -> Any:
    """The first event of a kind in a process's history, as soon as it is there. Raises RuntimeError after two minutes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        async for event in handle.fetch_history_events():
            if event.event_type == kind:
                return event
        await asyncio.sleep(pause)
    raise RuntimeError("a process did not get as far as it should")


async def _open(client: Client) -> int:
    """How many incidents run; what is searched by may follow a moment later, so until it stands still."""
    query = f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus = 'Running'"
    count, last = (await client.count_workflows(query)).count, -1
    while count != last:
        await asyncio.sleep(1)
        count, last = (await client.count_workflows(query)).count, count
    return count


def _bytes(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())
