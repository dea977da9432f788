"""Incidents' processes a second, report to closed, against a trivial workflow; and the history events of one."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.actions import ActionDone, ActionVerified, ImpactJudged, PlannedCheckpoint
from services.contracts.event import EventData
from services.contracts.intake import IncidentReported, IncidentTriaged
from services.contracts.review import BriefingReached, ReviewApproved
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role, Stage, Verdict
from services.runtime.temporal import data_converter
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig
from tests.load.trivial import ACTIVITIES, ROUNDS, TASK_QUEUE, TrivialWorkflow, nothing
from workflows.incident import WORKFLOW, workflow_id
from workflows.messages import EVENT_SIGNAL, IncidentCase, RoutedEvent
from workflows.worker import build_worker, runner

HOLD = 0.70
HISTORY_HOLD = 120
INCIDENT_QUEUE = "bench-incident"


class People:
    """Everybody around the process: services that answer at once, people who decide as soon as they are asked."""

    def __init__(self, client: Client, provider_id: uuid.UUID) -> None:
        self._client, self._provider = client, provider_id
        self._actions: dict[uuid.UUID, uuid.UUID] = {}
        self._checkpoints: dict[uuid.UUID, uuid.UUID] = {}

    async def tell(self, incident_id: uuid.UUID, event: EventData) -> None:
        """What the router does with an event."""
        await self._client.start_workflow(
            WORKFLOW,
            IncidentCase(incident_id=incident_id, provider_id=self._provider),
            id=workflow_id(incident_id),
            task_queue=INCIDENT_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=EVENT_SIGNAL,
            start_signal_args=[
                RoutedEvent(event_id=str(uuid.uuid4()), type=event.TYPE, data=event.model_dump(mode="json"))
            ],
        )

    async def report(self, incident_id: uuid.UUID) -> None:
        """A report, and its triage once the process waits for it."""
        now = datetime.now(UTC)
        await self.tell(
            incident_id,
            IncidentReported(
                incident_id=incident_id, location_id=uuid.uuid4(), region_id=None, kind=Kind.INCIDENT,
                category=Category.MEDICATION, occurred_at=now, reported_at=now, immediate_danger=False,
                triage_due_at=now + timedelta(days=1),
            ),
        )  # fmt: skip
        await self.tell(
            incident_id,
            IncidentTriaged(
                incident_id=incident_id, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=2, likelihood=1, score=2,
                band=Band.LOW, by_default=False, rule="otherwise", policy_version="bench", overridden=False,
            ),
        )  # fmt: skip

    def activities(self) -> dict[str, list[Callable[..., Any]]]:
        """Per task queue: what the process of a low-harm incident asks for."""

        @activity.defn(name=contract.ENTER_STAGE)
        async def enter_stage(c: contract.EnterStage) -> None:
            follow = _FOLLOWS.get(c.stage)
            if follow is not None:
                # Not awaited: a person answers after the stage was entered, not within it.
                background = asyncio.create_task(follow(self, c.incident_id))
                _RUNNING.add(background)
                background.add_done_callback(_RUNNING.discard)

        @activity.defn(name=contract.OPEN_REVIEW)
        async def open_review(_: contract.OpenReview) -> contract.ReviewPlan:
            return contract.ReviewPlan(
                review_id=uuid.uuid4(), method=ReviewMethod.BRIEF, lead_role=Role.REGISTERED_MANAGER,
                due_at=datetime.now(UTC) + timedelta(days=7),
            )  # fmt: skip

        @activity.defn(name=contract.OPEN_ACTIONS)
        async def open_actions(c: contract.OpenActions) -> contract.ActionsPlan:
            due = datetime.now(UTC) + timedelta(days=28)
            self._actions[c.incident_id] = uuid.uuid4()
            opened = contract.OpenedAction(
                action_id=self._actions[c.incident_id], owner_role=Role.REGISTERED_MANAGER, due_at=due
            )
            return contract.ActionsPlan(actions=[opened], agree_due_at=due)

        @activity.defn(name=contract.SEND_BRIEFING)
        async def send_briefing(_: contract.SendBriefing) -> contract.BriefingPlan:
            due = datetime.now(UTC) + timedelta(days=14)
            return contract.BriefingPlan(briefing_id=uuid.uuid4(), audience=3, due_at=due)

        @activity.defn(name=contract.MEASURE_CHECKPOINT)
        async def measure(c: contract.MeasureCheckpoint) -> contract.Measured:
            background = asyncio.create_task(self._judge(c.incident_id, c.checkpoint_id))
            _RUNNING.add(background)
            background.add_done_callback(_RUNNING.discard)
            return contract.Measured(decide_due_at=datetime.now(UTC) + timedelta(days=7))

        return {
            contract.INTAKE_QUEUE: [enter_stage],
            contract.REVIEW_QUEUE: [open_review, send_briefing],
            contract.ACTIONS_QUEUE: [open_actions, measure],
        }

    async def _approve(self, incident_id: uuid.UUID) -> None:
        event = ReviewApproved(
            incident_id=incident_id, review_id=uuid.uuid4(), cycle=1, factors=[], learning_count=1,
            actions_needed=True, briefing_needed=True,
        )  # fmt: skip
        await self.tell(incident_id, event)

    async def _do(self, incident_id: uuid.UUID) -> None:
        event = ActionDone(
            incident_id=incident_id, action_id=self._actions[incident_id], cycle=1, attempt=1, evidence_count=1,
            verify_due_at=datetime.now(UTC) + timedelta(days=14),
        )  # fmt: skip
        await self.tell(incident_id, event)

    async def _verify(self, incident_id: uuid.UUID) -> None:
        # The checkpoint is due a moment later, so that its timer is a real one.
        checkpoint = PlannedCheckpoint(checkpoint_id=uuid.uuid4(), due_at=datetime.now(UTC) + timedelta(seconds=1))
        event = ActionVerified(
            incident_id=incident_id, action_id=self._actions[incident_id], cycle=1, attempt=1, cycle_complete=True,
            checkpoints=[checkpoint],
        )  # fmt: skip
        await self.tell(incident_id, event)

    async def _reach(self, incident_id: uuid.UUID) -> None:
        event = BriefingReached(incident_id=incident_id, briefing_id=uuid.uuid4(), cycle=1, reach_percent=100)
        await self.tell(incident_id, event)

    async def _judge(self, incident_id: uuid.UUID, checkpoint_id: uuid.UUID) -> None:
        event = ImpactJudged(
            incident_id=incident_id, checkpoint_id=checkpoint_id, cycle=1, verdict=Verdict.SUSTAINED,
            agreed_with_proposal=True, next_checkpoint=None,
        )  # fmt: skip
        await self.tell(incident_id, event)


_RUNNING: set[asyncio.Task[None]] = set()
_FOLLOWS: dict[Stage, Callable[[People, uuid.UUID], Awaitable[None]]] = {
    Stage.REVIEWING: People._approve,
    Stage.ACTING: People._do,
    Stage.VERIFYING: People._verify,
    Stage.SHARING: People._reach,
}


async def _incidents(client: Client, people: People, count: int) -> tuple[float, list[uuid.UUID]]:
    ids = [uuid.uuid4() for _ in range(count)]
    began = time.perf_counter()
    await asyncio.gather(*(people.report(i) for i in ids))
    await asyncio.gather(*(client.get_workflow_handle(workflow_id(i)).result() for i in ids))
    return count / (time.perf_counter() - began), ids


async def _trivials(client: Client, count: int) -> float:
    async def one() -> None:
        handle = await client.start_workflow(
            TrivialWorkflow.run, "x" * 200, id=f"trivial-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
        for _ in range(ROUNDS):
            await handle.signal("event", "x" * 200)
            # People answer one after the other; all signals at once would spare the yardstick its waiting.
            await asyncio.sleep(0.15)
        await handle.result()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    return count / (time.perf_counter() - began)


async def _history(client: Client, incident_id: uuid.UUID) -> int:
    """Events of all runs, once all of them are listed as closed."""
    total = 0
    for _ in range(100):
        runs = [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id(incident_id)}'")]
        total = sum(run.history_length for run in runs)
        if runs and all(run.close_time is not None and run.history_length for run in runs) and len(runs) == 3:
            return total
        await asyncio.sleep(0.1)
    return total


async def _measure(rig: Rig, *, quick: bool) -> Outcome:
    client = await Client.connect(rig.temporal, data_converter=data_converter(SecretStr(rig.codec_keys)))
    people = People(client, rig.provider_id)
    workers = [build_worker(client, task_queue=INCIDENT_QUEUE)]
    workers += [Worker(client, task_queue=q, activities=f) for q, f in people.activities().items()]
    workers.append(
        Worker(
            client, task_queue=TASK_QUEUE, workflows=[TrivialWorkflow], activities=[nothing], workflow_runner=runner()
        )
    )
    rounds, count = (2, 15) if quick else (3, 40)
    ours, bare, ids = [], [], []
    for worker in workers:
        await worker.__aenter__()
    try:
        await _incidents(client, people, 5)
        await _trivials(client, 5)
        for _ in range(rounds):
            rate, ids = await _incidents(client, people, count)
            ours.append(rate)
            bare.append(await _trivials(client, count))
        events = await _history(client, ids[0])
    finally:
        for worker in workers:
            await worker.__aexit__(None, None, None)
    share = ratio(ours, bare)
    return Outcome(
        name="lifecycle",
        result=f"{middle(ours):.1f} incidents/s, trivial {middle(bare):.1f}/s: {share:.2f}; {events} history events",
        holds=f">= {HOLD:.2f} of a trivial workflow with {sum(ACTIVITIES)} activities; <= {HISTORY_HOLD} events",
        held=share >= HOLD and 0 < events <= HISTORY_HOLD,
        numbers={
            "incidents_per_second": middle(ours),
            "trivial_per_second": middle(bare),
            "ratio": share,
            "history_events": events,
            "rounds": [[round(a, 2), round(b, 2)] for a, b in zip(ours, bare, strict=True)],
        },
    )


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Both kinds of workflow on the same server, worker settings and process, in turns."""
    return asyncio.run(_measure(rig, quick=quick))
