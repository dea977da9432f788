"""What follows a briefing on the time-skipping server: who is told, when again, and when it ends."""

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
from services.contracts.event import EventData
from services.contracts.review import AdoptionAsked, BriefingSent
from services.contracts.taxonomy import Role
from services.runtime.actor import SYSTEM_ID
from services.runtime.consumer import Received
from tests.workflow.conftest import PROVIDER
from workflows import briefing
from workflows.router import hand_on, wanted
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "briefing-test"
MANAGER, CARER, HOME = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


class Services:
    """Stands for review and directory: people are asked again after 28 days; a return may be owed before."""

    def __init__(self) -> None:
        self.started: datetime | None = None
        self.owed_since: datetime | None = None
        self.returned_after = 3
        self.looks: list[timedelta] = []
        self.told: list[tuple[uuid.UUID, bool]] = []
        self.mail_is_away = False

    def activities(self) -> tuple[Any, list[Any]]:
        @activity.defn(name=contract.FOLLOW_UP_BRIEFING)
        async def follow_up(command: contract.FollowUpBriefing) -> contract.BriefingFollowUp:
            now = activity.info().current_attempt_scheduled_time
            self.started = self.started or now
            self.looks.append(now - self.started)
            recall, tell, again = self.started + timedelta(days=28), [], []
            if now < recall:
                again.append(recall)
            else:
                tell.append(contract.ToTell(about="recall", person_id=CARER))
            if self.owed_since is not None and self.returned_after > 0:
                due = self.owed_since + timedelta(days=7)
                if now >= due:
                    self.returned_after -= 1
                    late = self.returned_after == 0
                    tell.append(contract.ToTell(
                        about=f"owed:{self.returned_after}", role=Role.REGISTERED_MANAGER, location_id=HOME, urgent=late,
                    ))  # fmt: skip
                    due = now + timedelta(days=2)
                again.append(due)
            return contract.BriefingFollowUp(next_at=min(again, default=None), tell=tell)

        @activity.defn(name=contract.RESOLVE_ON_CALL)
        async def resolve(command: contract.ResolveOnCall) -> contract.OnCall:
            return contract.OnCall(role=command.role, person_id=MANAGER if command.location_id == HOME else None)

        @activity.defn(name=contract.DELIVER_NOTICE)
        async def deliver(command: contract.DeliverNotice) -> contract.Delivered:
            if self.mail_is_away:
                raise ApplicationError("away")
            self.told.append((command.person_id, command.urgent))
            return contract.Delivered(sent=1)

        return follow_up, [resolve, deliver]


class Running:
    """Workers around the services; `tell` is what the router does with an event."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env, self.services, self.id = env, Services(), uuid.uuid4()
        follow_up, others = self.services.activities()
        self._workers = [
            build_worker(env.client, task_queue=QUEUE, isolated=True),
            Worker(env.client, task_queue=contract.REVIEW_QUEUE, activities=[follow_up]),
            Worker(env.client, task_queue=contract.DIRECTORY_QUEUE, activities=others),
        ]

    async def __aenter__(self) -> "Running":
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for worker in self._workers:
            await worker.__aexit__(*exc)

    def sent(self, follow_up_at: datetime | None) -> EventData:
        return BriefingSent(
            incident_id=uuid.uuid4(), briefing_id=self.id, cycle=1, audience=1, target_percent=80,
            due_at=datetime.now(UTC), follow_up_at=follow_up_at,
        )  # fmt: skip

    async def tell(self, event: EventData) -> None:
        await hand_on(self.env.client, arrived(event), lane="normal", stop=Event(), task_queue=QUEUE)

    async def ended(self) -> None:
        for _ in range(200):
            if (await self.handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
                return
            await self.env.sleep(timedelta(hours=12))
        pytest.fail("still followed up")

    @property
    def handle(self) -> Any:
        return self.env.client.get_workflow_handle(briefing.workflow_id(self.id))


def arrived(event: EventData) -> Received:
    return Received(
        event_id=uuid.uuid4(), type=event.TYPE, provider_id=PROVIDER, subject=event.key, key=event.key, version=1,
        occurred_at=datetime.now(UTC), actor=str(SYSTEM_ID), actor_role="service",
        data=event.model_dump(mode="json"), topic="plumbline.review", partition=0, offset=0,
    )  # fmt: skip


async def test_weeks_later_people_are_asked_again_and_it_ends(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        await running.tell(running.sent(datetime.now(UTC)))
        await running.ended()
        assert [round(look / timedelta(days=1)) for look in running.services.looks] == [0, 28]
        assert running.services.told == [(CARER, False)]


async def test_a_return_that_is_owed_is_asked_for_until_it_is_there(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        await running.tell(running.sent(datetime.now(UTC)))
        await skipping.sleep(timedelta(days=1))
        running.services.owed_since = await skipping.get_current_time()
        await running.tell(AdoptionAsked(
            incident_id=uuid.uuid4(), check_id=uuid.uuid4(), briefing_id=running.id, cycle=1, due_at=datetime.now(UTC),
        ))  # fmt: skip
        await running.ended()
        told = [urgent for who, urgent in running.services.told if who == MANAGER]
        assert told == [False, False, True]
        assert running.services.told[-1] == (CARER, False)
        assert [round(look / timedelta(days=1)) for look in running.services.looks][:2] == [0, 1], (
            "it looks at once when something is asked"
        )


async def test_mail_that_is_away_does_not_stop_it(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as running:
        running.services.mail_is_away = True
        await running.tell(running.sent(datetime.now(UTC)))
        await running.ended()
        assert running.services.told == []
        assert (await running.handle.describe()).status is WorkflowExecutionStatus.COMPLETED


def test_an_ordinary_briefing_starts_nothing() -> None:
    running = Running.__new__(Running)
    running.id = uuid.uuid4()
    assert not wanted(arrived(running.sent(None)))
    assert wanted(arrived(running.sent(datetime.now(UTC))))
