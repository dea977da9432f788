"""Glass broken about an incident that had ended, on the time-skipping server: who is told, how often, never who broke it."""

import uuid
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.intake import BreakGlassUsed
from services.contracts.taxonomy import Role
from services.runtime.actor import SYSTEM_ID
from services.runtime.consumer import Received
from tests.workflow.conftest import PROVIDER
from workflows import glass
from workflows.router import hand_on, wanted
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "glass-test"
LEAD, BREAKER, OTHER = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def broken(*, ended: bool) -> Received:
    event = BreakGlassUsed(
        incident_id=uuid.uuid4(), break_glass_id=uuid.uuid4(), person_id=BREAKER, ends_at=datetime.now(UTC), ended=ended
    )
    return Received(
        event_id=uuid.uuid4(), type=event.TYPE, provider_id=PROVIDER, subject=str(event.break_glass_id), key=event.key,
        version=1, occurred_at=datetime.now(UTC), actor=str(SYSTEM_ID), actor_role="director",
        data=event.model_dump(mode="json"), topic="a", partition=0, offset=0,
    )  # fmt: skip


async def test_whoever_needs_to_know_is_told_and_told_again_until_somebody_answers(
    skipping: WorkflowEnvironment,
) -> None:
    answered, told, looks = [False], [], []

    @activity.defn(name=contract.WATCH_GLASS)
    async def watch(query: contract.WatchGlass) -> contract.ConcernWatch:
        looks.append(query.looks)
        now = activity.info().current_attempt_scheduled_time
        return contract.ConcernWatch(
            waits=not answered[0], next_at=now + timedelta(hours=4), late=True, away=[BREAKER],
            roles=[Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL],
        )  # fmt: skip

    @activity.defn(name=contract.RESOLVE_ON_CALL)
    async def resolve(command: contract.ResolveOnCall) -> contract.OnCall:
        if command.role is Role.SAFEGUARDING_LEAD:
            return contract.OnCall(role=command.role, person_id=LEAD)
        other = contract.OnRung(role=command.role, person_id=OTHER)
        return contract.OnCall(role=command.role, person_id=BREAKER, others=[other])

    @activity.defn(name=contract.DELIVER_NOTICE)
    async def deliver(command: contract.DeliverNotice) -> contract.Delivered:
        told.append((command.person_id, command.urgent, command.path))
        return contract.Delivered(sent=1)

    received = broken(ended=True)
    path = f"/incidents/{received.key}"
    async with (
        build_worker(skipping.client, task_queue=QUEUE, isolated=True),
        Worker(skipping.client, task_queue=contract.INTAKE_QUEUE, activities=[watch]),
        Worker(skipping.client, task_queue=contract.DIRECTORY_QUEUE, activities=[resolve, deliver]),
    ):
        for _ in range(2):  # the same word twice: it runs already
            await hand_on(skipping.client, received, lane="urgent", stop=Event(), task_queue=QUEUE)
        await skipping.sleep(timedelta(hours=1))
        assert told == [(LEAD, True, path), (OTHER, True, path)]
        await skipping.sleep(timedelta(hours=4))
        assert len(told) == 4
        answered[0] = True
        handle = skipping.client.get_workflow_handle(glass.workflow_id(received.subject))
        for _ in range(20):
            if (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED:
                break
            await skipping.sleep(timedelta(hours=1))
        else:
            pytest.fail("still watched")
        assert (looks, len(told)) == ([0, 1, 2], 4)


async def test_while_the_incident_has_a_process_its_ladder_calls_people() -> None:
    assert [wanted(broken(ended=ended)) for ended in (True, False)] == [True, False]
