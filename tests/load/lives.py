"""Incidents with people who answer: each stage the process enters is answered a moment later by the event it waits for.

The services are the stand-ins of the workflow tests, which answer at once; everything else is real.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.actions import ActionDone, ActionVerified, ImpactJudged, PlannedCheckpoint
from services.contracts.event import EventData
from services.contracts.intake import IncidentReported, IncidentTriaged
from services.contracts.review import BriefingReached, ReviewApproved
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, Stage, Verdict
from tests.workflow.conftest import LOCATION, PROVIDER, Services
from workflows import search_attributes
from workflows.incident import WORKFLOW, workflow_id
from workflows.messages import EVENT_SIGNAL, IncidentCase, RoutedEvent
from workflows.worker import build_worker

QUEUE = "bench-incident"
REACTION = 0.3
"""Seconds until people answer, so that the process has begun to wait for them, as it does in life."""
CHECKPOINT = timedelta(seconds=2)
"""From the planning of a checkpoint to the checkpoint: the last thing the process sleeps for."""


class _Asked(list[tuple[str, Any]]):
    """What the services were asked, told on at once instead of kept."""

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, item: tuple[str, Any]) -> None:
        self._tell(*item)


class Lives:
    """Low-harm incidents: one brief review, one action, one briefing, one checkpoint, closed.

    Without `answering` nobody answers what they ask, and they stay where they are. `reported` is how many there are.
    """

    def __init__(self, client: Client, *, answering: bool = True) -> None:
        self._client, self._answering = client, answering
        self._services = Services()
        self._services.asked = _Asked(self._asked)
        self.reported = 0
        self._answers: set[asyncio.Task[None]] = set()
        self._checkpoints: dict[uuid.UUID, uuid.UUID] = {}
        self._workers: list[Worker] = []

    async def __aenter__(self) -> "Lives":
        """Serve workflows and activities."""
        self._workers = [build_worker(self._client, task_queue=QUEUE)]
        for queue, functions in self._services.activities().items():
            self._workers.append(Worker(self._client, task_queue=queue, activities=functions))
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        """Stop serving."""
        for worker in self._workers:
            await worker.__aexit__(*exc)

    async def begin(self) -> WorkflowHandle[Any, Any]:
        """Report an incident; everything else follows. The handle is of its first run."""
        handle = await self.report(timedelta(days=1))
        self._answer(_triaged(handle))
        return handle

    async def triage(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Somebody looks at a report, now."""
        await handle.signal(EVENT_SIGNAL, _routed(_triaged(handle)))

    async def report(self, due: timedelta) -> WorkflowHandle[Any, Any]:
        """Report an incident that nobody triages: its clock rings after `due`."""
        self.reported += 1
        case = IncidentCase(incident_id=uuid.uuid4(), provider_id=PROVIDER)
        now = datetime.now(UTC)
        report = IncidentReported(
            incident_id=case.incident_id, location_id=LOCATION, region_id=None, kind=Kind.INCIDENT,
            category=Category.MEDICATION, occurred_at=now, reported_at=now, immediate_danger=False,
            triage_due_at=now + due,
        )  # fmt: skip
        return await self._client.start_workflow(
            WORKFLOW,
            case,
            id=workflow_id(case.incident_id),
            task_queue=QUEUE,
            start_signal=EVENT_SIGNAL,
            start_signal_args=[_routed(report)],
            search_attributes=search_attributes.of(case),
        )

    def _asked(self, name: str, command: Any) -> None:
        answer = self._answer_to(name, command)
        if answer is not None and self._answering:
            self._answer(answer)

    def _answer_to(self, name: str, command: Any) -> EventData | None:
        incident_id, action_id = command.incident_id, self._services.actions[0]
        now = datetime.now(UTC)
        if name == contract.MEASURE_CHECKPOINT:
            return ImpactJudged(
                incident_id=incident_id, checkpoint_id=command.checkpoint_id, cycle=1, verdict=Verdict.SUSTAINED,
                agreed_with_proposal=True, next_checkpoint=None,
            )  # fmt: skip
        if name != contract.ENTER_STAGE:
            return None
        match command.stage:
            case Stage.REVIEWING:
                return ReviewApproved(
                    incident_id=incident_id, review_id=self._services.review_id, cycle=1, factors=[],
                    learning_count=1, actions_needed=True, briefing_needed=True,
                )  # fmt: skip
            case Stage.ACTING:
                return ActionDone(
                    incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, evidence_count=1,
                    verify_due_at=now + timedelta(days=14),
                )  # fmt: skip
            case Stage.VERIFYING:
                planned = PlannedCheckpoint(checkpoint_id=uuid.uuid4(), due_at=now + CHECKPOINT)
                return ActionVerified(
                    incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, cycle_complete=True,
                    checkpoints=[planned],
                )  # fmt: skip
            case Stage.SHARING:
                return BriefingReached(
                    incident_id=incident_id, briefing_id=self._services.briefing_id, cycle=1, reach_percent=100
                )
            case _:
                return None

    def _answer(self, event: EventData) -> None:
        async def signal() -> None:
            await asyncio.sleep(REACTION)
            handle, routed = self._client.get_workflow_handle(workflow_id(event.key)), _routed(event)
            while True:  # as the router does, while the server is away
                with contextlib.suppress(RPCError):
                    return await handle.signal(EVENT_SIGNAL, routed)
                await asyncio.sleep(0.5)

        task = asyncio.create_task(signal())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)


def _triaged(handle: WorkflowHandle[Any, Any]) -> IncidentTriaged:
    return IncidentTriaged(
        incident_id=uuid.UUID(handle.id.removeprefix("incident-")), cycle=1, actual_harm=PhysicalHarm.LOW,
        consequence=2, likelihood=1, score=2, band=Band.LOW, by_default=False, rule="otherwise",
        policy_version="bench", overridden=False,
    )  # fmt: skip


def _routed(event: EventData) -> RoutedEvent:
    return RoutedEvent(event_id=str(uuid.uuid4()), type=event.TYPE, data=event.model_dump(mode="json"))
