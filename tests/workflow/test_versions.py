"""On a real server: which version of the process an incident goes on under, while two are deployed (decision 0033)."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.common import WorkerDeploymentVersion
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.runtime.temporal import data_converter
from tests.workflow.conftest import KEYS, Case, Services, server_binary
from workflows import search_attributes
from workflows.versions import promote
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

OLD, NEW = "1.0.0", "1.1.0"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the server that the tests of this file share."""
    return "asyncio"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    """A real server, in memory."""
    env = await WorkflowEnvironment.start_local(
        data_converter=data_converter(KEYS), search_attributes=list(search_attributes.ALL),
        dev_server_existing_path=server_binary("temporal"), dev_server_log_level="error",
    )  # fmt: skip
    async with env:
        yield env


class Deployment:
    """The workers of one installation: any of its versions can be started and stopped; the services stay as they are."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env, self.services = env, Services()
        self.name, self.queue = f"care-{uuid.uuid4().hex[:8]}", f"incident-{uuid.uuid4().hex[:8]}"

    def version(self, build: str) -> WorkerDeploymentVersion:
        return WorkerDeploymentVersion(self.name, build)

    def worker(self, build: str | None) -> Worker:
        of = None if build is None else self.version(build)
        return build_worker(self.env.client, task_queue=self.queue, version=of, isolated=True)

    async def promote(self, build: str) -> None:
        await promote(self.env.client, self.version(build), patience=timedelta(seconds=30))

    async def runs_under(self, case: Case) -> str:
        """The build that last did something for an incident; empty while none that says so did."""
        described = await self.env.client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=self.env.client.namespace, execution=WorkflowExecution(workflow_id=case.handle.id)
            )
        )
        return described.workflow_execution_info.versioning_info.deployment_version.build_id


@pytest.fixture
async def deployment(server: WorkflowEnvironment) -> AsyncIterator[Deployment]:
    """An installation without any worker of the process yet; its services answer."""
    made = Deployment(server)
    async with contextlib.AsyncExitStack() as services:
        for queue, activities in made.services.activities().items():
            await services.enter_async_context(Worker(server.client, task_queue=queue, activities=activities))
        yield made


def under(deployment: Deployment, case: Case, build: str) -> Callable[[], object]:
    """A condition to wait for."""

    async def so() -> bool:
        return await deployment.runs_under(case) == build

    return so


async def test_an_incident_goes_on_under_the_current_version_and_never_under_another(deployment: Deployment) -> None:
    case = Case(deployment.env, deployment.services, deployment.queue)
    async with deployment.worker(OLD), deployment.worker(NEW):
        await deployment.promote(OLD)
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        assert await deployment.runs_under(case) == OLD  # though the new one asks for work too

        await deployment.promote(NEW)
        await case.approved()
        await case.entered("1:acting")
        assert await deployment.runs_under(case) == NEW

        await deployment.promote(OLD)  # the way back, for what the new version has not taken elsewhere
        await case.done()
        await case.entered("1:verifying")
        assert await deployment.runs_under(case) == OLD
        await case.handle.terminate()


async def test_what_began_before_versions_were_told_apart_goes_on_under_the_first_one(deployment: Deployment) -> None:
    case = Case(deployment.env, deployment.services, deployment.queue)
    async with deployment.worker(None):
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        assert await deployment.runs_under(case) == ""
    async with deployment.worker(OLD):
        await deployment.promote(OLD)
        await case.approved()
        await case.entered("1:acting")
        assert await deployment.runs_under(case) == OLD
        await case.handle.terminate()


async def test_a_version_without_workers_is_not_made_current(deployment: Deployment) -> None:
    case = Case(deployment.env, deployment.services, deployment.queue)
    async with deployment.worker(OLD):
        await deployment.promote(OLD)
        with pytest.raises(TimeoutError):
            await promote(deployment.env.client, deployment.version(NEW), patience=timedelta(seconds=2))
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        assert await deployment.runs_under(case) == OLD
        await case.handle.terminate()


async def test_promotion_waits_for_the_workers(deployment: Deployment) -> None:
    waiting = asyncio.create_task(deployment.promote(NEW))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    async with deployment.worker(NEW):
        await waiting
