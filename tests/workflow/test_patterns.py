"""The look for patterns: the real activities on a real database, every provider, also when one cannot be looked at."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.reporting import activities
from services.runtime import db
from services.runtime.clock import Clock
from services.runtime.process import Context
from tests.integration.test_reporting import Book
from tests.workflow.conftest import KEYS
from workflows.patterns import PatternsWorkflow
from workflows.webhooks import WebhooksWorkflow
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

QUEUE = "patterns-test"


async def test_every_provider_is_looked_at_by_the_real_activities(
    skipping: WorkflowEnvironment,
    service_engine: Callable[[str], Engine],
    provider_id: uuid.UUID,
    clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLUMBLINE_TEMPORAL_CODEC_KEYS", KEYS.get_secret_value())
    book = Book(service_engine("reporting"), provider_id, clock)
    book.location()
    book.project()
    context = Context(service_engine("reporting"), service_engine("reporting_system"), Clock())
    client = skipping.client
    with ThreadPoolExecutor(2) as pool:
        async with (
            build_worker(client, task_queue=QUEUE, isolated=True),
            Worker(
                client,
                task_queue=contract.REPORTING_QUEUE,
                activities=activities.build(context),
                activity_executor=pool,
            ),
        ):
            await client.execute_workflow(PatternsWorkflow.run, id=f"patterns-{provider_id}", task_queue=QUEUE)
            sent = await client.execute_workflow(WebhooksWorkflow.run, id=f"webhooks-{provider_id}", task_queue=QUEUE)
            assert sent == 0, "nobody has asked"
    with db.transaction(service_engine("reporting"), provider_id) as session:
        [searched_at] = session.scalars(text("select searched_at from reporting.search")).all()
    assert abs((datetime.now(UTC) - searched_at).total_seconds()) < 3600


async def test_one_that_cannot_be_looked_at_does_not_keep_the_others_waiting(skipping: WorkflowEnvironment) -> None:
    broken, sound = uuid.UUID(int=1), uuid.UUID(int=2)

    @activity.defn(name=contract.LIST_PROVIDERS)
    async def list_providers() -> contract.Providers:
        return contract.Providers(providers=[broken, sound])

    @activity.defn(name=contract.SEARCH_PATTERNS)
    async def search(command: contract.SearchPatterns) -> contract.Searched:
        if command.provider_id == broken:
            raise ApplicationError("the database is away")
        return contract.Searched(incidents=9, found=3, raised=2, returned=1)

    client = skipping.client
    async with (
        build_worker(client, task_queue=QUEUE, isolated=True),
        Worker(client, task_queue=contract.REPORTING_QUEUE, activities=[list_providers, search]),
    ):
        assert await client.execute_workflow(PatternsWorkflow.run, id="patterns", task_queue=QUEUE) == 3
