"""A concern on the time-skipping server: who is told, when again, and when it ends."""

import uuid
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.intake import ConcernContinued, ConcernRaised
from services.contracts.taxonomy import Role
from services.runtime.actor import SYSTEM_ID
from services.runtime.consumer import Received
from tests.workflow.conftest import PROVIDER
from workflows import concern
from workflows.router import hand_on
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "concern-test"
LEAD, GUARDIAN, NAMED = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)
DUE = timedelta(hours=72)


class Reviewers:
    """Stands for intake and directory: a lead and a guardian review; it is late after 72 hours."""

    def __init__(self) -> None:
        self.answered = False
        self.people: list[uuid.UUID] = []
        self.away: list[uuid.UUID] = []
        self.mail_is_away = False
        self.told: list[tuple[uuid.UUID, bool]] = []
        self.looks = 0
        self._raised: datetime | None = None

    def activities(self) -> tuple[Any, list[Any]]:
        @activity.defn(name=contract.WATCH_CONCERN)
        async def watch(query: contract.WatchConcern) -> contract.ConcernWatch:
            now = activity.info().current_attempt_scheduled_time
            self._raised, self.looks = self._raised or now, self.looks + 1
            due = self._raised + DUE
            late = now >= due
            roles = [] if self.people else [Role.SAFEGUARDING_LEAD, Role.SPEAK_UP_GUARDIAN, Role.NOMINATED_INDIVIDUAL]
            return contract.ConcernWatch(
                waits=not self.answered, next_at=now + timedelta(hours=24) if late else due, late=late, roles=roles,
                people=self.people, away=self.away,
            )  # fmt: skip

        @activity.defn(name=contract.RESOLVE_ON_CALL)
        async def resolve(command: contract.ResolveOnCall) -> contract.OnCall:
            found = {Role.SAFEGUARDING_LEAD: LEAD, Role.SPEAK_UP_GUARDIAN: GUARDIAN}
            return contract.OnCall(role=command.role, person_id=found.get(command.role))

        @activity.defn(name=contract.DELIVER_NOTICE)
        async def deliver(command: contract.DeliverNotice) -> contract.Delivered:
            if self.mail_is_away:
                raise ApplicationError("away")
            self.told.append((command.person_id, command.urgent))
            return contract.Delivered(sent=1)

        return watch, [resolve, deliver]


class Running:
    """Workers around the reviewers; `tell` is what the router does with an event."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env, self.reviewers, self.id = env, Reviewers(), uuid.uuid4()
        watch, others = self.reviewers.activities()
        self._workers = [
            build_worker(env.client, task_queue=QUEUE, isolated=True),
            Worker(env.client, task_queue=contract.INTAKE_QUEUE, activities=[watch]),
            Worker(env.client, task_queue=contract.DIRECTORY_QUEUE, activities=others),
        ]

    async def __aenter__(self) -> "Running":
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        for worker in self._workers:
            await worker.__aexit__(*exc)

    async def tell(self, kind: type[ConcernRaised | ConcernContinued]) -> None:
        event = kind(concern_id=self.id, answer_due_at=datetime.now(UTC))
        received = Received(
            event_id=uuid.uuid4(), type=kind.TYPE, provider_id=PROVIDER, subject=event.key, key=event.key, version=1,
            occurred_at=datetime.now(UTC), actor=str(SYSTEM_ID), actor_role="speak_up",
            data=event.model_dump(mode="json"), topic="a", partition=0, offset=0,
        )  # fmt: skip
        await hand_on(self.env.client, received, lane="normal", stop=Event(), task_queue=QUEUE)

    async def ended(self) -> None:
        handle = self.env.client.get_workflow_handle(concern.workflow_id(self.id))
        for _ in range(100):
            if (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
                return
            await self.env.sleep(timedelta(hours=1))
        pytest.fail("still watched")


async def test_those_who_review_are_told_at_once_and_again_when_it_is_late(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        await running.tell(ConcernRaised)
        await skipping.sleep(timedelta(hours=71))
        assert running.reviewers.told == [(LEAD, False), (GUARDIAN, False)]
        await skipping.sleep(timedelta(hours=2))
        assert running.reviewers.told[2:] == [(LEAD, True), (GUARDIAN, True)]
        await running.tell(ConcernRaised)  # the same word twice: it runs already
        running.reviewers.people = [NAMED]
        await skipping.sleep(timedelta(hours=24))
        assert running.reviewers.told[4:] == [(NAMED, True)]
        running.reviewers.answered = True
        await running.ended()
        assert len(running.reviewers.told) == 5


async def test_a_further_message_waits_for_an_answer_again(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        running.reviewers.answered = True
        await running.tell(ConcernRaised)
        await running.ended()
        assert running.reviewers.told == []
        running.reviewers.answered = False
        running.reviewers.away = [LEAD]
        await running.tell(ConcernContinued)
        await skipping.sleep(timedelta(hours=1))
        assert running.reviewers.told == [(GUARDIAN, False)]
        running.reviewers.answered = True
        await running.ended()


async def test_a_mail_server_that_stays_away_does_not_stop_the_clock(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        running.reviewers.mail_is_away = True
        await running.tell(ConcernRaised)
        await skipping.sleep(timedelta(hours=71))
        running.reviewers.mail_is_away = False
        await skipping.sleep(timedelta(hours=3))
        assert running.reviewers.told == [(LEAD, True), (GUARDIAN, True)]
        running.reviewers.answered = True
        await running.ended()
