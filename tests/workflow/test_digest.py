"""The digest: every page of what waits, to each provider, also when one cannot be reached; and the schedules."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.taxonomy import Role
from tests.workflow.conftest import server_binary
from workflows import digest, schedules
from workflows.digest import DigestWorkflow
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "digest-test"


async def test_all_pages_reach_all_providers_also_when_one_cannot_be_reached(
    skipping: WorkflowEnvironment,
) -> None:
    away, there = uuid.UUID(int=1), uuid.UUID(int=2)
    waiting = [
        contract.Waiting(provider_id=provider, role=Role.REGISTERED_MANAGER, location_id=uuid.UUID(int=place))
        for provider in (away, there)
        for place in range(1, digest.PAGE * 2 // 3)
    ]
    sent: list[contract.SendDigest] = []

    @activity.defn(name=contract.LIST_WAITING)
    async def list_waiting(query: contract.ListWaiting) -> contract.WaitingPage:
        start = 0 if query.after is None else waiting.index(query.after) + 1
        return contract.WaitingPage(waiting=waiting[start : start + query.limit])

    @activity.defn(name=contract.SEND_DIGEST)
    async def send_digest(command: contract.SendDigest) -> contract.Delivered:
        if command.provider_id == away:
            raise ApplicationError("the mail server is away")
        sent.append(command)
        return contract.Delivered(sent=len(command.waiting))

    client = skipping.client
    async with (
        build_worker(client, task_queue=QUEUE, isolated=True),
        Worker(client, task_queue=contract.INTAKE_QUEUE, activities=[list_waiting]),
        Worker(client, task_queue=contract.DIRECTORY_QUEUE, activities=[send_digest]),
    ):
        today = (await skipping.get_current_time()).date()
        assert await client.execute_workflow(DigestWorkflow.run, id="digest", task_queue=QUEUE) == len(waiting) // 2
    assert [one for command in sent for one in command.waiting] == waiting[len(waiting) // 2 :]
    assert {command.day - today for command in sent} <= {timedelta(days=0), timedelta(days=1)}


async def test_schedules_are_made_once_and_brought_up_to_date() -> None:
    env = await WorkflowEnvironment.start_local(
        dev_server_existing_path=server_binary("temporal"), dev_server_log_level="error"
    )
    async with env:
        for every in (300, 60):
            await schedules.ensure_schedules(env.client, reconcile_every=timedelta(seconds=every), task_queue=QUEUE)
        [interval] = (await _described(env.client, schedules.RECONCILE)).spec.intervals
        assert interval.every == timedelta(seconds=60)
        [interval] = (await _described(env.client, schedules.PATTERNS)).spec.intervals
        assert interval.every == timedelta(hours=1)
        handle = env.client.get_schedule_handle(schedules.MEETINGS)
        assert (await handle.describe()).info.num_actions == 1  # at once, and not again when brought up to date
        [interval] = (await _described(env.client, schedules.WEBHOOKS)).spec.intervals
        assert interval.every == timedelta(minutes=1)
        found = await _described(env.client, schedules.DIGEST)
        assert found.spec.time_zone_name == "Europe/London"
        assert isinstance(found.action, ScheduleActionStartWorkflow)
        assert found.action.workflow == "DigestWorkflow"


async def _described(client: Client, name: str) -> Any:
    return (await client.get_schedule_handle(name).describe()).schedule
