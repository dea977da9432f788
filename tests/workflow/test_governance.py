"""The governance cycle on the time-skipping server with reporting's real activities on a real database: agendas come by
themselves, and an unanswered challenge climbs until somebody answers."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.taxonomy import GovernanceKind, MeetingLevel, Role
from services.reporting import activities
from services.reporting.governance import challenge as challenges
from services.reporting.governance.domain import Question
from services.reporting.governance.store import visible_item
from services.runtime import db
from services.runtime.clock import Clock
from services.runtime.consumer import Received
from services.runtime.process import Context
from tests.integration.test_reporting import Book
from workflows import challenge
from workflows.meetings import MeetingsWorkflow
from workflows.router import hand_on
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "governance-test"
REGION = uuid.UUID("5e3a3a34-0000-4000-8000-000000000007")
PEOPLE = {role: uuid.UUID(int=number) for number, role in enumerate(Role, 1)}


class ServerClock(Clock):
    """Reporting's clock is the server's: whatever an activity is asked at."""

    def at(self, real: datetime) -> datetime:
        """The time at which the server scheduled the activity."""
        return activity.info().current_attempt_scheduled_time if activity.in_activity() else real


async def test_agendas_come_by_themselves_and_an_unanswered_challenge_climbs(
    skipping: WorkflowEnvironment,
    service_engine: Callable[[str], Engine],
    provider_id: uuid.UUID,
    actor: Any,
    clock: Any,
) -> None:
    engine, client = service_engine("reporting"), skipping.client
    book = Book(engine, provider_id, clock)
    home = book.location(region_id=REGION)
    book.project()
    told: list[tuple[uuid.UUID, bool]] = []

    @activity.defn(name=contract.LIST_PROVIDERS)
    async def list_providers() -> contract.Providers:
        return contract.Providers(providers=[provider_id])

    @activity.defn(name=contract.RESOLVE_ON_CALL)
    async def resolve(command: contract.ResolveOnCall) -> contract.OnCall:
        assert command.location_id == home
        return contract.OnCall(role=command.role, person_id=PEOPLE[command.role])

    @activity.defn(name=contract.DELIVER_NOTICE)
    async def deliver(command: contract.DeliverNotice) -> contract.Delivered:
        told.append((command.person_id, command.urgent))
        return contract.Delivered(sent=1)

    def rows(query: str) -> list[Any]:
        with db.transaction(engine, provider_id) as session:
            return list(session.execute(text(query)))

    async def hand_on_new(seen: set[uuid.UUID]) -> None:
        """What relay and router do."""
        for row in rows("select * from reporting.outbox order by seq"):
            if row.event_id not in seen:
                seen.add(row.event_id)
                received = Received(
                    event_id=row.event_id, type=row.type, provider_id=provider_id, subject=row.subject, key=row.key,
                    version=row.version, occurred_at=row.occurred_at, actor=row.actor, actor_role=row.actor_role,
                    data=row.data, topic="plumbline.reporting", partition=0, offset=row.seq,
                )  # fmt: skip
                await hand_on(client, received, lane="normal", stop=Event(), task_queue=QUEUE)

    real = list(activities.build(Context(engine, service_engine("reporting_system"), ServerClock())))
    real = [one for one in real if one.__name__ != "list_providers"]
    with ThreadPoolExecutor(2) as pool:
        async with (
            build_worker(client, task_queue=QUEUE, isolated=True),
            Worker(
                client, task_queue=contract.REPORTING_QUEUE, activities=[*real, list_providers], activity_executor=pool
            ),
            Worker(client, task_queue=contract.DIRECTORY_QUEUE, activities=[resolve, deliver]),
        ):
            meetings = await client.start_workflow(MeetingsWorkflow.run, id="meetings", task_queue=QUEUE)
            await skipping.sleep(timedelta(minutes=1))
            first = rows("select * from reporting.meeting order by level")
            assert [row.level for row in first] == ["board", "executive", "region", "service"]
            owner, lead = actor("registered_manager", locations=[home]), actor("quality_lead")
            now, seen = await skipping.get_current_time(), set[uuid.UUID]()
            with db.transaction(engine, provider_id) as session:
                item = challenges.raise_item(
                    session, lead, first[-1].meeting_id,
                    challenges.RaiseItem(
                        kind=GovernanceKind.CHALLENGE, question=Question.WORKING, said="Does it work at night?",
                        owner_id=owner.id, owner_role=Role.REGISTERED_MANAGER, due_at=now + timedelta(days=2),
                    ), now,
                )  # fmt: skip
                item_id = item.item_id
            await hand_on_new(seen)
            await skipping.sleep(timedelta(days=1))
            assert told == [(owner.id, False)]
            for _ in range(12):  # in steps, each of which a busy machine ends in time
                await skipping.sleep(timedelta(days=3))
            levels = [row.level for row in rows("select data ->> 'level' as level from reporting.outbox"
                                                " where type = 'plumbline.governance.escalated.v1' order by seq")]  # fmt: skip
            assert levels[:4] == [MeetingLevel.REGION, MeetingLevel.EXECUTIVE, MeetingLevel.BOARD, MeetingLevel.BOARD]
            called = [person for person, _ in told[1:] if person != owner.id]
            up = [Role.REGIONAL_MANAGER, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR, Role.DIRECTOR]
            assert called[:4] == [PEOPLE[role] for role in up]
            assert all(urgent for _, urgent in told[1:])
            following = rows("select * from reporting.meeting where level = 'service' order by compiled_at")
            assert len(following) >= 2
            assert following[1].previous_id == first[-1].meeting_id
            assert str(item_id) in following[1].agenda["items"]
            assert following[1].agenda["last"]["late"] == 1

            with db.transaction(engine, provider_id) as session:
                version = visible_item(session, owner, item_id).version
                answer = challenges.AnswerItem(said="Seen on two nights.")
                challenges.answer_item(session, owner, item_id, answer, version, await skipping.get_current_time())
            await hand_on_new(seen)
            handle = client.get_workflow_handle(challenge.workflow_id(item_id))
            for _ in range(10):
                await skipping.sleep(timedelta(minutes=1))
                if (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
                    break
            assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED
            assert (await meetings.describe()).status is WorkflowExecutionStatus.RUNNING
            await meetings.terminate()
