"""Incidents a second from report to closed on the real Temporal server, against a trivial workflow; and what one costs."""

import asyncio
import time
import uuid
from datetime import timedelta
from typing import Any

from pydantic import SecretStr
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from services.runtime.settings import TemporalSettings
from services.runtime.temporal import connect
from tests.load import trivial
from tests.load.lives import CHECKPOINT, REACTION, Lives
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig
from workflows.worker import WORKFLOW_TASKS, runner

HOLD = 0.70
HOLD_EVENTS = 120
_QUEUE = "bench-trivial"


class Trivials:
    """Trivial workflows with the settings of the incident worker, driven by the same hand."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._signals: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Trivials":
        """Serve the workflow and its activity."""

        @activity.defn(name=trivial.ACTIVITY)
        async def answer(step: int) -> int:
            if trivial.LIFE[step + 1 : step + 2] == ("wait",):
                self._signal(activity.info().workflow_id or "")
            return step

        self._worker = Worker(
            self._client,
            task_queue=_QUEUE,
            workflows=[trivial.Trivial],
            activities=[answer],
            workflow_runner=runner(),
            max_cached_workflows=1000,
            max_concurrent_workflow_tasks=WORKFLOW_TASKS,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        )
        await self._worker.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        """Stop serving."""
        await self._worker.__aexit__(*exc)

    async def begin(self) -> WorkflowHandle[Any, Any]:
        """Start one; everything else follows."""
        name = f"trivial-{uuid.uuid4()}"
        handle = await self._client.start_workflow(
            trivial.NAME, CHECKPOINT.total_seconds(), id=name, task_queue=_QUEUE,
            start_signal=trivial.SIGNAL, start_signal_args=["start"],
        )  # fmt: skip
        self._signal(name)
        return handle

    def _signal(self, name: str) -> None:
        async def signal() -> None:
            await asyncio.sleep(REACTION)
            await self._client.get_workflow_handle(name).signal(trivial.SIGNAL, "on")

        task = asyncio.create_task(signal())
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)


def settings(rig: Rig) -> TemporalSettings:
    """How to reach the process engine of a rig."""
    return TemporalSettings(temporal_address=rig.temporal, temporal_codec_keys=SecretStr(rig.codec_keys))


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Run batches of both in turns, all of a batch at once."""
    rounds, size = (1, 10) if quick else (3, 40)
    ours, bare = asyncio.run(_batches(rig, rounds, size))
    share = ratio(ours, bare)
    return Outcome(
        name="lifecycle",
        result=f"{middle(ours):.1f} incidents/s, trivial {middle(bare):.1f}/s: {share:.2f}",
        holds=f">= {HOLD:.2f} of a trivial workflow",
        held=share >= HOLD,
        numbers={"incidents_per_second": middle(ours), "trivial_per_second": middle(bare), "ratio": share},
    )


async def _batches(rig: Rig, rounds: int, size: int) -> tuple[list[float], list[float]]:
    client = await connect(settings(rig))
    plain = await Client.connect(rig.temporal)
    rates: tuple[list[float], list[float]] = ([], [])
    async with Lives(client) as lives, Trivials(plain) as trivials:
        for kind in (lives, trivials):
            await _batch(kind, 3)  # sandbox and caches are warm
        for _ in range(rounds):
            for kind, found in zip((lives, trivials), rates, strict=True):
                found.append(await _batch(kind, size))
    return rates


async def _batch(kind: Lives | Trivials, size: int) -> float:
    began = time.perf_counter()
    handles = await asyncio.gather(*(kind.begin() for _ in range(size)))
    await asyncio.gather(*(handle.result() for handle in handles))
    return size / (time.perf_counter() - began)


def measure_history(rig: Rig, *, quick: bool) -> Outcome:
    """Count the events of one undisturbed incident, over all its runs."""
    ours, bare = asyncio.run(_one_of_each(rig))
    events = ours["events"]
    return Outcome(
        name="history",
        result=f"{events} events in {ours['runs']} runs (trivial {bare['events']})",
        holds=f"<= {HOLD_EVENTS} for a low-harm incident",
        held=events <= HOLD_EVENTS,
        numbers={"incident": ours, "trivial": bare},
    )


async def _one_of_each(rig: Rig) -> tuple[dict[str, Any], dict[str, Any]]:
    client = await connect(settings(rig))
    plain = await Client.connect(rig.temporal)
    async with Lives(client) as lives, Trivials(plain) as trivials:
        handles = [await lives.begin(), await trivials.begin()]
        for handle in handles:
            await handle.result()
    return await _history(client, handles[0]), await _history(plain, handles[1])


async def _history(client: Client, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    kinds: dict[str, int] = {}
    run_id, runs = handle.first_execution_run_id or "", 0
    while run_id:
        runs += 1
        following = ""
        async for event in client.get_workflow_handle(handle.id, run_id=run_id).fetch_history_events():
            kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
            kinds[kind] = kinds.get(kind, 0) + 1
            if event.HasField("workflow_execution_continued_as_new_event_attributes"):
                following = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        run_id = following
    return {"events": sum(kinds.values()), "runs": runs, "kinds": kinds}
